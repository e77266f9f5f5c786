/**
 * Writes tokens (token_format.ts says what they are).
 *
 * Short values are sealed in WebAssembly (short_tokens.ts: node:crypto costs 5 µs a call whatever the length), one at a
 * time or many together; long ones through node:crypto (AES instructions). Plaintexts are sealed in place.
 */
import { createCipheriv, randomFillSync } from 'node:crypto'
import { limits } from '../limits.ts'
import type { SealedText } from '../otlp/subject.ts'
import { paddingOf, writePadding } from './padding.ts'
import { type Plaintext, ShortTokens } from './short_tokens.ts'
import { type BoundField, ivBytes, type SealingKey, tagBytes, tokenPrefix, writeBytesHead } from './token_format.ts'

const poolBytes = limits.sealNoncesPooled * ivBytes
/** A token that has to be sealed on its own. */
export const ALONE = -1

/** One per sealer; not re-entrant. */
export class TokenWriter {
  readonly #random: (buffer: Buffer) => void
  readonly #gcmOnly: boolean
  readonly #pool = Buffer.allocUnsafeSlow(poolBytes)
  #poolAt = poolBytes
  readonly #short = new ShortTokens((out, at, count) => {
    const from = this.#nonceAt(count)
    this.#pool.copy(out, at, from, from + count * ivBytes)
  })
  /** Where long tokens are put together: as bytes, then as text. */
  #long = nothing
  #longText = nothing
  /** Filled anew with each value and each token. */
  readonly #plaintext: Writable<Plaintext> = { bytes: nothing, from: 0, to: 0, padding: 0 }
  readonly #text: Writable<SealedText> = { bytes: nothing, from: 0, to: 0 }

  constructor(options: { random?: ((buffer: Buffer) => void) | undefined; gcmOnly?: boolean | undefined } = {}) {
    this.#random = options.random ?? randomFillSync
    this.#gcmOnly = options.gcmOnly ?? false
  }

  /** Forget unused nonces: after a clock jump the process may be a copy of another one. */
  discardNonces(): void {
    this.#poolAt = poolBytes
  }

  /** A key ended. */
  forget(): void {
    this.#short.forget()
  }

  /** Wipes what the memory holds of keys. */
  close(): void {
    this.#short.forget()
    this.#short.drop()
    this.#pool.fill(0)
    this.#poolAt = poolBytes
  }

  /** So many, one behind the other. */
  #nonceAt(count: number): number {
    if (this.#poolAt + count * ivBytes > poolBytes) {
      this.#random(this.#pool)
      this.#poolAt = 0
    }
    const at = this.#poolAt
    this.#poolAt += count * ivBytes
    return at
  }

  /** Seals bytes[from, to). */
  seal(
    key: SealingKey,
    bound: BoundField,
    bytes: Uint8Array,
    from: number,
    to: number,
    padTo?: readonly number[],
  ): SealedText {
    const padding = padTo === undefined ? 0 : paddingOf(to - from, padTo)
    if (!this.#gcmOnly && this.#short.fits(bound, to - from + padding)) {
      const text = this.#short.seal(key, bound, this.#of(bytes, from, to, padding))
      this.#text.bytes = text
      this.#text.from = 0
      this.#text.to = text.length
    } else this.#sealLong(key, bound.gcm, bytes.subarray(from, to), padding)
    return this.#text
  }

  /** Takes bytes[from, to) in, to be sealed by `write`. See `TokenBatch.add`. */
  add(key: SealingKey, bound: BoundField, bytes: Uint8Array, from: number, to: number, end: number): number {
    if (this.#gcmOnly || !this.#short.fits(bound, to - from)) return ALONE
    return this.#short.add(key, bound, this.#of(bytes, from, to, 0), end)
  }

  place(at: number): void {
    this.#short.place(at)
  }

  write(out: Buffer): void {
    this.#short.write(out)
  }

  /** Forgets what waits. */
  drop(): void {
    this.#short.drop()
  }

  #of(bytes: Uint8Array, from: number, to: number, padding: number): Plaintext {
    this.#plaintext.bytes = bytes
    this.#plaintext.from = from
    this.#plaintext.to = to
    this.#plaintext.padding = padding
    return this.#plaintext
  }

  #sealLong(key: SealingKey, ad: Buffer, plaintext: Uint8Array, padding: number): void {
    const nonce = this.#nonceAt(1)
    const iv = this.#pool.subarray(nonce, nonce + ivBytes)
    const cipher = createCipheriv('aes-256-gcm', key.gcm, iv, { authTagLength: tagBytes })
    cipher.setAAD(ad)
    const sealedBytes = plaintext.length + padding + tagBytes
    const { gcmHead } = key
    this.#makeRoom(sealedBytes + headBytesMax)
    const out = this.#long
    out.set(gcmHead, 0)
    out.set(iv, gcmHead.length)
    let at = writeBytesHead(out, gcmHead.length + ivBytes, sealedBytes)
    out.set(cipher.update(plaintext), at)
    at += plaintext.length
    if (padding > 0) {
      writePadding(out, at, padding)
      out.set(cipher.update(out.subarray(at, at + padding)), at)
      at += padding
    }
    cipher.final()
    out.set(cipher.getAuthTag(), at)
    const text = out.base64urlSlice(0, at + tagBytes)
    this.#text.bytes = this.#longText
    this.#text.from = 0
    this.#text.to = tokenPrefix.length + this.#longText.latin1Write(text, tokenPrefix.length, text.length)
  }

  #makeRoom(bytes: number): void {
    const kept = this.#long.length
    if (kept >= bytes && (kept <= limits.sealLongBytesKept || bytes > limits.sealLongBytesKept)) return
    const room = Math.max(bytes, 64 * 1024)
    this.#long = Buffer.allocUnsafeSlow(room)
    this.#longText = Buffer.allocUnsafeSlow(tokenPrefix.length + Math.ceil((room * 4) / 3))
    this.#longText.latin1Write(tokenPrefix, 0, tokenPrefix.length)
  }
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

const nothing = Buffer.alloc(0)
const headBytesMax = 64
