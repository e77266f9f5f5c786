/** Days and months of time zones, against PostgreSQL-free plain facts: every moment lies in one day, days follow each other. */
import { expect, test } from 'vitest'
import { dueRanges, firstKeptMs, lastEndMs } from '../exporters/postgres/due.ts'
import { addMonths, dayAround, dayName, isZone } from '../src/calendar.ts'
import { inZone, parseRetention, retentionEndMs } from '../src/units.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

test.each([
  ['Europe/Brussels', 2024],
  // Clocks change at midnight; a day is left out; quarters of an hour; a summer on 30 minutes.
  ['America/Havana', 2024],
  ['Pacific/Apia', 2011],
  ['Asia/Kathmandu', 2024],
  ['Australia/Lord_Howe', 2024],
] as const)('every moment of a year lies in one day of %s', (zone, year) => {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone })
  let last = dayAround(Date.UTC(year, 0, 1), zone)
  const names = new Set<string>()
  for (let ms = Date.UTC(year, 0, 1); ms < Date.UTC(year + 1, 0, 1); ms += hourMs / 2) {
    const day = dayAround(ms, zone)
    expect(ms >= day.startMs && ms < day.endMs).toBe(true)
    if (day.startMs === last.startMs) continue
    expect([day.startMs, dayName(day)]).toEqual([last.endMs, format.format(ms)])
    names.add(dayName(day))
    last = day
  }
  expect(names.size).toBeGreaterThan(364)
})

test('months are counted on the calendar, and the time of day from midnight on', () => {
  const iso = (ms: number) => new Date(ms).toISOString()
  const from = Date.UTC(2026, 0, 30, 23, 30)
  expect(iso(addMonths(from, 1))).toBe('2026-02-28T23:30:00.000Z')
  expect(iso(addMonths(from, 1, 'Europe/Brussels'))).toBe('2026-02-27T23:30:00.000Z')
  // 10:00 in Brussels, in winter and in summer.
  expect(iso(addMonths(Date.UTC(2026, 1, 15, 9), 3, 'Europe/Brussels'))).toBe('2026-05-15T08:00:00.000Z')
  // Half past two of the night in which it is not there: two and a half hours after midnight all the same.
  expect(iso(addMonths(Date.UTC(2026, 1, 28, 1, 30), 1, 'Europe/Brussels'))).toBe('2026-03-28T01:30:00.000Z')
  expect(iso(addMonths(Date.UTC(2026, 3, 29, 0, 30), -1, 'Europe/Brussels'))).toBe('2026-03-29T01:30:00.000Z')
  expect([isZone('Europe/Brussels'), isZone('UTC'), isZone('Mars/Olympus'), isZone('')]).toEqual([
    true,
    true,
    false,
    false,
  ])
})

test.each([
  'UTC',
  'Europe/Brussels',
  'America/New_York',
])('what is due is due, and what is not is not, in %s', (zone) => {
  for (const text of ['6d', '1mo', '18mo', '1mo2d']) {
    const retention = inZone(parseRetention(text), zone)
    expect(parseRetention(retention.text)).toEqual(retention)
    for (
      let asOfMs = Date.UTC(2024, 0, 1, 5);
      asOfMs < Date.UTC(2025, 5, 1);
      asOfMs += (asOfMs % 5 ? 29 : 1) * dayMs + 5 * hourMs
    ) {
      const cutoffMs = firstKeptMs(retention, asOfMs)
      expect(retentionEndMs(cutoffMs, retention)).toBeGreaterThan(asOfMs)
      const ranges = dueRanges(retention, asOfMs)
      for (let ms = cutoffMs - 4 * dayMs; ms < cutoffMs + 5 * dayMs; ms += 2 * hourMs - 1) {
        const isDue = ranges.some(({ fromMs, toMs }) => ms >= fromMs && ms < toMs)
        expect(isDue, `${text} ${asOfMs} ${ms}`).toBe(retentionEndMs(ms, retention) <= asOfMs)
      }
    }
  }
})

test('a partition is due with the last of its records, which need not be the latest', () => {
  const retention = parseRetention('1mo@Europe:Brussels')
  const startMs = Date.UTC(2026, 0, 30)
  let lastMs = 0
  for (let ms = startMs; ms < startMs + dayMs; ms += 60_000)
    lastMs = Math.max(lastMs, retentionEndMs(ms + 59_999, retention))
  expect(lastEndMs(retention, startMs, startMs + dayMs)).toBe(lastMs)
  expect(retentionEndMs(startMs + dayMs - 1, retention)).toBeLessThan(lastMs)
})
