/**
 * What a store holds by purpose and retention: the oldest record, what is deleted next, the size, and whether anything
 * is still there more than a day after it should have been deleted.
 */
import pg from 'pg'
import { compareRetention, parseRetention, type Retention, retentionEndMs } from '../../src/units.ts'
import { runRetention } from './retention.ts'
import { type RetentionOf, unlimited } from './shelves.ts'

export interface ClassStatus {
  readonly purpose: string
  /** What was promised when its records were stored; `unlimited`: nothing was. */
  readonly retention: string
  readonly bytes: number
  readonly partitions: number
  readonly oldest: Date | null
  /** When the first of its records is due; null: never, or it is empty. */
  readonly nextDeletion: Date | null
  /** Records that were due more than a day ago and that no legal hold keeps. */
  readonly overdue: number
}

export interface StoreStatus {
  readonly classes: readonly ClassStatus[]
  /** The last run that was no trial. */
  readonly lastRun: { readonly asOf: Date; readonly heldBack: boolean } | null
  readonly holds: number
}

interface Leaf {
  readonly name: string
  readonly purpose: string
  readonly retention: string
  readonly far: boolean
  readonly bytes: number
}

const dayMs = 86_400_000

export async function retentionStatus(
  client: pg.Client,
  schema: string,
  retentionOf: RetentionOf,
  nowMs: number,
): Promise<StoreStatus> {
  const name = pg.escapeIdentifier(schema)
  const { rows: leaves } = await client.query<Leaf>(
    `SELECT name, purpose, retention, starts IS NULL AS far,
       pg_total_relation_size(format('%I.%I', $1::text, name)::regclass)::float8 AS bytes
     FROM ${name}.partitions ORDER BY purpose, retention, starts`,
    [schema],
  )
  // What a run a day ago would have deleted and that is still there is what outlives its promise.
  const { deletions } = await runRetention(client, schema, {
    asOfMs: nowMs - dayMs,
    retentionOf,
    dryRun: true,
    confirmed: true,
  })
  const overdue = new Map<string, number>()
  for (const { partition, records } of deletions) overdue.set(partition, (overdue.get(partition) ?? 0) + records)
  const classes: ClassStatus[] = []
  for (const group of Map.groupBy(leaves, ({ purpose, retention }) => `${purpose}\0${retention}`).values()) {
    const { purpose, retention } = group[0]!
    classes.push({
      purpose,
      retention,
      bytes: group.reduce((sum, { bytes }) => sum + bytes, 0),
      partitions: group.length,
      ...(await timesOf(client, name, group, retentionOf)),
      overdue: group.reduce((sum, leaf) => sum + (overdue.get(leaf.name) ?? 0), 0),
    })
  }
  const { rows: runs } = await client.query(
    `SELECT as_of AS "asOf", held_back AS "heldBack" FROM ${name}.retention_runs ORDER BY id DESC LIMIT 1`,
  )
  const { rows: holds } = await client.query(
    `SELECT count(*)::int AS holds FROM ${name}.legal_holds WHERE ended IS NULL AND until > $1`,
    [new Date(nowMs)],
  )
  return { classes, lastRun: runs[0] ?? null, holds: holds[0].holds }
}

/** By tenant, since a tenant's promise of today may be shorter than its class. */
async function timesOf(
  client: pg.Client,
  schema: string,
  leaves: readonly Leaf[],
  retentionOf: RetentionOf,
): Promise<Pick<ClassStatus, 'oldest' | 'nextDeletion'>> {
  const { purpose, retention } = leaves[0]!
  const stored = retention === unlimited ? undefined : parseRetention(retention)
  const oldest = new Map<string, number>()
  let oldestMs = Number.POSITIVE_INFINITY
  for (const { name, far } of leaves) {
    const time = far ? 'least(time, stored)' : 'time'
    const { rows } = await client.query<{ tenant: string | null; time: Date }>(
      `SELECT tenant, min(${time}) AS time FROM ${schema}.${pg.escapeIdentifier(name)} GROUP BY tenant`,
    )
    for (const row of rows) {
      const tenant = row.tenant ?? ''
      oldest.set(tenant, Math.min(oldest.get(tenant) ?? Number.POSITIVE_INFINITY, row.time.getTime()))
      oldestMs = Math.min(oldestMs, row.time.getTime())
    }
  }
  let nextMs = Number.POSITIVE_INFINITY
  for (const [tenant, fromMs] of oldest) {
    const promise = shorter(stored, retentionOf(purpose, tenant))
    if (promise) nextMs = Math.min(nextMs, retentionEndMs(fromMs, promise))
  }
  const date = (ms: number) => (Number.isFinite(ms) ? new Date(ms) : null)
  return { oldest: date(oldestMs), nextDeletion: date(nextMs) }
}

function shorter(stored: Retention | undefined, text: string | undefined): Retention | undefined {
  const current = text === undefined ? undefined : parseRetention(text)
  if (!stored || !current) return stored ?? current
  return compareRetention(current, stored) < 0 ? current : stored
}
