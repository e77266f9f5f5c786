/**
 * The checker: from what is written to what it means. Paths are resolved, enums are numbers, functions and their
 * arguments are known, and each part has its possible types. What can never work is an error here, at load, with its
 * place: an unknown path or function, a wrong number of arguments, a comparison of types that never compare.
 */

import { nearestName } from '../nearest_name.ts'
import type { FunctionSpec, Parameter } from './function_spec.ts'
import { functions } from './functions.ts'
import { parseExpression, parsePathNode } from './parser.ts'
import { type Path, resolvePath } from './paths.ts'
import { type Arithmetic, type Comparison, ConditionError, type Node, type Span } from './syntax.ts'
import { anyType, namesOf, numeric, Type, typeOf, type Value } from './values.ts'

/** A part of a condition with the types that it may have, as a mask of `Type`. */
export type Typed = Span & { readonly types: number } & (
    | { readonly is: 'or' | 'and'; readonly terms: readonly Typed[] }
    | { readonly is: 'not' | 'negate'; readonly operand: Typed }
    | { readonly is: 'compare'; readonly op: Comparison; readonly left: Typed; readonly right: Typed }
    | { readonly is: 'math'; readonly op: Arithmetic; readonly left: Typed; readonly right: Typed }
    | { readonly is: 'literal'; readonly value: Value }
    | { readonly is: 'path'; readonly path: Path }
    | {
        readonly is: 'call'
        readonly name: string
        readonly spec: FunctionSpec
        /** One per parameter; a parameter left out has none. */
        readonly args: readonly (Typed | undefined)[]
        readonly keys: readonly (string | bigint)[]
      }
    | { readonly is: 'list'; readonly items: readonly Typed[] }
    | { readonly is: 'map'; readonly entries: readonly { readonly key: string; readonly value: Typed }[] }
  )
export type Call = Extract<Typed, { is: 'call' }>

/** A condition that was parsed and checked. `root` is a boolean. */
export interface Condition {
  readonly source: string
  readonly root: Typed
}

/** Parses and checks a condition. Throws `ConditionError`, which tells line, column, what was expected and the fix. */
export function parseCondition(source: string): Condition {
  const root = new Checker(source).boolean(parseExpression(source))
  return { source, root }
}

/** Parses one path: `log.body`, `resource.attributes["tenant.id"]`. Throws `ConditionError`. */
export function parsePath(source: string): Path {
  return resolvePath(source, parsePathNode(source))
}

const levels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL']
/** Names of logs.proto's SeverityNumber. */
export const enums: ReadonlyMap<string, bigint> = new Map([
  ['SEVERITY_NUMBER_UNSPECIFIED', 0n],
  ...levels.flatMap((level, i) =>
    ['', '2', '3', '4'].map((suffix, j): [string, bigint] => [
      `SEVERITY_NUMBER_${level}${suffix}`,
      BigInt(4 * i + j + 1),
    ]),
  ),
])

const ordered = Type.String | numeric | Type.Bool | Type.Bytes | Type.Time | Type.Duration
const inTree = anyType

class Checker {
  readonly #source: string
  constructor(source: string) {
    this.#source = source
  }

  boolean(node: Node): Typed {
    switch (node.is) {
      case 'or':
      case 'and':
        return { ...span(node), is: node.is, types: Type.Bool, terms: node.terms.map((term) => this.boolean(term)) }
      case 'not':
        return { ...span(node), is: 'not', types: Type.Bool, operand: this.boolean(node.operand) }
      case 'compare':
        return this.#compare(node)
      default: {
        const typed = this.value(node)
        if (typed.is === 'path') {
          const path = this.#source.slice(node.start, node.end)
          throw this.#error(node, 'a path alone is no condition', `compare it: ${path} == true, or ${path} != nil`)
        }
        if ((typed.types & Type.Bool) === 0 || (typed.is !== 'literal' && typed.is !== 'call')) {
          throw this.#error(node, `expected a condition, found ${namesOf(typed.types)}`, 'compare it with something')
        }
        return typed
      }
    }
  }

  value(node: Node): Typed {
    switch (node.is) {
      case 'or':
      case 'and':
      case 'not':
      case 'compare':
        throw this.#error(node, 'a condition cannot be an operand', 'join conditions by and, or, not')
      case 'literal':
        return { ...span(node), is: 'literal', value: node.value, types: typeOf(node.value) }
      case 'enum':
        return this.#enum(node)
      case 'path': {
        const path = resolvePath(this.#source, node)
        return { ...span(node), is: 'path', path, types: path.types }
      }
      case 'negate':
        return this.#negate(node)
      case 'math':
        return this.#math(node)
      case 'call':
        return this.#call(node)
      case 'list':
        return { ...span(node), is: 'list', types: Type.List, items: node.items.map((item) => this.#item(item)) }
      default: {
        const entries = node.entries.map(({ key, value }) => ({ key, value: this.#item(value) }))
        return { ...span(node), is: 'map', types: Type.Map, entries }
      }
    }
  }

  #error(place: Span, reason: string, fix?: string): ConditionError {
    return new ConditionError(this.#source, place, reason, fix)
  }

  #text(node: Span): string {
    return this.#source.slice(node.start, Math.min(node.end, node.start + 60))
  }

  #item(node: Node): Typed {
    const typed = this.value(node)
    if ((typed.types & ~inTree) !== 0) throw this.#error(node, `${namesOf(typed.types)} cannot stand in a list or map`)
    return typed
  }

  #enum(node: Extract<Node, { is: 'enum' }>): Typed {
    const value = enums.get(node.name)
    if (value !== undefined) return { ...span(node), is: 'literal', value, types: Type.Int }
    const near =
      nearestName(node.name, [...enums.keys()]) ?? nearestName(`SEVERITY_NUMBER_${node.name}`, [...enums.keys()])
    const fix = near === undefined ? 'text stands in double quotes' : `did you mean ${near}?`
    throw this.#error(node, `there is no enum ${node.name}`, fix)
  }

  #compare(node: Extract<Node, { is: 'compare' }>): Typed {
    const left = this.value(node.left)
    const right = this.value(node.right)
    const common = widened(left.types) & widened(right.types)
    if (common === 0) {
      const reason = `${this.#text(left)} is ${namesOf(left.types)} and never equals ${namesOf(right.types)}`
      throw this.#error(node, reason, compareFix(left, right))
    }
    if (node.op !== '==' && node.op !== '!=' && (common & ordered) === 0) {
      const reason = `${node.op} has no meaning for ${namesOf(common)}`
      throw this.#error(node, reason, 'nil, lists and maps have no order: use == or !=')
    }
    return { ...span(node), is: 'compare', op: node.op, left, right, types: Type.Bool }
  }

  #negate(node: Extract<Node, { is: 'negate' | 'not' }>): Typed {
    const operand = this.value(node.operand)
    const types = operand.types & numeric
    if (types === 0) throw this.#error(node, `- needs a number, found ${namesOf(operand.types)}`)
    return { ...span(node), is: 'negate', operand, types }
  }

  #math(node: Extract<Node, { is: 'math' }>): Typed {
    const left = this.value(node.left)
    const right = this.value(node.right)
    const types = mathTypes(left.types, node.op, right.types)
    if (types === 0) {
      const hasText = ((left.types | right.types) & Type.String) !== 0
      const reason = `${namesOf(left.types)} ${node.op} ${namesOf(right.types)} cannot be calculated`
      throw this.#error(node, reason, hasText ? 'Concat joins text, Int and Double read numbers from it' : undefined)
    }
    return { ...span(node), is: 'math', op: node.op, left, right, types }
  }

  #call(node: Extract<Node, { is: 'call' }>): Typed {
    const spec = Object.hasOwn(functions, node.name) ? functions[node.name] : undefined
    if (spec === undefined) {
      const near = nearestName(node.name, Object.keys(functions))
      const fix = near === undefined ? 'docs/ottl.md lists the functions' : `did you mean ${near}?`
      const name = { start: node.start, end: node.start + node.name.length }
      throw this.#error(name, `there is no function ${node.name}`, fix)
    }
    const args = this.#arguments(node, spec)
    if (node.keys.length > 0 && (spec.result & (Type.List | Type.Map)) === 0) {
      throw this.#error(node.keys[0]!, `${node.name} gives ${namesOf(spec.result)}, which has no keys`)
    }
    const call: Call = {
      ...span(node),
      is: 'call',
      name: node.name,
      spec,
      args,
      keys: node.keys.map(({ key }) => key),
      types: node.keys.length > 0 ? anyType : spec.result,
    }
    prepareCall(call, this.#source)
    return call
  }

  #arguments(node: Extract<Node, { is: 'call' }>, spec: FunctionSpec): (Typed | undefined)[] {
    const { params } = spec
    const usage = `${node.name}(${params.map((p) => (p.isOptional ? `[${p.name}]` : p.name)).join(', ')})`
    const args: (Typed | undefined)[] = params.map(() => undefined)
    for (const [i, argument] of node.args.entries()) {
      const at = argument.name === undefined ? i : params.findIndex((p) => p.name === argument.name)
      const parameter = params[at]
      if (argument.name === undefined && node.args.slice(0, i).some((earlier) => earlier.name !== undefined)) {
        throw this.#error(argument, 'an argument without a name after one with a name', `write ${usage}`)
      }
      if (parameter === undefined) {
        const reason = argument.name === undefined ? 'too many arguments' : `no argument is called ${argument.name}`
        throw this.#error(argument, reason, `write ${usage}`)
      }
      if (args[at] !== undefined) throw this.#error(argument, `${parameter.name} is given twice`)
      args[at] = this.#argument(argument.value, parameter)
    }
    const missing = params.find((p, i) => args[i] === undefined && !p.isOptional)
    if (missing !== undefined) throw this.#error(node, `${node.name} lacks ${missing.name}`, `write ${usage}`)
    return args
  }

  #argument(node: Node, parameter: Parameter): Typed {
    const typed = parameter.isListLiteral ? this.#item(node) : this.value(node)
    if ((typed.types & parameter.types) === 0) {
      const isId = (typed.types & (Type.TraceId | Type.SpanId)) !== 0
      const fix = isId && (parameter.types & Type.String) !== 0 ? `write ${this.#text(node)}.string` : undefined
      const reason = `${parameter.name} must be ${namesOf(parameter.types)}, found ${namesOf(typed.types)}`
      throw this.#error(node, reason, fix)
    }
    if (parameter.isListLiteral) {
      const isRight =
        typed.is === 'list' && (!parameter.isLiteral || typed.items.every((item) => item.is === 'literal'))
      if (!isRight) throw this.#error(node, `${parameter.name} must be written out as a list, ["a", "b"]`)
    } else if (parameter.isLiteral && typed.is !== 'literal') {
      throw this.#error(node, `${parameter.name} must be a literal`, 'a value from the record cannot stand here')
    }
    return typed
  }
}

const span = (node: Span): Span => ({ start: node.start, end: node.end })
/** Ints and floats compare with each other. */
const widened = (types: number): number => ((types & numeric) !== 0 ? types | numeric : types)

function compareFix(left: Typed, right: Typed): string | undefined {
  const path = left.is === 'path' ? left : right.is === 'path' ? right : undefined
  if (path === undefined) return undefined
  const other = path === left ? right : left
  if (other.types === Type.Nil) {
    const empty = path.types === Type.Int ? '0' : path.types === Type.String ? '""' : undefined
    return empty === undefined
      ? 'it is always there'
      : `it is always there: when the sender left it out, it is ${empty}`
  }
  if (path.path.field === 'severity_number') return 'write SEVERITY_NUMBER_ERROR …, or compare severity_text'
  if (path.path.field === 'trace_id') return 'write TraceID(0x…), or compare trace_id.string'
  if (path.path.field === 'span_id') return 'write SpanID(0x…), or compare span_id.string'
  return undefined
}

/** What a calculation may give; 0 when it never works. */
function mathTypes(left: number, op: Arithmetic, right: number): number {
  let types = 0
  const both = left & right
  if ((left & numeric) !== 0 && (right & numeric) !== 0) {
    if ((both & Type.Int) !== 0) types |= Type.Int
    if (((left | right) & Type.Float) !== 0) types |= Type.Float
  }
  if (op === '*' || op === '/') return types
  if ((both & Type.Duration) !== 0) types |= Type.Duration
  if ((left & Type.Time) !== 0 && (right & Type.Duration) !== 0) types |= Type.Time
  if (op === '+' && (left & Type.Duration) !== 0 && (right & Type.Time) !== 0) types |= Type.Time
  if (op === '-' && (both & Type.Time) !== 0) types |= Type.Duration
  return types
}

/** The literals among a call's arguments, as `FunctionSpec.prepare` wants them. */
export const literalsOf = (call: Call): (Value | (Value | undefined)[] | undefined)[] =>
  call.args.map((arg) => {
    if (arg?.is === 'literal') return arg.value
    return arg?.is === 'list' ? arg.items.map((item) => (item.is === 'literal' ? item.value : undefined)) : undefined
  })

/** Prepares a call once for its own complaints about literals: a bad pattern, a bad network. */
function prepareCall(call: Call, source: string): void {
  const fail = (): never => {
    throw new Error('a function failed before it was called')
  }
  call.spec.prepare(literalsOf(call), fail, (index, reason) => {
    throw new ConditionError(source, call.args[index] ?? call, reason)
  })
}
