/**
 * Values of OTTL and how they compare, as the Collector's OTTL has it (pkg/ottl/LANGUAGE.md, "Comparison Rules").
 *
 *   nil null · string text · bool boolean · int64 bigint · float64 number · bytes Uint8Array
 *   list and map: AnyValue trees · time, duration: nanoseconds · trace id, span id: hex
 *
 * Types are bits of a mask, so that the checker can say what a value may be. Text is ordered by its UTF-8 bytes, as
 * Go orders it, and not by UTF-16 units.
 */
import type { AnyValue } from '../otlp/value.ts'
import type { Comparison, Span } from './syntax.ts'

export type List = Extract<AnyValue, { kind: 'array' }>
export type Dictionary = Extract<AnyValue, { kind: 'kvlist' }>
export type Moment = { readonly kind: 'time' | 'duration'; readonly nanos: bigint }
export type Id = { readonly kind: 'trace_id' | 'span_id'; readonly hex: string }
export type Value = null | string | boolean | bigint | number | Uint8Array | List | Dictionary | Moment | Id

export const Type = {
  Nil: 1,
  String: 2,
  Int: 4,
  Float: 8,
  Bool: 16,
  Bytes: 32,
  List: 64,
  Map: 128,
  Time: 256,
  Duration: 512,
  TraceId: 1024,
  SpanId: 2048,
} as const
export const numeric = Type.Int | Type.Float
/** What an attribute or a body may hold. */
export const anyType = Type.Nil | Type.String | numeric | Type.Bool | Type.Bytes | Type.List | Type.Map

const typeNames: readonly [number, string][] = [
  [Type.Nil, 'nil'],
  [Type.String, 'text'],
  [Type.Int, 'an int'],
  [Type.Float, 'a float'],
  [Type.Bool, 'a bool'],
  [Type.Bytes, 'bytes'],
  [Type.List, 'a list'],
  [Type.Map, 'a map'],
  [Type.Time, 'a time'],
  [Type.Duration, 'a duration'],
  [Type.TraceId, 'a trace id'],
  [Type.SpanId, 'a span id'],
]

/** `text or an int`: the types in a mask, for people. */
export function namesOf(types: number): string {
  const names = typeNames.filter(([bit]) => (types & bit) !== 0).map(([, name]) => name)
  return names.length < 2 ? (names[0] ?? 'nothing') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

/** A condition that could not be evaluated on a record. The record follows `error_mode`. Holds no payload. */
export class OttlError extends Error {
  /** UTF-16 units from the start of the condition. */
  readonly offset: number
  readonly reason: string
  constructor(reason: string, span: Span) {
    super(`${reason} (at character ${span.start + 1} of the condition)`)
    this.name = 'OttlError'
    this.offset = span.start
    this.reason = reason
  }
}

export function typeOf(value: Value): number {
  switch (typeof value) {
    case 'string':
      return Type.String
    case 'boolean':
      return Type.Bool
    case 'bigint':
      return Type.Int
    case 'number':
      return Type.Float
    default:
  }
  if (value === null) return Type.Nil
  if (value instanceof Uint8Array) return Type.Bytes
  return kindTypes[(value as Exclude<Value, null | string | boolean | bigint | number | Uint8Array>).kind]
}
const kindTypes = {
  array: Type.List,
  kvlist: Type.Map,
  time: Type.Time,
  duration: Type.Duration,
  trace_id: Type.TraceId,
  span_id: Type.SpanId,
} as const

export function fromAnyValue(value: AnyValue): Value {
  switch (value.kind) {
    case 'empty':
      return null
    case 'array':
    case 'kvlist':
      return value
    default:
      return value.value
  }
}

/** What can stand in a list or a map. Times and ids cannot; the checker sees to that. */
export function toAnyValue(value: Value): AnyValue {
  switch (typeof value) {
    case 'string':
      return { kind: 'string', value }
    case 'boolean':
      return { kind: 'bool', value }
    case 'bigint':
      return { kind: 'int', value }
    case 'number':
      return { kind: 'double', value }
    default:
  }
  if (value === null) return { kind: 'empty' }
  if (value instanceof Uint8Array) return { kind: 'bytes', value }
  const tree = value as Exclude<Value, null | string | boolean | bigint | number | Uint8Array>
  return tree.kind === 'array' || tree.kind === 'kvlist' ? tree : { kind: 'empty' }
}

/** Orders text by its UTF-8 bytes: below zero, zero or above. Differs from UTF-16 order only after a surrogate. */
export function compareText(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i++) {
    const a = left.charCodeAt(i)
    const b = right.charCodeAt(i)
    if (a !== b) return rank(a) - rank(b)
  }
  return left.length - right.length
}
/** Surrogates stand for code points above all other units. */
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit)

const orderHolds = (order: number, op: Comparison): boolean => {
  switch (op) {
    case '==':
      return order === 0
    case '!=':
      return order !== 0
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    default:
      return order >= 0
  }
}

/** IEEE comparison: with NaN all but `!=` are false. */
export function compareNumbers(left: number, op: Comparison, right: number): boolean {
  if (Number.isNaN(left) || Number.isNaN(right)) return op === '!='
  return orderHolds(left < right ? -1 : left > right ? 1 : 0, op)
}

/** Whether `left op right`. Values of types that do not compare are unequal: only `!=` holds. */
export function compareValues(left: Value, op: Comparison, right: Value): boolean {
  if (left === null || right === null) {
    if (left === null && right === null) return op === '==' || op === '<=' || op === '>='
    return op === '!='
  }
  if (typeof left === 'bigint' && typeof right === 'bigint') {
    return orderHolds(left < right ? -1 : left > right ? 1 : 0, op)
  }
  const leftType = typeOf(left)
  const rightType = typeOf(right)
  if ((leftType & numeric) !== 0 && (rightType & numeric) !== 0) return compareNumbers(Number(left), op, Number(right))
  if (leftType !== rightType) return op === '!='
  switch (leftType) {
    case Type.String:
      return orderHolds(compareText(left as string, right as string), op)
    case Type.Bool:
      return orderHolds(Number(left) - Number(right), op)
    case Type.Bytes:
      return orderHolds(Buffer.compare(left as Uint8Array, right as Uint8Array), op)
    case Type.Time:
    case Type.Duration:
      return compareValues((left as Moment).nanos, op, (right as Moment).nanos)
    default:
  }
  if (op !== '==' && op !== '!=') return false
  const isEqual =
    leftType === Type.List || leftType === Type.Map
      ? equalTrees(left as AnyValue, right as AnyValue)
      : (left as Id).hex === (right as Id).hex
  return isEqual === (op === '==')
}

/** Equal down to types: an int never equals a float in here, and the order of a map's keys does not matter. */
export function equalTrees(left: AnyValue, right: AnyValue): boolean {
  if (left.kind === 'array' && right.kind === 'array') {
    return left.values.length === right.values.length && left.values.every((v, i) => equalTrees(v, right.values[i]!))
  }
  if (left.kind === 'kvlist' && right.kind === 'kvlist') {
    const a = new Map(left.entries.map((entry) => [entry.key, entry.value]))
    const b = new Map(right.entries.map((entry) => [entry.key, entry.value]))
    if (a.size !== b.size) return false
    for (const [key, value] of a) {
      const other = b.get(key)
      if (other === undefined || !equalTrees(value, other)) return false
    }
    return true
  }
  if (left.kind !== right.kind) return false
  if (left.kind === 'empty') return true
  return compareValues(fromAnyValue(left), '==', fromAnyValue(right))
}

/** A value as text: `String(…)`, `IsMatch` and `Concat` see it so. Throws `RangeError` for what has no JSON. */
export function textOf(value: Value): string {
  switch (typeof value) {
    case 'string':
      return value
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'number':
      return longNumber(value)
    default:
  }
  if (value === null) return ''
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('hex')
  return jsonOf(toAnyValue(value), longNumber)
}

/** A float in JSON: `1e-7`. Throws `RangeError` for NaN and infinity. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError('not a number in JSON')
  return Object.is(value, -0) ? '-0' : String(value)
}
/** The same with two digits in the exponent, `1e-07`: the Collector has both, this one in `String` and `IsMatch`. */
const longNumber = (value: number): string => shortNumber(value).replace(/e([+-])(\d)$/, 'e$10$2')
/** What has no JSON, as Go prints it. */
export const goNumber = (value: number): string => (Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf')

/** JSON as Go writes it: keys in order, `<`, `>`, `&` escaped, bytes in base64. */
export function jsonOf(value: AnyValue, numberOf: (value: number) => string): string {
  switch (value.kind) {
    case 'empty':
      return 'null'
    case 'string':
      return jsonText(value.value)
    case 'double':
      return numberOf(value.value)
    case 'bytes':
      return `"${Buffer.from(value.value).toString('base64')}"`
    case 'array':
      return `[${value.values.map((item) => jsonOf(item, numberOf)).join(',')}]`
    case 'kvlist': {
      const last = new Map(value.entries.map((entry) => [entry.key, entry.value]))
      const sorted = [...last].sort(([a], [b]) => compareText(a, b))
      return `{${sorted.map(([key, inner]) => `${jsonText(key)}:${jsonOf(inner, numberOf)}`).join(',')}}`
    }
    default:
      return String(value.value)
  }
}

const jsonEscapes: Record<string, string> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}
const jsonText = (text: string): string => JSON.stringify(text).replace(/[<>&\u2028\u2029]/g, (c) => jsonEscapes[c]!)
