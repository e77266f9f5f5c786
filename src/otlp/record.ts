/**
 * One log record: a view over a request's tables, reused for each record. Valid only during the hook call.
 */

import type { PreparedAttribute } from './attribute.ts'
import { Kind, Tag } from './fields.ts'
import type { KeyTable } from './keys.ts'
import { findSlot, join64, type LogsRequest, RECORD_ROW, RecordCol, Resource, Scope } from './request.ts'
import { Col, ROW, type Slots } from './slots.ts'
import type { AnyValue } from './value.ts'

/** An attribute's key that a component looks up for every record: resolved to its interned id once. */
export class Key {
  readonly name: string
  #id = 0
  #generation = 0
  readonly #bytes: Buffer

  constructor(name: string) {
    this.name = name
    this.#bytes = Buffer.from(name)
  }
  /** The key's id in this table; 0 when it cannot be interned. */
  id(keys: KeyTable): number {
    if (this.#generation !== keys.generation) {
      this.#generation = keys.generation
      this.#id = Math.max(0, keys.idOf(this.#bytes, 0, this.#bytes.length))
    }
    return this.#id
  }
}

export class Attributes {
  readonly #record: LogRecord
  constructor(record: LogRecord) {
    this.#record = record
  }
  /** The slot of the first attribute with this key that is still there; -1 if there is none. */
  find(key: string | Key): number {
    const record = this.#record
    if (typeof key === 'string') {
      const slot = findSlot(record.slots, key, record.first, record.end)
      return slot !== -1 ? slot : findSlot(record.slots, key, record.firstAdded, record.endAdded)
    }
    const id = key.id(record.slots.keys)
    if (id === 0) return this.find(key.name)
    const slot = this.#findId(id, record.first, record.end)
    return slot !== -1 ? slot : this.#findId(id, record.firstAdded, record.endAdded)
  }
  #findId(id: number, from: number, end: number): number {
    const { rows } = this.#record.slots
    for (let slot = from, row = from * ROW; slot < end; slot++, row += ROW) {
      if (rows[row + Col.KeyId] === id && rows[row + Col.Kind] !== Kind.Removed) return slot
    }
    return -1
  }
}

export class LogRecord {
  readonly request: LogsRequest
  readonly slots: Slots
  readonly attributes: Attributes
  readonly resource: Resource
  readonly scope: Scope
  index = 0
  /** All slots of the record as it came in: body, event_name, severity_text and attributes, in wire order. */
  first = 0
  end = 0
  /** Attributes that the chain added. */
  firstAdded = 0
  endAdded = 0
  #row = 0

  constructor(request: LogsRequest, resource = new Resource(request), scope = new Scope(request)) {
    this.request = request
    this.slots = request.slots
    this.resource = resource
    this.scope = scope
    this.attributes = new Attributes(this)
  }

  /** Points the view at a record. The resource's and the scope's views are moved by whoever walks the request. */
  visit(index: number): this {
    const row = index * RECORD_ROW
    const { at } = this.request.records
    this.index = index
    this.#row = row
    this.first = at[row + RecordCol.FirstSlot]!
    this.end = at[row + RecordCol.EndSlot]!
    this.firstAdded = this.slots.count
    this.endAdded = this.slots.count
    this.slots.insertAt = at[row + RecordCol.To]!
    return this
  }

  /** Slots, or -1. */
  get body(): number {
    return this.#get(RecordCol.BodySlot)
  }
  get eventName(): number {
    return this.#get(RecordCol.EventNameSlot)
  }
  get severityText(): number {
    return this.#get(RecordCol.SeverityTextSlot)
  }
  /** SeverityNumber, 0 = unspecified (logs.proto). */
  get severityNumber(): number {
    return this.#get(RecordCol.SeverityNumber)
  }
  /** Times in nanoseconds since the epoch, as unsigned halves; both 0 = absent. */
  get timeLo(): number {
    return this.#get(RecordCol.TimeLo) >>> 0
  }
  get timeHi(): number {
    return this.#get(RecordCol.TimeHi) >>> 0
  }
  get observedLo(): number {
    return this.#get(RecordCol.ObservedLo) >>> 0
  }
  get observedHi(): number {
    return this.#get(RecordCol.ObservedHi) >>> 0
  }
  get timeUnixNano(): bigint {
    return join64(this.timeLo, this.timeHi)
  }
  get observedTimeUnixNano(): bigint {
    return join64(this.observedLo, this.observedHi)
  }
  /** Where the 16 bytes of the trace id are in the body; -1 = absent. */
  get traceIdAt(): number {
    return this.#get(RecordCol.TraceIdAt)
  }
  /** Where the 8 bytes of the span id are in the body; -1 = absent. */
  get spanIdAt(): number {
    return this.#get(RecordCol.SpanIdAt)
  }
  get flags(): number {
    const at = this.#get(RecordCol.FlagsAt)
    return at === -1 ? 0 : this.request.body.readUInt32LE(at)
  }
  get droppedAttributesCount(): number {
    return this.#get(RecordCol.Dropped)
  }
  /** What the record is kept for: a mask of `Purposes` bits. */
  get purposes(): number {
    return this.#get(RecordCol.Purposes)
  }
  set purposes(mask: number) {
    this.request.records.at[this.#row + RecordCol.Purposes] = mask
  }

  setTime(hi: number, lo: number): void {
    this.#setFixed64(RecordCol.TimeAt, RecordCol.TimeLo, RecordCol.TimeHi, Tag.record.time, hi, lo)
  }
  setObserved(hi: number, lo: number): void {
    this.#setFixed64(RecordCol.ObservedAt, RecordCol.ObservedLo, RecordCol.ObservedHi, Tag.record.observedTime, hi, lo)
  }

  /** Adds an attribute. For what the gateway itself has to say: keys under `douane.`. */
  add(key: string, value: AnyValue): void {
    this.slots.add(Tag.record.attributes, key, value)
    this.endAdded = this.slots.count
  }

  /** The same for an attribute made by `prepareAttribute(Tag.record.attributes, …)`. */
  addPrepared(prepared: PreparedAttribute): void {
    this.slots.addPrepared(prepared)
    this.endAdded = this.slots.count
  }

  /** The same for an int whose attribute was prepared with 0, from its unsigned halves. */
  addPreparedInt(prepared: PreparedAttribute, hi: number, lo: number): void {
    this.slots.addPreparedInt(prepared, hi, lo)
    this.endAdded = this.slots.count
  }

  #get(column: number): number {
    return this.request.records.at[this.#row + column]!
  }

  /** Writes a fixed64 field anew. `column` tells where it is: >= 0 in the body, -1 absent, <= -2 edit number -2 - n. */
  #setFixed64(column: number, loColumn: number, hiColumn: number, tag: number, hi: number, lo: number): void {
    const { at } = this.request.records
    const { slots } = this
    const known = at[this.#row + column]!
    const from = slots.arena.reserve(9)
    const out = slots.arena.bytes
    out[from] = tag
    out.writeUInt32LE(lo >>> 0, from + 1)
    out.writeUInt32LE(hi >>> 0, from + 5)
    slots.arena.used = from + 9
    if (known <= -2) slots.moveEdit(-2 - known, from, from + 9)
    else {
      const where = known === -1 ? at[this.#row + RecordCol.To]! : known - 1
      const edit = slots.pushEdit(where, known === -1 ? where : where + 9, from, from + 9)
      at[this.#row + column] = -2 - edit
    }
    at[this.#row + loColumn] = lo | 0
    at[this.#row + hiColumn] = hi | 0
  }
}
