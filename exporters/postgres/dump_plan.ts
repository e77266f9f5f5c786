/**
 * What a backup of a store consists of: slices of `logs`, each due at one time, and the store's own books.
 *
 * A backup must not keep what the store has to delete. So rows that are due while the backup is kept lie in slices of
 * one day, which can be removed from the backup one by one; all other rows of a partition are one slice, since the
 * backup is gone before the first of them is due. Rows that are due already are left out, unless a legal hold keeps
 * them. The promise is the shorter one of the partition's class and of today's policy, by tenant, as in retention.ts.
 */
import pg from 'pg'
import { limits } from '../../src/limits.ts'
import { compareRetention, parseRetention, type Retention, retentionEndMs } from '../../src/units.ts'
import { type RetentionOf, unlimited } from './shelves.ts'
import { tenantsOf } from './tenants.ts'

/** A part of one table. Times are Unix milliseconds. */
export interface Slice {
  /** Where the rows belong: `logs`, or one of the store's own books. */
  readonly table: string
  /** The table that they are read from: a partition of `logs`, or `table` itself. */
  readonly from: string
  /** A condition over the row `l`, without parameters. */
  readonly where: string
  /** Of `logs` only. */
  readonly leaf?: Leaf
  /** The promise that holds for these rows; undefined: none. */
  readonly retention?: string
  /** When the last of these rows must be gone from every backup; undefined: they live as long as the backup. */
  readonly expiresMs?: number
  /** A moment of the slice's last day: which key's period it belongs to. */
  readonly atMs: number
}

/** A partition, as `ensure_partition` makes it again. */
export interface Leaf {
  readonly name: string
  readonly purpose: string
  readonly retention: string
  readonly starts: Date | null
  readonly ends: Date | null
}

export interface PlanOptions {
  readonly nowMs: number
  /** When the backup itself is deleted. */
  readonly keptUntilMs: number
  readonly retentionOf: RetentionOf
}

const dayMs = 86_400_000

/** Needs an open transaction that sees one snapshot. */
export async function planDump(client: pg.ClientBase, schema: string, options: PlanOptions): Promise<Slice[]> {
  const name = pg.escapeIdentifier(schema)
  const slices: Slice[] = (await bookTables(client, schema)).map((table) => ({
    table,
    from: table,
    where: 'true',
    atMs: options.nowMs,
  }))
  const { rows: leaves } = await client.query<Leaf>(
    `SELECT name, purpose, retention, starts, ends FROM ${name}.partitions ORDER BY purpose, retention, starts, name`,
  )
  for (const leaf of leaves) slices.push(...(await leafSlices(client, name, leaf, options)))
  return slices
}

/** Every plain table of the schema but those that restoring makes by itself; roles belong to their server. */
async function bookTables(client: pg.ClientBase, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r' AND NOT relispartition
       AND relname NOT IN ('schema_version', 'partitions', 'roles') ORDER BY relname`,
    [pg.escapeIdentifier(schema)],
  )
  return rows.map(({ name }) => name)
}

/** Tenants of a leaf by the promise that holds for them: the text of a retention, '' for none. */
async function promisesOf(
  client: pg.ClientBase,
  table: string,
  leaf: Leaf,
  retentionOf: RetentionOf,
): Promise<Map<string, (string | null)[]>> {
  const ofClass = leaf.retention === unlimited ? undefined : parseRetention(leaf.retention)
  const promises = new Map<string, (string | null)[]>()
  for (const tenant of await tenantsOf(client, table)) {
    const text = retentionOf(leaf.purpose, tenant ?? '')
    const promise = shorter(ofClass, text === undefined ? undefined : parseRetention(text))?.text ?? ''
    const group = promises.get(promise)
    if (group) group.push(tenant)
    else promises.set(promise, [tenant])
  }
  return promises
}

function shorter(a: Retention | undefined, b: Retention | undefined): Retention | undefined {
  if (!a || !b) return a ?? b
  return compareRetention(b, a) < 0 ? b : a
}

async function leafSlices(client: pg.ClientBase, schema: string, leaf: Leaf, options: PlanOptions): Promise<Slice[]> {
  const table = `${schema}.${pg.escapeIdentifier(leaf.name)}`
  const promises = await promisesOf(client, table, leaf, options.retentionOf)
  if (promises.size === 0) return []
  const time = leaf.starts ? 'l.time' : 'least(l.time, l.stored)'
  const range = leaf.starts && leaf.ends ? [leaf.starts.getTime(), leaf.ends.getTime()] : await daysOf(client, table)
  const [startMs = 0, endMs = 0] = range
  return [...promises].flatMap(([promise, tenants]) => {
    const ofTenants = promises.size === 1 ? [] : [tenantCondition(tenants)]
    return promiseSlices({ leaf, schema, time, ofTenants, promise, startMs, endMs }, options)
  })
}

/** The days of the odd partition, whose rows count from the earlier of both times. */
async function daysOf(client: pg.ClientBase, table: string): Promise<[number, number]> {
  const { rows } = await client.query<{ first: Date; last: Date }>(
    `SELECT min(least(time, stored)) AS first, max(least(time, stored)) AS last FROM ${table}`,
  )
  const day = (time: Date) => Math.floor(time.getTime() / dayMs) * dayMs
  return [day(rows[0]!.first), day(rows[0]!.last) + dayMs]
}

function tenantCondition(tenants: readonly (string | null)[]): string {
  const named = tenants.filter((tenant) => tenant !== null).map((tenant) => pg.escapeLiteral(tenant))
  const parts = [
    ...(named.length > 0 ? [`l.tenant IN (${named.join(', ')})`] : []),
    ...(tenants.includes(null) ? ['l.tenant IS NULL'] : []),
  ]
  return `(${parts.join(' OR ')})`
}

interface Promised {
  readonly leaf: Leaf
  /** Quoted. */
  readonly schema: string
  /** The expression that retention counts from. */
  readonly time: string
  readonly ofTenants: readonly string[]
  readonly promise: string
  readonly startMs: number
  readonly endMs: number
}

function promiseSlices(of: Promised, { nowMs, keptUntilMs }: PlanOptions): Slice[] {
  const { leaf, time, ofTenants, promise, startMs, endMs } = of
  const slice = (fromMs: number, toMs: number, more: Partial<Slice> = {}): Slice => ({
    table: 'logs',
    from: leaf.name,
    where: [...ofTenants, `${time} >= ${instant(fromMs)}`, `${time} < ${instant(toMs)}`].join(' AND '),
    leaf,
    ...(promise !== '' && { retention: promise }),
    atMs: toMs - 1,
    ...more,
  })
  if (promise === '') return [slice(startMs, endMs)]
  const retention = parseRetention(promise)
  const dayEnd = (fromMs: number) => Math.min(fromMs + dayMs, endMs)
  const expiresMs = (fromMs: number) => retentionEndMs(dayEnd(fromMs) - 1, retention) - limits.backupExpiresEarlyMs
  const slices: Slice[] = []
  let atMs = startMs
  while (atMs < endMs && expiresMs(atMs) <= nowMs) atMs = dayEnd(atMs)
  const dueMs = atMs
  for (; atMs < endMs && expiresMs(atMs) <= keptUntilMs; atMs = dayEnd(atMs)) {
    slices.push(slice(atMs, dayEnd(atMs), { expiresMs: expiresMs(atMs) }))
  }
  if (atMs < endMs) slices.push(slice(atMs, endMs))
  if (dueMs === startMs) return slices
  const { where, retention: _, ...due } = slice(startMs, dueMs)
  // The key of a period that is over may be destroyed; held rows live as long as the backup.
  return [...slices, { ...due, where: `${where} AND ${heldCondition(of.schema, nowMs)}`, atMs: nowMs }]
}

const instant = (ms: number): string => `'${new Date(ms).toISOString()}'::timestamptz`

/** Over a row `l`. `schema` is quoted. */
const heldCondition = (schema: string, nowMs: number): string =>
  `EXISTS (SELECT FROM ${schema}.legal_holds h WHERE h.until > ${instant(nowMs)} AND h.ended IS NULL
     AND (h.tenant IS NULL OR h.tenant = l.tenant) AND (h.purpose IS NULL OR h.purpose = l.purpose)
     AND (h.subject_ref IS NULL OR h.subject_ref = l.subject_ref))`
