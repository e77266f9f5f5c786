/**
 * Signed checkpoints: what a log looked like at one size, in the C2SP formats `tlog-checkpoint` and `signed-note`.
 *
 *   <origin>\n<size>\n<root, base64>\n
 *   \n
 *   — <name> <base64 of key id (4 bytes) ‖ Ed25519 signature (64 bytes)>\n
 *
 * The key id is the start of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key). Origin and name are the same here.
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { hashBytes } from './proof.ts'

export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Buffer
}

const keyIdBytes = 4
const signatureBytes = 64

function keyId(name: string, publicKey: KeyObject): Buffer {
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')
  return createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.from([1]))
    .update(raw)
    .digest()
    .subarray(0, keyIdBytes)
}

/** The signed note's text. */
export function signCheckpoint(checkpoint: Checkpoint, privateKey: KeyObject): string {
  const { origin, size, root } = checkpoint
  const text = `${origin}\n${size}\n${root.toString('base64')}\n`
  const signature = Buffer.concat([
    keyId(origin, createPublicKey(privateKey)),
    sign(null, Buffer.from(text), privateKey),
  ])
  return `${text}\n\u2014 ${origin} ${signature.toString('base64')}\n`
}

/** The checkpoint in a note, or `undefined` unless it has this origin and a valid signature of this key. */
export function openCheckpoint(note: string, origin: string, publicKey: KeyObject): Checkpoint | undefined {
  const end = note.indexOf('\n\n')
  const text = note.slice(0, end + 1)
  const match = /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n$/.exec(text)
  if (end < 0 || !match || match[1] !== origin) return undefined
  const root = Buffer.from(match[3]!, 'base64')
  if (root.length !== hashBytes || root.toString('base64') !== match[3]) return undefined
  const lines = note.slice(end + 2).split('\n')
  if (lines.pop() !== '') return undefined
  const id = keyId(origin, publicKey)
  const signed = lines.some((line) => {
    if (!line.startsWith(`\u2014 ${origin} `)) return false
    const bytes = Buffer.from(line.slice(origin.length + 3), 'base64')
    if (bytes.length !== keyIdBytes + signatureBytes || !bytes.subarray(0, keyIdBytes).equals(id)) return false
    return verify(null, Buffer.from(text), publicKey, bytes.subarray(keyIdBytes))
  })
  return signed ? { origin, size: Number(match[2]), root } : undefined
}
