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

const ABSENT = -1

/** The attributes of one kind of place (log, resource, scope) that conditions name. */
class Wanted {
  readonly names: string[] = []
  found = new Int32Array(0)
  #keys: Key[] = []
  #byId = new Uint16Array(0)
  #table: KeyTable | undefined
  #generation = 0

  /** The index of a name, in `found`. */
  index(name: string): number {
    const known = this.names.indexOf(name)
    if (known !== -1) return known
    this.names.push(name)
    this.#keys.push(new Key(name))
    this.found = new Int32Array(this.names.length)
    this.#table = undefined
    return this.names.length - 1
  }

  /** Forgets what was found, and learns the ids of the names when the table of keys is another one. */
  begin(keys: KeyTable): void {
    if (this.#table !== keys || this.#generation !== keys.generation) {
      const ids = this.#keys.map((key) => key.id(keys))
      this.#byId = new Uint16Array(Math.max(0, ...ids) + 1)
      for (const [i, id] of ids.entries()) if (id !== 0) this.#byId[id] = i + 1
      this.#table = keys
      this.#generation = keys.generation
    }
    this.found.fill(ABSENT)
  }

  /** Finds the names among the attributes in [first, end). Of equal keys the first one that is still there counts. */
  find(slots: Slots, first: number, end: number): void {
    const { rows } = slots
    const { found } = this
    const byId = this.#byId
    const known = byId.length
    for (let slot = first, row = first * ROW; slot < end; slot++, row += ROW) {
      const id = rows[row + Col.KeyId]!
      if (id < 0 || id >= known) continue
      const index = id === 0 ? this.names.indexOf(slots.key(slot)) : byId[id]! - 1
      if (index >= 0 && found[index] === ABSENT && rows[row + Col.Kind] !== Kind.Removed) found[index] = slot
    }
  }
}

export class View {
  readonly log = new Wanted()
  readonly resource = new Wanted()
  readonly scope = new Wanted()
  record!: LogRecord
  slots!: Slots
  rows = new Int32Array(0)
  /** Changes with each resource and scope: what depends on these alone may be kept as long as it stays the same. */
  epoch = 0
  #body: Buffer | undefined
  #resourceIndex = ABSENT
  #scopeIndex = ABSENT
  #textSlot = ABSENT
  #text = ''

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
    if (
      this.#body !== slots.body ||
      this.#resourceIndex !== record.resource.index ||
      this.#scopeIndex !== record.scope.index
    ) {
      this.#enter(record)
    }
    if (this.log.names.length === 0) return
    this.log.begin(slots.keys)
    this.log.find(slots, record.first, record.end)
    if (record.firstAdded !== record.endAdded) this.log.find(slots, record.firstAdded, record.endAdded)
  }

  #enter(record: LogRecord): void {
    this.epoch++
    this.#body = record.slots.body
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
