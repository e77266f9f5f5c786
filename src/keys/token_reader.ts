/**
 * Takes tokens apart and opens them: the other half of token.ts. Nothing in a token is believed before it opens.
 */
import { createDecipheriv, type KeyObject } from 'node:crypto'
import { A256GCM, type Algorithm, CHACHA20_POLY1305, kidBytes } from './derive.ts'
import { bytesHead, encStructure, headOf, ivBytes, ivHeadBytes, tagBytes, tokenPrefix } from './token_format.ts'

/** A token taken apart. Nothing in it is believed before it opens. */
export interface ParsedToken {
  readonly algorithm: Algorithm
  readonly kid: Buffer
  /** Whose content it is, 16 bytes. */
  readonly subjectRef?: Buffer
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
    for (const kidLength of [kidBytes, 2 * kidBytes]) {
      const head = headAt(bytes, algorithm, kidLength)
      if (head !== undefined) return rest(bytes, algorithm, head.length, kidLength)
    }
  }
  return undefined
}

const noKid = Buffer.alloc(kidBytes)

/** What stands before the IV, if it is what this program would have written for the kid that is there. */
function headAt(bytes: Buffer, algorithm: Algorithm, kidLength: number): Buffer | undefined {
  const { length } = headOf(algorithm, noKid, kidLength > kidBytes ? noKid : undefined)
  if (bytes.length < length) return undefined
  const kidAt = length - ivHeadBytes - kidLength
  const kid = bytes.subarray(kidAt, kidAt + kidBytes)
  const ref = kidLength > kidBytes ? bytes.subarray(kidAt + kidBytes, kidAt + kidLength) : undefined
  const head = headOf(algorithm, kid, ref)
  return bytes.subarray(0, length).equals(head) ? head : undefined
}

function rest(bytes: Buffer, algorithm: Algorithm, ivAt: number, kidLength: number): ParsedToken | undefined {
  const sealed = sealedPart(bytes, ivAt + ivBytes)
  if (sealed === undefined) return undefined
  const kidAt = ivAt - ivHeadBytes - kidLength
  return {
    algorithm,
    kid: bytes.subarray(kidAt, kidAt + kidBytes),
    ...(kidLength > kidBytes && { subjectRef: bytes.subarray(kidAt + kidBytes, kidAt + kidLength) }),
    iv: bytes.subarray(ivAt, ivAt + ivBytes),
    ciphertext: sealed.subarray(0, sealed.length - tagBytes),
    tag: sealed.subarray(sealed.length - tagBytes),
  }
}

/** The ciphertext with its tag: a byte string that ends the token. */
function sealedPart(bytes: Buffer, headAt: number): Buffer | undefined {
  for (const headBytes of [1, 2, 3, 5]) {
    const length = bytes.length - headAt - headBytes
    if (length < tagBytes) return undefined
    const expected = bytesHead(length)
    if (expected.length === headBytes && bytes.subarray(headAt, headAt + headBytes).equals(expected)) {
      return bytes.subarray(headAt + headBytes)
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
