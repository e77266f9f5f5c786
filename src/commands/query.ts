/** `douane query`: reads records back from a PostgreSQL store, also while the gateway runs. */
import { join } from 'node:path'
import type { Command } from 'commander'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import { formatTable, jsonLine } from '../../exporters/postgres/format.ts'
import type { StoreOptions } from '../../exporters/postgres/options.ts'
import { queryStore, type StoredRecord, type StoreQuery } from '../../exporters/postgres/query.ts'
import { parseWhen } from '../../exporters/postgres/record_time.ts'
import { storeColumns } from '../../exporters/postgres/where.ts'
import { ConfigError } from '../errors.ts'
import { limits } from '../limits.ts'
import { parseCondition } from '../ottl/checker.ts'
import { toSql } from '../ottl/sql.ts'
import { UnitError } from '../units.ts'
import { loadAccepted, withConfig, withDataDir } from './common.ts'

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
  readonly limit?: string
  readonly format: string
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
    .option('--limit <rows>', 'the newest so many rows; all rows without it')
    .option('--format <format>', 'table or json (one object a line)', process.stdout.isTTY ? 'table' : 'json')
  withDataDir(withConfig(command)).action(query)
}

async function query(options: QueryOptions): Promise<void> {
  const config = loadAccepted(options.config)
  const store = { options: storeOf(config, options.store), folder: join(options.dataDir, 'postgres') }
  const rows = queryStore(store, queryOf(options))
  if (options.format === 'json') {
    for await (const row of rows) {
      if (!process.stdout.write(`${jsonLine(row)}\n`))
        await new Promise((resolve) => process.stdout.once('drain', resolve))
    }
    return
  }
  if (options.format !== 'table')
    throw new ConfigError(`--format ${options.format} is not known`, [], 'Allowed: table, json.')
  let page: StoredRecord[] = []
  for await (const row of rows) {
    page.push(row)
    if (page.length < limits.queryTablePageRows) continue
    process.stdout.write(`${formatTable(page)}\n`)
    page = []
  }
  process.stdout.write(page.length > 0 ? `${formatTable(page)}\n` : '')
}

function storeOf(config: GatewayConfig, id: string | undefined): StoreOptions {
  const stores = [...config.exporters.values()].filter(({ component }) => component.name === 'postgres')
  const known = stores.map((section) => section.id).join(', ') || 'none'
  const found = id === undefined && stores.length === 1 ? stores[0] : stores.find((section) => section.id === id)
  if (found === undefined) {
    const what =
      id === undefined ? 'several PostgreSQL stores are configured' : `no PostgreSQL store ${id} is configured`
    throw new ConfigError(what, [], `Name one with --store: ${known}.`)
  }
  return found.options as StoreOptions
}

function queryOf(options: QueryOptions): StoreQuery {
  const { tenant, purpose, traceId } = options
  const since = when('--since', options.since)
  const until = when('--until', options.until)
  const where = options.where === undefined ? undefined : toSql(parseCondition(options.where), storeColumns)
  const limit = options.limit === undefined ? undefined : Number(options.limit)
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0))
    throw new ConfigError('--limit is not a number of rows')
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
