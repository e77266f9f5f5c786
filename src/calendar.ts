/**
 * Days and months of a time zone. Retention that is written in months is counted on a calendar, and a calendar is
 * somebody's: a month after 30 January, 23:30 UTC is 28 February, 23:30 UTC in London. In Brussels, where it is 31 January
 * by then, it is a day earlier.
 *
 * A day is the time between two midnights of the zone: 23, 24 or 25 hours. The time of day counts from midnight on, so
 * that within one day later moments stay later when months are added, also where a clock was put back. Where a midnight
 * does not exist, the day begins with its first moment; where it comes twice, with the first one.
 *
 * Without a zone all is UTC, which costs nothing. A zone's days are computed by Intl (20 µs) and then remembered.
 */
import { limits } from './limits.ts'

export interface Day {
  readonly startMs: number
  /** The first moment after it. */
  readonly endMs: number
  readonly year: number
  /** 0 to 11. */
  readonly month: number
  readonly date: number
}

const dayMs = 86_400_000
const hourMs = 3_600_000
/** No zone changes its clock within one of these. */
const quarterMs = 900_000

const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone)
  if (!format) {
    const two = '2-digit'
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: two,
      day: two,
      hour: two,
      minute: two,
      second: two,
    })
    formats.set(zone, format)
  }
  return format
}

export function isZone(name: string): boolean {
  try {
    formatOf(name)
    return /^[A-Za-z]/.test(name)
  } catch {
    return false
  }
}

/** What a clock in the zone shows, as if it were UTC. */
function wallMs(ms: number, zone: string): number {
  const parts: Record<string, number> = {}
  for (const { type, value } of formatOf(zone).formatToParts(ms)) parts[type] = Number(value)
  const { year, month, day, hour, minute, second } = parts
  return Date.UTC(year!, month! - 1, day, hour, minute, second)
}

const midnights = new Map<string, number>()

/** The first moment of a date of a zone. `dateMs` is that date's midnight as if it were UTC. */
function midnightMs(dateMs: number, zone: string): number {
  const key = `${zone} ${dateMs}`
  let found = midnights.get(key)
  if (found === undefined) {
    if (midnights.size >= limits.calendarDaysMax) midnights.clear()
    const offsets = [dateMs - 15 * hourMs, dateMs + 15 * hourMs].map((ms) => wallMs(ms, zone) - ms)
    const [early = 0, late = 0] = offsets.map((offset) => dateMs - offset).toSorted((a, b) => a - b)
    found = wallMs(early, zone) >= dateMs ? early : late
    midnights.set(key, found)
  }
  return found
}

/** The same of a year, a month (0 to 11, or beyond its year) and a date; without a zone UTC's. */
export function startOfDate(year: number, month: number, date: number, zone?: string): number {
  const dateMs = Date.UTC(year, month, date)
  return zone === undefined ? dateMs : midnightMs(dateMs, zone)
}

const known = new Map<string, Day>()
/** The last day that was asked for, by zone: mostly the next one, too. */
const latest = new Map<string, Day>()

/** The day that a moment lies in. */
export function dayAround(ms: number, zone?: string): Day {
  if (zone === undefined) return dayOf(Math.floor(ms / dayMs) * dayMs)
  const last = latest.get(zone)
  if (last && ms >= last.startMs && ms < last.endMs) return last
  const key = `${zone} ${Math.floor(ms / quarterMs)}`
  let day = known.get(key)
  if (!day) {
    if (known.size >= limits.calendarDaysMax) known.clear()
    const start = Math.floor(ms / 1000) * 1000
    let dateMs = Math.floor(wallMs(start, zone) / dayMs) * dayMs
    // A clock that is put back over midnight shows yesterday's date again, in a day that has begun.
    if (midnightMs(dateMs + dayMs, zone) <= ms) dateMs += dayMs
    day = dayOf(dateMs, zone)
    known.set(key, day)
  }
  latest.set(zone, day)
  return day
}

function dayOf(dateMs: number, zone?: string): Day {
  const date = new Date(dateMs)
  const of = { year: date.getUTCFullYear(), month: date.getUTCMonth(), date: date.getUTCDate() }
  if (zone === undefined) return { startMs: dateMs, endMs: dateMs + dayMs, ...of }
  return { startMs: midnightMs(dateMs, zone), endMs: midnightMs(dateMs + dayMs, zone), ...of }
}

/** The same time of day, so many months later; the last day of a month that is too short. */
export function addMonths(ms: number, months: number, zone?: string): number {
  const day = dayAround(ms, zone)
  const last = new Date(Date.UTC(day.year, day.month + months + 1, 0)).getUTCDate()
  const dateMs = Date.UTC(day.year, day.month + months, Math.min(day.date, last))
  const startMs = zone === undefined ? dateMs : midnightMs(dateMs, zone)
  return startMs + (ms - day.startMs)
}

/** `2026-11-21` */
export const dayName = ({ year, month, date }: Day): string =>
  `${String(year).padStart(4, '0')}-${String(month + 1).padStart(2, '0')}-${String(date).padStart(2, '0')}`
