/**
 * HMAC-SHA-256 (RFC 2104, FIPS 180-4) under a key whose states after both pads are known: processors/minimize/hmac.ts is
 * its readable twin.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

import { block, digest, innerState, outerState, roundConstants, schedule, state } from './layout'

/** One compression of the block at `from` into `state`. */
function compress(from: i32): void {
  for (let i = 0; i < 64; i += 4) store<i32>(schedule + i, bswap<i32>(load<i32>(from + i)))
  for (let i = 64; i < 256; i += 4) {
    const x = load<i32>(schedule + i - 60)
    const y = load<i32>(schedule + i - 8)
    const s0 = rotr<i32>(x, 7) ^ rotr<i32>(x, 18) ^ (x >>> 3)
    const s1 = rotr<i32>(y, 17) ^ rotr<i32>(y, 19) ^ (y >>> 10)
    store<i32>(schedule + i, load<i32>(schedule + i - 64) + s0 + load<i32>(schedule + i - 28) + s1)
  }
  let a = load<i32>(state)
  let b = load<i32>(state, 4)
  let c = load<i32>(state, 8)
  let d = load<i32>(state, 12)
  let e = load<i32>(state, 16)
  let f = load<i32>(state, 20)
  let g = load<i32>(state, 24)
  let h = load<i32>(state, 28)
  for (let i = 0; i < 256; i += 4) {
    const s1 = rotr<i32>(e, 6) ^ rotr<i32>(e, 11) ^ rotr<i32>(e, 25)
    const t1 = h + s1 + (g ^ (e & (f ^ g))) + load<i32>(roundConstants + i) + load<i32>(schedule + i)
    const s0 = rotr<i32>(a, 2) ^ rotr<i32>(a, 13) ^ rotr<i32>(a, 22)
    h = g
    g = f
    f = e
    e = d + t1
    d = c
    const t2 = s0 + ((a & b) | (c & (a | b)))
    c = b
    b = a
    a = t1 + t2
  }
  store<i32>(state, load<i32>(state) + a)
  store<i32>(state, load<i32>(state, 4) + b, 4)
  store<i32>(state, load<i32>(state, 8) + c, 8)
  store<i32>(state, load<i32>(state, 12) + d, 12)
  store<i32>(state, load<i32>(state, 16) + e, 16)
  store<i32>(state, load<i32>(state, 20) + f, 20)
  store<i32>(state, load<i32>(state, 24) + g, 24)
  store<i32>(state, load<i32>(state, 28) + h, 28)
}

@inline function clear(): void {
  for (let i = 0; i < 64; i += 16) v128.store(block + i, v128.splat<u8>(0))
}

/** Takes in the last bytes: padding, and the length with the 64 bytes of the pad before them. */
function finish(from: i32, to: i32): void {
  let at = from
  for (; to - at >= 64; at += 64) compress(at)
  clear()
  for (let i = at; i < to; i++) store<u8>(block + i - at, load<u8>(i))
  store<u8>(block + to - at, 0x80)
  if (to - at >= 56) {
    compress(block)
    clear()
  }
  store<i32>(block, bswap<i32>((to - from + 64) << 3), 60)
  compress(block)
}

function takeOut(): void {
  for (let i = 0; i < 32; i += 4) store<i32>(digest + i, bswap<i32>(load<i32>(state + i)))
}

@inline function begin(from: i32): void {
  v128.store(state, v128.load(from))
  v128.store(state, v128.load(from, 16), 16)
}

/** Writes the 32 bytes of the HMAC of memory[from, to) to `digest`. */
export function hmac(from: i32, to: i32): void {
  begin(innerState)
  finish(from, to)
  takeOut()
  begin(outerState)
  finish(digest, digest + 32)
  takeOut()
}

/** Writes the 32 bytes at `from` as 64 lower-case hex digits. */
export function writeHex(from: i32, out: i32): void {
  const digits = v128(48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102)
  const low = v128.splat<i8>(15)
  for (let i = 0; i < 2; i++) {
    const bytes = v128.load(from + i * 16)
    const left = v128.swizzle(digits, v128.and(v128.shr<u8>(bytes, 4), low))
    const right = v128.swizzle(digits, v128.and(bytes, low))
    v128.store(out + i * 32, v128.shuffle<u8>(left, right, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23))
    v128.store(
      out + i * 32,
      v128.shuffle<u8>(left, right, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
      16,
    )
  }
}
