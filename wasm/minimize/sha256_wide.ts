/**
 * Four HMACs at once, one in each lane of the vectors: a single one waits for its own additions most of the time. For
 * texts that fit in one block; sha256.ts does one at a time, of any length, and is where the steps are explained.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

import {
  innerState,
  outerState,
  roundConstants,
  wideBlocks,
  wideDigests,
  wideSchedule,
  wideState,
} from './layout'

/** The longest text that fits in one block with its padding. */
export const wideTextMax: i32 = 55

@inline function rotated(x: v128, n: i32): v128 {
  return v128.or(i32x4.shr_u(x, n), i32x4.shl(x, 32 - n))
}
@inline function xor3(a: v128, b: v128, c: v128): v128 {
  return v128.xor(v128.xor(a, b), c)
}

/** What a round adds to the sum in `h`, up to the word and the constant; then what it adds to that. */
@inline function first(e: v128, f: v128, g: v128, h: v128, w: i32, k: i32): v128 {
  const big1 = xor3(rotated(e, 6), rotated(e, 11), rotated(e, 25))
  const choice = v128.xor(g, v128.and(e, v128.xor(f, g)))
  const word = i32x4.add(v128.load(w), v128.load32_splat(k))
  return i32x4.add(i32x4.add(h, big1), i32x4.add(choice, word))
}
@inline function second(a: v128, b: v128, c: v128, h: v128): v128 {
  const big0 = xor3(rotated(a, 2), rotated(a, 13), rotated(a, 22))
  const majority = v128.or(v128.and(a, b), v128.and(c, v128.or(a, b)))
  return i32x4.add(h, i32x4.add(big0, majority))
}

/** One compression of the sixteen words at `wideSchedule` into `wideState`. */
function compress(): void {
  for (let w = wideSchedule + 256; w < wideSchedule + 1024; w += 16) {
    const x = v128.load(w - 240)
    const y = v128.load(w - 32)
    const s0 = xor3(rotated(x, 7), rotated(x, 18), i32x4.shr_u(x, 3))
    const s1 = xor3(rotated(y, 17), rotated(y, 19), i32x4.shr_u(y, 10))
    v128.store(w, i32x4.add(i32x4.add(v128.load(w - 256), s0), i32x4.add(v128.load(w - 112), s1)))
  }
  let a = v128.load(wideState)
  let b = v128.load(wideState, 16)
  let c = v128.load(wideState, 32)
  let d = v128.load(wideState, 48)
  let e = v128.load(wideState, 64)
  let f = v128.load(wideState, 80)
  let g = v128.load(wideState, 96)
  let h = v128.load(wideState, 112)
  for (let w = wideSchedule, k = roundConstants; w < wideSchedule + 1024; w += 128, k += 32) {
    h = first(e, f, g, h, w + 0, k + 0)
    d = i32x4.add(d, h)
    h = second(a, b, c, h)
    g = first(d, e, f, g, w + 16, k + 4)
    c = i32x4.add(c, g)
    g = second(h, a, b, g)
    f = first(c, d, e, f, w + 32, k + 8)
    b = i32x4.add(b, f)
    f = second(g, h, a, f)
    e = first(b, c, d, e, w + 48, k + 12)
    a = i32x4.add(a, e)
    e = second(f, g, h, e)
    d = first(a, b, c, d, w + 64, k + 16)
    h = i32x4.add(h, d)
    d = second(e, f, g, d)
    c = first(h, a, b, c, w + 80, k + 20)
    g = i32x4.add(g, c)
    c = second(d, e, f, c)
    b = first(g, h, a, b, w + 96, k + 24)
    f = i32x4.add(f, b)
    b = second(c, d, e, b)
    a = first(f, g, h, a, w + 112, k + 28)
    e = i32x4.add(e, a)
    a = second(b, c, d, a)
  }
  add(0, a)
  add(16, b)
  add(32, c)
  add(48, d)
  add(64, e)
  add(80, f)
  add(96, g)
  add(112, h)
}
@inline function add(at: i32, value: v128): void {
  v128.store(wideState + at, i32x4.add(v128.load(wideState + at), value))
}

function begin(state: i32): void {
  for (let i = 0; i < 8; i++) v128.store(wideState + (i << 4), v128.load32_splat(state + (i << 2)))
}

/** Puts the text in [from, from + length), padded, into a lane. */
export function setLane(lane: i32, from: i32, length: i32): void {
  const block = wideBlocks + (lane << 6)
  for (let i = 0; i < 64; i += 16) v128.store(block + i, v128.splat<u8>(0))
  for (let i = 0; i < length; i++) store<u8>(block + i, load<u8>(from + i))
  store<u8>(block + length, 0x80)
  store<i32>(block, bswap<i32>((length + 64) << 3), 60)
}

/** The HMACs of all four lanes, to `wideDigests`: 32 bytes each. */
export function hmacs(): void {
  for (let i = 0; i < 16; i++) {
    const at = wideBlocks + (i << 2)
    let words = v128.load32_zero(at)
    words = v128.load_lane<u32>(at + 64, words, 1)
    words = v128.load_lane<u32>(at + 128, words, 2)
    words = v128.load_lane<u32>(at + 192, words, 3)
    v128.store(wideSchedule + (i << 4), v128.shuffle<u8>(words, words, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12))
  }
  begin(innerState)
  compress()
  // The digest is the message of the second hash: 32 bytes, a one, and the length with the pad's 64.
  for (let i = 0; i < 128; i += 16) v128.store(wideSchedule + i, v128.load(wideState + i))
  v128.store(wideSchedule, v128.splat<i32>(0x80000000), 128)
  for (let i = 144; i < 240; i += 16) v128.store(wideSchedule + i, v128.splat<i32>(0))
  v128.store(wideSchedule, v128.splat<i32>(96 << 3), 240)
  begin(outerState)
  compress()
  for (let lane = 0; lane < 4; lane++)
    for (let i = 0; i < 8; i++)
      store<i32>(wideDigests + (lane << 5) + (i << 2), bswap<i32>(load<i32>(wideState + (i << 4) + (lane << 2))))
}
