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
 *
 * It costs up to twenty microseconds a record, and whoever sends decides how many come: so the work is cut into steps
 * of a few milliseconds, between which the caller may let others in.
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

/** All steps at once. Throws `WireError` where the framing is lost. */
export function canonical(body: Buffer): Canonical {
  const steps = canonicalSteps(body)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** The same, step by step. */
export function* canonicalSteps(body: Buffer): Generator<void, Canonical> {
  const run = new Run(body)
  const parts = yield* run.request()
  return {
    body: Buffer.concat(parts),
    unknownFields: run.unknownFields,
    badRecords: run.badRecords,
    reason: run.reason,
  }
}
type Steps<T> = Generator<void, T>

/** A bound of the whole request is exceeded: nothing of it is taken. */
class TooMuch extends WireError {}

/** What a message may hold: its tags, and its field numbers, which with another wire type are bad data. */
class Known {
  readonly tags: ReadonlySet<number>
  readonly numbers: ReadonlySet<number>
  /** Those of which more than the last occurrence matters: repeated ones, and messages, which are merged. */
  readonly kept: ReadonlySet<number>
  /** How many occurrences of one of these a message may have. */
  readonly keptMax: number
  constructor(tags: readonly number[], kept: readonly number[], keptMax: number) {
    this.tags = new Set(tags)
    this.numbers = new Set(tags.map((tag) => tag >>> 3))
    this.kept = new Set(kept)
    this.keptMax = keptMax
  }
}
const known = {
  request: new Known(Object.values(Tag.request), Object.values(Tag.request), limits.irregularRecordsMax),
  resourceLogs: new Known(
    Object.values(Tag.resourceLogs),
    [Tag.resourceLogs.resource, Tag.resourceLogs.scopeLogs],
    limits.irregularRecordsMax,
  ),
  resource: new Known(Object.values(Tag.resource), [Tag.resource.attributes], limits.attributesMax),
  scopeLogs: new Known(
    Object.values(Tag.scopeLogs),
    [Tag.scopeLogs.scope, Tag.scopeLogs.logRecords],
    limits.irregularRecordsMax,
  ),
  scope: new Known(Object.values(Tag.scope), [Tag.scope.attributes], limits.attributesMax),
  record: new Known(Object.values(Tag.record), [Tag.record.body, Tag.record.attributes], limits.attributesMax),
  keyValue: new Known(Object.values(Tag.keyValue), [Tag.keyValue.value], limits.attributesMax),
}

/** The fields of one message: ranges by known tag, the last one only where no other matters. */
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
  /** Bytes and messages since the last step ended. */
  #sinceStep = 0

  constructor(body: Buffer) {
    this.#body = body
  }

  *request(): Steps<Buffer[]> {
    const tag = Tag.request.resourceLogs
    const parts: Buffer[] = []
    for (const [from, to] of this.#fields(this.#body, 0, this.#body.length, known.request).get(tag) ?? []) {
      parts.push(field(tag, yield* this.#resourceLogs(from, to)))
    }
    return parts
  }

  *#resourceLogs(start: number, end: number): Steps<Buffer> {
    const tags = Tag.resourceLogs
    if (++this.#groups > limits.irregularRecordsMax)
      throw new TooMuch(`more than ${limits.irregularRecordsMax} resources`, start)
    const fields = this.#fields(this.#body, start, end, known.resourceLogs)
    const parts: Buffer[] = []
    const resource = fields.get(tags.resource)
    if (resource !== undefined) parts.push(field(tags.resource, yield* this.#resource(merged(this.#body, resource))))
    for (const [from, to] of fields.get(tags.scopeLogs) ?? [])
      parts.push(field(tags.scopeLogs, yield* this.#scopeLogs(from, to)))
    pushText(parts, this.#body, fields, tags.schemaUrl)
    return Buffer.concat(parts)
  }

  *#resource(source: Buffer): Steps<Buffer> {
    const tags = Tag.resource
    const fields = this.#fields(source, 0, source.length, known.resource)
    const parts = yield* this.#attributes(source, fields, tags.attributes)
    pushVarint(parts, source, fields, tags.droppedAttributesCount)
    return Buffer.concat(parts)
  }

  *#scopeLogs(start: number, end: number): Steps<Buffer> {
    const tags = Tag.scopeLogs
    const fields = this.#fields(this.#body, start, end, known.scopeLogs)
    const parts: Buffer[] = []
    const scope = fields.get(tags.scope)
    this.#slots += 2
    if (scope !== undefined) parts.push(field(tags.scope, yield* this.#scope(merged(this.#body, scope))))
    for (const [from, to] of fields.get(tags.logRecords) ?? []) {
      if (this.#isStepOver(0)) yield
      if (++this.#records > limits.irregularRecordsMax)
        throw new TooMuch(`more than ${limits.irregularRecordsMax} records`, from)
      const record = yield* this.#recordOrNothing(from, to)
      if (record !== undefined) parts.push(field(tags.logRecords, record))
    }
    pushText(parts, this.#body, fields, tags.schemaUrl)
    return Buffer.concat(parts)
  }

  *#scope(source: Buffer): Steps<Buffer> {
    const tags = Tag.scope
    const fields = this.#fields(source, 0, source.length, known.scope)
    const parts: Buffer[] = []
    pushText(parts, source, fields, tags.name)
    pushText(parts, source, fields, tags.version)
    parts.push(...(yield* this.#attributes(source, fields, tags.attributes)))
    pushVarint(parts, source, fields, tags.droppedAttributesCount)
    return Buffer.concat(parts)
  }

  *#recordOrNothing(start: number, end: number): Steps<Buffer | undefined> {
    try {
      return yield* this.#record(start, end)
    } catch (error) {
      if (!(error instanceof WireError) || error instanceof TooMuch) throw error
      this.badRecords++
      this.reason ??= error.message
      return undefined
    }
  }

  *#record(start: number, end: number): Steps<Buffer> {
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
    parts.push(...(yield* this.#attributes(source, fields, tags.attributes)))
    pushVarint(parts, source, fields, tags.droppedAttributesCount)
    pushFixed(parts, source, fields, tags.flags)
    pushId(parts, source, fields, tags.traceId, traceIdBytes)
    pushId(parts, source, fields, tags.spanId, spanIdBytes)
    pushText(parts, source, fields, tags.eventName)
    return Buffer.concat(parts)
  }

  *#attributes(source: Buffer, fields: Fields, tag: number): Steps<Buffer[]> {
    const ranges = fields.get(tag) ?? []
    this.#slots += ranges.length
    if (this.#slots > limits.irregularSlotsMax)
      throw new TooMuch(`more than ${limits.irregularSlotsMax} fields in a request`, 0)
    const parts: Buffer[] = []
    for (const [from, to] of ranges) {
      if (this.#isStepOver(to - from)) yield
      parts.push(field(tag, this.#keyValue(source, from, to)))
    }
    return parts
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

  /** Counts one message more; what is counted costs alike, whether it comes in many messages or in many bytes. */
  #isStepOver(bytes: number): boolean {
    this.#sinceStep += 1 + bytes / limits.irregularBytesPerMessage
    if (this.#sinceStep < limits.irregularMessagesPerStep) return false
    this.#sinceStep = 0
    return true
  }

  /** All fields of a message. Known numbers must have the known wire type; unknown numbers are skipped and counted. */
  #fields(source: Buffer, start: number, end: number, message: Known): Fields {
    const fields: Fields = new Map()
    let at = start
    let count = 0
    while (at < end) {
      const begin = at
      if (++count > limits.irregularFieldsMax) throw new TooMuch('too many fields in one message', begin)
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
      if (ranges === undefined || !message.kept.has(tag)) fields.set(tag, [[from, at]])
      else if (ranges.push([from, at]) > message.keptMax) {
        throw new WireError(`field ${tag >>> 3} comes more than ${message.keptMax} times`, begin)
      }
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
