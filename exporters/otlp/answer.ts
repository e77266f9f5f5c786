/**
 * What an OTLP destination answers, in both transports, and what it means to the pipeline.
 *
 *   Response  { PartialSuccess partial_success = 1 { int64 rejected_log_records = 1; string error_message = 2 } }
 *   Status    { int32 code = 1; string message = 2; repeated Any details = 3 { string type_url = 1; bytes value = 2 } }
 *   RetryInfo { Duration retry_delay = 1 { int64 seconds = 1; int32 nanos = 2 } }
 *
 * A destination's own words are never passed on: they may quote what was sent. Reasons hold codes and counts only.
 * An answer that cannot be read says nothing; it is never an error of the destination's that the pipeline must know.
 */
import { isUtf8 } from 'node:buffer'
import type { Batch, Outcome } from '../../src/contract.ts'
import { WireError } from '../../src/errors.ts'
import { readLength, readTag, readVarint64, skipValue, WireType, wire } from '../../src/otlp/wire.ts'

type Field = { number: number; value: number } | { number: number; bytes: Uint8Array }

/** The fields of a message, in order. Throws `WireError`. */
function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = []
  for (let at = 0; at < bytes.length; ) {
    const tag = readTag(bytes, at, bytes.length)
    const number = tag >>> 3
    if ((tag & 7) === WireType.Varint) {
      const low = readVarint64(bytes, wire.at, bytes.length)
      at = wire.at
      fields.push({ number, value: low + wire.hi * 2 ** 32 })
    } else if ((tag & 7) === WireType.Bytes) {
      at = readLength(bytes, wire.at, bytes.length)
      fields.push({ number, bytes: bytes.subarray(wire.at, at) })
    } else at = skipValue(bytes, tag, wire.at, bytes.length)
  }
  return fields
}

const bytesOf = (fields: readonly Field[], number: number): Uint8Array | undefined =>
  fields.findLast(
    (field): field is { number: number; bytes: Uint8Array } => field.number === number && 'bytes' in field,
  )?.bytes

function numberOf(fields: readonly Field[], number: number): number {
  const field = fields.findLast((field) => field.number === number && 'value' in field)
  return field !== undefined && 'value' in field ? field.value : 0
}

/** What a successful answer says: everything was taken, or all but some. */
export function outcomeOfResponse(body: Uint8Array, isJson: boolean, batch: Batch): Outcome {
  const rejected = Math.min(isJson ? rejectedInJson(body) : rejectedInProtobuf(body), batch.records)
  if (rejected === 0) return { is: 'accepted' }
  return { is: 'partial', records: rejected, reason: 'the destination refused some records of the batch' }
}

function rejectedInProtobuf(body: Uint8Array): number {
  if (body.length === 0) return 0
  try {
    const partial = bytesOf(fieldsOf(body), 1)
    return partial === undefined ? 0 : numberOf(fieldsOf(partial), 1)
  } catch (error) {
    if (error instanceof WireError) return 0
    throw error
  }
}

function rejectedInJson(body: Uint8Array): number {
  if (!isUtf8(body)) return 0
  try {
    const response: unknown = JSON.parse(Buffer.from(body).toString())
    const partial = (response as { partialSuccess?: { rejectedLogRecords?: unknown } } | null)?.partialSuccess
    const rejected = Number(partial?.rejectedLogRecords ?? 0)
    return Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0
  } catch {
    return 0
  }
}

/** The delay of the RetryInfo in a Status' details; undefined where there is none. */
export function retryDelayMs(status: Uint8Array): number | undefined {
  try {
    for (const detail of fieldsOf(status)) {
      if (detail.number !== 3 || !('bytes' in detail)) continue
      const any = fieldsOf(detail.bytes)
      const type = Buffer.from(bytesOf(any, 1) ?? []).toString()
      if (!type.endsWith('/google.rpc.RetryInfo')) continue
      const delay = fieldsOf(bytesOf(fieldsOf(bytesOf(any, 2) ?? Buffer.alloc(0)), 1) ?? Buffer.alloc(0))
      return Math.ceil(numberOf(delay, 1) * 1000 + numberOf(delay, 2) / 1e6)
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error
  }
  return undefined
}

/** `Retry-After` as seconds or as a date, in milliseconds from now; undefined where it is neither. */
export function retryAfterMs(header: string | string[] | undefined, nowMs: number): number | undefined {
  const text = (Array.isArray(header) ? header[0] : header)?.trim()
  if (text === undefined || text === '') return undefined
  if (/^\d{1,10}(?:\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000)
  const date = /^[A-Za-z]{3,9},? /.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs)
}

/** `unavailable`, with the delay only where the destination named one. */
export const unavailable = (reason: string, delayMs?: number): Outcome => ({
  is: 'unavailable',
  reason,
  ...(delayMs !== undefined && { retryAfterMs: delayMs }),
})

/** The code of a failed attempt, which names no payload: `ECONNREFUSED`, `UND_ERR_SOCKET`. */
export function failureCode(error: unknown): string {
  const { code, cause, name } = error as { code?: unknown; cause?: unknown; name?: unknown }
  if (typeof code === 'string' && code !== 'UND_ERR_SOCKET') return code
  const inner = (cause as { code?: unknown } | undefined)?.code
  if (typeof inner === 'string') return inner
  return typeof code === 'string' ? code : String(name ?? 'unknown')
}
