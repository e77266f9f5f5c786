/**
 * Reads the regular form of the wire for the scan: lengths, varints, UTF-8 checks, each bounded by where its message
 * ends. Nothing here throws: -1 or false says that the bytes are not regular.
 *
 * The state is module variables, since a scan is synchronous and never nests; `at` is where the last read stopped.
 */
import { isUtf8 } from 'node:buffer'

export let body: Buffer = Buffer.alloc(0)
export let at = 0
/** The number that `varint32` read. */
export let small = 0
let words: Int32Array = new Int32Array(0)
let wordsBase = 0

export function open(bytes: Buffer): void {
  body = bytes
  wordsBase = (4 - (bytes.byteOffset & 3)) & 3
  words = new Int32Array(bytes.buffer, bytes.byteOffset + wordsBase, Math.max(0, bytes.length - wordsBase) >> 2)
}

/** Reads a length of up to four bytes at `from`: returns where the field ends, -1 if that is past `end`. */
export function length(from: number, end: number): number {
  let byte = body[from]!
  if (from >= end) return -1
  if (byte < 0x80) {
    at = from + 1
    const to = at + byte
    return to <= end ? to : -1
  }
  let value = byte & 0x7f
  for (let i = 1; i < 4; i++) {
    if (from + i >= end) return -1
    byte = body[from + i]!
    value |= (byte & 0x7f) << (7 * i)
    if (byte < 0x80) {
      at = from + i + 1
      const to = at + value
      return to <= end ? to : -1
    }
  }
  return -1
}

/** Skips a varint of up to ten bytes: false if it is cut, longer, or more than 64 bits. */
export function varint(from: number, end: number): boolean {
  for (let i = from; i < end && i < from + 10; i++) {
    const byte = body[i]!
    if (byte < 0x80) {
      at = i + 1
      return i < from + 9 || byte <= 1
    }
  }
  return false
}

/** Reads a 32-bit varint, where ten-byte negative enums count too: false as `varint`. The value is in `small`. */
export function varint32(from: number, end: number): boolean {
  if (!varint(from, end)) return false
  let value = 0
  for (let i = from, shift = 0; i < at && shift < 32; i++, shift += 7) value |= (body[i]! & 0x7f) << shift
  small = value
  return true
}

/** Whether body[from, to) is valid UTF-8: four bytes at a time as long as all are ASCII. */
export function utf8(from: number, to: number): boolean {
  let i = from
  let high = 0
  if (to - from >= 16) {
    while (((i - wordsBase) & 3) !== 0) high |= body[i++]!
    if (i >= wordsBase) {
      const last = (to - wordsBase) >> 2
      for (let w = (i - wordsBase) >> 2; w < last; w++) high |= words[w]! & 0x80808080
      i = wordsBase + (last << 2)
    }
  }
  while (i < to) high |= body[i++]!
  return (high & 0x80808080) === 0 || isUtf8(body.subarray(from, to))
}
