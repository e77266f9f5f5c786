/**
 * Stored rows as OTLP/JSON: requests, one a line, that any OTLP receiver takes. Rows that follow each other and have the
 * same resource and scope share a line. Kinds of values are as they were sent.
 */
import { limits } from '../../src/limits.ts'
import { type Row, toRecord } from './query.ts'
import { unescapeText } from './stored_json.ts'

interface OtlpValue {
  stringValue?: string
  boolValue?: boolean
  intValue?: string
  doubleValue?: number | string
  bytesValue?: string
  arrayValue?: { values: OtlpValue[] }
  kvlistValue?: { values: OtlpEntry[] }
}
interface OtlpEntry {
  key: string
  value: OtlpValue
}

/** A number as it is written: JavaScript's numbers do not tell 1 from 1.0, nor the last digits of a long one. */
class Written {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
type Parsed = null | boolean | string | Written | Parsed[] | { [key: string]: Parsed }

function parse(text: string): Parsed {
  return JSON.parse(text, ((_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' ? new Written(context?.source ?? String(value)) : value) as (
    key: string,
    value: unknown,
  ) => unknown)
}

const int64Max = 2n ** 63n

function numberValue(text: string): OtlpValue {
  if (/^-?\d+$/.test(text)) {
    const whole = BigInt(text)
    if (whole < int64Max && whole >= -int64Max) return { intValue: text }
  }
  return { doubleValue: Number(text) }
}

function otlpValue(parsed: Parsed): OtlpValue {
  if (parsed === null) return {}
  if (typeof parsed === 'string') return { stringValue: unescapeText(parsed) }
  if (typeof parsed === 'boolean') return { boolValue: parsed }
  if (parsed instanceof Written) return numberValue(parsed.text)
  if (Array.isArray(parsed)) return { arrayValue: { values: parsed.map(otlpValue) } }
  const entries = Object.entries(parsed)
  const [first] = entries
  if (entries.length === 1 && first && typeof first[1] === 'string') {
    if (first[0] === '$bytes') return { bytesValue: first[1] }
    if (first[0] === '$double') return { doubleValue: first[1] === '-0' ? -0 : first[1] }
  }
  return { kvlistValue: { values: entriesOf(parsed) } }
}

const entriesOf = (parsed: { [key: string]: Parsed }): OtlpEntry[] =>
  Object.entries(parsed).map(([key, value]) => ({
    key: unescapeText(key.replace(/^\$\$/, '$')),
    value: otlpValue(value),
  }))

const attributes = (text: string): OtlpEntry[] => entriesOf(parse(text) as { [key: string]: Parsed })

/** The attributes that have columns, as the gateway set them. */
function ownAttributes(row: Row): OtlpEntry[] {
  const { attributes: shown } = toRecord({ ...row, attributes: '{}' })
  return Object.entries(shown).map(([key, value]) => ({
    key,
    value: Array.isArray(value)
      ? { arrayValue: { values: value.map((one) => ({ stringValue: String(one) })) } }
      : { stringValue: String(value) },
  }))
}

function recordOf(row: Row): Record<string, unknown> {
  const record = toRecord(row)
  const body =
    row.body_json === null
      ? row.body !== null && { stringValue: unescapeText(row.body) }
      : otlpValue(parse(row.body_json))
  return {
    ...(record.time_unix_nano !== '0' && { timeUnixNano: record.time_unix_nano }),
    ...(record.observed_time_unix_nano !== null && { observedTimeUnixNano: record.observed_time_unix_nano }),
    ...(record.severity_number !== 0 && { severityNumber: record.severity_number }),
    ...(record.severity_text !== null && { severityText: record.severity_text }),
    ...(record.event_name !== null && { eventName: record.event_name }),
    ...(body && { body }),
    attributes: [...attributes(row.attributes), ...ownAttributes(row)],
    ...(record.dropped_attributes_count > 0 && { droppedAttributesCount: record.dropped_attributes_count }),
    ...(record.flags > 0 && { flags: record.flags }),
    ...(record.trace_id !== null && { traceId: record.trace_id }),
    ...(record.span_id !== null && { spanId: record.span_id }),
  }
}

function lineOf(first: Row, logRecords: readonly unknown[]): string {
  const {
    schema_url: schemaUrl,
    attributes: scopeAttributes,
    ...scope
  } = parse(first.scope ?? '{}') as Record<string, Parsed>
  const named = Object.fromEntries(Object.entries(scope).map(([key, text]) => [key, unescapeText(String(text))]))
  const scopeLogs = {
    scope: {
      ...named,
      ...(scopeAttributes && { attributes: entriesOf(scopeAttributes as { [key: string]: Parsed }) }),
    },
    ...(typeof schemaUrl === 'string' && { schemaUrl: unescapeText(schemaUrl) }),
    logRecords,
  }
  const resourceLogs = {
    resource: { attributes: attributes(first.resource) },
    ...(first.resource_schema_url !== null && { schemaUrl: unescapeText(first.resource_schema_url) }),
    scopeLogs: [scopeLogs],
  }
  // JSON has no -0 of its own that `JSON.stringify` would write.
  return JSON.stringify({ resourceLogs: [resourceLogs] }, (_key, value) => (Object.is(value, -0) ? '-0' : value))
}

/** Lines without their ends. */
export async function* otlpLines(rows: AsyncIterable<Row>): AsyncGenerator<string, void, void> {
  let first: Row | undefined
  let records: unknown[] = []
  for await (const row of rows) {
    const goesOn =
      first !== undefined &&
      records.length < limits.otlpLineRecordsMax &&
      row.resource === first.resource &&
      row.scope === first.scope &&
      row.resource_schema_url === first.resource_schema_url
    if (first !== undefined && !goesOn) yield lineOf(first, records)
    if (!goesOn) {
      first = row
      records = []
    }
    records.push(recordOf(row))
  }
  if (first !== undefined) yield lineOf(first, records)
}
