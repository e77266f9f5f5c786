/**
 * The whole gateway through faults: kill -9 under load of all of it or of one of its workers, its PostgreSQL killed,
 * destinations that go down, refuse, or take a batch and cut the line. Three OTLP destinations (one with a small queue, one without any, so that they often
 * refuse what the others take) and a PostgreSQL. `FAULT_SECONDS` sets how long (25 without it, 600 with `FAULTS=long`),
 * `GATEWAY_KILLS` ends it when all of the gateway was killed so often, half of all faults then, `SEED` what happens when,
 * `WORKERS` how many processes (2 without it). In a tenth of its kills it is killed once more while it starts.
 *
 * At the end: nothing acknowledged is missing anywhere; PostgreSQL holds nothing twice; an OTLP destination got a record
 * under one batch id only, and a batch id always with the same records. Without a queue nobody can know what a
 * destination took when the line is cut: there only the first is held.
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { StoredRecord } from '../../../exporters/postgres/query.ts'
import type { GatewayStatus } from '../../../src/status.ts'
import { passThrough, quickRetry } from '../../e2e/configs.ts'
import {
  cleanUp,
  files,
  type Gateway,
  later,
  launch,
  runJson,
  start,
  temporaryFolder,
  until,
} from '../../e2e/gateway.ts'
import { bytes, getText, record, request, send } from '../../e2e/requests.ts'
import { seeded } from '../../pipeline/queue/support.ts'
import { Senders } from './senders.ts'
import { Sink } from './sink.ts'

const gatewayKills = Number(process.env['GATEWAY_KILLS'] ?? 0)
const long = gatewayKills > 0 ? 7200 : 600
const seconds = Number(
  process.env['FAULT_SECONDS'] ?? (process.env['FAULTS'] === 'long' || gatewayKills > 0 ? long : 25),
)
/** Long, so that it may run beside other work, and be stopped for a while. */
const waitMs = 600_000
const workers = Number(process.env['WORKERS'] ?? 2)
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000)
const random = seeded(seed)

const mounted: string[] = []
afterAll(async () => {
  for (const dir of mounted) execFileSync('umount', ['-l', dir])
  await cleanUp()
})

/** Kills one of the gateway's workers, if there is one to kill now. */
async function killWorker(gateway: Gateway): Promise<boolean> {
  const alive = ((await statusOf(gateway)).workers ?? []).filter(({ running }) => running)
  const pid = alive[Math.floor(random() * alive.length)]?.pid
  return typeof pid === 'number' && process.kill(pid, 'SIGKILL')
}

const statusOf = async ({ endpoints }: Gateway) =>
  JSON.parse((await getText(endpoints.admin, '/v1/status')).text) as GatewayStatus

/** Whether there was one to kill. The file may be left of an earlier one: only a process that works in there is meant. */
function killPostgres(dataDir: string): boolean {
  const found = readdirSync(join(dataDir, 'postgres'), { recursive: true, encoding: 'utf8' })
  const file = found.find((path) => path.endsWith('postmaster.pid'))
  try {
    const pid = Number(readFileSync(join(dataDir, 'postgres', file!), 'utf8').split('\n')[0])
    if (!readlinkSync(`/proc/${pid}/cwd`).startsWith(dataDir)) return false
    return process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}

interface Rig {
  readonly config: string
  readonly dataDir: string
  readonly sinks: readonly Sink[]
  readonly senders: Senders
}

/** Starts the gateway, and kills it and what is around it until it is enough. */
async function breakThings({ config, dataDir, sinks, senders }: Rig) {
  const killed = { gateway: 0, starting: 0, workers: 0, postgres: 0, destinations: 0 }
  const [untilWorker, untilGateway, untilPostgres] = gatewayKills > 0 ? [0.15, 0.65, 0.85] : [0.2, 0.45, 0.7]
  let startMsMax = 0
  let life = 0
  const begin = async () => {
    const startMs = performance.now()
    const begun = await start(config, dataDir, { waitMs })
    startMsMax = Math.max(startMsMax, Math.round(performance.now() - startMs))
    senders.place = { http: begun.endpoints.http, life: ++life }
    return begun
  }
  let gateway = await begin()
  const endMs = performance.now() + seconds * 1000
  const isEnough = () => gatewayKills > 0 && killed.gateway >= gatewayKills
  while (!isEnough() && performance.now() < endMs) {
    for (const sink of sinks) sink.faultsPercent = random() < 0.5 ? 20 : 0
    await later(100 + random() * 1200)
    const chance = random()
    if (chance < untilWorker!) {
      if (await killWorker(gateway)) killed.workers++
    } else if (chance < untilGateway!) {
      await gateway.kill()
      senders.place = undefined
      killed.gateway++
      if (random() < 0.1) killed.starting += await killStarting(config, dataDir)
      gateway = await begin()
    } else if (chance < untilPostgres!) {
      if (killPostgres(dataDir)) killed.postgres++
    } else {
      const sink = sinks[Math.floor(random() * 3)]!
      await sink.down()
      killed.destinations++
      await later(random() * 800)
      await sink.up()
    }
  }
  return { gateway, killed, startMsMax }
}

/** Kills a gateway within its first two seconds, ready or not. */
async function killStarting(config: string, dataDir: string): Promise<number> {
  const child = launch(['run', '--config', config, '--data-dir', dataDir])
  child.stdout!.resume()
  child.stderr!.resume()
  const ended = once(child, 'exit')
  await later(random() * 2000)
  child.kill('SIGKILL')
  await ended
  return 1
}

test(`whatever is killed in ${gatewayKills || seconds} ${gatewayKills > 0 ? 'kills' : 's'} (seed ${seed}), what was acknowledged is everywhere, once`, async () => {
  const [a, b, unqueued] = [new Sink(random), new Sink(random), new Sink(random)]
  const sinks = [a, b, unqueued]
  await Promise.all(sinks.map((sink) => sink.up()))
  const folder = temporaryFolder()
  const config = files(folder, {
    'gateway.yaml': passThrough({
      'otlp_http/a': `endpoint: "${a.url}", compression: none, ${quickRetry}`,
      'otlp_http/b': `endpoint: "${b.url}", compression: none, ${quickRetry}, sending_queue: { queue_size: 3KiB }`,
      'otlp_http/unqueued': `endpoint: "${unqueued.url}", compression: none, ${quickRetry}, sending_queue: { enabled: false }`,
      'postgres/c': `url: embedded, database: c, ${quickRetry}`,
    }).replace('service:', `service:\n  workers: ${workers}`),
  })
  const dataDir = join(folder, 'data')
  const senders = new Senders(8, 5)
  const startedMs = performance.now()
  const { gateway, killed, startMsMax } = await breakThings({ config, dataDir, sinks, senders })
  await senders.stop()
  for (const sink of sinks) sink.faultsPercent = 0
  const idle = async () => Object.values((await statusOf(gateway)).destinations).every((one) => one.queuedRecords === 0)
  await until(idle, waitMs)
  const { total, tenants } = await statusOf(gateway)
  for (const { received, ...became } of [total, ...Object.values(tenants)]) {
    expect(received).toBe(Object.values(became).reduce((sum, records) => sum + records, 0))
  }
  const rows = await runJson<StoredRecord>([
    'query',
    '--store',
    'postgres/c',
    '--config',
    config,
    '--data-dir',
    dataDir,
  ])
  const stored = rows.map((row) => String(row.body))
  await gateway.stop()
  await Promise.all(sinks.map((sink) => sink.down()))

  const tookSeconds = Math.round((performance.now() - startedMs) / 1000)
  const { answers, acknowledged } = senders
  const told = { seed, tookSeconds, killed, startMsMax, answers, acknowledged: acknowledged.size }
  console.log(JSON.stringify({ ...told, repeats: [a.repeats, b.repeats], rows: stored.length }))
  expectEverywhere(senders, [a, b], unqueued, stored)
}, 7_200_000)

/** Every acknowledged record is in every destination, and comes twice only under the batch id that it came under first. */
function expectEverywhere(senders: Senders, queued: readonly Sink[], unqueued: Sink, stored: readonly string[]): void {
  expect(senders.acknowledged.size).toBeGreaterThan(50)
  expect(senders.withoutTime).toBe(0)
  const missing = (there: { has(record: string): boolean }) =>
    [...senders.acknowledged].filter((one) => !there.has(one))
  for (const sink of queued) {
    expect(missing(sink.ids)).toEqual([])
    expect(sink.contradictions).toEqual([])
    expect([...sink.ids].filter(([, ids]) => ids.size > 1)).toEqual([])
  }
  expect(missing(unqueued.ids)).toEqual([])
  expect(missing(new Set(stored))).toEqual([])
  expect(stored.length - new Set(stored).size).toBe(0)
}

/** A file system of four megabytes, where we may mount one: none otherwise. */
function smallDisks(): string[] {
  const dir = temporaryFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dir], { stdio: 'ignore' })
  } catch {
    return []
  }
  mounted.push(dir)
  return [dir]
}

test.each(
  smallDisks(),
)('a full disk: told to come back, health red; once delivered it works again by itself', async (disk) => {
  const sink = new Sink(random)
  await sink.up()
  await sink.down()
  const options = `endpoint: "${sink.url}", compression: none, ${quickRetry}`
  const config = files(temporaryFolder(), { 'gateway.yaml': passThrough({ 'otlp_http/a': options }) })
  const gateway = await start(config, join(disk, 'data'))
  const acknowledged: string[] = []
  let n = 0
  const offer = async () => {
    const text = `${n++} ${'x'.repeat(200_000)}`
    const reply = await send(gateway.endpoints.http, bytes(request('acme', [record(text)])))
    if (reply.status === 200) acknowledged.push(text)
    return reply
  }
  const refused = await until(async () => {
    const reply = await offer()
    return reply.status !== 200 && reply
  })
  expect(refused.status).toBe(503)
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  expect(acknowledged.length).toBeGreaterThan(5)
  const health = async () => (await getText(gateway.endpoints.health, '/')).status
  await until(async () => (await health()) === 503)
  expect((await statusOf(gateway)).destinations['otlp_http/a']!.diskFailing).toBe('ENOSPC')
  await sink.up()
  await until(async () => (await offer()).status === 200, 30_000)
  await until(async () => (await health()) === 200)
  await until(() => acknowledged.every((one) => sink.ids.has(one)), 30_000)
  expect([...sink.ids.values()].every((ids) => ids.size === 1)).toBe(true)
  await gateway.stop()
  await sink.down()
})
