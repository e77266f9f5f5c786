/**
 * The decrypt side's keys: from the kid of a token to the keys that open it.
 *
 *   kid → epoch record (key store) → recipient key (folder) → private half (unwrapped by its provider) → epoch key
 *   epoch key, and a person's secret where the token names one → field keys
 *
 * Everything is verified on the way: the record is bound to its context, the epoch key to its commitment, the
 * recipient key to its signature. Caches are bounded; what falls out is opened again.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { A256GCM, type Algorithm, CHACHA20_POLY1305, fieldKey } from './derive.ts'
import { EpochIndex, type EpochRecord, openEpoch } from './epochs.ts'
import { privateKeyOf } from './hpke.ts'
import type { KmsProvider } from './kms.ts'
import type { RecipientFolder } from './recipients.ts'
import { SubjectSecrets } from './subject_secrets.ts'
import type { ParsedToken } from './token_reader.ts'
import { unwrapRecipient } from './wrapping.ts'

/** Keys that open a token. */
export interface OpeningKeys {
  readonly record: EpochRecord
  readonly chacha: KeyObject
  readonly gcm: KeyObject
}

interface OpenEpoch extends OpeningKeys {
  readonly secret: Buffer
}

/** Why a key cannot be had: nobody knows it, it was destroyed for good, or it is damaged. */
export type MissingKey = 'unknown' | 'destroyed' | 'damaged'

export class KeyRing {
  readonly #index: EpochIndex
  readonly #recipients: RecipientFolder
  readonly #providers: ReadonlyMap<string, KmsProvider>
  readonly #keysFolders: readonly string[]
  #subjects: SubjectSecrets | undefined
  readonly #epochs = new Map<string, OpenEpoch | MissingKey>()
  /** By kid and ref. */
  readonly #personal = new Map<string, OpeningKeys | MissingKey>()
  readonly #privateKeys = new Map<string, KeyObject>()

  constructor(keysFolders: readonly string[], recipients: RecipientFolder, providers: readonly KmsProvider[]) {
    this.#keysFolders = keysFolders
    this.#index = new EpochIndex(...keysFolders)
    this.#recipients = recipients
    this.#providers = new Map(providers.map((provider) => [provider.name, provider]))
  }

  /** Rejects with `KeyError` when a provider cannot be used at all: a wrong passphrase, a service that is away. */
  async open(token: Pick<ParsedToken, 'kid' | 'subjectRef'>, nearMs?: number): Promise<OpeningKeys | MissingKey> {
    const epoch = await this.#epoch(token.kid.toString('base64url'), nearMs)
    if (typeof epoch === 'string' || token.subjectRef === undefined) return epoch
    const name = Buffer.concat([token.kid, token.subjectRef]).toString('base64url')
    const known = this.#personal.get(name)
    if (known !== undefined) return known
    const found = await this.#personalKeys(epoch, token.subjectRef)
    bound(this.#personal, limits.openPersonalMax)
    this.#personal.set(name, found)
    return found
  }

  /** Takes in a sealed epoch key that came with a row. */
  learn(text: string): void {
    const kid = this.#index.learn(text)
    if (kid !== undefined && typeof this.#epochs.get(kid) === 'string') this.#epochs.delete(kid)
  }

  async #epoch(name: string, nearMs?: number): Promise<OpenEpoch | MissingKey> {
    const known = this.#epochs.get(name)
    if (known !== undefined) return known
    const found = await this.#openRecord(this.#index.find(name, nearMs))
    bound(this.#epochs, limits.openEpochsMax)
    this.#epochs.set(name, found)
    return found
  }

  async #personalKeys({ record, secret }: OpenEpoch, ref: Buffer): Promise<OpeningKeys | MissingKey> {
    this.#subjects ??= await SubjectSecrets.open(this.#keysFolders)
    let personal: Buffer | MissingKey
    try {
      personal = this.#subjects.find(record.tenant, ref)
    } catch (error) {
      if (!(error instanceof KeyError)) throw error
      return 'damaged'
    }
    if (typeof personal === 'string') return personal
    const keys = openingKeys(record, secret, personal)
    personal.fill(0)
    return keys
  }

  async #openRecord(record: EpochRecord | undefined): Promise<OpenEpoch | MissingKey> {
    if (!record) return 'unknown'
    const privateKey = await this.#privateKey(record)
    if (typeof privateKey === 'string') return privateKey
    let key: Buffer
    try {
      key = openEpoch(record, privateKey)
    } catch {
      return 'damaged'
    }
    return { ...openingKeys(record, key), secret: key }
  }

  /** Zeroes what it can. */
  close(): void {
    for (const epoch of this.#epochs.values()) if (typeof epoch !== 'string') epoch.secret.fill(0)
    this.#epochs.clear()
    this.#personal.clear()
    this.#subjects?.close()
  }

  async #privateKey(record: EpochRecord): Promise<KeyObject | MissingKey> {
    const known = this.#privateKeys.get(record.recipient)
    if (known) return known
    if (this.#recipients.isDestroyed(record.period, record.recipient)) return 'destroyed'
    const document = this.#recipients.read(record.period, record.recipient)
    if (!document) return 'unknown'
    const secret = await unwrapRecipient(this.#providers, document)
    const privateKey = privateKeyOf(secret)
    secret.fill(0)
    bound(this.#privateKeys, limits.openRecipientsMax)
    this.#privateKeys.set(record.recipient, privateKey)
    return privateKey
  }
}

function openingKeys(record: EpochRecord, epochKey: Buffer, personal?: Buffer): OpeningKeys {
  const derived = (algorithm: Algorithm): KeyObject => {
    const bytes = fieldKey(algorithm, record.purpose, epochKey, personal)
    const key = createSecretKey(bytes)
    bytes.fill(0)
    return key
  }
  return { record, chacha: derived(CHACHA20_POLY1305), gcm: derived(A256GCM) }
}

/** Makes room for one more: the oldest goes. */
function bound<Value>(cache: Map<string, Value>, max: number): void {
  if (cache.size >= max) cache.delete(cache.keys().next().value!)
}
