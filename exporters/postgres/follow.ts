/**
 * Shows records as they are stored, like `tail -f`.
 *
 * Batches become visible a little out of the order of their time of storing. So each look goes back by `overlapMs`, and
 * rows that were shown are known by their place in the table. A batch that takes longer than that from its beginning to
 * its commit is not shown; it is in the store all the same.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { limits } from '../../src/limits.ts'
import {
  conditionsOf,
  fetchRows,
  type Row,
  readRows,
  type StoredRecord,
  type StoreQuery,
  selected,
  toRecord,
} from './query.ts'
import { logAdmin } from './roles.ts'
import { openSession, type StorePlace, sessionError } from './session.ts'

interface PlacedRow extends Row {
  readonly place: string
  /** Microseconds since 1970. */
  readonly stored: string
}

/** What is there already comes first where `query` has a limit or a beginning; then what is stored from now on. */
export async function* followStore(
  store: StorePlace,
  query: StoreQuery,
  signal: AbortSignal,
  reader = logAdmin,
): AsyncGenerator<StoredRecord, void, void> {
  const session = await openSession(store, reader)
  const { client } = session
  const { schema } = store.options
  const follower = new Follower(client, schema, query)
  try {
    for await (const _ of follower.look()) {
      // Stored before: known from now on, and part of the history below if there is one.
    }
    if (query.limit !== undefined || query.since !== undefined) {
      for await (const row of readRows(client, schema, query)) yield toRecord(row)
    }
    while (!signal.aborted) {
      await sleep(limits.followIntervalMs, undefined, { signal }).catch(() => {})
      if (!signal.aborted) yield* follower.look()
    }
  } catch (error) {
    throw sessionError(error)
  } finally {
    await session.close()
  }
}

class Follower {
  readonly #client: pg.Client
  readonly #schema: string
  readonly #query: StoreQuery
  /** Rows of the overlap, by place; with their time of storing. */
  readonly #seen = new Map<string, number>()
  /** The newest time of storing, in microseconds; undefined before the first look. */
  #newest: number | undefined

  constructor(client: pg.Client, schema: string, query: StoreQuery) {
    this.#client = client
    this.#schema = pg.escapeIdentifier(schema)
    this.#query = query
  }

  /** Rows that were not there at the last look, in the order of storing. */
  async *look(): AsyncGenerator<StoredRecord, void, void> {
    const client = this.#client
    if (this.#newest === undefined) {
      const { rows } = await client.query(
        `SELECT coalesce((extract(epoch FROM max(stored)) * 1000000)::int8, 0) AS newest FROM ${this.#schema}.batches`,
      )
      this.#newest = Number(rows[0].newest)
    }
    const { limit: _, ...query } = this.#query
    const params: unknown[] = []
    const conditions = conditionsOf(query, params)
    const fromMicros = this.#newest - limits.followOverlapMs * 1000
    conditions.push(`stored >= to_timestamp($${params.push(fromMicros / 1e6)}::float8)`)
    const text = `SELECT ${selected}, tableoid || ' ' || ctid::text AS place,
      (extract(epoch FROM stored) * 1000000)::int8 AS stored
      FROM ${this.#schema}.logs WHERE ${conditions.join(' AND ')} ORDER BY logs.stored, time, time_nanos`
    for (const [place, stored] of this.#seen) if (stored < fromMicros) this.#seen.delete(place)
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    for await (const row of fetchRows<PlacedRow>(client, text, params)) {
      if (this.#seen.has(row.place)) continue
      const stored = Number(row.stored)
      this.#seen.set(row.place, stored)
      this.#newest = Math.max(this.#newest, stored)
      yield toRecord(row)
    }
    await client.query('COMMIT')
  }
}
