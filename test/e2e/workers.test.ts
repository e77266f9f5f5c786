/**
 * A gateway of two workers as users run it: one program to its operator, whichever worker a sender meets, and whatever
 * becomes of it. What they have in common: test/slow/workers.test.ts; many kills: test/slow/faults/workers.test.ts.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { GatewayStatus } from '../../src/status.ts'
import { type HttpDestination, httpDestination } from '../exporters/servers.ts'
import { decodeRequest } from '../oracle/otlp.ts'
import { callOnce } from '../receive/grpc_client.ts'
import { passThrough, quickRetry } from './configs.ts'
import { cleanUp, files, later, run, start, temporaryFolder, until } from './gateway.ts'
import { bodiesOf, bytes, getText, record, request, send } from './requests.ts'

let sink: HttpDestination
let folder: string
let dataDir: string
beforeEach(async () => {
  sink = await httpDestination()
  folder = temporaryFolder()
  dataDir = join(folder, 'data')
})
afterEach(() => sink.close())
afterAll(cleanUp)

const config = (workers: number, more = '', { url } = sink): string =>
  passThrough({ otlp_http: `endpoint: "${url}", ${quickRetry}` }).replace(
    'service:',
    `service:\n  workers: ${workers}${more}`,
  )
const write = (text: string): string => files(folder, { 'gateway.yaml': text })

const statusAt = async (admin: string): Promise<GatewayStatus> =>
  JSON.parse((await getText(admin, '/v1/status')).text) as GatewayStatus
/** By batch id, as a store keeps them. */
const arrivedAt = (...sinks: HttpDestination[]): string[] => {
  const taken = sinks.flatMap((one) => one.taken)
  const byId = new Map(taken.map(({ headers, body }) => [headers['douane-batch-id'], body]))
  return bodiesOf([...byId.values()].map((body) => decodeRequest(body))).sort()
}
/** On a connection of its own, so that they meet both workers; undefined: the connection was cut. */
const sendOne = async (endpoint: string, text: string, tenant = 'acme'): Promise<number | undefined> =>
  send(endpoint, bytes(request(tenant, [record(text)]))).then(
    ({ status }) => status,
    () => undefined,
  )
const texts = (count: number, name = 'n'): string[] => Array.from({ length: count }, (_, n) => `${name}${n}`)

function expectBalance({ total, tenants }: GatewayStatus): void {
  for (const { received, ...became } of [total, ...Object.values(tenants)]) {
    expect(received).toBe(Object.values(became).reduce((sum, records) => sum + records, 0))
  }
}

/** Sends one after the other, several at a time, until told to stop; gives what was acknowledged. */
function load(endpoint: string, name: string) {
  const acknowledged: string[] = []
  let isOver = false
  const senders = Array.from({ length: 4 }, async (_, sender) => {
    for (let n = 0; !isOver; n++) {
      const text = `${name}-${sender}-${n}`
      const status = await sendOne(endpoint, text)
      if (status === 200) acknowledged.push(text)
    }
  })
  return async (): Promise<string[]> => {
    isOver = true
    await Promise.all(senders)
    return acknowledged
  }
}

describe('two workers', () => {
  it('are one gateway to its senders and its operator, also when one is killed, at a reload and at the end', async () => {
    const other = await httpDestination()
    const gateway = await start(write(config(2)), dataDir)
    const { http, metrics, health, admin } = gateway.endpoints
    const page = async () => (await getText(metrics, '/metrics')).text

    const sent = texts(30)
    expect(await Promise.all(sent.map((text) => sendOne(http, text)))).toEqual(sent.map(() => 200))
    const status = await until(async () => {
      const now = await statusAt(admin)
      return now.total.stored === 30 && now
    })
    expect(status.total).toMatchObject({ received: 30, in_flight: 0 })
    expect(arrivedAt(sink)).toEqual(sent.toSorted())
    expect(await page()).toMatch(/^otelcol_receiver_accepted_log_records\{[^}]*transport="http"[^}]*\} 30$/m)
    expect(await page()).toMatch(/^douane_account_records\{tenant="acme",state="stored"\} 30$/m)
    // Connections are handed out in turn, so both have a part of it.
    for (const part of ['.', 'workers/2']) expect(existsSync(join(dataDir, part, 'queue/otlp_http/acks'))).toBe(true)

    const end = load(http, 'killed')
    await later(200)
    process.kill(status.workers![1]!.pid!, 'SIGKILL')
    await until(async () => (await statusAt(admin)).workers![1]!.restarts === 1)
    expectBalance(await statusAt(admin))
    await until(async () => (await statusAt(admin)).workers![1]!.running)
    await later(100)
    for (const n of [0, 1]) {
      const body = bytes(request('acme', [record(`grpc ${n}`)]))
      expect((await callOnce(gateway.endpoints.grpc, body)).code).toBe(0)
    }
    const acknowledged = [...sent, 'grpc 0', 'grpc 1', ...(await end())]
    await until(() => {
      const arrived = new Set(arrivedAt(sink))
      return acknowledged.every((text) => arrived.has(text))
    })
    await until(async () => (await statusAt(admin)).total.in_flight === 0)
    const after = await statusAt(admin)
    expectBalance(after)
    expect(after.total.stored).toBeGreaterThanOrEqual(30)
    expect(await page()).toMatch(/^douane_workers 2$/m)
    expect(await page()).toMatch(/^douane_worker_restarts 1$/m)
    expect((await getText(health, '/')).status).toBe(200)

    write(config(2).replace('endpoint: "http', 'endpont: "http'))
    gateway.signal('SIGHUP')
    await until(() => /gateway\.yaml:\d+:\d+ [^"]*endpont/.exec(gateway.told()))
    expect(gateway.told().match(/did you mean endpoint/g)).toHaveLength(1)
    write(config(2, '', other))
    gateway.signal('SIGHUP')
    await gateway.hears('reloaded')
    const more = texts(10, 'reloaded')
    expect(await Promise.all(more.map((text) => sendOne(http, text)))).toEqual(more.map(() => 200))
    const { code, stderr } = await gateway.stop()
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('are left')])
    expect(arrivedAt(other)).toEqual(more.toSorted())
    expect(arrivedAt(sink, other)).toEqual(expect.arrayContaining(acknowledged))
    await other.close()
  })

  it('fewer of them at the next start take over what the others left, dead letters included', async () => {
    sink.script.push({ status: 400 }, { status: 400 })
    const first = await start(write(config(2)), dataDir)
    await Promise.all(texts(2, 'dead').map((text) => sendOne(first.endpoints.http, text)))
    await until(async () => (await statusAt(first.endpoints.admin)).total.dead_lettered === 2)
    sink.script.push(...Array.from({ length: 500 }, () => ({ status: 503 })))
    const sent = texts(10)
    expect(await Promise.all(sent.map((text) => sendOne(first.endpoints.http, text)))).toEqual(sent.map(() => 200))
    await first.kill()
    expect(existsSync(join(dataDir, 'workers/2/queue/otlp_http'))).toBe(true)

    sink.script.length = 0
    sink.taken.length = 0
    const second = await start(write(config(1)), dataDir)
    await until(() => arrivedAt(sink).length === 10)
    expect(arrivedAt(sink)).toEqual(sent.toSorted())
    const letters = await run(['dead-letters', 'retry', '--data-dir', dataDir])
    expect(letters.stdout).toContain('"batches":2')
    await until(() => arrivedAt(sink).length === 12)
    // What is empty goes.
    await until(() => !existsSync(join(dataDir, 'workers/2/queue/otlp_http')))
    expectBalance(await statusAt(second.endpoints.admin))
    expect((await second.stop()).code).toBe(0)
  })
})
