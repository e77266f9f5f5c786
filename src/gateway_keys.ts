/**
 * The keys of a running gateway: whom it seals to, what files at rest are sealed with, what values are hashed with.
 *
 * Recipient keys are those of a bundle where the configuration names one, else made here. A reload may replace the
 * bundle, its path or its signer; what it refuses leaves everything as it was. Epochs whose recipient is not in force
 * any more end within a second (`stillUses`).
 */
import type { KeysConfig } from '../config/keys.ts'
import type { Log } from './contract.ts'
import { ConfigError, KeyError } from './errors.ts'
import { BundleRecipients } from './keys/bundle.ts'
import { type ChunkCipher, openChunkCipher } from './keys/chunk_cipher.ts'
import { type DerivedHashKeys, openHashKeys } from './keys/hash_keys.ts'
import type { Recipient, RecipientSource } from './keys/recipients.ts'
import { localRecipients, type OpenSealer, openSealer } from './keys/sealer.ts'
import { limits } from './limits.ts'

export interface GatewayKeysOptions {
  /** The keys folder. */
  readonly dir: string
  readonly nowMs: () => number
  readonly log: Log
  readonly env: Readonly<Record<string, string | undefined>>
  /** Which worker of several. */
  readonly worker?: number | undefined
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
  readonly cipher: ChunkCipher
  readonly #options: GatewayKeysOptions
  readonly #recipients: RecipientsInForce

  private constructor(
    options: GatewayKeysOptions,
    recipients: RecipientsInForce,
    parts: Pick<GatewayKeys, 'sealer' | 'hashKeys' | 'cipher'>,
  ) {
    this.#options = options
    this.#recipients = recipients
    this.sealer = parts.sealer
    this.hashKeys = parts.hashKeys
    this.cipher = parts.cipher
  }

  /** Opens or makes what the configuration wants. Rejects with `ConfigError`, `KeyError` or `DependencyError`. */
  static async open(options: GatewayKeysOptions, config: KeysConfig): Promise<GatewayKeys> {
    const { dir, nowMs, log, worker } = options
    const cipher = await openChunkCipher(dir)
    const hashKeys = openHashKeys({ dir, nowMs })
    const recipients = new RecipientsInForce(await recipientsOf(options, config, undefined))
    const sealer = await openSealer({ dir, nowMs, log, worker, recipients })
    return new GatewayKeys(options, recipients, { sealer, hashKeys, cipher })
  }

  /** Checks what a new configuration says; nothing changes before the answer is called. Rejects as `open` does. */
  async prepare(config: KeysConfig): Promise<() => void> {
    const next = await recipientsOf(this.#options, config, this.#recipients.source)
    return () => this.#recipients.use(next)
  }

  close(): void {
    this.sealer.close()
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
