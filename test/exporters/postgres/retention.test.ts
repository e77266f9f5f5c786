import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { firstKeptMs } from '../../../exporters/postgres/due.ts'
import { addHold, endHold } from '../../../exporters/postgres/legal_holds.ts'
import { handOverReceipts } from '../../../exporters/postgres/receipts.ts'
import { type RetentionOptions, runRetention } from '../../../exporters/postgres/retention.ts'
import { retentionStatus } from '../../../exporters/postgres/retention_status.ts'
import { migrate } from '../../../exporters/postgres/schema.ts'
import { withStore } from '../../../exporters/postgres/session.ts'
import type { Receipt } from '../../../src/contract.ts'
import { DependencyError } from '../../../src/errors.ts'
import { parseRetention } from '../../../src/units.ts'
import {
  batchOf,
  makeHost,
  never,
  nowMs,
  openStore,
  optionsFor,
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
    expect(
      await server.sql('drops', "SELECT partition, records, whole FROM deletions WHERE partition LIKE 'logs%'"),
    ).toEqual([{ partition: 'logs_usage__6d__20261120', records: '1', whole: true }])
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

describe('the status', () => {
  const status = (database: string, atMs: number, policy: Record<string, string> = {}) =>
    withStore({ options: optionsFor(database), folder: server.folder }, (client, schema) =>
      retentionStatus(client, schema, (_, tenant) => policy[tenant], atMs),
    )

  test('tells the oldest record and the next deletion, and what outlives its promise by more than a day', async () => {
    await fill('status', 'usage', '6d', [nowMs, nowMs - dayMs - hourMs], nowMs)
    const [before] = (await status('status', nowMs)).classes
    expect(before).toMatchObject({
      purpose: 'usage',
      retention: '6d',
      oldest: new Date(nowMs - dayMs - hourMs),
      nextDeletion: new Date(nowMs + 5 * dayMs - hourMs),
      partitions: 2,
      overdue: 0,
    })
    expect(before!.bytes).toBeGreaterThan(8192)
    expect((await status('status', nowMs + 6 * dayMs - 2 * hourMs)).classes[0]!.overdue).toBe(0)
    expect((await status('status', nowMs + 6 * dayMs)).classes[0]!.overdue).toBe(1)
    expect((await status('status', nowMs + 8 * dayMs)).classes[0]!.overdue).toBe(2)
    await run('status', { asOfMs: nowMs + 8 * dayMs })
    expect((await status('status', nowMs + 8 * dayMs)).classes).toEqual([])
  })

  test('follows the policy of today: for a tenant that got less, and for records that had no end', async () => {
    for (const tenant of ['acme', 'globex']) await fill('today', 'billing', '7y', [nowMs], nowMs, tenant)
    const shorter = { acme: '6d' }
    expect((await status('today', nowMs, shorter)).classes[0]!.nextDeletion).toEqual(new Date(nowMs + 6 * dayMs))
    expect((await status('today', nowMs + 8 * dayMs, shorter)).classes[0]!.overdue).toBe(1)
    // Seven years on everything is due, and acme's row is not counted twice.
    expect((await status('today', nowMs + 2600 * dayMs, shorter)).classes[0]!.overdue).toBe(2)
    await store('endless', 'usage', undefined)
    expect((await status('endless', nowMs)).classes[0]).toMatchObject({ retention: 'unlimited', nextDeletion: null })
    expect((await status('endless', nowMs + 8 * dayMs, shorter)).classes[0]!.overdue).toBe(1)
  })

  test('what a legal hold keeps is not overdue', async () => {
    await fill('kept', 'usage', '6d', [nowMs], nowMs)
    const place = { options: optionsFor('kept'), folder: server.folder }
    const until = new Date(nowMs + 90 * dayMs)
    const hold = await withStore(place, (client, schema) =>
      addHold(client, schema, { tenant: 'acme', reason: 'case 7', until, who: 'lawyer' }),
    )
    expect(await status('kept', nowMs + 30 * dayMs)).toMatchObject({ classes: [{ overdue: 0 }], holds: 1 })
    await withStore(place, (client, schema) => endHold(client, schema, hold.id, 'lawyer'))
    expect(await status('kept', nowMs + 30 * dayMs)).toMatchObject({ classes: [{ overdue: 1 }], holds: 0 })
    expect(await withStore(place, (client, schema) => endHold(client, schema, hold.id, 'lawyer'))).toBeUndefined()
  })

  async function store(database: string, purpose: string, retention: string | undefined) {
    const host = { ...makeHost(server.folder), retention: () => retention }
    const opened = await openStore(server, database, host)
    await opened.send(batchOf(requestOf([record(purpose)])), never)
    await opened.close()
  }
})

test('a store of version 1 is brought up to date with what it holds', async () => {
  await server.embedded.makeDatabase('old')
  const client = new pg.Client(server.embedded.connection('old'))
  await client.connect()
  await migrate(client, 'douane', 1)
  const [starts, ends] = [nowMs - 12 * hourMs, nowMs + 12 * hourMs].map((ms) => new Date(ms))
  await client.query(`SELECT douane.ensure_partition('usage', '6d', $1, $2)`, [starts, ends])
  await client.query(
    `INSERT INTO douane.logs (time, stored, severity_number, time_nanos, purpose, retention, attributes, resource)
     VALUES ($1, $1, 9, 0, 'usage', '6d', '{}', '{}')`,
    [new Date(nowMs)],
  )
  await client.end()
  await expect(readAll(server, 'old')).rejects.toThrow(/version 1/)
  await fill('old', 'usage', '6d', [nowMs, nowMs - dayMs], nowMs)
  expect(await readAll(server, 'old')).toHaveLength(3)
  const { deletions } = await run('old', { asOfMs: nowMs + 10 * dayMs, policyVersion: 'abc' })
  expect(deletions).toMatchObject([{ records: 1 }, { records: 2 }])
})

describe('receipts', () => {
  test('each deletion gets one, after a failure too', async () => {
    await fill('receipts', 'usage', '6d', [nowMs, nowMs - dayMs], nowMs)
    await run('receipts', { asOfMs: nowMs + 10 * dayMs, policyVersion: 'abc' })
    const kept: Receipt[] = []
    const hand = (keep: (receipts: readonly Receipt[]) => Promise<void>) =>
      withStore({ options: optionsFor('receipts'), folder: server.folder }, (client, schema) =>
        handOverReceipts(client, schema, 'postgres/test', keep),
      )
    const full = async () => {
      throw new DependencyError('the disk is full')
    }
    await expect(hand(full)).rejects.toThrow('the disk is full')
    const keep = async (receipts: readonly Receipt[]) => void kept.push(...receipts)
    expect([await hand(keep), await hand(keep)]).toEqual([3, 0])
    expect(kept).toMatchObject([
      {
        store: 'postgres/test',
        partition: 'logs_usage__6d__20261120',
        records: 1,
        policy_version: 'abc',
        tenant: null,
      },
      { partition: 'logs_usage__6d__20261121', oldest: new Date(nowMs).toISOString() },
      { partition: 'usage_daily', records: 2, oldest: '2026-11-20T00:00:00.000Z', newest: '2026-11-21T00:00:00.000Z' },
    ])
    expect(new Set(kept.map(({ deletion }) => deletion)).size).toBe(3)
  })

  test('the nightly run of a store hands them to its host', async () => {
    await fill('nightly', 'usage', '6d', [nowMs - 5.5 * dayMs], nowMs)
    const kept: Receipt[] = []
    const host = {
      ...makeHost(server.folder),
      nowMs: () => nowMs + dayMs,
      policyVersion: () => 'abc',
      keepReceipts: async (receipts: readonly Receipt[]) => void kept.push(...receipts),
    }
    const opened = await openStore(server, 'nightly', host)
    await expect.poll(() => kept).toMatchObject([{ store: 'postgres/test', policy_version: 'abc', records: 1 }])
    await opened.close()
  })

  test('the nightly run tells its host that it has been, and whose keys a legal hold keeps', async () => {
    await fill('holding', 'usage', '6d', [nowMs], nowMs)
    const hold = (of: { tenant?: string; purpose?: string }, untilMs: number) =>
      withStore({ options: optionsFor('holding'), folder: server.folder }, (client, schema) =>
        addHold(client, schema, { ...of, reason: 'case 7', until: new Date(untilMs), who: 'lawyer' }),
      )
    await hold({ tenant: 'acme', purpose: 'usage' }, nowMs + 9 * dayMs)
    await hold({ tenant: 'globex' }, nowMs + dayMs / 2)
    await hold({ purpose: 'security' }, nowMs + 9 * dayMs)
    const told: unknown[] = []
    const retentionRan = (holds: readonly unknown[]) => void told.push(holds)
    const opened = await openStore(server, 'holding', {
      ...makeHost(server.folder),
      nowMs: () => nowMs + dayMs,
      retentionRan,
    })
    await expect.poll(() => told).toEqual([[{ tenant: 'acme' }, { tenant: null }]])
    await opened.close()
  })
})
