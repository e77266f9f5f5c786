/**
 * The tests that rules are made of, without decoding: text against a literal compares bytes, numbers are read from the
 * wire into plain numbers, types are looked up. Each says the same as the general way in compiler.ts, only sooner;
 * what is not here takes the general way. Tests of the resource and the scope alone are answered once for all their records.
 */
import { Kind } from '../otlp/fields.ts'
import type { Call, Typed } from './checker.ts'
import { compileTest, type Fail, type Test } from './compiler.ts'
import { notA } from './function_spec.ts'
import type { Path } from './paths.ts'
import { compilePattern } from './pattern.ts'
import { readOf, type SlotOf, slotOf, valueAt } from './record_paths.ts'
import type { Comparison } from './syntax.ts'
import { compareNumbers, compareValues, type Value } from './values.ts'
import type { View } from './view.ts'

const mirrored: Record<Comparison, Comparison> = { '==': '==', '!=': '!=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' }
/** Ints up to here are exact as numbers, and stay on their side of any larger one that is rounded. */
const exactMax = 2n ** 52n

export function quickTest(node: Typed, view: View, fail: Fail): Test<View> | undefined {
  if (isShared(node) && node.is !== 'literal') return oncePerScope(node, view)
  if (node.is === 'call') return quickCall(node, view, fail)
  if (node.is !== 'compare') return undefined
  const { left, right, op } = node
  if (left.is === 'path' && right.is === 'literal') return quickCompare(left.path, op, right.value, view)
  if (left.is === 'literal' && right.is === 'path') return quickCompare(right.path, mirrored[op], left.value, view)
  return undefined
}

/** Whether a condition reads the resource and the scope alone: its answer is the same for all their records. */
export function isShared(node: Typed): boolean {
  switch (node.is) {
    case 'literal':
      return true
    case 'path':
      return node.path.of !== 'log'
    case 'or':
    case 'and':
      return node.terms.every(isShared)
    case 'not':
    case 'negate':
      return isShared(node.operand)
    case 'compare':
    case 'math':
      return isShared(node.left) && isShared(node.right)
    case 'call':
      return node.args.every((arg) => arg === undefined || isShared(arg))
    case 'list':
      return node.items.every(isShared)
    default:
      return node.entries.every((entry) => isShared(entry.value))
  }
}

/** An error is not kept: it is thrown anew for each record, which then follows `error_mode`. */
function oncePerScope(node: Typed, view: View): Test<View> {
  const test = compileTest(node, { path: (path, fail) => readOf(path, view, fail) })
  let epoch = -1
  let answer = false
  return (seen) => {
    if (epoch !== seen.epoch) {
      answer = test(seen)
      epoch = seen.epoch
    }
    return answer
  }
}

function quickCompare(path: Path, op: Comparison, literal: Value, view: View): Test<View> | undefined {
  if (path.field === 'severity_number' && typeof literal === 'bigint' && literal < exactMax && literal > -exactMax) {
    return severityTest(op, Number(literal))
  }
  const slot = slotOf(path, view)
  if (slot === undefined || path.keys.length > (path.field === 'attributes' ? 1 : 0)) return undefined
  const isText = path.field !== 'attributes' && path.field !== 'body'
  if (typeof literal === 'string' && (op === '==' || op === '!=')) return textTest(slot, op, literal, isText)
  if (isText) return undefined
  if (literal === null) return nilTest(slot, op)
  if (typeof literal === 'boolean') return boolTest(slot, op, literal)
  if (typeof literal === 'number') return numberTest(slot, op, literal)
  if (typeof literal === 'bigint' && literal < exactMax && literal > -exactMax) {
    return numberTest(slot, op, Number(literal))
  }
  return undefined
}

function severityTest(op: Comparison, number: number): Test<View> {
  switch (op) {
    case '>=':
      return (view) => view.record.severityNumber >= number
    case '<':
      return (view) => view.record.severityNumber < number
    case '==':
      return (view) => view.record.severityNumber === number
    default:
      return (view) => compareNumbers(view.record.severityNumber, op, number)
  }
}

/** `isText`: a field that is always text, and empty text where it is absent. */
function textTest(slot: SlotOf, op: '==' | '!=', literal: string, isText: boolean): Test<View> {
  const bytes = Buffer.from(literal)
  const ifAbsent = isText && literal === ''
  const isEqual: Test<View> = isText
    ? (view) => {
        const at = slot(view)
        return at < 0 ? ifAbsent : view.equals(at, bytes)
      }
    : (view) => {
        const at = slot(view)
        return at >= 0 && view.slots.kind(at) === Kind.String && view.equals(at, bytes)
      }
  return op === '==' ? isEqual : (view) => !isEqual(view)
}

function isNil(view: View, slot: number): boolean {
  if (slot < 0) return true
  const kind = view.slots.kind(slot)
  return kind === Kind.Empty || kind === Kind.Removed
}

const nilTest = (slot: SlotOf, op: Comparison): Test<View> =>
  op === '!=' ? (view) => !isNil(view, slot(view)) : (view) => isNil(view, slot(view))

const boolTest =
  (slot: SlotOf, op: Comparison, literal: boolean): Test<View> =>
  (view) => {
    const at = slot(view)
    if (at < 0 || view.slots.kind(at) !== Kind.Bool) return op === '!='
    return compareValues(view.slots.bool(at), op, literal)
  }

const numberTest =
  (slot: SlotOf, op: Comparison, literal: number): Test<View> =>
  (view) => {
    const at = slot(view)
    const { slots } = view
    const kind = at < 0 ? Kind.Empty : slots.kind(at)
    if (kind === Kind.Double) return compareNumbers(slots.double(at), op, literal)
    if (kind !== Kind.Int) return op === '!='
    return compareNumbers(view.intNumber(at), op, literal)
  }

const kindTests: Record<string, Kind> = {
  IsString: Kind.String,
  IsInt: Kind.Int,
  IsDouble: Kind.Double,
  IsBool: Kind.Bool,
  IsMap: Kind.KvList,
  IsList: Kind.Array,
}

function quickCall(node: Call, view: View, fail: Fail): Test<View> | undefined {
  const [target, literal] = node.args
  if (target?.is !== 'path') return undefined
  const { path } = target
  const slot = slotOf(path, view)
  if (slot === undefined || path.keys.length > (path.field === 'attributes' ? 1 : 0)) return undefined
  const isText = path.field !== 'attributes' && path.field !== 'body'
  const kind = kindTests[node.name]
  if (kind !== undefined && !isText) {
    return (seen) => {
      const at = slot(seen)
      return at >= 0 && seen.slots.kind(at) === kind
    }
  }
  if (literal?.is !== 'literal' || typeof literal.value !== 'string') return undefined
  if (node.name === 'IsMatch') return matchTest(slot, literal.value, isText)
  if (node.name === 'HasPrefix' || node.name === 'HasSuffix')
    return affixTest(node.name, slot, literal.value, isText, fail)
  return undefined
}

function affixTest(
  name: 'HasPrefix' | 'HasSuffix',
  slot: SlotOf,
  literal: string,
  isText: boolean,
  fail: Fail,
): Test<View> {
  const bytes = Buffer.from(literal)
  const ifAbsent = literal === ''
  const isPrefix = name === 'HasPrefix'
  return (view) => {
    const at = slot(view)
    if (isText) {
      if (at < 0) return ifAbsent
    } else if (at < 0 || view.slots.kind(at) !== Kind.String) {
      return fail(notA('text', valueAt(view, at)))
    }
    return isPrefix ? view.startsWith(at, bytes) : view.endsWith(at, bytes)
  }
}

/** Only where the value is text or absent; the general way writes other types as text first. */
function matchTest(slot: SlotOf, pattern: string, isText: boolean): Test<View> | undefined {
  const matches = compilePattern(pattern)
  if (typeof matches === 'string' || !isText) return undefined
  const ifAbsent = matches('')
  return (view) => {
    const at = slot(view)
    return at < 0 ? ifAbsent : matches(view.text(at))
  }
}
