/**
 * Reads records back from a store, oldest first, in bounded memory: a cursor in one read-only snapshot, fetched in
 * portions whose size follows the size of the rows.
 *
 * With a limit, the newest so many are shown, still oldest first.
 */
import pg from 'pg'
import { limits } from '../../src/limits.ts'
import { untagged } from './place.ts'
import { formatNanos } from './record_time.ts'
import { logAdmin } from './roles.ts'
import { openSession, type StorePlace, sessionError } from './session.ts'
import { fromStoredJson, type PlainValue, unescapeText } from './stored_json.ts'

/** Which records. Everything left out does not restrict. */
export interface StoreQuery {
  readonly tenant?: string
  readonly purpose?: string
  /** Unix nanoseconds; `since` is included, `until` is not. */
  readonly since?: bigint
  readonly until?: bigint
  /** 32 and 16 hex digits. */
  readonly traceId?: string
  readonly subject?: string
  /** A condition over the columns of `logs`; `$1`… are its own `params`. */
  readonly where?: { readonly text: string; readonly params: readonly unknown[] }
  readonly limit?: number
}

/** A record as `query` shows it. Keys that have no value are null, so that every line has the same keys. */
export interface StoredRecord {
  /** RFC 3339 with nanoseconds. */
  time: string
  /** Decimal text, as OTLP/JSON writes it; "0" where the record had no time. */
  time_unix_nano: string
  observed_time_unix_nano: string | null
  tenant: string | null
  region: string | null
  purpose: string
  retention: string
  severity_number: number
  severity_text: string | null
  event_name: string | null
  body: PlainValue
  service_name: string | null
  trace_id: string | null
  span_id: string | null
  flags: number
  attributes: Record<string, PlainValue>
  dropped_attributes_count: number
  resource: Record<string, PlainValue>
  resource_schema_url: string | null
  scope: Record<string, PlainValue> | null
}

/** Microseconds since 1970; PostgreSQL counts in microseconds, so this is exact. */
const micros = (column: string) => `(extract(epoch FROM ${column}) * 1000000)::int8`

export const selected = `
  ${micros('time')} AS time_micros, time_nanos, ${micros('observed')} AS observed_micros, observed_nanos,
  tenant, region, purpose, retention, severity_number, severity_text, event_name, body, body_json::text AS body_json,
  service_name, encode(trace_id, 'hex') AS trace_id, encode(span_id, 'hex') AS span_id, flags, subject_ref,
  attributes::text AS attributes, dropped_attributes, resource::text AS resource, resource_schema_url,
  scope::text AS scope`

type Text = string | null
/** A row as it is selected. */
export interface Row {
  readonly time_micros: string
  readonly time_nanos: number
  readonly observed_micros: Text
  readonly observed_nanos: number | null
  readonly tenant: Text
  readonly region: Text
  readonly purpose: string
  readonly retention: string
  readonly severity_number: number
  readonly severity_text: Text
  readonly event_name: Text
  readonly body: Text
  readonly body_json: Text
  readonly service_name: Text
  readonly trace_id: Text
  readonly span_id: Text
  readonly flags: number | null
  readonly subject_ref: Text
  readonly attributes: string
  readonly dropped_attributes: number | null
  readonly resource: string
  readonly resource_schema_url: Text
  readonly scope: Text
}

/** Reads a store of the configuration as `reader` (see `openSession`). Throws `DependencyError`. */
export async function* queryStore(
  store: StorePlace,
  query: StoreQuery,
  reader = logAdmin,
): AsyncGenerator<StoredRecord, void, void> {
  for await (const row of queryRows(store, query, reader)) yield toRecord(row)
}

/** The same as rows, whose values still have their kinds. */
export async function* queryRows(
  store: StorePlace,
  query: StoreQuery,
  reader = logAdmin,
): AsyncGenerator<Row, void, void> {
  const session = await openSession(store, reader)
  try {
    yield* readRows(session.client, store.options.schema, query)
  } catch (error) {
    throw sessionError(error)
  } finally {
    await session.close()
  }
}

/** Reads through a connection of the caller's, whose rights then decide what is seen. */
export async function* readRows(client: pg.Client, schema: string, query: StoreQuery): AsyncGenerator<Row, void, void> {
  const { text, params } = selectStatement(pg.escapeIdentifier(schema), query)
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  yield* fetchRows<Row>(client, text, params)
  await client.query('COMMIT')
}

/** The rows of a statement, in portions. Needs an open transaction. */
export async function* fetchRows<Each extends object>(
  client: pg.Client,
  text: string,
  params: readonly unknown[],
): AsyncGenerator<Each, void, void> {
  await client.query(`DECLARE found NO SCROLL CURSOR FOR ${text}`, [...params])
  let portion: number = limits.queryRowsFirst
  for (;;) {
    const { rows } = await client.query<Each>(`FETCH ${portion} FROM found`)
    let units = 0
    for (const row of rows) {
      for (const cell of Object.values(row)) units += typeof cell === 'string' ? cell.length : 1
      yield row
    }
    if (rows.length < portion) break
    portion = Math.max(1, Math.min(limits.queryRowsMax, Math.floor(limits.queryPortionUnits / (units / rows.length))))
  }
  await client.query('CLOSE found')
}

/** `SELECT … FROM logs WHERE …` for a query's conditions, and its parameters. `schema` is quoted. */
function selectStatement(schema: string, query: StoreQuery): { text: string; params: unknown[] } {
  const params: unknown[] = []
  const conditions = conditionsOf(query, params)
  const from = `FROM ${schema}.logs ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}`
  if (query.limit === undefined) return { text: `SELECT ${selected} ${from} ORDER BY time, time_nanos`, params }
  const newest = `SELECT * ${from} ORDER BY time DESC, time_nanos DESC LIMIT $${params.push(query.limit)}`
  return { text: `SELECT ${selected} FROM (${newest}) newest ORDER BY time, time_nanos`, params }
}

/** Fills `params`, which must be empty: a condition's own come first. */
export function conditionsOf(query: StoreQuery, params: unknown[]): string[] {
  params.push(...(query.where?.params ?? []))
  const parameter = (value: unknown): string => `$${params.push(value)}`
  const conditions: string[] = query.where ? [`(${query.where.text})`] : []
  const { tenant, purpose, since, until, traceId, subject } = query
  if (tenant !== undefined) conditions.push(tenant === '' ? 'tenant IS NULL' : `tenant = ${parameter(tenant)}`)
  if (purpose !== undefined) conditions.push(`purpose = ${parameter(purpose)}`)
  if (traceId !== undefined) conditions.push(`trace_id = decode(${parameter(traceId)}, 'hex')`)
  if (subject !== undefined) conditions.push(`subject_ref = ${parameter(subject)}`)
  // The plain comparison of `time` comes first: it is what leaves partitions out.
  const instant = (nanos: bigint) => `${parameter(formatNanos(nanos - (nanos % 1000n)))}::timestamptz`
  if (since !== undefined) {
    const time = instant(since)
    conditions.push(`time >= ${time} AND (time > ${time} OR time_nanos >= ${parameter(Number(since % 1000n))})`)
  }
  if (until !== undefined) {
    const time = instant(until)
    conditions.push(`time <= ${time} AND (time < ${time} OR time_nanos < ${parameter(Number(until % 1000n))})`)
  }
  return conditions
}

export function toRecord(row: Row): StoredRecord {
  const time = BigInt(row.time_micros) * 1000n + BigInt(Math.max(row.time_nanos, 0))
  const observed = row.observed_micros === null ? null : BigInt(row.observed_micros) * 1000n
  return {
    time: formatNanos(time),
    time_unix_nano: row.time_nanos < 0 ? '0' : String(time),
    observed_time_unix_nano: observed === null ? null : String(observed + BigInt(row.observed_nanos ?? 0)),
    tenant: text(row.tenant),
    region: text(row.region),
    purpose: unescapeText(row.purpose),
    retention: row.retention,
    severity_number: row.severity_number,
    severity_text: text(row.severity_text),
    event_name: text(row.event_name),
    body: row.body_json === null ? text(row.body) : fromStoredJson(row.body_json),
    service_name: text(row.service_name),
    trace_id: row.trace_id,
    span_id: row.span_id,
    flags: (row.flags ?? 0) >>> 0,
    attributes: { ...map(row.attributes), ...ownAttributes(row) },
    dropped_attributes_count: (row.dropped_attributes ?? 0) >>> 0,
    resource: map(row.resource),
    resource_schema_url: text(row.resource_schema_url),
    scope: row.scope === null ? null : map(row.scope),
  }
}

const text = (stored: Text): Text => stored && unescapeText(stored)
const map = (stored: string) => fromStoredJson(stored) as Record<string, PlainValue>

/** The attributes that became columns: the record is shown with all that it had. */
function ownAttributes({ purpose, tenant, region, subject_ref }: Row): Record<string, PlainValue> {
  return {
    ...(purpose !== untagged && { 'douane.purpose': [unescapeText(purpose)] }),
    ...(tenant !== null && { 'douane.tenant': unescapeText(tenant) }),
    ...(region !== null && { 'douane.region': unescapeText(region) }),
    ...(subject_ref !== null && { 'douane.subject_ref': unescapeText(subject_ref) }),
  }
}
