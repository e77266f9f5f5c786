/**
 * Reads signed checkpoints: a C2SP `signed-note` around a `tlog-checkpoint`, signed with Ed25519. Shares no code with what writes them.
 *
 *   origin LF size LF root(base64) LF LF "— " origin " " base64(key hash[4] ‖ signature[64]) LF
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'

export interface ReadCheckpoint {
  readonly origin: string
  readonly size: number
  readonly root: Buffer
}

/** A public key as `ed25519:` and 32 bytes in base64url; undefined: it is none. */
export function readKey(text: string): KeyObject | undefined {
  if (!/^ed25519:[A-Za-z0-9_-]{43}$/.test(text)) return undefined
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: text.slice('ed25519:'.length) }, format: 'jwk' })
}

/** The checkpoint in a note that this key signed; undefined: the note is something else, or changed. */
export function readCheckpoint(note: string, keyText: string): ReadCheckpoint | undefined {
  const key = readKey(keyText)
  const [origin = '', sizeText = '', rootText = '', blank, signatureLine = '', rest] = note.split('\n')
  const size = Number(sizeText)
  const root = Buffer.from(rootText, 'base64')
  if (!key || origin === '' || blank !== '' || rest !== '' || !Number.isSafeInteger(size)) return undefined
  if (String(size) !== sizeText || size < 0 || root.length !== 32 || root.toString('base64') !== rootText)
    return undefined
  const prefix = `— ${origin} `
  if (!signatureLine.startsWith(prefix)) return undefined
  const bytes = Buffer.from(signatureLine.slice(prefix.length), 'base64')
  const raw = Buffer.from(keyText.slice('ed25519:'.length), 'base64url')
  const id = createHash('sha256').update(`${origin}\n\u0001`).update(raw).digest().subarray(0, 4)
  if (bytes.length !== 68 || !bytes.subarray(0, 4).equals(id)) return undefined
  const text = `${origin}\n${sizeText}\n${rootText}\n`
  return verify(null, Buffer.from(text), key, bytes.subarray(4)) ? { origin, size, root } : undefined
}
