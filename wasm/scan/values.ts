/**
 * Whether an AnyValue has the regular form, and where its inner value begins: one field, lengths that fit, valid UTF-8,
 * bounded depth.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

import { depthMax } from '../scan'
import { utf8 } from './utf8'
import { at, field, varint } from './wire'

/** Where the inner value of one regular AnyValue begins, whose tag was read and whose rest is [value, end); 0 = irregular. */
export function regularValue(tag: i32, value: i32, end: i32, depth: i32): i32 {
  switch (tag) {
    case 0x0a: {
      if (field(value, end) != end) return 0
      const from = at
      return utf8(from, end) ? from : 0
    }
    case 0x10:
      return value + 1 == end && load<u8>(value) <= 1 ? value : 0
    case 0x18:
      return varint(value, end) && at == end ? value : 0
    case 0x21:
      return value + 8 == end ? value : 0
    case 0x3a:
      return field(value, end) == end ? at : 0
    case 0x2a: {
      if (field(value, end) != end) return 0
      const from = at
      return regularArray(from, end, depth) ? from : 0
    }
    case 0x32: {
      if (field(value, end) != end) return 0
      const from = at
      return regularKvList(from, end, depth) ? from : 0
    }
  }
  return 0
}

function regularArray(from: i32, end: i32, depth: i32): bool {
  if (from < end && depth + 1 >= depthMax) return false
  let next = from
  while (next < end) {
    if (load<u8>(next) != 0x0a) return false
    const to = field(next + 1, end)
    if (to == 0) return false
    const inner = at
    if (inner < to && regularValue(load<u8>(inner), inner + 1, to, depth + 1) == 0) return false
    next = to
  }
  return true
}

function regularKvList(from: i32, end: i32, depth: i32): bool {
  if (from < end && depth + 1 >= depthMax) return false
  let next = from
  while (next < end) {
    if (load<u8>(next) != 0x0a) return false
    const to = field(next + 1, end)
    if (to == 0) return false
    let inner = at
    if (inner < to && load<u8>(inner) == 0x0a) {
      const keyTo = field(inner + 1, to)
      if (keyTo == 0 || !utf8(at, keyTo)) return false
      inner = keyTo
    }
    if (inner < to) {
      if (load<u8>(inner) != 0x12 || field(inner + 1, to) != to) return false
      const value = at
      if (value < to && regularValue(load<u8>(value), value + 1, to, depth + 1) == 0) return false
    }
    next = to
  }
  return true
}
