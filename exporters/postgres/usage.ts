/**
 * What is counted for invoices and limits: records by day, tenant, purpose and event, with no content.
 *
 * Each batch adds its counts in the transaction that stores its rows, so they are exact: a batch that comes again adds
 * nothing. The nightly run moves them into one row a day. They stay when the rows that they count are deleted, for as
 * long as the policy keeps counts of that purpose, and otherwise as long as the rows.
 */
import pg from 'pg'
import { dayAround, dayName } from '../../src/calendar.ts'
import { compareRetention, parseRetention } from '../../src/units.ts'
import { firstKeptMs } from './due.ts'
import { type RetentionOf, unlimited } from './shelves.ts'
import { escapeText, unescapeText } from './stored_json.ts'

type Client = pg.Client | pg.PoolClient

export interface UsageQuery {
  readonly tenant?: string
  readonly purpose?: string
  readonly event?: string
  /** `2026-11-21`; `since` is included, `until` is not. */
  readonly since?: string
  readonly until?: string
  readonly by: 'day' | 'month'
}

export interface Usage {
  /** `2026-11-21`, or `2026-11`. */
  readonly period: string
  readonly tenant: string
  readonly purpose: string
  readonly event: string
  readonly records: number
}

/** Counts by period, tenant, purpose and event, in that order. */
export async function readUsage(client: Client, schema: string, query: UsageQuery): Promise<Usage[]> {
  const params: unknown[] = [query.by === 'day' ? 'YYYY-MM-DD' : 'YYYY-MM']
  const conditions: string[] = []
  const add = (condition: string, value: string | undefined) => {
    if (value !== undefined) conditions.push(condition.replace('?', `$${params.push(value)}`))
  }
  add('tenant = ?', query.tenant && escapeText(query.tenant))
  add('purpose = ?', query.purpose && escapeText(query.purpose))
  add('event_name = ?', query.event && escapeText(query.event))
  add('day >= ?::date', query.since)
  add('day < ?::date', query.until)
  const { rows } = await client.query<Record<keyof Usage, string>>(
    `SELECT to_char(day, $1) AS period, tenant, purpose, event_name AS event, sum(records)::text AS records
     FROM ${pg.escapeIdentifier(schema)}.usage ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`,
    params,
  )
  return rows.map(({ period, tenant, purpose, event, records }) => ({
    period,
    tenant: unescapeText(tenant),
    purpose: unescapeText(purpose),
    event: unescapeText(event),
    records: Number(records),
  }))
}

/** Moves what batches added into one row a day. `schema` is quoted. */
export async function rollUp(client: Client, schema: string): Promise<void> {
  await client.query(
    `WITH moved AS (DELETE FROM ${schema}.usage_added RETURNING *)
     INSERT INTO ${schema}.usage_daily
     SELECT day, tenant, purpose, retention, event_name, sum(records) FROM moved GROUP BY 1, 2, 3, 4, 5
     ON CONFLICT (tenant, day, purpose, event_name, retention)
     DO UPDATE SET records = usage_daily.records + excluded.records`,
  )
}

interface Rules {
  readonly retentionOf: RetentionOf
  readonly countsOf?: (purpose: string) => string | undefined
}

/** Counts that were deleted: so many lines of `usage_daily`, of these days. */
export interface EndedCounts {
  readonly purpose: string
  readonly tenant: string
  readonly retention: string
  readonly lines: number
  readonly oldest: Date
  readonly newest: Date
}

/**
 * Deletes counts whose time is over: a day's counts are due with the last record of the day. `schema` is quoted; to be
 * called in a transaction, with what makes the receipts.
 */
export async function expireCounts(
  client: Client,
  schema: string,
  asOfMs: number,
  rules: Rules,
): Promise<EndedCounts[]> {
  const { rows: kinds } = await client.query<{ tenant: string; purpose: string; retention: string }>(
    `SELECT DISTINCT tenant, purpose, retention FROM ${schema}.usage_daily`,
  )
  const ended: EndedCounts[] = []
  for (const { tenant, purpose, retention } of kinds) {
    const promise = promiseOf(unescapeText(purpose), unescapeText(tenant), retention, rules)
    if (promise === undefined) continue
    const period = parseRetention(promise)
    const firstDay = dayName(dayAround(firstKeptMs(period, asOfMs), period.zone))
    const { rows } = await client.query<{ lines: number; oldest: Date; newest: Date }>(
      `WITH gone AS (DELETE FROM ${schema}.usage_daily
         WHERE tenant = $1 AND purpose = $2 AND retention = $3 AND day < $4::date RETURNING day)
       SELECT count(*)::int AS lines, min(day)::timestamp AT TIME ZONE 'UTC' AS oldest,
         max(day)::timestamp AT TIME ZONE 'UTC' AS newest FROM gone`,
      [tenant, purpose, retention, firstDay],
    )
    if (rows[0]!.lines > 0) ended.push({ purpose, tenant, retention: promise, ...rows[0]! })
  }
  return ended
}

/** What the policy says of counts; without that, the shorter of the rows' promise and of today's. */
function promiseOf(purpose: string, tenant: string, stored: string, rules: Rules): string | undefined {
  const counts = rules.countsOf?.(purpose)
  if (counts !== undefined) return counts
  const current = rules.retentionOf(purpose, tenant)
  if (stored === unlimited || current === undefined) return stored === unlimited ? current : stored
  return compareRetention(parseRetention(current), parseRetention(stored)) < 0 ? current : stored
}
