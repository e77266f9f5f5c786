/**
 * OTLP bytes → rows for COPY, straight from the wire: one row a record, in the order of `logColumns`, on the sheet of
 * its partition.
 *
 * What belongs to a resource or a scope is encoded once and copied into each of its rows. The gateway's own attributes
 * `douane.purpose`, `douane.tenant`, `douane.region` and `douane.subject_ref` become columns; `query` puts them back.
 * A record that cannot be read, or that has not exactly one purpose, is refused: it is left out and counted.
 *
 * Records are read and written by the program of wasm/rows.ts. What it does not take (fields that are unknown or in a form
 * that nobody sends, very large ones) is done here, from the same bytes to the same columns.
 */
import { Tag } from '../../src/otlp/fields.ts'
import { decodeValue } from '../../src/otlp/value.ts'
import { readLength, readTag, readUint32, readVarint64, skipValue, wire } from '../../src/otlp/wire.ts'
import { Instant, writeMicros } from './instant.ts'
import { type OwnColumn, ownColumns, Places, type Range } from './place.ts'
import { comma, eachField, encodeResource, encodeScope, jsonbVersion, keyIs, textColumn } from './resource_columns.ts'
import { RowBuffer } from './row_buffer.ts'
import { RowMemory } from './row_memory.ts'
import { logColumns } from './schema.ts'
import { Counter, Pile, Sheet } from './sheet.ts'
import { type Day, type Shelves, shelfKey } from './shelves.ts'
import { escapeText, toStoredJson, writeJsonEntry, writeJsonValue } from './stored_json.ts'

const own = Buffer.from('douane.')
const set = (range: Range, start: number, end: number) => {
  range.start = start
  range.end = end
}

/** What became of the records of one batch. */
export interface Added {
  readonly rows: number
  readonly refused: number
  readonly expired: number
}

export class RowEncoder {
  /** The rows, by partition. */
  sheets: Sheet[] = []
  /** How many there are. */
  rows = 0
  refused = 0
  expired = 0
  counter = new Counter()

  readonly #spare: Sheet[] = []
  readonly #sheets = new Map<string, Sheet>()
  readonly #piles = new Map<Day, Pile>()
  #source: Buffer = Buffer.alloc(0)
  #find: Shelves | undefined
  #storedMicros = 0
  /** The batch is in the program's memory. */
  #isLoaded = false
  readonly #resourceColumns = new RowBuffer()
  readonly #scopeColumn = new RowBuffer()
  readonly #places = new Places()

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
  /** The attributes as members of a JSON object, each with a comma behind it. */
  readonly #attributes = new RowBuffer()
  readonly #own: Record<OwnColumn, Range> = {
    purpose: { start: -1, end: -1 },
    tenant: { start: -1, end: -1 },
    region: { start: -1, end: -1 },
    subject_ref: { start: -1, end: -1 },
  }

  /** Begins anew. `storedMicros` is Unix time; `shelves` says where each record goes. */
  begin(shelves: Shelves, storedMicros: number): void {
    this.#clear()
    this.#find = shelves
    this.#storedMicros = storedMicros
    holder = undefined
  }

  /** Takes over the program's memory, which another encoder may have used since. */
  #hold(): void {
    if (holder === this) return
    holder = this
    memory ??= new RowMemory()
    memory.begin(this.#storedMicros)
    for (const pile of this.#piles.values()) pile.keptAt = memory.keep(pile.columns)
  }

  /** Encodes a batch, behind those that were added before. Throws `WireError`. */
  add(body: Uint8Array): Added {
    this.#hold()
    const before = { rows: this.rows, refused: this.refused, expired: this.expired }
    this.#source = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    this.#isLoaded = memory!.load(this.#source)
    eachField(this.#source, 0, body.length, (tag, start, end) => {
      if (tag === Tag.request.resourceLogs) this.#resourceLogs(start, end)
    })
    this.sheets = [...this.#sheets.values()]
    this.rows = 0
    for (const { rowStarts } of this.sheets) this.rows += rowStarts.length
    for (const pile of this.#piles.values()) pile.forget()
    return {
      rows: this.rows - before.rows,
      refused: this.refused - before.refused,
      expired: this.expired - before.expired,
    }
  }

  /** One batch alone. */
  encode(body: Uint8Array, shelves: Shelves, storedMicros: number): void {
    this.begin(shelves, storedMicros)
    this.add(body)
  }

  #clear(): void {
    for (const sheet of this.sheets) if (this.#spare.length < spareSheetsMax) this.#spare.push(sheet)
    this.sheets = []
    this.#sheets.clear()
    this.#piles.clear()
    this.counter = new Counter()
    this.rows = this.refused = this.expired = 0
    this.#attributes.clear()
  }

  #pile(day: Day): Pile {
    const key = shelfKey(day.shelf)
    let sheet = this.#sheets.get(key)
    if (!sheet) {
      sheet = this.#spare.pop()?.reuse(day.shelf) ?? new Sheet(day.shelf)
      this.#sheets.set(key, sheet)
    }
    const pile = new Pile(day, sheet, this.counter)
    pile.keptAt = memory!.keep(pile.columns)
    this.#piles.set(day, pile)
    return pile
  }

  #resourceLogs(start: number, end: number): void {
    const resource: Range = { start: 0, end: 0 }
    const schemaUrl: Range = { start: -1, end: -1 }
    eachField(this.#source, start, end, (tag, from, to) => {
      if (tag === Tag.resourceLogs.resource) set(resource, from, to)
      else if (tag === Tag.resourceLogs.schemaUrl && from < to) set(schemaUrl, from, to)
    })
    encodeResource(this.#resourceColumns, this.#source, resource, schemaUrl)
    eachField(this.#source, start, end, (tag, from, to) => {
      if (tag === Tag.resourceLogs.scopeLogs) this.#scopeLogs(from, to)
    })
  }

  #scopeLogs(start: number, end: number): void {
    const scope: Range = { start: 0, end: 0 }
    const schemaUrl: Range = { start: -1, end: -1 }
    eachField(this.#source, start, end, (tag, from, to) => {
      if (tag === Tag.scopeLogs.scope) set(scope, from, to)
      else if (tag === Tag.scopeLogs.schemaUrl && from < to) set(schemaUrl, from, to)
    })
    encodeScope(this.#scopeColumn, this.#source, scope, schemaUrl)
    if (this.#isLoaded) memory!.share(this.#resourceColumns, this.#scopeColumn)
    eachField(this.#source, start, end, (tag, from, to) => {
      if (tag === Tag.scopeLogs.logRecords) this.#record(from, to)
    })
  }

  #record(start: number, end: number): void {
    let sheet: Sheet | undefined
    let rowStart = 0
    try {
      const isQuick = this.#isLoaded && memory!.read(start, end)
      if (isQuick) memory!.ranges(this.#eventName, this.#own)
      else this.#read(start, end)
      const place = this.#places.find(this.#source, this.#own)
      if (place === undefined) {
        this.refused++
        return
      }
      const day = this.#find!.find(place, Math.floor(this.#timeMicros(isQuick) / 1000))
      if (day === undefined) {
        this.expired++
        return
      }
      const pile = this.#piles.get(day) ?? this.#pile(day)
      sheet = pile.sheet
      rowStart = sheet.rows.at
      const isWritten = isQuick && pile.keptAt > 0 && memory!.write(sheet.rows, pile.keptAt, pile.columns.length)
      if (!isWritten) {
        if (isQuick) this.#read(start, end)
        this.#write(sheet.rows, pile.columns)
      }
      const count = pile.count(this.#source, this.#eventName)
      count.records++
      sheet.rowStarts.push(rowStart)
      sheet.counts.push(count)
    } catch {
      // The bytes are not what the gateway writes. This record is left out; the others of its batch go on.
      if (sheet) sheet.rows.at = rowStart
      this.refused++
    }
  }

  /** What decides about its partition: the record's time, or when it was observed, or stored. */
  #timeMicros(isQuick: boolean): number {
    if (isQuick) return memory!.micros < 0 ? this.#storedMicros : memory!.micros
    const time = this.#time.isSet ? this.#time : this.#observed
    return time.isSet ? time.micros : this.#storedMicros
  }

  #read(start: number, end: number): void {
    const source = this.#source
    this.#time.clear()
    this.#observed.clear()
    this.#severityNumber = this.#flags = this.#dropped = 0
    this.#attributes.at = 0
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
      if (this.#isOwn(start, end)) return
      writeJsonEntry(this.#attributes, this.#source, start, end)
      this.#attributes.appendByte(comma)
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
      if (!keyIs(source, ownKeys[name], start, end)) continue
      const value = start + 2 + ownKeys[name].length
      if (value < end && source[value] === Tag.keyValue.value && readLength(source, value + 1, end) === end) {
        set(this.#own[name], wire.at, end)
        return true
      }
    }
    return false
  }

  #write(out: RowBuffer, place: Buffer): void {
    const time = this.#time.isSet ? this.#time : this.#observed
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
    textColumn(out, this.#source, this.#severityText)
    textColumn(out, this.#source, this.#eventName)
    this.#bodyColumns(out)
    this.#bytesColumn(out, this.#traceId)
    this.#bytesColumn(out, this.#spanId)
    this.#subjectColumn(out)
    const column = out.openColumn()
    out.appendByte(jsonbVersion)
    out.appendByte(0x7b)
    out.append(this.#attributes.bytes, 0, Math.max(this.#attributes.at - 1, 0))
    out.appendByte(0x7d)
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
      textColumn(out, this.#source, { start: wire.at, end })
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

  #bytesColumn(out: RowBuffer, range: Range): void {
    if (range.start < 0) out.nullColumn()
    else out.bytesColumn(this.#source, range.start, range.end)
  }
}

/** One for all encoders, which take turns batch by batch. */
let memory: RowMemory | undefined
let holder: RowEncoder | undefined
/** Sheets that are kept for the next batch. */
const spareSheetsMax = 64
const ownKeys: Record<OwnColumn, Buffer> = {
  purpose: Buffer.from('douane.purpose'),
  tenant: Buffer.from('douane.tenant'),
  region: Buffer.from('douane.region'),
  subject_ref: Buffer.from('douane.subject_ref'),
}
