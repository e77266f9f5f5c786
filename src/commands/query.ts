/** `douane query`: reads records back from a PostgreSQL store, also while the gateway runs. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { followStore } from '../../exporters/postgres/follow.ts'
import { csvHead, csvLine, formatTable, jsonLine, parseLine } from '../../exporters/postgres/format.ts'
import { otlpLines } from '../../exporters/postgres/otlp_lines.ts'
import { queryRows, queryStore, type StoredRecord, type StoreQuery } from '../../exporters/postgres/query.ts'
import { storeColumns } from '../../exporters/postgres/where.ts'
import { ConfigError } from '../errors.ts'
import { decryptStream } from '../keys/decrypt.ts'
import { limits } from '../limits.ts'
import { parseCondition } from '../ottl/checker.ts'
import { toSql } from '../ottl/sql.ts'
import { loadAccepted, moment, positiveInteger, withConfig, withDataDir } from './common.ts'
import { collectKeysFolder, keyOptions, keysDirOf } from './key_place.ts'
import { openAudit } from './query_audit.ts'
import { storeOf } from './stores.ts'

interface QueryOptions {
  readonly config?: string[]
  readonly dataDir: string
  readonly store?: string
  readonly tenant?: string
  readonly purpose?: string
  readonly since?: bigint
  readonly until?: bigint
  readonly where?: string
  readonly traceId?: string
  readonly subject?: string
  readonly limit?: number
  readonly follow?: boolean
  readonly as?: string
  readonly decrypt?: boolean
  readonly gatewayKeys?: readonly string[]
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
    .option('--since <time>', 'from this time on: 2026-11-21T10:00:00Z, or how long ago, such as 90m or 2d', moment)
    .option('--until <time>', 'before this time', moment)
    .option('--trace-id <hex>', 'only records of this trace', traceIdOf)
    .option('--subject <ref>', 'only records about this person, by the reference that `subject find` tells')
    .option('--where <ottl>', "an OTTL condition, such as 'log.severity_number >= SEVERITY_NUMBER_ERROR'")
    .option('--limit <rows>', 'the newest so many rows; all rows without it', positiveInteger())
    .option('--follow', 'go on with what is stored from now on; what is there already needs --since or --limit')
    .option('--as <reader>', 'with the rights of this reader of `store roles`; without it, of log_admin')
    .option('--decrypt', 'open sealed values, with the keys of this data directory; needs --reason')
    .option('--gateway-keys <folder>', "for --decrypt: a gateway's keys folder too; may be repeated", collectKeysFolder)
    .option('--reason <text>', 'why, for the access audit')
    .option('--who <name>', 'who reads, where the system user is not the person; the system user is logged too')
    .addOption(
      new Option('--format <format>', 'how it is printed; json is one object a line, otlp one OTLP/JSON request a line')
        .choices([...Object.keys(writers), 'otlp'])
        .default(undefined, 'table on a terminal, otherwise json'),
    )
  withDataDir(withConfig(command)).action(query)
}

async function query(options: QueryOptions): Promise<void> {
  const format = formatOf(options)
  const { decrypt = false, reason = '' } = options
  if (decrypt && reason === '') throw new ConfigError('--decrypt needs a reason', [], 'Give it with --reason.')
  checkTimes(options)
  const config = loadAccepted(options.config)
  const store = storeOf(config, options.dataDir, options.store)
  const which = queryOf(options)
  // What opens sealed values is looked for before anything is read.
  const keys = decrypt ? await keyOptions(options) : undefined
  const audit = await openAudit(store.id, options)
  try {
    if (format === 'otlp') {
      for await (const line of otlpLines(audit.counted(queryRows(store, which, options.as)))) await put(line)
      return
    }
    const stopped = new AbortController()
    if (options.follow) for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopped.abort())
    const found = options.follow
      ? followStore(store, which, stopped.signal, options.as)
      : queryStore(store, which, options.as)
    const counted = audit.counted(found)
    await writers[format]!(keys === undefined ? counted : opened(counted, { ...options, ...keys, reason }))
  } finally {
    await audit.end()
  }
}

/** Throws `ConfigError` for times between which nothing can be. */
function checkTimes({ since, until, follow = false }: QueryOptions): void {
  if (follow && until !== undefined) {
    throw new ConfigError('--follow goes on without an end', [], 'Leave --until out, or --follow.')
  }
  if (since !== undefined && until !== undefined && since >= until) {
    throw new ConfigError('--since is not before --until', [], 'Records from --since on and before --until are shown.')
  }
}

/** Throws `ConfigError` for a format that does not go with the other options. */
function formatOf({ format, follow = false, decrypt = false }: QueryOptions): string {
  const given = format ?? (process.stdout.isTTY && !follow ? 'table' : 'json')
  // Following a table, nobody would know its widths; OTLP is what is stored, sealed as it is.
  const allowed = [...(follow ? ['json', 'csv'] : Object.keys(writers)), ...(follow || decrypt ? [] : ['otlp'])]
  if (allowed.includes(given)) return given
  throw new ConfigError(`--format ${given} is not known here`, [], `Allowed: ${allowed.join(', ')}.`)
}

type Opening = QueryOptions & Awaited<ReturnType<typeof keyOptions>> & { readonly reason: string }

/** The rows with their sealed values opened; what is opened is written into the access audit first. */
async function* opened(rows: Rows, options: Opening): AsyncGenerator<StoredRecord, void, void> {
  const lines = (async function* () {
    for await (const row of rows) yield jsonLine(row)
  })()
  const { gatewayKeys: gateways = [], who, reason, ...keys } = options
  const how = { ...keys, dir: keysDirOf(options), reason, gateways, ...(who !== undefined && { who }) }
  for await (const line of decryptStream(lines, how)) yield parseLine(line)
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
  const { tenant, purpose, since, until, traceId, subject, limit } = options
  const where = options.where === undefined ? undefined : toSql(parseCondition(options.where), storeColumns)
  return {
    ...(tenant !== undefined && { tenant }),
    ...(purpose !== undefined && { purpose }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    ...(traceId !== undefined && { traceId }),
    ...(subject !== undefined && { subject }),
    ...(where !== undefined && { where }),
    ...(limit !== undefined && { limit }),
  }
}

function traceIdOf(text: string): string {
  if (!/^[0-9a-f]{32}$/i.test(text)) throw new InvalidArgumentError('It has 32 hex digits.')
  return text.toLowerCase()
}
