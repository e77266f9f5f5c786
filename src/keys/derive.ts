/**
 * Key derivation: the one place that says how a key comes from another, and which bytes a key is bound to.
 *
 *   epoch key ─┬─ HKDF("commit") ───────────────▶ commitment (32 bytes), kid = its first 16
 *              └─ HKDF("field key", alg, purpose) ▶ one key per algorithm, so that no key serves two
 *   with a subject: the subject's secret is the input, the epoch key the salt: both halves are needed.
 *
 * AES-GCM and ChaCha20-Poly1305 do not commit to their key (one ciphertext can open under two keys), so the
 * commitment is checked before a key is used. `canonical` is the only encoding of bound context: each part is preceded
 * by its length, so that ("ab","c") and ("a","bc") differ.
 */
import { hkdfSync } from 'node:crypto'
import { limits } from '../limits.ts'

/** COSE algorithm numbers (RFC 9053): both registered, neither of our making. */
export const A256GCM = 3
export const CHACHA20_POLY1305 = 24
export type Algorithm = typeof A256GCM | typeof CHACHA20_POLY1305

const EMPTY = Buffer.alloc(0)

/** Each part as a 4-byte big-endian length and its bytes (UTF-8 for strings). */
export function canonical(...parts: readonly (string | Uint8Array)[]): Buffer {
  const bytes = parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : part))
  const out = Buffer.allocUnsafe(bytes.reduce((sum, part) => sum + 4 + part.length, 0))
  let at = 0
  for (const part of bytes) {
    at = out.writeUInt32BE(part.length, at)
    out.set(part, at)
    at += part.length
  }
  return out
}

/** HKDF-SHA-256 (RFC 5869). */
export function hkdf(ikm: Uint8Array, salt: Uint8Array, info: string | Uint8Array, length = 32): Buffer {
  return Buffer.from(hkdfSync('sha256', ikm, salt, info, length))
}

/** What a key is recognised by without being told: 32 bytes, of which the first 16 are the kid. */
export function commitment(key: Uint8Array): Buffer {
  return hkdf(key, EMPTY, canonical('douane.commit.1'))
}
export const kidBytes = 16

const algorithmNames: Record<Algorithm, string> = {
  [A256GCM]: 'A256GCM',
  [CHACHA20_POLY1305]: 'ChaCha20/Poly1305',
}

/** HKDF's info for a field key: no key serves two algorithms, or two purposes. */
export function fieldKeyInfo(algorithm: Algorithm, purpose: string): Buffer {
  const known = infos[algorithm].get(purpose)
  if (known !== undefined) return known
  const info = canonical('douane.field-key.1', algorithmNames[algorithm], purpose)
  if (infos[algorithm].size < limits.purposesMax) infos[algorithm].set(purpose, info)
  return info
}
const infos: Record<Algorithm, Map<string, Buffer>> = { [A256GCM]: new Map(), [CHACHA20_POLY1305]: new Map() }

/** What content is sealed with: an epoch's key, and with a subject both his secret and the epoch's key. */
export function fieldKey(
  algorithm: Algorithm,
  purpose: string,
  epochKey: Uint8Array,
  subjectSecret?: Uint8Array | undefined,
): Buffer {
  const info = fieldKeyInfo(algorithm, purpose)
  return subjectSecret ? hkdf(subjectSecret, epochKey, info) : hkdf(epochKey, EMPTY, info)
}

/** Where a sealed value belongs. A token opens only where all of it is the same. */
export interface Place {
  readonly tenant: string
  readonly region: string
  readonly purpose: string
  /** The policy's stable id of the field, e.g. `log.attributes["comment"]`. */
  readonly field: string
  /** `log.record.uid` where the policy binds tokens to their record. */
  readonly recordUid?: string | undefined
}

/** The external AAD of a token (RFC 9052, 5.3). */
export function placeAad(place: Place): Buffer {
  const record = place.recordUid === undefined ? '' : `uid:${place.recordUid}`
  return canonical('douane.field.1', place.tenant, place.region, place.purpose, place.field, record)
}
