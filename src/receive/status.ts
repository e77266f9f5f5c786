/**
 * What a client is told, on the wire: google.rpc.Status and ExportLogsServiceResponse, as protobuf and as JSON.
 *
 *   Status      { int32 code = 1; string message = 2; repeated Any details = 3 }
 *   Any         { string type_url = 1; bytes value = 2 }
 *   BadRequest  { repeated FieldViolation field_violations = 1 { string field = 1; string description = 2 } }
 *   RetryInfo   { Duration retry_delay = 1 { int64 seconds = 1; int32 nanos = 2 } }
 *   Response    { PartialSuccess partial_success = 1 { int64 rejected_log_records = 1; string error_message = 2 } }
 *
 * A full success leaves `partial_success` unset: the response is empty, in JSON `{}`.
 */
import type { Answer } from './accept.ts'

/** The gRPC status codes that are used here. */
export const Code = {
  Ok: 0,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  Unauthenticated: 16,
} as const

/** Why a request was not taken; a label of our metrics, so the set is closed. */
export const refusalReasons = [
  'bad_data',
  'bad_encoding',
  'bad_framing',
  'denied',
  'failed',
  'headers_too_large',
  'memory',
  'memory_share',
  'method',
  'path',
  'slow',
  'stopping',
  'throttled',
  'too_large',
  'unauthenticated',
  'unavailable',
  'unsupported_encoding',
  'unsupported_type',
] as const
export type RefusalReason = (typeof refusalReasons)[number]

/** An error as both transports tell it. */
export interface Refusal {
  readonly reason: RefusalReason
  readonly http: number
  readonly code: number
  readonly message: string
  /** Set: the client may send the same request again after this time. */
  readonly retryAfterMs?: number
  /** Told as BadRequest details: what is wrong with the body. */
  readonly violation?: string
  /** More response headers (HTTP) or metadata (gRPC). */
  readonly headers?: Readonly<Record<string, string>>
}

/** The refusal that an answer stands for; undefined for `ok` and `partial`. */
export function refusalOf(answer: Answer): Refusal | undefined {
  switch (answer.is) {
    case 'ok':
    case 'partial':
      return undefined
    case 'bad':
      return badData(answer.message)
    case 'denied':
      return { reason: 'denied', http: 403, code: Code.PermissionDenied, message: answer.message }
    case 'throttled':
      return retryable('throttled', 429, Code.ResourceExhausted, answer.message, answer.retryAfterMs)
    case 'unavailable':
      return retryable('unavailable', 503, Code.Unavailable, answer.message, answer.retryAfterMs)
    case 'failed':
      return { reason: 'failed', http: 500, code: Code.Internal, message: answer.message }
  }
}

export function badData(message: string, reason: RefusalReason = 'bad_data'): Refusal {
  return { reason, http: 400, code: Code.InvalidArgument, message, violation: message }
}

export function retryable(
  reason: RefusalReason,
  http: number,
  code: number,
  message: string,
  retryAfterMs: number,
): Refusal {
  return { reason, http, code, message, retryAfterMs }
}

/** Whole seconds for `Retry-After`, at least one. */
export const retryAfterSeconds = (retryAfterMs: number): number => Math.max(1, Math.ceil(retryAfterMs / 1000))

// ---- protobuf

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return bytes
}

/** A varint field; absent where it holds the default. Values are safe integers ≥ 0. */
const numberField = (field: number, value: number): Buffer =>
  value === 0 ? Buffer.alloc(0) : Buffer.from([field << 3, ...varint(value)])

function bytesField(field: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...varint(value.length)]), value])
}

const textField = (field: number, value: string): Buffer =>
  value === '' ? Buffer.alloc(0) : bytesField(field, Buffer.from(value, 'utf8'))

const any = (type: string, value: Buffer): Buffer =>
  Buffer.concat([textField(1, `type.googleapis.com/${type}`), bytesField(2, value)])

/** A delay as protobuf's Duration: whole seconds, and the nanoseconds beside them. */
function delayOf(retryAfterMs: number): { seconds: number; nanos: number } {
  const ms = Math.max(0, Math.ceil(retryAfterMs))
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 }
}

/** google.rpc.Status as protobuf bytes. */
export function encodeStatus(refusal: Refusal): Buffer {
  const parts = [numberField(1, refusal.code), textField(2, refusal.message)]
  if (refusal.violation !== undefined) {
    const violation = Buffer.concat([textField(1, 'body'), textField(2, refusal.violation)])
    parts.push(bytesField(3, any('google.rpc.BadRequest', bytesField(1, violation))))
  }
  if (refusal.retryAfterMs !== undefined) {
    const { seconds, nanos } = delayOf(refusal.retryAfterMs)
    const delay = Buffer.concat([numberField(1, seconds), numberField(2, nanos)])
    parts.push(bytesField(3, any('google.rpc.RetryInfo', bytesField(1, delay))))
  }
  return Buffer.concat(parts)
}

/** ExportLogsServiceResponse as protobuf bytes; empty for a full success. */
export function encodeResponse(answer: Answer): Buffer {
  if (answer.is !== 'partial') return Buffer.alloc(0)
  return bytesField(1, Buffer.concat([numberField(1, answer.rejected), textField(2, answer.message)]))
}

// ---- JSON

/** google.rpc.Status as JSON. */
export function statusJson(refusal: Refusal): string {
  const details: unknown[] = []
  if (refusal.violation !== undefined) {
    details.push({
      '@type': 'type.googleapis.com/google.rpc.BadRequest',
      fieldViolations: [{ field: 'body', description: refusal.violation }],
    })
  }
  if (refusal.retryAfterMs !== undefined) {
    const ms = Math.max(0, Math.ceil(refusal.retryAfterMs))
    details.push({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${ms / 1000}s` })
  }
  return JSON.stringify({ code: refusal.code, message: refusal.message, ...(details.length > 0 && { details }) })
}

/** ExportLogsServiceResponse as JSON; 64-bit integers are strings. */
export function responseJson(answer: Answer): string {
  if (answer.is !== 'partial') return '{}'
  const partialSuccess = {
    ...(answer.rejected > 0 && { rejectedLogRecords: String(answer.rejected) }),
    ...(answer.message !== '' && { errorMessage: answer.message }),
  }
  return JSON.stringify({ partialSuccess })
}
