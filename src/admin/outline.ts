/**
 * What a request looks like without what it says: names of attributes, kinds and sizes, no values. For somebody who has
 * to find out why a destination refused it.
 *
 * Shown as they are: severity numbers, times, and the attributes by which the gateway routed. A name is shown where it
 * looks like one: people put all kinds of things there.
 */
import { wireToJson } from '../otlp/json_write.ts'

/** By name, in order; a name that comes twice is listed twice. */
type Attributes = [name: string, what: string][]

interface OutlinedRecord {
  readonly severity_number?: number
  /** ISO time, to the millisecond. */
  readonly time?: string
  readonly event_name?: string
  readonly body?: string
  readonly attributes: Attributes
}

export interface Outline {
  readonly resources: readonly { readonly attributes: Attributes; readonly records: readonly OutlinedRecord[] }[]
  /** Records that are not shown. */
  readonly more: number
}

interface Value {
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly intValue?: string
  readonly doubleValue?: number | string
  readonly bytesValue?: string
  readonly arrayValue?: { readonly values?: readonly Value[] }
  readonly kvlistValue?: { readonly values?: readonly KeyValue[] }
}
interface KeyValue {
  readonly key?: string
  readonly value?: Value
}
interface LogRecord {
  readonly timeUnixNano?: string
  readonly severityNumber?: number
  readonly eventName?: string
  readonly body?: Value
  readonly attributes?: readonly KeyValue[]
}
interface Request {
  readonly resourceLogs?: readonly {
    readonly resource?: { readonly attributes?: readonly KeyValue[] }
    readonly scopeLogs?: readonly { readonly logRecords?: readonly LogRecord[] }[]
  }[]
}

/** Undefined: the body cannot be read. */
export function outlineOf(body: Uint8Array, recordsMax: number): Outline | undefined {
  let request: Request
  try {
    request = JSON.parse(wireToJson(body)) as Request
  } catch {
    return undefined
  }
  let left = recordsMax
  let more = 0
  const resources = (request.resourceLogs ?? []).map(({ resource, scopeLogs = [] }) => {
    const records = scopeLogs.flatMap(({ logRecords = [] }) => logRecords)
    const shown = records.slice(0, left)
    left -= shown.length
    more += records.length - shown.length
    return { attributes: attributesOf(resource?.attributes), records: shown.map(recordOf) }
  })
  return { resources: resources.filter(({ records }) => records.length > 0), more }
}

function recordOf({ timeUnixNano, severityNumber, eventName, body, attributes }: LogRecord): OutlinedRecord {
  const ms = Number(BigInt(timeUnixNano ?? '0') / 1_000_000n)
  return {
    ...(severityNumber !== undefined && { severity_number: severityNumber }),
    ...(ms > 0 && { time: new Date(Math.min(ms, limitMs)).toISOString() }),
    ...(eventName !== undefined && { event_name: textOf(eventName) }),
    ...(body !== undefined && { body: kindOf(body) }),
    attributes: attributesOf(attributes),
  }
}
/** The last moment that a Date can hold. */
const limitMs = 8.64e15

const ours = new Set(['douane.tenant', 'douane.region', 'douane.purpose'])

const attributesOf = (attributes: readonly KeyValue[] = []): Attributes =>
  attributes.map(({ key = '', value = {} }) => [nameOf(key), ours.has(key) ? plainOf(value) : kindOf(value)])

const nameOf = (key: string): string =>
  /^[A-Za-z_][\w./-]{0,99}$/.test(key) ? key : `(a name of ${Buffer.byteLength(key)} bytes)`

const textOf = (text: string): string => `text, ${Buffer.byteLength(text)} bytes`

function kindOf(value: Value): string {
  if (value.stringValue !== undefined) {
    return value.stringValue.startsWith('cose:')
      ? `sealed, ${value.stringValue.length} bytes`
      : textOf(value.stringValue)
  }
  if (value.boolValue !== undefined) return 'true or false'
  if (value.intValue !== undefined) return 'whole number'
  if (value.doubleValue !== undefined) return 'number'
  if (value.bytesValue !== undefined) return `bytes, ${Buffer.byteLength(value.bytesValue, 'base64')}`
  if (value.arrayValue !== undefined) return `list of ${value.arrayValue.values?.length ?? 0}`
  if (value.kvlistValue !== undefined) return `map of ${value.kvlistValue.values?.length ?? 0}`
  return 'nothing'
}

/** Of what the gateway wrote itself: texts, or a list of them. */
const plainOf = (value: Value): string =>
  (value.arrayValue?.values ?? [value]).map(({ stringValue = '' }) => stringValue).join(', ')
