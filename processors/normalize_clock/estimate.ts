/**
 * What a source's levels mean: fast, slow, late or healthy, and by how much.
 *
 *   fast      the envelope is above 150 ms (until it is below 75): nothing arrives before it happened
 *   healthy   between that and -2.5 s
 *   slow      below, and something other than the level says so (see `slowEvidence`)
 *   late      below, and nothing says so: left alone
 */

import { isFlat, recent, recentAge, recentMax, sag } from './envelope.ts'
import { type Allowed, Evidence } from './evidence.ts'
import { DAY, HOUR, MINUTE, SECOND } from './instant.ts'
import { B, B_ROW, F, F_ROW, Flag, G, G_ROW, I, I_ROW, type Sources, State } from './sources.ts'
import type { Tenant } from './tenants.ts'
import type { Traces } from './traces.ts'

const FAST_ABOVE = 150e6
const FAST_UNTIL = 75e6
const LATE_BELOW = -2.5 * SECOND
const FLAT = 1.5 * SECOND
const DIRECT_FLAT_BELOW = -10 * SECOND
const TRACE_MIN = 1.5 * SECOND
/** An offset moves when it is wrong by more than this. */
const HYSTERESIS = 50e6
/** 2015-01-01: a clock before it was never set. */
const UNSET_BEFORE = 1_420_070_400e9

/** What is left of a relayed source's lag, besides a time zone of an hour at most. */
const RELAYED_ZONE_SLACK = 500e6
/** How much a clock may drift, with room for what a window is longer than it is taken for. */
const DRIFT_MAX = 200e-6

/** Time zones: half hours, and the quarters that exist (+5:45, +8:45, +12:45, +13:45 and their mistakes). */
const QUARTER = 15 * MINUTE
const QUARTERS: ReadonlySet<number> = new Set([23, 35, 51, 55])

/** The offset of the time zone that a level shows, if it is one within 200 ms above and 2.5 s below; else 0. */
export function zoneOf(level: number, floor: number): number {
  const quarters = Math.round((level + floor) / QUARTER)
  if (quarters === 0 || Math.abs(quarters) > 56) return 0
  if (quarters % 2 !== 0 && !QUARTERS.has(Math.abs(quarters))) return 0
  const slack = quarters * QUARTER - level
  return slack >= -200e6 && slack <= 2.5 * SECOND ? quarters * QUARTER : 0
}

export interface Circumstances {
  readonly at: number
  /** The newest time of the batch, as a double. */
  readonly newest: number
  readonly isSupplied: boolean
  /** All sources share this lag, or may. */
  readonly isShared: boolean
  /** It is too early to tell them from us. */
  readonly isEarly: boolean
}

export class Estimate {
  readonly #sources: Sources
  readonly #traces: Traces
  readonly #allowed: Allowed

  constructor(sources: Sources, traces: Traces, allowed: Allowed) {
    this.#sources = sources
    this.#traces = traces
    this.#allowed = allowed
  }

  /** Settles state, offset, evidence and uncertainty of a source after a batch. */
  settle(row: number, tenant: Tenant, now: Circumstances): void {
    const sources = this.#sources
    const { f64, f32, u8 } = sources
    if (!sources.flag(row, Flag.Supported)) {
      f32[row * G_ROW + G.Uncertainty] = 5 * SECOND
      return
    }
    const isDirect = sources.flag(row, Flag.Direct)
    const envelope = f64[row * F_ROW + F.Envelope]!
    const { floor } = tenant.floor(isDirect)
    const bias = this.#bias(row, tenant)
    f32[row * G_ROW + G.Uncertainty] = this.#uncertainty(row, tenant, bias)
    const before = u8[row * B_ROW + B.State]!
    if (envelope > (before === State.fast ? FAST_UNTIL : FAST_ABOVE)) {
      if (now.isEarly || now.isShared || !this.#allowed.future) return
      const zone = this.#allowed.timezone && envelope > 10 * MINUTE ? zoneOf(envelope, floor) : 0
      this.#conclude(row, State.fast, zone === 0 ? Evidence.future : Evidence.timezone, zone || envelope + floor + bias)
    } else if (envelope >= LATE_BELOW) {
      this.#conclude(row, State.healthy, Evidence.none, 0)
      sources.setFlag(row, Flag.WasOnTime, true)
    } else this.#judgeLag(row, tenant, envelope + floor + bias, now)
  }

  #judgeLag(row: number, tenant: Tenant, target: number, now: Circumstances): void {
    const { f64, u8 } = this.#sources
    const envelope = f64[row * F_ROW + F.Envelope]!
    const traces = this.#allowed.trace ? this.#traces.of(row) : undefined
    if (now.isShared) {
      this.#conclude(row, State.late, Evidence.none, 0)
    } else if (traces !== undefined && Math.abs(traces.median) < TRACE_MIN) {
      this.#conclude(row, State.late, Evidence.none, 0)
    } else if (traces !== undefined && traces.median < 0) {
      const isLateToo = traces.median - envelope > SECOND
      this.#conclude(row, State.slow, Evidence.trace, isLateToo ? traces.median : target)
    } else {
      const zone = this.#allowed.timezone ? this.#zone(row, tenant, envelope) : 0
      const evidence = this.#slowEvidence(row, zone, now)
      const before = u8[row * B_ROW + B.State]!
      if (evidence !== Evidence.none) {
        this.#conclude(row, State.slow, evidence, evidence === Evidence.timezone ? zone : target)
      } else if (f64[row * F_ROW + F.Offset] === 0) this.#conclude(row, State.late, Evidence.none, 0)
      else if (before !== State.slow) u8[row * B_ROW + B.State] = State.late
    }
  }

  /** What says that a source is slow, and not its delivery late. */
  #slowEvidence(row: number, zone: number, { newest, isSupplied }: Circumstances): Evidence {
    const sources = this.#sources
    const envelope = sources.f64[row * F_ROW + F.Envelope]!
    if (newest < UNSET_BEFORE && newest > 0) {
      return this.#allowed.unset && envelope < -365 * DAY && this.#isSteady(row) ? Evidence.unset : Evidence.none
    }
    // Held back for about as long as it is late: only a lag that stays, to the second, for minutes is a clock's.
    const isPaused = sources.flag(row, Flag.Paused) || sources.flag(row, Flag.Backlog)
    // Something just came less late than ever: wait for what follows.
    if (recent(sources, row, 0) > envelope + SECOND) return Evidence.none
    if (isPaused && !isFlat(sources, row, 8, SECOND)) return Evidence.none
    if (zone !== 0 && this.#isSteady(row)) return Evidence.timezone
    const hints = sources.i32[row * I_ROW + I.Hints]!
    if (this.#allowed.sent_at && hints >= 5 && this.#isSteady(row)) return Evidence.sentAt
    const isDirect = sources.flag(row, Flag.Direct) && !isSupplied && sources.f32[row * G_ROW + G.Full]! < 0.5
    if (this.#allowed.direct_flat && isDirect && envelope <= DIRECT_FLAT_BELOW && isFlat(sources, row, 4, FLAT)) {
      return Evidence.directFlat
    }
    return Evidence.none
  }

  /**
   * The zone that a lag shows. A relay may hold everything back for just half an hour or an hour: of those that were
   * never seen on time the rest of the lag must be no longer than what relays usually take.
   */
  #zone(row: number, tenant: Tenant, envelope: number): number {
    const sources = this.#sources
    const isDirect = sources.flag(row, Flag.Direct)
    const { floor, spread } = tenant.floor(isDirect)
    const zone = zoneOf(envelope, floor)
    if (zone === 0 || isDirect || sources.flag(row, Flag.WasOnTime) || zone < -HOUR) return zone
    return zone - envelope <= Math.min(floor + spread, RELAYED_ZONE_SLACK) ? zone : 0
  }

  /** A flat lag for a minute: three buckets, or five batches in a row of those who send rarely. */
  #isSteady(row: number): boolean {
    const sources = this.#sources
    if (isFlat(sources, row, 3, FLAT)) return true
    const n = sources.i32[row * I_ROW + I.Count]!
    if (n < 5 || recentAge(sources, row, 4) < MINUTE) return false
    const envelope = sources.f64[row * F_ROW + F.Envelope]!
    for (let back = 0; back < 5; back++) {
      const level = recent(sources, row, back)
      if (level < envelope - FLAT || level > envelope + 1e6) return false
    }
    return true
  }

  /** By how much the best of n batches is expected to be above the floor. */
  #bias(row: number, tenant: Tenant): number {
    const { f32, i32 } = this.#sources
    const own = f32[row * G_ROW + G.Excess]!
    const batches = Math.max(1, i32[row * I_ROW + I.WindowCount]!)
    const known = Number.isNaN(own) ? 0 : own
    const fleet = tenant.floor(this.#sources.flag(row, Flag.Direct)).excess
    return (i32[row * I_ROW + I.Count]! >= 8 ? known : Math.max(fleet, known)) / batches
  }

  #uncertainty(row: number, tenant: Tenant, bias: number): number {
    const sources = this.#sources
    const { spread } = tenant.floor(sources.flag(row, Flag.Direct))
    const evidence = sources.u8[row * B_ROW + B.Evidence]!
    const traces = evidence === Evidence.trace + 1 ? this.#traces.of(row) : undefined
    const ofDate = evidence === Evidence.sentAt + 1 ? SECOND / 4 : 0
    const batches = sources.i32[row * I_ROW + I.WindowCount]!
    const window = batches * (recentAge(sources, row, Math.min(7, batches - 1)) / Math.max(1, Math.min(7, batches - 1)))
    const young = 1 + 16 / batches
    return (
      spread +
      3 * young * bias +
      DRIFT_MAX * window +
      2 * sag(sources, row) +
      HYSTERESIS +
      10e6 +
      ofDate +
      (traces?.spread ?? 0)
    )
  }

  #conclude(row: number, state: State, evidence: Evidence, target: number): void {
    const { f64, u8 } = this.#sources
    u8[row * B_ROW + B.State] = state
    const hysteresis = target === 0 ? 0 : HYSTERESIS
    u8[row * B_ROW + B.Evidence] = evidence + 1
    if (Math.abs(target - f64[row * F_ROW + F.Offset]!) > hysteresis) f64[row * F_ROW + F.Offset] = target
  }

  /** How far the last batch is below what its source usually shows: late, or its clock was set back. */
  shortfall(row: number): number {
    const { f64, f32 } = this.#sources
    const below = f64[row * F_ROW + F.Envelope]! - recentMax(this.#sources, row, 1)
    const usual = f32[row * G_ROW + G.Excess]!
    return below > 4 * (Number.isNaN(usual) ? 0 : usual) + HYSTERESIS ? below : 0
  }
}
