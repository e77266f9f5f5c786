/**
 * The quick way through a record: the program of wasm/minimize/ goes over the fields of some dozens of records at once,
 * and leaves a list of the few that need more. A record without any costs a few look-ups.
 *
 * It decides by the key's verdict and the bytes as they came in. A record that an earlier step of the chain edited, of
 * another policy, or in a memory that somebody else works in goes the ordinary way, field by field; so both ways must
 * come to the same, and a test holds them equal.
 */
import { limits } from '../../../src/limits.ts'
import type { LogRecord } from '../../../src/otlp/record.ts'
import { type LogsRequest, RECORD_ROW, RecordCol, SCOPE_ROW, ScopeCol } from '../../../src/otlp/request.ts'
import { Col, ROW } from '../../../src/otlp/slots.ts'
import type { Stops } from '../detect/engine.ts'
import type { Scan } from '../detect/state.ts'
import type { HmacKey } from '../hmac.ts'
import type { Policy } from '../policy.ts'
import { classesOfRoles, classOf, KeyClass } from './key_classes.ts'
import { FastMemory, labelBytesMax, labelsMax, workMax } from './memory.ts'

/** What the list says of a slot. */
export const Work = {
  /** Look at it in the ordinary way. */
  Look: 0,
  /** The detectors have to look at it, from `Lane.from` on. */
  Stop: 1,
  /** Its new text stands in the arena. */
  Written: 2,
} as const
const WORK_ROW = 5

/** Records that are gone over at once. */
const windowMax = 64

export class Lane implements Stops {
  readonly #cacheRows: number
  #request: LogsRequest | undefined
  #memory: FastMemory | undefined
  #classes = new Map<Policy, Uint8Array>()
  #generation = 0
  /** Labels of masks, and their numbers. */
  readonly #labels = new Map<string, number>()
  readonly #labelOf = (label: string): number => {
    const known = this.#labels.get(label)
    if (known !== undefined) return known
    const bytes = Buffer.from(label)
    if (this.#labels.size === labelsMax || bytes.length > labelBytesMax) return -1
    const index = this.#labels.size
    this.#labels.set(label, index)
    this.#memory?.setLabel(index, bytes)
    return index
  }
  /** What the program was told last. */
  #policy: Policy | undefined
  #key: HmacKey | undefined
  #table: Uint8Array = new Uint8Array(0)
  /** Records [first, end) were gone over. */
  #first = 0
  #end = 0
  #size = windowMax
  /** Where the list lies, where the record at hand has got to in it, where it ends. */
  #words: Int32Array = new Int32Array(0)
  #row = 0
  #listEnd = 0
  #slotsEnd = 0
  /** What `next` handed out last: a `Work`, and its offsets. */
  what = 0
  from = 0
  to = 0
  textFrom = 0

  /** `cacheRows`: hashes that are kept; a power of two, or 0. */
  constructor(cacheRows: number) {
    this.#cacheRows = cacheRows
  }

  /** `isPossible`: false where the ordinary way has to be gone. */
  begin(request: LogsRequest, isPossible: boolean): void {
    this.#request = request
    this.#end = 0
    const last = this.#memory
    this.#memory = isPossible ? FastMemory.of(request, this, this.#cacheRows) : undefined
    if (this.#memory === undefined) return
    this.#words = this.#memory.places.words
    this.#memory.wasm.valueBytesMax.value = limits.scannedBytesMax
    if (this.#memory !== last) this.#forgetTold()
    if (request.keys.generation !== this.#generation) {
      this.#generation = request.keys.generation
      this.#classes.clear()
      this.#policy = undefined
    }
  }

  /** A new resource: another tenant, another key. */
  resource(): void {
    this.#end = 0
  }

  /** False: the record goes the ordinary way. Else `next` hands out what is to be done. */
  open(record: LogRecord, policy: Policy, key: HmacKey | undefined): boolean {
    const memory = this.#memory
    const { index, first, end, slots } = record
    if (memory === undefined || !slots.arena.isHome || slots.body !== this.#request?.body) return false
    const { rows } = slots
    for (let row = first * ROW + Col.Edit; row < end * ROW; row += ROW) if (rows[row] !== -1) return false
    if (index >= this.#end || index < this.#first || policy !== this.#policy || key !== this.#key) {
      this.#prepare(memory, record, policy, key)
      if (index >= this.#end) return false
    }
    const words = this.#words
    while (this.#row < this.#listEnd && words[this.#row]! < first) this.#row += WORK_ROW
    this.#slotsEnd = end
    return true
  }

  /** Goes to the record's next piece of work: its slot, or -1. */
  next(): number {
    const words = this.#words
    const row = this.#row
    if (row >= this.#listEnd) return -1
    const slot = words[row]!
    if (slot >= this.#slotsEnd) return -1
    this.what = words[row + 1]!
    this.from = words[row + 2]!
    this.to = words[row + 3]!
    this.textFrom = words[row + 4]!
    this.#row = row + WORK_ROW
    return slot
  }

  /** Remembers what is done with a key that was not known. */
  learn(id: number, policy: Policy): void {
    const table = this.#table
    if (policy !== this.#policy || id <= 0 || id >= table.length || table[id] !== KeyClass.Unknown) return
    const keyClass = classOf(policy.keys.byId(this.#request!.keys, id), this.#labelOf)
    if (keyClass === KeyClass.Unknown) return
    table[id] = keyClass
    this.#memory?.setClass(id, keyClass)
    // What was listed for the records behind this one did not know the key.
    this.#end = 0
  }

  nextStop(at: number, { from, to }: Scan): number {
    const { wasm, places } = this.#memory!
    return wasm.nextStop(places.body + at, places.body + from, places.body + to) - places.body
  }

  /** Goes over this record and some that follow it in its scope. */
  #prepare(memory: FastMemory, record: LogRecord, policy: Policy, key: HmacKey | undefined): void {
    const { index, slots } = record
    const { records, scopes } = record.request
    // Records of several policies in turn: what was prepared for many is of use to few.
    this.#size =
      index < this.#end && index >= this.#first && policy !== this.#policy ? 1 : Math.min(this.#size * 2, windowMax)
    this.#tell(memory, policy, key)
    const scope = records.at[index * RECORD_ROW + RecordCol.Scope]!
    const last = Math.min(index + this.#size, scopes.at[scope * SCOPE_ROW + ScopeCol.EndRecord]!)
    let end = index
    while (end < last && records.at[end * RECORD_ROW + RecordCol.EndSlot]! - record.first <= workMax) end++
    this.#first = index
    this.#end = end
    this.#row = memory.workAt
    this.#listEnd = memory.workAt
    if (end === index) return
    const { wasm, places } = memory
    wasm.arenaAt.value = places.arena + slots.arena.used
    const count = wasm.prepare(record.first, records.at[(end - 1) * RECORD_ROW + RecordCol.EndSlot]!)
    this.#listEnd = memory.workAt + count * WORK_ROW
    slots.arena.used = wasm.arenaAt.value - places.arena
  }

  #forgetTold(): void {
    this.#policy = undefined
    this.#key = undefined
  }

  #tell(memory: FastMemory, policy: Policy, key: HmacKey | undefined): void {
    const { keys } = this.#request!
    if (policy !== this.#policy) {
      let table = this.#classes.get(policy)
      if (table === undefined) {
        table = new Uint8Array(limits.internedKeysMax + 1)
        this.#classes.set(policy, table)
      }
      this.#policy = policy
      this.#table = table
      memory.setClasses(table, keys.count, classesOfRoles(policy))
      // Another memory may have been told of them.
      for (const [label, index] of this.#labels) memory.setLabel(index, Buffer.from(label))
    }
    if (key !== this.#key || key === undefined) {
      this.#key = key
      memory.setKey(key)
    }
  }
}
