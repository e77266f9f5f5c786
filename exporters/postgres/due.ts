/** Which records are due at a time: where the line is between those to keep and those to delete. */
import { type Day, dayAround } from '../../src/calendar.ts'
import { type Retention, retentionEndMs } from '../../src/units.ts'

const dayMs = 86_400_000

/**
 * The first millisecond whose records are not yet due at `asOfMs`.
 *
 * Ends do not always come in the order of their beginnings: a month after 30 January 23:00 is 28 February 23:00, a
 * month after 31 January 01:00 is 28 February 01:00. Within one day they do. So the days around are looked at in order,
 * beginning where everything is surely due, and the first one with something to keep is searched.
 */
export function firstKeptMs(retention: Retention, asOfMs: number): number {
  const { months, ms, zone } = retention
  const isDue = (fromMs: number) => retentionEndMs(fromMs, retention) <= asOfMs
  let day = dayAround(asOfMs - ms - (months === 0 ? 1 : (months + 1) * 31) * dayMs, zone)
  while (isDue(day.endMs - 1)) day = dayAround(day.endMs, zone)
  return isDue(day.startMs) ? firstNotDue(day, isDue) : day.startMs
}

/** Moments from `fromMs` on, and before `toMs`. */
export interface DueRange {
  readonly fromMs: number
  readonly toMs: number
}

/**
 * All moments whose records are due at `asOfMs`, oldest first: everything before the first that is kept, and the first
 * hours of the days after it whose ends fall together with its own (29, 30 and 31 January, a month later).
 */
export function dueRanges(retention: Retention, asOfMs: number): DueRange[] {
  const keptMs = firstKeptMs(retention, asOfMs)
  const ranges: DueRange[] = [{ fromMs: Number.NEGATIVE_INFINITY, toMs: keptMs }]
  if (retention.months === 0) return ranges
  const isDue = (fromMs: number) => retentionEndMs(fromMs, retention) <= asOfMs
  let day = dayAround(keptMs, retention.zone)
  for (let more = 0; more < 3; more++) {
    day = dayAround(day.endMs, retention.zone)
    if (!isDue(day.startMs)) continue
    ranges.push({ fromMs: day.startMs, toMs: isDue(day.endMs - 1) ? day.endMs : firstNotDue(day, isDue) })
  }
  return ranges
}

/** Within a day that begins with what is due and does not end with it. */
function firstNotDue(day: Day, isDue: (ms: number) => boolean): number {
  let due = day.startMs
  let kept = day.endMs - 1
  while (kept - due > 1) {
    const middle = Math.floor((due + kept) / 2)
    if (isDue(middle)) due = middle
    else kept = middle
  }
  return kept
}

/** When the last record of a partition is due: the end of one of its last days, for the reason above. */
export function lastEndMs(retention: Retention, startMs: number, endMs: number): number {
  let last = Number.NEGATIVE_INFINITY
  for (let atMs = endMs - 1, days = 0; atMs >= startMs && days < 5; days++) {
    last = Math.max(last, retentionEndMs(atMs, retention))
    atMs = dayAround(atMs, retention.zone).startMs - 1
  }
  return last
}
