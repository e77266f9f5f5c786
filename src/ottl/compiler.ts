/**
 * From a checked condition to closures over a context, which is whatever the binding reads paths from (a log record).
 * A closure answers, or throws the `OttlError` of its place: made once, so that a sender who provokes errors does not
 * make the gateway build stack traces.
 */
import type { AnyValue } from '../otlp/value.ts'
import { type Call, literalsOf, type Typed } from './checker.ts'
import type { Path } from './paths.ts'
import type { Arithmetic, Span } from './syntax.ts'
import { compareValues, fromAnyValue, type Moment, OttlError, Type, toAnyValue, typeOf, type Value } from './values.ts'

export type Test<Context> = (context: Context) => boolean
export type Read<Context> = (context: Context) => Value

/** Reads paths, and may know a quicker way for a test as a whole. */
export interface Binding<Context> {
  path(path: Path, fail: Fail): Read<Context>
  quick?(node: Typed, fail: Fail): Test<Context> | undefined
}

export type Fail = (reason: string) => never

/** Throws the error of a place. One error a reason, without a stack. */
export function failureOf(span: Span): Fail {
  const known = new Map<string, OttlError>()
  return (reason) => {
    let error = known.get(reason)
    if (error === undefined) {
      error = new OttlError(reason, span)
      error.stack = `${error.name}: ${error.message}`
      known.set(reason, error)
    }
    throw error
  }
}

export function compileTest<Context>(node: Typed, binding: Binding<Context>): Test<Context> {
  const quick = binding.quick?.(node, failureOf(node))
  if (quick !== undefined) return quick
  switch (node.is) {
    case 'or':
    case 'and':
      return joined(
        node.is,
        node.terms.map((term) => compileTest(term, binding)),
      )
    case 'not': {
      const operand = compileTest(node.operand, binding)
      return (context) => !operand(context)
    }
    case 'compare': {
      const { op } = node
      const left = compileRead(node.left, binding)
      const right = compileRead(node.right, binding)
      return (context) => compareValues(left(context), op, right(context))
    }
    default: {
      const read = compileRead(node, binding)
      const fail = failureOf(node)
      return (context) => {
        const value = read(context)
        return typeof value === 'boolean' ? value : fail('not a bool')
      }
    }
  }
}

/** Short-circuits from left to right. */
function joined<Context>(word: 'or' | 'and', tests: readonly Test<Context>[]): Test<Context> {
  const [first, second, third] = tests as [Test<Context>, Test<Context>, Test<Context> | undefined]
  if (word === 'or') {
    if (tests.length === 2) return (context) => first(context) || second(context)
    if (tests.length === 3) return (context) => first(context) || second(context) || third!(context)
    return (context) => {
      for (let i = 0; i < tests.length; i++) if (tests[i]!(context)) return true
      return false
    }
  }
  if (tests.length === 2) return (context) => first(context) && second(context)
  if (tests.length === 3) return (context) => first(context) && second(context) && third!(context)
  return (context) => {
    for (let i = 0; i < tests.length; i++) if (!tests[i]!(context)) return false
    return true
  }
}

export function compileRead<Context>(node: Typed, binding: Binding<Context>): Read<Context> {
  switch (node.is) {
    case 'literal': {
      const { value } = node
      return () => value
    }
    case 'path':
      return binding.path(node.path, failureOf(node))
    case 'negate': {
      const operand = compileRead(node.operand, binding)
      const fail = failureOf(node)
      return (context) => {
        const value = operand(context)
        if (typeof value === 'bigint') return BigInt.asIntN(64, -value)
        return typeof value === 'number' ? -value : fail('- of what is no number')
      }
    }
    case 'math': {
      const { op } = node
      const left = compileRead(node.left, binding)
      const right = compileRead(node.right, binding)
      const fail = failureOf(node)
      return (context) => calculate(left(context), op, right(context), fail)
    }
    case 'call':
      return compileCall(node, binding)
    case 'list':
      return compileList(node, binding)
    case 'map': {
      const entries = node.entries.map(({ key, value }) => ({ key, read: compileRead(value, binding) }))
      return (context) => ({
        kind: 'kvlist',
        entries: entries.map(({ key, read }) => ({ key, value: toAnyValue(read(context)) })),
      })
    }
    default: {
      const test = compileTest(node, binding)
      return (context) => test(context)
    }
  }
}

function compileList<Context>(node: Extract<Typed, { is: 'list' }>, binding: Binding<Context>): Read<Context> {
  const reads = node.items.map((item) => compileRead(item, binding))
  const build = (context: Context): Value => ({ kind: 'array', values: reads.map((read) => toAnyValue(read(context))) })
  if (!node.items.every((item) => item.is === 'literal')) return build
  const constant: Value = {
    kind: 'array',
    values: node.items.map((item) => toAnyValue((item as Extract<Typed, { is: 'literal' }>).value)),
  }
  return () => constant
}

function compileCall<Context>(node: Call, binding: Binding<Context>): Read<Context> {
  const fail = failureOf(node)
  // Literals were accepted by the checker; a complaint now is a defect of ours.
  const refuse = (): never => fail('a literal that was not checked')
  const apply = node.spec.prepare(literalsOf(node), fail, refuse)
  const [first, second, third] = node.args.map((arg, i) => compileArgument(node, arg, i, binding))
  const absent: Read<Context> = () => null
  const a = first ?? absent
  const b = second ?? absent
  const c = third ?? absent
  const call: Read<Context> =
    node.args.length <= 1
      ? (context) => apply(a(context), null, null)
      : (context) => apply(a(context), b(context), c(context))
  if (node.keys.length === 0) return call
  return (context) => {
    const value = call(context)
    return value === null ? fail('a key of nil') : descend(toAnyValue(value), node.keys, 0, fail, true)
  }
}

/** A list that a function wants written out is handed over as an array of values, not as a tree. */
function compileArgument<Context>(
  node: Call,
  arg: Typed | undefined,
  index: number,
  binding: Binding<Context>,
): Read<Context> | undefined {
  if (arg === undefined) return undefined
  if (!node.spec.params[index]!.isListLiteral || arg.is !== 'list') return compileRead(arg, binding)
  const reads = arg.items.map((item) => compileRead(item, binding))
  return (context) => reads.map((read) => read(context)) as unknown as Value
}

/**
 * A value inside a value: `["key"]` of a map, `[0]` of a list. A key that is not there gives nil in a path, and fails
 * in what a function gave (`isStrict`), as in the Collector.
 */
export function descend(
  tree: AnyValue,
  keys: readonly (string | bigint)[],
  from: number,
  fail: Fail,
  isStrict = false,
): Value {
  let value = tree
  for (let i = from; i < keys.length; i++) {
    const key = keys[i]!
    if (value.kind === 'kvlist') {
      if (typeof key !== 'string') return fail('a map indexed by a number')
      const entry = value.entries.find((other) => other.key === key)
      if (entry === undefined) return isStrict ? fail('a key that is not in the map') : null
      value = entry.value
    } else if (value.kind === 'array') {
      if (typeof key !== 'bigint') return fail('a list indexed by text')
      const item = key < BigInt(value.values.length) ? value.values[Number(key)] : undefined
      if (item === undefined) return fail('an index past the end of a list')
      value = item
    } else return fail('a key of what is no map or list')
  }
  return fromAnyValue(value)
}

/** Go's arithmetic: int64 wraps, ints divide towards zero, an int with a float gives a float. */
function calculate(left: Value, op: Arithmetic, right: Value, fail: Fail): Value {
  if (typeof left === 'bigint' && typeof right === 'bigint')
    return BigInt.asIntN(64, calculateInts(left, op, right, fail))
  const isNumber = (value: Value): value is bigint | number => typeof value === 'bigint' || typeof value === 'number'
  if (isNumber(left) && isNumber(right)) {
    const a = Number(left)
    const b = Number(right)
    if (op === '+') return a + b
    if (op === '-') return a - b
    if (op === '*') return a * b
    return b === 0 ? fail('a division by zero') : a / b
  }
  return calculateTimes(left, op, right, fail)
}

function calculateInts(left: bigint, op: Arithmetic, right: bigint, fail: Fail): bigint {
  if (op === '+') return left + right
  if (op === '-') return left - right
  if (op === '*') return left * right
  return right === 0n ? fail('a division by zero') : left / right
}

function calculateTimes(left: Value, op: Arithmetic, right: Value, fail: Fail): Value {
  const leftType = typeOf(left)
  const rightType = typeOf(right)
  const isTimes = ((leftType | rightType) & ~(Type.Time | Type.Duration)) === 0 && (op === '+' || op === '-')
  const addsTimes = op === '+' && leftType === Type.Time && rightType === Type.Time
  const takesTime = op === '-' && leftType === Type.Duration && rightType === Type.Time
  if (!isTimes || addsTimes || takesTime) return fail(`${op} of types that cannot be calculated`)
  const a = (left as Moment).nanos
  const b = (right as Moment).nanos
  const isTime = leftType !== rightType
  return { kind: isTime ? 'time' : 'duration', nanos: op === '+' ? a + b : a - b }
}
