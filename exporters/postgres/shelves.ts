/**
 * Which partition a record belongs to: its shelf.
 *
 * Rows are kept apart by purpose, then by retention, then by time, so that what has been kept long enough is dropped
 * as a whole table. Short retentions are cut into days, long ones into months (of UTC).
 *
 * A clock that is wrong must not make tables without end. So a record's time may be at most `futureMs` ahead and
 * `pastMonths` back; outside of that it goes to the shelf `other` of its retention, which is one table and is cleared
 * row by row. A record that is already older than its retention is not stored at all.
 */
import { dayAround, dayName } from '../../src/calendar.ts'
import { compareRetention, parseRetention, type Retention, retentionEndMs } from '../../src/units.ts'
import type { Place } from './place.ts'

/** The retention of a purpose's records of one tenant, as the policy writes it; undefined: kept without an end. */
export type RetentionOf = (purpose: string, tenant: string) => string | undefined

/** What a retention of its own is called where none was promised. */
export const unlimited = 'unlimited'

const dayMs = 86_400_000
const quarterMs = 900_000
const futureMs = 2 * dayMs
const pastMonths = 20 * 12
const dailyUpTo = parseRetention('93d')

export interface Shelf {
  /** The partition's value of the column `retention`: the retention, with `/other` behind it for the odd ones. */
  readonly value: string
  readonly purpose: string
  readonly retention: string
  /** What times it holds; undefined for `other`. */
  readonly period: { readonly startMs: number; readonly endMs: number } | undefined
}

export const shelfKey = (shelf: Shelf): string => `${shelf.purpose}\0${shelf.value}\0${shelf.period?.startMs}`

/** Part of one day for one place: where its records go, and from what time on they are young enough. */
export class Day {
  readonly shelf: Shelf
  readonly startMs: number
  readonly endMs: number
  /** Records of an earlier time are older than their retention: -Infinity where none of the day is. */
  readonly firstMs: number
  /** What its records are counted under. */
  readonly name: string
  readonly place: Place

  constructor(place: Place, retention: Retention | undefined, atMs: number, nowMs: number) {
    const day = dayAround(atMs, retention?.zone)
    const utc = Math.floor(atMs / dayMs) * dayMs
    this.startMs = Math.max(day.startMs, utc)
    this.endMs = Math.min(day.endMs, utc + dayMs)
    const period = periodOf(retention, this.startMs, nowMs)
    this.place = place
    this.shelf = makeShelf(place.purpose, retention?.text ?? unlimited, period)
    this.firstMs = retention ? firstKept(retention, this.startMs, this.endMs, nowMs) : Number.NEGATIVE_INFINITY
    this.name = dayName(day)
  }
}

/** Finds shelves for the records of one batch: the time of asking is the same for all of them. */
export class Shelves {
  readonly #retentionOf: RetentionOf
  readonly #nowMs: number
  readonly #retentions = new Map<Place, Retention | undefined>()
  readonly #days = new Map<Place, Map<number, Day>>()
  #last: Day | undefined

  constructor(retentionOf: RetentionOf, nowMs: number) {
    this.#retentionOf = retentionOf
    this.#nowMs = nowMs
  }

  /** Where a record goes, or undefined if it is older than its retention. */
  find(place: Place, timeMs: number): Day | undefined {
    let day = this.#last
    if (!day || day.place !== place || timeMs < day.startMs || timeMs >= day.endMs) {
      day = this.#find(place, timeMs)
      this.#last = day
    }
    return timeMs >= day.firstMs ? day : undefined
  }

  #find(place: Place, timeMs: number): Day {
    let days = this.#days.get(place)
    if (!days) {
      const text = this.#retentionOf(place.purpose, place.tenant)
      this.#retentions.set(place, text === undefined ? undefined : parseRetention(text))
      days = new Map()
      this.#days.set(place, days)
    }
    const retention = this.#retentions.get(place)
    // A zone's day may begin at any quarter of an hour.
    const bucket = Math.floor(timeMs / (retention?.zone === undefined ? dayMs : quarterMs))
    let day = days.get(bucket)
    if (!day) {
      day = new Day(place, retention, timeMs, this.#nowMs)
      days.set(bucket, day)
    }
    return day
  }
}

/** The first millisecond of a day whose records are still to be kept; retentions end in the order of their starts. */
function firstKept(retention: Retention, startMs: number, endMs: number, nowMs: number): number {
  const isOver = (fromMs: number) => retentionEndMs(fromMs, retention) <= nowMs
  if (!isOver(startMs)) return Number.NEGATIVE_INFINITY
  let over = startMs
  let kept = endMs
  while (kept - over > 1) {
    const middle = Math.floor((over + kept) / 2)
    if (isOver(middle)) over = middle
    else kept = middle
  }
  return kept
}

function makeShelf(purpose: string, retention: string, period: Shelf['period']): Shelf {
  return { purpose, retention, period, value: period ? retention : `${retention}/other` }
}

function periodOf(retention: Retention | undefined, timeMs: number, nowMs: number): Shelf['period'] {
  if (timeMs > nowMs + futureMs) return undefined
  const now = new Date(nowMs)
  if (timeMs < now.setUTCMonth(now.getUTCMonth() - pastMonths)) return undefined
  const time = new Date(timeMs)
  if (retention && compareRetention(retention, dailyUpTo) <= 0) {
    const startMs = Math.floor(timeMs / dayMs) * dayMs
    return { startMs, endMs: startMs + dayMs }
  }
  return {
    startMs: Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), 1),
    endMs: Date.UTC(time.getUTCFullYear(), time.getUTCMonth() + 1, 1),
  }
}
