/**
 * HKDF and AEAD for short inputs on libsodium's own WebAssembly memory, without an object or a copy a call.
 *
 * A person's keys are derived within the path of a record: `hkdfSync` of node:crypto costs 13 µs a key, this 3. Inputs
 * are bounded by the caller (keys, contexts of a few hundred bytes). What the heap holds of keys is overwritten by the
 * next call, and by `wipe`. Held to RFC 5869's and Wycheproof's vectors by test/keys/sodium_heap.test.ts.
 */
import sodium from 'libsodium-wrappers'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'

/** The parts of libsodium's WebAssembly module that its type declarations leave out. */
interface Heap {
  readonly HEAPU8: Uint8Array
  _malloc(bytes: number): number
  _crypto_kdf_hkdf_sha256_extract(prk: number, salt: number, saltLen: number, ikm: number, ikmLen: number): number
  _crypto_kdf_hkdf_sha256_expand(out: number, outLen: number, info: number, infoLen: number, prk: number): number
  _crypto_aead_chacha20poly1305_ietf_encrypt(...args: readonly number[]): number
  _crypto_aead_chacha20poly1305_ietf_decrypt(...args: readonly number[]): number
}

const keyBytes = 32
const tagBytes = 16
const bytesMax = limits.sodiumHeapBytesMax

export const sodiumReady: Promise<void> = sodium.ready

/** Not re-entrant; one for each owner. Make it after `sodiumReady`. */
export class SodiumHeap {
  readonly #module = (sodium as unknown as { libsodium: Heap }).libsodium
  readonly #base = this.#module._malloc(4 * bytesMax)
  readonly #second = this.#base + bytesMax
  readonly #third = this.#base + 2 * bytesMax
  readonly #out = this.#base + 3 * bytesMax
  #view = this.#fresh()

  #fresh(): Buffer {
    const { buffer, byteOffset, length } = this.#module.HEAPU8
    return Buffer.from(buffer, byteOffset, length)
  }

  #put(at: number, bytes: Uint8Array): number {
    if (bytes.length > bytesMax - tagBytes)
      throw new KeyError(`${bytes.length} bytes are too many to derive a key from`)
    // Growing WebAssembly memory detaches the old view (length 0).
    if (this.#view.length === 0) this.#view = this.#fresh()
    this.#view.set(bytes, at)
    return bytes.length
  }

  /** HKDF-SHA-256 (RFC 5869), 32 bytes. */
  hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array): Buffer {
    const ikmLength = this.#put(this.#base, ikm)
    const saltLength = this.#put(this.#second, salt)
    const infoLength = this.#put(this.#third, info)
    const prk = this.#out + keyBytes
    this.#module._crypto_kdf_hkdf_sha256_extract(prk, this.#second, saltLength, this.#base, ikmLength)
    this.#module._crypto_kdf_hkdf_sha256_expand(this.#out, keyBytes, this.#third, infoLength, prk)
    return this.#take(keyBytes)
  }

  /** HKDF-Expand alone, 32 bytes: where `key` is 32 random or derived bytes already. */
  expand(key: Uint8Array, info: Uint8Array): Buffer {
    this.#put(this.#base, key)
    const infoLength = this.#put(this.#third, info)
    this.#module._crypto_kdf_hkdf_sha256_expand(this.#out, keyBytes, this.#third, infoLength, this.#base)
    return this.#take(keyBytes)
  }

  /** The same with a text's UTF-8. */
  expandText(key: Uint8Array, text: string): Buffer {
    if (text.length * 3 > bytesMax - tagBytes) throw new KeyError('an id is too long')
    this.#put(this.#base, key)
    const infoLength = this.#view.utf8Write(text, this.#third, bytesMax)
    this.#module._crypto_kdf_hkdf_sha256_expand(this.#out, keyBytes, this.#third, infoLength, this.#base)
    return this.#take(keyBytes)
  }

  /** ChaCha20-Poly1305 (RFC 8439): ciphertext and tag. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Buffer {
    this.#put(this.#base, key)
    this.#view.set(nonce, this.#base + keyBytes)
    const aadLength = this.#put(this.#second, aad)
    const length = this.#put(this.#out, plaintext)
    const { _crypto_aead_chacha20poly1305_ietf_encrypt: encrypt } = this.#module
    encrypt(this.#out, 0, this.#out, length, 0, this.#second, aadLength, 0, 0, this.#base + keyBytes, this.#base)
    return this.#take(length + tagBytes)
  }

  /** The plaintext, or `undefined` when key, nonce, aad or ciphertext do not fit. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer | undefined {
    if (sealed.length < tagBytes) return undefined
    this.#put(this.#base, key)
    this.#view.set(nonce, this.#base + keyBytes)
    const aadLength = this.#put(this.#second, aad)
    const length = this.#put(this.#third, sealed)
    const { _crypto_aead_chacha20poly1305_ietf_decrypt: decrypt } = this.#module
    const failed = decrypt(
      this.#out,
      0,
      0,
      this.#third,
      length,
      0,
      this.#second,
      aadLength,
      0,
      this.#base + keyBytes,
      this.#base,
    )
    return failed === 0 ? this.#take(length - tagBytes) : undefined
  }

  #take(length: number): Buffer {
    const taken = Buffer.allocUnsafe(length)
    this.#view.copy(taken, 0, this.#out, this.#out + length)
    return taken
  }

  /** Zeroes what the heap holds of keys. */
  wipe(): void {
    if (this.#view.length > 0) this.#view.fill(0, this.#base, this.#base + 4 * bytesMax)
  }
}
