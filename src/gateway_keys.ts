/**
 * The keys of a running gateway: whom it seals to, what files at rest are sealed with, what values are hashed with.
 *
 * Recipient keys are those of a bundle where the configuration names one, else made here. A reload may replace the
 * bundle, its path or its signer; what it refuses leaves everything as it was. Epochs whose recipient is not in force
 * any more end within a second (`stillUses`).
 */
import { join } from 'node:path'
import type { GatewayConfig } from '../config/gateway_config.ts'
import type { KeysConfig } from '../config/keys.ts'
import type { Log } from './contract.ts'
import { ConfigError, KeyError } from './errors.ts'
import { type HeldTenant, KeyExpiry } from './key_expiry.ts'
import { BundleRecipients } from './keys/bundle.ts'
import { type ChunkCipher, idBytes } from './keys/chunk_cipher.ts'
import { type ChunkKeyRules, ChunkKeys } from './keys/chunk_keys.ts'
import { type DerivedHashKeys, openHashKeys } from './keys/hash_keys.ts'
import { openProvider } from './keys/kms/providers.ts'
import { openLocalKms } from './keys/kms.ts'
import type { Recipient, RecipientSource } from './keys/recipients.ts'
import { localRecipients, type OpenSealer, openSealer } from './keys/sealer.ts'
import { limits } from './limits.ts'
import { keysInUse } from './pipeline/queue/keys_in_use.ts'
import type { Health } from './telemetry/health.ts'
import type { Metrics } from './telemetry/metrics.ts'

export interface GatewayKeysOptions {
  /** The keys folder. */
  readonly dir: string
  readonly nowMs: () => number
  readonly log: Log
  readonly env: Readonly<Record<string, string | undefined>>
  /** Which worker of several. */
  readonly worker?: number | undefined
  /** Where it shows how the keys are; left out: nowhere. */
  readonly shown?: { readonly metrics: Metrics; readonly health: Health }
  /** Where files at rest lie, those of all workers; left out: no key of theirs is forgotten. */
  readonly dataDir?: string
}

/** Recipient keys out of the source that is in force; what another one gave is not used any longer. */
class RecipientsInForce implements RecipientSource {
  #source: RecipientSource
  #given = new WeakSet<Recipient>()

  constructor(source: RecipientSource) {
    this.#source = source
  }

  get source(): RecipientSource {
    return this.#source
  }

  use(source: RecipientSource): void {
    if (source !== this.#source) this.#given = new WeakSet()
    this.#source = source
  }

  current(tenant: string, region: string, retention: string, nowMs: number): Recipient {
    const recipient = this.#source.current(tenant, region, retention, nowMs)
    this.#given.add(recipient)
    return recipient
  }

  stillUses(recipient: Recipient): boolean {
    return this.#given.has(recipient) && (this.#source.stillUses?.(recipient) ?? true)
  }

  checkRecipient(recipient: Recipient): void {
    this.#source.checkRecipient?.(recipient)
  }
}

export class GatewayKeys {
  readonly sealer: OpenSealer
  readonly hashKeys: DerivedHashKeys
  readonly #chunks: ChunkKeys
  readonly #expiry: KeyExpiry
  /** Stores that must have run their retention before keys go; undefined: no keys go here. */
  #stores: readonly string[] | undefined
  readonly #looking: NodeJS.Timeout
  readonly #options: GatewayKeysOptions
  readonly #recipients: RecipientsInForce

  private constructor(
    options: GatewayKeysOptions,
    recipients: RecipientsInForce,
    parts: Pick<GatewayKeys, 'sealer' | 'hashKeys'>,
    chunks: ChunkKeys,
  ) {
    this.#options = options
    this.#recipients = recipients
    this.sealer = parts.sealer
    this.hashKeys = parts.hashKeys
    this.#chunks = chunks
    const { dir, nowMs, log } = options
    this.#expiry = new KeyExpiry({ dir, nowMs, log })
    const what = 'When the bundle of keys ends, in seconds since 1970; 0 without a bundle.'
    const read = (): number => (this.#bundleEndsMs ?? 0) / 1000
    options.shown?.metrics.gauge('douane_keys_bundle_expires_seconds', what, {}, read, 'first')
    this.#show()
    this.#looking = setInterval(() => this.#look(), limits.chunkKeyLookMs)
    this.#looking.unref()
  }

  /** When the bundle in force ends; undefined: there is none. */
  get #bundleEndsMs(): number | undefined {
    const { source } = this.#recipients
    return source instanceof BundleRecipients ? source.expiresMs : undefined
  }

  #show(): void {
    const endsMs = this.#bundleEndsMs
    const isOver = endsMs !== undefined && this.#options.nowMs() >= endsMs
    if (isOver) this.#options.shown?.health.set('keys', 'failing', 'the bundle of keys has expired')
    else this.#options.shown?.health.remove('keys')
  }

  async #look(): Promise<void> {
    this.#show()
    await this.#chunks.look()
    if (this.#stores !== undefined && isLeading(this.#options)) await this.#expiry.look(this.#stores)
  }

  /** A store has run its retention, and these are on legal hold in it. */
  async retentionRan(store: string, holds: readonly HeldTenant[]): Promise<void> {
    this.#expiry.storeRan(store, holds)
    await this.#look()
  }

  /** Of files at rest. */
  get cipher(): ChunkCipher {
    return this.#chunks
  }

  /** Opens or makes what the configuration wants. Rejects with `ConfigError`, `KeyError` or `DependencyError`. */
  static async open(options: GatewayKeysOptions, config: KeysOfConfig): Promise<GatewayKeys> {
    const { dir, dataDir, nowMs, log, worker } = options
    const leads = isLeading(options)
    const looked = { dir, nowMs, log, leads, ...(dataDir !== undefined && { inUse: () => neededIn(dataDir) }) }
    const chunks = await ChunkKeys.open(looked, await chunkKeyRules(options, config.keys))
    const hashKeys = openHashKeys({ dir, nowMs })
    const recipients = new RecipientsInForce(await recipientsOf(options, config.keys, undefined))
    const sealer = await openSealer({ dir, nowMs, log, worker, recipients })
    const keys = new GatewayKeys(options, recipients, { sealer, hashKeys }, chunks)
    keys.#stores = storesBefore(config)
    return keys
  }

  /** Checks what a new configuration says; nothing changes before the answer is called. Rejects as `open` does. */
  async prepare(config: KeysOfConfig): Promise<() => void> {
    const next = await recipientsOf(this.#options, config.keys, this.#recipients.source)
    const rules = await chunkKeyRules(this.#options, config.keys)
    return () => {
      this.#stores = storesBefore(config)
      this.#recipients.use(next)
      this.#show()
      this.#chunks.use(rules)
      void this.#chunks.look()
    }
  }

  close(): void {
    clearInterval(this.#looking)
    this.sealer.close()
  }
}

/** What it needs of a configuration. */
type KeysOfConfig = Pick<GatewayConfig, 'keys' | 'exporters' | 'pipelines'>

function storesBefore({ keys, exporters, pipelines }: KeysOfConfig): string[] | undefined {
  if (keys.bundle !== undefined || !keys.destroyExpired) return undefined
  const used = new Set(pipelines.flatMap((pipeline) => pipeline.exporters))
  return [...exporters.values()]
    .filter(({ id, component }) => used.has(id) && keepsRetention(component))
    .map(({ id }) => id)
}
const keepsRetention = ({ name }: { readonly name: string }): boolean => name === 'postgres'

/** Of several workers one looks after what they share. */
const isLeading = ({ worker }: GatewayKeysOptions): boolean => worker === undefined || worker === 1

const neededIn = (dataDir: string): Promise<Set<string>> =>
  keysInUse(
    ['queue', 'quarantine', 'workers'].map((name) => join(dataDir, name)),
    idBytes,
  )

/** Who guards the keys of files at rest. Rejects with `KeyError`. */
export async function chunkKeyRules(
  { dir, env }: Pick<GatewayKeysOptions, 'dir' | 'env'>,
  { providers, queueProvider, queueRotateMs }: Pick<KeysConfig, 'providers' | 'queueProvider' | 'queueRotateMs'>,
): Promise<ChunkKeyRules> {
  const opened = await Promise.all(providers.map((section) => openProvider(section, env)))
  if (queueProvider === 'local') {
    opened.push((await openLocalKms(dir, { passphrase: env['DOUANE_KEYS_PASSPHRASE'], make: true }))!)
  }
  return {
    providers: new Map(opened.map((provider) => [provider.name, provider])),
    provider: queueProvider,
    rotateMs: queueRotateMs,
  }
}

/** The source in force, where the configuration names the same. */
async function recipientsOf(
  { dir, nowMs, log, env }: GatewayKeysOptions,
  { bundle }: KeysConfig,
  before: RecipientSource | undefined,
): Promise<RecipientSource> {
  if (bundle === undefined) {
    if (before !== undefined && !(before instanceof BundleRecipients)) return before
    return localRecipients({ dir, log, passphrase: env['DOUANE_KEYS_PASSPHRASE'] })
  }
  const same = before instanceof BundleRecipients && before.isFor(bundle.path, bundle.trust)
  const recipients = same ? before : new BundleRecipients({ ...bundle, dir })
  try {
    recipients.check(nowMs())
  } catch (error) {
    if (!(error instanceof KeyError)) throw error
    throw new ConfigError(error.message, ['service', 'keys', 'bundle', 'path'], error.fix)
  }
  const leftMs = recipients.expiresMs - nowMs()
  if (leftMs < limits.bundleWarnMs) {
    const fix = 'Make a new one on the decrypt side: douane keys export-bundle'
    log.warn('keys.bundle_expires', { hours: Math.floor(leftMs / 3_600_000), fix })
  }
  return recipients
}
