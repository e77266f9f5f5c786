/**
 * The decrypt side's keys: from the kid of a token to the keys that open it.
 *
 *   kid → epoch record (key store) → recipient key (folder) → private half (unwrapped by its provider) → epoch key
 *
 * Everything is verified on the way: the record is bound to its context, the epoch key to its commitment, the
 * recipient key to its signature. Caches are bounded; what falls out is opened again.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { KeyError } from '../errors.ts'
import { limits } from '../limits.ts'
import { fieldKeys } from './derive.ts'
import { EpochIndex, type EpochRecord, openEpoch } from './epochs.ts'
import { privateKeyOf } from './hpke.ts'
import type { KmsProvider } from './kms.ts'
import type { RecipientFolder } from './recipients.ts'

export interface OpenEpoch {
  readonly record: EpochRecord
  readonly chacha: KeyObject
  readonly gcm: KeyObject
}

/** Why a key cannot be had: nobody knows it, it was destroyed for good, or it is damaged. */
export type MissingKey = 'unknown' | 'destroyed' | 'damaged'

export class KeyRing {
  readonly #index: EpochIndex
  readonly #recipients: RecipientFolder
  readonly #providers: ReadonlyMap<string, KmsProvider>
  readonly #epochs = new Map<string, OpenEpoch | MissingKey>()
  readonly #privateKeys = new Map<string, KeyObject>()

  constructor(keysFolders: readonly string[], recipients: RecipientFolder, providers: readonly KmsProvider[]) {
    this.#index = new EpochIndex(...keysFolders)
    this.#recipients = recipients
    this.#providers = new Map(providers.map((provider) => [provider.name, provider]))
  }

  /** Rejects with `KeyError` when a provider cannot be used at all: a wrong passphrase, a service that is away. */
  async open(kid: Buffer, nearMs?: number): Promise<OpenEpoch | MissingKey> {
    const name = kid.toString('base64url')
    const known = this.#epochs.get(name)
    if (known !== undefined) return known
    const found = await this.#openRecord(this.#index.find(name, nearMs))
    bound(this.#epochs, limits.openEpochsMax)
    this.#epochs.set(name, found)
    return found
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
    const { chacha, gcm } = fieldKeys(key, record.purpose)
    key.fill(0)
    const chachaKey = createSecretKey(chacha)
    chacha.fill(0)
    return { record, chacha: chachaKey, gcm }
  }

  async #privateKey(record: EpochRecord): Promise<KeyObject | MissingKey> {
    const known = this.#privateKeys.get(record.recipient)
    if (known) return known
    if (this.#recipients.isDestroyed(record.period, record.recipient)) return 'destroyed'
    const document = this.#recipients.read(record.period, record.recipient)
    if (!document) return 'unknown'
    const provider = this.#providers.get(document.provider)
    if (!provider) throw new KeyError(`a key is guarded by the provider ${document.provider}, which is not configured`)
    const secret = await provider.unwrap(Buffer.from(document.wrapped, 'base64url'), document.id)
    const privateKey = privateKeyOf(secret)
    secret.fill(0)
    bound(this.#privateKeys, limits.openRecipientsMax)
    this.#privateKeys.set(record.recipient, privateKey)
    return privateKey
  }
}

/** Makes room for one more: the oldest goes. */
function bound<Value>(cache: Map<string, Value>, max: number): void {
  if (cache.size >= max) cache.delete(cache.keys().next().value!)
}
