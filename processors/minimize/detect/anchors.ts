/**
 * The words at which the scan stops: a table of bits, hashed from their first and their last four letters, so that an
 * ordinary word is passed with two loads however many words there are.
 */
import { lowered } from './ascii.ts'
import { forwardWords } from './forward.ts'
import { anchorWords } from './secret_keys.ts'

const bits = new Uint8Array(8192)
const hash4 = (a: number, b: number, c: number, d: number): number =>
  (Math.imul(a, 0x1f3d) ^ Math.imul(b, 0x5a1) ^ (c << 7) ^ (d * 29)) & 0xffff

function mark(word: string): void {
  const codes = [...word].map((c) => c.charCodeAt(0))
  if (codes.length < 3) return
  const [a, b, c, d] = codes
  set(codes.length === 3 ? hash4(a!, b!, c!, 0) : hash4(a!, b!, c!, d!))
  if (codes.length === 3) return
  const [w, x, y, z] = codes.slice(-4)
  set(hash4(w!, x!, y!, z!))
}
function set(hash: number): void {
  bits[hash >> 3] = bits[hash >> 3]! | (1 << (hash & 7))
}
for (const word of [...anchorWords, ...forwardWords]) mark(word)

/** `pw`: the only telling word of two letters. */
const pw = (112 << 8) | 119

/** Whether the word in bytes[start, end) may be one to stop at. */
export function isAnchor(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  if (length < 4) {
    if (length < 3) return length === 2 && ((lowered[bytes[start]!]! << 8) | lowered[bytes[start + 1]!]!) === pw
    return has(hash4(lowered[bytes[start]!]!, lowered[bytes[start + 1]!]!, lowered[bytes[start + 2]!]!, 0))
  }
  return (
    has(
      hash4(
        lowered[bytes[start]!]!,
        lowered[bytes[start + 1]!]!,
        lowered[bytes[start + 2]!]!,
        lowered[bytes[start + 3]!]!,
      ),
    ) ||
    has(
      hash4(lowered[bytes[end - 4]!]!, lowered[bytes[end - 3]!]!, lowered[bytes[end - 2]!]!, lowered[bytes[end - 1]!]!),
    ) ||
    has(hash4(lowered[bytes[end - 3]!]!, lowered[bytes[end - 2]!]!, lowered[bytes[end - 1]!]!, 0))
  )
}
const has = (hash: number): boolean => (bits[hash >> 3]! & (1 << (hash & 7))) !== 0
