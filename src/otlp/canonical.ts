/**
 * Writes a request anew in the regular form that scan.ts takes: the slow, thorough path for bytes that no SDK writes.
 *
 * This is the one place that decides what odd bytes mean, by protobuf's own rules
 * (https://protobuf.dev/programming-guides/encoding/#last-one-wins):
 *  - a singular field that comes twice: the last one wins; a singular message that comes twice is merged, which is
 *    the same as parsing the two contents one after the other;
 *  - unknown fields and groups were inspected by nobody: dropped and counted;
 *  - trace and span ids of another length, or all zero, are absent ids (logs.proto);
 *  - strings that are not UTF-8 are made so, with U+FFFD.
 * A known field with another wire type, a cut value or a bound exceeded makes a record bad: it is left out and
 * counted. Where the framing around records is lost, nothing can be trusted: `WireError` for the whole request.
 */
import { WireError } from '../errors.ts'
import { limits } from '../limits.ts'
import { spanIdBytes, Tag, traceIdBytes } from './fields.ts'
import { decodeValue, encodeValue } from './value.ts'
import { readLength, readTag, readVarint64, skipValue, varintLength, WireType, wire, writeVarint64 } from './wire.ts'

export interface Canonical {
  readonly body: Buffer
  readonly unknownFields: number
  readonly badRecords: number
  /** Why the first bad record is bad; never payload. */
  readonly reason: string | undefined
}

/** Throws `WireError` where the framing is lost. */
export function canonical(body: Buffer): Canonical {
  const run = new Run(body)
  const parts = run.repeated(body, 0, body.length, Tag.request.resourceLogs, (from, to) => run.resourceLogs(from, to))
  return {
    body: Buffer.concat(parts),
    unknownFields: run.unknownFields,
    badRecords: run.badRecords,
    reason: run.reason,
  }
}

/** A bound of the whole request is exceeded: nothing of it is taken. */
class TooMuch extends WireError {}

/** What a message may hold: its tags, and its field numbers, which with another wire type are bad data. */
class Known {
  readonly tags: ReadonlySet<number>
  readonly numbers: ReadonlySet<number>
  constructor(tags: readonly number[]) {
    this.tags = new Set(tags)
    this.numbers = new Set(tags.map((tag) => tag >>> 3))
  }
}
const known = {
  request: new Known(Object.values(Tag.request)),
  resourceLogs: new Known(Object.values(Tag.resourceLogs)),
  resource: new Known(Object.values(Tag.resource)),
  scopeLogs: new Known(Object.values(Tag.scopeLogs)),
  scope: new Known(Object.values(Tag.scope)),
  record: new Known(Object.values(Tag.record)),
  keyValue: new Known(Object.values(Tag.keyValue)),
}

/** The fields of one message: each occurrence of each known tag, as ranges. */
type Fields = Map<number, [from: number, to: number][]>

class Run {
  unknownFields = 0
  badRecords = 0
  reason: string | undefined
  readonly #body: Buffer
  #records = 0
  #groups = 0
  /** Attributes, and up to three other fields a record, as the scan will count them. */
  #slots = 0

  constructor(body: Buffer) {
    this.#body = body
  }

  /** Maps every occurrence of one message field; anything else is unknown. */
  repeated(
    source: Buffer,
    start: number,
    end: number,
    tag: number,
    map: (from: number, to: number) => Buffer,
  ): Buffer[] {
    const fields = this.#fields(source, start, end, known.request)
    return (fields.get(tag) ?? []).map(([from, to]) => field(tag, map(from, to)))
  }

  resourceLogs(start: number, end: number): Buffer {
    const tags = Tag.resourceLogs
    if (++this.#groups > limits.recordsMax) throw new TooMuch(`more than ${limits.recordsMax} resources`, start)
    const fields = this.#fields(this.#body, start, end, known.resourceLogs)
    const parts: Buffer[] = []
    const resource = fields.get(tags.resource)
    if (resource !== undefined) parts.push(field(tags.resource, this.#resource(merged(this.#body, resource))))
    for (const [from, to] of fields.get(tags.scopeLogs) ?? [])
      parts.push(field(tags.scopeLogs, this.#scopeLogs(from, to)))
    pushText(parts, this.#body, fields, tags.schemaUrl)
    return Buffer.concat(parts)
  }

  #resource(source: Buffer): Buffer {
    const tags = Tag.resource
    const fields = this.#fields(source, 0, source.length, known.resource)
    const parts = this.#attributes(source, fields, tags.attributes)
    pushVarint(parts, source, fields, tags.droppedAttributesCount)
    return Buffer.concat(parts)
  }

  #scopeLogs(start: number, end: number): Buffer {
    const tags = Tag.scopeLogs
    const fields = this.#fields(this.#body, start, end, known.scopeLogs)
    const parts: Buffer[] = []
    const scope = fields.get(tags.scope)
    this.#slots += 2
    if (scope !== undefined) parts.push(field(tags.scope, this.#scope(merged(this.#body, scope))))
    for (const [from, to] of fields.get(tags.logRecords) ?? []) {
      if (++this.#records > limits.recordsMax) throw new TooMuch(`more than ${limits.recordsMax} records`, from)
      const record = this.#recordOrNothing(from, to)
      if (record !== undefined) parts.push(field(tags.logRecords, record))
    }
    pushText(parts, this.#body, fields, tags.schemaUrl)
    return Buffer.concat(parts)
  }

  #scope(source: Buffer): Buffer {
    const tags = Tag.scope
    const fields = this.#fields(source, 0, source.length, known.scope)
    const parts: Buffer[] = []
    pushText(parts, source, fields, tags.name)
    pushText(parts, source, fields, tags.version)
    parts.push(...this.#attributes(source, fields, tags.attributes))
    pushVarint(parts, source, fields, tags.droppedAttributesCount)
    return Buffer.concat(parts)
  }

  #recordOrNothing(start: number, end: number): Buffer | undefined {
    try {
      return this.#record(start, end)
    } catch (error) {
      if (!(error instanceof WireError) || error instanceof TooMuch) throw error
      this.badRecords++
      this.reason ??= error.message
      return undefined
    }
  }

  #record(start: number, end: number): Buffer {
    const tags = Tag.record
    const source = this.#body
    const fields = this.#fields(source, start, end, known.record)
    const parts: Buffer[] = []
    this.#slots += 3
    pushFixed(parts, source, fields, tags.time)
    pushFixed(parts, source, fields, tags.observedTime)
    pushVarint(parts, source, fields, tags.severityNumber)
    pushText(parts, source, fields, tags.severityText)
    const body = fields.get(tags.body)
    if (body !== undefined) {
      const content = merged(source, body)
      parts.push(field(tags.body, Buffer.from(encodeValue(decodeValue(content, 0, content.length)))))
    }
    parts.push(...this.#attributes(source, fields, tags.attributes))
    pushVarint(parts, source, fields, tags.droppedAttributesCount)
    pushFixed(parts, source, fields, tags.flags)
    pushId(parts, source, fields, tags.traceId, traceIdBytes)
    pushId(parts, source, fields, tags.spanId, spanIdBytes)
    pushText(parts, source, fields, tags.eventName)
    return Buffer.concat(parts)
  }

  #attributes(source: Buffer, fields: Fields, tag: number): Buffer[] {
    const ranges = fields.get(tag) ?? []
    if (ranges.length > limits.attributesMax) {
      throw new WireError(`more than ${limits.attributesMax} attributes`, ranges[limits.attributesMax]![0])
    }
    this.#slots += ranges.length
    if (this.#slots > limits.slotsMax) throw new TooMuch(`more than ${limits.slotsMax} attributes in a request`, 0)
    return ranges.map(([from, to]) => field(tag, this.#keyValue(source, from, to)))
  }

  #keyValue(source: Buffer, start: number, end: number): Buffer {
    const tags = Tag.keyValue
    const fields = this.#fields(source, start, end, known.keyValue)
    const parts: Buffer[] = []
    pushText(parts, source, fields, tags.key)
    const value = fields.get(tags.value)
    if (value !== undefined) {
      const content = merged(source, value)
      parts.push(field(tags.value, Buffer.from(encodeValue(decodeValue(content, 0, content.length)))))
    }
    return Buffer.concat(parts)
  }

  /** All fields of a message. Known numbers must have the known wire type; unknown numbers are skipped and counted. */
  #fields(source: Buffer, start: number, end: number, message: Known): Fields {
    const fields: Fields = new Map()
    let at = start
    while (at < end) {
      const begin = at
      const tag = readTag(source, at, end)
      const isKnown = message.tags.has(tag)
      if (!isKnown && message.numbers.has(tag >>> 3))
        throw new WireError(`field ${tag >>> 3} has the wrong wire type`, begin)
      let from = wire.at
      at = skipValue(source, tag, from, end)
      if (!isKnown) {
        this.unknownFields++
        continue
      }
      if ((tag & 7) === WireType.Bytes) {
        readLength(source, from, end)
        from = wire.at
      }
      const ranges = fields.get(tag)
      if (ranges === undefined) fields.set(tag, [[from, at]])
      else ranges.push([from, at])
    }
    return fields
  }
}

/** The contents of a message that may have come several times, one after the other. */
function merged(source: Buffer, ranges: [from: number, to: number][]): Buffer {
  if (ranges.length === 1) return source.subarray(ranges[0]![0], ranges[0]![1])
  return Buffer.concat(ranges.map(([from, to]) => source.subarray(from, to)))
}

function field(tag: number, content: Buffer): Buffer {
  const out = Buffer.allocUnsafe(1 + varintLength(content.length) + content.length)
  out[0] = tag
  content.copy(out, writeVarint64(out, 1, content.length, 0))
  return out
}

function last(fields: Fields, tag: number): [from: number, to: number] | undefined {
  return fields.get(tag)?.at(-1)
}

function pushText(parts: Buffer[], source: Buffer, fields: Fields, tag: number): void {
  const range = last(fields, tag)
  if (range !== undefined) parts.push(field(tag, Buffer.from(source.utf8Slice(range[0], range[1]))))
}

function pushId(parts: Buffer[], source: Buffer, fields: Fields, tag: number, length: number): void {
  const range = last(fields, tag)
  if (range === undefined || range[1] - range[0] !== length) return
  const id = source.subarray(range[0], range[1])
  if (id.some((byte) => byte !== 0)) parts.push(field(tag, id))
}

function pushFixed(parts: Buffer[], source: Buffer, fields: Fields, tag: number): void {
  const range = last(fields, tag)
  if (range !== undefined) parts.push(Buffer.from([tag]), source.subarray(range[0], range[1]))
}

/** 32-bit varints: an enum may be negative, which takes ten bytes; what exceeds 32 bits is cut, as protobuf does. */
function pushVarint(parts: Buffer[], source: Buffer, fields: Fields, tag: number): void {
  const range = last(fields, tag)
  if (range === undefined) return
  const lo = readVarint64(source, range[0], range[1])
  const isNegative = tag === Tag.record.severityNumber && lo > 0x7fffffff
  const out = Buffer.allocUnsafe(11)
  out[0] = tag
  parts.push(out.subarray(0, writeVarint64(out, 1, lo, isNegative ? 0xffffffff : 0)))
}
