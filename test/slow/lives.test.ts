/**
 * The quickstart killed in its first seconds, over and over; an account that balances at every moment, kills included;
 * a store that cannot be reached at the start.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import type { StoredRecord } from '../../exporters/postgres/query.ts'
import type { GatewayStatus } from '../../src/status.ts'
import { passThrough, quickRetry } from '../e2e/configs.ts'
import { cleanUp, files, type Gateway, later, run, runJson, start, temporaryFolder, until } from '../e2e/gateway.ts'
import { bytes, getText, record, request, send } from '../e2e/requests.ts'
import { httpDestination } from '../exporters/servers.ts'

const quickstart = join(import.meta.dirname, '../../config/quickstart.yaml')
const freePorts = `
receivers: { otlp: { protocols: { grpc: { endpoint: 127.0.0.1:0 }, http: { endpoint: 127.0.0.1:0 } } } }
extensions: { health_check: { endpoint: 127.0.0.1:0 }, admin: { endpoint: 127.0.0.1:0 } }
service: { telemetry: { metrics: { endpoint: 127.0.0.1:0 } } }
`
afterAll(cleanUp)

const statusOf = async ({ endpoints }: Gateway) =>
  JSON.parse((await getText(endpoints.admin, '/v1/status')).text) as GatewayStatus

it('killed at any moment of its first start, with PostgreSQL being made, it starts again and keeps what it took', async () => {
  const folder = temporaryFolder()
  const ports = files(folder, { 'ports.yaml': freePorts })
  const configs = [quickstart, ports]
  const dataDir = join(folder, 'data')
  const taken: string[] = []
  for (const [round, afterMs] of [0, 150, 300, 600, 1000, 1500, 2500, 4000].entries()) {
    const gateway = await start(configs, dataDir, { waitMs: 90_000 })
    const endMs = performance.now() + afterMs
    do {
      const mark = `${round}.${taken.length}`
      const one = request('acme', [record('text', { eventName: 'document.opened', with: { mark } })])
      if ((await send(gateway.endpoints.http, bytes(one))).status === 200) taken.push(mark)
      await later(20)
    } while (performance.now() < endMs)
    await gateway.kill()
  }
  const last = await start(configs, dataDir, { waitMs: 90_000 })
  await until(async () => (await statusOf(last)).total.in_flight === 0, 60_000)
  const shared = ['--config', quickstart, '--config', ports, '--data-dir', dataDir]
  const rows = await runJson<StoredRecord>(['query', '--store', 'postgres/eu_de', '--format', 'json', ...shared])
  expect(rows.map(({ attributes }) => attributes['mark']).sort()).toEqual(taken.sort())
  expect((await last.stop()).code).toBe(0)
})

it('the account balances whenever it is looked at, under load, refusals and kill -9', async () => {
  const good = await httpDestination()
  const bad = await httpDestination()
  const folder = temporaryFolder()
  const config = files(folder, {
    'gateway.yaml': passThrough({
      'otlp_http/bad': `endpoint: "${bad.url}", ${quickRetry}`,
      'otlp_http/good': `endpoint: "${good.url}", ${quickRetry}`,
    }),
  })
  const answers = [200, 503, 400, 200, 429, 500]
  const feed = setInterval(() => {
    while (bad.script.length < 100) bad.script.push({ status: answers[bad.taken.length % answers.length]! })
  }, 1)
  for (let round = 0; round < 3; round++) {
    const gateway = await start(config, join(folder, 'data'))
    let isOver = false
    const load = Array.from({ length: 4 }, async (_, worker) => {
      while (!isOver) {
        const records = Array.from({ length: 1 + worker }, () => record('x'))
        await send(gateway.endpoints.http, bytes(request(`t${worker}`, records))).catch(() => {})
      }
    })
    for (let look = 0; look < 60; look++) {
      const { total, tenants } = await statusOf(gateway)
      for (const { received, ...rest } of [total, ...Object.values(tenants)]) {
        expect(Object.values(rest).every((count) => count >= 0)).toBe(true)
        expect(Object.values(rest).reduce((sum, n) => sum + n)).toBe(received)
      }
      await later(20)
    }
    isOver = true
    await Promise.all(load)
    if (round < 2) await gateway.kill()
    else {
      await until(async () => (await statusOf(gateway)).total.in_flight === 0, 30_000)
      expect((await gateway.stop()).code).toBe(0)
    }
  }
  clearInterval(feed)
  await Promise.all([good.close(), bad.close()])
})

it('a PostgreSQL that cannot be reached: records wait, health is red and says so, query ends with 3', async () => {
  const folder = temporaryFolder()
  const config = files(folder, {
    'gateway.yaml': passThrough({ postgres: 'url: "postgres://u@127.0.0.1:1/x", region: eu' }),
  })
  const dataDir = join(folder, 'data')
  const first = await run(['run', '--config', config, '--data-dir', dataDir])
  expect([first.code, first.stderr]).toEqual([3, expect.stringContaining('exporters.postgres.url')])
  // As after a start that reached it: from then on it is an outage, and no mistake.
  writeFileSync(join(dataDir, 'queue', 'postgres', 'reached'), '')
  const gateway = await start(config, dataDir)
  const red = await until(async () => {
    const answer = await getText(gateway.endpoints.health, '/')
    return answer.status === 503 && answer
  }, 15_000)
  expect(JSON.parse(red.text).components['exporter postgres']).toMatchObject({ status: 'failing' })
  expect((await send(gateway.endpoints.http, bytes(request('acme', [record('x')])))).status).toBe(200)
  expect((await statusOf(gateway)).total).toMatchObject({ received: 1, in_flight: 1 })
  const query = await run(['query', '--config', config, '--data-dir', dataDir])
  expect([query.code, query.stderr]).toEqual([3, expect.stringContaining('url')])
  expect((await gateway.stop()).code).toBe(0)
})
