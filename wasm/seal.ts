/**
 * One sealed value, in AssemblyScript: ChaCha20-Poly1305 (RFC 8439) and base64url in one call, in memory of its own.
 *
 * Why not libsodium's: it is the same algorithm without SIMD, and a token costs a dozen calls and copies around it.
 * Here two blocks of ChaCha20 are made at once (the one that keys Poly1305, and the one that a short value needs), and
 * the token's text is ready for the arena: under half the time. No branch and no address depends on a secret.
 * test/keys/seal_wasm.test.ts holds it to Wycheproof's vectors and to node:crypto at every length.
 *
 * Memory is laid out by src/keys/seal_memory.ts. Up to 16 bytes behind the plaintext are overwritten by its tag, up to
 * 127 by what is thrown away.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

/** Two letters of base64url for each of 4,096 values. */
const LETTERS: usize = 1 << 15
const STREAM: usize = LETTERS + 8192
const PADDED: usize = STREAM + 128
const POLY_KEY: usize = PADDED + 16

const TAG: i32 = 16
const NONCE: i32 = 12

// Poly1305: r, 5 r, and the sum, in limbs of 26 bits.
let r0: u64 = 0
let r1: u64 = 0
let r2: u64 = 0
let r3: u64 = 0
let r4: u64 = 0
let h0: u64 = 0
let h1: u64 = 0
let h2: u64 = 0
let h3: u64 = 0
let h4: u64 = 0

function letter(n: i32): i32 {
  if (n < 26) return 65 + n
  if (n < 52) return 71 + n
  if (n < 62) return n - 4
  return n == 62 ? 45 : 95
}

/** To be called once. */
export function prepare(): void {
  for (let n = 0; n < 4096; n++) store<u16>(LETTERS + (n << 1), (letter(n >> 6) | (letter(n & 63) << 8)) as u16)
}

@inline
function rot16(x: v128): v128 {
  return i8x16.shuffle(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
}
@inline
function rot8(x: v128): v128 {
  return i8x16.shuffle(x, x, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14)
}
@inline
function rot12(x: v128): v128 {
  return v128.or(i32x4.shl(x, 12), i32x4.shr_u(x, 20))
}
@inline
function rot7(x: v128): v128 {
  return v128.or(i32x4.shl(x, 7), i32x4.shr_u(x, 25))
}
@inline
function turn1(x: v128): v128 {
  return i8x16.shuffle(x, x, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3)
}
@inline
function turn2(x: v128): v128 {
  return i8x16.shuffle(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
}
@inline
function turn3(x: v128): v128 {
  return i8x16.shuffle(x, x, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
}

/** The blocks `counter` and `counter` + 1 of the key stream, at STREAM. */
function twoBlocks(key: usize, nonce: usize, counter: i32): void {
  const a0 = i32x4(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)
  const b0 = v128.load(key)
  const c0 = v128.load(key, 16)
  const d0 = i32x4(counter, load<i32>(nonce), load<i32>(nonce, 4), load<i32>(nonce, 8))
  const e0 = i32x4.replace_lane(d0, 0, counter + 1)
  let a = a0
  let b = b0
  let c = c0
  let d = d0
  let p = a0
  let q = b0
  let r = c0
  let s = e0
  for (let round = 0; round < 10; round++) {
    a = i32x4.add(a, b)
    p = i32x4.add(p, q)
    d = rot16(v128.xor(d, a))
    s = rot16(v128.xor(s, p))
    c = i32x4.add(c, d)
    r = i32x4.add(r, s)
    b = rot12(v128.xor(b, c))
    q = rot12(v128.xor(q, r))
    a = i32x4.add(a, b)
    p = i32x4.add(p, q)
    d = rot8(v128.xor(d, a))
    s = rot8(v128.xor(s, p))
    c = i32x4.add(c, d)
    r = i32x4.add(r, s)
    b = turn1(rot7(v128.xor(b, c)))
    q = turn1(rot7(v128.xor(q, r)))
    c = turn2(c)
    r = turn2(r)
    d = turn3(d)
    s = turn3(s)

    a = i32x4.add(a, b)
    p = i32x4.add(p, q)
    d = rot16(v128.xor(d, a))
    s = rot16(v128.xor(s, p))
    c = i32x4.add(c, d)
    r = i32x4.add(r, s)
    b = rot12(v128.xor(b, c))
    q = rot12(v128.xor(q, r))
    a = i32x4.add(a, b)
    p = i32x4.add(p, q)
    d = rot8(v128.xor(d, a))
    s = rot8(v128.xor(s, p))
    c = i32x4.add(c, d)
    r = i32x4.add(r, s)
    b = turn3(rot7(v128.xor(b, c)))
    q = turn3(rot7(v128.xor(q, r)))
    c = turn2(c)
    r = turn2(r)
    d = turn1(d)
    s = turn1(s)
  }
  v128.store(STREAM, i32x4.add(a, a0))
  v128.store(STREAM, i32x4.add(b, b0), 16)
  v128.store(STREAM, i32x4.add(c, c0), 32)
  v128.store(STREAM, i32x4.add(d, d0), 48)
  v128.store(STREAM, i32x4.add(p, a0), 64)
  v128.store(STREAM, i32x4.add(q, b0), 80)
  v128.store(STREAM, i32x4.add(r, c0), 96)
  v128.store(STREAM, i32x4.add(s, e0), 112)
}

/** Whole blocks of 16 bytes. */
function authenticate(from: usize, blocks: i32): void {
  const a0 = r0
  const a1 = r1
  const a2 = r2
  const a3 = r3
  const a4 = r4
  const s1 = a1 * 5
  const s2 = a2 * 5
  const s3 = a3 * 5
  const s4 = a4 * 5
  let g0 = h0
  let g1 = h1
  let g2 = h2
  let g3 = h3
  let g4 = h4
  let at = from
  for (let i = 0; i < blocks; i++, at += 16) {
    const low = load<u64>(at)
    const high = load<u64>(at, 8)
    g0 += low & 0x3ffffff
    g1 += (low >> 26) & 0x3ffffff
    g2 += ((low >> 52) | (high << 12)) & 0x3ffffff
    g3 += (high >> 14) & 0x3ffffff
    g4 += (high >> 40) | (1 << 24)
    const d0 = g0 * a0 + g1 * s4 + g2 * s3 + g3 * s2 + g4 * s1
    let d1 = g0 * a1 + g1 * a0 + g2 * s4 + g3 * s3 + g4 * s2
    let d2 = g0 * a2 + g1 * a1 + g2 * a0 + g3 * s4 + g4 * s3
    let d3 = g0 * a3 + g1 * a2 + g2 * a1 + g3 * a0 + g4 * s4
    let d4 = g0 * a4 + g1 * a3 + g2 * a2 + g3 * a1 + g4 * a0
    d1 += d0 >> 26
    d2 += d1 >> 26
    d3 += d2 >> 26
    d4 += d3 >> 26
    g0 = (d0 & 0x3ffffff) + (d4 >> 26) * 5
    g1 = (d1 & 0x3ffffff) + (g0 >> 26)
    g0 &= 0x3ffffff
    g2 = d2 & 0x3ffffff
    g3 = d3 & 0x3ffffff
    g4 = d4 & 0x3ffffff
  }
  h0 = g0
  h1 = g1
  h2 = g2
  h3 = g3
  h4 = g4
}

/** Bytes of any number, filled up with zeros to whole blocks. */
function authenticatePadded(from: usize, length: i32): void {
  const whole = length >> 4
  authenticate(from, whole)
  const left = length & 15
  if (left == 0) return
  v128.store(PADDED, i64x2(0, 0))
  memory.copy(PADDED, from + (whole << 4), left)
  authenticate(PADDED, 1)
}

function beginTag(key: usize): void {
  const low = load<u64>(key) & 0x0ffffffc0fffffff
  const high = load<u64>(key, 8) & 0x0ffffffc0ffffffc
  r0 = low & 0x3ffffff
  r1 = (low >> 26) & 0x3ffffff
  r2 = ((low >> 52) | (high << 12)) & 0x3ffffff
  r3 = (high >> 14) & 0x3ffffff
  r4 = high >> 40
  h0 = h1 = h2 = h3 = h4 = 0
}

/** Adds the second half of the one-time key to the sum modulo 2^130 - 5, and writes the tag. */
function endTag(key: usize, out: usize): void {
  h2 += h1 >> 26
  h1 &= 0x3ffffff
  h3 += h2 >> 26
  h2 &= 0x3ffffff
  h4 += h3 >> 26
  h3 &= 0x3ffffff
  h0 += (h4 >> 26) * 5
  h4 &= 0x3ffffff
  h1 += h0 >> 26
  h0 &= 0x3ffffff
  // The sum minus the prime; taken where that is not negative, without a branch.
  let g0 = h0 + 5
  let g1 = h1 + (g0 >> 26)
  g0 &= 0x3ffffff
  let g2 = h2 + (g1 >> 26)
  g1 &= 0x3ffffff
  let g3 = h3 + (g2 >> 26)
  g2 &= 0x3ffffff
  const g4 = h4 + (g3 >> 26) - (1 << 26)
  g3 &= 0x3ffffff
  const keep: u64 = 0 - (g4 >> 63)
  const take = ~keep
  const f0 = (h0 & keep) | (g0 & take)
  const f1 = (h1 & keep) | (g1 & take)
  const f2 = (h2 & keep) | (g2 & take)
  const f3 = (h3 & keep) | (g3 & take)
  const f4 = (h4 & keep) | (g4 & take & 0x3ffffff)
  const low = f0 | (f1 << 26) | (f2 << 52)
  const high = (f2 >> 12) | (f3 << 14) | (f4 << 40)
  const padLow = load<u64>(key, 16)
  const sumLow = low + padLow
  const carry: u64 = sumLow < low ? 1 : 0
  store<u64>(out, sumLow)
  store<u64>(out, high + load<u64>(key, 24) + carry, 8)
  r0 = r1 = r2 = r3 = r4 = h0 = h1 = h2 = h3 = h4 = 0
}

/** Seals `length` bytes in place; the tag follows them. */
export function encrypt(key: usize, nonce: usize, ad: usize, adLength: i32, text: usize, length: i32): void {
  twoBlocks(key, nonce, 0)
  v128.store(POLY_KEY, v128.load(STREAM))
  v128.store(POLY_KEY, v128.load(STREAM, 16), 16)
  let done = 0
  let from: usize = STREAM + 64
  while (done < length) {
    for (; from < STREAM + 128 && done < length; from += 16, done += 16) {
      v128.store(text + done, v128.xor(v128.load(text + done), v128.load(from)))
    }
    if (done < length) {
      // 64 bytes of the first pair, then 128 of each: block 1, blocks 2 and 3, blocks 4 and 5, …
      twoBlocks(key, nonce, (done + 64) >> 6)
      from = STREAM
    }
  }
  memory.fill(STREAM, 0, 128)
  beginTag(POLY_KEY)
  authenticatePadded(ad, adLength)
  authenticatePadded(text, length)
  store<u64>(PADDED, adLength as u64)
  store<u64>(PADDED, length as u64, 8)
  authenticate(PADDED, 1)
  endTag(POLY_KEY, text + length)
  memory.fill(POLY_KEY, 0, 32)
}

/** Sixteen letters for the twelve bytes at `from`; reads four more. */
@inline
function sixteen(from: usize, to: usize): void {
  const bytes = v128.load(from)
  // Three bytes to a lane, the first on top.
  const lanes = i8x16.shuffle(bytes, i64x2(0, 0), 2, 1, 0, 16, 5, 4, 3, 16, 8, 7, 6, 16, 11, 10, 9, 16)
  const n = v128.or(
    v128.or(i32x4.shr_u(lanes, 18), v128.and(i32x4.shr_u(lanes, 4), i32x4.splat(0x3f00))),
    v128.or(v128.and(i32x4.shl(lanes, 10), i32x4.splat(0x3f0000)), v128.and(i32x4.shl(lanes, 24), i32x4.splat(0x3f000000))),
  )
  // Letters lie in five runs: A-Z, a-z, 0-9, -, _.
  let letters = i8x16.add(n, i8x16.splat(65))
  letters = i8x16.add(letters, v128.and(i8x16.gt_s(n, i8x16.splat(25)), i8x16.splat(6)))
  letters = i8x16.sub(letters, v128.and(i8x16.gt_s(n, i8x16.splat(51)), i8x16.splat(75)))
  letters = i8x16.sub(letters, v128.and(i8x16.gt_s(n, i8x16.splat(61)), i8x16.splat(13)))
  letters = i8x16.add(letters, v128.and(i8x16.gt_s(n, i8x16.splat(62)), i8x16.splat(49)))
  v128.store(to, letters)
}

/** base64url without padding. Returns how many letters. Writes up to three letters more. */
export function base64url(from: usize, length: i32, to: usize): i32 {
  const end = from + length
  let out = to
  let at = from
  for (; at + 12 <= end; at += 12, out += 16) sixteen(at, out)
  for (; at + 3 <= end; at += 3, out += 4) {
    const bits = ((load<u8>(at) as u32) << 16) | ((load<u8>(at, 1) as u32) << 8) | (load<u8>(at, 2) as u32)
    store<u16>(out, load<u16>(LETTERS + ((bits >> 12) << 1)))
    store<u16>(out, load<u16>(LETTERS + ((bits & 4095) << 1)), 2)
  }
  if (at == end) return (out - to) as i32
  const last = ((load<u8>(at) as u32) << 16) | (at + 1 < end ? (load<u8>(at, 1) as u32) << 8 : 0)
  store<u16>(out, load<u16>(LETTERS + ((last >> 12) << 1)))
  store<u16>(out, load<u16>(LETTERS + ((last & 4095) << 1)), 2)
  return ((out - to) as i32) + (at + 1 < end ? 3 : 2)
}

/**
 * A token: at `raw` stands its head, the nonce and the length of what is sealed go behind it, then the plaintext, which
 * the caller has put there. Returns the length of its text, at `text`.
 */
export function seal(
  key: usize,
  nonce: usize,
  ad: usize,
  adLength: i32,
  raw: usize,
  headLength: i32,
  length: i32,
  text: usize,
): i32 {
  let at = raw + headLength
  memory.copy(at, nonce, NONCE)
  at += NONCE
  const sealed = length + TAG
  if (sealed < 24) store<u8>(at++, (0x40 | sealed) as u8)
  else if (sealed < 256) {
    store<u8>(at, 0x58)
    store<u8>(at + 1, sealed as u8)
    at += 2
  } else {
    store<u8>(at, 0x59)
    store<u8>(at + 1, (sealed >> 8) as u8)
    store<u8>(at + 2, sealed as u8)
    at += 3
  }
  encrypt(key, nonce, ad, adLength, at, length)
  return base64url(raw, (at - raw) as i32 + sealed, text)
}
