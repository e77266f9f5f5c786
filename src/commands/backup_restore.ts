/**
 * `douane backup restore`: a backup into an empty database. Who does it, and why, is written into the access audit
 * before anything is opened.
 */
import type { Command } from 'commander'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import { connect, openAccess } from '../../exporters/postgres/access.ts'
import { runRetention } from '../../exporters/postgres/retention.ts'
import { sessionError } from '../../exporters/postgres/session.ts'
import { type BackedUpStore, promisesIn } from '../backup/jobs.ts'
import type { Manifest } from '../backup/manifest.ts'
import { restoreBackup } from '../backup/restore.ts'
import { ConfigError } from '../errors.ts'
import { AccessLog } from '../keys/audit.ts'
import { checkedReason, currentUser } from '../keys/decrypt.ts'
import { eraseRestored } from '../subjects/restored.ts'
import { type BackupFlags, eachPlace, readerOf, shelvesOf, told, withKeys } from './backup_places.ts'
import { loadAccepted } from './common.ts'
import { keysDirOf } from './key_place.ts'
import { storeOf } from './stores.ts'

interface RestoreFlags extends BackupFlags {
  readonly url?: string
  readonly database?: string
  readonly reason: string
  readonly who?: string
}

export function restoreCommand(backup: Command): void {
  withKeys(backup.command('restore [id]').description('into an empty database; the newest backup without an id'))
    .option('--database <name>', "another database than the store's; the embedded server makes it")
    .option('--url <url>', "another server than the store's: postgres://user:password@host:port/database")
    .requiredOption('--reason <text>', 'why, for the access audit')
    .option('--who <name>', 'who restores, where the system user is not the person')
    .action(restore)
}

async function restore(id: string | undefined, flags: RestoreFlags): Promise<void> {
  const config = loadAccepted(flags.config)
  const store = storeOf(config, flags.dataDir, flags.store)
  const wanted = { ...flags, store: store.id }
  const found = await findNewest(id, config, wanted)
  await eachPlace(config, { ...wanted, job: found.job }, async (kept) => {
    const [shelf] = await shelvesOf(kept, wanted)
    await write(flags, found.manifest)
    const reader = await readerOf(config, shelf!, found.manifest, flags)
    const tally = await into(store, flags, async (client, schema) => {
      const restored = await restoreBackup(client, schema, reader)
      // What became due since the backup was made goes now, and not only tonight.
      const { retentionOf, policyVersion } = promisesIn(config)
      await runRetention(client, schema, { asOfMs: Date.now(), retentionOf, policyVersion, confirmed: true })
      const named = await eraseRestored(client, schema, flags.dataDir, Date.now())
      return { ...restored, rows: restored.rows - named, erased: restored.erased + named }
    })
    const line = { store: store.id, backup: found.manifest.id, state: 'restored', ...told(tally) }
    process.stdout.write(`${JSON.stringify(line)}\n`)
  })
}

/** The backup that is named, or the newest one of all places. */
async function findNewest(
  id: string | undefined,
  config: GatewayConfig,
  flags: BackupFlags & { store: string },
): Promise<{ job: string; manifest: Manifest }> {
  const found: { job: string; manifest: Manifest }[] = []
  await eachPlace(config, flags, async (kept) => {
    for (const shelf of await shelvesOf(kept, flags)) {
      const manifest = id === undefined ? await shelf.newest() : await shelf.named(id)
      if (manifest) found.push({ job: kept.job.id, manifest })
    }
  })
  const newest = found.toSorted((a, b) => Date.parse(b.manifest.made) - Date.parse(a.manifest.made)).at(0)
  if (newest) return newest
  throw new ConfigError(`there is no whole backup ${id ?? ''} of ${flags.store}`, [], 'See `douane backup list`.')
}

async function write(flags: RestoreFlags, { id, store, region }: Manifest): Promise<void> {
  const reason = checkedReason(flags.reason)
  const log = await AccessLog.open(keysDirOf(flags))
  try {
    const what = [{ store, region, backup: id }]
    await log.append([{ action: 'restore', atMs: Date.now(), who: currentUser(flags.who), reason, what }])
  } finally {
    await log.close()
  }
}

type Work<Result> = (client: Awaited<ReturnType<typeof connect>>, schema: string) => Promise<Result>

async function into<Result>(store: BackedUpStore, flags: RestoreFlags, work: Work<Result>): Promise<Result> {
  const { url = store.options.url, database = flags.url === undefined ? store.options.database : undefined } = flags
  const { database: _, ...rest } = store.options
  const access = await openAccess({ ...rest, url, ...(database !== undefined && { database }) }, store.folder)
  try {
    const client = await connect(access)
    try {
      return await work(client, store.options.schema)
    } finally {
      await client.end().catch(() => {})
    }
  } catch (error) {
    throw sessionError(error)
  } finally {
    await access.close()
  }
}
