/**
 * What conditions see of a log record: its fields, and the slots of the attributes that they name, found in one walk
 * over the record's slots however many conditions ask for them.
 *
 *   attributes that conditions name:  "event.kind" → 0, "user.id" → 1 …   (`wanted`, by key id: index + 1)
 *   found[index] = slot in this record, or -1
 *
 * Resource and scope attributes are found once per resource and scope. Valid during one hook call, like the record.
 */
import { Kind } from '../otlp/fields.ts'
import type { KeyTable } from '../otlp/keys.ts'
import { Key, type LogRecord } from '../otlp/record.ts'
import type { SlotRange } from '../otlp/request.ts'
import { Col, ROW, type Slots } from '../otlp/slots.ts'
import { readVarint64, wire } from '../otlp/wire.ts'

const ABSENT = -1
/** Stands for keys without an id of their own. */
export const BY_NAME = 0xffff

/** The attributes of one kind of place (log, resource, scope) that conditions name. */
class Wanted {
  readonly names: string[] = []
  found = new Int32Array(0)
  #keys: Key[] = []
  /** By key id: 0 is not wanted, `BY_NAME` tells nothing, else the index + 1. */
  byId = new Uint16Array(0)
  /** Of the keys that `byId` was learnt from. */
  generation = -1

  /** The index of a name, in `found`. */
  index(name: string): number {
    const known = this.names.indexOf(name)
    if (known !== -1) return known
    this.names.push(name)
    this.#keys.push(new Key(name))
    this.found = new Int32Array(this.names.length).fill(ABSENT)
    this.generation = -1
    return this.names.length - 1
  }

  /** Learns the ids of the names when the table of keys is another one. */
  learn(keys: KeyTable): void {
    if (this.generation === keys.generation) return
    const ids = this.#keys.map((key) => key.id(keys))
    this.byId = new Uint16Array(Math.max(0, ...ids) + 1)
    for (const [i, id] of ids.entries()) this.byId[id] = i + 1
    // Keys that are not interned, on either side, are found by their names.
    this.byId[0] = BY_NAME
    this.generation = keys.generation
  }

  /** The index of a slot's name, where `byId` tells none; -1: not wanted. */
  indexByName(slots: Slots, slot: number): number {
    return this.names.indexOf(slots.key(slot))
  }

  /** Forgets what was found. */
  begin(keys: KeyTable): void {
    this.learn(keys)
    this.found.fill(ABSENT)
  }

  /** Finds the names among the attributes in [first, end). Of equal keys the first one that is still there counts. */
  find(slots: Slots, first: number, end: number): void {
    const { rows } = slots
    const { found, byId } = this
    const known = byId.length
    for (let slot = first, row = first * ROW; slot < end; slot++, row += ROW) {
      // Unsigned, so that the roles of other fields, which are negative, are past the end too.
      const id = rows[row + Col.KeyId]! >>> 0
      if (id >= known) continue
      const wanted = byId[id]!
      if (wanted === 0) continue
      const index = wanted === BY_NAME ? this.indexByName(slots, slot) : wanted - 1
      if (index < 0 || found[index] !== ABSENT || rows[row + Col.Kind] === Kind.Removed) continue
      found[index] = slot
    }
  }
}

export class View {
  readonly log = new Wanted()
  readonly resource = new Wanted()
  readonly scope = new Wanted()
  record!: LogRecord
  slots!: Slots
  rows: Int32Array = new Int32Array(0)
  /** Changes with each resource and scope: what depends on these alone may be kept as long as it stays the same. */
  epoch = 0
  #body: Buffer | undefined
  #resourceIndex = ABSENT
  #scopeIndex = ABSENT
  #textSlot = ABSENT
  #text = ''
  /** Before the first record nothing is there to be found. */
  #hasFound = true
  /** The body, four bytes at a time. */
  words: DataView = new DataView(new ArrayBuffer(0))

  /** To be called once a request: a new request may lie in the same memory. */
  begin(): void {
    this.#body = undefined
  }

  visit(record: LogRecord): void {
    const { slots } = record
    this.record = record
    this.slots = slots
    this.rows = slots.rows
    this.#textSlot = ABSENT
    this.#hasFound = false
    if (
      this.#body !== slots.body ||
      this.#resourceIndex !== record.resource.index ||
      this.#scopeIndex !== record.scope.index
    ) {
      this.#enterScope(record)
    }
  }

  /** The slot of the record's attribute `index` in `log`, or -1. All are found when the first one is asked for. */
  attribute(index: number): number {
    const { log } = this
    if (!this.#hasFound) {
      const { slots, record } = this
      log.begin(slots.keys)
      log.find(slots, record.first, record.end)
      if (record.firstAdded !== record.endAdded) log.find(slots, record.firstAdded, record.endAdded)
      this.#hasFound = true
    }
    return log.found[index]!
  }

  #enterScope(record: LogRecord): void {
    this.epoch++
    const { body, keys } = record.slots
    if (this.#body !== body) {
      this.#body = body
      this.words = new DataView(body.buffer, body.byteOffset, body.length)
      this.log.learn(keys)
    }
    this.#resourceIndex = record.resource.index
    this.#scopeIndex = record.scope.index
    findAll(this.resource, record.resource)
    findAll(this.scope, record.scope)
  }

  /** The text of a slot. Kept while conditions ask for the same one again. */
  text(slot: number): string {
    if (slot !== this.#textSlot) {
      this.#text = this.slots.text(slot)
      this.#textSlot = slot
    }
    return this.#text
  }

  /** An int as a number: exact up to 2^53, and beyond on its side of all that is smaller. */
  intNumber(slot: number): number {
    const bytes = this.slots.bytes(slot)
    const from = this.slots.start(slot)
    const first = bytes[from]!
    if (first < 0x80) return first
    const second = bytes[from + 1]!
    if (second < 0x80) return (first & 0x7f) | (second << 7)
    const low = readVarint64(bytes, from, this.slots.end(slot))
    return (wire.hi | 0) * 2 ** 32 + low
  }

  /** Whether a slot's value has exactly these bytes. */
  equals(slot: number, bytes: Uint8Array): boolean {
    const row = slot * ROW
    const from = this.rows[row + Col.ValueFrom]!
    return this.rows[row + Col.ValueTo]! - from === bytes.length && this.#has(slot, from, bytes)
  }
  startsWith(slot: number, bytes: Uint8Array): boolean {
    const row = slot * ROW
    const from = this.rows[row + Col.ValueFrom]!
    return this.rows[row + Col.ValueTo]! - from >= bytes.length && this.#has(slot, from, bytes)
  }
  endsWith(slot: number, bytes: Uint8Array): boolean {
    const row = slot * ROW
    const from = this.rows[row + Col.ValueTo]! - bytes.length
    return from >= this.rows[row + Col.ValueFrom]! && this.#has(slot, from, bytes)
  }
  #has(slot: number, from: number, bytes: Uint8Array): boolean {
    const source = this.slots.bytes(slot)
    for (let i = bytes.length - 1; i >= 0; i--) if (source[from + i] !== bytes[i]) return false
    return true
  }
}

function findAll(wanted: Wanted, range: SlotRange): void {
  if (wanted.names.length === 0) return
  wanted.begin(range.slots.keys)
  wanted.find(range.slots, range.first, range.end)
}
