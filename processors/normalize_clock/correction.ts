/**
 * Changes a record's times, or only says how they would change, and says why.
 *
 * corrected = original - offset, exactly (modulo 2^64): the four attributes let anybody go back. A record whose time
 * stays as it is gets none of them.
 */
import { type PreparedAttribute, prepareAttribute } from '../../src/otlp/attribute.ts'
import { Tag } from '../../src/otlp/fields.ts'
import type { LogRecord } from '../../src/otlp/record.ts'
import { RECORD_ROW } from '../../src/otlp/request.ts'
import type { AnyValue } from '../../src/otlp/value.ts'
import { AHEAD_MAX, type Batch } from './batch.ts'
import { type Allowed, Evidence, type EvidenceKind, evidenceKinds } from './evidence.ts'
import { difference, MILLISECOND, SECOND, span, subtract, TWO_32, unitSpan } from './instant.ts'
import { type Now, Reading } from './reading.ts'

export const attributes = {
  original: 'douane.time.original',
  offset: 'douane.clock.offset',
  uncertainty: 'douane.clock.uncertainty',
  evidence: 'douane.clock.evidence',
} as const

const made = (key: string, value: AnyValue) => prepareAttribute(Tag.record.attributes, key, value)
const zero = { kind: 'int', value: 0n } as const
const prepared = {
  original: made(attributes.original, zero),
  offset: made(attributes.offset, zero),
  uncertainty: made(attributes.uncertainty, zero),
}
const preparedEvidence = Object.fromEntries(
  evidenceKinds.map((kind) => [kind, made(attributes.evidence, { kind: 'string', value: kind })]),
) as Record<EvidenceKind, PreparedAttribute>

/** About 290 years: what an int64 of nanoseconds holds. */
const SPAN_MAX = 9.2e18

export class Correction {
  readonly #changesTimes: boolean
  readonly #allowed: Allowed
  readonly #reading: Reading
  /** Records altered, by evidence kind, since they were last told. */
  readonly altered = new Int32Array(evidenceKinds.length)
  #hi = 0
  #lo = 0
  #clampedBy = 0

  constructor(mode: 'annotate' | 'correct', allowed: Allowed) {
    this.#changesTimes = mode === 'correct'
    this.#allowed = allowed
    this.#reading = new Reading(allowed)
  }

  apply(record: LogRecord, batch: Batch, now: Now): void {
    const reading = this.#reading
    reading.isUnset = batch.isUnset
    reading.read(record.request.records.at, record.index * RECORD_ROW, now)
    let offset = reading.isReceiveTime ? 0 : batch.offset(reading.age)
    // Before 1970: this time was never that clock's.
    if (reading.age - offset < -now.at) offset = 0
    subtract(reading.hi, reading.lo, offset)
    this.#hi = difference.hi
    this.#lo = difference.lo
    this.#clampedBy = 0
    if (reading.age - offset > 0) this.#clamp(reading.age - offset, batch, offset !== 0 || reading.isMissing, now)
    const isAltered = this.#hi !== reading.rawHi || this.#lo !== reading.rawLo
    if (this.#changesTimes) this.#settleObserved(record, isAltered, offset, now)
    if (!isAltered) return
    if (this.#changesTimes) record.setTime(this.#hi, this.#lo)
    this.#annotate(record, batch, offset)
  }

  #clamp(ahead: number, batch: Batch, isMoved: boolean, now: Now): void {
    const tolerance = isMoved ? 0 : AHEAD_MAX
    if (ahead <= tolerance || !batch.isClamping || !this.#allowed.clamp) return
    this.#hi = now.hi
    this.#lo = now.lo
    this.#clampedBy = ahead
  }

  /** Observed time that is near the time goes with it; without one, it was observed when it was received. */
  #settleObserved(record: LogRecord, isAltered: boolean, offset: number, now: Now): void {
    const { observedHi, observedLo } = this.#reading
    if ((observedHi | observedLo) === 0) record.setObserved(now.hi, now.lo)
    else if (isAltered) this.#moveObserved(record, offset)
  }

  #moveObserved(record: LogRecord, offset: number): void {
    const reading = this.#reading
    const { observedHi, observedLo } = reading
    const ahead = span(observedHi, observedLo, reading.hi, reading.lo)
    if (ahead > SECOND || ahead < -SECOND) return
    if (this.#clampedBy > 0) subtract(this.#hi, this.#lo, 0)
    else subtract(observedHi, observedLo, offset)
    record.setObserved(difference.hi, difference.lo)
  }

  #annotate(record: LogRecord, batch: Batch, offset: number): void {
    const { rawHi, rawLo } = this.#reading
    const kind = this.#evidence(batch, offset)
    this.altered[evidenceKinds.indexOf(kind)]!++
    record.addPreparedInt(prepared.original, rawHi, rawLo)
    const isBorrowed = rawLo < this.#lo
    record.addPreparedInt(prepared.offset, (rawHi - this.#hi - (isBorrowed ? 1 : 0)) >>> 0, (rawLo - this.#lo) >>> 0)
    const uncertainty = Math.round(Math.min(SPAN_MAX, this.#uncertainty(batch, offset)))
    record.addPreparedInt(prepared.uncertainty, Math.floor(uncertainty / TWO_32), uncertainty % TWO_32)
    record.addPrepared(preparedEvidence[kind])
  }

  #evidence(batch: Batch, offset: number): EvidenceKind {
    if (this.#reading.isMissing) return 'missing'
    if (this.#reading.unit !== undefined) return 'unit'
    if (this.#clampedBy > SECOND || offset === 0) return 'clamp'
    return batch.evidence === Evidence.none ? 'future' : evidenceKinds[batch.evidence]
  }

  #uncertainty(batch: Batch, offset: number): number {
    const { isReceiveTime, unit } = this.#reading
    if (isReceiveTime || this.#clampedBy > SECOND || (this.#clampedBy > 0 && offset === 0)) return batch.delay
    const known = offset === 0 ? batch.plainUncertainty : batch.uncertainty + Math.abs(batch.offsetWanted - offset)
    return Math.max(MILLISECOND, known + this.#clampedBy + (unit === undefined ? 0 : unitSpan[unit]))
  }
}
