/**
 * The rows of a store that are about one person: counted, marked with a note, deleted. A person is known by the values
 * of `subject_ref` that gateways gave him; each partition has an index on them.
 */
import pg from 'pg'
import type { Hold } from './legal_holds.ts'
import { Shelves, unlimited } from './shelves.ts'
import { escapeText, unescapeText } from './stored_json.ts'

/** Whose rows: of one tenant, under any of these references. */
export interface PersonRows {
  readonly tenant: string
  readonly refs: readonly string[]
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

const mine = 'l.subject_ref = ANY($1) AND coalesce(l.tenant, $2) = $2'
const params = ({ tenant, refs }: PersonRows): [string[], string] => [refs.map(escapeText), escapeText(tenant)]
const logs = (schema: string): string => `${pg.escapeIdentifier(schema)}.logs l`

export async function groupRows(client: pg.Client, schema: string, person: PersonRows): Promise<RowGroup[]> {
  const { rows } = await client.query<RowGroup>(
    `SELECT l.purpose, split_part(l.retention, '/', 1) AS retention, coalesce(l.event_name, '') AS event,
       count(*)::int AS records, min(l.time) AS oldest, max(l.time) AS newest,
       count(*) FILTER (WHERE l.body LIKE 'cose:%' OR l.attributes::text LIKE '%"cose:%')::int AS sealed
     FROM ${logs(schema)} WHERE ${mine} GROUP BY 1, 2, 3 ORDER BY 1, 2, 4 DESC, 3`,
    params(person),
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
  const { rows } = await client.query<Pick<Hold, 'id' | 'until'>>(
    `SELECT h.id, h.until FROM ${pg.escapeIdentifier(schema)}.legal_holds h WHERE h.until > $3 AND h.ended IS NULL
     AND (h.tenant IS NULL OR h.tenant = $2)
     AND EXISTS (SELECT FROM ${logs(schema)} WHERE ${mine} AND (h.purpose IS NULL OR h.purpose = l.purpose)
       AND (h.subject_ref IS NULL OR h.subject_ref = l.subject_ref)) ORDER BY h.id`,
    [...params(person), new Date(nowMs)],
  )
  return rows
}

/** Deletes what no legal hold keeps; gives how many rows that were. */
export async function deleteRows(
  client: pg.Client,
  schema: string,
  refs: readonly string[],
  nowMs: number,
): Promise<number> {
  const { rowCount } = await client.query(
    `DELETE FROM ${logs(schema)} WHERE l.subject_ref = ANY($1) AND NOT EXISTS (
       SELECT FROM ${pg.escapeIdentifier(schema)}.legal_holds h WHERE h.until > $2 AND h.ended IS NULL
       AND (h.tenant IS NULL OR h.tenant = l.tenant) AND (h.purpose IS NULL OR h.purpose = l.purpose)
       AND (h.subject_ref IS NULL OR h.subject_ref = l.subject_ref))`,
    [refs.map(escapeText), new Date(nowMs)],
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
  const { rowCount } = await client.query(
    `UPDATE ${logs(schema)} SET attributes = l.attributes || jsonb_build_object($3::text,
       coalesce(l.attributes -> $3, '[]') || to_jsonb($4::text))
     WHERE ${mine} AND NOT coalesce(l.attributes -> $3 ? $4, false) AND l.event_name IS DISTINCT FROM $5`,
    [...params(person), rectifiedBy, request, noteEvent],
  )
  return rowCount ?? 0
}

/** The same rows as a condition of `query`. */
export const personCondition = (person: PersonRows): { text: string; params: unknown[] } => ({
  text: mine.replaceAll('l.', ''),
  params: params(person),
})

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
