/**
 * Writes batches into a store, each exactly once.
 *
 * A batch is in one transaction (batch_writer.ts), with those that wait at the same time (batch_line.ts); where that fails
 * for any of them, each gets one of its own. One that comes again gets the first one's answer. Where PostgreSQL
 * refuses a row (not a connection, not a disk: the row itself), that row is left out and counted.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import pg from 'pg'
import type { Batch, Counter, Exporter, Host, Outcome } from '../../src/contract.ts'
import { DependencyError, WireError } from '../../src/errors.ts'
import { type Access, connect, errorCode, explain, openAccess, storeError } from './access.ts'
import { BatchLine, type Sending } from './batch_line.ts'
import { BatchWriter, ensurePartition, isRowError } from './batch_writer.ts'
import type { StoreOptions } from './options.ts'
import { RetentionSchedule } from './retention_schedule.ts'
import { checkWriter, ensureRoles, isOwner } from './roles.ts'
import { type Added, RowEncoder } from './rows.ts'
import { checkVersion, migrate } from './schema.ts'
import type { Sheet } from './sheet.ts'
import { Shelves, shelfKey } from './shelves.ts'

/** The rows of a transaction are made. */
interface Made {
  readonly storedMicros: number
  readonly added: readonly Added[]
}

/** Partitions that are known to be there. More than this many and the knowledge goes. */
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
  readonly #line: BatchLine
  /** The names of partitions, by the key of their shelf. */
  readonly #knownShelves = new Map<string, string>()
  #access: Access | undefined
  #pool: pg.Pool | undefined
  #retention: RetentionSchedule | undefined

  constructor(options: StoreOptions, host: Host) {
    this.#options = options
    this.#host = host
    this.#schema = pg.escapeIdentifier(options.schema)
    this.#line = new BatchLine(options.max_connections, (group, connection) => this.#sendTogether(group, connection))
    this.#counters = {
      stored: host.counter('postgres_stored_records', 'Records stored in PostgreSQL.'),
      expired: host.counter('postgres_expired_records', 'Records not stored: older than their retention on arrival.'),
      refused: host.counter('postgres_refused_records', 'Records that PostgreSQL or the encoder cannot take.'),
      repeated: host.counter('postgres_repeated_batches', 'Batches that came again and were stored before.'),
    }
  }

  async start(): Promise<void> {
    const { schema } = this.#options
    try {
      this.#access = await openAccess(this.#options, this.#host.dataDir())
      const owner = await connect(this.#access)
      let owned = false
      let role: string | undefined
      try {
        owned = await isOwner(owner, schema)
        if (owned) await migrate(owner, schema)
        else await checkVersion(owner, schema)
        if (owned) role = await ensureRoles(owner, schema, embeddedPassword(this.#access))
      } finally {
        await owner.end().catch(() => {})
      }
      await this.#openPool(this.#access, role)
      if (!owned) this.#host.log.info('retention is left to the owner of the tables')
      else {
        if (role === undefined) this.#host.log.warn('no roles: the user of the store may not make any')
        this.#retention = new RetentionSchedule(this.#access, schema, this.#host)
        this.#retention.start()
      }
    } catch (error) {
      await this.close()
      throw storeError(error)
    }
  }

  /** The gateway's own connections: as a user that may only insert or, where there is none, in a role that may. */
  async #openPool(access: Access, role: string | undefined): Promise<void> {
    const config = access.writer && (role !== undefined || !access.isEmbedded) ? access.writer(role ?? '') : undefined
    const pool = new pg.Pool({
      ...(config ?? access.config),
      max: this.#options.max_connections,
      idleTimeoutMillis: 0,
    })
    this.#pool = pool
    // A connection that breaks: whoever uses it is told by his query, and the pool makes a new one when needed.
    pool.on('error', () => {})
    pool.on('connect', (client) => {
      client.on('error', () => {})
      if (config || role === undefined) return
      // First in line on this connection. Where it fails, nothing is sent with the owner's rights instead.
      client.query(`SET ROLE ${pg.escapeIdentifier(role)}`).catch(() => cut(client))
    })
    const client = await pool.connect()
    try {
      await checkWriter(client, this.#options.schema)
    } finally {
      client.release()
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
    return this.#line.send(batch, signal)
  }

  /** Through one connection. An attempt that is cut short takes the others of its group along: they come again. */
  async #sendTogether(group: readonly Sending[], connection: () => Promise<void>): Promise<Outcome[]> {
    const all = (outcome: Outcome): Outcome[] => group.map(() => outcome)
    const batches = group.map(({ batch }) => batch)
    const signal = group.length === 1 ? group[0]!.signal : AbortSignal.any(group.map(({ signal }) => signal))
    let client: pg.PoolClient | undefined
    let broken = false
    const cutShort = () => client && cut(client)
    const encoder = this.#encoders.pop() ?? new RowEncoder()
    try {
      const made = await this.#make(batches, encoder)
      await connection()
      if (!this.#pool || !this.#access) return all(unavailable('the store is not open'))
      await orAborted(this.#access.ready(), signal)
      client = await this.#pool.connect()
      signal.addEventListener('abort', cutShort)
      if (signal.aborted) return all(unavailable('the attempt was cut short'))
      const outcomes = made && (await this.#storeTogether(client, batches, encoder, made))
      return outcomes ?? (await this.#storeEach(client, batches, encoder))
    } catch (error) {
      broken = isConnectionError(error)
      return all(outcomeOf(error))
    } finally {
      signal.removeEventListener('abort', cutShort)
      client?.release(broken || signal.aborted)
      if (this.#encoders.length <= this.#options.max_connections) this.#encoders.push(encoder)
    }
  }

  /** Other work goes on between the batches. Undefined: one of them is no request. */
  async #make(batches: readonly Batch[], encoder: RowEncoder): Promise<Made | undefined> {
    const { shelves, storedMicros } = this.#now()
    const added: Added[] = []
    encoder.begin(shelves, storedMicros)
    try {
      for (const { body } of batches) {
        if (added.length > 0) await nextTurn()
        added.push(encoder.add(body))
      }
      return { storedMicros, added }
    } catch (error) {
      if (error instanceof WireError) return undefined
      throw error
    }
  }

  /** One transaction. Undefined: one of them came before, or cannot be stored as it is: nothing was stored. */
  async #storeTogether(
    client: pg.PoolClient,
    batches: readonly Batch[],
    encoder: RowEncoder,
    { storedMicros, added }: Made,
  ): Promise<Outcome[] | undefined> {
    const left = added.map(({ expired, refused }) => expired + refused)
    const lines = added.map(({ rows }, i) => ({ id: batches[i]!.id, rows, left: left[i]! }))
    try {
      const write = new BatchWriter(client, this.#schema, '', storedMicros)
      await write.all(encoder, await this.#leaves(client, encoder.sheets), lines)
      return added.map(({ rows, expired }, i) => this.#account(rows, expired, left[i]!))
    } catch (error) {
      const code = errorCode(error)
      if (code === noTable || isRowError(code)) return undefined
      throw error
    }
  }

  async #storeEach(client: pg.PoolClient, batches: readonly Batch[], encoder: RowEncoder): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    for (const batch of batches) {
      try {
        outcomes.push(await this.#store(client, batch, encoder))
      } catch (error) {
        if (isConnectionError(error) && !(error instanceof WireError)) throw error
        outcomes.push(outcomeOf(error))
      }
    }
    return outcomes
  }

  #now() {
    const nowMs = this.#host.nowMs()
    const shelves = new Shelves((purpose, tenant) => this.#host.retention?.(purpose, tenant), nowMs)
    return { shelves, storedMicros: Math.floor(nowMs * 1000) }
  }

  async #store(client: pg.PoolClient, batch: Batch, encoder: RowEncoder): Promise<Outcome> {
    const { shelves, storedMicros } = this.#now()
    encoder.encode(batch.body, shelves, storedMicros)
    const write = new BatchWriter(client, this.#schema, batch.id, storedMicros)
    const left = encoder.expired + encoder.refused
    try {
      const leaves = await this.#leaves(client, encoder.sheets)
      await write.all(encoder, leaves, [{ id: batch.id, rows: encoder.rows, left }])
    } catch (error) {
      const code = errorCode(error)
      if (code === alreadyThere) return this.#repeated(write)
      if (code === noTable) return this.#again(client, write, encoder)
      if (!isRowError(code)) throw error
      return this.#storeWithout(write, encoder, await this.#leaves(client, encoder.sheets))
    }
    return this.#account(encoder.rows, encoder.expired, left)
  }

  /** A partition went while we believed in it (retention, or a restored database): learn anew, once. */
  async #again(client: pg.PoolClient, write: BatchWriter, encoder: RowEncoder): Promise<Outcome> {
    this.#knownShelves.clear()
    return this.#storeWithout(write, encoder, await this.#leaves(client, encoder.sheets))
  }

  /** The partition of each sheet, made where it is not there yet. */
  async #leaves(client: pg.PoolClient, sheets: readonly Sheet[]): Promise<string[]> {
    const leaves: string[] = []
    for (const { shelf } of sheets) {
      const key = shelfKey(shelf)
      let leaf = this.#knownShelves.get(key)
      if (leaf === undefined) {
        leaf = await ensurePartition(client, this.#schema, shelf)
        if (this.#knownShelves.size >= knownShelvesMax) this.#knownShelves.clear()
        this.#knownShelves.set(key, leaf)
      }
      leaves.push(leaf)
    }
    return leaves
  }

  async #repeated(write: BatchWriter): Promise<Outcome> {
    this.#counters.repeated.add(1)
    const left = (await write.refusedBefore()) ?? 0
    return left === 0 ? { is: 'accepted' } : partial(left)
  }

  /** Stores what can be stored, and leaves out the rows that PostgreSQL refuses. */
  async #storeWithout(write: BatchWriter, encoder: RowEncoder, leaves: readonly string[]): Promise<Outcome> {
    try {
      const poisoned = await write.without(encoder, leaves)
      if (poisoned === undefined) return await this.#repeated(write)
      const left = encoder.expired + encoder.refused + poisoned
      return this.#account(encoder.rows - poisoned, encoder.expired, left)
    } catch (error) {
      if (errorCode(error) === alreadyThere) return this.#repeated(write)
      throw error
    }
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

/** The batch's id: it was stored before. */
const alreadyThere = '23505'
const noTable = '42P01'

const cut = (client: pg.ClientBase): void =>
  void (client as unknown as { connection: pg.Connection }).connection.stream.destroy()

/** The embedded server's gateway logs in by itself, with a password that follows from this one. */
const embeddedPassword = ({ isEmbedded, config }: Access): string | undefined =>
  isEmbedded ? String(config.password) : undefined

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
