/**
 * What several workers have in common, each part by itself: quarantine and ledger, clocks, limits, failed authentications, a
 * reload that cannot listen, workers that hang, and the process above them that is killed.
 */
import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { ClockReport } from '../../processors/normalize_clock/report.ts'
import { makeApiKey } from '../../src/receive/authenticate/api_keys.ts'
import type { GatewayStatus } from '../../src/status.ts'
import { passThrough, quickRetry, residency, routed, threeTenants } from '../e2e/configs.ts'
import { cleanUp, files, type Gateway, run, runJson, start, temporaryFolder, until } from '../e2e/gateway.ts'
import { bodiesOf, bytes, getText, record, request, send } from '../e2e/requests.ts'
import { type HttpDestination, httpDestination } from '../exporters/servers.ts'
import { decodeRequest } from '../oracle/otlp.ts'

let local: HttpDestination
let central: HttpDestination
let folder: string
let dataDir: string
beforeEach(async () => {
  local = await httpDestination()
  central = await httpDestination()
  folder = temporaryFolder()
  dataDir = join(folder, 'data')
})
afterEach(async () => {
  await Promise.all([local.close(), central.close()])
})
afterAll(cleanUp)

const withWorkers = (text: string, count = 2): string => text.replace('service:', `service:\n  workers: ${count}`)
const statusOf = async ({ endpoints }: Gateway) =>
  JSON.parse((await getText(endpoints.admin, '/v1/status')).text) as GatewayStatus
const sendOne = async (endpoint: string, tenant: string, text: string, headers: Record<string, string> = {}) =>
  (await send(endpoint, bytes(request(tenant, [record(text)])), headers)).status
const many = (count: number): number[] => Array.from({ length: count }, (_, n) => n)
const arrived = ({ taken }: HttpDestination) => bodiesOf(taken.map(({ body }) => decodeRequest(body)))

test('what is quarantined anywhere is listed, and released by one command; one ledger holds all that left', async () => {
  const config = files(folder, {
    'gateway.yaml': withWorkers(routed(local.url, central.url)),
    'residency.yaml': residency(threeTenants),
  })
  const gateway = await start(config, dataDir)
  const { http } = gateway.endpoints
  for (const n of many(12)) expect(await sendOne(http, n % 2 === 0 ? 'globex' : 'umbrella', `n${n}`)).toBe(200)
  await until(() => central.taken.length > 0 && arrived(central).length === 6)
  const listed = async () => (await runJson(['quarantine', 'list', '--format', 'json', '--data-dir', dataDir]))[0]
  expect(await listed()).toMatchObject({ records: 6, tenants: { umbrella: 6 } })

  files(folder, { 'residency.yaml': residency(`${threeTenants}\n  umbrella: { residency: central }`) })
  await gateway.hears('reloaded')
  const released = await run(['quarantine', 'release', '--data-dir', dataDir])
  expect(JSON.parse(released.stdout)).toEqual({ released: 6, rejected: 0, quarantined: 0 })
  await until(() => arrived(central).length === 12)
  expect(await listed()).toMatchObject({ records: 0 })
  const status = await until(async () => {
    const now = await statusOf(gateway)
    return now.total.in_flight === 0 && now
  })
  expect(status.total).toMatchObject({ received: 12, stored: 12, quarantined: 0 })
  expect((await gateway.stop()).code).toBe(0)

  const verdict = await run(['residency', 'verify', '--data-dir', dataDir])
  expect([verdict.code, verdict.stderr]).toEqual([0, ''])
  const batches = new Set(central.taken.map(({ headers }) => headers['douane-batch-id']))
  expect(verdict.stdout).toContain(String(batches.size))
})

test('a clock that is ahead is one clock, whichever worker its batches meet, also after a restart', async () => {
  const text = passThrough({ otlp_http: `endpoint: "${central.url}", ${quickRetry}` })
    .replace('exporters:', 'processors: { normalize_clock: { mode: correct } }\nexporters:')
    .replace('receivers: [otlp],', 'receivers: [otlp], processors: [normalize_clock],')
  const config = files(folder, { 'gateway.yaml': withWorkers(text) })
  let gateway = await start(config, dataDir)
  const aheadMs = 60_000
  const sendAhead = (): Promise<unknown> => {
    const at = BigInt(Date.now() + aheadMs) * 1_000_000n
    const records = many(3).map((n) => record(`n${n}`, { timeUnixNano: at, observedTimeUnixNano: at }))
    return send(gateway.endpoints.http, bytes(request('acme', records, { 'host.id': 'ahead' })))
  }
  const clocks = async (): Promise<ClockReport> => {
    const [all] = await runJson(['clocks', '--format', 'json', '--data-dir', dataDir])
    return Object.values(all!)[0] as ClockReport
  }
  for (let i = 0; i < 12; i++) await sendAhead()
  const report = await until(async () => {
    await sendAhead()
    const now = await clocks()
    return now.counts.fast === 1 && now
  }, 30_000)
  expect(report.sources).toHaveLength(1)
  expect(Math.abs(report.sources[0]!.offsetMs - aheadMs)).toBeLessThan(1000)
  const page = (await getText(gateway.endpoints.metrics, '/metrics')).text
  expect(page).toMatch(/^douane_normalize_clock_sources_fast\{[^}]*\} 1$/m)
  expect(gateway.told().match(/clock_turned/g)).toHaveLength(1)
  expect((await gateway.stop()).code).toBe(0)

  gateway = await start(config, dataDir)
  central.taken.length = 0
  for (let i = 0; i < 4; i++) {
    await sendAhead()
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  await until(() => central.taken.length > 0)
  const seen = JSON.stringify(
    central.taken.map(({ body }) => decodeRequest(body)),
    (_, value) => (typeof value === 'bigint' ? String(value) : value),
  )
  expect(seen).toContain('future')
  expect((await gateway.stop()).code).toBe(0)
})

test('failed authentications of an address count at all workers', async () => {
  const key = makeApiKey('acme', ['acme'])
  const config = files(folder, {
    'gateway.yaml': withWorkers(routed(local.url, central.url, 'keys.yaml')),
    'residency.yaml': residency(threeTenants),
    'keys.yaml': stringify({ keys: [key.entry] }),
  })
  const { endpoints, stop } = await start(config, dataDir)
  const answers: number[] = []
  for (const n of many(24)) {
    answers.push(await sendOne(endpoints.http, 'acme', `n${n}`, { authorization: 'Bearer dk_wrong' }))
    await new Promise((resolve) => setTimeout(resolve, 120))
  }
  // The limit is 20; each worker alone has seen 12.
  expect(answers.filter((status) => status === 401).length).toBeLessThanOrEqual(21)
  expect(answers.at(-1)).toBe(429)
  await stop()
})

test("a tenant's limits hold for all together", async () => {
  const limits = 'service:\n  limits: { per_tenant: { records_per_second: 5, records_burst: 10 } }'
  const text = passThrough({ otlp_http: `endpoint: "${local.url}", ${quickRetry}` }).replace('service:', limits)
  const { endpoints, stop } = await start(files(folder, { 'gateway.yaml': withWorkers(text) }), dataDir)
  let taken = 0
  const startMs = performance.now()
  while (performance.now() - startMs < 3000) if ((await sendOne(endpoints.http, 'acme', 'one')) === 200) taken++
  const seconds = (performance.now() - startMs) / 1000
  // Burst and rate, and what each worker lets in before it hears of the other.
  expect(taken).toBeGreaterThanOrEqual(10)
  expect(taken).toBeLessThanOrEqual(10 + 5 * seconds + 4)
  await stop()
})

test('a reload that one cannot take, all do not take; a port that is in use, for one', async () => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as net.AddressInfo
  const text = withWorkers(passThrough({ otlp_http: `endpoint: "${local.url}", ${quickRetry}` }))
  const config = files(folder, { 'gateway.yaml': text })
  const gateway = await start(config, dataDir)
  files(folder, {
    'gateway.yaml': text.replace('http: { endpoint: 127.0.0.1:0 }', `http: { endpoint: 127.0.0.1:${port} }`),
  })
  gateway.signal('SIGHUP')
  await until(() => gateway.told().includes('is in use by another program'))
  for (const n of many(6)) expect(await sendOne(gateway.endpoints.http, 'acme', `n${n}`)).toBe(200)
  // One that ends now starts again with the configuration that is in force, not with what the file says.
  const [first] = (await statusOf(gateway)).workers!
  process.kill(first!.pid!, 'SIGKILL')
  await until(
    async () =>
      (await statusOf(gateway)).workers!.every(({ running, restarts }, i) => running && restarts === (i === 0 ? 1 : 0)),
    30_000,
  )
  for (const n of many(6)) expect(await sendOne(gateway.endpoints.http, 'acme', `m${n}`)).toBe(200)
  await until(() => new Set(arrived(local)).size === 12)
  expect((await gateway.stop()).code).toBe(0)
  taken.close()
})

test('a worker that hangs is killed and starts again; what it said last is told meanwhile', async () => {
  const config = files(folder, {
    'gateway.yaml': withWorkers(passThrough({ otlp_http: `endpoint: "${local.url}", ${quickRetry}` })),
  })
  const gateway = await start(config, dataDir)
  const [, second] = (await statusOf(gateway)).workers!
  for (const n of many(6)) expect(await sendOne(gateway.endpoints.http, 'acme', `n${n}`)).toBe(200)
  await until(async () => (await statusOf(gateway)).total.stored === 6)
  process.kill(second!.pid!, 'SIGSTOP')
  const askedMs = performance.now()
  expect((await statusOf(gateway)).total).toMatchObject({ received: 6, stored: 6 })
  expect(performance.now() - askedMs).toBeLessThan(5000)
  await until(() => gateway.told().includes('worker_stuck'), 60_000)
  await until(
    async () => (await statusOf(gateway)).workers![1]!.restarts === 1 && (await statusOf(gateway)).workers![1]!.running,
    30_000,
  )
  expect((await gateway.stop()).code).toBe(0)
})

test('a stop drains all within the bound of one, and tells what all of them leave', async () => {
  const { url } = central
  await central.close()
  const text = withWorkers(passThrough({ otlp_http: `endpoint: "${url}", ${quickRetry}` }))
  const gateway = await start(files(folder, { 'gateway.yaml': text }), dataDir)
  for (const n of many(6)) expect(await sendOne(gateway.endpoints.http, 'acme', `n${n}`)).toBe(200)
  const { code, stderr } = await gateway.stop()
  expect([code, stderr]).toEqual([0, expect.stringContaining('6 records are left')])
  central = await httpDestination()
  files(folder, { 'gateway.yaml': text.replace(url, central.url) })
  const next = await start(join(folder, 'gateway.yaml'), dataDir)
  await until(() => arrived(central).length === 6)
  expect((await next.stop()).code).toBe(0)
})

test('when the process above is killed its workers end, and the next start finds all that was acknowledged', async () => {
  await central.close()
  central = await httpDestination()
  const away = await httpDestination()
  const { url } = away
  await away.close()
  const text = (endpoint: string) => withWorkers(passThrough({ otlp_http: `endpoint: "${endpoint}", ${quickRetry}` }))
  const config = files(folder, { 'gateway.yaml': text(url) })
  for (let life = 0; life < 3; life++) {
    const gateway = await start(config, dataDir)
    for (const n of many(6)) expect(await sendOne(gateway.endpoints.http, 'acme', `${life} ${n}`)).toBe(200)
    await gateway.kill()
  }
  files(folder, { 'gateway.yaml': text(central.url) })
  const last = await start(config, dataDir)
  await until(() => arrived(central).length === 18)
  expect(new Set(arrived(central)).size).toBe(18)
  expect((await last.stop()).code).toBe(0)
})
