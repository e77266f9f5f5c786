/**
 * HPKE base mode (RFC 9180), single shot: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
 *
 * Sealing an epoch key happens inside the synchronous path of a request, once an hour per tenant and purpose; the
 * libraries for HPKE are asynchronous. So this is the RFC's text on node:crypto's own X25519, HMAC and AEAD, held to
 * the RFC's vectors and to `@hpke/core` in both directions by test/keys/hpke.test.ts.
 *
 * A sealed message is `enc (32 bytes) ‖ ciphertext ‖ tag (16 bytes)`. About 0.2 ms each way.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { KeyError } from '../errors.ts'

const KEM_ID = Buffer.from([0x00, 0x20])
const SUITE_ID = Buffer.from('48504b45002000010003', 'hex')
const VERSION = Buffer.from('HPKE-v1')
const EMPTY = Buffer.alloc(0)
const keyBytes = 32
const tagBytes = 16

/** DER around a raw X25519 key (RFC 8410): SubjectPublicKeyInfo and PKCS#8. */
const SPKI = Buffer.from('302a300506032b656e032100', 'hex')
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** An X25519 public key from its 32 bytes. */
export function publicKeyOf(raw: Uint8Array): KeyObject {
  if (raw.length !== keyBytes) throw new KeyError(`an X25519 public key has 32 bytes, this one has ${raw.length}`)
  return createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' })
}

/** An X25519 private key from its 32 bytes. */
export function privateKeyOf(raw: Uint8Array): KeyObject {
  if (raw.length !== keyBytes) throw new KeyError(`an X25519 private key has 32 bytes, this one has ${raw.length}`)
  const der = Buffer.concat([PKCS8, raw])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  return key
}

export function rawPublic(key: KeyObject): Buffer {
  const spki = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'der', type: 'spki' })
  return spki.subarray(spki.length - keyBytes)
}

/** The 32 secret bytes; the caller wraps them and zeroes them. */
export function rawPrivate(key: KeyObject): Buffer {
  const der = key.export({ format: 'der', type: 'pkcs8' })
  return der.subarray(der.length - keyBytes)
}

export function generateKeyPair(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('x25519')
}

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const hash = createHmac('sha256', key)
  for (const part of parts) hash.update(part)
  return hash.digest()
}

function labeledExtract(suite: Uint8Array, salt: Uint8Array, label: string, ikm: Uint8Array): Buffer {
  return hmac(salt.length > 0 ? salt : Buffer.alloc(keyBytes), VERSION, suite, Buffer.from(label), ikm)
}

/** LabeledExpand for at most 32 bytes: one block of HKDF-Expand. */
function labeledExpand(suite: Uint8Array, prk: Uint8Array, label: string, info: Uint8Array, length: number): Buffer {
  const head = Buffer.from([length >> 8, length & 255])
  return hmac(prk, head, VERSION, suite, Buffer.from(label), info, Buffer.from([1])).subarray(0, length)
}

/** RFC 9180, 4.1: ExtractAndExpand(dh, enc ‖ pkRm). */
function sharedSecret(dh: Buffer, enc: Uint8Array, recipient: Uint8Array): Buffer {
  const suite = Buffer.concat([Buffer.from('KEM'), KEM_ID])
  const prk = labeledExtract(suite, EMPTY, 'eae_prk', dh)
  dh.fill(0)
  return labeledExpand(suite, prk, 'shared_secret', Buffer.concat([enc, recipient]), 32)
}

/** RFC 9180, 5.1, mode_base. */
function keySchedule(secretShared: Buffer, info: Uint8Array): { key: Buffer; nonce: Buffer } {
  const pskIdHash = labeledExtract(SUITE_ID, EMPTY, 'psk_id_hash', EMPTY)
  const infoHash = labeledExtract(SUITE_ID, EMPTY, 'info_hash', info)
  const context = Buffer.concat([Buffer.from([0]), pskIdHash, infoHash])
  const secret = labeledExtract(SUITE_ID, secretShared, 'secret', EMPTY)
  secretShared.fill(0)
  return {
    key: labeledExpand(SUITE_ID, secret, 'key', context, 32),
    nonce: labeledExpand(SUITE_ID, secret, 'base_nonce', context, 12),
  }
}

/** Seals `plaintext` to a public key. `ephemeral` is given by tests only. */
export function hpkeSeal(
  recipient: KeyObject,
  info: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
  ephemeral = generateKeyPair(),
): Buffer {
  const enc = rawPublic(ephemeral.publicKey)
  const dh = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: recipient })
  const { key, nonce } = keySchedule(sharedSecret(dh, enc, rawPublic(recipient)), info)
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(aad, { plaintextLength: plaintext.length })
  const sealed = Buffer.concat([enc, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  key.fill(0)
  return sealed
}

/** Opens what `hpkeSeal` made. Throws `KeyError` when key, info, aad or message do not fit. */
export function hpkeOpen(privateKey: KeyObject, info: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer {
  if (sealed.length < keyBytes + tagBytes) throw new KeyError(`a sealed key of ${sealed.length} bytes is too short`)
  const enc = sealed.subarray(0, keyBytes)
  const ciphertext = sealed.subarray(keyBytes, sealed.length - tagBytes)
  try {
    const dh = diffieHellman({ privateKey, publicKey: publicKeyOf(enc) })
    const { key, nonce } = keySchedule(sharedSecret(dh, enc, rawPublic(privateKey)), info)
    const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: tagBytes })
    decipher.setAAD(aad, { plaintextLength: ciphertext.length })
    decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
    const plaintext = Buffer.concat([decipher.update(ciphertext), decipher.final()])
    key.fill(0)
    return plaintext
  } catch {
    throw new KeyError('a sealed key does not open: it was made for another key or context, or it was changed')
  }
}
