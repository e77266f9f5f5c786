/**
 * The bundle: the public halves of recipient keys, signed by the decrypt side, for gateways that hold no private keys.
 *
 * A swapped public key would hand every later value to somebody else, so a gateway pins the signer in its
 * configuration and takes nothing else. A bundle counts up; an older one than was seen is refused, so that a key which
 * was rotated out cannot be brought back. It expires, so that a gateway that is cut off from its keys shows.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { KeyError } from '../errors.ts'
import { fileError, parseDocument, readPrivate, replaceFile } from './files.ts'
import { publicKeyOf } from './hpke.ts'
import { periodAt } from './period.ts'
import { type Recipient, type RecipientFolder, type RecipientSlot, type RecipientSource, slotId } from './recipients.ts'
import { isSignedBy, type Signer, signDocument, signerFromText } from './signature.ts'

export interface BundleKey extends RecipientSlot {
  readonly id: string
  readonly generation: number
  readonly public: string
}

export interface Bundle {
  readonly format: 'douane-bundle/1'
  /** Counts up with every export. */
  readonly version: number
  readonly madeMs: number
  readonly expiresMs: number
  readonly keys: readonly BundleKey[]
  readonly signature?: string
}

const renew = 'Make a new one on the decrypt side: douane keys export-bundle'

/** Every key of a period that is not over, newest generation only; signed. */
export function exportBundle(
  keysFolder: string,
  folder: RecipientFolder,
  signer: Signer,
  times: { readonly nowMs: number; readonly expiresMs: number },
): Bundle {
  const counter = join(keysFolder, 'bundle-version')
  const version = readCounter(counter) + 1
  const newest = new Map<string, BundleKey>()
  for (const { period, id, destroyed } of folder.list()) {
    const document = destroyed ? undefined : folder.read(period, id)
    if (!document) continue
    const { tenant, region, retention, generation } = document
    const key = { id, tenant, region, retention, period, generation, public: document.public }
    const known = newest.get(slotId(key))
    if (!known || known.generation < generation) newest.set(slotId(key), key)
  }
  const keys = [...newest.values()].filter((key) => folder.generation(key) === key.generation)
  const { nowMs, expiresMs } = times
  replaceFile(counter, String(version))
  return signDocument(
    { format: 'douane-bundle/1' as const, version, madeMs: nowMs, expiresMs, keys },
    signer.privateKey,
  )
}

/** A number in a file; 0 when there is none. */
function readCounter(path: string): number {
  const text = readPrivate(path) ?? '0'
  if (!/^\d{1,15}$/.test(text))
    throw new KeyError(`${path} is damaged`, 'Write the last version of the bundle into it.')
  return Number(text)
}

/** The bundle in a text. Throws `KeyError` unless it is whole, signed by `trust` and not expired. */
export function openBundle(text: string, trust: string, nowMs: number, path = 'the bundle'): Bundle {
  const bundle = parseDocument<Bundle>(text, 'douane-bundle/1', path, 'Take it from the decrypt side again.')
  if (!isSignedBy(bundle, signerFromText(trust))) {
    throw new KeyError(
      `${path} is not signed by the pinned signer`,
      'Take it from the decrypt side, or correct the pin.',
    )
  }
  if (nowMs >= bundle.expiresMs) throw new KeyError(`${path} has expired`, renew)
  return bundle
}

export interface BundleOptions {
  readonly path: string
  /** The pinned signer: `ed25519:` and 43 characters. */
  readonly trust: string
  /** The gateway's own keys folder, where the last version that it saw is kept. */
  readonly dir: string
}

/**
 * Recipient keys out of a bundle file. A replaced file is taken in when the next epoch begins, or when somebody looks
 * (`check`); one that is refused leaves the bundle before in force until that expires.
 */
export class BundleRecipients implements RecipientSource {
  readonly #options: BundleOptions
  #keys = new Map<string, BundleKey>()
  #ids: ReadonlySet<string> = new Set()
  #expiresMs = 0
  #stamp = ''

  constructor(options: BundleOptions) {
    this.#options = options
  }

  get expiresMs(): number {
    return this.#expiresMs
  }

  isFor(path: string, trust: string): boolean {
    return this.#options.path === path && this.#options.trust === trust
  }

  /** Takes in what the file holds now. Throws `KeyError`; then what was in force goes on. */
  check(nowMs: number): void {
    const { path, trust } = this.#options
    const stamp = stampOf(path)
    if (stamp === this.#stamp && nowMs < this.#expiresMs) return
    const bundle = openBundle(readText(path), trust, nowMs, path)
    this.#refuseOlder(bundle)
    this.#keys = new Map(bundle.keys.map((key) => [slotId(key), key]))
    this.#ids = new Set(bundle.keys.map(({ id }) => id))
    this.#expiresMs = bundle.expiresMs
    this.#stamp = stamp
  }

  current(tenant: string, region: string, retention: string, nowMs: number): Recipient {
    try {
      this.check(nowMs)
    } catch (error) {
      if (nowMs >= this.#expiresMs) throw error
    }
    const period = periodAt(retention, nowMs)
    const key = this.#keys.get(slotId({ tenant, region, retention, period: period.name }))
    if (!key) {
      const missing = `the bundle has no key for this tenant in region ${region}, retention ${retention || 'none'}`
      throw new KeyError(
        `${missing}, period ${period.name}`,
        `Make it: douane keys init; then: douane keys export-bundle`,
      )
    }
    const publicKey = publicKeyOf(Buffer.from(key.public, 'base64url'))
    return { id: key.id, period: period.name, publicKey, endsMs: Math.min(period.endMs, this.#expiresMs) }
  }

  /** False once a newer bundle has another key in its place. */
  stillUses({ id }: Recipient): boolean {
    return this.#ids.has(id)
  }

  #refuseOlder(bundle: Bundle): void {
    const seenPath = join(this.#options.dir, 'bundle-seen')
    const seen = readCounter(seenPath)
    if (bundle.version < seen) {
      throw new KeyError(`the bundle is version ${bundle.version}, older than ${seen}, which was seen before`, renew)
    }
    if (bundle.version > seen) replaceFile(seenPath, String(bundle.version))
  }
}

function stampOf(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path)
    return `${mtimeMs}/${size}/${ino}`
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(path: string, error: unknown): KeyError {
  const told = fileError('read', path, error)
  return (error as NodeJS.ErrnoException).code === 'ENOENT' ? new KeyError(told.message, renew) : told
}

/** A bundle holds public keys only: others may read it. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}
