/**
 * The messages of a logs request as OTLP/JSON spells them: lowerCamelCase names only, 64-bit numbers as decimal
 * strings, ids as hex, enums as integers, bytes as base64. One table for the reader and the writer.
 */
import { spanIdBytes, Tag, traceIdBytes } from './fields.ts'

/** How a field is written in JSON, and with it how in protobuf. */
export const Form = {
  Message: 0,
  Text: 1,
  Bool: 2,
  Int64: 3,
  Double: 4,
  Bytes: 5,
  Fixed64: 6,
  Fixed32: 7,
  Uint32: 8,
  Enum: 9,
  Id: 10,
} as const
export type Form = (typeof Form)[keyof typeof Form]

export interface JsonField {
  readonly name: string
  readonly nameBytes: Buffer
  readonly form: Form
  /** Field number times eight, plus wire type: one byte. */
  readonly tag: number
  readonly repeated: boolean
  /** The field's place among its message's fields, and the same as a bit. */
  readonly index: number
  readonly bit: number
  /** Of a message field: which. Of an id: how many bytes it has. */
  readonly message: JsonMessage | undefined
  readonly size: number
}

export interface JsonMessage {
  readonly fields: JsonField[]
  readonly byNumber: (JsonField | undefined)[]
  /** Fields by the length of their name: nearly always one. */
  readonly byLength: (JsonField[] | undefined)[]
  /** AnyValue: it nests, and all its fields are one oneof: at most one is there, and its default value counts. */
  readonly isValue: boolean
  /** Bytes kept free for the length while the message is read: what such a message usually needs. */
  readonly lengthBytes: number
}

interface Draft {
  tag: number
  form: Form
  repeated?: boolean
  message?: JsonMessage
  size?: number
}

/** Fills a message that exists already: AnyValue holds itself. */
function declare(made: JsonMessage, drafts: Record<string, Draft>): JsonMessage {
  const fields: JsonField[] = Object.entries(drafts).map(([name, draft], index) => ({
    name,
    nameBytes: Buffer.from(name),
    form: draft.form,
    tag: draft.tag,
    repeated: draft.repeated ?? false,
    index,
    bit: 1 << index,
    message: draft.message,
    size: draft.size ?? 0,
  }))
  for (const field of fields) {
    made.fields.push(field)
    made.byNumber[field.tag >>> 3] = field
    made.byLength[field.name.length] = [...(made.byLength[field.name.length] ?? []), field]
  }
  return made
}

function blank(lengthBytes: number, isValue = false): JsonMessage {
  return { fields: [], byNumber: [], byLength: [], isValue, lengthBytes }
}

const message = (drafts: Record<string, Draft>, lengthBytes = 1): JsonMessage => declare(blank(lengthBytes), drafts)

const text = (tag: number): Draft => ({ tag, form: Form.Text })
const one = (tag: number, inner: JsonMessage): Draft => ({ tag, form: Form.Message, message: inner })
const many = (tag: number, inner: JsonMessage): Draft => ({ ...one(tag, inner), repeated: true })

const value = blank(1, true)
const keyValue = message({ key: text(Tag.keyValue.key), value: one(Tag.keyValue.value, value) })
const array = message({ values: many(Tag.list.values, value) })
const kvlist = message({ values: many(Tag.list.values, keyValue) })
declare(value, {
  stringValue: text(Tag.value.string),
  boolValue: { tag: Tag.value.bool, form: Form.Bool },
  intValue: { tag: Tag.value.int, form: Form.Int64 },
  doubleValue: { tag: Tag.value.double, form: Form.Double },
  arrayValue: one(Tag.value.array, array),
  kvlistValue: one(Tag.value.kvlist, kvlist),
  bytesValue: { tag: Tag.value.bytes, form: Form.Bytes },
})

const dropped = (tag: number): Draft => ({ tag, form: Form.Uint32 })

const record = message(
  {
    timeUnixNano: { tag: Tag.record.time, form: Form.Fixed64 },
    observedTimeUnixNano: { tag: Tag.record.observedTime, form: Form.Fixed64 },
    severityNumber: { tag: Tag.record.severityNumber, form: Form.Enum },
    severityText: text(Tag.record.severityText),
    body: one(Tag.record.body, value),
    attributes: many(Tag.record.attributes, keyValue),
    droppedAttributesCount: dropped(Tag.record.droppedAttributesCount),
    flags: { tag: Tag.record.flags, form: Form.Fixed32 },
    traceId: { tag: Tag.record.traceId, form: Form.Id, size: traceIdBytes },
    spanId: { tag: Tag.record.spanId, form: Form.Id, size: spanIdBytes },
    eventName: text(Tag.record.eventName),
  },
  2,
)

const scope = message({
  name: text(Tag.scope.name),
  version: text(Tag.scope.version),
  attributes: many(Tag.scope.attributes, keyValue),
  droppedAttributesCount: dropped(Tag.scope.droppedAttributesCount),
})

const scopeLogs = message(
  {
    scope: one(Tag.scopeLogs.scope, scope),
    logRecords: many(Tag.scopeLogs.logRecords, record),
    schemaUrl: text(Tag.scopeLogs.schemaUrl),
  },
  4,
)

const resource = message({
  attributes: many(Tag.resource.attributes, keyValue),
  droppedAttributesCount: dropped(Tag.resource.droppedAttributesCount),
})

const resourceLogs = message(
  {
    resource: one(Tag.resourceLogs.resource, resource),
    scopeLogs: many(Tag.resourceLogs.scopeLogs, scopeLogs),
    schemaUrl: text(Tag.resourceLogs.schemaUrl),
  },
  4,
)

export const requestMessage = message({ resourceLogs: many(Tag.request.resourceLogs, resourceLogs) })
