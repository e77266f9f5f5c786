/**
 * Instants and spans in nanoseconds, without BigInt on the hot path.
 *
 * An instant is two unsigned halves (hi, lo) of nanoseconds since 1970. A span is a double: whole nanoseconds, exact
 * up to 104 days (2^53); what is longer is rounded to some hundred nanoseconds, but an instant less a span is always
 * exactly that span away. So offsets that are written down add up to the nanosecond, whatever their size.
 */
export const TWO_32 = 2 ** 32
export const MILLISECOND = 1e6
export const SECOND = 1e9
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** The span from instant b to instant a. */
export const span = (aHi: number, aLo: number, bHi: number, bLo: number): number => (aHi - bHi) * TWO_32 + (aLo - bLo)

/** What `subtract` gives. */
export const difference = { hi: 0, lo: 0 }

/** An instant less a span of whole nanoseconds, modulo 2^64, into `difference`. */
export function subtract(hi: number, lo: number, whole: number): void {
  const wholeHi = Math.floor(whole / TWO_32)
  let low = lo - (whole - wholeHi * TWO_32)
  let high = hi - wholeHi
  if (low < 0) {
    low += TWO_32
    high--
  }
  difference.hi = high >>> 0
  difference.lo = low
}

/** An instant as a double: to some hundred nanoseconds. For windows and ages, never for what is written. */
export const approximate = (hi: number, lo: number): number => hi * TWO_32 + lo

const nearest: readonly { readonly below: number; readonly factor: bigint; readonly name: Unit }[] = [
  { below: 1e11, factor: 1_000_000_000n, name: 's' },
  { below: 1e14, factor: 1_000_000n, name: 'ms' },
  { below: 1e17, factor: 1_000n, name: 'us' },
]
export type Unit = 's' | 'ms' | 'us'
/** Times at or above this half are after 1973: nanoseconds already, or hopeless. */
export const NANOSECONDS_HI = Math.ceil(1e17 / TWO_32)
export const unitSpan: Readonly<Record<Unit, number>> = { s: SECOND, ms: MILLISECOND, us: 1000 }

/**
 * Seconds, milliseconds or microseconds that stand where nanoseconds belong, as the instant they mean (into
 * `difference`); undefined unless that lands between 30 days before and one day after the receive time.
 */
export function repairUnit(hi: number, lo: number, nowHi: number, nowLo: number): Unit | undefined {
  const value = approximate(hi, lo)
  const unit = nearest.find(({ below }) => value < below)
  if (unit === undefined) return undefined
  const meant = ((BigInt(hi) << 32n) | BigInt(lo)) * unit.factor
  if (meant >= 1n << 64n) return undefined
  const meantHi = Number(meant >> 32n)
  const meantLo = Number(meant & 0xffffffffn)
  const age = span(nowHi, nowLo, meantHi, meantLo)
  if (age > 30 * DAY || age < -DAY) return undefined
  difference.hi = meantHi
  difference.lo = meantLo
  return unit.name
}
