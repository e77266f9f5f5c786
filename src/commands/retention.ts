/** `douane retention …`: what is kept how long, what is deleted when, what is held back, and the receipts. */
import Table from 'cli-table3'
import { Command } from 'commander'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import { handOverReceipts } from '../../exporters/postgres/receipts.ts'
import { type RetentionReport, runRetention } from '../../exporters/postgres/retention.ts'
import { type ClassStatus, retentionStatus, type StoreStatus } from '../../exporters/postgres/retention_status.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import { ConfigError, exitCodes } from '../errors.ts'
import { countsIn, retentionIn } from '../policy.ts'
import { hasReceipts, keepReceipts, readReceipts, verifyReceipts } from '../receipts.ts'
import { colours as pc } from './colours.ts'
import { loadAccepted, momentMs, withConfig, withDataDir, withFormat } from './common.ts'
import { holdCommands } from './holds.ts'
import { type NamedStore, storesOf } from './stores.ts'

interface Flags {
  readonly config?: string[]
  readonly dataDir: string
  readonly store?: string
  readonly format: string
}
interface RunFlags extends Flags {
  readonly dryRun?: boolean
  readonly asOf?: number
  readonly confirm?: boolean
}

const print = (text: string): void => void process.stdout.write(`${text}\n`)
const plain = { head: [], border: [] }

const withStores = (command: Command): Command =>
  withFormat(withDataDir(withConfig(command)), ['table', 'json']).option(
    '--store <id>',
    "only this store, by the exporter's id",
  )

export function retentionCommand(program: Command): void {
  const retention = program.command('retention').description('how long records are kept, and what was deleted')
  withStores(
    retention
      .command('status')
      .description(
        'by store, purpose and retention; ends with 1 if anything is overdue, or if no run came to its end for two days',
      ),
  ).action(status)
  withStores(retention.command('run').description('delete now what is due; gateways do so each night'))
    .option('--dry-run', 'only tell what would be deleted')
    .option(
      '--as-of <time>',
      'as if it were this time; without --dry-run it needs DOUANE_ALLOW_TIME_TRAVEL=1',
      momentMs,
    )
    .option('--confirm', 'the clock is right, although it is more than a day ahead of the last run')
    .action(run)
  const receipts = retention.command('receipts').description('what was deleted, signed; ends with 1 if it was changed')
  withDataDir(receipts).action(showReceipts)
  retention.addCommand(holdCommands(new Command('hold')))
}

function policiesOf(config: GatewayConfig) {
  const policies = [...config.connectors.values()].map(({ policy }) => policy)
  return {
    retentionOf: retentionIn(policies),
    countsOf: countsIn(policies),
    version: policies.map(({ version }) => version).join('+'),
  }
}

async function status(flags: Flags): Promise<void> {
  const config = loadAccepted(flags.config)
  const { retentionOf } = policiesOf(config)
  const nowMs = Date.now()
  const found: [string, StoreStatus][] = []
  for (const store of storesOf(config, flags.dataDir, flags.store)) {
    const of = await withStore(store, (client, schema) => retentionStatus(client, schema, retentionOf, nowMs))
    found.push([store.id, of])
  }
  const isJson = flags.format === 'json'
  if (!isJson) print(statusTable(found, nowMs))
  for (const [store, of] of isJson ? found : []) {
    for (const each of of.classes) print(JSON.stringify(line(store, each, stateOf(each, of, nowMs))))
    if (isLate(of.lastRun, nowMs)) process.stderr.write(`${lastTold(store, of, nowMs)}\n`)
  }
  const isRed = ({ classes, lastRun }: StoreStatus) =>
    classes.some(({ overdue }) => overdue > 0) || (classes.length > 0 && isLate(lastRun, nowMs))
  if (found.some(([, of]) => isRed(of))) process.exitCode = exitCodes.input
}

/** Nobody looks after retention, or nobody confirms a clock: something will outlive its promise soon. */
const isLate = (lastRun: StoreStatus['lastRun'], nowMs: number): boolean =>
  lastRun !== null && nowMs - lastRun.asOf.getTime() > 2 * 86_400_000

/** What was due more than a day ago and is not overdue is kept by a legal hold. */
function stateOf({ overdue, nextDeletion }: ClassStatus, { holds }: StoreStatus, nowMs: number) {
  if (overdue > 0) return 'overdue'
  return holds > 0 && nextDeletion !== null && nowMs - nextDeletion.getTime() > 86_400_000 ? 'held' : 'ok'
}

const line = (
  store: string,
  { purpose, retention, bytes, partitions, oldest, nextDeletion, overdue }: ClassStatus,
  state: string,
) => ({
  store,
  purpose,
  retention,
  state,
  oldest: oldest?.toISOString() ?? null,
  next_deletion: nextDeletion?.toISOString() ?? null,
  bytes,
  partitions,
  overdue_records: overdue,
})

const colours = {
  overdue: ({ overdue }: ClassStatus) => pc.red(`OVERDUE: ${overdue} records`),
  held: () => pc.yellow('held'),
  ok: () => pc.green('ok'),
}

function lastTold(store: string, { lastRun }: StoreStatus, nowMs: number): string {
  const last = lastRun === null ? 'has not run yet' : `last ran to ${lastRun.asOf.toISOString()}`
  const late = isLate(lastRun, nowMs) ? pc.red(', which is more than two days ago') : ''
  const heldBack = lastRun?.heldBack ? pc.red(', held back: see --confirm') : ''
  return `${store}: ${last}${late}${heldBack}`
}

function statusTable(found: readonly (readonly [string, StoreStatus])[], nowMs: number): string {
  const head = ['store', 'purpose', 'retention', 'oldest', 'next deletion', 'MB', 'state']
  const table = new Table({ head, style: plain })
  const notes: string[] = []
  for (const [store, of] of found) {
    for (const each of of.classes) {
      const { purpose, retention, oldest, nextDeletion, bytes } = each
      const state = colours[stateOf(each, of, nowMs)](each)
      table.push([store, purpose, retention, day(oldest), day(nextDeletion), (bytes / 1e6).toFixed(1), state])
    }
    notes.push(`${lastTold(store, of, nowMs)}; ${of.holds} legal holds`)
  }
  return `${table}\n${notes.join('\n')}`
}
const day = (time: Date | null): string => time?.toISOString().slice(0, 16).replace('T', ' ') ?? ''

async function run(flags: RunFlags): Promise<void> {
  const { dryRun = false, asOf, confirm = false } = flags
  if (asOf !== undefined && !dryRun && process.env['DOUANE_ALLOW_TIME_TRAVEL'] !== '1') {
    throw new ConfigError(
      '--as-of would delete records before or after their time',
      [],
      'Use it with --dry-run. In a test, set DOUANE_ALLOW_TIME_TRAVEL=1.',
    )
  }
  const asOfMs = asOf ?? Date.now()
  const config = loadAccepted(flags.config)
  const isJson = flags.format === 'json'
  const table = new Table({ head: ['store', 'partition', 'tenant', 'retention', 'records', 'whole'], style: plain })
  let isDone = true
  for (const store of storesOf(config, flags.dataDir, flags.store)) {
    // A time that somebody typed is no clock that jumped.
    const confirmed = confirm || asOf !== undefined
    const report = await runStore(store, config, { asOfMs, dryRun, confirmed, dataDir: flags.dataDir })
    for (const { partition, purpose, retention, tenant, whole, records, oldest, newest } of report.deletions) {
      if (isJson) {
        const range = { oldest: oldest?.toISOString() ?? null, newest: newest?.toISOString() ?? null }
        print(JSON.stringify({ store: store.id, partition, purpose, retention, tenant, whole, records, ...range }))
      } else table.push([store.id, partition, tenant ?? '', retention, String(records), whole ? 'yes' : 'no'])
    }
    isDone = tell(store, report, dryRun) && isDone
  }
  if (!isJson) print(table.toString())
  if (!isDone) process.exitCode = exitCodes.input
}

interface How {
  readonly asOfMs: number
  readonly dryRun: boolean
  readonly confirmed: boolean
  readonly dataDir: string
}

function runStore(store: NamedStore, config: GatewayConfig, how: How): Promise<RetentionReport> {
  const { retentionOf, countsOf, version } = policiesOf(config)
  const { dataDir, ...options } = how
  return withStore(store, async (client, schema) => {
    const report = await runRetention(client, schema, { ...options, retentionOf, countsOf, policyVersion: version })
    if (!how.dryRun) {
      await handOverReceipts(client, schema, store.id, (receipts) => keepReceipts(dataDir, receipts))
    }
    return report
  })
}

/** The sum, on stderr. False: not all that is due was deleted. */
function tell(store: NamedStore, report: RetentionReport, dryRun: boolean): boolean {
  const { deletions, heldBack, busy, asOfMs } = report
  const records = deletions.reduce((sum, deletion) => sum + deletion.records, 0)
  const what = `${records} records ${dryRun ? 'would be' : 'were'} deleted, as of ${new Date(asOfMs).toISOString()}`
  process.stderr.write(`${store.id}: ${busy ? 'another process is at it: nothing was done' : what}\n`)
  if (heldBack) {
    process.stderr.write(
      `${store.id}: held back: the clock is more than a day ahead of the last run. Check it, then run again with --confirm.\n`,
    )
  }
  return !heldBack && !busy
}

async function showReceipts({ dataDir }: { dataDir: string }): Promise<void> {
  if (!hasReceipts(dataDir)) {
    process.stderr.write(`no receipts in ${dataDir}: nothing was deleted from here yet\n`)
    return
  }
  const { ok, problems, entries } = await verifyReceipts(dataDir)
  for await (const receipt of readReceipts(dataDir)) print(receipt)
  process.stderr.write(`${entries} receipts, ${ok ? 'all as they were signed' : 'not what was signed'}\n`)
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  if (!ok) process.exitCode = exitCodes.input
}
