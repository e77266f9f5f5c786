/**
 * HMAC-SHA-256 (RFC 2104, FIPS 180-4) of short texts under one key: the states after the inner and the outer pad are
 * worked out once a key, so a value of up to 55 bytes costs two compressions and no call into native code. Tests hold it
 * equal to node:crypto.
 */
export const roundConstants = new Int32Array(64)
const initial = new Int32Array(8)
{
  const isPrime = (n: number): boolean => {
    for (let i = 2; i * i <= n; i++) if (n % i === 0) return false
    return true
  }
  const fraction = (x: number): number => ((x - Math.floor(x)) * 4294967296) | 0
  for (let n = 2, i = 0; i < 64; n++)
    if (isPrime(n)) {
      if (i < 8) initial[i] = fraction(Math.sqrt(n))
      roundConstants[i++] = fraction(Math.cbrt(n))
    }
}

const w = new Int32Array(64)
const block = new Uint8Array(64)
const state = new Int32Array(8)

/** One compression of bytes[at, at + 64) into `state`. */
function compress(bytes: Uint8Array, at: number): void {
  for (let i = 0; i < 16; i++) {
    const p = at + i * 4
    w[i] = (bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!
    const y = w[i - 2]!
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
    w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0
  }
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  let f = state[5]!
  let g = state[6]!
  let h = state[7]!
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const t1 = (h + s1 + (g ^ (e & (f ^ g))) + roundConstants[i]! + w[i]!) | 0
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  state[0] = (state[0]! + a) | 0
  state[1] = (state[1]! + b) | 0
  state[2] = (state[2]! + c) | 0
  state[3] = (state[3]! + d) | 0
  state[4] = (state[4]! + e) | 0
  state[5] = (state[5]! + f) | 0
  state[6] = (state[6]! + g) | 0
  state[7] = (state[7]! + h) | 0
}

/** Takes in the last bytes: padding, and the length with the 64 bytes of the pad before them. */
function finish(bytes: Uint8Array, from: number, to: number): void {
  let at = from
  for (; to - at >= 64; at += 64) compress(bytes, at)
  block.fill(0)
  for (let i = at; i < to; i++) block[i - at] = bytes[i]!
  block[to - at] = 0x80
  if (to - at >= 56) {
    compress(block, 0)
    block.fill(0)
  }
  const bits = (to - from + 64) * 8
  block[60] = bits >>> 24
  block[61] = bits >>> 16
  block[62] = bits >>> 8
  block[63] = bits
  compress(block, 0)
}

const hexDigits = Buffer.from('0123456789abcdef')
const hexText = Buffer.alloc(64)
const inner = new Uint8Array(32)
const scratch = Buffer.alloc(4096)

/** A key at hand, as hashes name it: `hmac:<key id>:`. */
export interface HmacKey {
  /** Tells it from all others of this run. */
  readonly number: number
  readonly prefix: Buffer
  readonly hmac: Hmac
}

export class Hmac {
  /** The states after the inner and the outer pad. */
  readonly inner = new Int32Array(8)
  readonly outer = new Int32Array(8)

  /** `key`: at most 64 bytes. */
  constructor(key: Uint8Array) {
    for (const [pad, target] of [
      [0x36, this.inner],
      [0x5c, this.outer],
    ] as const) {
      const bytes = new Uint8Array(64).fill(pad)
      for (let i = 0; i < key.length; i++) bytes[i] = key[i]! ^ pad
      state.set(initial)
      compress(bytes, 0)
      target.set(state)
    }
  }

  /** 64 lower-case hex digits of the text's UTF-8. */
  hex(text: string): string {
    const length = Buffer.byteLength(text)
    const bytes = length <= scratch.length ? scratch : Buffer.alloc(length)
    bytes.utf8Write(text, 0, length)
    this.hexInto(bytes, 0, length, hexText, 0)
    return hexText.latin1Slice(0, 64)
  }

  /** The same of bytes[start, end), written to `out` from `at` on: no string is made. */
  hexInto(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): void {
    state.set(this.inner)
    finish(bytes, start, end)
    store(inner)
    state.set(this.outer)
    finish(inner, 0, 32)
    store(inner)
    for (let i = 0; i < 32; i++) {
      out[at + i * 2] = hexDigits[inner[i]! >> 4]!
      out[at + i * 2 + 1] = hexDigits[inner[i]! & 15]!
    }
  }
}

function store(target: Uint8Array): void {
  for (let i = 0; i < 8; i++) {
    const v = state[i]!
    target[i * 4] = v >>> 24
    target[i * 4 + 1] = v >>> 16
    target[i * 4 + 2] = v >>> 8
    target[i * 4 + 3] = v
  }
}
