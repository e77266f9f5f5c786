/**
 * When the sender says that it sent a request: the `Date` header (RFC 9110, IMF-fixdate, whole seconds), or the
 * resource attribute that Elastic's mobile SDKs set when they export. Only from those who send directly.
 */
import { Kind } from '../../src/otlp/fields.ts'
import type { Slots } from '../../src/otlp/slots.ts'
import { difference, MILLISECOND, NANOSECONDS_HI, repairUnit, span } from './instant.ts'
import type { Now } from './reading.ts'

const fixdate =
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/

/** The header's last answer: senders repeat a date for a second. */
let lastText = ''
let lastMs = Number.NaN

/** A `Date` header less now; NaN where it is no IMF-fixdate. */
export function dateAge(text: string, now: Now): number {
  if (text !== lastText) {
    lastText = text
    lastMs = fixdate.test(text) ? Date.parse(text) : Number.NaN
  }
  if (Number.isNaN(lastMs)) return Number.NaN
  const nanos = BigInt(lastMs) * BigInt(MILLISECOND)
  return span(Number(nanos >> 32n), Number(nanos & 0xffffffffn), now.hi, now.lo)
}

/** An export timestamp less now; NaN where it is none. */
export function exportAge(slots: Slots, slot: number, now: Now): number {
  if (slots.kind(slot) !== Kind.Int) return Number.NaN
  const value = slots.int(slot)
  if (value <= 0n) return Number.NaN
  let hi = Number(value >> 32n)
  let lo = Number(value & 0xffffffffn)
  if (hi < NANOSECONDS_HI) {
    if (repairUnit(hi, lo, now.hi, now.lo) === undefined) return Number.NaN
    hi = difference.hi
    lo = difference.lo
  }
  return span(hi, lo, now.hi, now.lo)
}
