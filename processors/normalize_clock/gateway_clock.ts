/**
 * The gateway's own clock: is it them, or is it us?
 *
 * Two ways to find out. A wall clock that was set stands out against the monotonic clock; whether it was set right or
 * wrong is told by sources whose levels are known: they go on as before on one of the two timelines. And when most
 * tenants' sources share one offset towards the future, it is ours that is behind. Tenants vote, not sources: one
 * tenant with a hundred wrong clocks has one vote. Until a question is settled nothing is learnt and nothing clamped.
 */

import type { Fleet, Mode } from './fleet.ts'
import { MINUTE, SECOND } from './instant.ts'

/** A step of the wall clock is at least this much; slews stay below. */
const STEP_MIN = SECOND
/** Votes are counted as soon as five sources have spoken, or after this. */
const VOTERS = 5
/** Without a monotonic clock they also say how large the step was: more of them, nearer. */
export const VOTERS_ROUGH = 10
const DOUBT_MAX = MINUTE
const SETTLED = 150e6
/** A common offset is believed once it has stood for this long. */
const COMMON_FOR = 15 * SECOND
/** What is left of an offset that was found is looked for between these. */
const REST_MIN = 40e6
const REST_MAX = SECOND / 2

export interface ClockShown {
  readonly offset: number
  /** The wall clock less the monotonic one: who has seen the same step of it. */
  readonly apart: number
}

export class GatewayClock {
  /** What is added to the wall clock. */
  offset = 0
  #wall = 0n
  #monotonic = 0n
  #first = 0n
  #elapsed = 0
  /** The step that is in question; 0: none. */
  #step = 0
  #stepAt = 0
  /** The step was seen without a monotonic clock: it is only known to about what passed between two requests. */
  #isRough = false
  #deviations: number[] = []
  readonly #votes = new Map<number, Map<number, boolean>>()
  #voters = 0
  #commonSince = Number.NaN
  #common = 0
  /** Sources that share this lag are late together, or our clock is ahead: none of them is slow. NaN: there is none. */
  commonPast = Number.NaN
  /** Told that the offset changed by this: known levels and times move by it. */
  onShift: (by: number) => void = () => {}
  /** Told that an offset is over, unseen when it ended: times heard since are too late by this, older levels are right. */
  onRecover: (by: number) => void = () => {}
  /** Told that time itself was set: known times move by this, levels stay. */
  onRetime: (by: number) => void = () => {}

  /** Nanoseconds since the first request, by the monotonic clock. */
  get age(): number {
    return this.#elapsed
  }
  get isDoubtful(): boolean {
    return this.#step !== 0
  }
  /** Whether our own clock is known or suspected to be wrong. */
  get isSuspect(): boolean {
    return this.isDoubtful || this.offset !== 0 || !Number.isNaN(this.#commonSince) || !Number.isNaN(this.commonPast)
  }
  /** Whether a level may be no source's own, but everybody's. */
  isCommon(level: number): boolean {
    return !Number.isNaN(this.#commonSince) && Math.abs(level - this.#common) < 1.5 * SECOND
  }
  isCommonPast(level: number): boolean {
    return Math.abs(level - this.commonPast) < 5 * SECOND
  }

  /** What is known of our clock, for other workers on the same machine; undefined while it is in doubt. */
  get shown(): ClockShown | undefined {
    return this.isDoubtful ? undefined : { offset: this.offset, apart: Number(this.#wall - this.#monotonic) }
  }
  /** What all workers know together counts, unless this one has just seen a step that the others have not. */
  follow({ offset, apart }: ClockShown): void {
    if (this.#first !== 0n && Math.abs(Number(this.#wall - this.#monotonic) - apart) > STEP_MIN) return
    this.#step = 0
    this.offset = offset
  }

  /** Before each request. Gives the receive time that counts. */
  observe(wall: bigint, monotonic: bigint): bigint {
    if (this.#first === 0n) this.#first = monotonic
    else {
      const sinceWall = Number(wall - this.#wall)
      const sinceMonotonic = Number(monotonic - this.#monotonic)
      // A monotonic clock that steps back is none (a capture without one): then only steps back are seen.
      const step = sinceMonotonic < 0 ? sinceWall : sinceWall - sinceMonotonic
      if (Math.abs(step) > STEP_MIN + Math.abs(sinceMonotonic) / 1000) this.#doubt(step, sinceMonotonic < 0)
      if (sinceMonotonic > 0) this.#elapsed += sinceMonotonic
    }
    this.#wall = wall
    this.#monotonic = monotonic
    if (this.isDoubtful && this.#elapsed - this.#stepAt > DOUBT_MAX) this.#settle(false)
    return wall + BigInt(Math.round(this.offset))
  }

  #doubt(step: number, isRough: boolean): void {
    this.#step += step
    this.#isRough = isRough
    this.#deviations.length = 0
    this.#stepAt = this.#elapsed
    this.#votes.clear()
    this.#voters = 0
  }

  /** A batch of a source with a known envelope, while the clock is in doubt. `level` is by the wall clock. */
  vote(tenant: number, row: number, level: number, envelope: number, tolerance: number): void {
    const asIs = Math.abs(level - envelope)
    const compensated = Math.abs(level + this.#step - envelope)
    if (Math.min(asIs, compensated) > tolerance || Math.abs(asIs - compensated) < Math.abs(this.#step) / 3) return
    const own = this.#votes.get(tenant) ?? new Map<number, boolean>()
    this.#votes.set(tenant, own)
    if (!own.has(row)) this.#voters++
    own.set(row, compensated < asIs)
    if (compensated < asIs) this.#deviations.push(level - envelope)
  }

  /** After each request: counts the votes. `known`: how many sources could vote. */
  count(known: number): void {
    if (!this.isDoubtful) return
    if (known === 0) this.#settle(false)
    const isEnough =
      this.#voters >= Math.min(this.#isRough ? VOTERS_ROUGH : VOTERS, known) ||
      this.#elapsed - this.#stepAt > 10 * SECOND
    if (!isEnough || this.#voters === 0) return
    let balance = 0
    for (const own of this.#votes.values()) {
      let yes = 0
      for (const vote of own.values()) if (vote) yes++
      balance += Math.sign(2 * yes - own.size)
    }
    this.#settle(balance > 0)
  }

  /** The wall clock was set wrong (or right again): the timeline goes on. Or it was right to be set: take it as it is. */
  #settle(isCompensated: boolean): void {
    const step = this.#step
    this.#step = 0
    if (isCompensated) {
      // Neither what passed unseen nor a delay can make a step look larger: the largest is the nearest.
      const deviations = this.#deviations.sort((a, b) => b - a)
      this.offset += this.#isRough ? Math.max(-step, deviations[0]!) : -step
      if (Math.abs(this.offset) < SETTLED) this.offset = 0
    } else if (step < 0) this.onRetime(step)
  }

  /** What the fleet's levels have in common, every few seconds. */
  consider({ share, centre, best, healthy, isEnough }: Mode, fleet: Fleet): void {
    this.commonPast = Number.NaN
    const isRight = (centre > -2.5 * SECOND && centre < SETTLED) || healthy > 0.3
    if (
      isEnough &&
      share > 0.6 &&
      Math.abs(centre + this.offset) < Math.min(0.4 * this.offset, SECOND + this.offset / 20)
    ) {
      const by = this.offset
      this.offset = 0
      this.#commonSince = Number.NaN
      this.onRecover(by)
      return
    }
    const rest = best + fleet.floor
    if (this.offset !== 0 && isEnough && share > 0.6 && Math.abs(rest) > REST_MIN && Math.abs(rest) < REST_MAX) {
      // Found in a hurry: what all still have in common is more of the same.
      this.#move(rest)
      return
    }
    if (!isEnough || share <= 0.6 || isRight) {
      this.#commonSince = Number.NaN
      return
    }
    if (centre < 0) {
      this.commonPast = centre
      return
    }
    if (Number.isNaN(this.#commonSince) || Math.abs(centre - this.#common) > SECOND) {
      this.#commonSince = this.#elapsed
      this.#common = centre
    }
    if (this.#elapsed - this.#commonSince >= COMMON_FOR && this.#elapsed >= 20 * SECOND) this.#move(rest)
  }

  #move(by: number): void {
    this.offset += by
    if (Math.abs(this.offset) < SETTLED) this.offset = 0
    this.#commonSince = Number.NaN
    this.onShift(by)
  }
}
