/** Which records are due at a time: where the line is between those to keep and those to delete. */
import { dayAround } from '../../src/calendar.ts'
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
  if (!isDue(day.startMs)) return day.startMs
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
