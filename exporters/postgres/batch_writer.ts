/**
 * Writes batches through one connection: their ids, their rows and what they count as, in one transaction.
 *
 * A batch that comes again hits the primary key of `batches`, and nothing of it is stored. Rows go into their partitions
 * and not through `logs`: that saves PostgreSQL the search for each row, and lets a role that may only insert use COPY.
 * A partition that is being dropped may still take rows; all of them are due, since a partition is dropped when its last
 * moment is, and the deletion counts them.
 */
import pg from 'pg'
import { errorCode } from './access.ts'
import { CopyRows } from './copy.ts'
import { formatNanos } from './record_time.ts'
import type { RowEncoder } from './rows.ts'
import { logColumns } from './schema.ts'
import type { Count, Sheet } from './sheet.ts'
import type { Shelf } from './shelves.ts'
import { escapeText } from './stored_json.ts'

/** Data exceptions, constraint violations and limits of a row: the row's own fault. */
export const isRowError = (code: string): boolean => /^(?:22|23|54)/.test(code)

/** Makes the partition of a shelf, if it is not there yet. Returns its name. `schema` is quoted. */
export async function ensurePartition(client: pg.ClientBase, schema: string, shelf: Shelf): Promise<string> {
  const { purpose, retention, period } = shelf
  const times = period ? [new Date(period.startMs), new Date(period.endMs)] : [null, null]
  const { rows } = await client.query(`SELECT ${schema}.ensure_partition($1, $2, $3, $4) AS leaf`, [
    purpose,
    retention,
    ...times,
  ])
  return rows[0].leaf
}

/** A batch's line in the books: rows that are stored, and records that were left out. */
export interface Stored {
  readonly id: string
  readonly rows: number
  readonly left: number
}

export class BatchWriter {
  readonly #client: pg.PoolClient
  /** Quoted. */
  readonly #schema: string
  readonly #id: string
  readonly #storedMicros: number

  constructor(client: pg.PoolClient, schema: string, id: string, storedMicros: number) {
    this.#client = client
    this.#schema = schema
    this.#id = id
    this.#storedMicros = storedMicros
  }

  /**
   * Several batches, or this one alone. `leaves` are the partitions of the sheets. Rejects with PostgreSQL's error, and then
   * nothing is stored.
   */
  async all(encoder: RowEncoder, leaves: readonly string[], batches: readonly Stored[]): Promise<void> {
    const { sheets, counter } = encoder
    const statements = [...this.#books(batches, counter.counts), ...leaves.map((leaf) => this.#copy(leaf))]
    const copies = sheets.map((sheet) => sheet.range(0, sheet.rowStarts.length))
    await this.#client.query(new CopyRows(statements.join('; '), copies)).done
  }

  /**
   * Stores what can be stored: halves, and halves of halves, each under a savepoint of one transaction. Returns how many
   * rows PostgreSQL refused; undefined: the batch was stored before.
   */
  async without(encoder: RowEncoder, leaves: readonly string[]): Promise<number | undefined> {
    if ((await this.refusedBefore()) !== undefined) return undefined
    let poisoned = 0
    await this.#client.query('BEGIN')
    try {
      for (const [i, sheet] of encoder.sheets.entries()) {
        poisoned += await this.#copyRange(sheet, leaves[i]!, 0, sheet.rowStarts.length)
      }
      const left = encoder.expired + encoder.refused + poisoned
      const batch = { id: this.#id, rows: encoder.rows - poisoned, left }
      for (const statement of this.#books([batch], encoder.counter.counts)) {
        await this.#client.query(statement)
      }
      await this.#client.query('COMMIT')
      return poisoned
    } catch (error) {
      await this.#client.query('ROLLBACK').catch(() => {})
      throw error
    }
  }

  /** How many records were left out when this batch came first; undefined: it did not come yet. */
  async refusedBefore(): Promise<number | undefined> {
    const { rows } = await this.#client.query(`SELECT ${this.#schema}.batch_refused($1) AS refused`, [this.#id])
    return rows[0].refused ?? undefined
  }

  async #copyRange(sheet: Sheet, leaf: string, from: number, to: number): Promise<number> {
    if (from === to) return 0
    await this.#client.query('SAVEPOINT half')
    try {
      await this.#client.query(new CopyRows(this.#copy(leaf), [sheet.range(from, to)])).done
      await this.#client.query('RELEASE half')
      return 0
    } catch (error) {
      if (!isRowError(errorCode(error))) throw error
      await this.#client.query('ROLLBACK TO half')
    }
    if (to - from === 1) {
      sheet.counts[from]!.records--
      return 1
    }
    const middle = (from + to) >> 1
    return (await this.#copyRange(sheet, leaf, from, middle)) + (await this.#copyRange(sheet, leaf, middle, to))
  }

  #copy(leaf: string): string {
    return `COPY ${this.#schema}.${pg.escapeIdentifier(leaf)} (${columns}) FROM STDIN (FORMAT binary)`
  }

  #books(batches: readonly Stored[], counts: readonly Count[]): string[] {
    const stored = formatNanos(BigInt(this.#storedMicros) * 1000n)
    const lines = batches.map(({ id, rows, left }) => `(${text(id)}, '${stored}', ${rows}, ${left})`)
    const batch = `INSERT INTO ${this.#schema}.batches VALUES ${lines.join(', ')}`
    const counted = counts.filter(({ records }) => records > 0)
    if (counted.length === 0) return [batch]
    const values = counted.map(({ day, place, retention, eventName, records }) => {
      const texts = [day, place.tenant, place.purpose, retention, eventName].map(text).join(', ')
      return `(${texts}, ${records})`
    })
    return [batch, `INSERT INTO ${this.#schema}.usage_added VALUES ${values.join(', ')}`]
  }
}

const columns = logColumns.join(', ')
const text = (value: string): string => pg.escapeLiteral(escapeText(value))
