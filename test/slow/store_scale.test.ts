/**
 * A tenant's last hour among five million rows: as fast as a person waits, from its partition and by its index alone.
 * Takes minutes and 5 GB of disk.
 */
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { queryStore } from '../../exporters/postgres/query.ts'
import { migrate } from '../../exporters/postgres/schema.ts'
import { optionsFor, startServer, type TestServer } from '../exporters/postgres/fixture.ts'

const rows = 5_000_000
const tenants = 200
const days = 5
const hourMs = 3_600_000
const dayMs = 24 * hourMs
const endMs = Date.UTC(2026, 10, 21)

let server: TestServer
beforeAll(async () => {
  server = await startServer()
  await server.embedded.makeDatabase('scale')
  const client = new pg.Client(server.embedded.connection('scale'))
  await client.connect()
  await migrate(client, 'douane')
  for (let day = 1; day <= days; day++) {
    const [from, to] = [endMs - day * dayMs, endMs - (day - 1) * dayMs].map((ms) => new Date(ms))
    await client.query(`SELECT douane.ensure_partition('support', '1mo', $1, $2)`, [from, to])
    // Ten attributes, a body, two services: about what bench/postgres.ts stores.
    await client.query(
      `INSERT INTO douane.logs (time, stored, severity_number, time_nanos, purpose, retention, tenant, region,
         severity_text, event_name, body, trace_id, span_id, attributes, service_name, resource)
       SELECT $1::timestamptz + (i * $2::float8) * interval '1 ms', $1::timestamptz, 9, 0, 'support', '1mo',
         't' || (i::bigint * 7919 % $3), 'eu-de', 'INFO', 'document.opened',
         'Document ' || i || ' opened from the folder "contracts", 14 clauses loaded in 37 ms',
         decode(md5((i / 8)::text), 'hex'), decode(left(md5(i::text), 16), 'hex'),
         jsonb_build_object('http.request.method', 'GET', 'url.path', '/api/documents/' || i,
           'http.response.status_code', 200, 'http.server.request.duration_us', 1000 + i % 5000,
           'user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0', 'client.address', '10.0.0.0',
           'enduser.id', 'u-' || i % 5000, 'session.id', 's-' || i % 100000, 'document.id', 'd-' || i),
         'documents', '{"service.name": "documents", "host.name": "web-1"}'
       FROM generate_series(0, $4::int - 1) i`,
      [from, dayMs / (rows / days), tenants, rows / days],
    )
  }
  await client.query('VACUUM ANALYZE')
  await client.end()
}, 1_800_000)
afterAll(() => server.close())

const lastHour = (tenant: string) => ({
  tenant,
  since: BigInt(endMs - hourMs) * 1_000_000n,
  until: BigInt(endMs) * 1_000_000n,
})

test('p99 of 300 queries is under 200 ms', async () => {
  const store = { options: optionsFor('scale'), folder: server.folder }
  const times: number[] = []
  let found = 0
  for (let i = 0; i < 300; i++) {
    const startMs = performance.now()
    for await (const _ of queryStore(store, lastHour(`t${(i * 31) % tenants}`))) found++
    times.push(performance.now() - startMs)
  }
  times.sort((a, b) => a - b)
  const [median, p99] = [times[150]!, times[297]!]
  console.log(`${found / 300} rows a query, median ${median.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`)
  expect(found / 300).toBeCloseTo(rows / days / 24 / tenants, 0)
  expect(p99).toBeLessThan(200)
}, 600_000)

test('the plan reads one partition, by tenant and time', async () => {
  const plan = await server.sql(
    'scale',
    `EXPLAIN SELECT * FROM logs WHERE tenant = 't7' AND time >= $1::timestamptz AND time < $2::timestamptz ORDER BY time`,
    [new Date(endMs - hourMs), new Date(endMs)],
  )
  const text = plan.map((line) => line['QUERY PLAN']).join('\n')
  console.log(text)
  expect(text.match(/logs_support__1mo__\d+/g)).toContain('logs_support__1mo__20261120')
  expect(text).toMatch(/_tenant_time_idx/)
  expect(text).not.toMatch(/Seq Scan|2026111\d/)
})

test('a trace is found by its id alone, in the blocks that may hold it', async () => {
  const ids = await server.sql(
    'scale',
    `SELECT DISTINCT encode(trace_id, 'hex') AS id FROM (SELECT trace_id FROM logs WHERE time >= $1 LIMIT 160) AS first`,
    [new Date(endMs - 3 * dayMs)],
  )
  const store = { options: optionsFor('scale'), folder: server.folder }
  const times: number[] = []
  for (const { id } of ids) {
    const startMs = performance.now()
    let found = 0
    for await (const _ of queryStore(store, { traceId: String(id) })) found++
    times.push(performance.now() - startMs)
    // The days repeat each other.
    expect(found).toBe(8 * days)
  }
  times.sort((a, b) => a - b)
  console.log(
    `${ids.length} traces, median ${times[ids.length >> 1]!.toFixed(1)} ms, at most ${times.at(-1)!.toFixed(1)} ms`,
  )
  const plan = await server.sql('scale', `EXPLAIN SELECT * FROM logs WHERE trace_id = decode($1, 'hex')`, [
    ids[0]!['id'],
  ])
  expect(plan.map((line) => line['QUERY PLAN']).join()).not.toMatch(/Seq Scan on logs_support__1mo__2026/)
}, 600_000)
