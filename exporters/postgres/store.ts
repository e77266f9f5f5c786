/**
 * Writes batches into a store, each exactly once.
 *
 * The rows of a batch and its id go in with one transaction. A batch that comes again hits the primary key of
 * `batches`: nothing is stored, and the answer is the first one's. Where PostgreSQL refuses a row (not a connection,
 * not a disk: the row itself), the batch is sent in halves until that row is alone, which is then left out and counted.
 */
import pg from 'pg'
import type { Batch, Counter, Exporter, Host, Outcome } from '../../src/contract.ts'
import { DependencyError, WireError } from '../../src/errors.ts'
import { type Access, errorCode, explain, openAccess, storeError } from './access.ts'
import { CopyRows } from './copy.ts'
import type { StoreOptions } from './options.ts'
import { formatNanos } from './record_time.ts'
import { RetentionSchedule } from './retention_schedule.ts'
import { RowEncoder } from './rows.ts'
import { logColumns, migrate } from './schema.ts'
import { type Shelf, Shelves, shelfKey } from './shelves.ts'

/** Partitions that are known to be there. More than this many and the oldest knowledge goes. */
const knownShelvesMax = 10_000

interface Counters {
  readonly stored: Counter
  readonly expired: Counter
  readonly refused: Counter
  readonly repeated: Counter
}

export class PostgresStore implements Exporter {
  readonly #options: StoreOptions
  readonly #host: Host
  readonly #schema: string
  readonly #counters: Counters
  readonly #encoders: RowEncoder[] = []
  readonly #knownShelves = new Set<string>()
  #access: Access | undefined
  #pool: pg.Pool | undefined
  #retention: RetentionSchedule | undefined

  constructor(options: StoreOptions, host: Host) {
    this.#options = options
    this.#host = host
    this.#schema = pg.escapeIdentifier(options.schema)
    this.#counters = {
      stored: host.counter('postgres_stored_records', 'Records stored in PostgreSQL.'),
      expired: host.counter('postgres_expired_records', 'Records not stored: older than their retention on arrival.'),
      refused: host.counter('postgres_refused_records', 'Records that PostgreSQL or the encoder cannot take.'),
      repeated: host.counter('postgres_repeated_batches', 'Batches that came again and were stored before.'),
    }
  }

  async start(): Promise<void> {
    try {
      this.#access = await openAccess(this.#options, this.#host.dataDir())
      const { config } = this.#access
      this.#pool = new pg.Pool({ ...config, max: this.#options.max_connections, idleTimeoutMillis: 0 })
      // A connection that breaks: whoever uses it is told by his query, and the pool makes a new one when needed.
      this.#pool.on('error', () => {})
      this.#pool.on('connect', (client) => client.on('error', () => {}))
      const client = await this.#pool.connect()
      try {
        await migrate(client, this.#options.schema)
      } finally {
        client.release()
      }
      this.#retention = new RetentionSchedule(this.#access, this.#options.schema, this.#host)
      this.#retention.start()
    } catch (error) {
      await this.close()
      throw storeError(error)
    }
  }

  async close(): Promise<void> {
    const [pool, access, retention] = [this.#pool, this.#access, this.#retention]
    this.#pool = this.#access = this.#retention = undefined
    await retention?.stop()
    await pool?.end()
    await access?.close()
  }

  async send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    if (!this.#pool || !this.#access) return unavailable('the store is not open')
    let client: pg.PoolClient | undefined
    let broken = false
    const cut = () => (client as unknown as { connection: pg.Connection })?.connection.stream.destroy()
    const encoder = this.#encoders.pop() ?? new RowEncoder()
    try {
      await orAborted(this.#access.ready(), signal)
      client = await this.#pool.connect()
      signal.addEventListener('abort', cut)
      if (signal.aborted) return unavailable('the attempt was cut short')
      return await this.#store(client, batch, encoder)
    } catch (error) {
      broken = isConnectionError(error)
      return outcomeOf(error)
    } finally {
      signal.removeEventListener('abort', cut)
      client?.release(broken || signal.aborted)
      if (this.#encoders.length < this.#options.max_connections) this.#encoders.push(encoder)
    }
  }

  async #store(client: pg.PoolClient, batch: Batch, encoder: RowEncoder): Promise<Outcome> {
    const nowMs = this.#host.nowMs()
    const storedMicros = Math.floor(nowMs * 1000)
    const shelves = new Shelves((purpose, tenant) => this.#host.retention?.(purpose, tenant), nowMs)
    encoder.encode(batch.body, shelves, storedMicros)
    const rows = encoder.rowStarts.length - 1
    const left = encoder.expired + encoder.refused
    try {
      await this.#ensureShelves(client, encoder.shelves.values())
      await this.#copy(client, batch, encoder, storedMicros)
    } catch (error) {
      const code = errorCode(error)
      if (code === '23505') return this.#repeated(client, batch)
      if (code === noPartition) return this.#again(client, batch, encoder, storedMicros)
      if (!isRowError(code)) throw error
      return this.#storeWithout(client, batch, encoder, storedMicros)
    }
    return this.#account(rows, encoder.expired, left)
  }

  /** A partition went while we believed in it (retention, or a restored database): learn anew, once. */
  async #again(client: pg.PoolClient, batch: Batch, encoder: RowEncoder, storedMicros: number): Promise<Outcome> {
    this.#knownShelves.clear()
    await this.#ensureShelves(client, encoder.shelves.values())
    return this.#storeWithout(client, batch, encoder, storedMicros)
  }

  async #ensureShelves(client: pg.PoolClient, shelves: Iterable<Shelf>): Promise<void> {
    for (const shelf of shelves) {
      const key = shelfKey(shelf)
      if (this.#knownShelves.has(key)) continue
      const period = shelf.period && [new Date(shelf.period.startMs), new Date(shelf.period.endMs)]
      await client.query(`SELECT ${this.#schema}.ensure_partition($1, $2, $3, $4)`, [
        shelf.purpose,
        shelf.retention,
        ...(period ?? [null, null]),
      ])
      if (this.#knownShelves.size >= knownShelvesMax) this.#knownShelves.clear()
      this.#knownShelves.add(key)
    }
  }

  async #copy(client: pg.PoolClient, batch: Batch, encoder: RowEncoder, storedMicros: number): Promise<void> {
    const rows = encoder.rowStarts.length - 1
    const statements = [this.#insertBatch(batch, storedMicros, rows, encoder.expired + encoder.refused)]
    if (rows > 0) statements.push(this.#copyStatement())
    const copy = client.query(new CopyRows(statements.join('; '), encoder.rows.bytes.subarray(0, encoder.rows.at)))
    await copy.done
  }

  #copyStatement(): string {
    return `COPY ${this.#schema}.logs (${logColumns.join(', ')}) FROM STDIN (FORMAT binary)`
  }

  #insertBatch(batch: Batch, storedMicros: number, rows: number, left: number): string {
    const id = pg.escapeLiteral(batch.id)
    const stored = formatNanos(BigInt(storedMicros) * 1000n)
    return `INSERT INTO ${this.#schema}.batches VALUES (${id}, '${stored}', ${rows}, ${left})`
  }

  async #repeated(client: pg.PoolClient, batch: Batch): Promise<Outcome> {
    this.#counters.repeated.add(1)
    const found = await client.query(`SELECT refused FROM ${this.#schema}.batches WHERE id = $1`, [batch.id])
    const left: number = found.rows[0]?.refused ?? 0
    return left === 0 ? { is: 'accepted' } : partial(left)
  }

  /** Stores what can be stored: halves, and halves of halves, each under a savepoint of one transaction. */
  async #storeWithout(
    client: pg.PoolClient,
    batch: Batch,
    encoder: RowEncoder,
    storedMicros: number,
  ): Promise<Outcome> {
    const { rowStarts, rows } = encoder
    const total = rowStarts.length - 1
    let poisoned = 0
    const copyRange = async (from: number, to: number): Promise<void> => {
      if (from === to) return
      await client.query('SAVEPOINT half')
      try {
        const range = rows.bytes.subarray(rowStarts[from], rowStarts[to])
        await client.query(new CopyRows(this.#copyStatement(), range)).done
        await client.query('RELEASE half')
        return
      } catch (error) {
        if (!isRowError(errorCode(error))) throw error
        await client.query('ROLLBACK TO half')
      }
      if (to - from === 1) {
        poisoned++
        return
      }
      const middle = (from + to) >> 1
      await copyRange(from, middle)
      await copyRange(middle, to)
    }
    await client.query('BEGIN')
    try {
      await client.query(this.#insertBatch(batch, storedMicros, total, encoder.expired + encoder.refused))
      await copyRange(0, total)
      await client.query(
        `UPDATE ${this.#schema}.batches SET records = records - $2, refused = refused + $2 WHERE id = $1`,
        [batch.id, poisoned],
      )
      await client.query('COMMIT')
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {})
      if (errorCode(error) === '23505') return this.#repeated(client, batch)
      throw error
    }
    return this.#account(total - poisoned, encoder.expired, encoder.expired + encoder.refused + poisoned)
  }

  #account(stored: number, expired: number, left: number): Outcome {
    this.#counters.stored.add(stored)
    this.#counters.expired.add(expired)
    this.#counters.refused.add(left - expired)
    return left === 0 ? { is: 'accepted' } : partial(left, expired)
  }
}

/** A wait that ends with the signal. What is waited for goes on: the next attempt finds it done. */
async function orAborted(wait: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop = () => {}
  const aborted = new Promise<void>((_, reject) => {
    stop = () => reject(new DependencyError('the attempt was cut short'))
  })
  signal.addEventListener('abort', stop)
  try {
    await Promise.race([wait, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

const unavailable = (reason: string): Outcome => ({ is: 'unavailable', reason })

function partial(left: number, expired?: number): Outcome {
  const parts =
    expired === undefined
      ? [`${left} records were left out when this batch came first`]
      : [
          expired > 0 && `${expired} records are older than their retention`,
          left > expired && `${left - expired} records cannot be stored`,
        ]
  return { is: 'partial', records: left, reason: parts.filter(Boolean).join('; ') }
}

/** "no partition of relation found for row" is a check violation; so is a row out of its partition. */
const noPartition = '23514'

/** Data exceptions, constraint violations and limits of a row: the row's own fault. */
const isRowError = (code: string): boolean => /^(?:22|23|54)/.test(code)

/** Rights that are missing, and what this server cannot do at all. A table that is missing may be restored. */
const isRefusal = (code: string): boolean => /^(?:42501|0A)/.test(code)

const isConnectionError = (error: unknown): boolean =>
  !(error instanceof pg.DatabaseError) || /^(?:08|57P)/.test(errorCode(error))

function outcomeOf(error: unknown): Outcome {
  if (error instanceof WireError) return { is: 'rejected', reason: 'the batch is no ExportLogsServiceRequest' }
  const code = errorCode(error)
  const reason = `${explain(code)} (${code})`
  return isRefusal(code) ? { is: 'rejected', reason } : unavailable(reason)
}
