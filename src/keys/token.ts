/**
 * One sealed value: a COSE_Encrypt0 message (RFC 9052, 5.2) with registered algorithms only, so that any COSE library
 * or any CBOR reader with an AEAD can open it given the key.
 *
 *   D0 83                              tag 16, array of 3
 *      44 A1 01 18 18 | 43 A1 01 03    protected header: { 1: 24 ChaCha20-Poly1305 } or { 1: 3 A256GCM }
 *      A2 04 50 kid(16) 05 4C iv(12)   unprotected header: { 4: kid, 5: IV }
 *      40..57|58|59|5A len …           ciphertext ‖ tag(16)
 *
 * What the AEAD authenticates is the Enc_structure ["Encrypt0", protected, external_aad]: `encStructure` makes it,
 * callers keep it per field. In text a token is `cose:` and base64url without padding.
 *
 * Short values go through libsodium's WebAssembly with direct use of its heap (node:crypto costs 3 µs a call whatever
 * the length), long ones through node:crypto (AES instructions). The plaintext is written where its ciphertext will
 * stand and sealed in place, so none is left behind in the heap.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomFillSync } from 'node:crypto'
import sodium from 'libsodium-wrappers'
import { limits } from '../limits.ts'
import { A256GCM, type Algorithm, CHACHA20_POLY1305, type FieldKeys, kidBytes } from './derive.ts'

export const tokenPrefix = 'cose:'
const ivBytes = 12
const tagBytes = 16

const PROTECTED: Record<Algorithm, Buffer> = {
  [A256GCM]: Buffer.from('43a10103', 'hex'),
  [CHACHA20_POLY1305]: Buffer.from('44a1011818', 'hex'),
}
const START = Buffer.from('d083', 'hex')
const KID_HEAD = Buffer.from('a20450', 'hex')
const IV_HEAD = Buffer.from('054c', 'hex')

/** A CBOR byte string's head, in the shortest form. */
function bytesHead(length: number): Buffer {
  if (length < 24) return Buffer.from([0x40 | length])
  if (length < 0x100) return Buffer.from([0x58, length])
  if (length < 0x1_0000) return Buffer.from([0x59, length >> 8, length & 255])
  const head = Buffer.alloc(5)
  head[0] = 0x5a
  head.writeUInt32BE(length, 1)
  return head
}

/** Enc_structure for an algorithm and an external AAD. */
export function encStructure(algorithm: Algorithm, externalAad: Uint8Array): Buffer {
  const context = Buffer.from('8368456e637279707430', 'hex')
  return Buffer.concat([context, PROTECTED[algorithm], bytesHead(externalAad.length), externalAad])
}

/** The parts of libsodium's WebAssembly module that its type declarations leave out. */
interface Heap {
  readonly HEAPU8: Uint8Array
  _malloc(bytes: number): number
  _crypto_aead_chacha20poly1305_ietf_encrypt(
    c: number,
    clen: number,
    m: number,
    mlenLow: number,
    mlenHigh: number,
    ad: number,
    adlenLow: number,
    adlenHigh: number,
    nsec: number,
    npub: number,
    k: number,
  ): number
}

export const sodiumReady: Promise<void> = sodium.ready

/** What a field is sealed with: keys, their kid, and the bound context for both algorithms. */
export interface SealingKey extends FieldKeys {
  readonly kid: Buffer
}
export interface BoundField {
  readonly chacha: Buffer
  readonly gcm: Buffer
}
export const boundField = (externalAad: Uint8Array): BoundField => ({
  chacha: encStructure(CHACHA20_POLY1305, externalAad),
  gcm: encStructure(A256GCM, externalAad),
})

const poolBytes = limits.sealNoncesPooled * ivBytes
const shortMax = limits.sealShortBytesMax

/** Writes tokens. One per sealer; not re-entrant. Call after `sodiumReady`. */
export class TokenWriter {
  readonly #module = (sodium as unknown as { libsodium: Heap }).libsodium
  readonly #random: (buffer: Buffer) => void
  readonly #gcmOnly: boolean
  readonly #pool = Buffer.alloc(poolBytes)
  #poolAt = poolBytes
  #heap: Buffer
  readonly #key: number
  readonly #ad: number
  readonly #out: number
  /** What the heap holds already. */
  #keyThere: Buffer | undefined
  #adThere: Buffer | undefined

  constructor(options: { random?: ((buffer: Buffer) => void) | undefined; gcmOnly?: boolean | undefined } = {}) {
    this.#random = options.random ?? randomFillSync
    this.#gcmOnly = options.gcmOnly ?? false
    const base = this.#module._malloc(limits.sealContextBytesMax + shortMax + 512)
    this.#key = base
    this.#ad = base + 64
    this.#out = this.#ad + limits.sealContextBytesMax
    this.#heap = this.#view()
  }

  #view(): Buffer {
    const { buffer, byteOffset, length } = this.#module.HEAPU8
    const heap = Buffer.from(buffer, byteOffset, length)
    this.#keyThere = undefined
    this.#adThere = undefined
    heap.set(START, this.#out)
    heap.set(PROTECTED[CHACHA20_POLY1305], this.#out + 2)
    heap.set(KID_HEAD, this.#out + 7)
    heap.set(IV_HEAD, this.#out + 26)
    return heap
  }

  /** Forget unused nonces: after a clock jump the process may be a copy of another one. */
  discardNonces(): void {
    this.#poolAt = poolBytes
  }

  /** Wipes what the WebAssembly heap holds of keys. */
  close(): void {
    if (this.#heap.length > 0) this.#heap.fill(0, this.#key, this.#key + 32)
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

  /** The token's text. */
  seal(key: SealingKey, bound: BoundField, plaintext: Uint8Array): string {
    const fits = plaintext.length < shortMax && bound.chacha.length <= limits.sealContextBytesMax
    return fits && !this.#gcmOnly
      ? this.#sealShort(key, bound.chacha, plaintext)
      : this.#sealLong(key, bound.gcm, plaintext)
  }

  #sealShort(key: SealingKey, ad: Buffer, plaintext: Uint8Array): string {
    // Growing WebAssembly memory detaches the old view (length 0): take a new one.
    if (this.#heap.length === 0) this.#heap = this.#view()
    const heap = this.#heap
    const out = this.#out
    if (this.#keyThere !== key.chacha) {
      heap.set(key.chacha, this.#key)
      heap.set(key.kid, out + 10)
      this.#keyThere = key.chacha
    }
    if (this.#adThere !== ad) {
      heap.set(ad, this.#ad)
      this.#adThere = ad
    }
    const nonce = this.#nonceAt()
    const pool = this.#pool
    for (let i = 0; i < ivBytes; i++) heap[out + 28 + i] = pool[nonce + i]!
    const sealedBytes = plaintext.length + tagBytes
    let at = out + 40
    if (sealedBytes < 24) heap[at++] = 0x40 | sealedBytes
    else if (sealedBytes < 256) {
      heap[at++] = 0x58
      heap[at++] = sealedBytes
    } else {
      heap[at++] = 0x59
      heap[at++] = sealedBytes >> 8
      heap[at++] = sealedBytes & 255
    }
    heap.set(plaintext, at)
    const failed = this.#module._crypto_aead_chacha20poly1305_ietf_encrypt(
      at,
      0,
      at,
      plaintext.length,
      0,
      this.#ad,
      ad.length,
      0,
      0,
      out + 28,
      this.#key,
    )
    if (failed !== 0) {
      heap.fill(0, at, at + plaintext.length)
      throw new Error('libsodium refused to encrypt')
    }
    return tokenPrefix + heap.base64urlSlice(out, at + sealedBytes)
  }

  #sealLong(key: SealingKey, ad: Buffer, plaintext: Uint8Array): string {
    const nonce = this.#nonceAt()
    const iv = this.#pool.subarray(nonce, nonce + ivBytes)
    const cipher = createCipheriv('aes-256-gcm', key.gcm, iv, { authTagLength: tagBytes })
    cipher.setAAD(ad)
    const head = bytesHead(plaintext.length + tagBytes)
    const ciphertext = cipher.update(plaintext)
    cipher.final()
    const parts = [START, PROTECTED[A256GCM], KID_HEAD, key.kid, IV_HEAD, iv, head, ciphertext, cipher.getAuthTag()]
    return tokenPrefix + Buffer.concat(parts).toString('base64url')
  }
}

/** A token taken apart. Nothing in it is believed before it opens. */
export interface ParsedToken {
  readonly algorithm: Algorithm
  readonly kid: Buffer
  readonly iv: Buffer
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

/**
 * Takes a token apart, or gives `undefined` for anything that this program would not have written: other headers,
 * longer forms of a length, bytes at the end, base64url with stray bits. One value has exactly one spelling.
 */
export function parseToken(text: string): ParsedToken | undefined {
  if (!text.startsWith(tokenPrefix)) return undefined
  const encoded = text.slice(tokenPrefix.length)
  const bytes = Buffer.from(encoded, 'base64url')
  if (bytes.toString('base64url') !== encoded) return undefined
  for (const algorithm of [CHACHA20_POLY1305, A256GCM] as const) {
    const head = Buffer.concat([START, PROTECTED[algorithm], KID_HEAD])
    if (!bytes.subarray(0, head.length).equals(head)) continue
    const kidAt = head.length
    const ivAt = kidAt + kidBytes + IV_HEAD.length
    const lengthAt = ivAt + ivBytes
    if (!bytes.subarray(kidAt + kidBytes, ivAt).equals(IV_HEAD)) return undefined
    for (const headBytes of [1, 2, 3, 5]) {
      const sealedBytes = bytes.length - lengthAt - headBytes
      if (sealedBytes < tagBytes) return undefined
      const expected = bytesHead(sealedBytes)
      if (expected.length !== headBytes || !bytes.subarray(lengthAt, lengthAt + headBytes).equals(expected)) continue
      return {
        algorithm,
        kid: bytes.subarray(kidAt, kidAt + kidBytes),
        iv: bytes.subarray(ivAt, lengthAt),
        ciphertext: bytes.subarray(lengthAt + headBytes, bytes.length - tagBytes),
        tag: bytes.subarray(bytes.length - tagBytes),
      }
    }
  }
  return undefined
}

/** The plaintext, or `undefined` when key, place or token do not fit. Nothing of a failed attempt is given out. */
export function openParsed(
  token: ParsedToken,
  keys: { readonly chacha: KeyObject; readonly gcm: KeyObject },
  externalAad: Uint8Array,
): Buffer | undefined {
  const ad = encStructure(token.algorithm, externalAad)
  const decipher =
    token.algorithm === A256GCM
      ? createDecipheriv('aes-256-gcm', keys.gcm, token.iv, { authTagLength: tagBytes })
      : createDecipheriv('chacha20-poly1305', keys.chacha, token.iv, { authTagLength: tagBytes })
  decipher.setAAD(ad, { plaintextLength: token.ciphertext.length })
  decipher.setAuthTag(token.tag)
  const plaintext = decipher.update(token.ciphertext)
  try {
    decipher.final()
    return plaintext
  } catch {
    plaintext.fill(0)
    return undefined
  }
}
