/** What the verbs of `douane backup` share: their options, the places of backups, the keys that open them. */
import type { KeyObject } from 'node:crypto'
import type { Command } from 'commander'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import { type BackupJob, backupJobs, promisesIn, shelvesIn, subjectSecrets } from '../backup/jobs.ts'
import type { Manifest } from '../backup/manifest.ts'
import { type BackupReader, type BackupTally, noTally } from '../backup/open.ts'
import type { BackupPlace } from '../backup/place.ts'
import { PartOpener } from '../backup/recipients.ts'
import { Shelf } from '../backup/shelf.ts'
import { ConfigError } from '../errors.ts'
import { openKeyHolder } from '../keys/operations.ts'
import { openSigner, signerFromText } from '../keys/signature.ts'
import { withConfig, withDataDir } from './common.ts'
import { collectKeysFolder, keyOptions, keysDirOf } from './key_place.ts'

export interface BackupFlags {
  readonly config?: string[]
  readonly dataDir: string
  readonly job?: string
  readonly store?: string
  readonly keys?: string
  readonly gatewayKeys?: string[]
  readonly trust?: string[]
}

const collect = (value: string, before: string[] = []): string[] => [...before, value]
export const withJob = (command: Command): Command =>
  withDataDir(withConfig(command))
    .option('--job <id>', 'only this extension, such as backup/offsite')
    .option('--store <id>', "only this store, by the exporter's id")

/** For those who read backups. */
export const withKeys = (command: Command): Command =>
  withJob(command)
    .option('--keys <folder>', 'the keys folder that opens the backups; without it the one of the data directory')
    .option(
      '--gateway-keys <folder>',
      "a keys folder of a gateway, for its subjects' secrets; repeat it",
      collectKeysFolder,
    )
    .option('--trust <signer>', 'whose backups are believed: ed25519:…, as `backup keys` prints it; repeat it', collect)

export interface Kept {
  readonly job: BackupJob
  readonly place: BackupPlace
}

/** Runs `work` on each place that is asked for. Throws `ConfigError` where there is none. */
export async function eachPlace(
  config: GatewayConfig,
  { dataDir, job }: BackupFlags,
  work: (kept: Kept) => Promise<void>,
): Promise<void> {
  const jobs = backupJobs(config, dataDir).filter(({ id }) => job === undefined || id === job)
  if (jobs.length === 0) {
    const what = job === undefined ? 'no backups are configured' : `no backups ${job} are configured`
    throw new ConfigError(
      what,
      [],
      'Define an extension `backup` and name it under `service.extensions`: docs/backups.md.',
    )
  }
  for (const each of jobs) {
    const place = each.open()
    try {
      await work({ job: each, place })
    } finally {
      await place.close()
    }
  }
}

/** The stores of a job that are asked for. */
export const storesOf = ({ stores }: BackupJob, { store }: BackupFlags) =>
  stores.filter(({ id }) => store === undefined || id === store)

/** Whose backups are believed: this data directory's, and those that are named. */
function signersOf(flags: BackupFlags): KeyObject[] {
  const own = [...new Set([keysDirOf(flags), flags.keys ?? keysDirOf(flags)])]
    .map((dir) => openSigner(dir, 'backups.pem', false))
    .flatMap((signer) => (signer ? [signer.publicKey] : []))
  return [...own, ...(flags.trust ?? []).map(signerFromText)]
}

/** The shelf of a store, or of each store that ever had backups there. */
export async function shelvesOf({ place }: Kept, flags: BackupFlags): Promise<Shelf[]> {
  const signers = signersOf(flags)
  return flags.store === undefined ? shelvesIn(place, signers) : [new Shelf(place, flags.store, signers)]
}

/** What opens a backup. Throws `KeyError` where the keys are not here. */
export async function readerOf(
  config: GatewayConfig,
  shelf: Shelf,
  manifest: Manifest,
  flags: BackupFlags & { readonly sealed?: boolean },
): Promise<BackupReader> {
  const dir = flags.keys ?? keysDirOf(flags)
  const opener = flags.sealed ? undefined : new PartOpener(await openKeyHolder(dir, await keyOptions(flags, dir)))
  const secrets = await subjectSecrets([...new Set([dir, keysDirOf(flags), ...(flags.gatewayKeys ?? [])])])
  return {
    shelf,
    manifest,
    nowMs: Date.now(),
    tally: noTally(),
    ...(opener && { opener }),
    secretOf: secrets.of,
    purposeRetention: promisesIn(config).purposeRetention,
  }
}

export const told = ({ digests, ...tally }: BackupTally) => ({
  ...tally,
  ...(digests.size > 0 && { content: digests.get('logs')?.toString() ?? '' }),
})
