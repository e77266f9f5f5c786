/** `douane backup …`: makes, lists, checks, restores and deletes backups of stores. What is printed is JSON lines. */
import Table from 'cli-table3'
import type { Command } from 'commander'
import { backUp, promisesIn } from '../backup/jobs.ts'
import { manifestName, sizeOf } from '../backup/manifest.ts'
import { verifyBackup } from '../backup/open.ts'
import { pruneBackups } from '../backup/prune.ts'
import { backupSigner } from '../backup/recipients.ts'
import { begunMs, type Shelf } from '../backup/shelf.ts'
import { ConfigError, exitCodes, KeyError } from '../errors.ts'
import { openLocalKms } from '../keys/kms.ts'
import { signerText } from '../keys/signature.ts'
import { type BackupFlags, eachPlace, readerOf, shelvesOf, storesOf, told, withJob, withKeys } from './backup_places.ts'
import { restoreCommand } from './backup_restore.ts'
import { loadAccepted, withDataDir, withFormat } from './common.ts'
import { keysDirOf } from './key_place.ts'

const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

export function backupCommand(program: Command): void {
  const backup = program.command('backup').description('backups of stores: encrypted, and deleted in time')
  withJob(backup.command('run').description('back up now, whatever the schedule says')).action(run)
  withFormat(withKeys(backup.command('list').description('the backups that there are; unfinished ones too')), [
    'table',
    'json',
  ]).action(list)
  withKeys(backup.command('verify [id]').description('whether a backup is whole and opens; the newest without an id'))
    .option('--sealed', 'without keys: only whether all parts are there and unchanged')
    .action(verify)
  restoreCommand(backup)
  withJob(backup.command('prune').description('delete what is due now; gateways do so every half an hour'))
    .option('--confirm', 'the clock is right, although it is more than a day ahead of the last time')
    .action(prune)
  withDataDir(
    backup.command('keys').description('the key to seal backups to, and the signer of backups made here'),
  ).action(keys)
}

async function run(flags: BackupFlags): Promise<void> {
  const config = loadAccepted(flags.config)
  await eachPlace(config, flags, async ({ job, place }) => {
    for (const store of storesOf(job, flags)) {
      const made = await backUp(job, place, store, { config, keysDir: keysDirOf(flags), nowMs: Date.now() })
      if (made) print({ job: job.id, store: store.id, backup: made.id, kept_until: made.kept_until, ...sizeOf(made) })
      else {
        process.stderr.write(`${store.id}: another process is backing it up\n`)
        process.exitCode = exitCodes.dependency
      }
    }
  })
}

interface Listed {
  readonly job: string
  readonly store: string
  readonly backup: string
  readonly state: 'whole' | 'unfinished' | 'not believed'
  readonly made: string
  readonly kept_until: string | null
  readonly records: number | null
  readonly bytes: number | null
}

async function list(flags: BackupFlags & { format: string }): Promise<void> {
  const found: Listed[] = []
  await eachPlace(loadAccepted(flags.config), flags, async (kept) => {
    for (const shelf of await shelvesOf(kept, flags)) {
      for (const [id, objects] of await shelf.objects()) found.push(await lineOf(kept.job.id, shelf, id, objects))
    }
  })
  if (flags.format === 'json') for (const line of found) print(line)
  else process.stdout.write(`${listTable(found)}\n`)
}

async function lineOf(job: string, shelf: Shelf, backup: string, objects: ReadonlySet<string>): Promise<Listed> {
  const base = { job, store: shelf.store, backup, made: new Date(begunMs(backup)!).toISOString() }
  const unknown = { kept_until: null, records: null, bytes: null }
  if (!objects.has(manifestName)) return { ...base, ...unknown, state: 'unfinished' }
  try {
    const manifest = (await shelf.manifest(backup))!
    const { records, bytes } = sizeOf(manifest)
    const { store, kept_until } = manifest
    return { ...base, store, state: 'whole', kept_until, records, bytes }
  } catch (error) {
    if (error instanceof KeyError) return { ...base, ...unknown, state: 'not believed' }
    throw error
  }
}

function listTable(found: readonly Listed[]): string {
  const head = ['store', 'backup', 'made', 'kept until', 'records', 'MB', 'state']
  const table = new Table({ head, style: { head: [], border: [] } })
  const minute = (time: string | null) => time?.slice(0, 16).replace('T', ' ') ?? ''
  for (const { store, backup, state, made, kept_until, records, bytes } of found) {
    const megabytes = bytes === null ? '' : (bytes / 1e6).toFixed(1)
    table.push([store, backup, minute(made), minute(kept_until), String(records ?? ''), megabytes, state])
  }
  return table.toString()
}

async function verify(id: string | undefined, flags: BackupFlags & { sealed?: boolean }): Promise<void> {
  const config = loadAccepted(flags.config)
  let isFound = false
  await eachPlace(config, flags, async (kept) => {
    for (const shelf of await shelvesOf(kept, flags)) {
      if (id !== undefined && !(await shelf.objects()).has(id)) continue
      isFound = true
      const manifest = await shelf.find(id)
      const named = { store: manifest.store, backup: manifest.id }
      const reader = await readerOf(config, shelf, manifest, flags)
      try {
        print({ ...named, state: 'whole', ...told(await verifyBackup(reader)) })
      } catch (error) {
        if (!(error instanceof KeyError)) throw error
        // Others are looked at all the same.
        print({ ...named, state: 'not whole', reason: error.message })
        process.exitCode = exitCodes.input
      }
    }
  })
  if (!isFound) throw new ConfigError(`there is no backup ${id ?? 'yet'}`, [], 'See `douane backup list`.')
}

async function prune(flags: BackupFlags & { confirm?: boolean }): Promise<void> {
  const config = loadAccepted(flags.config)
  const { purposeRetention } = promisesIn(config)
  const confirmed = flags.confirm ?? false
  const ids = new Map([...config.exporters.keys()].map((id) => [id.replaceAll('/', '.'), id]))
  await eachPlace(config, flags, async (kept) => {
    for (const shelf of await shelvesOf(kept, flags)) {
      const { heldBack, ...deleted } = await pruneBackups(shelf, { nowMs: Date.now(), purposeRetention, confirmed })
      print({ job: kept.job.id, store: ids.get(shelf.store) ?? shelf.store, ...deleted, held_back: heldBack })
      if (heldBack) process.exitCode = exitCodes.input
    }
  })
}

async function keys(flags: BackupFlags): Promise<void> {
  const dir = keysDirOf(flags)
  const kms = await openLocalKms(dir)
  if (!kms) throw new KeyError(`there are no keys in ${dir}`, 'Make them: douane keys init')
  print({ recipient: `x25519:${kms.rootPublic}`, signer: signerText(backupSigner(dir).publicKey) })
}
