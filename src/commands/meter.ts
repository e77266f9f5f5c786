/** `douane meter`: how many records of each event a tenant had, for invoices and limits. */
import Table from 'cli-table3'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { logAdmin } from '../../exporters/postgres/roles.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import { readUsage, type Usage } from '../../exporters/postgres/usage.ts'
import { ConfigError } from '../errors.ts'
import { loadAccepted, withConfig, withDataDir, withFormat } from './common.ts'
import { storesOf } from './stores.ts'

interface Flags {
  readonly config?: string[]
  readonly dataDir: string
  readonly store?: string
  readonly tenant?: string
  readonly purpose?: string
  readonly event?: string
  readonly month?: string
  readonly since?: string
  readonly until?: string
  readonly by: 'day' | 'month'
  readonly as: string
  readonly format: string
}

export function meterCommand(program: Command): void {
  const meter = program
    .command('meter')
    .description('counts of records by tenant, purpose and event: for invoices; also of records that are deleted')
    .option('--store <id>', "only this store, by the exporter's id")
    .option('--tenant <tenant>', 'only this tenant')
    .option('--purpose <purpose>', 'only rows kept for this purpose, such as billing')
    .option('--event <name>', 'only this event')
    .option('--month <month>', 'only this month, such as 2026-11', monthOf)
    .option('--since <day>', 'from this day on, such as 2026-11-21', dayOf)
    .option('--until <day>', 'before this day', dayOf)
    .addOption(new Option('--by <period>', 'one line a month, or a day').choices(['month', 'day']).default('month'))
    .option('--as <reader>', 'with the rights of this reader of `store roles`', logAdmin)
  withFormat(withDataDir(withConfig(meter)), ['table', 'json', 'csv']).action(show)
}

async function show(flags: Flags): Promise<void> {
  const { tenant, purpose, event, by } = flags
  const query = { by, ...(tenant && { tenant }), ...(purpose && { purpose }), ...(event && { event }), ...range(flags) }
  const found: (readonly [string, Usage])[] = []
  for (const store of storesOf(loadAccepted(flags.config), flags.dataDir, flags.store)) {
    const usage = await withStore(store, (client, schema) => readUsage(client, schema, query), flags.as)
    for (const each of usage) found.push([store.id, each])
  }
  process.stdout.write(writers[flags.format]!(found))
}

/** Days of a month, or those that are given. Throws `ConfigError`. */
function range({ month, since, until }: Flags): { since?: string; until?: string } {
  if (month !== undefined && (since ?? until) !== undefined) {
    throw new ConfigError('--month goes with neither --since nor --until')
  }
  if (month === undefined) return { ...(since && { since }), ...(until && { until }) }
  const next = new Date(`${month}-01T00:00:00Z`)
  next.setUTCMonth(next.getUTCMonth() + 1)
  return { since: `${month}-01`, until: next.toISOString().slice(0, 10) }
}

function dayOf(text: string): string {
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? new Date(`${text}T00:00:00Z`) : undefined
  if (day && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)) return text
  throw new InvalidArgumentError('It is a day such as 2026-11-21.')
}

function monthOf(text: string): string {
  if (/^\d{4}-(0[1-9]|1[0-2])$/.test(text)) return text
  throw new InvalidArgumentError('It is a month such as 2026-11.')
}

const columns = ['store', 'period', 'tenant', 'purpose', 'event', 'records'] as const
type Lines = readonly (readonly [string, Usage])[]

const writers: Record<string, (lines: Lines) => string> = {
  json: (lines) => lines.map(([store, usage]) => `${JSON.stringify({ store, ...usage })}\n`).join(''),
  csv: (lines) => [columns.join(','), ...lines.map(csvLine), ''].join('\r\n'),
  table: (lines) => {
    const table = new Table({ head: [...columns], style: { head: [], border: [] } })
    for (const line of lines) table.push(cells(line).map(plain))
    return `${table}\n`
  },
}

const cells = ([store, { period, tenant, purpose, event, records }]: Lines[number]): string[] => [
  store,
  period,
  tenant,
  purpose,
  event,
  String(records),
]
/** As in `query --format csv`: what a sender wrote is no formula. */
const csvLine = (line: Lines[number]): string =>
  cells(line)
    .map((cell) => (/^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell))
    .map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(',')
const plain = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\u{FFFD}')
