/**
 * One sealed value: a COSE_Encrypt0 message (RFC 9052, 5.2) with registered algorithms only, so that any COSE library
 * or any CBOR reader with an AEAD can open it given the key.
 *
 *   D0 83                              tag 16, array of 3
 *      44 A1 01 18 18 | 43 A1 01 03    protected header: { 1: 24 ChaCha20-Poly1305 } or { 1: 3 A256GCM }
 *      A2 04 50 kid(16) 05 4C iv(12)   unprotected header: { 4: kid, 5: IV }
 *         04 58 20 kid(32)             the kid of a person's content: the epoch's kid ‖ his subject_ref
 *      40..57|58|59|5A len …           ciphertext ‖ tag(16)
 *
 * What the AEAD authenticates is the Enc_structure ["Encrypt0", protected, external_aad]: `encStructure` makes it,
 * callers keep it per field. In text a token is `cose:` and base64url without padding.
 *
 * Short values are sealed in WebAssembly (seal_memory.ts: node:crypto costs 3 µs a call whatever the length), long ones
 * through node:crypto (AES instructions). The plaintext is written where its ciphertext will stand and sealed in place,
 * so none is left behind.
 * Tokens are opened by token_reader.ts.
 */
import { createCipheriv, createSecretKey, type KeyObject, randomFillSync } from 'node:crypto'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { SealedText } from '../otlp/subject.ts'
import { A256GCM, type Algorithm, CHACHA20_POLY1305, fieldKeyInfo, kidBytes } from './derive.ts'
import { paddingOf, writePadding } from './padding.ts'
import { SealMemory } from './seal_memory.ts'

export const tokenPrefix = 'cose:'
export const ivBytes = 12
export const tagBytes = 16

const PROTECTED: Record<Algorithm, Buffer> = {
  [A256GCM]: Buffer.from('43a10103', 'hex'),
  [CHACHA20_POLY1305]: Buffer.from('44a1011818', 'hex'),
}
const START = Buffer.from('d083', 'hex')
const KID_HEAD = Buffer.from('a20450', 'hex')
const LONG_KID_HEAD = Buffer.from('a2045820', 'hex')
const IV_HEAD = Buffer.from('054c', 'hex')
export const ivHeadBytes = IV_HEAD.length

/** A CBOR byte string's head, in the shortest form. */
export function bytesHead(length: number): Buffer {
  const head = Buffer.alloc(5)
  return head.subarray(0, writeBytesHead(head, 0, length))
}

/** Enc_structure for an algorithm and an external AAD. */
export function encStructure(algorithm: Algorithm, externalAad: Uint8Array): Buffer {
  const context = Buffer.from('8368456e637279707430', 'hex')
  return Buffer.concat([context, PROTECTED[algorithm], bytesHead(externalAad.length), externalAad])
}

/** Heads with kids of zeros. */
const shortHeads = heads(KID_HEAD, kidBytes)
const longHeads = heads(LONG_KID_HEAD, 2 * kidBytes)
function heads(kidHead: Buffer, kidLength: number): Record<Algorithm, Buffer> {
  const head = (algorithm: Algorithm): Buffer =>
    Buffer.concat([START, PROTECTED[algorithm], kidHead, Buffer.alloc(kidLength), IV_HEAD])
  return { [A256GCM]: head(A256GCM), [CHACHA20_POLY1305]: head(CHACHA20_POLY1305) }
}

/** All of a token before its IV: with an epoch's kid, and a person's reference where it is his content. */
export function headOf(algorithm: Algorithm, kid: Uint8Array, ref?: Uint8Array): Buffer {
  const head = Buffer.from((ref === undefined ? shortHeads : longHeads)[algorithm])
  const end = head.length - ivHeadBytes
  if (ref === undefined) head.set(kid, end - kidBytes)
  else {
    head.set(kid, end - 2 * kidBytes)
    head.set(ref, end - kidBytes)
  }
  return head
}

/** What a field is sealed with: one key for each algorithm, derived when it is first needed, and the tokens' heads. */
export class SealingKey {
  readonly #kid: Buffer
  readonly #ref: Buffer | undefined
  #derive: (info: Buffer) => Buffer
  readonly #purpose: string
  #chacha: Buffer | undefined
  #gcm: KeyObject | undefined
  readonly head: Buffer
  #gcmHead: Buffer | undefined

  /** `derive` gives 32 bytes for an info (derive.ts), which this object owns. */
  constructor(kid: Buffer, purpose: string, derive: (info: Buffer) => Buffer, ref?: Buffer) {
    this.#kid = kid
    this.#ref = ref
    this.#purpose = purpose
    this.#derive = derive
    this.head = headOf(CHACHA20_POLY1305, kid, ref)
  }

  get chacha(): Buffer {
    this.#chacha ??= this.#derive(fieldKeyInfo(CHACHA20_POLY1305, this.#purpose))
    return this.#chacha
  }

  get gcm(): KeyObject {
    if (this.#gcm === undefined) {
      const bytes = this.#derive(fieldKeyInfo(A256GCM, this.#purpose))
      this.#gcm = createSecretKey(bytes)
      bytes.fill(0)
    }
    return this.#gcm
  }

  get gcmHead(): Buffer {
    this.#gcmHead ??= headOf(A256GCM, this.#kid, this.#ref)
    return this.#gcmHead
  }

  /** The key ends: what it was derived from may be zeros now, so nothing is derived again. */
  wipe(): void {
    this.#chacha?.fill(0)
    this.#chacha = undefined
    this.#gcm = undefined
    this.#derive = () => {
      throw new KeyError('a key was used after its end')
    }
  }
}

/** Where a value belongs, as both algorithms authenticate it. */
export class BoundField {
  readonly #aad: Buffer
  #chacha: Buffer | undefined
  #gcm: Buffer | undefined

  constructor(externalAad: Buffer) {
    this.#aad = externalAad
  }
  get chacha(): Buffer {
    this.#chacha ??= encStructure(CHACHA20_POLY1305, this.#aad)
    return this.#chacha
  }
  get gcm(): Buffer {
    this.#gcm ??= encStructure(A256GCM, this.#aad)
    return this.#gcm
  }
}

const poolBytes = limits.sealNoncesPooled * ivBytes
const shortMax = limits.sealShortBytesMax

/** Writes tokens. One per sealer; not re-entrant. */
export class TokenWriter {
  readonly #random: (buffer: Buffer) => void
  readonly #gcmOnly: boolean
  readonly #memory = new SealMemory()
  readonly #pool: Buffer
  #poolAt = poolBytes
  /** What the memory holds already. */
  #keyThere: SealingKey | undefined
  #adThere: Buffer | undefined
  /** Where long tokens are put together: as bytes, then as text. */
  #long = nothing
  #longText = nothing
  /** Of the text of a short token, by its length: to make one for each token costs more than to copy it. */
  readonly #views: (Buffer | undefined)[] = []
  /** Filled anew with each token. */
  readonly #text: { -readonly [Key in keyof SealedText]: SealedText[Key] } = {
    bytes: this.#memory.bytes,
    from: 0,
    to: 0,
  }

  constructor(options: { random?: ((buffer: Buffer) => void) | undefined; gcmOnly?: boolean | undefined } = {}) {
    this.#random = options.random ?? randomFillSync
    this.#gcmOnly = options.gcmOnly ?? false
    const { bytes, nonces, text } = this.#memory
    this.#pool = bytes.subarray(nonces, nonces + poolBytes)
    bytes.latin1Write(tokenPrefix, text, tokenPrefix.length)
  }

  /** Forget unused nonces: after a clock jump the process may be a copy of another one. */
  discardNonces(): void {
    this.#poolAt = poolBytes
  }

  /** Wipes what the memory holds of keys. */
  close(): void {
    const { bytes, key } = this.#memory
    bytes.fill(0, key, key + 32)
    this.#keyThere = undefined
    this.#pool.fill(0)
    this.#poolAt = poolBytes
  }

  #nonceAt(): number {
    if (this.#poolAt + ivBytes > poolBytes) {
      this.#random(this.#pool)
      this.#poolAt = 0
    }
    const at = this.#poolAt
    this.#poolAt += ivBytes
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
    const fits = to - from + padding < shortMax && bound.chacha.length <= limits.sealContextBytesMax
    if (fits && !this.#gcmOnly) this.#sealShort(key, bound.chacha, bytes, from, to, padding)
    else this.#sealLong(key, bound.gcm, bytes.subarray(from, to), padding)
    return this.#text
  }

  #sealShort(key: SealingKey, ad: Buffer, bytes: Uint8Array, from: number, to: number, padding: number): void {
    const memory = this.#memory
    const heap = memory.bytes
    const { head } = key
    if (this.#keyThere !== key) {
      heap.set(key.chacha, memory.key)
      heap.set(head, memory.raw)
      this.#keyThere = key
    }
    if (this.#adThere !== ad) {
      heap.set(ad, memory.ad)
      this.#adThere = ad
    }
    const length = to - from + padding
    const sealedBytes = length + tagBytes
    const at = memory.raw + head.length + ivBytes + (sealedBytes < 24 ? 1 : sealedBytes < 256 ? 2 : 3)
    copyBytes(bytes, from, to, heap, at)
    if (padding > 0) writePadding(heap, at + to - from, padding)
    const nonce = memory.nonces + this.#nonceAt()
    const text = memory.text + tokenPrefix.length
    const { program, raw } = memory
    const letters = program.seal(memory.key, nonce, memory.ad, ad.length, raw, head.length, length, text)
    const textLength = tokenPrefix.length + letters
    let view = this.#views[textLength]
    if (view === undefined) {
      view = heap.subarray(memory.text, memory.text + textLength)
      this.#views[textLength] = view
    }
    this.#text.bytes = view
    this.#text.from = 0
    this.#text.to = textLength
  }

  #sealLong(key: SealingKey, ad: Buffer, plaintext: Uint8Array, padding: number): void {
    const nonce = this.#nonceAt()
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

const nothing = Buffer.alloc(0)
const headBytesMax = 64

/** For short texts a loop is quicker than a call out of JavaScript. */
function copyBytes(bytes: Uint8Array, from: number, to: number, out: Buffer, at: number): void {
  if (to - from > 200) out.set(bytes.subarray(from, to), at)
  else for (let i = from, o = at; i < to; i++, o++) out[o] = bytes[i]!
}

/** Writes a byte string's head. Returns where its content begins. */
function writeBytesHead(out: Uint8Array, start: number, length: number): number {
  let at = start
  if (length < 24) out[at++] = 0x40 | length
  else if (length < 0x100) {
    out[at++] = 0x58
    out[at++] = length
  } else if (length < 0x1_0000) {
    out[at++] = 0x59
    out[at++] = length >> 8
    out[at++] = length & 255
  } else {
    out[at++] = 0x5a
    for (let shift = 24; shift >= 0; shift -= 8) out[at++] = (length >>> shift) & 255
  }
  return at
}
