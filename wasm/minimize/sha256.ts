/**
 * HMAC-SHA-256 (RFC 2104, FIPS 180-4) under a key whose states after both pads are known: processors/minimize/hmac.ts is
 * its readable twin.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

import { block, digest, innerState, outerState, roundConstants, schedule, state } from './layout'

@inline function big0(a: i32): i32 {
  return rotr<i32>(a, 2) ^ rotr<i32>(a, 13) ^ rotr<i32>(a, 22)
}
@inline function big1(e: i32): i32 {
  return rotr<i32>(e, 6) ^ rotr<i32>(e, 11) ^ rotr<i32>(e, 25)
}
@inline function choice(e: i32, f: i32, g: i32): i32 {
  return g ^ (e & (f ^ g))
}
@inline function majority(a: i32, b: i32, c: i32): i32 {
  return (a & b) | (c & (a | b))
}

/** One compression of the block at `from` into `state`: eight rounds a turn, so that no value changes its name. */
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
  for (let w = schedule, k = roundConstants; w < schedule + 256; w += 32, k += 32) {
    h += big1(e) + choice(e, f, g) + load<i32>(w) + load<i32>(k)
    d += h
    h += big0(a) + majority(a, b, c)
    g += big1(d) + choice(d, e, f) + load<i32>(w, 4) + load<i32>(k, 4)
    c += g
    g += big0(h) + majority(h, a, b)
    f += big1(c) + choice(c, d, e) + load<i32>(w, 8) + load<i32>(k, 8)
    b += f
    f += big0(g) + majority(g, h, a)
    e += big1(b) + choice(b, c, d) + load<i32>(w, 12) + load<i32>(k, 12)
    a += e
    e += big0(f) + majority(f, g, h)
    d += big1(a) + choice(a, b, c) + load<i32>(w, 16) + load<i32>(k, 16)
    h += d
    d += big0(e) + majority(e, f, g)
    c += big1(h) + choice(h, a, b) + load<i32>(w, 20) + load<i32>(k, 20)
    g += c
    c += big0(d) + majority(d, e, f)
    b += big1(g) + choice(g, h, a) + load<i32>(w, 24) + load<i32>(k, 24)
    f += b
    b += big0(c) + majority(c, d, e)
    a += big1(f) + choice(f, g, h) + load<i32>(w, 28) + load<i32>(k, 28)
    e += a
    a += big0(b) + majority(b, c, d)
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
