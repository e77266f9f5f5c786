/**
 * The rows of a store that are about one person: counted, marked with a note, deleted.
 *
 * A person is known by the values of `subject_ref` that gateways gave him; each partition has an index on them. Rows
 * without one (copies that hold no content) are his where one of the attributes that name people has his id, as it came or
 * hashed: all rows of his tenant are looked at for that.
 */
import pg from 'pg'
import { limits } from '../../src/limits.ts'
import type { Hold } from './legal_holds.ts'
import { Shelves, unlimited } from './shelves.ts'
import { escapeText, unescapeText } from './stored_json.ts'

/** An attribute that names people, and what stands there for this one. */
export interface NamedBy {
  readonly of: 'log' | 'resource'
  readonly key: string
  readonly values: readonly string[]
}
/** Whose rows: of one tenant, under any of these references, or named by one of these attributes. */
export interface PersonRows {
  readonly tenant: string
  readonly refs: readonly string[]
  readonly named: readonly NamedBy[]
}

/** Rows of one purpose, promise and event. */
export interface RowGroup {
  readonly purpose: string
  readonly retention: string
  readonly event: string
  readonly records: number
  readonly oldest: Date
  readonly newest: Date
  /** Rows with at least one sealed value. */
  readonly sealed: number
}

/** Over a row `l`; its parameters are the first ones of the statement. */
function conditionOf({ tenant, refs, named }: PersonRows): { mine: string; params: unknown[] } {
  const params: unknown[] = [refs.map(escapeText), escapeText(tenant)]
  const parameter = (value: unknown): string => `$${params.push(value)}`
  const ways = named.map(({ of, key, values }) => {
    return `${columnOf({ of })} ->> ${parameter(storedKey(key))}::text = ANY(${parameter(values.map(escapeText))}::text[])`
  })
  const unnamed = ways.length > 0 ? ` OR (l.subject_ref IS NULL AND (${ways.join(' OR ')}))` : ''
  return { mine: `(l.tenant = $2 OR l.tenant IS NULL) AND (l.subject_ref = ANY($1)${unnamed})`, params }
}
const logs = (schema: string): string => `${pg.escapeIdentifier(schema)}.logs l`

export async function groupRows(client: pg.Client, schema: string, person: PersonRows): Promise<RowGroup[]> {
  const { mine, params } = conditionOf(person)
  const { rows } = await client.query<RowGroup>(
    `SELECT l.purpose, split_part(l.retention, '/', 1) AS retention, coalesce(l.event_name, '') AS event,
       count(*)::int AS records, min(l.time) AS oldest, max(l.time) AS newest,
       count(*) FILTER (WHERE l.body LIKE 'cose:%' OR l.attributes::text LIKE '%"cose:%')::int AS sealed
     FROM ${logs(schema)} WHERE ${mine} GROUP BY 1, 2, 3 ORDER BY 1, 2, 4 DESC, 3`,
    params,
  )
  return rows.map((row) => ({ ...row, purpose: unescapeText(row.purpose), event: unescapeText(row.event) }))
}

/** The legal holds that keep any of these rows now. */
export async function holdsOver(
  client: pg.Client,
  schema: string,
  person: PersonRows,
  nowMs: number,
): Promise<Pick<Hold, 'id' | 'until'>[]> {
  const { mine, params } = conditionOf(person)
  const { rows } = await client.query<Pick<Hold, 'id' | 'until'>>(
    `SELECT h.id, h.until FROM ${pg.escapeIdentifier(schema)}.legal_holds h
     WHERE h.until > $${params.push(new Date(nowMs))} AND h.ended IS NULL
     AND EXISTS (SELECT FROM ${logs(schema)} WHERE ${mine} AND ${heldBy}) ORDER BY h.id`,
    params,
  )
  return rows
}

/** Whether the hold `h` is for the row `l`. */
const heldBy = `(h.tenant IS NULL OR h.tenant = l.tenant) AND (h.purpose IS NULL OR h.purpose = l.purpose)
  AND (h.subject_ref IS NULL OR h.subject_ref = l.subject_ref)`

/** Deletes a person's rows, but for those that a legal hold keeps; gives how many that were. */
export function deletePerson(client: pg.Client, schema: string, person: PersonRows, nowMs: number): Promise<number> {
  const { mine, params } = conditionOf(person)
  return deleteWhere(client, schema, mine, params, nowMs)
}

/** The same for everything under these references, whosever they are. */
export const deleteRows = (
  client: pg.Client,
  schema: string,
  refs: readonly string[],
  nowMs: number,
): Promise<number> => deleteWhere(client, schema, 'l.subject_ref = ANY($1)', [refs.map(escapeText)], nowMs)

/** Rows of a tenant without a reference, by what stands in an attribute. */
export interface NamedRows extends NamedBy {
  readonly tenant: string
  readonly storedBefore: Date
}

const columnOf = ({ of }: Pick<NamedBy, 'of'>): string => (of === 'log' ? 'l.attributes' : 'l.resource')
const storedKey = (key: string): string => escapeText(key.startsWith('$') ? `$${key}` : key)

/** What stands in an attribute of these rows, each value once, in portions. */
export async function* valuesNamed(
  client: pg.Client,
  schema: string,
  tenant: string,
  by: Pick<NamedBy, 'of' | 'key'>,
): AsyncGenerator<string, void, void> {
  await client.query('BEGIN')
  try {
    const value = `${columnOf(by)} ->> $2::text`
    await client.query(
      `DECLARE named NO SCROLL CURSOR FOR SELECT DISTINCT ${value} AS value FROM ${logs(schema)}
       WHERE l.subject_ref IS NULL AND (l.tenant = $1 OR l.tenant IS NULL) AND ${value} IS NOT NULL`,
      [escapeText(tenant), storedKey(by.key)],
    )
    for (;;) {
      const { rows } = await client.query<{ value: string }>(`FETCH ${limits.queryRowsMax} FROM named`)
      for (const { value } of rows) yield unescapeText(value)
      if (rows.length === 0) return
    }
  } finally {
    await client.query('ROLLBACK')
  }
}

/** Deletes such rows, but for those that a legal hold keeps; gives how many. */
export const deleteNamed = (client: pg.Client, schema: string, rows: NamedRows, nowMs: number): Promise<number> =>
  deleteWhere(
    client,
    schema,
    `l.subject_ref IS NULL AND (l.tenant = $1 OR l.tenant IS NULL) AND l.stored < $2
     AND ${columnOf(rows)} ->> $3::text = ANY($4::text[])`,
    [escapeText(rows.tenant), rows.storedBefore, storedKey(rows.key), rows.values.map(escapeText)],
    nowMs,
  )

async function deleteWhere(
  client: pg.Client,
  schema: string,
  condition: string,
  params: unknown[],
  nowMs: number,
): Promise<number> {
  const { rowCount } = await client.query(
    `DELETE FROM ${logs(schema)} WHERE ${condition} AND NOT EXISTS (
       SELECT FROM ${pg.escapeIdentifier(schema)}.legal_holds h
       WHERE h.until > $${params.push(new Date(nowMs))} AND h.ended IS NULL AND ${heldBy})`,
    params,
  )
  return rowCount ?? 0
}

/** The attribute that leads from a row to the note about it, and what rows of notes are called. */
const rectifiedBy = 'douane.rectified_by'
const noteEvent = 'douane.rectification'

/** Marks rows with the request that rectifies them; a second time changes nothing. Gives how many were marked now. */
export async function markRectified(
  client: pg.Client,
  schema: string,
  person: PersonRows,
  request: string,
): Promise<number> {
  const { mine, params } = conditionOf(person)
  const key = `$${params.push(rectifiedBy)}::text`
  const value = `$${params.push(request)}::text`
  const { rowCount } = await client.query(
    `UPDATE ${logs(schema)} SET attributes = l.attributes || jsonb_build_object(${key},
       coalesce(l.attributes -> ${key}, '[]') || to_jsonb(${value}))
     WHERE ${mine} AND NOT coalesce(l.attributes -> ${key} ? ${value}, false)
       AND l.event_name IS DISTINCT FROM $${params.push(noteEvent)}`,
    params,
  )
  return rowCount ?? 0
}

/** The same rows as a condition of `query`. */
export function personCondition(person: PersonRows): { text: string; params: unknown[] } {
  const { mine, params } = conditionOf(person)
  return { text: mine.replaceAll(/\bl\./g, ''), params }
}

/** Where a note belongs: with which rows it is read and deleted. */
export interface NotePlace {
  readonly tenant: string
  readonly region: string
  readonly purpose: string
  readonly retention: string
  readonly subject: string
}

/** Stores a note as a row. False where this request's note is there already. */
export async function insertNote(
  client: pg.Client,
  schema: string,
  { tenant, region, purpose, retention, subject }: NotePlace,
  { request, body, nowMs }: { readonly request: string; readonly body: string; readonly nowMs: number },
): Promise<boolean> {
  const name = pg.escapeIdentifier(schema)
  const shelves = new Shelves(() => (retention === unlimited ? undefined : retention), nowMs)
  const shelf = shelves.find({ purpose, tenant, region }, nowMs)?.shelf
  if (!shelf) return false
  const period = shelf.period ? [new Date(shelf.period.startMs), new Date(shelf.period.endMs)] : [null, null]
  await client.query(`SELECT ${name}.ensure_partition($1, $2, $3, $4)`, [escapeText(purpose), retention, ...period])
  const { rowCount } = await client.query(
    `INSERT INTO ${name}.logs (time, stored, observed, severity_number, severity_text, time_nanos, observed_nanos, purpose,
       retention, tenant, region, event_name, body, subject_ref, attributes, service_name, resource)
     SELECT $1, $1, $1, 9, 'INFO', 0, 0, $2, $3, $4, nullif($5, ''), $6, $7, $8, jsonb_build_object($9::text, $10::text), 'douane', '{}'
     WHERE NOT EXISTS (SELECT FROM ${name}.logs l WHERE l.purpose = $2 AND l.retention = $3 AND l.tenant = $4
       AND l.event_name = $6 AND l.attributes ->> $9 = $10)`,
    [
      new Date(nowMs),
      escapeText(purpose),
      shelf.value,
      escapeText(tenant),
      escapeText(region),
      noteEvent,
      escapeText(body),
      escapeText(subject),
      'douane.rectifies',
      request,
    ],
  )
  return rowCount === 1
}
