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
 * Tokens are written by token.ts and opened by token_reader.ts.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { KeyError } from '../errors.ts'
import { A256GCM, type Algorithm, CHACHA20_POLY1305, fieldKeyInfo, kidBytes } from './derive.ts'

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
  /** Where short_tokens.ts has it in its memory, in which round. */
  place = 0
  round = 0
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
  /** Where short_tokens.ts has it in its memory, in which round. */
  place = 0
  round = 0

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

/** Writes a byte string's head. Returns where its content begins. */
export function writeBytesHead(out: Uint8Array, start: number, length: number): number {
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
