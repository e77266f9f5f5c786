/** The Grafana dashboard: each of its queries runs on a real store with the rights that it says, and shows what is there. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runRetention } from '../../../exporters/postgres/retention.ts'
import { addReader, roleName } from '../../../exporters/postgres/roles.ts'
import { withStore } from '../../../exporters/postgres/session.ts'
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

interface Target {
  readonly rawSql: string
  readonly format: 'time_series' | 'table'
}
interface Panel {
  readonly title: string
  readonly description: string
  readonly targets: readonly Target[]
}
const dashboard: { panels: Panel[]; templating: { list: { name: string; query: string }[] } } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../config/grafana-dashboard.json'), 'utf8'),
)

const database = 'dashboard'
let server: TestServer
let reader: pg.ClientConfig
let admin: pg.ClientConfig

beforeAll(async () => {
  server = await startServer()
  const host = { ...makeHost(server.folder), retention: (purpose: string) => (purpose === 'support' ? '6d' : '18mo') }
  const store = await openStore(server, database, host)
  const more = { severityNumber: 17, eventName: 'auth.login', body: { stringValue: 'seen' } }
  const old = { ...more, timeUnixNano: BigInt(nowMs - 5 * 86_400_000) * 1_000_000n }
  const records = ['acme', 'globex'].flatMap((tenant) => [
    record('security', more, tenant),
    record('support', more, tenant),
    record('support', old, tenant),
  ])
  expect(await store.send(batchOf(requestOf(records)), never)).toEqual({ is: 'accepted' })
  await store.close()
  const place = { options: optionsFor(database), folder: server.folder }
  await withStore(place, async (client, schema) => {
    await runRetention(client, schema, {
      asOfMs: nowMs + 2 * 86_400_000,
      retentionOf: () => undefined,
      confirmed: true,
    })
    const made = await addReader(client, schema, { name: 'grafana', tenants: ['acme'] }, { who: 'test', login: true })
    reader = { ...server.embedded.connection(database), user: made.role, password: made.password! }
    await client.query(`CREATE ROLE boss LOGIN PASSWORD 'x' IN ROLE ${roleName(database, schema, 'log_admin')}`)
  })
  admin = { ...server.embedded.connection(database), user: 'boss', password: 'x' }
})
afterAll(() => server.close())

/** What Grafana's PostgreSQL data source makes of a query. */
function expand(sql: string, chosen: Record<string, string[]>): string {
  const [from, to] = [nowMs - 6 * 86_400_000, nowMs + 36_500 * 86_400_000].map(
    (ms) => `'${new Date(ms).toISOString()}'`,
  )
  return sql
    .replaceAll('$__interval', "'5m'")
    .replace(/\$__timeGroupAlias\(([\w.:]+), '5m'\)/g, 'floor(extract(epoch from $1)/300)*300 AS "time"')
    .replace(/\$__timeFilter\(([\w.:]+)\)/g, `$1 BETWEEN ${from} AND ${to}`)
    .replace(/\$\{(\w+):sqlstring\}/g, (_, name: string) => chosen[name]!.map((value) => `'${value}'`).join(','))
}

async function ask(config: pg.ClientConfig, sql: string): Promise<pg.QueryArrayResult> {
  const client = new pg.Client(config)
  await client.connect()
  try {
    return await client.query({ text: sql, rowMode: 'array' })
  } finally {
    await client.end()
  }
}

test('every query runs as a reader sees it, or as log_admin where it says so', async () => {
  const chosen: Record<string, string[]> = {}
  for (const { name, query } of dashboard.templating.list) chosen[name] = (await ask(reader, query)).rows.flat()
  expect(chosen).toEqual({ purpose: ['security', 'support'], tenant: ['acme'] })
  expect(dashboard.panels.map(({ targets }) => targets.length)).toEqual(dashboard.panels.map(() => 1))
  for (const { title, description, targets } of dashboard.panels) {
    const sql = expand(targets[0]!.rawSql, chosen)
    expect(sql, title).not.toMatch(/\$[_{a-z]/)
    const needsAdmin = description.includes('log_admin')
    if (needsAdmin) await expect(ask(reader, sql), title).rejects.toMatchObject({ code: '42501' })
    const { rows, fields } = await ask(needsAdmin ? admin : reader, sql)
    expect(rows.length, title).toBeGreaterThan(0)
    const names = fields.map(({ name }) => name)
    if (targets[0]!.format === 'time_series') expect(names.slice(0, 2), title).toEqual(['time', 'metric'])
    if (!needsAdmin) expect(JSON.stringify(rows), title).not.toContain('globex')
  }
})

test('counts are there of what is deleted', async () => {
  const panel = dashboard.panels.find(({ title }) => title === 'Counted by day')!
  const sql = expand(panel.targets[0]!.rawSql, { purpose: ['support'], tenant: ['acme'] })
  expect((await ask(reader, sql)).rows.map((row) => Number(row[2]))).toEqual([1])
  expect((await ask(reader, 'SELECT count(*)::int FROM douane.logs')).rows).toEqual([[2]])
})
