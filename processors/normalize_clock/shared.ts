/**
 * Clocks that several workers learn together: a source's batches come in on connections of any of them.
 *
 *   worker   ──seen()──▶ for each source the batch with the best level since the last time, and traces ──▶   keeper
 *            ◀─follow()── what is known of each source that was heard of since ◀────────────changes()──
 *
 * The keeper learns from all of it as a gateway alone learns from its batches, in the same way; what it knows of a source
 * takes the place of what a worker knows. A worker learns from its own batches too, so it answers a clock that was set at
 * once, and it alone knows what times it gave last. What is told is bounded; what a worker could not tell in time it
 * tells with the next batch of that source.
 *
 * Bytes: the length of a JSON text, the text (names), then numbers or rows. Both sides are of one program on one machine.
 */
import type { Shared } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'
import { Batch } from './batch.ts'
import type { ClockShown } from './gateway_clock.ts'
import { Now } from './reading.ts'
import { putRow, ROW_BYTES, rowOf, type Waiting } from './snapshot.ts'
import { B, B_ROW, F, F_ROW, I, I_ROW, State } from './sources.ts'
import type { FloorShown } from './tenants.ts'
import type { Tracker } from './tracker.ts'

type Name = readonly [tenant: string, kind: number, key: string]

/** What a worker saw. Times by the wall clock: each has its own idea of how far that is off. */
interface SeenText {
  readonly wall: string
  readonly monotonic: string
  readonly sources: readonly Name[]
}
/** Columns of a source in what was seen, and of a trace. */
const S = { Level: 0, SentAt: 1, At: 2, Count: 3, Flags: 4, LastGiven: 5, High: 6 } as const
const S_ROW = 7
const T = { Source: 0, A: 1, B: 2, Time: 3 } as const
const T_ROW = 4

interface ChangesText {
  readonly clock: ClockShown | undefined
  readonly sources: readonly Name[]
  readonly floors: readonly (readonly [tenant: string, relayed: FloorShown, direct: FloorShown])[]
}

export class SharedClocks implements Shared {
  readonly #tracker: Tracker
  readonly #waiting: Waiting
  // A worker: what it saw since it told.
  readonly #places = new Map<number, number>()
  #names: Name[] = []
  #numbers: number[] = []
  #traces: number[] = []
  #wall = 0n
  #monotonic = 0n
  // The keeper.
  readonly #now: Now
  readonly #batch = new Batch()
  readonly #changed = new Set<number>()
  #told = ''

  constructor(tracker: Tracker, waiting: Waiting, now: Now) {
    this.#tracker = tracker
    this.#now = now
    this.#waiting = waiting
  }

  /** A worker notes what it sees; without it nothing is noted. */
  listen(): void {
    this.#tracker.traces.onSeen = (a, b, time, row) => {
      const source = this.#places.get(row)
      if (source !== undefined && this.#traces.length < limits.clockSightingsMax * T_ROW) {
        this.#traces.push(source, a, b, time)
      }
    }
  }

  /** The batches of a request that came in now. */
  note(batch: Batch, wall: bigint, monotonic: bigint): void {
    const { level, source: row } = batch
    if (level === Number.NEGATIVE_INFINITY) return
    this.#wall = wall
    this.#monotonic = monotonic
    const { sources, tenants, gateway } = this.#tracker
    const key = sources.keys[row]!
    let place = this.#places.get(row)
    if (place === undefined || this.#names[place]![2] !== key) {
      if (this.#names.length >= limits.clockSightingsMax) return
      place = this.#names.length
      this.#places.set(row, place)
      const tenant = tenants.all[sources.i32[row * I_ROW + I.Tenant]!]!.name
      this.#names.push([tenant, sources.u8[row * B_ROW + B.KeyKind]!, key])
      this.#numbers.push(Number.NEGATIVE_INFINITY, 0, 0, 0, 0, 0, 0)
    }
    const at = place * S_ROW
    const numbers = this.#numbers
    numbers[at + S.LastGiven] = sources.f64[row * F_ROW + F.LastGiven]!
    numbers[at + S.High] = sources.f64[row * F_ROW + F.High]!
    const byWall = level + gateway.offset
    if (byWall <= numbers[at + S.Level]!) return
    numbers[at + S.Level] = byWall
    numbers[at + S.SentAt] = batch.sentAt + gateway.offset
    numbers[at + S.At] = Number(wall)
    numbers[at + S.Count] = batch.count
    numbers[at + S.Flags] = (batch.isDirect ? 1 : 0) | (batch.isSupplied ? 2 : 0)
  }

  seen(): Uint8Array | undefined {
    if (this.#names.length === 0) return undefined
    const text: SeenText = {
      wall: String(this.#wall),
      monotonic: String(this.#monotonic),
      sources: this.#names,
    }
    const bytes = packed(text, bytesOf(this.#numbers), bytesOf(this.#traces))
    this.#places.clear()
    this.#names = []
    this.#numbers = []
    this.#traces = []
    return bytes
  }

  learn(seen: Uint8Array): void {
    const { text, rest } = unpacked<SeenText>(seen)
    const { gateway, traces } = this.#tracker
    const monotonic = BigInt(text.monotonic)
    // Of two workers one may tell a moment later what it saw a moment earlier: that is no step of a clock.
    if (monotonic > this.#monotonic) {
      this.#monotonic = monotonic
      this.#now.set(gateway.observe(BigInt(text.wall), monotonic))
    }
    const numbers = doublesIn(rest, 0, text.sources.length * S_ROW)
    const rows = text.sources.map((name, index) => this.#learnOne(name, numbers, index * S_ROW))
    const seenTraces = doublesIn(rest, text.sources.length * S_ROW * 8, undefined)
    for (let at = 0; at < seenTraces.length; at += T_ROW) {
      const row = rows[seenTraces[at + T.Source]!]!
      if (this.#tracker.standing(row) === -1) continue
      const tenant = this.#tracker.sources.i32[row * I_ROW + I.Tenant]!
      traces.put(seenTraces[at + T.A]!, seenTraces[at + T.B]!, seenTraces[at + T.Time]!, tenant, row)
    }
    this.#tracker.finish(this.#now)
  }

  changes(all: boolean): Uint8Array[] {
    const { sources, gateway } = this.#tracker
    const clock = gateway.shown
    const told = String(clock?.offset)
    // Where our own clock was found to be off, all that is known moved with it.
    const isEverything = all || told !== this.#told
    const rows = isEverything ? Array.from({ length: sources.count }, (_, row) => row) : [...this.#changed]
    const most = limits.clockRowsToldMax
    const due = isEverything ? rows : rows.slice(0, most)
    for (const row of due) this.#changed.delete(row)
    this.#told = told
    const pieces: Uint8Array[] = []
    for (let from = 0; from < due.length; from += most) pieces.push(this.#piece(due.slice(from, from + most), clock))
    return pieces
  }

  follow(changes: Uint8Array): void {
    const { text, rest } = unpacked<ChangesText>(changes)
    const { tenants, gateway } = this.#tracker
    if (text.clock) gateway.follow(text.clock)
    for (const [name, relayed, direct] of text.floors) {
      const tenant = tenants.of(name)
      tenant.floor(false).follow(relayed)
      tenant.floor(true).follow(direct)
    }
    for (const [index, name] of text.sources.entries()) {
      this.#followOne(name, rest.subarray(index * ROW_BYTES, (index + 1) * ROW_BYTES))
    }
  }

  #learnOne(name: Name, numbers: Float64Array, at: number): number {
    const { sources, gateway } = this.#tracker
    const row = this.#row(name)
    const f = row * F_ROW
    const batch = this.#batch
    const flags = numbers[at + S.Flags]!
    batch.reset(sources.i32[row * I_ROW + I.Tenant]!, row, (flags & 1) !== 0)
    batch.sentAt = numbers[at + S.SentAt]! - gateway.offset
    batch.count = numbers[at + S.Count]!
    batch.supplied = (flags & 2) !== 0 ? batch.count : 0
    const level = numbers[at + S.Level]! - gateway.offset
    batch.newest = batch.second = batch.suppliedNewest = batch.suppliedSecond = level
    // Levels do not depend on the order in which workers tell; ages between them may not run back.
    const when = new Now()
    when.at = Math.max(numbers[at + S.At]! + gateway.offset, sources.f64[f + F.LastHeard]!)
    this.#tracker.hear(batch, when)
    if (numbers[at + S.High]! > sources.f64[f + F.High]!) {
      sources.f64[f + F.High] = numbers[at + S.High]!
      sources.f64[f + F.LastGiven] = numbers[at + S.LastGiven]!
    }
    this.#changed.add(row)
    return row
  }

  #followOne(name: Name, known: Uint8Array): void {
    const { sources, tenants } = this.#tracker
    const row = this.#row(name)
    const f = row * F_ROW
    const [given, high] = [sources.f64[f + F.LastGiven]!, sources.f64[f + F.High]!]
    const before = sources.u8[row * B_ROW + B.State]
    putRow(sources, row, known)
    // Times that this worker gave are never given again to later records.
    if (high > sources.f64[f + F.High]!) {
      sources.f64[f + F.High] = high
      sources.f64[f + F.LastGiven] = given
    }
    const after = sources.u8[row * B_ROW + B.State]
    const tenant = tenants.all[sources.i32[row * I_ROW + I.Tenant]!]!
    if (before !== State.healthy && after === State.healthy) tenant.healthy++
    if (before === State.healthy && after !== State.healthy) tenant.healthy--
  }

  #row([tenantName, kind, key]: Name): number {
    const { sources, tenants } = this.#tracker
    const tenant = tenants.of(tenantName)
    const known = sources.find(tenant.index, kind, key)
    if (known !== -1) return known
    const row = sources.add(tenant.index, kind, key, tenant.name)
    this.#waiting.claim(sources, row)
    return row
  }

  #piece(rows: readonly number[], clock: ClockShown | undefined): Uint8Array {
    const { sources, tenants } = this.#tracker
    const of = (row: number) => tenants.all[sources.i32[row * I_ROW + I.Tenant]!]!
    const text: ChangesText = {
      clock,
      sources: rows.map((row): Name => [of(row).name, sources.u8[row * B_ROW + B.KeyKind]!, sources.keys[row]!]),
      floors: [...new Set(rows.map(of))].map(
        (tenant) => [tenant.name, tenant.floor(false).shown, tenant.floor(true).shown] as const,
      ),
    }
    return packed(text, ...rows.map((row) => rowOf(sources, row)))
  }
}

function packed(text: object, ...rest: readonly Uint8Array[]): Uint8Array {
  const json = Buffer.from(JSON.stringify(text))
  const head = Buffer.alloc(4)
  head.writeUInt32LE(json.length)
  return Buffer.concat([head, json, ...rest])
}

function unpacked<Text>(packed: Uint8Array): { text: Text; rest: Buffer } {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)
  const end = 4 + bytes.readUInt32LE(0)
  return { text: JSON.parse(bytes.toString('utf8', 4, end)) as Text, rest: bytes.subarray(end) }
}

const bytesOf = (numbers: readonly number[]): Uint8Array => new Uint8Array(Float64Array.from(numbers).buffer)

/** Copied: rows may lie anywhere, doubles only where 8 divides. `count` undefined: to the end. */
function doublesIn(bytes: Buffer, from: number, count: number | undefined): Float64Array {
  const part = count === undefined ? bytes.subarray(from) : bytes.subarray(from, from + count * 8)
  return new Float64Array(Uint8Array.from(part).buffer)
}
