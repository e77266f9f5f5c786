/**
 * Crypto-currency addresses: Bitcoin base58check (double SHA-256) and bech32/bech32m (BIP 173, BIP 350), Ethereum.
 */
import { createHash } from 'node:crypto'
import { classes, digit, lowered } from './ascii.ts'
import { detector } from './registry.ts'
import type { Scan } from './state.ts'

const crypto = detector('crypto')
const base58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const bech32 = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'

/** The run of letters and digits in [start, end) may be an address. Returns its end, or 0. */
export function wallet(s: Scan, start: number, end: number): number {
  const length = end - start
  const first = s.bytes[start]!
  if (length > 90) return 0
  const isAddress =
    (first === 48 && s.bytes[start + 1] === 120 && length === 42 && isHex(s.bytes, start + 2, end)) ||
    ((first === 49 || first === 51) && length >= 26 && length <= 35 && isBase58(s.bytes, start, end)) ||
    (lowered[first] === 98 &&
      lowered[s.bytes[start + 1]!] === 99 &&
      s.bytes[start + 2] === 49 &&
      isBech32(s.bytes, start, end))
  s.hits.steps += length
  if (!isAddress) return 0
  s.hits.add(start, end, crypto, 93)
  return end
}

function isHex(b: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const c = lowered[b[i]!]!
    if ((classes[c]! & digit) === 0 && (c < 97 || c > 102)) return false
  }
  return true
}

function isBase58(b: Uint8Array, from: number, to: number): boolean {
  let n = 0n
  for (let i = from; i < to; i++) {
    const v = base58.indexOf(String.fromCharCode(b[i]!))
    if (v < 0) return false
    n = n * 58n + BigInt(v)
  }
  if (n >> 200n !== 0n) return false
  const bytes = Buffer.from(n.toString(16).padStart(50, '0'), 'hex')
  const hash = createHash('sha256')
    .update(createHash('sha256').update(bytes.subarray(0, 21)).digest())
    .digest()
  return hash.subarray(0, 4).equals(bytes.subarray(21))
}

function isBech32(b: Uint8Array, from: number, to: number): boolean {
  if (to - from < 14) return false
  let sum = 1
  const mix = (v: number): void => {
    const top = sum >>> 25
    sum = ((sum & 0x1ffffff) << 5) ^ v
    for (const [i, g] of [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].entries())
      if ((top >>> i) & 1) sum ^= g
  }
  for (const c of 'bc') mix(c.charCodeAt(0) >> 5)
  mix(0)
  for (const c of 'bc') mix(c.charCodeAt(0) & 31)
  for (let i = from + 3; i < to; i++) {
    const v = bech32.indexOf(String.fromCharCode(lowered[b[i]!]!))
    if (v < 0) return false
    mix(v)
  }
  return sum === 1 || sum === 0x2bc830a3
}
