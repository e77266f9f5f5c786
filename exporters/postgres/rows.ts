/**
 * OTLP bytes → rows for COPY, straight from the wire: one row a record, in the order of `logColumns`.
 *
 * What belongs to a resource or a scope is encoded once and copied into each of its rows. The gateway's own attributes
 * `douane.purpose`, `douane.tenant`, `douane.region` and `douane.subject_ref` become columns; `query` puts them back.
 * A record that cannot be read, or that has not exactly one purpose, is refused: it is left out and counted.
 */
import { Tag } from '../../src/otlp/fields.ts'
import { decodeValue } from '../../src/otlp/value.ts'
import { readLength, readTag, readUint32, readVarint64, skipValue, wire } from '../../src/otlp/wire.ts'
import { Instant, writeMicros } from './instant.ts'
import { type OwnColumn, ownColumns, PlaceColumns, type Range } from './place.ts'
import { RowBuffer } from './row_buffer.ts'
import { logColumns } from './schema.ts'
import { type Shelf, type Shelves, shelfKey } from './shelves.ts'
import { escapeText, toStoredJson, writeJsonEntry, writeJsonString, writeJsonValue, writeText } from './stored_json.ts'

const own = Buffer.from('douane.')
const set = (range: Range, start: number, end: number) => {
  range.start = start
  range.end = end
}

export class RowEncoder {
  readonly rows = new RowBuffer()
  /** Where each row begins in `rows`, and at last where the rows end. */
  rowStarts: number[] = []
  refused = 0
  expired = 0
  /** The partitions that the rows need, by key. */
  readonly shelves = new Map<string, Shelf>()

  #source: Buffer = Buffer.alloc(0)
  #find: Shelves | undefined
  #storedMicros = 0
  readonly #resourceColumns = new RowBuffer()
  readonly #scopeColumn = new RowBuffer()
  readonly #placeColumns = new PlaceColumns()

  // The record that is being read.
  readonly #time = new Instant()
  readonly #observed = new Instant()
  #severityNumber = 0
  #flags = 0
  #dropped = 0
  readonly #severityText: Range = { start: -1, end: -1 }
  readonly #eventName: Range = { start: -1, end: -1 }
  readonly #body: Range = { start: -1, end: -1 }
  readonly #traceId: Range = { start: -1, end: -1 }
  readonly #spanId: Range = { start: -1, end: -1 }
  /** Start and end of each KeyValue. */
  #attributes: number[] = []
  readonly #own: Record<OwnColumn, Range> = {
    purpose: { start: -1, end: -1 },
    tenant: { start: -1, end: -1 },
    region: { start: -1, end: -1 },
    subject_ref: { start: -1, end: -1 },
  }

  /** Encodes a batch. `storedMicros` is Unix time; `shelves` says where each record goes. Throws `WireError`. */
  encode(body: Uint8Array, shelves: Shelves, storedMicros: number): void {
    this.rows.clear()
    this.rowStarts = []
    this.refused = 0
    this.expired = 0
    this.shelves.clear()
    this.#source = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    this.#find = shelves
    this.#storedMicros = storedMicros
    this.#eachField(0, body.length, (tag, start, end) => {
      if (tag === Tag.request.resourceLogs) this.#resourceLogs(start, end)
    })
    this.rowStarts.push(this.rows.at)
  }

  /** Calls `visit` with each length-delimited field between start and end, without its tag and length. */
  #eachField(start: number, end: number, visit: (tag: number, start: number, end: number) => void): void {
    const source = this.#source
    let at = start
    while (at < end) {
      const tag = readTag(source, at, end)
      if ((tag & 7) !== 2) at = skipValue(source, tag, wire.at, end)
      else {
        const stop = readLength(source, wire.at, end)
        visit(tag, wire.at, stop)
        at = stop
      }
    }
  }

  #resourceLogs(start: number, end: number): void {
    const resource: Range = { start: 0, end: 0 }
    const schemaUrl: Range = { start: -1, end: -1 }
    this.#eachField(start, end, (tag, from, to) => {
      if (tag === Tag.resourceLogs.resource) set(resource, from, to)
      else if (tag === Tag.resourceLogs.schemaUrl && from < to) set(schemaUrl, from, to)
    })
    this.#encodeResource(resource, schemaUrl)
    this.#eachField(start, end, (tag, from, to) => {
      if (tag === Tag.resourceLogs.scopeLogs) this.#scopeLogs(from, to)
    })
  }

  /** The columns service_name, resource, resource_schema_url. */
  #encodeResource(resource: Range, schemaUrl: Range): void {
    const out = this.#resourceColumns
    out.clear()
    const attributes: number[] = []
    let serviceName: string | undefined
    this.#eachField(resource.start, resource.end, (tag, from, to) => {
      if (tag !== Tag.resource.attributes) return
      attributes.push(from, to)
      if (this.#keyIs(serviceNameKey, from, to)) serviceName = this.#textOfEntry(from, to)
    })
    if (serviceName === undefined) out.nullColumn()
    else {
      const column = out.openColumn()
      out.appendText(escapeText(serviceName))
      out.closeColumn(column)
    }
    const column = out.openColumn()
    out.appendByte(jsonbVersion)
    this.#attributesObject(out, attributes)
    out.closeColumn(column)
    this.#textColumn(out, schemaUrl)
  }

  #scopeLogs(start: number, end: number): void {
    const scope: Range = { start: 0, end: 0 }
    const schemaUrl: Range = { start: -1, end: -1 }
    this.#eachField(start, end, (tag, from, to) => {
      if (tag === Tag.scopeLogs.scope) set(scope, from, to)
      else if (tag === Tag.scopeLogs.schemaUrl && from < to) set(schemaUrl, from, to)
    })
    this.#encodeScope(scope, schemaUrl)
    this.#eachField(start, end, (tag, from, to) => {
      if (tag === Tag.scopeLogs.logRecords) this.#record(from, to)
    })
  }

  #encodeScope(scope: Range, schemaUrl: Range): void {
    const out = this.#scopeColumn
    out.clear()
    if (scope.start === scope.end && schemaUrl.start < 0) {
      out.nullColumn()
      return
    }
    const attributes: number[] = []
    const column = out.openColumn()
    out.appendByte(jsonbVersion)
    out.appendByte(0x7b)
    const member = (name: string, from: number, to: number) => {
      if (from === to) return
      out.appendText(`"${name}":`)
      writeJsonString(out, this.#source, from, to)
      out.appendByte(0x2c)
    }
    this.#eachField(scope.start, scope.end, (tag, from, to) => {
      if (tag === Tag.scope.name) member('name', from, to)
      else if (tag === Tag.scope.version) member('version', from, to)
      else if (tag === Tag.scope.attributes) attributes.push(from, to)
    })
    if (schemaUrl.start >= 0) member('schema_url', schemaUrl.start, schemaUrl.end)
    out.appendText('"attributes":')
    this.#attributesObject(out, attributes)
    out.appendByte(0x7d)
    out.closeColumn(column)
  }

  #record(start: number, end: number): void {
    const rowStart = this.rows.at
    try {
      this.#read(start, end)
      const place = this.#placeColumns.of(this.#source, this.#own)
      if (place === undefined) {
        this.refused++
        return
      }
      const time = this.#time.isSet ? this.#time : this.#observed
      const timeMicros = time.isSet ? time.micros : this.#storedMicros
      const shelf = this.#find!.find(place.purpose, place.tenant, Math.floor(timeMicros / 1000))
      if (shelf === undefined) {
        this.expired++
        return
      }
      this.shelves.set(shelfKey(shelf), shelf)
      this.#write(time, this.#placeColumns.encoded(place, shelf.value))
      this.rowStarts.push(rowStart)
    } catch {
      // The bytes are not what the gateway writes. This record is left out; the others of its batch go on.
      this.rows.at = rowStart
      this.refused++
    }
  }

  #read(start: number, end: number): void {
    const source = this.#source
    this.#time.clear()
    this.#observed.clear()
    this.#severityNumber = this.#flags = this.#dropped = 0
    this.#attributes.length = 0
    for (const range of [this.#severityText, this.#eventName, this.#body, this.#traceId, this.#spanId])
      set(range, -1, -1)
    for (const name of ownColumns) set(this.#own[name], -1, -1)
    let at = start
    while (at < end) {
      const tag = readTag(source, at, end)
      const from = wire.at
      at = skipValue(source, tag, from, end)
      switch (tag) {
        case Tag.record.time:
          this.#time.read(source, from)
          break
        case Tag.record.observedTime:
          this.#observed.read(source, from)
          break
        case Tag.record.severityNumber:
          this.#severityNumber = readVarint64(source, from, end) | 0
          break
        case Tag.record.droppedAttributesCount:
          this.#dropped = readVarint64(source, from, end) | 0
          break
        case Tag.record.flags:
          this.#flags = readUint32(source, from) | 0
          break
        default:
          if ((tag & 7) === 2) this.#readMessage(tag, from, at)
      }
    }
  }

  #readMessage(tag: number, from: number, end: number): void {
    readLength(this.#source, from, end)
    const start = wire.at
    if (tag === Tag.record.attributes) {
      if (!this.#isOwn(start, end)) this.#attributes.push(start, end)
    } else if (tag === Tag.record.body) set(this.#body, start, end)
    else if (start === end) return
    else if (tag === Tag.record.severityText) set(this.#severityText, start, end)
    else if (tag === Tag.record.eventName) set(this.#eventName, start, end)
    else if (tag === Tag.record.traceId) set(this.#traceId, start, end)
    else if (tag === Tag.record.spanId) set(this.#spanId, start, end)
  }

  /** Whether a KeyValue is one that has a column; notes where its value is. */
  #isOwn(start: number, end: number): boolean {
    const source = this.#source
    // Key tag, length, "douane.": quick to rule out for everybody else's attributes.
    if (source[start] !== Tag.keyValue.key || source[start + 2] !== own[0] || source[start + 8] !== own[6]) return false
    for (const name of ownColumns) {
      if (!this.#keyIs(ownKeys[name], start, end)) continue
      const value = start + 2 + ownKeys[name].length
      if (value < end && source[value] === Tag.keyValue.value && readLength(source, value + 1, end) === end) {
        set(this.#own[name], wire.at, end)
        return true
      }
    }
    return false
  }

  /** Whether the KeyValue at `start` begins with this key (shorter than 128 bytes). */
  #keyIs(key: Buffer, start: number, end: number): boolean {
    const source = this.#source
    const from = start + 2
    if (source[start] !== Tag.keyValue.key || source[start + 1] !== key.length || from + key.length > end) return false
    for (let i = key.length - 1; i >= 0; i--) if (source[from + i] !== key[i]) return false
    return true
  }

  #textOfEntry(start: number, end: number): string | undefined {
    let text: string | undefined
    this.#eachField(start, end, (tag, from, to) => {
      if (tag !== Tag.keyValue.value) return
      const value = decodeValue(this.#source, from, to)
      text = value.kind === 'string' ? value.value : undefined
    })
    return text
  }

  #write(time: Instant, place: Buffer): void {
    const out = this.rows
    out.reserve(2)
    out.bytes.writeInt16BE(logColumns.length, out.at)
    out.at += 2
    if (time.isSet) time.writeColumn(out)
    else writeMicros(out, this.#storedMicros)
    writeMicros(out, this.#storedMicros)
    if (this.#observed.isSet) this.#observed.writeColumn(out)
    else out.nullColumn()
    out.int32Column(this.#severityNumber)
    if (this.#flags === 0) out.nullColumn()
    else out.int32Column(this.#flags)
    if (this.#dropped === 0) out.nullColumn()
    else out.int32Column(this.#dropped)
    out.int16Column(this.#time.isSet ? this.#time.nanos : -1)
    if (this.#observed.isSet) out.int16Column(this.#observed.nanos)
    else out.nullColumn()
    out.append(place, 0, place.length)
    this.#textColumn(out, this.#severityText)
    this.#textColumn(out, this.#eventName)
    this.#bodyColumns(out)
    this.#bytesColumn(out, this.#traceId)
    this.#bytesColumn(out, this.#spanId)
    this.#subjectColumn(out)
    const column = out.openColumn()
    out.appendByte(jsonbVersion)
    this.#attributesObject(out, this.#attributes)
    out.closeColumn(column)
    out.append(this.#resourceColumns.bytes, 0, this.#resourceColumns.at)
    out.append(this.#scopeColumn.bytes, 0, this.#scopeColumn.at)
  }

  /** body, body_json: one of them, or neither. */
  #bodyColumns(out: RowBuffer): void {
    const { start, end } = this.#body
    if (start < 0 || start === end) {
      out.nullColumn()
      out.nullColumn()
    } else if (this.#source[start] === Tag.value.string && readLength(this.#source, start + 1, end) === end) {
      this.#textColumn(out, { start: wire.at, end })
      out.nullColumn()
    } else {
      out.nullColumn()
      const column = out.openColumn()
      out.appendByte(jsonbVersion)
      writeJsonValue(out, this.#source, start, end)
      out.closeColumn(column)
    }
  }

  #subjectColumn(out: RowBuffer): void {
    const { start, end } = this.#own.subject_ref
    if (start < 0) {
      out.nullColumn()
      return
    }
    const value = decodeValue(this.#source, start, end)
    const column = out.openColumn()
    out.appendText(value.kind === 'string' ? escapeText(value.value) : toStoredJson(value))
    out.closeColumn(column)
  }

  #textColumn(out: RowBuffer, range: Range): void {
    if (range.start < 0) {
      out.nullColumn()
      return
    }
    const column = out.openColumn()
    writeText(out, this.#source, range.start, range.end)
    out.closeColumn(column)
  }

  #bytesColumn(out: RowBuffer, range: Range): void {
    if (range.start < 0) out.nullColumn()
    else out.bytesColumn(this.#source, range.start, range.end)
  }

  #attributesObject(out: RowBuffer, ranges: readonly number[]): void {
    out.appendByte(0x7b)
    for (let i = 0; i < ranges.length; i += 2) {
      if (i > 0) out.appendByte(0x2c)
      writeJsonEntry(out, this.#source, ranges[i]!, ranges[i + 1]!)
    }
    out.appendByte(0x7d)
  }
}

/** The first byte of a JSONB value in binary form. */
const jsonbVersion = 1
const serviceNameKey = Buffer.from('service.name')
const ownKeys: Record<OwnColumn, Buffer> = {
  purpose: Buffer.from('douane.purpose'),
  tenant: Buffer.from('douane.tenant'),
  region: Buffer.from('douane.region'),
  subject_ref: Buffer.from('douane.subject_ref'),
}
