/**
 * Deletes what has been kept for as long as was promised, and nothing before.
 *
 * Retention counts from a record's time, in calendar months where it is written in months. A partition whose
 * last record is due is dropped. In a partition of a month, the days that are due are deleted row by row, so that
 * nothing stays more than a day too long (where this runs daily). Records in `other` have times that are far off: there
 * the earlier of the record's time and the time of storing counts.
 *
 * The promise is the shorter of the two: the one that held when the record was stored (the column `retention`) and the
 * one of today's policy. So a policy that is made longer keeps nothing longer, and one that is made shorter works at
 * once, for one tenant too.
 *
 * A clock that jumps must not delete early. So a run goes at most a day further than the one before; if the clock asks
 * for more, it stays there until the clock comes back or somebody confirms. Legal holds keep their rows.
 */
import pg from 'pg'
import { limits } from '../../src/limits.ts'
import { compareRetention, parseRetention, type Retention } from '../../src/units.ts'
import { type DueRange, dueRanges, lastEndMs } from './due.ts'
import { type RetentionOf, unlimited } from './shelves.ts'
import { tenantsOf } from './tenants.ts'
import { expireCounts, rollUp } from './usage.ts'

export interface RetentionOptions {
  readonly asOfMs: number
  /** Today's policy. */
  readonly retentionOf: RetentionOf
  /** How long it keeps daily counts of a purpose's records, where it says so. */
  readonly countsOf?: (purpose: string) => string | undefined
  /** Its version, for the receipts. */
  readonly policyVersion?: string
  /** Only tells what would be deleted. */
  readonly dryRun?: boolean
  /** Somebody has checked the clock. */
  readonly confirmed?: boolean
  /** Ends the run between two partitions. The next run goes on from there. */
  readonly signal?: AbortSignal
}

/** What was deleted (or would be). receipts.ts makes a receipt of it. */
export interface Deletion {
  readonly partition: string
  readonly purpose: string
  readonly retention: string
  readonly tenant: string | null
  /** The partition as a whole. */
  readonly whole: boolean
  readonly records: number
  readonly oldest: Date | null
  readonly newest: Date | null
}

export interface RetentionReport {
  /** The time that was counted to; earlier than asked for if `heldBack`. */
  readonly asOfMs: number
  readonly heldBack: boolean
  readonly deletions: readonly Deletion[]
  /** Another process is at it: nothing was done. */
  readonly busy: boolean
}

interface Leaf {
  readonly name: string
  readonly purpose: string
  readonly retention: string
  readonly starts: Date | null
  readonly ends: Date | null
}

const dayMs = 86_400_000
/** A nightly run is rarely exactly a day after the last one. */
const stepMsMax = dayMs + 2 * 3_600_000

/** Runs once over a store. `client` belongs to the owner of the tables. */
export async function runRetention(
  client: pg.Client | pg.PoolClient,
  schema: string,
  options: RetentionOptions,
): Promise<RetentionReport> {
  if (options.dryRun) return new Run(client, schema, options).run()
  const lock = `douane retention ${schema}`
  const { rows } = await client.query('SELECT pg_try_advisory_lock(hashtext($1)) AS mine', [lock])
  if (!rows[0].mine) return { asOfMs: options.asOfMs, heldBack: false, deletions: [], busy: true }
  try {
    return await new Run(client, schema, options).run()
  } finally {
    await client.query('SELECT pg_advisory_unlock(hashtext($1))', [lock]).catch(() => {})
  }
}

class Run {
  readonly #client: pg.Client | pg.PoolClient
  readonly #schema: string
  readonly #options: RetentionOptions
  readonly #deletions: Deletion[] = []
  #asOfMs: number

  constructor(client: pg.Client | pg.PoolClient, schema: string, options: RetentionOptions) {
    this.#client = client
    this.#schema = pg.escapeIdentifier(schema)
    this.#options = options
    this.#asOfMs = options.asOfMs
  }

  async run(): Promise<RetentionReport> {
    const heldBack = await this.#guard()
    const { rows: leaves } = await this.#client.query<Leaf>(
      `SELECT name, purpose, retention, starts, ends FROM ${this.#schema}.partitions ORDER BY starts, name`,
    )
    for (const leaf of leaves) {
      if (this.#options.signal?.aborted) return this.#report(heldBack)
      await this.#leaf(leaf)
    }
    if (!this.#options.dryRun) {
      await rollUp(this.#client, this.#schema)
      await this.#counts()
      await this.#client.query(`INSERT INTO ${this.#schema}.retention_runs (as_of, held_back) VALUES ($1, $2)`, [
        new Date(this.#asOfMs),
        heldBack,
      ])
      const repeatsEnd = new Date(this.#asOfMs - limits.batchIdsKeptMs)
      await this.#client.query(`DELETE FROM ${this.#schema}.batches WHERE stored < $1`, [repeatsEnd])
    }
    return this.#report(heldBack)
  }

  /** Counts end with a receipt too. What is reported is about records. */
  async #counts(): Promise<void> {
    await this.#inTransaction(async () => {
      for (const ended of await expireCounts(this.#client, this.#schema, this.#asOfMs, this.#options)) {
        const { lines, tenant, ...rest } = ended
        await this.#write({ ...rest, partition: 'usage_daily', tenant, whole: false, records: lines })
      }
    })
  }

  #report(heldBack: boolean): RetentionReport {
    return { asOfMs: this.#asOfMs, heldBack, deletions: this.#deletions, busy: false }
  }

  /** Sets the time to count to. True if it is earlier than asked for. */
  async #guard(): Promise<boolean> {
    if (this.#options.confirmed) return false
    const { rows } = await this.#client.query<{ last: Date | null; held: boolean; stored: Date | null }>(
      `SELECT (SELECT max(stored) FROM ${this.#schema}.batches) AS stored, r.as_of AS last, coalesce(r.held_back, false) AS held
       FROM (SELECT) one LEFT JOIN (SELECT * FROM ${this.#schema}.retention_runs ORDER BY id DESC LIMIT 1) r ON true`,
    )
    const { last, held, stored } = rows[0]!
    // Before the first run, the newest batch tells what the time was.
    const knownMs = (last ?? stored)?.getTime()
    if (knownMs === undefined || this.#asOfMs - knownMs <= stepMsMax) return false
    this.#asOfMs = held ? knownMs : knownMs + dayMs
    return true
  }

  async #leaf(leaf: Leaf): Promise<void> {
    const retention = leaf.retention === unlimited ? undefined : parseRetention(leaf.retention)
    if (retention && leaf.starts && leaf.ends && lastEndMs(retention, +leaf.starts, +leaf.ends) < this.#asOfMs) {
      if (!(await this.#isHeld(leaf))) return this.#drop(leaf)
    }
    // A day's partition goes as a whole or, where a hold keeps it, row by row.
    if (retention) await this.#deleteRows(leaf, retention, null)
    const table = `${this.#schema}.${pg.escapeIdentifier(leaf.name)}`
    for (const tenant of await tenantsOf(this.#client, table)) {
      const text = this.#options.retentionOf(leaf.purpose, tenant ?? '')
      const current = text === undefined ? undefined : parseRetention(text)
      if (current && (!retention || compareRetention(current, retention) < 0)) {
        await this.#deleteRows(leaf, current, { tenant })
      }
    }
  }

  /** Whether a legal hold keeps any row of a partition. */
  async #isHeld(leaf: Leaf): Promise<boolean> {
    const { rows } = await this.#client.query(
      `SELECT EXISTS (SELECT FROM ${this.#schema}.${pg.escapeIdentifier(leaf.name)} l WHERE ${this.#held}) AS held`,
      [new Date(this.#asOfMs)],
    )
    return rows[0].held
  }

  /** A condition over a row `l`; `$1` is the time that is counted to. */
  get #held(): string {
    return `EXISTS (SELECT FROM ${this.#schema}.legal_holds h WHERE h.until > $1 AND h.ended IS NULL
      AND (h.tenant IS NULL OR h.tenant = l.tenant) AND (h.purpose IS NULL OR h.purpose = l.purpose)
      AND (h.subject_ref IS NULL OR h.subject_ref = l.subject_ref))`
  }

  async #deleteRows(leaf: Leaf, retention: Retention, of: { tenant: string | null } | null): Promise<void> {
    const ranges = dueRanges(retention, this.#asOfMs)
    if (leaf.starts && leaf.starts.getTime() >= ranges.at(-1)!.toMs) return
    const time = leaf.starts ? 'l.time' : 'least(l.time, l.stored)'
    const params: unknown[] = [new Date(this.#asOfMs)]
    const due = within(time, ranges, params)
    // A trial leaves the rows that the class alone takes, and they are not counted again for their tenant.
    const base = of && this.#options.dryRun && leaf.retention !== unlimited ? parseRetention(leaf.retention) : undefined
    const counted = base ? `AND NOT ${within(time, dueRanges(base, this.#asOfMs), params)}` : ''
    const ofTenant = of ? `AND l.tenant IS NOT DISTINCT FROM $${params.push(of.tenant)}` : ''
    const table = `${this.#schema}.${pg.escapeIdentifier(leaf.name)} l`
    const condition = `WHERE ${due} ${counted} ${ofTenant} AND NOT ${this.#held}`
    const found = this.#options.dryRun
      ? `SELECT l.time FROM ${table} ${condition}`
      : `DELETE FROM ${table} ${condition} RETURNING l.time`
    await this.#inTransaction(async () => {
      const { rows } = await this.#client.query(
        `WITH gone AS (${found}) SELECT count(*)::float8 AS records, min(time) AS oldest, max(time) AS newest FROM gone`,
        params,
      )
      if (rows[0].records === 0) return
      await this.#note({
        ...bare(leaf),
        ...rows[0],
        retention: retention.text,
        tenant: of?.tenant ?? null,
        whole: false,
      })
    })
  }

  async #drop(leaf: Leaf): Promise<void> {
    const { dryRun } = this.#options
    const table = `${this.#schema}.${pg.escapeIdentifier(leaf.name)}`
    if (!dryRun) await this.#detach(table)
    await this.#inTransaction(async () => {
      // A gateway may still be writing there, which is all due: what is counted is what goes.
      if (!dryRun) await this.#client.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)
      const { rows } = await this.#client.query(
        `SELECT count(*)::float8 AS records, min(time) AS oldest, max(time) AS newest FROM ${table}`,
      )
      if (!dryRun) {
        await this.#client.query(`DROP TABLE ${table}`)
        await this.#client.query(`DELETE FROM ${this.#schema}.partitions WHERE name = $1`, [leaf.name])
      }
      await this.#note({ ...bare(leaf), ...rows[0], retention: leaf.retention, tenant: null, whole: true })
    })
  }

  /**
   * Takes a partition out of its parent without blocking those who write and read there. An attempt that was cut short
   * has left it half detached: then it only has to be finished. One that got through has left it without a parent.
   */
  async #detach(table: string): Promise<void> {
    const { rows } = await this.#client.query(
      'SELECT inhparent::regclass::text AS parent, inhdetachpending AS pending FROM pg_inherits WHERE inhrelid = $1::regclass',
      [table],
    )
    if (rows.length === 0) return
    const { parent, pending } = rows[0]
    await this.#client.query(`ALTER TABLE ${parent} DETACH PARTITION ${table} ${pending ? 'FINALIZE' : 'CONCURRENTLY'}`)
  }

  async #note(deletion: Deletion): Promise<void> {
    this.#deletions.push(deletion)
    if (!this.#options.dryRun) await this.#write(deletion)
  }

  async #write(deletion: Deletion): Promise<void> {
    const { partition, purpose, retention, tenant, whole, records, oldest, newest } = deletion
    await this.#client.query(
      `INSERT INTO ${this.#schema}.deletions (as_of, partition, purpose, retention, tenant, whole, records, oldest, newest, policy_version)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        new Date(this.#asOfMs),
        partition,
        purpose,
        retention,
        tenant,
        whole,
        records,
        oldest,
        newest,
        this.#options.policyVersion ?? '',
      ],
    )
  }

  async #inTransaction(work: () => Promise<void>): Promise<void> {
    await this.#client.query('BEGIN')
    try {
      await work()
      await this.#client.query('COMMIT')
    } catch (error) {
      await this.#client.query('ROLLBACK').catch(() => {})
      throw error
    }
  }
}

/** A condition for times in any of these ranges; fills `params`. */
function within(time: string, ranges: readonly DueRange[], params: unknown[]): string {
  const parts = ranges.map(({ fromMs, toMs }) => {
    const before = `${time} < $${params.push(new Date(toMs))}`
    return Number.isFinite(fromMs) ? `${time} >= $${params.push(new Date(fromMs))} AND ${before}` : before
  })
  return `(${parts.join(' OR ')})`
}

const bare = (leaf: Leaf) => ({ partition: leaf.name, purpose: leaf.purpose })
