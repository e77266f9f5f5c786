/**
 * The same trace, seen by two sources of one tenant at about the same real time: tells a late source from a slow one.
 *
 * A table of 65,536 places remembers who saw a trace and when by its own clock; a later trace takes an earlier one's
 * place. Sources whose clocks are known are trusted; of each other source the last 16 differences are kept.
 */
import { RecordCol } from '../../src/otlp/request.ts'
import { approximate, SECOND } from './instant.ts'

const PLACES = 1 << 16
const KEPT = 16
const NEEDED = 9
/** Records of one resource whose traces are looked at. */
export const TRACES_A_BATCH = 32

class Differences {
  readonly #values = new Float64Array(KEPT)
  #count = 0
  #settled = -1
  median = 0
  spread = 0

  add(difference: number): void {
    this.#values[this.#count++ % KEPT] = difference
  }
  /** Whether there are enough, and they agree. */
  get agree(): boolean {
    if (this.#count < NEEDED) return false
    if (this.#settled !== this.#count) {
      const sorted = this.#values.slice(0, Math.min(this.#count, KEPT)).sort()
      this.median = sorted[sorted.length >> 1]!
      this.spread = sorted.map((value) => Math.abs(value - this.median)).sort()[sorted.length >> 1]!
      this.#settled = this.#count
    }
    return this.spread < 2 * SECOND
  }
}

export class Traces {
  readonly #keys = new Float64Array(PLACES)
  readonly #times = new Float64Array(PLACES)
  readonly #rows = new Int32Array(PLACES).fill(-1)
  /** Whether a source's clock is known: asked when a trace comes again, it may have turned out since. */
  readonly #isTrusted: (row: number) => boolean
  /** How often a row was given to another source: places of earlier ones count no more. */
  readonly #epochs = new Map<number, number>()
  readonly #seenRows = new Set<number>()
  readonly #epochOf = new Int32Array(PLACES)
  readonly #differences = new Map<number, Differences>()
  /** Told of each trace that is seen. */
  onSeen: ((a: number, b: number, time: number, row: number) => void) | undefined

  constructor(isTrusted: (row: number) => boolean) {
    this.#isTrusted = isTrusted
  }

  /** What traces say of a source's offset; undefined: nothing, or nothing that agrees. */
  of(row: number): Differences | undefined {
    const known = this.#differences.get(row)
    return known?.agree ? known : undefined
  }

  forget(row: number): void {
    this.#differences.delete(row)
    if (this.#seenRows.delete(row)) this.#epochs.set(row, (this.#epochs.get(row) ?? 0) + 1)
  }
  /** A clock was set: what was seen before says nothing any more. */
  restart(row: number): void {
    this.#differences.delete(row)
  }

  /** A record of a source with a trace id at `traceIdAt` in the body. */
  see(body: Buffer, records: Int32Array, at: number, tenant: number, row: number): void {
    const id = records[at + RecordCol.TraceIdAt]!
    const hi = records[at + RecordCol.TimeHi]! >>> 0
    if (id === -1 || hi === 0) return
    const time = approximate(hi, records[at + RecordCol.TimeLo]! >>> 0)
    // The last 8 bytes are the random ones, in every scheme.
    const a = body.readUInt32LE(id + 8)
    const b = body.readUInt32LE(id + 12)
    this.onSeen?.(a, b, time, row)
    this.put(a, b, time, tenant, row)
  }

  /** A trace, by the random half of its id, seen by a source at a time of its own clock. */
  put(a: number, b: number, time: number, tenant: number, row: number): void {
    // Ids of one tenant never meet those of another: the tenant is part of the key.
    const low = (a ^ Math.imul(b, 0x9e3779b1) ^ Math.imul(tenant + 1, 0xc2b2ae35)) >>> 0
    const key = ((Math.imul(b, 0x85ebca6b) ^ a) >>> 11) * 2 ** 32 + low
    const place = Math.imul(low ^ (low >>> 15), 0x85ebca6b) >>> 16
    const other = this.#rows[place]!
    const isKnown = this.#keys[place] === key && other !== -1 && this.#epochOf[place] === (this.#epochs.get(other) ?? 0)
    const isOtherTrusted = isKnown && this.#isTrusted(other)
    if (isKnown && other !== row) {
      const isTrusted = this.#isTrusted(row)
      if (isOtherTrusted && !isTrusted) this.#add(row, time - this.#times[place]!)
      else if (!isOtherTrusted && isTrusted) this.#add(other, this.#times[place]! - time)
    }
    if (isOtherTrusted) return
    this.#keys[place] = key
    this.#times[place] = time
    this.#rows[place] = row
    this.#epochOf[place] = this.#epochs.get(row) ?? 0
    this.#seenRows.add(row)
  }

  #add(row: number, difference: number): void {
    const known = this.#differences.get(row) ?? new Differences()
    known.add(difference)
    this.#differences.set(row, known)
  }
}
