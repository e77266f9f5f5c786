/**
 * Field numbers and tags of opentelemetry-proto 1.x: logs.proto, common.proto, resource.proto, logs_service.proto.
 * A tag is a field's number times eight, plus its wire type; all that are used here fit in one byte.
 */
const bytes = (field: number) => (field << 3) | 2
const varint = (field: number) => field << 3
const fixed64 = (field: number) => (field << 3) | 1
const fixed32 = (field: number) => (field << 3) | 5

export const Tag = {
  request: { resourceLogs: bytes(1) },
  resourceLogs: { resource: bytes(1), scopeLogs: bytes(2), schemaUrl: bytes(3) },
  resource: { attributes: bytes(1), droppedAttributesCount: varint(2) },
  scopeLogs: { scope: bytes(1), logRecords: bytes(2), schemaUrl: bytes(3) },
  scope: { name: bytes(1), version: bytes(2), attributes: bytes(3), droppedAttributesCount: varint(4) },
  record: {
    time: fixed64(1),
    severityNumber: varint(2),
    severityText: bytes(3),
    body: bytes(5),
    attributes: bytes(6),
    droppedAttributesCount: varint(7),
    flags: fixed32(8),
    traceId: bytes(9),
    spanId: bytes(10),
    observedTime: fixed64(11),
    eventName: bytes(12),
  },
  keyValue: { key: bytes(1), value: bytes(2) },
  value: {
    string: bytes(1),
    bool: varint(2),
    int: varint(3),
    double: fixed64(4),
    array: bytes(5),
    kvlist: bytes(6),
    bytes: bytes(7),
  },
  list: { values: bytes(1) },
} as const

/** What an AnyValue holds. `Removed` is a slot whose field was taken out. */
export const Kind = {
  Empty: 0,
  String: 1,
  Bool: 2,
  Int: 3,
  Double: 4,
  Array: 5,
  KvList: 6,
  Bytes: 7,
  Removed: 8,
} as const
export type Kind = (typeof Kind)[keyof typeof Kind]

export const traceIdBytes = 16
export const spanIdBytes = 8
