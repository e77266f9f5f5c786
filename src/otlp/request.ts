/**
 * One ExportLogsServiceRequest, scanned: the immutable body and tables that say where everything in it is.
 *
 * Tables are struct-of-arrays rows of 32-bit integers, reused from request to request: nothing is allocated per
 * record. All offsets count bytes in the body. After the scan the request is regular: no unknown fields, nothing
 * singular twice, valid UTF-8, bounded depth (scan.ts; canonical.ts makes other input so, or refuses it).
 */
import { Kind } from './fields.ts'
import { KeyTable } from './keys.ts'
import type { Scanner } from './scan.ts'
import { Sealings } from './sealing.ts'
import { ROW, Slots } from './slots.ts'

/** Columns of a resource's row. `From`/`To` of the ResourceLogs field, then of the Resource message's content. */
export const ResourceCol = {
  FieldFrom: 0,
  FieldTo: 1,
  From: 2,
  To: 3,
  FirstSlot: 4,
  EndSlot: 5,
  FirstScope: 6,
  EndScope: 7,
  SchemaUrlFrom: 8,
  SchemaUrlTo: 9,
  FirstEdit: 10,
  EndEdit: 11,
} as const
export const RESOURCE_ROW = 12

/** Columns of a scope's row. `From`/`To` of the ScopeLogs field, then of the InstrumentationScope message's content. */
export const ScopeCol = {
  FieldFrom: 0,
  FieldTo: 1,
  From: 2,
  To: 3,
  FirstSlot: 4,
  EndSlot: 5,
  FirstRecord: 6,
  EndRecord: 7,
  SchemaUrlFrom: 8,
  SchemaUrlTo: 9,
  FirstEdit: 10,
  EndEdit: 11,
  Resource: 12,
  NameSlot: 13,
  VersionSlot: 14,
} as const
export const SCOPE_ROW = 15

/** Columns of a record's row. Times are two unsigned halves; offsets of absent fields are -1. */
export const RecordCol = {
  FieldFrom: 0,
  From: 1,
  To: 2,
  FirstSlot: 3,
  EndSlot: 4,
  Scope: 5,
  FirstEdit: 6,
  EndEdit: 7,
  BodySlot: 8,
  EventNameSlot: 9,
  SeverityTextSlot: 10,
  SeverityNumber: 11,
  TimeAt: 12,
  TimeLo: 13,
  TimeHi: 14,
  ObservedAt: 15,
  ObservedLo: 16,
  ObservedHi: 17,
  TraceIdAt: 18,
  SpanIdAt: 19,
  FlagsAt: 20,
  Purposes: 21,
  /** The chain's verdict, as a `VerdictCode` of pipeline/chain.ts. */
  Verdict: 22,
  Dropped: 23,
  /** The union of the marks of the record's slots: 0 = nothing but the body may be content. */
  Marks: 24,
} as const
export const RECORD_ROW = 25

/** A table of fixed-size rows that grows by doubling. */
export class Rows {
  at: Int32Array
  count = 0
  readonly stride: number

  constructor(stride: number, rows: number) {
    this.stride = stride
    this.at = new Int32Array(stride * rows)
  }
  /** Shows rows that the scan has written. */
  show(at: Int32Array, count: number): void {
    this.at = at
    this.count = count
  }
  /** A new row; returns its index into `at`. */
  push(): number {
    const row = this.count++ * this.stride
    if (row + this.stride > this.at.length) {
      const grown = new Int32Array(this.at.length * 2)
      grown.set(this.at)
      this.at = grown
    }
    return row
  }
}

export class LogsRequest {
  readonly keys: KeyTable
  readonly slots: Slots
  readonly resources = new Rows(RESOURCE_ROW, 16)
  readonly scopes = new Rows(SCOPE_ROW, 16)
  readonly records = new Rows(RECORD_ROW, 256)
  body: Buffer = Buffer.alloc(0)
  /** When the gateway received it, by its own wall clock and its monotonic clock, in nanoseconds. */
  receivedUnixNano = 0n
  receivedMonotonicNano = 0n
  /** Request headers that are evidence of the sender's clock. */
  date: string | undefined
  userAgent: string | undefined
  /** Whether any attribute has a key under `douane.`, which senders may not set. */
  hasReservedKeys = false
  /** Marks of any resource's or scope's slots. */
  sharedMarks = 0
  /** Tenant of each resource, by its index; `''` = unknown. */
  readonly tenants: string[] = []
  /** What the chain said about sealing beyond marks. */
  readonly sealings = new Sealings()
  /** Made by the first scan; holds the memory that body and tables lie in. */
  scanner: Scanner | undefined
  #latin1: string | undefined

  constructor(keys: KeyTable = new KeyTable()) {
    this.keys = keys
    this.slots = new Slots(keys)
  }

  reset(body: Buffer): void {
    if (this.keys.isFull) this.keys.clear()
    this.body = body
    this.slots.reset(body)
    this.resources.count = 0
    this.scopes.count = 0
    this.records.count = 0
    this.hasReservedKeys = false
    this.sharedMarks = 0
    this.tenants.length = 0
    this.sealings.reset()
    this.#latin1 = undefined
  }

  /** The whole body as one latin-1 string: index = byte offset. Made on first use. */
  latin1(): string {
    this.#latin1 ??= this.body.latin1Slice(0, this.body.length)
    return this.#latin1
  }

  /** A record's time in `records` as nanoseconds since the epoch; 0n where it has none. */
  timeUnixNano(record: number): bigint {
    const row = record * RECORD_ROW
    return join64(this.records.at[row + RecordCol.TimeLo]!, this.records.at[row + RecordCol.TimeHi]!)
  }
}

export const join64 = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)

/** What a resource's and a scope's view have in common: a range of slots. */
export class SlotRange {
  readonly request: LogsRequest
  readonly slots: Slots
  first = 0
  end = 0
  constructor(request: LogsRequest) {
    this.request = request
    this.slots = request.slots
  }
  /** The slot of the attribute with this key, at or after `from`; -1 if there is none. Keys may repeat. */
  find(key: string, from: number = this.first): number {
    return findSlot(this.slots, key, from, this.end)
  }
}

/** The schema URL whose field's content stands in a row's `SchemaUrlFrom` and `To`; it is no slot. */
function schemaUrl(request: LogsRequest, rows: Rows, column: number): string {
  const from = rows.at[column]!
  if (from === -1) return ''
  const { body } = request
  // `From` is where the field begins: a tag, and the length of what follows.
  let start = from + 2
  while (body[start - 1]! >= 0x80) start++
  return body.utf8Slice(start, rows.at[column + 1]!)
}

/** A resource. Valid only during the hook call that receives it. */
export class Resource extends SlotRange {
  index = 0
  /** The customer that this resource's records belong to; `''` = nobody that the gateway knows. */
  get tenant(): string {
    return this.request.tenants[this.index] ?? ''
  }
  /** Points the view at a resource. */
  visit(index: number): this {
    const { at } = this.request.resources
    const row = index * RESOURCE_ROW
    this.index = index
    this.first = at[row + ResourceCol.FirstSlot]!
    this.end = at[row + ResourceCol.EndSlot]!
    return this
  }
  /** The schema URL of the ResourceLogs; empty where it has none. */
  get schemaUrl(): string {
    return schemaUrl(this.request, this.request.resources, this.index * RESOURCE_ROW + ResourceCol.SchemaUrlFrom)
  }
  dropSchemaUrl(): void {
    this.request.resources.at[this.index * RESOURCE_ROW + ResourceCol.SchemaUrlFrom] = -1
  }
}

/** An instrumentation scope. Valid only during the hook call that receives it. */
export class Scope extends SlotRange {
  index = 0
  /** Slots, or -1. */
  name = -1
  version = -1
  visit(index: number): this {
    const { at } = this.request.scopes
    const row = index * SCOPE_ROW
    this.index = index
    this.first = at[row + ScopeCol.FirstSlot]!
    this.end = at[row + ScopeCol.EndSlot]!
    this.name = at[row + ScopeCol.NameSlot]!
    this.version = at[row + ScopeCol.VersionSlot]!
    return this
  }
  /** The schema URL of the ScopeLogs; empty where it has none. */
  get schemaUrl(): string {
    return schemaUrl(this.request, this.request.scopes, this.index * SCOPE_ROW + ScopeCol.SchemaUrlFrom)
  }
  dropSchemaUrl(): void {
    this.request.scopes.at[this.index * SCOPE_ROW + ScopeCol.SchemaUrlFrom] = -1
  }
  get resourceIndex(): number {
    return this.request.scopes.at[this.index * SCOPE_ROW + ScopeCol.Resource]!
  }
}

/** The slot in [from, end) that is an attribute with this key and was not removed; -1 if there is none. */
export function findSlot(slots: Slots, key: string, from: number, end: number): number {
  for (let slot = from; slot < end; slot++) {
    const row = slot * ROW
    const id = slots.rows[row + 4]!
    if (id < 0 || slots.rows[row + 5] === Kind.Removed) continue
    if (slots.key(slot) === key) return slot
  }
  return -1
}
