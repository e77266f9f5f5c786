/**
 * Sealed values, in AssemblyScript: ChaCha20-Poly1305 (RFC 8439) and base64url for many values in one call, in memory
 * of its own.
 *
 * Why not libsodium's: it is the same algorithm without SIMD, and a token costs a dozen calls and copies around it.
 * Here four blocks of ChaCha20 are made at once, one in each lane, of several values where they are short; a long value
 * is authenticated while its next four blocks are made. No branch and no address depends on a secret.
 * test/keys/seal_wasm.test.ts holds it to Wycheproof's vectors and to node:crypto at every length.
 *
 * Memory is laid out by src/keys/seal_memory.ts. Up to 32 bytes behind a ciphertext are overwritten: its tag, and what
 * is authenticated behind it. Contexts are filled up with zeros to whole blocks of 16 bytes.
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
/** 16 bytes of ones and 16 of zeros: from 16 - n on, a mask of n bytes. */
const MASKS: usize = NEXT + 256

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
const JOB_SOURCE: usize = 28
/** Instead of a source: the plaintext stands where its ciphertext will stand. */
const IN_PLACE: i32 = i32.MAX_VALUE

const WORD: u64 = 0xffffffff

// Poly1305: r, and the sum, in words of 32 bits.
let r0: u64 = 0
let r1: u64 = 0
let r2: u64 = 0
let r3: u64 = 0
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
  // a letter's number is how far: A-Z, a-z, 0-9 (ten), -, _.
  v128.store(CONSTANTS, i8x16(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10), 32)
  v128.store(CONSTANTS, i32x4.splat(0x3f), 48)
  v128.store(CONSTANTS, i32x4.splat(0x3f0000), 64)
  v128.store(CONSTANTS, i32x4.splat(0x003f03f0), 80)
  v128.store(CONSTANTS, i32x4.splat(0x01000010), 96)
  v128.store(CONSTANTS, i8x16.splat(51), 112)
  v128.store(CONSTANTS, i8x16.splat(25), 128)
  v128.store(CONSTANTS, i8x16(65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -17, 32, 0, 0), 144)
  v128.store(MASKS, i8x16.splat(-1))
  v128.store(MASKS, i8x16.splat(0), 16)
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
  return i8x16.relaxed_swizzle(x, order)
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
 * Four blocks of the key stream, from what STATE says, at `out`. Meanwhile an even number of blocks from `at` on, 20 at
 * most, is authenticated: that needs other parts of the processor, as long as it is strewn in.
 */
function fourBlocks(out: usize, from: usize, blocks: i32): void {
  const by16 = v128.load(CONSTANTS)
  const by8 = v128.load(CONSTANTS, 16)
  const a0 = r0, a1 = r1, a2 = r2, a3 = r3
  const s0 = (a0 >> 2) * 5, s1 = (a1 >> 2) * 5, s2 = (a2 >> 2) * 5, s3 = (a3 >> 2) * 5, low = a0 & 3
  let g0 = h0, g1 = h1, g2 = h2, g3 = h3, g4 = h4
  let at = from
  let todo = blocks
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

    if (todo > 0) {
      const c0 = g0 + load<u32>(at), c1 = g1 + load<u32>(at, 4), c2 = g2 + load<u32>(at, 8), c3 = g3 + load<u32>(at, 12)
      const c4 = g4 + 1
      at += 16
      const d0 = c0 * a0 + c1 * s3 + c2 * s2 + c3 * s1 + c4 * s0
      const d1 = c0 * a1 + c1 * a0 + c2 * s3 + c3 * s2 + c4 * s1
      const d2 = c0 * a2 + c1 * a1 + c2 * a0 + c3 * s3 + c4 * s2
      const d3 = c0 * a3 + c1 * a2 + c2 * a1 + c3 * a0 + c4 * s3
      const d4 = c4 * low + (d3 >> 32)
      g0 = (d0 & WORD) + (d4 >> 2) * 5
      g1 = (d1 & WORD) + (d0 >> 32)
      g2 = (d2 & WORD) + (d1 >> 32)
      g3 = (d3 & WORD) + (d2 >> 32)
      g4 = d4 & 3
    }

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

    if (todo > 0) {
      todo -= 2
      const c0 = g0 + load<u32>(at), c1 = g1 + load<u32>(at, 4), c2 = g2 + load<u32>(at, 8), c3 = g3 + load<u32>(at, 12)
      const c4 = g4 + 1
      at += 16
      const d0 = c0 * a0 + c1 * s3 + c2 * s2 + c3 * s1 + c4 * s0
      const d1 = c0 * a1 + c1 * a0 + c2 * s3 + c3 * s2 + c4 * s1
      const d2 = c0 * a2 + c1 * a1 + c2 * a0 + c3 * s3 + c4 * s2
      const d3 = c0 * a3 + c1 * a2 + c2 * a1 + c3 * a0 + c4 * s3
      const d4 = c4 * low + (d3 >> 32)
      g0 = (d0 & WORD) + (d4 >> 2) * 5
      g1 = (d1 & WORD) + (d0 >> 32)
      g2 = (d2 & WORD) + (d1 >> 32)
      g3 = (d3 & WORD) + (d2 >> 32)
      g4 = d4 & 3
    }

    x0 = add(x0, x5); x1 = add(x1, x6); x2 = add(x2, x7); x3 = add(x3, x4)
    x15 = turn(xor(x15, x0), by8); x12 = turn(xor(x12, x1), by8)
    x13 = turn(xor(x13, x2), by8); x14 = turn(xor(x14, x3), by8)
    x10 = add(x10, x15); x11 = add(x11, x12); x8 = add(x8, x13); x9 = add(x9, x14)
    x5 = left(xor(x5, x10), 7); x6 = left(xor(x6, x11), 7); x7 = left(xor(x7, x8), 7); x4 = left(xor(x4, x9), 7)
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
 * Authenticates whole blocks of 16 bytes: (sum + block + 2^128) times r, modulo 2^130 - 5. r's words are below 2^28, and
 * all but the first are multiples of four; so what stands above 2^130 comes down as five fourths of such a word.
 *
 * Carries go one word up and no further, since that is what the next block waits for: words of the sum may be up to 2^33,
 * the lowest 2.25 times 2^32. With a block that is 3.25 and thrice 3 times 2^32, times 2^28 or, come down, 1.25 times that:
 * a sum of products stays below 14.6 times 2^60, and so below 2^64.
 */
function authenticate(from: usize, blocks: i32): void {
  const a0 = r0, a1 = r1, a2 = r2, a3 = r3
  const s0 = (a0 >> 2) * 5, s1 = (a1 >> 2) * 5, s2 = (a2 >> 2) * 5, s3 = (a3 >> 2) * 5, low = a0 & 3
  let g0 = h0, g1 = h1, g2 = h2, g3 = h3, g4 = h4
  let at = from
  for (let todo = blocks; todo > 0; todo--) {
    const c0 = g0 + load<u32>(at), c1 = g1 + load<u32>(at, 4), c2 = g2 + load<u32>(at, 8), c3 = g3 + load<u32>(at, 12)
    const c4 = g4 + 1
    at += 16
    const d0 = c0 * a0 + c1 * s3 + c2 * s2 + c3 * s1 + c4 * s0
    const d1 = c0 * a1 + c1 * a0 + c2 * s3 + c3 * s2 + c4 * s1
    const d2 = c0 * a2 + c1 * a1 + c2 * a0 + c3 * s3 + c4 * s2
    const d3 = c0 * a3 + c1 * a2 + c2 * a1 + c3 * a0 + c4 * s3
    const d4 = c4 * low + (d3 >> 32)
    g0 = (d0 & WORD) + (d4 >> 2) * 5
    g1 = (d1 & WORD) + (d0 >> 32)
    g2 = (d2 & WORD) + (d1 >> 32)
    g3 = (d3 & WORD) + (d2 >> 32)
    g4 = d4 & 3
  }
  h0 = g0; h1 = g1; h2 = g2; h3 = g3; h4 = g4
}

/** Takes r from the first half of the one-time key. */
function beginTag(key: usize): void {
  r0 = load<u32>(key) & 0x0fffffff
  r1 = load<u32>(key, 4) & 0x0ffffffc
  r2 = load<u32>(key, 8) & 0x0ffffffc
  r3 = load<u32>(key, 12) & 0x0ffffffc
  h0 = h1 = h2 = h3 = h4 = 0
}

/** Adds the second half of the one-time key to the sum modulo 2^130 - 5, and writes the tag. */
function endTag(key: usize, out: usize): void {
  // Where the sum plus five reaches 2^130, five is what taking the prime off leaves below that.
  let carry = h0 + 5
  carry = (carry >> 32) + h1
  carry = (carry >> 32) + h2
  carry = (carry >> 32) + h3
  carry = (carry >> 32) + h4
  carry = (carry >> 2) * 5 + h0 + load<u32>(key, 16)
  store<u32>(out, carry as u32)
  carry = (carry >> 32) + h1 + load<u32>(key, 20)
  store<u32>(out, carry as u32, 4)
  carry = (carry >> 32) + h2 + load<u32>(key, 24)
  store<u32>(out, carry as u32, 8)
  carry = (carry >> 32) + h3 + load<u32>(key, 28)
  store<u32>(out, carry as u32, 12)
}

/** Puts `length` bytes with the key stream added to `text`; up to 15 behind them change too. */
@inline
function addStream(from: usize, text: usize, length: i32, stream: usize): void {
  for (let i = 0; i < length; i += 16) {
    v128.store(text + i, v128.xor(v128.load(from + i), v128.load(stream + i)))
  }
}

/**
 * Seals `length` bytes at `from`, which may be `text`: there the ciphertext stands then, and the tag behind it. The first
 * blocks of their stream, up to four, are made already.
 */
function finish(stream: usize, key: usize, nonce: usize, ad: usize, adLength: i32, from: usize, text: usize, length: i32): void {
  beginTag(stream)
  authenticate(ad, (adLength + 15) >> 4)
  let done = min(length, FIRST_BYTES)
  addStream(from, text, done, stream + 64)
  let known = 0
  if (length > done) {
    for (let i = 0; i < 4; i++) putLane(LANES + (i << 4), key, nonce, FIRST_BLOCKS + i)
    begin(LANES)
    while (done < length) {
      fourBlocks(NEXT, text + known, (done - known) >> 4)
      known = done
      const part = min(length - done, 256)
      addStream(from + done, text + done, part, NEXT)
      done += part
      v128.store(STATE, add(v128.load(STATE, 192), i32x4.splat(4)), 192)
    }
  }
  // Zeros up to a whole block, and the lengths.
  const rest = length & 15
  let end = text + length
  if (rest != 0) {
    v128.store(end - rest, v128.and(v128.load(end - rest), v128.load(MASKS + 16 - rest)))
    end += 16 - rest
  }
  store<u64>(end, adLength as u64)
  store<u64>(end, length as u64, 8)
  authenticate(text + known, ((end - text - known) as i32 >> 4) + 1)
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
  memory.fill(NEXT, 0, 256)
  memory.fill(STATE + 64, 0, 192)
  r0 = r1 = r2 = r3 = h0 = h1 = h2 = h3 = h4 = 0
}

/** Seals `length` bytes in place; the tag follows them. */
export function encrypt(key: usize, nonce: usize, ad: usize, adLength: i32, text: usize, length: i32): void {
  for (let i = 0; i < FIRST_BLOCKS; i++) putLane(LANES + (i << 4), key, nonce, i)
  begin(LANES)
  fourBlocks(STREAM, 0, 0)
  finish(STREAM, key, nonce, ad, adLength, text, text, length)
  forget(FIRST_BLOCKS)
}

/** The sixteen numbers below 64 of the twelve bytes at `from`; reads four more. */
@inline
function sixths(from: usize, spread: v128, first: v128, third: v128, others: v128, up: v128): v128 {
  const x = i8x16.relaxed_swizzle(v128.load(from), spread)
  return v128.or(
    v128.or(v128.and(i32x4.shr_u(x, 10), first), v128.and(i32x4.shr_u(x, 6), third)),
    i16x8.mul(v128.and(x, others), up),
  )
}
/** Their letters: numbers lie in five runs. A number above 25 is one run further, since `gt` gives -1. */
@inline
function named(n: v128, digits: v128, capitals: v128, distances: v128): v128 {
  const run = i8x16.sub(i8x16.sub_sat_u(n, digits), i8x16.gt_s(n, capitals))
  return i8x16.add(n, i8x16.relaxed_swizzle(distances, run))
}

/** base64url without padding: exactly as many letters as there are, of twelve bytes or more. Reads up to 15 bytes more. */
export function base64url(from: usize, length: i32, to: usize): void {
  const spread = v128.load(CONSTANTS, 32)
  const first = v128.load(CONSTANTS, 48)
  const third = v128.load(CONSTANTS, 64)
  const others = v128.load(CONSTANTS, 80)
  const up = v128.load(CONSTANTS, 96)
  const digits = v128.load(CONSTANTS, 112)
  const capitals = v128.load(CONSTANTS, 128)
  const distances = v128.load(CONSTANTS, 144)
  const rest = length % 3
  const end = from + length - rest
  let at = from
  let out = to
  for (; at + 12 <= end; at += 12, out += 16) {
    const n = sixths(at, spread, first, third, others, up)
    v128.store(out, named(n, digits, capitals, distances))
  }
  // The last whole group ends where the bytes end, and writes again what stands before.
  if (at < end) {
    out += ((end - at) / 3) << 2
    const n = sixths(end - 12, spread, first, third, others, up)
    v128.store(out - 16, named(n, digits, capitals, distances))
  }
  if (rest == 0) return
  const last = named(sixths(end, spread, first, third, others, up), digits, capitals, distances)
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
 * length; where the token is put together as bytes; the length of the plaintext; where the text of the token goes; and
 * where the plaintext is: from `first` on, or where that number's bits are turned over, from `second` on.
 * `nonces` has twelve bytes for each.
 */
export function seal(jobs: usize, count: i32, nonces: usize, first: usize, second: usize): void {
  const end = jobs + (count as usize) * JOB
  let made = 0
  let nonce = nonces
  for (let job = jobs; job < end; ) {
    const begun = job
    const itsNonce = nonce
    let blocks = 0
    for (; job < end && blocks + FIRST_BLOCKS <= STREAM_BLOCKS; job += JOB, nonce += NONCE) {
      const wanted = firstBlocks(load<i32>(job, JOB_LENGTH))
      const key = load<usize>(job)
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
    let own = itsNonce
    for (let one = begun; one < job; one += JOB, own += NONCE) {
      const source = load<i32>(one, JOB_SOURCE)
      finishJob(one, stream, own, source < 0 ? second + ~source : first + source, source == IN_PLACE)
      stream += firstBlocks(load<i32>(one, JOB_LENGTH)) << 6
    }
    made = max(made, (blocks + 3) & ~3)
  }
  forget(made)
}

@inline
function firstBlocks(length: i32): i32 {
  return min(1 + ((length + 63) >> 6), FIRST_BLOCKS)
}

function finishJob(job: usize, stream: usize, nonce: usize, from: usize, isInPlace: bool): void {
  const key = load<usize>(job)
  const head = load<i32>(job, JOB_HEAD)
  const raw = load<usize>(job, JOB_RAW)
  const length = load<i32>(job, JOB_LENGTH)
  const out = load<usize>(job, JOB_TEXT)
  for (let i = 0; i + 16 <= head; i += 16) v128.store(raw + i, v128.load(key + 32 + i))
  v128.store(raw + head - 16, v128.load(key + 32 + head - 16))
  const iv = raw + head
  store<u64>(iv, load<u64>(nonce))
  store<u32>(iv, load<u32>(nonce, 8), 8)
  const text = iv + NONCE + putLength(iv + NONCE, length + TAG)
  finish(stream, key, nonce, load<usize>(job, JOB_AD), load<i32>(job, JOB_AD_LENGTH), isInPlace ? text : from, text, length)
  v128.store(text + length + TAG, i64x2(0, 0))
  store<u32>(out, 0x65736f63)
  store<u8>(out, 0x3a, 4)
  base64url(raw, (text - raw) as i32 + length + TAG, out + PREFIX)
}
