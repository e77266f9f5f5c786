/**
 * Sealed values, in AssemblyScript: ChaCha20-Poly1305 (RFC 8439) and base64url for many values in one call, in memory
 * of its own.
 *
 * Why not libsodium's: it is the same algorithm without SIMD, and a token costs a dozen calls and copies around it.
 * Here four blocks of ChaCha20 are made at once, one in each lane, of several values where they are short; a long value
 * is authenticated while its next four blocks are made. No branch and no address depends on a secret.
 * test/keys/seal_wasm.test.ts holds it to Wycheproof's vectors and to node:crypto at every length.
 *
 * Memory is laid out by src/keys/seal_memory.ts. Up to 32 bytes behind a plaintext are overwritten: its tag, and zeros.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

const CONSTANTS: usize = 1 << 15
/** What the four blocks begin with: 16 rows of four lanes, and one that is thrown away. */
const STATE: usize = CONSTANTS + 256
/** Of each block to be made: key, nonce, counter. */
const LANES: usize = STATE + 256 + 16
const STREAM_BLOCKS: i32 = 64
const STREAM: usize = LANES + 16 * 64
/** The four blocks that a long value goes on with. */
const NEXT: usize = STREAM + 64 * 64
const PADDED: usize = NEXT + 256

const TAG: i32 = 16
const NONCE: i32 = 12
/** How many blocks of a value are made together with those of others: one for the key of its tag, three of stream. */
const FIRST_BLOCKS: i32 = 4
const FIRST_BYTES: i32 = 192
const PREFIX: i32 = 5

/** Where the columns of a job stand, and how long its row is: src/keys/seal_memory.ts. */
const JOB: usize = 32
const JOB_HEAD: usize = 4
const JOB_AD: usize = 8
const JOB_AD_LENGTH: usize = 12
const JOB_RAW: usize = 16
const JOB_LENGTH: usize = 20
const JOB_TEXT: usize = 24

const LIMB: u64 = 0x3ffffff
/** The bit above a whole block, in its last limb. */
const TOP: u64 = 1 << 24

// Poly1305: r, r², and the sum, in limbs of 26 bits.
let r0: u64 = 0
let r1: u64 = 0
let r2: u64 = 0
let r3: u64 = 0
let r4: u64 = 0
let q0: u64 = 0
let q1: u64 = 0
let q2: u64 = 0
let q3: u64 = 0
let q4: u64 = 0
let h0: u64 = 0
let h1: u64 = 0
let h2: u64 = 0
let h3: u64 = 0
let h4: u64 = 0

/**
 * To be called once. Constants are read from memory, and so stay in registers: those of the code would be made anew
 * in each turn of a loop.
 */
export function prepare(): void {
  v128.store(STATE, i32x4.splat(0x61707865))
  v128.store(STATE, i32x4.splat(0x3320646e), 16)
  v128.store(STATE, i32x4.splat(0x79622d32), 32)
  v128.store(STATE, i32x4.splat(0x6b206574), 48)
  v128.store(CONSTANTS, i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13))
  v128.store(CONSTANTS, i8x16(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14), 16)
  // base64url: three bytes to a lane, twice the middle one; the masks of the four sixths; and from where in the alphabet
  // a letter's number is how far: a-z, 0-9 (ten), -, _, A-Z.
  v128.store(CONSTANTS, i8x16(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10), 32)
  v128.store(CONSTANTS, i32x4.splat(0x3f), 48)
  v128.store(CONSTANTS, i32x4.splat(0x3f0000), 64)
  v128.store(CONSTANTS, i32x4.splat(0x003f03f0), 80)
  v128.store(CONSTANTS, i32x4.splat(0x01000010), 96)
  v128.store(CONSTANTS, i8x16.splat(51), 112)
  v128.store(CONSTANTS, i8x16.splat(26), 128)
  v128.store(CONSTANTS, i8x16.splat(13), 144)
  v128.store(CONSTANTS, i8x16(71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -17, 32, 65, 0, 0), 160)
}

@inline
function add(a: v128, b: v128): v128 {
  return i32x4.add(a, b)
}
@inline
function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b)
}
@inline
function left(x: v128, n: i32): v128 {
  return v128.or(i32x4.shl(x, n), i32x4.shr_u(x, 32 - n))
}
/** To the left by 16 or by 8, as `order` says. */
@inline
function turn(x: v128, order: v128): v128 {
  return i8x16.swizzle(x, order)
}

/** Four rows of four lanes turned round: 16 bytes of each of four blocks, 64 apart. */
@inline
function putColumns(at: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23)
  const abHigh = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31)
  const cd = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23)
  const cdHigh = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31)
  v128.store(at, i8x16.shuffle(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23))
  v128.store(at, i8x16.shuffle(ab, cd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 64)
  v128.store(at, i8x16.shuffle(abHigh, cdHigh, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), 128)
  v128.store(at, i8x16.shuffle(abHigh, cdHigh, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 192)
}

/** The other way round: 16 bytes at each of four places become four rows from `row` on. */
@inline
function putRows(row: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23)
  const abHigh = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31)
  const cd = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23)
  const cdHigh = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31)
  v128.store(row, i8x16.shuffle(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23))
  v128.store(row, i8x16.shuffle(ab, cd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 16)
  v128.store(row, i8x16.shuffle(abHigh, cdHigh, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), 32)
  v128.store(row, i8x16.shuffle(abHigh, cdHigh, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 48)
}

/** The state of the four blocks that stand in LANES from `lane` on. */
function begin(lane: usize): void {
  const a = load<usize>(lane)
  const b = load<usize>(lane, 16)
  const c = load<usize>(lane, 32)
  const d = load<usize>(lane, 48)
  putRows(STATE + 64, v128.load(a), v128.load(b), v128.load(c), v128.load(d))
  putRows(STATE + 128, v128.load(a, 16), v128.load(b, 16), v128.load(c, 16), v128.load(d, 16))
  // Of a nonce there are twelve bytes: its counter stands before them in the state.
  const n = v128.load(load<usize>(lane, 4))
  const o = v128.load(load<usize>(lane, 20))
  const p = v128.load(load<usize>(lane, 36))
  const q = v128.load(load<usize>(lane, 52))
  putRows(STATE + 208, n, o, p, q)
  v128.store(STATE, i32x4(load<i32>(lane, 8), load<i32>(lane, 24), load<i32>(lane, 40), load<i32>(lane, 56)), 192)
}

/**
 * Four blocks of the key stream, from what STATE says, at `out`. Meanwhile `pairs` (eight at most) of blocks from `at`
 * on are authenticated: that needs other parts of the processor.
 */
function fourBlocks(out: usize, from: usize, pairs: i32): void {
  const by16 = v128.load(CONSTANTS)
  const by8 = v128.load(CONSTANTS, 16)
  const a0 = r0, a1 = r1, a2 = r2, a3 = r3, a4 = r4
  const s1 = a1 * 5, s2 = a2 * 5, s3 = a3 * 5, s4 = a4 * 5
  const b0 = q0, b1 = q1, b2 = q2, b3 = q3, b4 = q4
  const t1 = b1 * 5, t2 = b2 * 5, t3 = b3 * 5, t4 = b4 * 5
  let g0 = h0, g1 = h1, g2 = h2, g3 = h3, g4 = h4
  let at = from
  let todo = pairs
  let x0 = v128.load(STATE), x1 = v128.load(STATE, 16), x2 = v128.load(STATE, 32), x3 = v128.load(STATE, 48)
  let x4 = v128.load(STATE, 64), x5 = v128.load(STATE, 80), x6 = v128.load(STATE, 96), x7 = v128.load(STATE, 112)
  let x8 = v128.load(STATE, 128), x9 = v128.load(STATE, 144), x10 = v128.load(STATE, 160), x11 = v128.load(STATE, 176)
  let x12 = v128.load(STATE, 192), x13 = v128.load(STATE, 208), x14 = v128.load(STATE, 224), x15 = v128.load(STATE, 240)
  for (let round = 0; round < 10; round++) {
    x0 = add(x0, x4); x1 = add(x1, x5); x2 = add(x2, x6); x3 = add(x3, x7)
    x12 = turn(xor(x12, x0), by16); x13 = turn(xor(x13, x1), by16)
    x14 = turn(xor(x14, x2), by16); x15 = turn(xor(x15, x3), by16)
    x8 = add(x8, x12); x9 = add(x9, x13); x10 = add(x10, x14); x11 = add(x11, x15)
    x4 = left(xor(x4, x8), 12); x5 = left(xor(x5, x9), 12); x6 = left(xor(x6, x10), 12); x7 = left(xor(x7, x11), 12)
    x0 = add(x0, x4); x1 = add(x1, x5); x2 = add(x2, x6); x3 = add(x3, x7)
    x12 = turn(xor(x12, x0), by8); x13 = turn(xor(x13, x1), by8)
    x14 = turn(xor(x14, x2), by8); x15 = turn(xor(x15, x3), by8)
    x8 = add(x8, x12); x9 = add(x9, x13); x10 = add(x10, x14); x11 = add(x11, x15)
    x4 = left(xor(x4, x8), 7); x5 = left(xor(x5, x9), 7); x6 = left(xor(x6, x10), 7); x7 = left(xor(x7, x11), 7)

    x0 = add(x0, x5); x1 = add(x1, x6); x2 = add(x2, x7); x3 = add(x3, x4)
    x15 = turn(xor(x15, x0), by16); x12 = turn(xor(x12, x1), by16)
    x13 = turn(xor(x13, x2), by16); x14 = turn(xor(x14, x3), by16)
    x10 = add(x10, x15); x11 = add(x11, x12); x8 = add(x8, x13); x9 = add(x9, x14)
    x5 = left(xor(x5, x10), 12); x6 = left(xor(x6, x11), 12); x7 = left(xor(x7, x8), 12); x4 = left(xor(x4, x9), 12)
    x0 = add(x0, x5); x1 = add(x1, x6); x2 = add(x2, x7); x3 = add(x3, x4)
    x15 = turn(xor(x15, x0), by8); x12 = turn(xor(x12, x1), by8)
    x13 = turn(xor(x13, x2), by8); x14 = turn(xor(x14, x3), by8)
    x10 = add(x10, x15); x11 = add(x11, x12); x8 = add(x8, x13); x9 = add(x9, x14)
    x5 = left(xor(x5, x10), 7); x6 = left(xor(x6, x11), 7); x7 = left(xor(x7, x8), 7); x4 = left(xor(x4, x9), 7)

    if (todo > 0) {
      todo--
      const low = load<u64>(at), high = load<u64>(at, 8)
      const next = load<u64>(at, 16), nextHigh = load<u64>(at, 24)
      at += 32
      g0 += low & LIMB
      g1 += (low >> 26) & LIMB
      g2 += ((low >> 52) | (high << 12)) & LIMB
      g3 += (high >> 14) & LIMB
      g4 += (high >> 40) | TOP
      const m0 = next & LIMB
      const m1 = (next >> 26) & LIMB
      const m2 = ((next >> 52) | (nextHigh << 12)) & LIMB
      const m3 = (nextHigh >> 14) & LIMB
      const m4 = (nextHigh >> 40) | TOP
      const d0 = m0 * a0 + m1 * s4 + m2 * s3 + m3 * s2 + m4 * s1 + (g0 * b0 + g1 * t4 + g2 * t3 + g3 * t2 + g4 * t1)
      let d1 = m0 * a1 + m1 * a0 + m2 * s4 + m3 * s3 + m4 * s2 + (g0 * b1 + g1 * b0 + g2 * t4 + g3 * t3 + g4 * t2)
      let d2 = m0 * a2 + m1 * a1 + m2 * a0 + m3 * s4 + m4 * s3 + (g0 * b2 + g1 * b1 + g2 * b0 + g3 * t4 + g4 * t3)
      let d3 = m0 * a3 + m1 * a2 + m2 * a1 + m3 * a0 + m4 * s4 + (g0 * b3 + g1 * b2 + g2 * b1 + g3 * b0 + g4 * t4)
      let d4 = m0 * a4 + m1 * a3 + m2 * a2 + m3 * a1 + m4 * a0 + (g0 * b4 + g1 * b3 + g2 * b2 + g3 * b1 + g4 * b0)
      d1 += d0 >> 26
      d2 += d1 >> 26
      d3 += d2 >> 26
      d4 += d3 >> 26
      g0 = (d0 & LIMB) + (d4 >> 26) * 5
      g1 = (d1 & LIMB) + (g0 >> 26)
      g0 &= LIMB
      g2 = d2 & LIMB
      g3 = d3 & LIMB
      g4 = d4 & LIMB
    }
  }
  h0 = g0; h1 = g1; h2 = g2; h3 = g3; h4 = g4
  x0 = add(x0, v128.load(STATE)); x1 = add(x1, v128.load(STATE, 16))
  x2 = add(x2, v128.load(STATE, 32)); x3 = add(x3, v128.load(STATE, 48))
  putColumns(out, x0, x1, x2, x3)
  x4 = add(x4, v128.load(STATE, 64)); x5 = add(x5, v128.load(STATE, 80))
  x6 = add(x6, v128.load(STATE, 96)); x7 = add(x7, v128.load(STATE, 112))
  putColumns(out + 16, x4, x5, x6, x7)
  x8 = add(x8, v128.load(STATE, 128)); x9 = add(x9, v128.load(STATE, 144))
  x10 = add(x10, v128.load(STATE, 160)); x11 = add(x11, v128.load(STATE, 176))
  putColumns(out + 32, x8, x9, x10, x11)
  x12 = add(x12, v128.load(STATE, 192)); x13 = add(x13, v128.load(STATE, 208))
  x14 = add(x14, v128.load(STATE, 224)); x15 = add(x15, v128.load(STATE, 240))
  putColumns(out + 48, x12, x13, x14, x15)
}

/**
 * Authenticates whole blocks of 16 bytes: (sum + block) times r, modulo 2^130 - 5. Two at a time: (sum + first) r² +
 * second r. A product has 56 bits, a sum of ten of them 60.
 */
function authenticate(from: usize, blocks: i32): void {
  const a0 = r0, a1 = r1, a2 = r2, a3 = r3, a4 = r4
  const s1 = a1 * 5, s2 = a2 * 5, s3 = a3 * 5, s4 = a4 * 5
  const b0 = q0, b1 = q1, b2 = q2, b3 = q3, b4 = q4
  const t1 = b1 * 5, t2 = b2 * 5, t3 = b3 * 5, t4 = b4 * 5
  let g0 = h0, g1 = h1, g2 = h2, g3 = h3, g4 = h4
  let at = from
  for (let todo = blocks; todo > 0; ) {
    const low = load<u64>(at), high = load<u64>(at, 8)
    g0 += low & LIMB
    g1 += (low >> 26) & LIMB
    g2 += ((low >> 52) | (high << 12)) & LIMB
    g3 += (high >> 14) & LIMB
    g4 += (high >> 40) | TOP
    let d0: u64, d1: u64, d2: u64, d3: u64, d4: u64
    if (todo > 1) {
      const next = load<u64>(at, 16), nextHigh = load<u64>(at, 24)
      const m0 = next & LIMB
      const m1 = (next >> 26) & LIMB
      const m2 = ((next >> 52) | (nextHigh << 12)) & LIMB
      const m3 = (nextHigh >> 14) & LIMB
      const m4 = (nextHigh >> 40) | TOP
      d0 = m0 * a0 + m1 * s4 + m2 * s3 + m3 * s2 + m4 * s1 + (g0 * b0 + g1 * t4 + g2 * t3 + g3 * t2 + g4 * t1)
      d1 = m0 * a1 + m1 * a0 + m2 * s4 + m3 * s3 + m4 * s2 + (g0 * b1 + g1 * b0 + g2 * t4 + g3 * t3 + g4 * t2)
      d2 = m0 * a2 + m1 * a1 + m2 * a0 + m3 * s4 + m4 * s3 + (g0 * b2 + g1 * b1 + g2 * b0 + g3 * t4 + g4 * t3)
      d3 = m0 * a3 + m1 * a2 + m2 * a1 + m3 * a0 + m4 * s4 + (g0 * b3 + g1 * b2 + g2 * b1 + g3 * b0 + g4 * t4)
      d4 = m0 * a4 + m1 * a3 + m2 * a2 + m3 * a1 + m4 * a0 + (g0 * b4 + g1 * b3 + g2 * b2 + g3 * b1 + g4 * b0)
      at += 32
      todo -= 2
    } else {
      d0 = g0 * a0 + g1 * s4 + g2 * s3 + g3 * s2 + g4 * s1
      d1 = g0 * a1 + g1 * a0 + g2 * s4 + g3 * s3 + g4 * s2
      d2 = g0 * a2 + g1 * a1 + g2 * a0 + g3 * s4 + g4 * s3
      d3 = g0 * a3 + g1 * a2 + g2 * a1 + g3 * a0 + g4 * s4
      d4 = g0 * a4 + g1 * a3 + g2 * a2 + g3 * a1 + g4 * a0
      todo = 0
    }
    d1 += d0 >> 26
    d2 += d1 >> 26
    d3 += d2 >> 26
    d4 += d3 >> 26
    g0 = (d0 & LIMB) + (d4 >> 26) * 5
    g1 = (d1 & LIMB) + (g0 >> 26)
    g0 &= LIMB
    g2 = d2 & LIMB
    g3 = d3 & LIMB
    g4 = d4 & LIMB
  }
  h0 = g0; h1 = g1; h2 = g2; h3 = g3; h4 = g4
}

/** Bytes of any number, filled up with zeros to whole blocks. */
function authenticatePadded(from: usize, length: i32): void {
  const whole = length >> 4
  authenticate(from, whole)
  const rest = length & 15
  if (rest == 0) return
  v128.store(PADDED, i64x2(0, 0))
  for (let i = 0; i < rest; i++) store<u8>(PADDED + i, load<u8>(from + (whole << 4) + i))
  authenticate(PADDED, 1)
}

/** Takes r from the first half of the one-time key. */
function beginTag(key: usize): void {
  const low = load<u64>(key) & 0x0ffffffc0fffffff
  const high = load<u64>(key, 8) & 0x0ffffffc0ffffffc
  r0 = low & LIMB
  r1 = (low >> 26) & LIMB
  r2 = ((low >> 52) | (high << 12)) & LIMB
  r3 = (high >> 14) & LIMB
  r4 = high >> 40
  const d0 = r0 * r0 + 10 * (r1 * r4 + r2 * r3)
  let d1 = 2 * r0 * r1 + 5 * (2 * r2 * r4 + r3 * r3)
  let d2 = 2 * r0 * r2 + r1 * r1 + 10 * r3 * r4
  let d3 = 2 * (r0 * r3 + r1 * r2) + 5 * r4 * r4
  let d4 = 2 * (r0 * r4 + r1 * r3) + r2 * r2
  d1 += d0 >> 26
  d2 += d1 >> 26
  d3 += d2 >> 26
  d4 += d3 >> 26
  q0 = (d0 & LIMB) + (d4 >> 26) * 5
  q1 = (d1 & LIMB) + (q0 >> 26)
  q0 &= LIMB
  q2 = d2 & LIMB
  q3 = d3 & LIMB
  q4 = d4 & LIMB
  h0 = h1 = h2 = h3 = h4 = 0
}

/** Adds the second half of the one-time key to the sum modulo 2^130 - 5, and writes the tag. */
function endTag(key: usize, out: usize): void {
  h2 += h1 >> 26
  h1 &= LIMB
  h3 += h2 >> 26
  h2 &= LIMB
  h4 += h3 >> 26
  h3 &= LIMB
  h0 += (h4 >> 26) * 5
  h4 &= LIMB
  h1 += h0 >> 26
  h0 &= LIMB
  // The sum minus the prime; taken where that is not negative, without a branch.
  let g0 = h0 + 5
  let g1 = h1 + (g0 >> 26)
  g0 &= LIMB
  let g2 = h2 + (g1 >> 26)
  g1 &= LIMB
  let g3 = h3 + (g2 >> 26)
  g2 &= LIMB
  const g4 = h4 + (g3 >> 26) - (1 << 26)
  g3 &= LIMB
  const keep: u64 = 0 - (g4 >> 63)
  const take = ~keep
  const f0 = (h0 & keep) | (g0 & take)
  const f1 = (h1 & keep) | (g1 & take)
  const f2 = (h2 & keep) | (g2 & take)
  const f3 = (h3 & keep) | (g3 & take)
  const f4 = (h4 & keep) | (g4 & take & LIMB)
  const low = f0 | (f1 << 26) | (f2 << 52)
  const high = (f2 >> 12) | (f3 << 14) | (f4 << 40)
  const sumLow = low + load<u64>(key, 16)
  const carry: u64 = sumLow < low ? 1 : 0
  store<u64>(out, sumLow)
  store<u64>(out, high + load<u64>(key, 24) + carry, 8)
}

/** Adds the key stream to `length` bytes; up to 15 behind them change too. */
@inline
function addStream(text: usize, length: i32, stream: usize): void {
  for (let i = 0; i < length; i += 16) {
    v128.store(text + i, v128.xor(v128.load(text + i), v128.load(stream + i)))
  }
}

/** Seals `length` bytes in place; the tag follows them. The first blocks of their stream, up to four, are made already. */
function finish(stream: usize, key: usize, nonce: usize, ad: usize, adLength: i32, text: usize, length: i32): void {
  beginTag(stream)
  authenticatePadded(ad, adLength)
  let done = min(length, FIRST_BYTES)
  addStream(text, done, stream + 64)
  let known = 0
  if (length > done) {
    for (let i = 0; i < 4; i++) putLane(LANES + (i << 4), key, nonce, FIRST_BLOCKS + i)
    begin(LANES)
    while (done < length) {
      const pairs = (done - known) >> 5
      fourBlocks(NEXT, text + known, pairs)
      known += pairs << 5
      const part = min(length - done, 256)
      addStream(text + done, part, NEXT)
      done += part
      v128.store(STATE, add(v128.load(STATE, 192), i32x4.splat(4)), 192)
    }
  }
  authenticatePadded(text + known, length - known)
  store<u64>(PADDED, adLength as u64)
  store<u64>(PADDED, length as u64, 8)
  authenticate(PADDED, 1)
  endTag(stream, text + length)
}

@inline
function putLane(lane: usize, key: usize, nonce: usize, counter: i32): void {
  store<usize>(lane, key)
  store<usize>(lane, nonce, 4)
  store<i32>(lane, counter, 8)
}

/** Of what is secret here nothing is left: stream, state, and what Poly1305 was doing. */
function forget(blocks: i32): void {
  memory.fill(STREAM, 0, blocks << 6)
  memory.fill(NEXT, 0, 256 + 16)
  memory.fill(STATE + 64, 0, 192)
  r0 = r1 = r2 = r3 = r4 = q0 = q1 = q2 = q3 = q4 = h0 = h1 = h2 = h3 = h4 = 0
}

/** Seals `length` bytes in place; the tag follows them. */
export function encrypt(key: usize, nonce: usize, ad: usize, adLength: i32, text: usize, length: i32): void {
  for (let i = 0; i < FIRST_BLOCKS; i++) putLane(LANES + (i << 4), key, nonce, i)
  begin(LANES)
  fourBlocks(STREAM, 0, 0)
  finish(STREAM, key, nonce, ad, adLength, text, length)
  forget(FIRST_BLOCKS)
}

/** The sixteen numbers below 64 of the twelve bytes at `from`; reads four more. */
@inline
function sixths(from: usize, spread: v128, first: v128, third: v128, others: v128, up: v128): v128 {
  const x = i8x16.swizzle(v128.load(from), spread)
  return v128.or(
    v128.or(v128.and(i32x4.shr_u(x, 10), first), v128.and(i32x4.shr_u(x, 6), third)),
    i16x8.mul(v128.and(x, others), up),
  )
}
/** Their letters: numbers lie in five runs. */
@inline
function named(n: v128, runs: v128, capitals: v128, atCapitals: v128, distances: v128): v128 {
  const run = v128.or(i8x16.sub_sat_u(n, runs), v128.and(i8x16.gt_s(capitals, n), atCapitals))
  return i8x16.add(n, i8x16.swizzle(distances, run))
}

/** base64url without padding: exactly as many letters as there are, of twelve bytes or more. Reads up to 15 bytes more. */
export function base64url(from: usize, length: i32, to: usize): void {
  const spread = v128.load(CONSTANTS, 32)
  const first = v128.load(CONSTANTS, 48)
  const third = v128.load(CONSTANTS, 64)
  const others = v128.load(CONSTANTS, 80)
  const up = v128.load(CONSTANTS, 96)
  const runs = v128.load(CONSTANTS, 112)
  const capitals = v128.load(CONSTANTS, 128)
  const atCapitals = v128.load(CONSTANTS, 144)
  const distances = v128.load(CONSTANTS, 160)
  const rest = length % 3
  const end = from + length - rest
  let at = from
  let out = to
  for (; at + 12 <= end; at += 12, out += 16) {
    const n = sixths(at, spread, first, third, others, up)
    v128.store(out, named(n, runs, capitals, atCapitals, distances))
  }
  // The last whole group ends where the bytes end, and writes again what stands before.
  if (at < end) {
    out += ((end - at) / 3) << 2
    const n = sixths(end - 12, spread, first, third, others, up)
    v128.store(out - 16, named(n, runs, capitals, atCapitals, distances))
  }
  if (rest == 0) return
  const last = named(sixths(end, spread, first, third, others, up), runs, capitals, atCapitals, distances)
  store<u16>(out, i16x8.extract_lane_u(last, 0))
  if (rest == 2) store<u8>(out, i8x16.extract_lane_u(last, 2), 2)
}

/** The length of what is sealed as CBOR's head of a byte string. Returns how many bytes that takes. */
@inline
function putLength(at: usize, sealed: i32): i32 {
  if (sealed < 24) {
    store<u8>(at, (0x40 | sealed) as u8)
    return 1
  }
  if (sealed < 256) {
    store<u16>(at, (0x58 | (sealed << 8)) as u16)
    return 2
  }
  store<u8>(at, 0x59)
  store<u8>(at + 1, (sealed >> 8) as u8)
  store<u8>(at + 2, sealed as u8)
  return 3
}

/**
 * Seals `count` values. A job: where its key is, with the token's head behind it, how long that is; the context and its
 * length; where the token is put together as bytes; the length of the plaintext; where the text of the token goes.
 * The nonce stands in its place already, and the plaintext where its ciphertext will stand.
 */
export function seal(jobs: usize, count: i32): void {
  const end = jobs + (count as usize) * JOB
  let made = 0
  for (let job = jobs; job < end; ) {
    const first = job
    let blocks = 0
    for (; job < end && blocks + FIRST_BLOCKS <= STREAM_BLOCKS; job += JOB) {
      const wanted = min(1 + ((load<i32>(job, JOB_LENGTH) + 63) >> 6), FIRST_BLOCKS)
      const key = load<usize>(job)
      const nonce = load<usize>(job, JOB_RAW) + load<i32>(job, JOB_HEAD)
      for (let i = 0; i < wanted; i++) putLane(LANES + ((blocks + i) << 4), key, nonce, i)
      blocks += wanted
    }
    for (let i = blocks; (i & 3) != 0; i++) {
      memory.copy(LANES + (i << 4), LANES + ((i - 1) << 4), 16)
    }
    for (let i = 0; i < blocks; i += 4) {
      begin(LANES + (i << 4))
      fourBlocks(STREAM + (i << 6), 0, 0)
    }
    let stream = STREAM
    for (let one = first; one < job; one += JOB) {
      const length = load<i32>(one, JOB_LENGTH)
      finishJob(one, stream, length)
      stream += min(1 + ((length + 63) >> 6), FIRST_BLOCKS) << 6
    }
    made = max(made, (blocks + 3) & ~3)
  }
  forget(made)
}

function finishJob(job: usize, stream: usize, length: i32): void {
  const key = load<usize>(job)
  const head = load<i32>(job, JOB_HEAD)
  const raw = load<usize>(job, JOB_RAW)
  const out = load<usize>(job, JOB_TEXT)
  for (let i = 0; i + 16 <= head; i += 16) v128.store(raw + i, v128.load(key + 32 + i))
  v128.store(raw + head - 16, v128.load(key + 32 + head - 16))
  const at = raw + head + NONCE
  const text = at + putLength(at, length + TAG)
  finish(stream, key, raw + head, load<usize>(job, JOB_AD), load<i32>(job, JOB_AD_LENGTH), text, length)
  v128.store(text + length + TAG, i64x2(0, 0))
  store<u32>(out, 0x65736f63)
  store<u8>(out, 0x3a, 4)
  base64url(raw, (text - raw) as i32 + length + TAG, out + PREFIX)
}
