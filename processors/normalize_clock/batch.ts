/**
 * The records of one source in one request: what they tell of its clock, and what is to be done with them.
 *
 * Spans count from now: below 0 is the past. `newest` and `second` are of times that the clock stamped itself,
 * `suppliedNewest` and `suppliedSecond` of times that the application supplied.
 */

import { RECORD_ROW, RecordCol } from '../../src/otlp/request.ts'
import { Evidence } from './evidence.ts'
import { NANOSECONDS_HI, SECOND, TWO_32 } from './instant.ts'
import type { Now, Reading } from './reading.ts'
import { I, I_ROW, type Sources } from './sources.ts'

/** Beyond this a time ahead of now is impossible and no jitter. */
export const AHEAD_MAX = 150e6

export class Batch {
  tenant = 0
  source = -1
  isDirect = false
  /** The source's clock counts from its start. */
  isUnset = false
  /** When the sender says it sent this, less now; NaN: it does not say. */
  sentAt = Number.NaN
  count = 0
  supplied = 0
  newest = 0
  second = 0
  suppliedNewest = 0
  suppliedSecond = 0
  oldest = 0
  /** Nothing to do with any record but the source's offset. */
  isPlain = true
  /** The offset: `base` up to the span `high`, rising to `base + rise` after it. */
  base = 0
  rise = 0
  high = 0
  evidence: Evidence = Evidence.none
  /** The offset that the source is thought to have; records get less while time is caught up. */
  offsetWanted = 0
  /** Of a corrected time; of the receive time as a record's time; of a time that stays as it is. */
  uncertainty = 0
  delay = 0
  plainUncertainty = 0
  /** While the gateway's own clock is in doubt, what looks like the future may not be. */
  isClamping = true

  reset(tenant: number, source: number, isDirect: boolean): void {
    this.tenant = tenant
    this.source = source
    this.isDirect = isDirect
    this.sentAt = Number.NaN
    this.count = 0
    this.supplied = 0
    this.newest = this.second = this.suppliedNewest = this.suppliedSecond = Number.NEGATIVE_INFINITY
    this.oldest = Number.POSITIVE_INFINITY
    this.isPlain = true
    this.base = this.rise = this.high = this.offsetWanted = 0
    this.evidence = Evidence.none
    this.uncertainty = 5 * SECOND
    this.delay = 10 * SECOND
    this.plainUncertainty = AHEAD_MAX
    this.isClamping = true
  }

  add(reading: Reading): void {
    const { age } = reading
    this.count++
    if (reading.isReceiveTime) {
      this.isPlain = false
      return
    }
    if (reading.isSupplied) {
      this.supplied++
      if (age > this.suppliedNewest) {
        this.suppliedSecond = this.suppliedNewest
        this.suppliedNewest = age
      } else if (age > this.suppliedSecond) this.suppliedSecond = age
    } else {
      if (age > this.newest) {
        this.second = this.newest
        this.newest = age
      } else if (age > this.second) this.second = age
      if (age < this.oldest) this.oldest = age
    }
    if (reading.isMissing || reading.unit !== undefined || age > AHEAD_MAX) this.isPlain = false
    else if (reading.observedHi === 0) this.isPlain = false
  }

  /** Takes in the records from row `from` up to row `to`. What is plain goes the short way: it is most of the cost. */
  addRows(records: Int32Array, from: number, to: number, now: Now, reading: Reading): void {
    let { newest, second, oldest } = this
    let odd = 0
    for (let row = from; row < to; row += RECORD_ROW) {
      const hi = records[row + RecordCol.TimeHi]! >>> 0
      const observedHi = records[row + RecordCol.ObservedHi]! >>> 0
      const lo = records[row + RecordCol.TimeLo]! >>> 0
      const ahead = (hi - observedHi) * TWO_32 + (lo - (records[row + RecordCol.ObservedLo]! >>> 0))
      if (hi < NANOSECONDS_HI || observedHi < NANOSECONDS_HI || ahead > SECOND || ahead < -SECOND) {
        reading.read(records, row, now)
        this.add(reading)
        odd++
        continue
      }
      const age = (hi - now.hi) * TWO_32 + (lo - now.lo)
      if (age > newest) {
        second = newest
        newest = age
      } else if (age > second) second = age
      if (age < oldest) oldest = age
    }
    this.count += (to - from) / RECORD_ROW - odd
    if (newest > AHEAD_MAX) this.isPlain = false
    this.#merge(newest, second, oldest)
  }

  /** Joins two sets of extremes: those of the short way, and those that `add` found meanwhile. */
  #merge(newest: number, second: number, oldest: number): void {
    if (newest > this.newest) {
      this.second = Math.max(this.newest, second)
      this.newest = newest
    } else this.second = Math.max(this.second, newest < this.newest ? newest : second)
    if (oldest < this.oldest) this.oldest = oldest
  }

  /** Whether most records carry times that the application supplied: a file that is read, a relay. */
  get isSupplied(): boolean {
    return this.supplied * 2 > this.count
  }

  /** The newest time that counts: one record alone cannot move a source. */
  get level(): number {
    const first = this.isSupplied ? this.suppliedNewest : this.newest
    const second = this.isSupplied ? this.suppliedSecond : this.second
    return this.count >= 2 && first - second > SECOND && second !== Number.NEGATIVE_INFINITY ? second : first
  }

  /** The offset of a record of this age. Monotone: the later record never gets the earlier time. */
  offset(age: number): number {
    if (this.rise <= 0 || age <= this.high) return this.base
    return this.base + Math.round(Math.min(SLOPE * (age - this.high), this.rise))
  }
}

/** While an offset grows, corrected time goes on at 1/64 of its pace: it never stops nor runs back. */
const SLOPE = 63 / 64

/** The batches of one request; objects are reused. */
export class Batches {
  readonly #all: Batch[] = []
  count = 0
  /** The batch of each resource. */
  #of = new Int32Array(64)
  readonly now: Now
  constructor(now: Now) {
    this.now = now
  }

  reset(resources: number): void {
    this.count = 0
    if (resources > this.#of.length) this.#of = new Int32Array(resources * 2)
  }
  at(index: number): Batch {
    return this.#all[index]!
  }
  ofResource(index: number): Batch {
    return this.#all[this.#of[index]!]!
  }
  /** Says that a resource's records belong to batch `index`. */
  assign(resource: number, index: number): void {
    this.#of[resource] = index
  }
  /** Lets go of the source's row: the request has taken it in. */
  release(index: number, sources: Sources): void {
    sources.i32[this.#all[index]!.source * I_ROW + I.Batch] = -1
  }
  open(tenant: number, source: number, isDirect: boolean): number {
    const index = this.count++
    if (index === this.#all.length) this.#all.push(new Batch())
    this.#all[index]!.reset(tenant, source, isDirect)
    return index
  }
}
