/**
 * The scan's part for AnyValue: is it regular, what kind is it, where does its inner value begin.
 */
import { limits } from '../../../src/limits.ts'
import { Kind, Tag } from '../../../src/otlp/fields.ts'
import { Col, type Slots } from '../../../src/otlp/slots.ts'
import { at, body, length, utf8, varint } from './reader.ts'

/** The AnyValue in body[from, end) of the slot at `row`. */
export function scanValue(slots: Slots, row: number, from: number, end: number): boolean {
  const { rows } = slots
  rows[row + Col.ValueTo] = end
  if (from === end) {
    rows[row + Col.Kind] = Kind.Empty
    rows[row + Col.ValueFrom] = end
    return true
  }
  rows[row + Col.Kind] = body[from]! >>> 3
  if (!regularValue(from, end, 0)) return false
  rows[row + Col.ValueFrom] = valueFrom
  return true
}

/** Where the inner value begins that the last `regularValue` saw. */
let valueFrom = 0

/** Whether body[from, end), which is not empty, is one regular AnyValue. */
function regularValue(from: number, end: number, depth: number): boolean {
  const tag = body[from]!
  const value = from + 1
  switch (tag) {
    case Tag.value.string:
      if (length(value, end) !== end) return false
      valueFrom = at
      return utf8(at, end)
    case Tag.value.bool:
      valueFrom = value
      return value + 1 === end && body[value]! <= 1
    case Tag.value.int:
      valueFrom = value
      return varint(value, end) && at === end
    case Tag.value.double:
      valueFrom = value
      return value + 8 === end
    case Tag.value.bytes:
      if (length(value, end) !== end) return false
      valueFrom = at
      return true
    case Tag.value.array:
    case Tag.value.kvlist: {
      if (length(value, end) !== end) return false
      const inner = at
      if (!(tag === Tag.value.array ? regularArray(inner, end, depth) : regularKvList(inner, end, depth))) return false
      valueFrom = inner
      return true
    }
    default:
      return false
  }
}

function regularArray(from: number, end: number, depth: number): boolean {
  if (from < end && depth + 1 >= limits.valueDepthMax) return false
  let next = from
  while (next < end) {
    if (body[next] !== Tag.list.values) return false
    const to = length(next + 1, end)
    if (to === -1 || (at < to && !regularValue(at, to, depth + 1))) return false
    next = to
  }
  return true
}

function regularKvList(from: number, end: number, depth: number): boolean {
  if (from < end && depth + 1 >= limits.valueDepthMax) return false
  let next = from
  while (next < end) {
    if (body[next] !== Tag.list.values) return false
    const to = length(next + 1, end)
    if (to === -1) return false
    let inner = at
    if (inner < to && body[inner] === Tag.keyValue.key) {
      const keyTo = length(inner + 1, to)
      if (keyTo === -1 || !utf8(at, keyTo)) return false
      inner = keyTo
    }
    if (inner < to) {
      if (body[inner] !== Tag.keyValue.value || length(inner + 1, to) !== to) return false
      if (at < to && !regularValue(at, to, depth + 1)) return false
    }
    next = to
  }
  return true
}
