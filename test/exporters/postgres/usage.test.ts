/** Counts for invoices: exact, by the day of the policy's time zone, and kept longer than the rows where that is allowed. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runRetention } from '../../../exporters/postgres/retention.ts'
import { withStore } from '../../../exporters/postgres/session.ts'
import { readUsage, type UsageQuery } from '../../../exporters/postgres/usage.ts'
import { limits } from '../../../src/limits.ts'
import type { LogRecord } from '../../oracle/otlp.ts'
import {
  batchOf,
  makeHost,
  never,
  nowMs,
  openStore,
  optionsFor,
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

const dayMs = 86_400_000
const at = (ms: number, eventName?: string): LogRecord => ({
  timeUnixNano: BigInt(ms) * 1_000_000n,
  ...(eventName !== undefined && { eventName }),
})

const usage = (database: string, query: Partial<UsageQuery> = {}) =>
  withStore({ options: optionsFor(database), folder: server.folder }, (client, schema) =>
    readUsage(client, schema, { by: 'month', ...query }),
  )

async function night(database: string, asOfMs: number, countsOf?: (purpose: string) => string | undefined) {
  const client = new pg.Client(server.embedded.connection(database))
  await client.connect()
  try {
    const rules = { retentionOf: () => undefined, ...(countsOf && { countsOf }) }
    return await runRetention(client, 'douane', { asOfMs, confirmed: true, ...rules })
  } finally {
    await client.end()
  }
}

describe('counts', () => {
  test('are those of the rows, whatever comes twice or is refused, before and after the roll-up', async () => {
    const store = await openStore(server, 'exact')
    const batch = batchOf(
      requestOf([
        record('billing', at(nowMs, 'export.docx')),
        record('billing', at(nowMs - dayMs, 'export.docx'), 'globex'),
        record('usage', at(nowMs, 'document.opened')),
        record('usage', at(nowMs)),
      ]),
    )
    for (let attempt = 0; attempt < 3; attempt++) expect((await store.send(batch, never)).is).toBe('accepted')
    await server.sql('exact', "ALTER TABLE logs ADD CHECK (event_name IS DISTINCT FROM 'poison')")
    const poisoned = Array.from({ length: 20 }, (_, i) => record('usage', at(nowMs, i % 7 === 3 ? 'poison' : 'fine')))
    expect(await store.send(batchOf(requestOf(poisoned)), never)).toMatchObject({ is: 'partial', records: 3 })
    const counted = [
      { period: '2026-11-20', tenant: 'globex', purpose: 'billing', event: 'export.docx', records: 1 },
      { period: '2026-11-21', tenant: 'acme', purpose: 'billing', event: 'export.docx', records: 1 },
      { period: '2026-11-21', tenant: 'acme', purpose: 'usage', event: '', records: 1 },
      { period: '2026-11-21', tenant: 'acme', purpose: 'usage', event: 'document.opened', records: 1 },
      { period: '2026-11-21', tenant: 'acme', purpose: 'usage', event: 'fine', records: 17 },
    ]
    expect(await usage('exact', { by: 'day' })).toEqual(counted)
    await night('exact', nowMs + dayMs)
    expect(await server.sql('exact', 'SELECT count(*)::int AS n FROM usage_added')).toEqual([{ n: 0 }])
    await store.send(batchOf(requestOf([record('usage', at(nowMs, 'fine'))])), never)
    await night('exact', nowMs + dayMs)
    await store.close()
    expect(await usage('exact', { by: 'day', event: 'fine' })).toMatchObject([{ records: 18 }])
    expect(await usage('exact', { tenant: 'globex' })).toMatchObject([{ period: '2026-11', records: 1 }])
    expect(await usage('exact', { since: '2026-11-21', purpose: 'billing' })).toMatchObject([{ tenant: 'acme' }])
  })

  test("lie on the days of the policy's time zone", async () => {
    const host = { ...makeHost(server.folder), retention: () => '1mo@Europe:Brussels' }
    const store = await openStore(server, 'local_days', host)
    const evening = Date.UTC(2026, 10, 20, 22, 59, 59)
    const times = [evening, evening + 1000, evening + dayMs, evening + dayMs + 1000]
    const late = { ...host, nowMs: () => evening + 2 * dayMs }
    await store.close()
    const later = await openStore(server, 'local_days', late)
    await later.send(batchOf(requestOf(times.map((ms) => record('usage', at(ms, 'e'))))), never)
    await later.close()
    expect((await usage('local_days', { by: 'day' })).map(({ period, records }) => [period, records])).toEqual([
      ['2026-11-20', 1],
      ['2026-11-21', 2],
      ['2026-11-22', 1],
    ])
  })

  test('outlive their rows where the policy keeps counts, and end with them where it does not', async () => {
    const host = { ...makeHost(server.folder), retention: () => '6d' }
    const store = await openStore(server, 'outlive', host)
    await store.send(batchOf(requestOf([record('usage', at(nowMs, 'a')), record('billing', at(nowMs, 'a'))])), never)
    await store.close()
    const countsOf = (purpose: string) => (purpose === 'billing' ? '7y' : undefined)
    await night('outlive', nowMs + 5 * dayMs, countsOf)
    expect(await usage('outlive')).toHaveLength(2)
    await night('outlive', nowMs + 8 * dayMs, countsOf)
    expect(await server.sql('outlive', 'SELECT count(*)::int AS n FROM logs')).toEqual([{ n: 0 }])
    expect(await usage('outlive')).toMatchObject([{ purpose: 'billing', records: 1 }])
    await night('outlive', nowMs + 7 * 366 * dayMs, countsOf)
    expect(await usage('outlive')).toEqual([])
    const ended = await server.sql(
      'outlive',
      `SELECT purpose, retention, tenant, records::int, oldest::text, receipted FROM deletions
       WHERE partition = 'usage_daily' ORDER BY id`,
    )
    const each = { tenant: 'acme', records: 1, oldest: '2026-11-21 00:00:00+00', receipted: false }
    expect(ended).toEqual([
      { purpose: 'usage', retention: '6d', ...each },
      { purpose: 'billing', retention: '7y', ...each },
    ])
  })

  test('a sender who makes up names does not make lines without end', async () => {
    const store = await openStore(server, 'made_up')
    const records = Array.from({ length: 1200 }, (_, i) => record('usage', at(nowMs, `made.up.${i}`)))
    await store.send(batchOf(requestOf(records)), never)
    await store.close()
    const found = await usage('made_up')
    expect(found).toHaveLength(limits.usageEventsMax + 1)
    expect(found.reduce((sum, { records: n }) => sum + n, 0)).toBe(1200)
  })
})
