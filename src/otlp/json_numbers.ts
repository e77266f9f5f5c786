/**
 * Numbers as OTLP/JSON writes them, exactly: 64-bit integers as two unsigned halves (a JavaScript number holds 53
 * bits), doubles to the last bit. `1e3` and `5.0` are integers.
 */
import { Byte, isNumber } from './json_text.ts'

/** The integer that `readInteger` read last: its magnitude in two unsigned halves, and its sign. */
export const integer = { lo: 0, hi: 0, negative: false }

/** Reads `source[start, end)` into `integer`. False if it is no number, has a fraction, or more than 64 bits. */
export function readInteger(source: Buffer, start: number, end: number): boolean {
  integer.negative = source[start] === Byte.minus
  const first = integer.negative ? start + 1 : start
  const digits = end - first
  if (digits < 1 || digits > 20 || (source[first] === Byte.zero && digits > 1)) return readUnusual(source, start, end)
  // Nine digits at the end and up to eleven before them: both fit in a double.
  const split = Math.max(first, end - 9)
  let top = 0
  for (let at = first; at < split; at++) {
    const digit = source[at]! - Byte.zero
    if (digit < 0 || digit > 9) return readUnusual(source, start, end)
    top = top * 10 + digit
  }
  let rest = 0
  for (let at = split; at < end; at++) {
    const digit = source[at]! - Byte.zero
    if (digit < 0 || digit > 9) return readUnusual(source, start, end)
    rest = rest * 10 + digit
  }
  return join(top, rest)
}

/** top × 10⁹ + rest, in halves, by parts of at most 53 bits. */
function join(top: number, rest: number): boolean {
  const topHi = Math.floor(top / 2 ** 32)
  const topLo = top >>> 0
  const low = (topLo & 0xffff) * 1e9 + rest
  const middle = (topLo >>> 16) * 1e9
  const sum = low + (middle % 65536) * 65536
  integer.lo = sum >>> 0
  integer.hi = topHi * 1e9 + Math.floor(middle / 65536) + Math.floor(sum / 2 ** 32)
  return integer.hi < 2 ** 32
}

/** With a fraction or an exponent: `-12.50e2` is the integer -1250. */
function readUnusual(source: Buffer, start: number, end: number): boolean {
  if (end - start > NUMBER_BYTES_MAX || !isNumber(source, start, end)) return false
  const [, whole = '', fraction = '', exponent = '0'] =
    /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source.latin1Slice(start, end)) ?? []
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return join(0, 0)
  const zeros = Number(exponent) - fraction.length + digits.length - significant.length
  if (zeros < 0 || significant.length + zeros > 20) return false
  const plain = significant.padEnd(significant.length + zeros, '0')
  return join(Number(plain.slice(0, -9)), Number(plain.slice(-9)))
}

/** A longer number than this is not worth reading. */
const NUMBER_BYTES_MAX = 4096

/** The double in `source[start, end)`; undefined if it is no number or larger than a double can be. */
export function readDouble(source: Buffer, start: number, end: number): number | undefined {
  const negative = source[start] === Byte.minus
  const first = negative ? start + 1 : start
  let value = 0
  let scale = 0
  let at = first
  // Up to 15 digits and one point: the quotient of two exact doubles is the nearest double.
  if (end - first <= 16 && !(source[first] === Byte.zero && end - first > 1 && source[first + 1] !== Byte.point)) {
    for (; at < end; at++) {
      const digit = source[at]! - Byte.zero
      if (digit >= 0 && digit <= 9) value = value * 10 + digit
      else if (source[at] === Byte.point && scale === 0 && at > first && at < end - 1) scale = end - at - 1
      else break
    }
    if (at === end && end > first && end - first - (scale > 0 ? 1 : 0) <= 15) {
      const magnitude = scale === 0 ? value : value / 10 ** scale
      return negative ? -magnitude : magnitude
    }
  }
  if (!isNumber(source, start, end)) return undefined
  const double = Number(source.latin1Slice(start, end))
  return Number.isFinite(double) ? double : undefined
}
