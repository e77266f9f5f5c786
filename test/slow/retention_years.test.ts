/** Every night of years with a leap day, daylight saving, shorter tenants and a legal hold. Takes many minutes. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../exporters/postgres/fixture.ts'
import { periods, simulate } from '../exporters/postgres/years.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

test.each([
  { name: 'three years', days: 3 * 365 + 1, retentions: ['6d', '1mo', '18mo'], hold: { fromDay: 200, toDay: 320 } },
  {
    name: 'a year in New York',
    zone: 'America/New_York',
    days: 400,
    retentions: ['6d', '1mo', '2mo3d'],
    hold: { fromDay: 100, toDay: 160 },
  },
  { name: 'fourteen months', days: 430, retentions: Object.keys(periods), hold: { fromDay: 100, toDay: 160 } },
])('over $name nothing is deleted early, and nothing outlives its promise by more than a day', async ({
  name,
  zone = 'UTC',
  days,
  retentions,
  hold,
}) => {
  const { stored, deleted, nights } = await simulate(server, {
    database: name.replaceAll(' ', '_'),
    fromMs: Date.UTC(2023, 10, 21),
    days,
    retentions,
    zone,
    shorter: { '180d': '90d', '18mo': '2mo3d', '7y': '18mo' },
    hold,
  })
  expect([nights, stored]).toEqual([days, days * retentions.length * 3])
  expect(deleted).toBeGreaterThan(stored / 3)
}, 3_600_000)
