/**
 * How fast the PostgreSQL store takes records, and how large they get: into an embedded server in a temporary folder.
 *
 *   node bench/postgres.ts [records, 600000] [records a batch, 2000] [connections, 2] [programs: of another PostgreSQL 18]
 *
 * Ten batches are under way at a time, as many as a gateway's destination has. The records: 10 attributes and a body, about 460 bytes of OTLP each, two tenants, two purposes. Each batch has bytes
 * of its own ids, so that nothing is stored twice. "Encoding" is the share of this process; the rest is PostgreSQL.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { openEmbedded } from '../exporters/postgres/embedded.ts'
import { storeOptions } from '../exporters/postgres/options.ts'
import { queryStore } from '../exporters/postgres/query.ts'
import { runRetention } from '../exporters/postgres/retention.ts'
import { retentionStatus } from '../exporters/postgres/retention_status.ts'
import { RowEncoder } from '../exporters/postgres/rows.ts'
import { Shelves } from '../exporters/postgres/shelves.ts'
import { PostgresStore } from '../exporters/postgres/store.ts'
import type { Host } from '../src/contract.ts'
import { encodeRequest, type KeyValue } from '../test/oracle/otlp.ts'

const [records = 600_000, batchRecords = 2000, connections = 2] = process.argv.slice(2).map(Number)
const nowMs = Date.now()
const consumers = 10

const text = (key: string, value: string): KeyValue => ({ key, value: { stringValue: value } })
const number = (key: string, value: number): KeyValue => ({ key, value: { intValue: BigInt(value) } })

export function makeBatch(seed: number, length = batchRecords): Buffer {
  const logRecords = Array.from({ length }, (_, i) => ({
    timeUnixNano: BigInt(nowMs - i * 20) * 1_000_000n + BigInt(i),
    observedTimeUnixNano: BigInt(nowMs) * 1_000_000n,
    severityNumber: i % 20 ? 9 : 17,
    severityText: i % 20 ? 'INFO' : 'ERROR',
    eventName: 'document.opened',
    body: { stringValue: `Document ${seed}-${i} opened from the folder "contracts", 14 clauses loaded in 37 ms` },
    traceId: Buffer.from(`${seed}`.padStart(8, '0') + `${i >> 3}`.padStart(8, '0')),
    spanId: Buffer.from(`${i}`.padStart(8, '0')),
    attributes: [
      text('http.request.method', 'GET'),
      text('url.path', `/api/documents/${seed * 7 + i}`),
      number('http.response.status_code', 200),
      number('http.server.request.duration_us', 1000 + ((i * 37) % 5000)),
      text('user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0'),
      text('client.address', `10.0.${i % 200}.0`),
      text('enduser.id', `u-${i % 5000}`),
      text('session.id', `s-${(i * 31) % 100_000}`),
      text('document.id', `d-${seed}-${i}`),
      { key: 'cache.hit', value: { boolValue: i % 3 === 0 } },
      { key: 'douane.purpose', value: { arrayValue: { values: [{ stringValue: i % 4 ? 'usage' : 'security' }] } } },
      text('douane.region', 'eu-de'),
      text('douane.tenant', i % 2 ? 'acme' : 'globex'),
    ],
  }))
  const resource = { attributes: [text('service.name', 'documents'), text('host.name', 'web-1')] }
  return encodeRequest({ resourceLogs: [{ resource, scopeLogs: [{ scope: { name: 'http' }, logRecords }] }] })
}

const perSecond = (n: number, ms: number) => `${Math.round(n / ms).toLocaleString('en')}k/s`

function benchEncoding(body: Buffer): void {
  const encoder = new RowEncoder()
  const rounds = 40
  const startMs = performance.now()
  for (let i = 0; i < rounds; i++) {
    encoder.encode(body, new Shelves(() => '18mo', nowMs), nowMs * 1000)
  }
  const ms = performance.now() - startMs
  const rowBytes = Math.round(encoder.sheets.reduce((sum, { rows }) => sum + rows.at, 0) / batchRecords)
  console.log(`encoding        ${perSecond(rounds * batchRecords, ms)} records, ${rowBytes} bytes a row`)
}

async function main(): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'douane-bench-'))
  const folder = join(root, 'postgres')
  const counter = { add: () => {} }
  const host = {
    dataDir: () => folder,
    nowMs: () => Date.now(),
    counter: () => counter,
    log: { info: () => {}, warn: () => {}, error: () => {} },
    retention: (purpose: string) => (purpose === 'usage' ? '1mo' : '18mo'),
  } as unknown as Host
  const programs = process.argv[5]
  const options = storeOptions.parse({ max_connections: connections, ...(programs && { programs }) })
  const store = new PostgresStore(options, host)
  try {
    const openMs = performance.now()
    await store.start()
    console.log(`first start     ${Math.round(performance.now() - openMs)} ms`)
    const bodies = Array.from({ length: 20 }, (_, seed) => makeBatch(seed))
    console.log(`batches         ${batchRecords} records, ${Math.round(bodies[0]!.length / batchRecords)} bytes each`)
    for (const body of bodies.slice(0, 3)) benchEncoding(body)
    await benchStoring(store, bodies, folder)
    await benchReading(folder, options)
  } finally {
    await store.close()
    await rm(root, { recursive: true, force: true })
  }
}

/** Processor time of the server's processes so far, in ms (Linux counts it in hundredths of a second). */
async function serverCpuMs(folder: string): Promise<number> {
  const server = Number.parseInt(await readFile(join(folder, '18', 'data', 'postmaster.pid'), 'utf8'), 10)
  let ticks = 0
  for (const name of await readdir('/proc')) {
    const stat = /^\d+$/.test(name) ? await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '') : ''
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(fields[1]) === server) ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks * 10
}

async function benchStoring(store: PostgresStore, bodies: Buffer[], folder: string): Promise<void> {
  const batches = Math.ceil(records / batchRecords)
  let next = 0
  const startMs = performance.now()
  const cpu = process.cpuUsage()
  const serverMs = await serverCpuMs(folder)
  const lane = async () => {
    while (next < batches) {
      const id = next++
      const batch = { id: `b-${id}`, body: bodies[id % bodies.length]!, records: batchRecords }
      const outcome = await store.send(batch, new AbortController().signal)
      if (outcome.is !== 'accepted') throw new Error(JSON.stringify(outcome))
    }
  }
  await Promise.all(Array.from({ length: consumers }, lane))
  const ms = performance.now() - startMs
  const { user, system } = process.cpuUsage(cpu)
  const stored = batches * batchRecords
  const micros = (cpuMs: number) => `${((cpuMs / stored) * 1000).toFixed(1)} µs`
  const [ours, theirs] = [(user + system) / 1000, (await serverCpuMs(folder)) - serverMs]
  console.log(`storing         ${perSecond(stored, ms)} records`)
  console.log(`  processor     ${micros(ours)} a record here, ${micros(theirs)} in PostgreSQL`)
  console.log(`  so two cores  ${perSecond(2 * stored, ours + theirs)} records`)
}

async function benchReading(folder: string, options: typeof storeOptions._output): Promise<void> {
  const embedded = await openEmbedded(folder, options.programs)
  const client = new pg.Client(embedded.connection('douane'))
  await client.connect()
  const { rows } = await client.query(`SELECT count(*)::float8 AS n,
    (SELECT sum(pg_table_size(relid)) FROM pg_partition_tree('douane.logs'))::float8 AS heap,
    (SELECT sum(pg_indexes_size(relid)) FROM pg_partition_tree('douane.logs'))::float8 AS indexes FROM douane.logs`)
  const { n, heap, indexes } = rows[0]
  console.log(`size            ${Math.round(heap / n)} bytes a record, indexes ${Math.round(indexes / n)} more`)
  await benchRetention(client)
  await client.end()
  let read = 0
  const startMs = performance.now()
  for await (const _ of queryStore({ options, folder }, { tenant: 'globex', purpose: 'security' })) read++
  console.log(`query           ${perSecond(read, performance.now() - startMs)} records of ${read}`)
  await embedded.close()
}

/** What a night costs where nothing is due, what `retention status` costs, and what a shorter promise of one tenant does. */
async function benchRetention(client: pg.Client): Promise<void> {
  const timed = async (what: string, work: () => Promise<unknown>) => {
    const startMs = performance.now()
    await work()
    console.log(`${what.padEnd(15)} ${Math.round(performance.now() - startMs)} ms`)
  }
  const retentionOf = () => '1mo'
  const atMs = Date.now()
  await timed('a quiet night', () => runRetention(client, 'douane', { asOfMs: atMs, retentionOf }))
  await timed('status', () => retentionStatus(client, 'douane', retentionOf, atMs))
  const later = { asOfMs: atMs + 10 * 86_400_000, dryRun: true, confirmed: true }
  const shorter = (_: string, tenant: string) => (tenant === 'acme' ? '6d' : '1mo')
  await timed('half is due', () => runRetention(client, 'douane', { ...later, retentionOf: shorter }))
}

if (import.meta.main) await main()
