/** Log records for tests of conditions: from OTLP/JSON, the way a sender's would come. */
import { jsonToWire } from '../../src/otlp/json.ts'
import { readRequest } from '../../src/otlp/read.ts'
import { LogRecord } from '../../src/otlp/record.ts'
import { LogsRequest } from '../../src/otlp/request.ts'

/** The first record of a request in OTLP/JSON, with its resource and scope. With `scanned` it lives until the next one. */
export function recordOf(request: unknown, scanned = new LogsRequest()): LogRecord {
  const body = Buffer.from(jsonToWire(Buffer.from(JSON.stringify(request))))
  scanned.reset(body)
  readRequest(scanned, body)
  const record = new LogRecord(scanned)
  record.resource.visit(0)
  record.scope.visit(0)
  return record.visit(0)
}

export interface Parts {
  readonly record?: Record<string, unknown>
  readonly attributes?: Record<string, unknown>
  readonly resource?: Record<string, unknown>
  readonly scope?: Record<string, unknown>
}

const keyValues = (attributes: Record<string, unknown> = {}) =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }))

/** Plain values as OTLP/JSON: bigints are ints, numbers doubles, null is empty. */
export function anyValue(value: unknown): object {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'bigint') return { intValue: String(value) }
  if (typeof value === 'number') return { doubleValue: Number.isFinite(value) ? value : String(value) }
  if (value === null || value === undefined) return {}
  if (value instanceof Uint8Array) return { bytesValue: Buffer.from(value).toString('base64') }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } }
  return { kvlistValue: { values: keyValues(value as Record<string, unknown>) } }
}

export const requestOf = ({ record, attributes, resource, scope }: Parts): object => ({
  resourceLogs: [
    {
      resource: { attributes: keyValues(resource) },
      scopeLogs: [{ scope: scope ?? {}, logRecords: [{ ...record, attributes: keyValues(attributes) }] }],
    },
  ],
})

export const makeRecord = (parts: Parts, scanned?: LogsRequest): LogRecord => recordOf(requestOf(parts), scanned)
