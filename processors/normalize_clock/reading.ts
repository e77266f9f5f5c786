/**
 * When a record says that it happened: its time, else its observed time, else the receive time; other units repaired.
 *
 *   time   observed   read as
 *   0      0          the receive time                       missing
 *   0      t          t                                      missing
 *   t      any        t, or t in seconds, ms, us as ns       (unit)
 */
import { RecordCol } from '../../src/otlp/request.ts'
import { approximate, difference, NANOSECONDS_HI, repairUnit, SECOND, span, type Unit } from './instant.ts'

/** The instant that counts as now for a request: its receive time, less what the gateway's own clock is off. */
export class Now {
  hi = 0
  lo = 0
  /** As a double, for windows and ages. */
  at = 0

  set(unixNano: bigint): void {
    this.hi = Number((unixNano >> 32n) & 0xffffffffn)
    this.lo = Number(unixNano & 0xffffffffn)
    this.at = approximate(this.hi, this.lo)
  }
}

export interface Repairs {
  readonly unit: boolean
  readonly missing: boolean
}

export class Reading {
  readonly #repairs: Repairs
  /** The time as it came in, and as it is read. */
  rawHi = 0
  rawLo = 0
  hi = 0
  lo = 0
  observedHi = 0
  observedLo = 0
  /** The time as read, less now. */
  age = 0
  unit: Unit | undefined
  isMissing = false
  /** Neither time nor observed time: it is the receive time. */
  isReceiveTime = false
  /** |time - observed time| > 1 s: what the application says, not what its clock said when it logged. */
  isSupplied = false

  /** The clock counts from its start: small numbers are no other units. */
  isUnset = false

  constructor(repairs: Repairs) {
    this.#repairs = repairs
  }

  /** Reads the record in row `row` of a request's records. */
  read(records: Int32Array, row: number, now: Now): void {
    const hi = records[row + RecordCol.TimeHi]! >>> 0
    const lo = records[row + RecordCol.TimeLo]! >>> 0
    const observedHi = records[row + RecordCol.ObservedHi]! >>> 0
    const observedLo = records[row + RecordCol.ObservedLo]! >>> 0
    this.hi = this.rawHi = hi
    this.lo = this.rawLo = lo
    this.observedHi = observedHi
    this.observedLo = observedLo
    this.unit = undefined
    this.isMissing = false
    this.isReceiveTime = false
    this.isSupplied = false
    if (hi < NANOSECONDS_HI || observedHi < NANOSECONDS_HI) this.#repair(now)
    this.age = span(this.hi, this.lo, now.hi, now.lo)
    if (this.observedHi !== 0 && !this.isMissing) {
      const ahead = span(this.hi, this.lo, this.observedHi, this.observedLo)
      this.isSupplied = ahead > SECOND || ahead < -SECOND
    }
  }

  #repair(now: Now): void {
    if (
      this.observedHi < NANOSECONDS_HI &&
      (this.observedHi | this.observedLo) !== 0 &&
      this.#repairs.unit &&
      !this.isUnset
    ) {
      if (repairUnit(this.observedHi, this.observedLo, now.hi, now.lo) !== undefined) {
        this.observedHi = difference.hi
        this.observedLo = difference.lo
      }
    }
    if ((this.hi | this.lo) === 0) {
      if (!this.#repairs.missing) return
      this.isMissing = true
      this.isReceiveTime = (this.observedHi | this.observedLo) === 0
      this.hi = this.isReceiveTime ? now.hi : this.observedHi
      this.lo = this.isReceiveTime ? now.lo : this.observedLo
    } else if (this.hi < NANOSECONDS_HI && this.#repairs.unit && !this.isUnset) {
      this.unit = repairUnit(this.hi, this.lo, now.hi, now.lo)
      if (this.unit === undefined) return
      this.hi = difference.hi
      this.lo = difference.lo
    }
  }
}
