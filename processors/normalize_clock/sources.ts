/**
 * What is known of every source: one row each in flat tables, bounded, the least recently heard goes first.
 *
 *   f64   anchor, bucket start, last heard, envelope, offset (learnt), last offset given, newest time seen
 *   f32   highest and second level of 8 buckets, the last 8 levels, mean excess, uncertainty, drift …
 *   u32   when the last 8 levels came (ms, modulo 2^32), id (64 bits of SHA-256 of tenant and key)
 *   u16   batches in each bucket        i32   tenant, counts        u8   state, evidence, flags
 *
 * Levels (newest time less receive time) are kept relative to the source's anchor, so that 32 bits are exact where it
 * matters. About 290 bytes a row; with the look-up and the key's text below 400.
 */
import { hash } from 'node:crypto'
import { limits } from '../../src/limits.ts'
import { KEY_KINDS, labelOf } from './source_key.ts'

export const BUCKETS = 8
export const F = {
  Anchor: 0,
  BucketStart: 1,
  LastHeard: 2,
  Envelope: 3,
  Offset: 4,
  LastGiven: 5,
  High: 6,
  DriftAt: 7,
} as const
export const F_ROW = 8
export const G = {
  Top: 0,
  Second: 8,
  Recent: 16,
  Excess: 24,
  Uncertainty: 25,
  Drift: 26,
  DriftFrom: 27,
  Full: 28,
} as const
export const G_ROW = 29
/** Of u32: when the recent levels came, then the id. */
export const ID = 8
export const U_ROW = 10
export const I = { Tenant: 0, Count: 1, BucketCount: 2, WindowCount: 3, Largest: 4, Batch: 5, Hints: 6 } as const
export const I_ROW = 7
export const B = { Cursor: 0, Filled: 1, State: 2, Evidence: 3, Flags: 4, KeyKind: 5 } as const
export const B_ROW = 6

export const State = { cold: 0, healthy: 1, fast: 2, slow: 3, late: 4 } as const
export type State = (typeof State)[keyof typeof State]
export const stateNames = ['cold', 'healthy', 'fast', 'slow', 'late'] as const

export const Flag = {
  /** The envelope is supported by three batches. */
  Supported: 1,
  Direct: 2,
  /** Nothing came for about as long as what came after was late: it was held back, its clock did not change. */
  Paused: 4,
  /** Known from before a restart, and not confirmed yet. */
  Restored: 8,
  /** Was seen on time or ahead before. */
  WasOnTime: 16,
  /** Its times are the application's, not its clock's. */
  Supplied: 32,
  /** It was silent for long, and what came then was late by as much; it was not on time since, by its own clock. */
  Backlog: 64,
} as const

const GROWTH = 256

export class Sources {
  f64 = new Float64Array(0)
  f32 = new Float32Array(0)
  u32 = new Uint32Array(0)
  u16 = new Uint16Array(0)
  i32 = new Int32Array(0)
  u8 = new Uint8Array(0)
  /** Rows in use; they are always the first ones. */
  count = 0
  readonly keys: string[] = []
  readonly max: number
  evicted = 0
  #capacity = 0
  #hand = 0
  /** Rows by key, a map for each tenant and kind of key. */
  readonly #byKey: (Map<string, number> | undefined)[] = []
  readonly #sizes: number[] = []
  #tenants = 0
  /** Told when a row is given to another source. */
  onEvict: (row: number) => void = () => {}

  constructor(max: number = limits.clockSourcesMax) {
    this.max = max
  }

  find(tenant: number, kind: number, key: string): number {
    return this.#byKey[tenant * KEY_KINDS + kind]?.get(key) ?? -1
  }

  /** A row for a new source, blank. `tenantName` goes into its id. */
  add(tenant: number, kind: number, key: string, tenantName: string): number {
    const row = this.count < this.max ? this.#grow() : this.#evict()
    this.clear(row)
    this.keys[row] = key
    this.i32[row * I_ROW + I.Tenant] = tenant
    this.u8[row * B_ROW + B.KeyKind] = kind
    const digest = hash('sha256', `${tenantName}\n${labelOf(kind, key)}`, 'buffer')
    this.u32[row * U_ROW + ID] = digest.readUInt32LE(0)
    this.u32[row * U_ROW + ID + 1] = digest.readUInt32LE(4)
    const at = tenant * KEY_KINDS + kind
    const rows = this.#byKey[at] ?? new Map<string, number>()
    this.#byKey[at] = rows
    rows.set(key, row)
    if ((this.#sizes[tenant] ?? 0) === 0) this.#tenants++
    this.#sizes[tenant] = (this.#sizes[tenant] ?? 0) + 1
    return row
  }

  /** The source's id as 16 hexadecimal digits: the same over restarts, and no name. */
  id(row: number): string {
    const at = row * U_ROW + ID
    const word = (value: number) => value.toString(16).padStart(8, '0')
    return word(this.u32[at + 1]!) + word(this.u32[at]!)
  }

  clear(row: number): void {
    this.f64.fill(0, row * F_ROW, (row + 1) * F_ROW)
    this.f32.fill(0, row * G_ROW, (row + 1) * G_ROW)
    this.f32.fill(Number.NEGATIVE_INFINITY, row * G_ROW, row * G_ROW + G.Recent)
    this.u32.fill(0, row * U_ROW, (row + 1) * U_ROW)
    this.u16.fill(0, row * BUCKETS, (row + 1) * BUCKETS)
    this.i32.fill(0, row * I_ROW, (row + 1) * I_ROW)
    this.u8.fill(0, row * B_ROW, (row + 1) * B_ROW)
    this.i32[row * I_ROW + I.Batch] = -1
    this.u8[row * B_ROW + B.Filled] = 1
    this.f64[row * F_ROW + F.High] = Number.NEGATIVE_INFINITY
    this.f32[row * G_ROW + G.Excess] = Number.NaN
    this.f32[row * G_ROW + G.Drift] = Number.NaN
  }

  flag(row: number, flag: number): boolean {
    return (this.u8[row * B_ROW + B.Flags]! & flag) !== 0
  }
  setFlag(row: number, flag: number, on: boolean): void {
    const at = row * B_ROW + B.Flags
    this.u8[at] = on ? this.u8[at]! | flag : this.u8[at]! & ~flag
  }

  #grow(): number {
    if (this.count === this.#capacity) {
      const capacity = Math.min(this.max, Math.max(GROWTH, Math.ceil(this.#capacity * 1.5)))
      this.f64 = grown(this.f64, new Float64Array(capacity * F_ROW))
      this.f32 = grown(this.f32, new Float32Array(capacity * G_ROW))
      this.u32 = grown(this.u32, new Uint32Array(capacity * U_ROW))
      this.u16 = grown(this.u16, new Uint16Array(capacity * BUCKETS))
      this.i32 = grown(this.i32, new Int32Array(capacity * I_ROW))
      this.u8 = grown(this.u8, new Uint8Array(capacity * B_ROW))
      this.#capacity = capacity
    }
    return this.count++
  }

  /**
   * Takes the row that was heard of least recently among some: of tenants with more than their share first, so that
   * one that changes its name with every batch pushes out its own. Rows of the request in work are left alone.
   */
  #evict(): number {
    const share = this.max / Math.max(1, this.#tenants)
    let best = -1
    let bestRank = Number.POSITIVE_INFINITY
    for (let probe = 0; probe < this.max; probe++) {
      this.#hand = (this.#hand + 1) % this.max
      if (this.i32[this.#hand * I_ROW + I.Batch] !== -1) continue
      const tenant = this.i32[this.#hand * I_ROW + I.Tenant]!
      const isLarge = this.#sizes[tenant]! >= share
      const rank = this.f64[this.#hand * F_ROW + F.LastHeard]! + (isLarge ? 0 : 1e19)
      if (rank < bestRank) {
        best = this.#hand
        bestRank = rank
      }
      if (probe >= PROBES && bestRank < 1e19) break
    }
    if (best === -1) best = this.#hand
    const tenant = this.i32[best * I_ROW + I.Tenant]!
    this.#byKey[tenant * KEY_KINDS + this.u8[best * B_ROW + B.KeyKind]!]!.delete(this.keys[best]!)
    if (--this.#sizes[tenant]! === 0) this.#tenants--
    this.onEvict(best)
    this.evicted++
    return best
  }
}
const PROBES = 8

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from)
  return to
}
