/** `douane query`: reads records back from a PostgreSQL store, also while the gateway runs. */
import { type Command, Option } from 'commander'
import { followStore } from '../../exporters/postgres/follow.ts'
import { csvHead, csvLine, formatTable, jsonLine } from '../../exporters/postgres/format.ts'
import { queryStore, type StoredRecord, type StoreQuery } from '../../exporters/postgres/query.ts'
import { parseWhen } from '../../exporters/postgres/record_time.ts'
import { storeColumns } from '../../exporters/postgres/where.ts'
import { ConfigError } from '../errors.ts'
import { limits } from '../limits.ts'
import { parseCondition } from '../ottl/checker.ts'
import { toSql } from '../ottl/sql.ts'
import { UnitError } from '../units.ts'
import { loadAccepted, positiveInteger, withConfig, withDataDir } from './common.ts'
import { openAudit } from './query_audit.ts'
import { storeOf } from './stores.ts'

interface QueryOptions {
  readonly config?: string[]
  readonly dataDir: string
  readonly store?: string
  readonly tenant?: string
  readonly purpose?: string
  readonly since?: string
  readonly until?: string
  readonly where?: string
  readonly traceId?: string
  readonly limit?: number
  readonly follow?: boolean
  readonly reason?: string
  readonly who?: string
  readonly format?: string
}

export function queryCommand(program: Command): void {
  const command = program
    .command('query')
    .description('read records back from a PostgreSQL store; a store has one row per record and purpose')
    .option('--store <id>', "the exporter's id, such as postgres/eu_de; may be left out where there is only one")
    .option('--tenant <tenant>', 'only records of this tenant')
    .option('--purpose <purpose>', 'only rows kept for this purpose')
    .option('--since <time>', 'from this time on: 2026-11-21T10:00:00Z, or how long ago, such as 90m or 2d')
    .option('--until <time>', 'before this time')
    .option('--trace-id <hex>', 'only records of this trace')
    .option('--where <ottl>', "an OTTL condition, such as 'log.severity_number >= SEVERITY_NUMBER_ERROR'")
    .option('--limit <rows>', 'the newest so many rows; all rows without it', positiveInteger())
    .option('--follow', 'go on with what is stored from now on; what is there already needs --since or --limit')
    .option('--reason <text>', 'why, for the access audit')
    .option('--who <name>', 'who reads, where the system user is not the person; the system user is logged too')
    .addOption(
      new Option('--format <format>', 'how it is printed; json is one object a line, --follow has no table')
        .choices(Object.keys(writers))
        .default(undefined, 'table on a terminal, otherwise json'),
    )
  withDataDir(withConfig(command)).action(query)
}

async function query(options: QueryOptions): Promise<void> {
  const allowed = Object.keys(writers).filter((name) => !(options.follow && name === 'table'))
  const format = options.format ?? (process.stdout.isTTY && !options.follow ? 'table' : 'json')
  if (!allowed.includes(format)) {
    throw new ConfigError(`--format ${format} is not known here`, [], `Allowed: ${allowed.join(', ')}.`)
  }
  const config = loadAccepted(options.config)
  const store = storeOf(config, options.dataDir, options.store)
  const which = queryOf(options)
  const audit = await openAudit(store.id, options)
  try {
    const stopped = new AbortController()
    if (options.follow) for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopped.abort())
    const found = options.follow ? followStore(store, which, stopped.signal) : queryStore(store, which)
    await writers[format]!(audit.counted(found))
  } finally {
    await audit.end()
  }
}

type Rows = AsyncIterable<StoredRecord>

const writers: Record<string, (rows: Rows) => Promise<void>> = {
  json: async (rows) => {
    for await (const row of rows) await put(jsonLine(row))
  },
  csv: async (rows) => {
    await put(csvHead, '\r\n')
    for await (const row of rows) await put(csvLine(row), '\r\n')
  },
  table: async (rows) => {
    let page: StoredRecord[] = []
    for await (const row of rows) {
      page.push(row)
      if (page.length < limits.queryTablePageRows) continue
      await put(formatTable(page))
      page = []
    }
    if (page.length > 0) await put(formatTable(page))
  },
}

async function put(text: string, end = '\n'): Promise<void> {
  if (!process.stdout.write(text + end)) await new Promise((resolve) => process.stdout.once('drain', resolve))
}

function queryOf(options: QueryOptions): StoreQuery {
  const { tenant, purpose, traceId, limit } = options
  const since = when('--since', options.since)
  const until = when('--until', options.until)
  const where = options.where === undefined ? undefined : toSql(parseCondition(options.where), storeColumns)
  if (traceId !== undefined && !/^[0-9a-f]{32}$/i.test(traceId))
    throw new ConfigError('--trace-id has not 32 hex digits')
  return {
    ...(tenant !== undefined && { tenant }),
    ...(purpose !== undefined && { purpose }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    ...(traceId !== undefined && { traceId: traceId.toLowerCase() }),
    ...(where !== undefined && { where }),
    ...(limit !== undefined && { limit }),
  }
}

function when(option: string, text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined
  try {
    return parseWhen(text, Date.now())
  } catch (error) {
    if (error instanceof UnitError) throw new ConfigError(`${option}: ${error.message}`)
    throw error
  }
}
