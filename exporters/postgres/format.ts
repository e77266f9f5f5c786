/**
 * Stored records as text: JSON lines for programs, a table for people.
 */
import Table from 'cli-table3'
import type { StoredRecord } from './query.ts'
import type { PlainValue } from './stored_json.ts'

/** `JSON.rawJSON` is in V8 since 11.4, and not yet in TypeScript's library. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

/** One line, without its end. Ints beyond 2^53 are written exactly. */
export const jsonLine = (record: StoredRecord): string => compact(record)

/** A line that `jsonLine` wrote, ints beyond 2^53 exact. */
export const parseLine = (line: string): StoredRecord =>
  JSON.parse(line, ((_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context!.source!)
      : value) as (key: string, value: unknown) => unknown)

const compact = (value: unknown): string =>
  JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? rawJSON(String(item)) : item))

const csvColumns: readonly (keyof StoredRecord)[] = [
  'time',
  'time_unix_nano',
  'observed_time_unix_nano',
  'tenant',
  'region',
  'purpose',
  'retention',
  'severity_number',
  'severity_text',
  'event_name',
  'body',
  'service_name',
  'trace_id',
  'span_id',
  'flags',
  'attributes',
  'dropped_attributes_count',
  'resource',
  'resource_schema_url',
  'scope',
]
export const csvHead = csvColumns.join(',')

/**
 * One record as RFC 4180 wants it, without the line's end; maps are JSON. A text that a spreadsheet would take for a
 * formula gets an apostrophe in front: senders decide what is in a log, and must not decide what a reader's program runs.
 */
export const csvLine = (record: StoredRecord): string => csvColumns.map((column) => csvCell(record[column])).join(',')

function csvCell(value: unknown): string {
  if (value === null) return ''
  const text = typeof value !== 'string' ? compact(value) : /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const cellUnitsMax = 60

/** Records as one table. Long cells are cut; control characters, which could steer a terminal, are shown as codes. */
export function formatTable(records: Iterable<StoredRecord>): string {
  const table = new Table({
    head: ['time', 'severity', 'tenant', 'purpose', 'service', 'event', 'body', 'attributes'],
    style: { head: [], border: [] },
  })
  for (const record of records) {
    table.push([
      record.time,
      cell(record.severity_text ?? (record.severity_number === 0 ? '' : String(record.severity_number))),
      cell(record.tenant ?? ''),
      cell(record.purpose),
      cell(record.service_name ?? ''),
      cell(record.event_name ?? ''),
      cell(asText(record.body)),
      cell(attributesText(record.attributes)),
    ])
  }
  return table.toString()
}

const asText = (value: PlainValue): string => (value === null ? '' : typeof value === 'string' ? value : compact(value))

/** Without the gateway's own, which are columns of their own or of little interest here. */
const attributesText = (attributes: Record<string, PlainValue>): string =>
  Object.entries(attributes)
    .filter(([key]) => !key.startsWith('douane.'))
    .map(([key, value]) => `${key}=${asText(value)}`)
    .join(' ')

function cell(text: string): string {
  const shown = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return shown.length <= cellUnitsMax ? shown : `${shown.slice(0, cellUnitsMax - 1)}…`
}
