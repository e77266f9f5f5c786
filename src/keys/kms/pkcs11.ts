/**
 * A hardware security module, or SoftHSM, by PKCS#11: the private half of an RSA key stays in the token.
 *
 * Wrapping: 32 random bytes are encrypted to the token's public key (RSA-OAEP), and a key derived from them seals the
 * blob for its context. The public half is enough for that. Unwrapping asks the token for one decryption.
 *
 *     hash (1 byte: 1 SHA-1, 2 SHA-256) ‖ length of the RSA part (2) ‖ RSA part ‖ iv (12) ‖ ciphertext ‖ tag (16)
 *
 * The token is spoken to by `pkcs11-tool` of OpenSC, a process of its own: a vendor's module blocks its thread and may
 * crash, and a process can be given a time and be ended. The PIN goes by its environment, blobs by stdin and stdout.
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'
import { KeyError } from '../../errors.ts'
import { canonical, hkdf } from '../derive.ts'
import type { KmsProvider } from '../kms.ts'
import { runHelper } from './child.ts'
import { guarded, tryIt } from './guarded.ts'

export interface Pkcs11Options {
  /** The vendor's module: a shared library. */
  readonly module: string
  /** The token's label. */
  readonly token: string
  /** The key pair's id (CKA_ID), in hex: `pkcs11-tool` finds a private key by nothing else. */
  readonly key: string
  readonly pin: string
  /** Some tokens know SHA-1 only; that is no weakness of OAEP. */
  readonly oaepHash: 'sha256' | 'sha1'
  readonly tool: string
  readonly timeoutMs: number
}

const hashes = { sha1: 1, sha256: 2 } as const
const toolsNames = { sha1: ['SHA-1', 'MGF1-SHA1'], sha256: ['SHA256', 'MGF1-SHA256'] } as const
const ivBytes = 12
const tagBytes = 16
const secretBytes = 32

export function pkcs11Provider(name: string, options: Pkcs11Options): KmsProvider {
  let publicKey: KeyObject | undefined
  return guarded(name, options.timeoutMs, {
    async wrap(blob, context, signal) {
      publicKey ??= await readPublicKey(name, options, signal)
      return seal(publicKey, options.oaepHash, blob, context)
    },
    async unwrap(wrapped, context, signal) {
      const parts = takeApart(name, wrapped)
      const secret = await decrypt(name, options, parts, signal)
      try {
        return open(name, secret, parts, context)
      } finally {
        secret.fill(0)
      }
    },
  })
}

interface Parts {
  readonly hash: 'sha1' | 'sha256'
  readonly encrypted: Uint8Array
  readonly iv: Uint8Array
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
}

const blobKey = (secret: Buffer, context: string): Buffer =>
  hkdf(secret, Buffer.alloc(0), canonical('douane.pkcs11.1', context))

function seal(publicKey: KeyObject, hash: 'sha1' | 'sha256', blob: Uint8Array, context: string): Buffer {
  const secret = randomBytes(secretBytes)
  const key = blobKey(secret, context)
  const padding = constants.RSA_PKCS1_OAEP_PADDING
  const encrypted = publicEncrypt({ key: publicKey, padding, oaepHash: hash }, secret)
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
  cipher.setAAD(canonical(context))
  const head = Buffer.from([hashes[hash], encrypted.length >> 8, encrypted.length & 255])
  const sealed = Buffer.concat([head, encrypted, iv, cipher.update(blob), cipher.final(), cipher.getAuthTag()])
  secret.fill(0)
  key.fill(0)
  return sealed
}

function takeApart(name: string, wrapped: Uint8Array): Parts {
  const hash = wrapped[0] === hashes.sha1 ? 'sha1' : wrapped[0] === hashes.sha256 ? 'sha256' : undefined
  const ivAt = 3 + ((wrapped[1] ?? 0) << 8) + (wrapped[2] ?? 0)
  const tagAt = wrapped.length - tagBytes
  if (hash === undefined || tagAt < ivAt + ivBytes) throw notOurs(name)
  return {
    hash,
    encrypted: wrapped.subarray(3, ivAt),
    iv: wrapped.subarray(ivAt, ivAt + ivBytes),
    ciphertext: wrapped.subarray(ivAt + ivBytes, tagAt),
    tag: wrapped.subarray(tagAt),
  }
}

function open(name: string, secret: Buffer, { iv, ciphertext, tag }: Parts, context: string): Buffer {
  const key = blobKey(secret, context)
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
    decipher.setAAD(canonical(context))
    decipher.setAuthTag(tag)
    return Buffer.concat([decipher.update(ciphertext), decipher.final()])
  } catch {
    throw notOurs(name)
  } finally {
    key.fill(0)
  }
}

const notOurs = (name: string): KeyError =>
  new KeyError(`the key provider ${name} did not wrap this, or not for this use, or it was changed`)

async function readPublicKey(name: string, options: Pkcs11Options, signal: AbortSignal): Promise<KeyObject> {
  const der = await tool(name, options, ['--read-object', '--type', 'pubkey'], Buffer.alloc(0), signal)
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
    if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048) return key
  } catch {
    // Told below: not a key, or not one that fits.
  }
  throw new KeyError(
    `the key ${options.key} of the key provider ${name} is no RSA key of 2048 bits or more`,
    makeKey(options),
  )
}

async function decrypt(name: string, options: Pkcs11Options, parts: Parts, signal: AbortSignal): Promise<Buffer> {
  const [hash, mgf] = toolsNames[parts.hash]
  const args = ['--decrypt', '--mechanism', 'RSA-PKCS-OAEP', '--hash-algorithm', hash, '--mgf', mgf]
  const secret = await tool(name, options, args, parts.encrypted, signal)
  if (secret.length === secretBytes) return secret
  secret.fill(0)
  throw notOurs(name)
}

async function tool(
  name: string,
  options: Pkcs11Options,
  args: readonly string[],
  input: Uint8Array,
  signal: AbortSignal,
): Promise<Buffer> {
  const place = ['--module', options.module, '--token-label', options.token, '--id', options.key]
  const login = ['--login', '--pin', 'env:DOUANE_PKCS11_PIN']
  const { code, output, stderr } = await runHelper({
    program: options.tool,
    args: [...place, ...login, ...args],
    env: { DOUANE_PKCS11_PIN: options.pin },
    input,
    signal,
    stderr: 'keep',
  })
  if (code === 0 && output.length > 0) return output
  throw failed(name, options, stderr)
}

/** Only PKCS#11's own codes are told of what the tool says. */
function failed(name: string, options: Pkcs11Options, said: string): KeyError {
  const code = /CKR_[A-Z0-9_]+/.exec(said)?.[0]
  if (/failed to load pkcs11 module/i.test(said)) {
    return new KeyError(`the module ${options.module} of the key provider ${name} cannot be loaded`, 'Correct module.')
  }
  if (/no slot|token named/i.test(said)) {
    return new KeyError(
      `the key provider ${name} has no token ${options.token}`,
      `See: ${options.tool} --module ${options.module} -L`,
    )
  }
  if (code?.startsWith('CKR_PIN')) {
    return new KeyError(
      `the key provider ${name} refuses the PIN (${code})`,
      'Correct it before it is locked: tokens count wrong PINs.',
    )
  }
  if (/key not found|object not found|not find/i.test(said)) {
    return new KeyError(`the key provider ${name} has no key pair ${options.key}`, makeKey(options))
  }
  if (code === 'CKR_ARGUMENTS_BAD' || code === 'CKR_MECHANISM_INVALID' || code === 'CKR_MECHANISM_PARAM_INVALID') {
    return new KeyError(
      `the token of the key provider ${name} cannot decrypt RSA-OAEP so (${code})`,
      'Set oaep_hash: sha1.',
    )
  }
  return new KeyError(`the key provider ${name} fails (${code ?? 'no code'})`, tryIt)
}

const makeKey = ({ tool: program, module, token, key }: Pkcs11Options): string =>
  `Run: ${program} --module ${module} --token-label ${token} --login --keypairgen --key-type rsa:3072 --id ${key} --label douane --usage-decrypt`
