/** Five weeks of nights around a leap day and a change to daylight saving, on the calendar of a time zone. test/slow has three years. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from './fixture.ts'
import { simulate } from './years.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

test('night after night nothing is deleted early, and nothing outlives its promise by more than a day', async () => {
  const { stored, deleted } = await simulate(server, {
    database: 'weeks',
    fromMs: Date.UTC(2024, 1, 26),
    days: 36,
    retentions: ['6d', '1mo', '7y'],
    zone: 'Europe/Brussels',
    shorter: { '1mo': '6d', '7y': '30d' },
    hold: { fromDay: 10, toDay: 28 },
  })
  expect(stored).toBe(36 * 3 * 3)
  expect(deleted).toBeGreaterThan(stored / 4)
})
