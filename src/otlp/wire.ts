/**
 * The protobuf wire format: varints, tags, lengths (https://protobuf.dev/programming-guides/encoding/).
 *
 * Readers return a number and leave where they stopped in `wire.at`: no tuple per read. Lengths and tags fit in
 * 32 bits by the bounds of this gateway; 64-bit values are read as two unsigned halves.
 */
import { WireError } from '../errors.ts'

export const WireType = { Varint: 0, Fixed64: 1, Bytes: 2, Group: 3, EndGroup: 4, Fixed32: 5 } as const

/** Where the last read stopped, and the high half of the last 64-bit varint. */
export const wire = { at: 0, hi: 0 }

const LENGTH_MAX = 0x7fffffff

/** Reads a varint of at most 64 bits. Returns its low 32 bits (unsigned); the high ones are in `wire.hi`. */
export function readVarint64(bytes: Uint8Array, start: number, end: number): number {
  let lo = 0
  let hi = 0
  let at = start
  for (let shift = 0; at < end; shift += 7) {
    const byte = bytes[at++]!
    const seven = byte & 0x7f
    if (shift < 28) lo |= seven << shift
    else if (shift === 28) {
      lo |= seven << 28
      hi = seven >>> 4
    } else if (shift < 63) hi |= seven << (shift - 32)
    else if (shift === 63) hi |= seven << 31
    else break
    if (byte < 0x80) {
      wire.at = at
      wire.hi = hi >>> 0
      return lo >>> 0
    }
  }
  throw new WireError(at >= end ? 'truncated varint' : 'varint longer than ten bytes', start)
}

/** Reads a length, checks that so many bytes are there, and returns where they end. `wire.at` is where they begin. */
export function readLength(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start]!
  if (first < 0x80 && start + first < end) {
    wire.at = start + 1
    return start + 1 + first
  }
  const length = readVarint64(bytes, start, end)
  if (wire.hi !== 0 || length > LENGTH_MAX || wire.at + length > end) throw new WireError('length past the end', start)
  return wire.at + length
}

/** Reads a tag: the field's number times eight, plus its wire type. */
export function readTag(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start]!
  if (first < 0x80 && first > 7 && start < end) {
    wire.at = start + 1
    return first
  }
  const tag = readVarint64(bytes, start, end)
  if (wire.hi !== 0 || tag >>> 3 === 0) throw new WireError('field number zero or too large', start)
  return tag
}

/** Skips a field's value of any wire type and returns where it ends. Groups nest at most `depth` deep. */
export function skipValue(bytes: Uint8Array, tag: number, start: number, end: number, depth = 16): number {
  let next = start
  switch (tag & 7) {
    case WireType.Varint:
      readVarint64(bytes, start, end)
      return wire.at
    case WireType.Fixed64:
      next = start + 8
      break
    case WireType.Bytes:
      return readLength(bytes, start, end)
    case WireType.Fixed32:
      next = start + 4
      break
    case WireType.Group:
      return skipGroup(bytes, tag, start, end, depth)
    default:
      throw new WireError('wrong wire type', start)
  }
  if (next > end) throw new WireError('truncated field', start)
  return next
}

function skipGroup(bytes: Uint8Array, opening: number, start: number, end: number, depth: number): number {
  if (depth === 0) throw new WireError('groups nested too deep', start)
  let at = start
  while (at < end) {
    const tag = readTag(bytes, at, end)
    if ((tag & 7) === WireType.EndGroup) {
      if (tag >>> 3 !== opening >>> 3) throw new WireError('end of another group', at)
      return wire.at
    }
    at = skipValue(bytes, tag, wire.at, end, depth - 1)
  }
  throw new WireError('group without end', start)
}

/** How many bytes a length or a 32-bit value takes as a varint. */
export const varintLength = (n: number): number =>
  n < 0x80 ? 1 : n < 0x4000 ? 2 : n < 0x200000 ? 3 : n < 0x10000000 ? 4 : 5

/** Writes an unsigned 32-bit varint at `at` and returns where it ends. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  let n = value
  let next = at
  while (n > 0x7f) {
    out[next++] = (n & 0x7f) | 0x80
    n >>>= 7
  }
  out[next++] = n
  return next
}

/** Writes a 64-bit varint from two unsigned halves and returns where it ends. */
export function writeVarint64(out: Uint8Array, at: number, lo: number, hi: number): number {
  let low = lo >>> 0
  let high = hi >>> 0
  let next = at
  while (high !== 0 || low > 0x7f) {
    out[next++] = (low & 0x7f) | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  out[next++] = low
  return next
}

/** Reads a little-endian unsigned 32-bit number. */
export const readUint32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
