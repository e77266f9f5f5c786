/**
 * From batches to offsets: takes each batch's level in, notices clocks that were set, and says what is to be done with
 * the batch's records.
 *
 * Output is monotone within a source: where an offset grows, corrected time slows down until it is caught up; where it
 * shrinks, time goes on at once. High is the newest time seen, LastGiven the offset that it got.
 */

import { limits } from '../../src/limits.ts'
import { AHEAD_MAX, type Batch } from './batch.ts'
import { recent, recentAge, recentMax, restart, stamp, takeLevel } from './envelope.ts'
import { Estimate } from './estimate.ts'
import { type Allowed, Evidence } from './evidence.ts'
import { Fleet } from './fleet.ts'
import { GatewayClock, VOTERS_ROUGH } from './gateway_clock.ts'
import { DAY, MINUTE, SECOND } from './instant.ts'
import type { Now } from './reading.ts'
import { B, B_ROW, F, F_ROW, Flag, G, G_ROW, I, I_ROW, ID, Sources, State, U_ROW } from './sources.ts'
import { Tenants } from './tenants.ts'
import { Traces } from './traces.ts'

/** A clock that was ahead by more than this is on time again where its batches are. */
const LANDING = 5 * SECOND
/** After a silence that long a backlog may drain for a long time. */
const OUTAGE_MIN = 30 * SECOND
const FLEET_EVERY = 5 * SECOND
/** For so long after the start small offsets wait, until it is known whether they are ours. */
const EARLY = MINUTE
const EARLY_OFFSET_MAX = 10 * SECOND
/** So many sources of the same tenant that are on time say that ours is right. */
const WITNESSES = 5

/** Told when a source turns fast, slow, late or healthy. */
export type OnTurn = (row: number, from: State, to: State) => void

export class Tracker {
  readonly sources: Sources
  readonly tenants = new Tenants(limits.clockTenantsMax)
  readonly traces = new Traces((row) => this.standing(row) === 1)
  readonly gateway = new GatewayClock()
  readonly #fleet: Fleet
  readonly #estimate: Estimate
  readonly #onTurn: OnTurn
  readonly #allowed: Allowed
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(allowed: Allowed, onTurn: OnTurn, sourcesMax?: number) {
    this.sources = new Sources(sourcesMax)
    this.#allowed = allowed
    this.#onTurn = onTurn
    this.#fleet = new Fleet(this.sources)
    this.#estimate = new Estimate(this.sources, this.traces, allowed)
    this.sources.onEvict = (row) => this.traces.forget(row)
    this.gateway.onShift = (by) => this.#shift(by, by)
    this.gateway.onRecover = (by) => this.#recover(by)
    this.gateway.onRetime = (by) => this.#shift(by, 0)
  }

  /** Looks at a whole batch; its plan is what `Batch` says afterwards. */
  take(batch: Batch, now: Now): void {
    const { sources, gateway } = this
    const row = batch.source
    const { level } = batch
    if (level === Number.NEGATIVE_INFINITY) return
    const isSteady = !gateway.isDoubtful
    if (!isSteady) this.#vote(batch, level)
    else this.#learn(batch, level, now)
    this.#plan(batch, level, now)
    batch.isClamping = isSteady && !gateway.isCommon(level)
    sources.f64[row * F_ROW + F.LastHeard] = now.at
  }

  /** A batch that another worker took: it is learnt from, and nothing is planned. */
  hear(batch: Batch, now: Now): void {
    if (this.gateway.isDoubtful) this.#vote(batch, batch.level)
    else this.#learn(batch, batch.level, now)
    this.sources.f64[batch.source * F_ROW + F.LastHeard] = now.at
  }

  /** Whether a source's clock was never set: its times are no other units. */
  isUnset(row: number): boolean {
    const { f64, i32 } = this.sources
    return i32[row * I_ROW + I.Count]! > 0 && f64[row * F_ROW + F.Envelope]! < -10 * 365 * DAY
  }

  /** Whether a source's clock is known (1), or in question (0), or neither, to others of its tenant: -1. */
  standing(row: number): -1 | 0 | 1 {
    const { f64, u8 } = this.sources
    const state = u8[row * B_ROW + B.State]
    if (this.gateway.isSuspect || state === State.fast) return -1
    const isOnTime = state === State.healthy && f64[row * F_ROW + F.Envelope]! > -2.5 * SECOND
    return isOnTime && u8[row * B_ROW + B.Filled]! >= 3 ? 1 : 0
  }

  /** After all batches of a request. */
  finish(now: Now): void {
    if (this.gateway.isDoubtful) this.gateway.count(this.#voters())
    else if (now.at - this.#lookedAt >= FLEET_EVERY || now.at < this.#lookedAt) this.#lookAtFleet(now)
  }

  #lookAtFleet(now: Now): void {
    this.#lookedAt = now.at
    const mode = this.#fleet.look(now.at)
    this.gateway.consider(mode, this.#fleet)
  }

  #vote(batch: Batch, level: number): void {
    const { f64, f32 } = this.sources
    const row = batch.source
    if (!this.#mayVote(row)) return
    const usual = f32[row * G_ROW + G.Excess]!
    const tolerance = 2 * SECOND + 5 * (Number.isNaN(usual) ? 0 : usual)
    this.gateway.vote(batch.tenant, row, level, f64[row * F_ROW + F.Envelope]!, tolerance)
  }
  /** Sources on time, or provably ahead, know what time it is. */
  #mayVote(row: number): boolean {
    const state = this.sources.u8[row * B_ROW + B.State]
    return state === State.healthy || state === State.fast
  }
  #voters(): number {
    let count = 0
    for (let row = 0; row < this.sources.count && count < VOTERS_ROUGH; row++) if (this.#mayVote(row)) count++
    return count
  }

  #learn(batch: Batch, ownLevel: number, now: Now): void {
    const { sources } = this
    const row = batch.source
    const { f64, f32, i32 } = sources
    if (sources.flag(row, Flag.Restored)) this.#confirm(row, ownLevel)
    const level = this.#withHint(batch, ownLevel)
    this.#noticePause(row, level, now)
    sources.setFlag(row, Flag.Direct, batch.isDirect)
    sources.setFlag(row, Flag.Supplied, batch.isSupplied)
    if (batch.count > i32[row * I_ROW + I.Largest]!) {
      i32[row * I_ROW + I.Largest] = batch.count
      f32[row * G_ROW + G.Full] = 0
    }
    const isFull = batch.count === i32[row * I_ROW + I.Largest] && batch.count >= 32
    f32[row * G_ROW + G.Full] = f32[row * G_ROW + G.Full]! * 0.9 + (isFull ? 0.1 : 0)
    const isClosed = takeLevel(sources, row, now.at, level)
    this.#noticeSetBack(row, level, now)
    if (sources.flag(row, Flag.Supported)) {
      const below = Math.max(0, f64[row * F_ROW + F.Envelope]! - level)
      const known = f32[row * G_ROW + G.Excess]!
      if (below < 10 * SECOND)
        f32[row * G_ROW + G.Excess] = Number.isNaN(known) ? below : known + (below - known) * 0.05
    }
    this.#judge(batch, level, now)
    if (isClosed) this.#learnFloor(batch, now)
  }

  #judge(batch: Batch, level: number, now: Now): void {
    const { sources, gateway } = this
    const row = batch.source
    const tenant = this.tenants.all[batch.tenant]!
    const before = sources.u8[row * B_ROW + B.State] as State
    const envelope = sources.f64[row * F_ROW + F.Envelope]!
    const isTurning =
      (before !== State.fast && envelope > AHEAD_MAX) || (before !== State.late && envelope < -2.5 * SECOND)
    if (isTurning && now.at - this.#lookedAt > SECOND) this.#lookAtFleet(now)
    const isEarly = gateway.age < EARLY && tenant.healthy < WITNESSES && envelope < EARLY_OFFSET_MAX
    this.#estimate.settle(row, tenant, {
      at: now.at,
      newest: now.at + level,
      isSupplied: batch.isSupplied,
      isShared:
        gateway.isCommon(envelope) ||
        gateway.isCommonPast(envelope) ||
        gateway.isCommonPast(recentMax(sources, row, 3)),
      isEarly: isEarly && before !== State.fast,
    })
    const after = sources.u8[row * B_ROW + B.State] as State
    if (after === before) return
    if (after === State.healthy) tenant.healthy++
    else if (before === State.healthy) tenant.healthy--
    this.#onTurn(row, before, after)
  }

  /** What the sender says of its sending, where it may count: never to make a source fast, and only while it is live. */
  #withHint(batch: Batch, level: number): number {
    const { sources } = this
    const row = batch.source
    const { i32, f64, u8 } = sources
    const { sentAt } = batch
    if (Number.isNaN(sentAt) || !this.#allowed.sent_at || sentAt < level - 2 * SECOND) {
      i32[row * I_ROW + I.Hints] = 0
      return level
    }
    i32[row * I_ROW + I.Hints] = Math.min(1000, i32[row * I_ROW + I.Hints]! + 1)
    const bound = u8[row * B_ROW + B.State] === State.fast ? f64[row * F_ROW + F.Offset]! : 0
    return Math.max(level, Math.min(sentAt, bound))
  }

  /** One batch that fits is enough for what was known before a restart; one that does not makes it unknown. */
  #confirm(row: number, level: number): void {
    const { sources } = this
    const envelope = sources.f64[row * F_ROW + F.Envelope]!
    sources.setFlag(row, Flag.Restored, false)
    if (level < envelope + SECOND && level > envelope - 10 * SECOND) return
    const tenant = sources.i32[row * I_ROW + I.Tenant]!
    const batch = sources.i32[row * I_ROW + I.Batch]!
    const kind = sources.u8[row * B_ROW + B.KeyKind]!
    const id = sources.u32.slice(row * U_ROW + ID, (row + 1) * U_ROW)
    sources.clear(row)
    sources.i32[row * I_ROW + I.Tenant] = tenant
    sources.i32[row * I_ROW + I.Batch] = batch
    sources.u8[row * B_ROW + B.KeyKind] = kind
    sources.u32.set(id, row * U_ROW + ID)
  }

  /** Silence for about as long as what comes then is late: held back, by a pause or an outage. */
  #noticePause(row: number, level: number, now: Now): void {
    const { sources } = this
    if (sources.i32[row * I_ROW + I.Count]! < 3 || !sources.flag(row, Flag.Supported)) return
    const drop = sources.f64[row * F_ROW + F.Envelope]! - level
    const silence = now.at - sources.f64[row * F_ROW + F.LastHeard]!
    if (drop < 2.5 * SECOND) sources.setFlag(row, Flag.Paused, false)
    else if (silence > 0.7 * drop) {
      sources.setFlag(row, Flag.Paused, true)
      if (drop > OUTAGE_MIN) sources.setFlag(row, Flag.Backlog, true)
    }
    if (level > sources.f64[row * F_ROW + F.Offset]! - 2.5 * SECOND) sources.setFlag(row, Flag.Backlog, false)
  }

  /** A clock that was set back: eight batches in a row far below the envelope, or on time again where it was ahead. */
  #noticeSetBack(row: number, level: number, now: Now): void {
    const { sources } = this
    const { f64, f32, i32 } = sources
    const n = i32[row * I_ROW + I.Count]!
    const offset = f64[row * F_ROW + F.Offset]!
    if (
      (offset > LANDING && this.#hasLanded(row, 3)) ||
      (offset < 0 && level > offset + SECOND && recent(sources, row, 1) > offset + SECOND)
    ) {
      restart(sources, row, now.at, offset > 0 ? 2 : 1)
      f64[row * F_ROW + F.Offset] = 0
      this.traces.restart(row)
      return
    }
    if (n < 8 || !sources.flag(row, Flag.Supported)) return
    const usual = f32[row * G_ROW + G.Excess]!
    const least = Math.max(offset === 0 ? 5 * SECOND : SECOND, 6 * (Number.isNaN(usual) ? 0 : usual))
    if (level > f64[row * F_ROW + F.Envelope]! - least || recentAge(sources, row, 7) < 10 * SECOND) return
    if (recentMax(sources, row, 8) > f64[row * F_ROW + F.Envelope]! - least) return
    restart(sources, row, now.at, 8)
    this.traces.restart(row)
  }

  /** The last batches are on time, and not because a backlog passes by. */
  #hasLanded(row: number, count: number): boolean {
    const { sources } = this
    if (sources.i32[row * I_ROW + I.Count]! < count) return false
    for (let back = 0; back < count - 1; back++) {
      const level = recent(sources, row, back)
      if (level > AHEAD_MAX || level < -2.5 * SECOND) return false
    }
    const rise = recent(sources, row, 0) - recent(sources, row, count - 1)
    return rise < 0.3 * recentAge(sources, row, count - 1) + 20e6
  }

  #learnFloor(batch: Batch, now: Now): void {
    const { sources, gateway } = this
    const row = batch.source
    const { f64, f32, i32, u8 } = sources
    const envelope = f64[row * F_ROW + F.Envelope]!
    this.#learnDrift(row, envelope, now)
    if (gateway.isSuspect || gateway.age < EARLY || u8[row * B_ROW + B.State] !== State.healthy) return
    if (u8[row * B_ROW + B.Filled]! < 3 || Number.isNaN(f32[row * G_ROW + G.Excess]!)) return
    const excess = f32[row * G_ROW + G.Excess]!
    const floor = this.tenants.all[batch.tenant]!.floor(batch.isDirect)
    floor.learn(-envelope - excess / i32[row * I_ROW + I.WindowCount]!, excess)
  }

  /** Drift in parts per million, over at least ten minutes. */
  #learnDrift(row: number, envelope: number, now: Now): void {
    const { f64, f32 } = this.sources
    const since = now.at - f64[row * F_ROW + F.DriftAt]!
    const relative = envelope - f64[row * F_ROW + F.Anchor]!
    if (f64[row * F_ROW + F.DriftAt] === 0 || since < 0) {
      f64[row * F_ROW + F.DriftAt] = now.at
      f32[row * G_ROW + G.DriftFrom] = relative
    } else if (since >= 10 * MINUTE) {
      f32[row * G_ROW + G.Drift] = ((relative - f32[row * G_ROW + G.DriftFrom]!) / since) * 1e6
      f64[row * F_ROW + F.DriftAt] = now.at
      f32[row * G_ROW + G.DriftFrom] = relative
    }
  }

  /** What is to be done with a batch's records. */
  #plan(batch: Batch, level: number, now: Now): void {
    const { sources } = this
    const row = batch.source
    const { f64, f32, u8, i32 } = sources
    const f = row * F_ROW
    let offset = f64[f + F.Offset]!
    if (sources.flag(row, Flag.Restored)) offset = 0
    if (offset > LANDING && this.#hasLanded(row, 2)) offset = 0
    if (offset < 0 && level > offset + SECOND) offset = 0
    offset = Math.round(offset)
    batch.evidence = offset === 0 ? Evidence.none : ((u8[row * B_ROW + B.Evidence]! - 1) as Evidence)
    this.#slew(batch, offset, level, now)
    const isKnown = i32[row * I_ROW + I.Count]! > 0
    const shortfall = isKnown && !this.gateway.isDoubtful ? this.#estimate.shortfall(row) : 0
    batch.offsetWanted = offset
    batch.uncertainty = f32[row * G_ROW + G.Uncertainty]! + shortfall
    batch.plainUncertainty = Math.max(AHEAD_MAX, -level) + AHEAD_MAX
    const length = batch.oldest === Number.POSITIVE_INFINITY ? 0 : level - batch.oldest
    const usual = f32[row * G_ROW + G.Excess]!
    batch.delay = Math.max(0, length) + (Number.isNaN(usual) ? 10 * SECOND : SECOND + 4 * usual)
  }

  #slew(batch: Batch, offset: number, level: number, now: Now): void {
    const { sources } = this
    const f = batch.source * F_ROW
    const { f64, i32, u8 } = sources
    // A clock that is right again, or was never slow: no record is altered only for the sake of order.
    if (offset === 0 && f64[f + F.LastGiven]! < 0) {
      f64[f + F.LastGiven] = 0
      f64[f + F.High] = Number.NEGATIVE_INFINITY
    }
    const given = f64[f + F.LastGiven]!
    const high = f64[f + F.High]! - now.at
    batch.base = offset
    batch.rise = 0
    if (offset > given && high > Number.NEGATIVE_INFINITY) {
      batch.base = Math.round(given)
      batch.rise = offset - batch.base
      batch.high = high
    }
    if (batch.base !== 0 || batch.rise !== 0) batch.isPlain = false
    const newest = batch.isSupplied ? batch.suppliedNewest : batch.newest
    const top = newest - level < 10 * SECOND && newest <= AHEAD_MAX + Math.max(0, offset) ? newest : level
    const isBack = high > top + MINUTE
    const isKnown = sources.flag(batch.source, Flag.Supported) && i32[batch.source * I_ROW + I.Count]! >= 4
    const isLive = u8[batch.source * B_ROW + B.State] === State.slow || level > f64[f + F.Envelope]! - 10 * SECOND
    if (top > high || (isBack && isKnown && isLive)) {
      const given = top > high ? batch.offset(top) : offset
      // What would still be later than now is given as now.
      f64[f + F.LastGiven] = top - given > (given === 0 ? AHEAD_MAX : 0) ? top : given
      f64[f + F.High] = now.at + top
    }
  }

  /** Our own clock is right again since a while: no source was heard later than now. */
  #recover(by: number): void {
    const { f64, count } = this.sources
    const at = this.#lookedAt - by
    for (let row = 0; row < count; row++) {
      for (const column of [F.BucketStart, F.LastHeard]) {
        f64[row * F_ROW + column] = Math.min(f64[row * F_ROW + column]!, at)
      }
    }
    this.#lookedAt = at
  }

  /** Our own clock moved: known times by `times`, levels by as much the other way. */
  #shift(times: number, levels: number): void {
    const { f64, u32, u8, count } = this.sources
    for (let row = 0; row < count; row++) {
      const f = row * F_ROW
      f64[f + F.Anchor]! -= levels
      f64[f + F.Envelope]! -= levels
      for (const column of [F.BucketStart, F.LastHeard]) f64[f + column]! += times
      for (let k = 0; k < 8; k++) u32[row * U_ROW + k] = u32[row * U_ROW + k]! + stamp(times)
      if (levels === 0) continue
      const offset = u8[row * B_ROW + B.State] === State.fast ? f64[f + F.Offset]! - levels : 0
      f64[f + F.Offset] = f64[f + F.LastGiven] = offset > AHEAD_MAX ? offset : 0
      if (offset <= AHEAD_MAX) u8[row * B_ROW + B.State] = State.cold
    }
    this.#lookedAt += times
  }
}
