/**
 * A gateway of three workers through kills: of any worker, of the process above them, of destinations, under load.
 * `WORKER_KILLS` sets how many (25 without it, 300 with `FAULTS=long`), `SEED` which and when.
 *
 * At the end: nothing acknowledged is missing anywhere; PostgreSQL holds nothing twice; the OTLP destination got a record
 * under one batch id only; the account of all workers together balances, also right after a kill.
 */
import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { StoredRecord } from '../../../exporters/postgres/query.ts'
import type { GatewayStatus } from '../../../src/status.ts'
import { passThrough, quickRetry } from '../../e2e/configs.ts'
import { cleanUp, files, type Gateway, later, runJson, start, temporaryFolder, until } from '../../e2e/gateway.ts'
import { getText } from '../../e2e/requests.ts'
import { seeded } from '../../pipeline/queue/support.ts'
import { Senders } from './senders.ts'
import { Sink } from './sink.ts'

const kills = Number(process.env['WORKER_KILLS'] ?? (process.env['FAULTS'] === 'long' ? 300 : 25))
/** Long, so that it may run beside other work, and be stopped for a while. */
const waitMs = 600_000
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000)
const random = seeded(seed)

afterAll(cleanUp)

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
const withWorkers = (text: string, port: number): string =>
  text
    .replace('service:', 'service:\n  workers: 3')
    .replace('http: { endpoint: 127.0.0.1:0 }', `http: { endpoint: 127.0.0.1:${port} }`)

const statusOf = async ({ endpoints }: Gateway) =>
  JSON.parse((await getText(endpoints.admin, '/v1/status')).text) as GatewayStatus

function expectBalance({ tenants }: GatewayStatus): void {
  for (const { received, ...became } of Object.values(tenants)) {
    expect(received).toBe(Object.values(became).reduce((sum, records) => sum + records, 0))
  }
}

test(`${kills} kills of workers (seed ${seed}): what was acknowledged is everywhere, once`, async () => {
  const sink = new Sink(random)
  await sink.up()
  const folder = temporaryFolder()
  // Where all workers end at once, a port that was chosen freely would not come back.
  const port = await freePort()
  const text = passThrough({
    'otlp_http/a': `endpoint: "${sink.url}", compression: none, ${quickRetry}`,
    'postgres/c': `url: embedded, database: c, ${quickRetry}`,
  })
  const config = files(folder, { 'gateway.yaml': withWorkers(text, port) })
  const dataDir = join(folder, 'data')
  const senders = new Senders(8, 5)
  const killed = { workers: 0, all: 0, destinations: 0 }
  let gateway = await start(config, dataDir, { waitMs })
  let life = 0
  const shown = () => {
    senders.place = { http: gateway.endpoints.http, life: ++life }
  }
  shown()
  while (killed.workers < kills) {
    sink.faultsPercent = random() < 0.3 ? 20 : 0
    await later(50 + random() * 700)
    const chance = random()
    if (chance < 0.1) {
      await gateway.kill()
      senders.place = undefined
      killed.all++
      gateway = await start(config, dataDir, { waitMs })
      shown()
    } else if (chance < 0.2) {
      await sink.down()
      killed.destinations++
      await later(random() * 800)
      await sink.up()
    } else {
      const running = (await statusOf(gateway)).workers!.filter((worker) => worker.running)
      const one = running[Math.floor(random() * running.length)]
      if (one === undefined) continue
      process.kill(one.pid!, 'SIGKILL')
      killed.workers++
      expectBalance(await statusOf(gateway))
    }
  }
  await senders.stop()
  sink.faultsPercent = 0
  const isIdle = async () => {
    const { workers, destinations } = await statusOf(gateway)
    const isDone = Object.values(destinations).every(({ queuedRecords }) => queuedRecords === 0)
    return isDone && workers!.every(({ running }) => running)
  }
  await until(isIdle, waitMs)
  expectBalance(await statusOf(gateway))
  const query = ['query', '--store', 'postgres/c', '--config', config, '--data-dir', dataDir]
  const stored = (await runJson<StoredRecord>(query)).map((row) => String(row.body))
  expect((await gateway.stop()).code).toBe(0)
  await sink.down()

  const { answers, acknowledged } = senders
  console.log(JSON.stringify({ seed, killed, answers, acknowledged: acknowledged.size, repeats: sink.repeats }))
  expect(acknowledged.size).toBeGreaterThan(50)
  const inStore = new Set(stored)
  expect([...acknowledged].filter((one) => !sink.ids.has(one) || !inStore.has(one))).toEqual([])
  expect(stored.length).toBe(inStore.size)
  expect(sink.contradictions).toEqual([])
  expect([...sink.ids].filter(([, ids]) => ids.size > 1)).toEqual([])
}, 3_600_000)
