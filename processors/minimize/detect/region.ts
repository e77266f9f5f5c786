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
  region.chunks = 0
  let total = 0
  let at = start
  let to = end
  for (;;) {
    if (region.chunks > 0 && total + to - at > digitsMax) {
      // A part of a number is none.
      region.separator[region.chunks - 1] = 0
      return
    }
    const i = region.chunks++
    region.from[i] = at
    region.to[i] = to
    region.offset[i] = total
    const length = Math.min(to - at, digitsMax - total)
    for (let k = 0; k < length; k++) region.compact[total + k] = s.bytes[at + k]!
    total = to - at > digitsMax - total ? digitsMax : total + length
    region.offset[i + 1] = total
    region.separator[i] = 0
    if (region.chunks === chunksMax || total >= digitsMax) return
    const c = s.byte(to)
    // "+32(0)88"
    const isTrunk = c === 40 && s.byte(to + 1) === 48 && s.byte(to + 2) === 41 && s.byte(start - 1) === 43
    if (c !== 32 && c !== 46 && c !== 45 && c !== 47 && c !== 41 && !isTrunk) return
    let next = to + 1
    // ") 688", " (0)96", "-(12": one more of these.
    const d = s.byte(next)
    if ((c === 41 && (d === 32 || d === 45)) || (c === 32 && d === 40)) next++
    if ((classes[s.byte(next)]! & digit) === 0) return
    let after = next
    while (after < s.to && classes[s.bytes[after]!]! & digit) after++
    if (after < s.to && classes[s.bytes[after]!]! & alpha && s.bytes[after] !== 120) return
    region.separator[i] = c
    at = next
    to = after
  }
}
