/**
 * Who guards the private halves: a provider wraps and unwraps small blobs, nothing else. Only the decrypt side needs
 * one that can unwrap. A blob is bound to a context (the recipient key's id): it unwraps for no other.
 *
 * `local` keeps an X25519 root pair in the keys folder. Wrapping needs its public half only, so a gateway can make new
 * recipient keys at midnight without knowing the passphrase, and cannot read back what it wrapped. The private half is
 * sealed with a passphrase (scrypt, N = 2^17, r = 8: 128 MiB and about 0.4 s a guess), or, without a passphrase, lies
 * beside it in a file that only the owner may read: that protects stores and backups, not this machine.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes, scrypt } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { KeyError } from '../errors.ts'
import { canonical } from './derive.ts'
import { createFile, readDocument } from './files.ts'
import { generateKeyPair, hpkeOpen, hpkeSeal, privateKeyOf, publicKeyOf, rawPrivate, rawPublic } from './hpke.ts'

/** Fits the local file, PKCS#11, Vault transit and the clouds' KMS alike. Blobs are at most 4 KiB. */
export interface KmsProvider {
  readonly name: string
  /** Rejects with `KeyError`, also after the provider's own timeout. */
  wrap(blob: Uint8Array, context: string): Promise<Uint8Array>
  unwrap(wrapped: Uint8Array, context: string): Promise<Buffer>
}

/** The local provider wraps at once: a gateway needs that in the middle of a request. */
export interface LocalKms extends KmsProvider {
  wrapNow(blob: Uint8Array, context: string): Buffer
  readonly hasPassphrase: boolean
  /** The public half of the root pair: `wrapTo` wraps for this provider, also on another machine. */
  readonly rootPublic: string
}

/** What the local provider with this root (its public half, base64url) unwraps. */
export function wrapTo(rootPublic: string, blob: Uint8Array, context: string): Buffer {
  return hpkeSeal(publicKeyOf(Buffer.from(rootPublic, 'base64url')), wrapInfo, canonical(context), blob)
}

interface LocalRoot {
  readonly format: 'douane-local-kms/1'
  readonly public: string
  /** Absent: the private half lies in the clear in `private`. */
  readonly scrypt?: {
    readonly cost: number
    readonly blockSize: number
    readonly parallelization: number
    readonly salt: string
  }
  /** iv ‖ ciphertext ‖ tag (AES-256-GCM) with scrypt, else the 32 bytes. */
  readonly private: string
}

const rootFile = 'local-kms.json'
const wrapInfo = Buffer.from('douane.local-kms.1')
const ivBytes = 12
const tagBytes = 16
const scryptAsync = promisify(
  (
    passphrase: string,
    salt: Uint8Array,
    options: { cost: number; blockSize: number; parallelization: number; maxmem: number },
    done: (error: Error | null, key: Buffer) => void,
  ) => scrypt(passphrase.normalize('NFKC'), salt, 32, options, done),
)

export interface LocalKmsOptions {
  readonly passphrase?: string | undefined
  /** scrypt's N; smaller only in tests. */
  readonly scryptCost?: number | undefined
}

function passphraseKey(passphrase: string, params: NonNullable<LocalRoot['scrypt']>): Promise<Buffer> {
  const { cost, blockSize, parallelization } = params
  if (cost > 2 ** 20 || blockSize > 32 || parallelization > 16) throw new KeyError('scrypt parameters out of bounds')
  const maxmem = 256 * cost * blockSize
  return scryptAsync(passphrase, Buffer.from(params.salt, 'base64url'), { cost, blockSize, parallelization, maxmem })
}

async function makeRoot(options: LocalKmsOptions): Promise<LocalRoot> {
  const pair = generateKeyPair()
  const secret = rawPrivate(pair.privateKey)
  const publicText = rawPublic(pair.publicKey).toString('base64url')
  const base = { format: 'douane-local-kms/1' as const, public: publicText }
  try {
    if (!options.passphrase) return { ...base, private: secret.toString('base64url') }
    const salt = randomBytes(16).toString('base64url')
    const params = { cost: options.scryptCost ?? 2 ** 17, blockSize: 8, parallelization: 1, salt }
    const key = await passphraseKey(options.passphrase, params)
    const iv = randomBytes(ivBytes)
    const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
    cipher.setAAD(canonical('douane.local-root.1', publicText))
    const sealed = Buffer.concat([iv, cipher.update(secret), cipher.final(), cipher.getAuthTag()])
    key.fill(0)
    return { ...base, scrypt: params, private: sealed.toString('base64url') }
  } finally {
    secret.fill(0)
  }
}

async function openRoot(root: LocalRoot, options: LocalKmsOptions): Promise<KeyObject> {
  const stored = Buffer.from(root.private, 'base64url')
  if (!root.scrypt) return checkedRoot(root, stored)
  if (!options.passphrase) {
    throw new KeyError('the local keys are sealed with a passphrase', 'Set DOUANE_KEYS_PASSPHRASE.')
  }
  const key = await passphraseKey(options.passphrase, root.scrypt)
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, stored.subarray(0, ivBytes), { authTagLength: tagBytes })
    decipher.setAAD(canonical('douane.local-root.1', root.public))
    decipher.setAuthTag(stored.subarray(stored.length - tagBytes))
    const sealed = stored.subarray(ivBytes, stored.length - tagBytes)
    return checkedRoot(root, Buffer.concat([decipher.update(sealed), decipher.final()]))
  } catch (error) {
    if (error instanceof KeyError) throw error
    throw new KeyError('the passphrase does not open the local keys', 'Check DOUANE_KEYS_PASSPHRASE.')
  } finally {
    key.fill(0)
  }
}

/** A swapped public half would hand every later key to somebody else. */
function checkedRoot(root: LocalRoot, secret: Buffer): KeyObject {
  const privateKey = privateKeyOf(secret)
  secret.fill(0)
  if (rawPublic(privateKey).toString('base64url') !== root.public) {
    throw new KeyError('the public half of the local keys does not belong to the private one: somebody changed it')
  }
  return privateKey
}

function readRoot(path: string): LocalRoot {
  const root = readDocument<LocalRoot>(path, 'douane-local-kms/1')
  if (!root) throw new KeyError(`${path} is gone`, 'Restore it from a backup.')
  return root
}

/** Opens the local provider; makes its root pair when there is none and `make` is asked for. */
export async function openLocalKms(
  folder: string,
  options: LocalKmsOptions & { make?: boolean } = {},
): Promise<LocalKms | undefined> {
  const path = `${join(folder, rootFile)}`
  let root = readDocument<LocalRoot>(path, 'douane-local-kms/1')
  if (!root && options.make) {
    createFile(path, `${JSON.stringify(await makeRoot(options), null, 2)}\n`)
    root = readDocument<LocalRoot>(path, 'douane-local-kms/1')
  }
  if (!root) return undefined
  // Nothing of the private half stays in memory where nobody opens anything: it is read when it is needed.
  const { public: rootPublic, scrypt: sealedWith } = root
  let privateKey: Promise<KeyObject> | undefined
  const wrapNow = (blob: Uint8Array, context: string): Buffer => wrapTo(rootPublic, blob, context)
  return {
    name: 'local',
    rootPublic,
    hasPassphrase: sealedWith !== undefined,
    wrapNow,
    wrap: (blob, context) => Promise.resolve(wrapNow(blob, context)),
    async unwrap(wrapped, context) {
      privateKey ??= openRoot(readRoot(path), options)
      return hpkeOpen(await privateKey, wrapInfo, canonical(context), wrapped)
    },
  }
}
