/**
 * The backups that a configuration asks for: for each extension `backup`, where they lie and of which stores they are.
 */
import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import type { BackupOptions } from '../../config/backup_options.ts'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import type { StoreOptions } from '../../exporters/postgres/options.ts'
import { type StorePlace, withStore } from '../../exporters/postgres/session.ts'
import { refBytes } from '../keys/subject_rows.ts'
import { SubjectSecrets } from '../keys/subject_secrets.ts'
import { retentionIn } from '../policy.ts'
import { compareRetention, parseRetention } from '../units.ts'
import type { Manifest, PurposeRetention } from './manifest.ts'
import type { SecretOf } from './part.ts'
import { type BackupPlace, openPlace } from './place.ts'
import { backupSigner, openRecipients } from './recipients.ts'
import { runBackup } from './run.ts'
import { Shelf } from './shelf.ts'

export interface BackedUpStore extends StorePlace {
  readonly id: string
}

export interface BackupJob {
  /** The extension's. */
  readonly id: string
  readonly options: BackupOptions
  readonly stores: readonly BackedUpStore[]
  open(): BackupPlace
}

export function backupJobs(config: GatewayConfig, dataDir: string): BackupJob[] {
  const stores = [...config.exporters.values()].filter(({ component }) => component.name === 'postgres')
  const folder = join(dataDir, 'postgres')
  return [...config.extensions.values()].flatMap((section) => {
    if (section.name !== 'backup') return []
    const options = section.options as BackupOptions
    const of = stores.filter(({ id, region }) => options.stores?.includes(id) ?? region === options.region)
    return {
      id: section.id,
      options,
      stores: of.map((store) => ({ id: store.id, options: store.options as StoreOptions, folder })),
      open: () => openPlace(options, (path) => section.resolve(path)),
    }
  })
}

/** What the policies in force promise. */
export function promisesIn(config: GatewayConfig) {
  const policies = [...config.connectors.values()].map(({ policy }) => policy)
  const purposeRetention: PurposeRetention = (purpose) =>
    policies
      .flatMap((policy) => policy.purposes.get(purpose)?.retention ?? [])
      .toSorted(compareRetention)
      .at(0)
  return {
    retentionOf: retentionIn(policies),
    purposeRetention,
    policyVersion: policies.map(({ version }) => version).join('+'),
  }
}

/** Secrets of subjects in these keys folders, as they are now. */
export async function subjectSecrets(keysFolders: readonly string[]): Promise<{ of: SecretOf; close(): void }> {
  const secrets = await SubjectSecrets.open(keysFolders)
  const of: SecretOf = ({ tenant, ref }) => {
    const bytes = Buffer.from(ref, 'base64url')
    return bytes.length === refBytes ? secrets.find(tenant, bytes) : 'unknown'
  }
  return { of, close: () => secrets.close() }
}

export interface Surroundings {
  readonly config: GatewayConfig
  /** `<data-dir>/keys`. */
  readonly keysDir: string
  readonly nowMs: number
  /** Ends it early, unfinished. */
  readonly signal?: AbortSignal
}

/** Backs up one store of a job. Undefined: another process is at it. */
export async function backUp(
  job: BackupJob,
  place: BackupPlace,
  store: BackedUpStore,
  { config, keysDir, nowMs, signal }: Surroundings,
): Promise<Manifest | undefined> {
  const { region, keep, recipient } = job.options
  const { retentionOf, policyVersion } = promisesIn(config)
  const signer = backupSigner(keysDir)
  const recipients = await openRecipients(keysDir, region, recipient)
  const shelf = new Shelf(place, store.id, [signer.publicKey])
  const promised = { keep: parseRetention(keep), retentionOf, policyVersion }
  const secrets = await subjectSecrets([keysDir])
  const made = { shelf, region, nowMs, recipients, signer, secretOf: secrets.of }
  try {
    const run = { ...made, ...promised, ...(signal && { signal }) }
    return await withStore(store, (client, schema) => runBackup(client, schema, run))
  } finally {
    secrets.close()
  }
}

/** The backups of each store that ever had one in this place. */
export async function shelvesIn(place: BackupPlace, signers: readonly KeyObject[]): Promise<Shelf[]> {
  const folders = new Set((await place.list('')).map((name) => name.split('/')[0]!))
  return [...folders].map((folder) => new Shelf(place, folder, signers))
}
