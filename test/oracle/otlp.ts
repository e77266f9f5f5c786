/**
 * The oracle: a plainly slow reader and writer of ExportLogsServiceRequest, to hold the fast paths against.
 *
 * Messages are declared to protobufjs, and its reader does the primitives. Its own `decode` is too lenient to be the
 * judge (it skips a known field of another wire type, keeps the losers of a oneof, lets invalid UTF-8 through), so
 * `decodeRequest` walks the same declarations strictly; test/oracle/otlp.test.ts holds it equal to protobufjs where
 * both accept. Numbers of 64 bits are bigints, absent fields are absent, a scalar with its default value is absent
 * unless it is in a oneof.
 */
import { isUtf8 } from 'node:buffer'
import protobuf from 'protobufjs'
import { limits } from '../../src/limits.ts'

export interface Request {
  resourceLogs?: ResourceLogs[]
}
export interface ResourceLogs {
  resource?: Resource
  scopeLogs?: ScopeLogs[]
  schemaUrl?: string
}
export interface Resource {
  attributes?: KeyValue[]
  droppedAttributesCount?: number
  entityRefs?: EntityRef[]
}
export interface EntityRef {
  schemaUrl?: string
  type?: string
  idKeys?: string[]
  descriptionKeys?: string[]
}
export interface ScopeLogs {
  scope?: Scope
  logRecords?: LogRecord[]
  schemaUrl?: string
}
export interface Scope {
  name?: string
  version?: string
  attributes?: KeyValue[]
  droppedAttributesCount?: number
}
export interface LogRecord {
  timeUnixNano?: bigint
  observedTimeUnixNano?: bigint
  severityNumber?: number
  severityText?: string
  body?: AnyValue
  attributes?: KeyValue[]
  droppedAttributesCount?: number
  flags?: number
  traceId?: Uint8Array
  spanId?: Uint8Array
  eventName?: string
}
export interface KeyValue {
  key?: string
  value?: AnyValue
}
/** At most one of these is there. */
export interface AnyValue {
  stringValue?: string
  boolValue?: boolean
  intValue?: bigint
  doubleValue?: number
  arrayValue?: { values?: AnyValue[] }
  kvlistValue?: { values?: KeyValue[] }
  bytesValue?: Uint8Array
}

/** The declarations, as in opentelemetry-proto 1.x. SeverityNumber is an open enum: an int32 to the wire. */
const root = protobuf.parse(`
syntax = "proto3";
message ExportLogsServiceRequest { repeated ResourceLogs resource_logs = 1; }
message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; string schema_url = 3; }
message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; repeated EntityRef entity_refs = 3; }
message EntityRef { string schema_url = 1; string type = 2; repeated string id_keys = 3; repeated string description_keys = 4; }
message ScopeLogs { InstrumentationScope scope = 1; repeated LogRecord log_records = 2; string schema_url = 3; }
message InstrumentationScope { string name = 1; string version = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
message LogRecord {
  fixed64 time_unix_nano = 1; int32 severity_number = 2; string severity_text = 3; AnyValue body = 5;
  repeated KeyValue attributes = 6; uint32 dropped_attributes_count = 7; fixed32 flags = 8; bytes trace_id = 9;
  bytes span_id = 10; fixed64 observed_time_unix_nano = 11; string event_name = 12;
}
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { oneof value {
  string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
  ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
} }
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }
message ExportLogsServiceResponse { ExportLogsPartialSuccess partial_success = 1; }
message ExportLogsPartialSuccess { int64 rejected_log_records = 1; string error_message = 2; }
`).root
root.resolveAll()

/** protobufjs' own types, for who needs them as they are. */
export const requestType = root.lookupType('ExportLogsServiceRequest')
export const responseType = root.lookupType('ExportLogsServiceResponse')

/** Reads a request strictly; throws where the bytes are bad. `seen.unknown` counts the unknown fields skipped. */
export function decodeRequest(bytes: Uint8Array, seen = { unknown: 0 }): Request {
  return decodeMessage(requestType, protobuf.Reader.create(bytes), bytes.length, {}, 0, seen) as Request
}

/** Writes a request as protobufjs does: fields in order of their numbers, shortest varints. */
export function encodeRequest(request: Request): Buffer {
  return Buffer.from(requestType.encode(requestType.fromObject(forProtobufjs(request) as object)).finish())
}

/** Reads with protobufjs' own decoder, in the same form as `decodeRequest`. */
export function decodeLeniently(bytes: Uint8Array): Request {
  const message = requestType.decode(bytes)
  return fromProtobufjs(requestType, message as unknown as Fields) as Request
}

type Fields = Record<string, unknown>

export const wireTypeOf: Record<string, number> = {
  fixed64: 1,
  double: 1,
  fixed32: 5,
  int32: 0,
  uint32: 0,
  int64: 0,
  bool: 0,
}

function decodeMessage(
  type: protobuf.Type,
  reader: protobuf.Reader,
  end: number,
  into: Fields,
  depth: number,
  seen: { unknown: number },
): Fields {
  const values = type.name === 'AnyValue' ? depth + 1 : depth
  if (values > limits.valueDepthMax) throw new Error('too deep')
  while (reader.pos < end) {
    const tag = readSmall(reader)
    const field = type.fieldsById[tag >>> 3]
    if (field === undefined) {
      seen.unknown++
      reader.skipType(tag & 7, 0, tag >>> 3)
    } else if ((tag & 7) !== (wireTypeOf[field.type] ?? 2)) throw new Error(`wrong wire type for ${field.name}`)
    else decodeField(field, reader, end, into, values, seen)
    if (reader.pos > end) throw new Error('past the end')
  }
  return into
}

/** A tag or a length: what has more than 32 bits is bad. */
function readSmall(reader: protobuf.Reader): number {
  const value = Number(String(reader.uint64()))
  if (value >= 2 ** 32) throw new Error('too large')
  return value
}

function decodeField(
  field: protobuf.Field,
  reader: protobuf.Reader,
  end: number,
  into: Fields,
  depth: number,
  seen: { unknown: number },
): void {
  let value: unknown
  if (field.resolvedType instanceof protobuf.Type) {
    const length = readSmall(reader)
    if (length > end - reader.pos) throw new Error('past the end')
    const before = field.repeated ? {} : ((into[field.name] ?? {}) as Fields)
    value = decodeMessage(field.resolvedType, reader, reader.pos + length, before, depth, seen)
  } else value = decodeScalar(field.type, reader)
  if (field.repeated) {
    const items = (into[field.name] ?? []) as unknown[]
    items.push(value)
    into[field.name] = items
    return
  }
  for (const loser of field.partOf?.fieldsArray ?? []) delete into[loser.name]
  if (isDefault(value) && field.partOf === null) delete into[field.name]
  else into[field.name] = value
}

function decodeScalar(type: string, reader: protobuf.Reader): unknown {
  switch (type) {
    case 'string': {
      const bytes = reader.bytes()
      if (!isUtf8(bytes)) throw new Error('invalid UTF-8')
      return Buffer.from(bytes).toString()
    }
    case 'bytes':
      return new Uint8Array(reader.bytes())
    case 'int64':
      return BigInt(String(reader.int64()))
    case 'fixed64':
      return BigInt(String(reader.fixed64()))
    case 'fixed32':
      return reader.fixed32()
    case 'double':
      return reader.double()
    case 'bool':
      return reader.bool()
    case 'int32':
      return reader.int32()
    default:
      return reader.uint32()
  }
}

function isDefault(value: unknown): boolean {
  return (
    value === 0 ||
    value === 0n ||
    value === '' ||
    value === false ||
    (value instanceof Uint8Array && value.length === 0)
  )
}

function forProtobufjs(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const half = (bits: bigint) => Number(BigInt.asIntN(32, bits))
    return new protobuf.util.Long(half(value), half(value >> 32n), value >= 2n ** 63n)
  }
  if (Array.isArray(value)) return value.map(forProtobufjs)
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, forProtobufjs(inner)]))
}

function fromProtobufjs(type: protobuf.Type, message: Fields): Fields {
  const result: Fields = {}
  for (const field of type.fieldsArray) {
    if (!Object.hasOwn(message, field.name)) continue
    if (field.partOf !== null && message[field.partOf.name] !== field.name) continue
    const convert = (value: unknown): unknown => {
      if (field.resolvedType instanceof protobuf.Type) return fromProtobufjs(field.resolvedType, value as Fields)
      if (field.type === 'int64' || field.type === 'fixed64') return BigInt(String(value))
      return value instanceof Uint8Array ? new Uint8Array(value) : value
    }
    const value = message[field.name]
    if (field.repeated) {
      if ((value as unknown[]).length > 0) result[field.name] = (value as unknown[]).map(convert)
    } else result[field.name] = convert(value)
  }
  return result
}
