/**
 * The row of digit chunks at hand: `85.07.30-033.28` has five. One at a time; valid until the next `gather`.
 */
import { alpha, classes, digit } from './ascii.ts'
import type { Scan } from './state.ts'

const chunksMax = 12
export const digitsMax = 24

/** The region at hand. */
export const region = {
  from: new Int32Array(chunksMax),
  to: new Int32Array(chunksMax),
  /** The separator after each chunk. */
  separator: new Uint8Array(chunksMax),
  /** Where each chunk begins in `compact`, one more than chunks. */
  offset: new Uint8Array(chunksMax + 1),
  chunks: 0,
  compact: new Uint8Array(digitsMax + 8),
  /** Whether it is a part of something longer, on its left or right. */
  isGlued: false,
}

/** Gathers the region that begins with the digits in [start, end). */
export function gather(s: Scan, start: number, end: number): void {
  const { from, to, separator, offset, compact } = region
  const { bytes: b, to: limit } = s
  let chunks = 0
  let total = 0
  let at = start
  let last = end
  for (;;) {
    from[chunks] = at
    to[chunks] = last
    offset[chunks] = total
    const tooMany = total + last - at - digitsMax
    for (const stop = tooMany > 0 ? last - tooMany : last; at < stop; ) compact[total++] = b[at++]!
    separator[chunks++] = 0
    offset[chunks] = total
    if (chunks === chunksMax || total >= digitsMax) break
    const next = joined(s, start, last)
    if (next === 0) break
    let after = next
    while (after < limit && classes[b[after]!]! & digit) after++
    if (after < limit && classes[b[after]!]! & alpha && b[after] !== 120) break
    // A part of a number is none.
    if (total + after - next > digitsMax) break
    separator[chunks - 1] = b[last] === PERCENT ? 32 : b[last]!
    at = next
    last = after
  }
  region.chunks = chunks
}

/** Where the digits go on behind those that end at `last`; 0 = they do not. `start`: where the region begins. */
function joined(s: Scan, start: number, last: number): number {
  if (last + 1 >= s.to) return 0
  const c = s.bytes[last]!
  const d = s.bytes[last + 1]!
  const isJoint = c === 32 || c === 46 || c === 45 || c === 47 || c === 41
  if (isJoint && (classes[d]! & digit) !== 0) return c !== 41 || isOpened(s, last) ? last + 1 : 0
  // ") 688", " (0)96", "-(12": one more of these.
  if ((c === 41 && (d === 32 || d === 45 || d === 47)) || (c === 32 && d === 40))
    return (classes[s.byte(last + 2)]! & digit) === 0 ? 0 : last + 2
  if (c === PERCENT) return isEncodedSpace(s, last) ? last + 3 : 0
  // "07/ 182 95 30"
  if (c === 47 && d === 32 && last - start < 4 && s.bytes[start] === 48)
    return (classes[s.byte(last + 2)]! & digit) === 0 ? 0 : last + 2
  return c === 40 && s.byte(start - 1) === 43 ? area(s, last + 1) : 0
}
/** `(85)738`, not `Client.java:1475)2020`: the digits before the bracket stand in one. */
function isOpened(s: Scan, last: number): boolean {
  let at = last - 1
  while (last - at < 6 && (classes[s.byte(at)]! & digit) !== 0) at--
  return s.byte(at) === 40 || (s.byte(at) === 43 && s.byte(at - 1) === 40)
}

/** "+32(0)88", "+90(207)417": digits in brackets begin at `at`. */
function area(s: Scan, at: number): number {
  let to = at
  while (to - at < 5 && (classes[s.byte(to)]! & digit) !== 0) to++
  return to > at && s.byte(to) === 41 ? at : 0
}
const PERCENT = 37

/** `%20` between groups of digits, in a URL. */
export const isEncodedSpace = (s: Scan, at: number): boolean =>
  s.byte(at) === 37 && s.byte(at + 1) === 50 && s.byte(at + 2) === 48 && (classes[s.byte(at + 3)]! & digit) !== 0
