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
import { compareRetention, parseRetention, type Retention, retentionEndMs } from '../../src/units.ts'

/** The retention of a purpose's records of one tenant, as the policy writes it; undefined: kept without an end. */
export type RetentionOf = (purpose: string, tenant: string) => string | undefined

/** What a retention of its own is called where none was promised. */
export const unlimited = 'unlimited'

const dayMs = 86_400_000
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

/** Finds shelves for the records of one batch: the time of asking is the same for all of them. */
export class Shelves {
  readonly #retentionOf: RetentionOf
  readonly #nowMs: number
  readonly #found = new Map<string, Shelf | undefined>()
  readonly #retentions = new Map<string, Retention | undefined>()

  constructor(retentionOf: RetentionOf, nowMs: number) {
    this.#retentionOf = retentionOf
    this.#nowMs = nowMs
  }

  /** The shelf of a record, or undefined if it is older than its retention. */
  find(purpose: string, tenant: string, timeMs: number): Shelf | undefined {
    const text = this.#retentionOf(purpose, tenant)
    const retention = this.#retention(text)
    if (retention && retentionEndMs(timeMs, retention) <= this.#nowMs) return undefined
    const key = `${purpose}\0${text}\0${Math.floor(timeMs / dayMs)}`
    let shelf = this.#found.get(key)
    if (!shelf) {
      shelf = makeShelf(purpose, text ?? unlimited, periodOf(retention, timeMs, this.#nowMs))
      this.#found.set(key, shelf)
    }
    return shelf
  }

  #retention(text: string | undefined): Retention | undefined {
    if (text === undefined) return undefined
    let retention = this.#retentions.get(text)
    if (!retention) {
      retention = parseRetention(text)
      this.#retentions.set(text, retention)
    }
    return retention
  }
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
