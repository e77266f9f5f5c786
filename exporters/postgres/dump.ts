/**
 * Rows out of a store and into one, as COPY's text: one line a row, the same for every version of PostgreSQL.
 *
 * The texts of times, bytes and numbers depend on settings of the session, so these are set first. `RowDigest` is the
 * sum of hashes of lines: it does not depend on their order, and the digests of parts add up to that of a whole table.
 */
import { hash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import copyStreams from 'pg-copy-streams'
import type { Slice } from './dump_plan.ts'
import { unescapeText } from './stored_json.ts'

/** Makes this session write and read the texts of a dump. */
export async function useDumpTexts(client: pg.ClientBase): Promise<void> {
  await client.query(
    `SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex';
     SET extra_float_digits = 1; SET client_encoding = 'UTF8'; SET statement_timeout = 0`,
  )
}

const newline = 10
const tab = 9

/** A sum of the lines' hashes: 128 bits, enough against accidents. Changes on purpose are the AEAD's to find. */
export class RowDigest {
  readonly #lanes = new Uint32Array(4)
  rows = 0

  add(line: Uint8Array): void {
    const digest = hash('sha256', line, 'buffer')
    for (let i = 0; i < 4; i++) this.#lanes[i]! += digest.readUInt32LE(4 * i)
    this.rows++
  }

  /** Whole lines, their ends included. */
  addLines(text: Buffer): void {
    for (let start = 0; start < text.length; ) {
      const end = text.indexOf(newline, start) + 1
      this.add(text.subarray(start, end))
      start = end
    }
  }

  /** Adds what another digest says, as text. */
  join(text: string, rows: number): void {
    const bytes = Buffer.from(text, 'hex')
    for (let i = 0; i < 4; i++) this.#lanes[i]! += bytes.readUInt32LE(4 * i)
    this.rows += rows
  }

  toString(): string {
    const bytes = Buffer.alloc(16)
    for (const [i, lane] of this.#lanes.entries()) bytes.writeUInt32LE(lane, 4 * i)
    return bytes.toString('hex')
  }
}

/** The columns of a table, in their order, without those that PostgreSQL computes. */
export async function columnsOf(client: pg.ClientBase, schema: string, table: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
       AND attgenerated = '' ORDER BY attnum`,
    [`${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`],
  )
  return rows.map(({ name }) => name)
}

/** Whom rows are about. */
export interface RowSubject {
  readonly tenant: string
  /** The column `subject_ref`. */
  readonly ref: string
}
/** A row's line, its end included, and whom the row is about. */
export interface DumpedRow {
  readonly line: Buffer
  readonly about: RowSubject | undefined
}

/** The rows of a slice; those of one subject come one after the other. */
export async function* dumpRows(
  client: pg.ClientBase,
  schema: string,
  slice: Slice,
  columns: readonly string[],
): AsyncGenerator<DumpedRow, void, void> {
  const from = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(slice.from)} l WHERE ${slice.where}`
  const list = columns.map((column) => `l.${pg.escapeIdentifier(column)}`).join(', ')
  if (slice.table !== 'logs') {
    for await (const line of lines(client, `SELECT ${list} FROM ${from}`)) yield { line, about: undefined }
    return
  }
  for await (const line of lines(client, `SELECT ${list} FROM ${from} AND l.subject_ref IS NULL`)) {
    yield { line, about: undefined }
  }
  const hex = (column: string) => `encode(convert_to(coalesce(l.${column}, ''), 'UTF8'), 'hex')`
  const named = `SELECT ${hex('tenant')}, ${hex('subject_ref')}, ${list} FROM ${from} AND l.subject_ref IS NOT NULL`
  let about: RowSubject | undefined
  let head = ''
  for await (const line of lines(client, `${named} ORDER BY l.subject_ref, l.tenant`)) {
    const end = line.indexOf(tab, line.indexOf(tab) + 1) + 1
    if (about === undefined || head !== line.toString('latin1', 0, end)) {
      head = line.toString('latin1', 0, end)
      const [tenant = '', ref = ''] = head.split('\t').map((text) => unescapeText(Buffer.from(text, 'hex').toString()))
      about = { tenant, ref }
    }
    yield { line: line.subarray(end), about }
  }
}

async function* lines(client: pg.ClientBase, select: string): AsyncGenerator<Buffer, void, void> {
  const stream = client.query(copyStreams.to(`COPY (${select}) TO STDOUT`))
  let rest: Buffer | undefined
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const bytes: Buffer = rest ? Buffer.concat([rest, chunk]) : chunk
    let start = 0
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      yield bytes.subarray(start, end + 1)
      start = end + 1
    }
    rest = start < bytes.length ? bytes.subarray(start) : undefined
  }
}

/** The digest of all rows of a table. */
export async function digestTable(
  client: pg.ClientBase,
  schema: string,
  table: string,
  columns: readonly string[],
): Promise<RowDigest> {
  const digest = new RowDigest()
  const list = columns.map((column) => `l.${pg.escapeIdentifier(column)}`).join(', ')
  const select = `SELECT ${list} FROM ${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)} l`
  for await (const line of lines(client, select)) digest.add(line)
  return digest
}

/** Puts lines into a table. Rejects with the server's error. */
export async function loadRows(
  client: pg.ClientBase,
  schema: string,
  table: string,
  columns: readonly string[],
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const name = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`
  const list = columns.map((column) => pg.escapeIdentifier(column)).join(', ')
  const stream = client.query(copyStreams.from(`COPY ${name} (${list}) FROM STDIN`))
  await pipeline(chunks, stream)
}

/** Numbers that a table gives out itself go on behind the highest one that was loaded. */
export async function continueIdentities(client: pg.ClientBase, schema: string, table: string): Promise<void> {
  const name = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`
  const { rows } = await client.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attidentity <> '' AND NOT attisdropped`,
    [name],
  )
  for (const column of rows) {
    await client.query(
      `SELECT setval(pg_get_serial_sequence($1, $2), max(${pg.escapeIdentifier(column.name)})) FROM ${name}`,
      [name, column.name],
    )
  }
}
