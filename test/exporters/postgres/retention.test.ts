import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { firstKeptMs, type RetentionOptions, runRetention } from '../../../exporters/postgres/retention.ts'
import { parseRetention } from '../../../src/units.ts'
import {
  batchOf,
  makeHost,
  never,
  nowMs,
  openStore,
  readAll,
  record,
  requestOf,
  startServer,
  type TestServer,
} from './fixture.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const nanos = (ms: number) => BigInt(ms) * 1_000_000n

/** The plain meaning of "kept for so many months and days": independent of how the store counts. */
function endOf(fromMs: number, months: number, days: number): number {
  const from = new Date(fromMs)
  const lastDay = new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + months + 1, 0)).getUTCDate()
  const day = Math.min(from.getUTCDate(), lastDay)
  return Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + months, day) + (fromMs % dayMs) + days * dayMs
}

async function run(database: string, options: Partial<RetentionOptions> & { asOfMs: number }) {
  const client = new pg.Client(server.embedded.connection(database))
  await client.connect()
  try {
    return await runRetention(client, 'douane', { retentionOf: () => undefined, confirmed: true, ...options })
  } finally {
    await client.end()
  }
}

/** Stores one record at each time, when the clock shows that time. */
async function fillInTime(database: string, purpose: string, retention: string, timesMs: number[]) {
  const clock = { ms: 0 }
  const host = { ...makeHost(server.folder), nowMs: () => clock.ms, retention: () => retention }
  const store = await openStore(server, database, host)
  for (clock.ms of timesMs) {
    const batch = batchOf(requestOf([record(purpose, { timeUnixNano: nanos(clock.ms) })]))
    expect(await store.send(batch, never)).toEqual({ is: 'accepted' })
  }
  await store.close()
}

/** Stores one record at each time. The host's clock says `atMs`. */
async function fill(
  database: string,
  purpose: string,
  retention: string,
  timesMs: number[],
  atMs: number,
  tenant = 'acme',
) {
  const host = { ...makeHost(server.folder), nowMs: () => atMs, retention: () => retention }
  const store = await openStore(server, database, host)
  const records = timesMs.map((ms) => record(purpose, { timeUnixNano: nanos(ms) }, tenant))
  expect(await store.send(batchOf(requestOf(records)), never)).toEqual({ is: 'accepted' })
  await store.close()
}

describe('the cutoff', () => {
  test('is the first moment that is not due yet, over three years of days', () => {
    for (const [text, months, days] of [
      ['1mo', 1, 0],
      ['18mo', 18, 0],
      ['7y', 84, 0],
      ['30d', 0, 30],
      ['6d', 0, 6],
      ['1mo2d', 1, 2],
    ] as const) {
      for (let asOfMs = Date.UTC(2023, 11, 1, 13); asOfMs < Date.UTC(2026, 11, 1); asOfMs += 3 * dayMs + hourMs) {
        const cutoffMs = firstKeptMs(parseRetention(text), asOfMs)
        expect(endOf(cutoffMs, months, days), `${text} ${asOfMs}`).toBeGreaterThan(asOfMs)
        for (let ms = cutoffMs - 1; ms > cutoffMs - 5 * dayMs; ms -= 5 * hourMs - 1) {
          expect(endOf(ms, months, days), `${text} ${asOfMs} ${ms}`).toBeLessThanOrEqual(asOfMs)
        }
      }
    }
  })
})

describe('retention', () => {
  test('deletes nothing early, and nothing outlives its promise by more than a day', async () => {
    const startMs = Date.UTC(2024, 0, 1)
    const promises = [
      ['usage', '1mo', 1, 0],
      ['billing', '18mo', 18, 0],
      ['support', '6d', 0, 6],
    ] as const
    for (const [purpose, retention] of promises) {
      const times = Array.from({ length: 40 }, (_, i) => startMs + i * (dayMs + 37 * 60_000))
      await fillInTime('calendar', purpose, retention, times)
    }
    let deleted = 0
    for (let asOfMs = startMs; asOfMs < Date.UTC(2024, 5, 1); asOfMs += 13 * dayMs + 5 * hourMs) {
      deleted += (await run('calendar', { asOfMs })).deletions.length
      const found = await readAll(server, 'calendar')
      for (const [purpose, , months, days] of promises) {
        const kept = new Set(
          found
            .filter((each) => each.purpose === purpose)
            .map((each) => Number(BigInt(each.time_unix_nano) / 1_000_000n)),
        )
        for (let i = 0; i < 40; i++) {
          const ms = startMs + i * (dayMs + 37 * 60_000)
          const endMs = endOf(ms, months, days)
          if (endMs > asOfMs) expect(kept.has(ms), `${purpose} ${i} at ${asOfMs}`).toBe(true)
          else if (endMs < asOfMs - dayMs) expect(kept.has(ms), `${purpose} ${i} at ${asOfMs}`).toBe(false)
        }
      }
    }
    expect(deleted).toBeGreaterThan(50)
  })

  test('drops whole partitions, and writes down what it deleted', async () => {
    await fill('drops', 'usage', '6d', [nowMs, nowMs - dayMs], nowMs)
    const asOfMs = nowMs + 6 * dayMs - 6 * hourMs
    const trial = await run('drops', { asOfMs, dryRun: true })
    expect(trial.deletions).toMatchObject([{ partition: 'logs_usage__6d__20261120', whole: true, records: 1 }])
    expect(await readAll(server, 'drops')).toHaveLength(2)
    expect((await run('drops', { asOfMs })).deletions).toEqual(trial.deletions)
    expect(await readAll(server, 'drops')).toHaveLength(1)
    expect(await server.sql('drops', 'SELECT partition, records, whole FROM deletions')).toEqual([
      { partition: 'logs_usage__6d__20261120', records: '1', whole: true },
    ])
    expect(await server.sql('drops', "SELECT to_regclass('logs_usage__6d__20261120') AS gone")).toEqual([
      { gone: null },
    ])
    expect((await run('drops', { asOfMs })).deletions).toEqual([])
  })

  test('is finished where it was cut short', async () => {
    await fill('half', 'usage', '6d', [nowMs, nowMs - dayMs], nowMs)
    await server.sql('half', 'ALTER TABLE logs_usage__6d DETACH PARTITION logs_usage__6d__20261120')
    const { deletions } = await run('half', { asOfMs: nowMs + 6 * dayMs - 6 * hourMs })
    expect(deletions).toMatchObject([{ partition: 'logs_usage__6d__20261120', records: 1 }])
  })

  test('follows a policy that became shorter, for one tenant too, but none that became longer', async () => {
    await fill('policy', 'usage', '18mo', [nowMs], nowMs, 'acme')
    await fill('policy', 'usage', '18mo', [nowMs], nowMs, 'globex')
    const shorter = (_: string, tenant: string) => (tenant === 'acme' ? '6d' : '7y')
    const { deletions } = await run('policy', { asOfMs: nowMs + 7 * dayMs, retentionOf: shorter })
    expect(deletions).toMatchObject([{ tenant: 'acme', retention: '6d', whole: false, records: 1 }])
    expect((await readAll(server, 'policy')).map(({ tenant }) => tenant)).toEqual(['globex'])
    await run('policy', { asOfMs: nowMs + 600 * dayMs, retentionOf: () => '7y' })
    expect(await readAll(server, 'policy')).toEqual([])
  })

  test('a legal hold keeps its rows as long as it lasts', async () => {
    for (const tenant of ['acme', 'globex']) await fill('holds', 'usage', '6d', [nowMs], nowMs, tenant)
    await server.sql('holds', 'INSERT INTO legal_holds (tenant, reason, until) VALUES ($1, $2, $3)', [
      'acme',
      'case 7',
      new Date(nowMs + 20 * dayMs),
    ])
    await run('holds', { asOfMs: nowMs + 10 * dayMs })
    expect((await readAll(server, 'holds')).map(({ tenant }) => tenant)).toEqual(['acme'])
    await run('holds', { asOfMs: nowMs + 21 * dayMs })
    expect(await readAll(server, 'holds')).toEqual([])
  })

  test('runs when a store is opened', async () => {
    const dayAgo = nowMs - dayMs
    await fill('opened', 'usage', '6d', [dayAgo - 5.5 * dayMs], dayAgo)
    const store = await openStore(server, 'opened')
    await expect.poll(() => readAll(server, 'opened')).toEqual([])
    await store.close()
  })

  test('a record dated far ahead is kept no longer than from its arrival', async () => {
    await fill('ahead', 'usage', '1mo', [nowMs + 400 * dayMs], nowMs)
    await run('ahead', { asOfMs: nowMs + 29 * dayMs })
    expect(await readAll(server, 'ahead')).toHaveLength(1)
    await run('ahead', { asOfMs: nowMs + 32 * dayMs })
    expect(await readAll(server, 'ahead')).toEqual([])
  })

  test('a clock that jumps ahead deletes nothing until somebody confirms', async () => {
    await fill('jump', 'usage', '6d', [nowMs], nowMs)
    const jumped = { asOfMs: nowMs + 400 * dayMs, confirmed: false }
    for (let restart = 0; restart < 10; restart++) {
      expect(await run('jump', jumped)).toMatchObject({ heldBack: true, deletions: [] })
    }
    for (let night = 1; night <= 3; night++) {
      expect(await run('jump', { asOfMs: nowMs + night * dayMs, confirmed: false })).toMatchObject({ heldBack: false })
    }
    expect(await run('jump', jumped)).toMatchObject({ heldBack: true, deletions: [] })
    expect((await run('jump', { ...jumped, confirmed: true })).deletions).toHaveLength(1)
  })
})
