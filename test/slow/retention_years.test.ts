/** Every night of three years, with a leap day, daylight saving, shorter tenants and a legal hold. Takes many minutes. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../exporters/postgres/fixture.ts'
import { periods, simulate } from '../exporters/postgres/years.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

test('over three years nothing is deleted early, and nothing outlives its promise by more than a day', async () => {
  const days = 3 * 365 + 1
  const { stored, deleted, nights } = await simulate(server, {
    database: 'years',
    fromMs: Date.UTC(2023, 10, 21),
    days,
    retentions: Object.keys(periods),
    shorter: { '180d': '90d', '18mo': '2mo3d', '7y': '18mo' },
    hold: { fromDay: 200, toDay: 500 },
  })
  expect([nights, stored]).toEqual([days, days * Object.keys(periods).length * 3])
  expect(deleted).toBeGreaterThan(stored / 2)
}, 3_600_000)
