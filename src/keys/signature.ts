/**
 * Signed JSON documents: bundles of public keys, recipient keys, receipts.
 *
 * The signature (Ed25519) stands in the document's own `signature` and covers `douane.signed.1`, the format's name and
 * the rest of the document as JSON with sorted keys. A document signed for one format is worth nothing as another.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { join } from 'node:path'
import { KeyError } from '../errors.ts'
import { canonical } from './derive.ts'
import { createFile, readPrivate } from './files.ts'

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined }

/** JSON with the keys of every object in code-unit order and no white space: one text for one value. */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const fields = Object.entries(value as { [key: string]: Json | undefined })
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field!)}`).join(',')}}`
}

export interface Signable {
  readonly format: string
}

function signedBytes(document: Signable): Buffer {
  const { signature: _, ...rest } = document as Signable & { signature?: string }
  return canonical('douane.signed.1', document.format, canonicalJson(rest as unknown as Json))
}

export function signDocument<Document extends Signable>(
  document: Document,
  privateKey: KeyObject,
): Document & { signature: string } {
  return { ...document, signature: sign(null, signedBytes(document), privateKey).toString('base64url') }
}

export function isSignedBy(document: Signable, publicKey: KeyObject): boolean {
  const { signature } = document as { signature?: unknown }
  if (typeof signature !== 'string') return false
  return verify(null, signedBytes(document), publicKey, Buffer.from(signature, 'base64url'))
}

/** `ed25519:` and the 32 bytes of a public key in base64url: how a configuration pins a signer. */
export function signerText(publicKey: KeyObject): string {
  return `ed25519:${publicKey.export({ format: 'jwk' }).x}`
}

export function signerFromText(text: string): KeyObject {
  const match = /^ed25519:([A-Za-z0-9_-]{43})$/.exec(text)
  if (!match) throw new KeyError('a signer is written as ed25519: and 43 characters of base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: match[1]! }, format: 'jwk' })
}

/** An Ed25519 key pair in a file of its own. */
export interface Signer {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

/** Reads a signing key, or makes it when the file is not there and `make` is asked for. */
export function openSigner(folder: string, name: string, make: boolean): Signer | undefined {
  const path = join(folder, name)
  let pem = readPrivate(path)
  if (pem === undefined && make) {
    const { privateKey } = generateKeyPairSync('ed25519')
    createFile(path, privateKey.export({ format: 'pem', type: 'pkcs8' }))
    pem = readPrivate(path)
  }
  if (pem === undefined) return undefined
  try {
    const privateKey = createPrivateKey(pem)
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error('another kind of key')
    return { privateKey, publicKey: createPublicKey(privateKey) }
  } catch {
    throw new KeyError(`${path} holds no Ed25519 private key`, 'Restore it from a backup.')
  }
}
