/**
 * From the sender's answer to the destination: both protocols, refusals, destinations that are away, what health and
 * metrics tell of it, and that nothing which waits on disk can be read there.
 */
import { readdirSync, readFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GatewayStatus } from '../../src/status.ts'
import { type GrpcDestination, grpcDestination, type HttpDestination, httpDestination } from '../exporters/servers.ts'
import { decodeRequest } from '../oracle/otlp.ts'
import { passThrough, quickRetry } from './configs.ts'
import { cleanUp, files, type Gateway, start, temporaryFolder, until } from './gateway.ts'
import { bodiesOf, bytes, getText, record, request, send } from './requests.ts'

const arrived = ({ taken }: { taken: HttpDestination['taken'] }) =>
  bodiesOf(taken.map(({ body }) => decodeRequest(body)))
const statusOf = async ({ endpoints }: Gateway) =>
  JSON.parse((await getText(endpoints.admin, '/v1/status')).text) as GatewayStatus

afterAll(cleanUp)

describe('several destinations', () => {
  let gateway: Gateway
  let good: HttpDestination
  let grpc: GrpcDestination
  let refuses: HttpDestination
  let dead: { url: string; port: number }
  const sent = Array.from({ length: 20 }, (_, n) => `canary-body ${n}`)
  beforeAll(async () => {
    good = await httpDestination()
    grpc = await grpcDestination()
    refuses = await httpDestination()
    refuses.script.push(...Array.from({ length: 100 }, () => ({ status: 400 })))
    good.script.push({ status: 503 }, { fault: 'reset' }, { status: 429, headers: { 'retry-after': '1' } })
    grpc.script.push({ code: 14 }, { code: 14 })
    dead = await freePort()
    const folder = temporaryFolder()
    const config = passThrough({
      'otlp_http/good': `endpoint: "${good.url}", ${quickRetry}`,
      'otlp_grpc/good': `endpoint: "${grpc.endpoint}", tls: { insecure: true }, ${quickRetry}`,
      'otlp_http/refuses': `endpoint: "${refuses.url}", ${quickRetry}`,
      'otlp_http/dead': `endpoint: "${dead.url}", ${quickRetry}`,
    })
    gateway = await start(files(folder, { 'gateway.yaml': config }), join(folder, 'data'))
    for (const text of sent) {
      const one = request('acme', [record(text, { with: { 'canary.key': 'canary-value' } })], {
        canary: 'canary-resource',
      })
      expect((await send(gateway.endpoints.http, bytes(one))).status).toBe(200)
    }
  })
  afterAll(async () => {
    await Promise.all([good.close(), grpc.close(), refuses.close()])
  })

  it.each([
    ['otlp_http', () => good, 3],
    ['otlp_grpc', () => grpc, 2],
  ] as const)('%s gets every record, whatever the others do; an attempt that is repeated has its id', async (_, of, failed) => {
    const { taken } = of()
    await until(() => new Set(arrived({ taken })).size === sent.length, 20_000)
    const ids = taken.map(({ headers }) => headers['douane-batch-id']!)
    expect(ids.every((id) => id.length > 8)).toBe(true)
    const bodies = new Map(taken.map(({ headers, body }) => [headers['douane-batch-id']!, body]))
    expect([...bodies.values()].flatMap((body) => bodiesOf([decodeRequest(body)])).sort()).toEqual([...sent].sort())
    for (const { headers, body } of taken) expect(body.equals(bodies.get(headers['douane-batch-id']!)!)).toBe(true)
    expect(ids.length - new Set(ids).size).toBe(failed)
  })

  it('what a destination refuses for good is a dead letter, tried once and told', async () => {
    const { destinations } = await until(async () => {
      const status = await statusOf(gateway)
      return status.destinations['otlp_http/refuses']!.deadLetters.records === sent.length && status
    })
    expect(destinations['otlp_http/refuses']!.queuedRecords).toBe(0)
    expect(arrived(refuses).sort()).toEqual([...new Set(arrived(refuses))].sort())
    expect(gateway.told()).toContain('"event":"dead_lettered"')
  })

  it('a destination that is away keeps its queue, and the account counts each record once', async () => {
    const { total, destinations } = await statusOf(gateway)
    expect(destinations['otlp_http/dead']!.queuedRecords).toBe(sent.length)
    expect(total).toMatchObject({ received: sent.length, stored: sent.length, in_flight: 0 })
  })

  it('queues and dead letters show nothing in the clear, our own log neither', () => {
    let seen = 0
    const visit = (folder: string): void => {
      for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
        if (!entry.isFile()) continue
        const content = readFileSync(join(entry.parentPath, entry.name))
        expect(content.includes('canary'), entry.name).toBe(false)
        if (content.length > 1000) seen++
      }
    }
    visit(gateway.dataDir)
    // A queue and a dead letter at least.
    expect(seen).toBeGreaterThan(1)
    expect(gateway.told()).not.toContain('canary')
  })

  it('metrics have the names of the Collector, and say the same', async () => {
    const { text } = await getText(gateway.endpoints.metrics, '/metrics')
    const value = (name: string, ...labels: string[]) =>
      text
        .split('\n')
        .filter(
          (line) => line.replace('_total{', '{').startsWith(`${name}{`) && labels.every((one) => line.includes(one)),
        )
        .map((line) => Number(line.split(' ').at(-1)))[0]
    expect(value('otelcol_receiver_accepted_log_records', 'receiver="otlp"', 'transport="http"')).toBe(sent.length)
    expect(value('otelcol_exporter_sent_log_records', 'exporter="otlp_http/good"')).toBe(sent.length)
    expect(value('otelcol_exporter_send_failed_log_records', 'exporter="otlp_http/refuses"')).toBe(sent.length)
    expect(value('otelcol_exporter_queue_size', 'exporter="otlp_http/dead"')).toBeGreaterThan(1000)
    expect(value('otelcol_exporter_queue_capacity', 'exporter="otlp_http/dead"')).toBe(2 ** 30)
    for (const name of ['otelcol_process_uptime', 'otelcol_process_cpu_seconds', 'otelcol_process_memory_rss']) {
      expect(text).toMatch(new RegExp(`^${name}(_total)? \\S`, 'm'))
    }
  })

  it('health is red within 12 s, says why, and is green again when the destination is back', async () => {
    const { health } = gateway.endpoints
    const red = await until(async () => {
      const answer = await getText(health, '/')
      return answer.status === 503 && answer
    }, 12_000)
    expect(JSON.parse(red.text).components['exporter otlp_http/dead']).toMatchObject({ status: 'failing' })
    expect(JSON.parse(red.text).components['exporter otlp_http/good']).toMatchObject({ status: 'ok' })
    let taken = 0
    const server = http.createServer((incoming, response) => {
      incoming.resume().on('end', () => {
        taken++
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
      })
    })
    server.listen(dead.port, '127.0.0.1')
    await until(async () => (await getText(health, '/')).status === 200)
    expect(taken).toBeGreaterThan(0)
    await until(async () => (await statusOf(gateway)).destinations['otlp_http/dead']!.queuedRecords === 0)
    expect((await gateway.stop()).code).toBe(0)
    server.closeAllConnections()
    server.close()
  })
})

describe('without a queue', () => {
  it('200 comes only after the destination took it; until then the sender is told to come again', async () => {
    const sink = await httpDestination()
    const folder = temporaryFolder()
    const options = `endpoint: "${sink.url}", ${quickRetry}, sending_queue: { enabled: false }`
    const config = files(folder, { 'gateway.yaml': passThrough({ otlp_http: options }) })
    const gateway = await start(config, join(folder, 'data'))
    const one = bytes(request('acme', [record('one')]))
    const { http: endpoint } = gateway.endpoints
    expect((await send(endpoint, one)).status).toBe(200)
    expect(arrived(sink)).toEqual(['one'])

    sink.script.push({ status: 503 })
    const away = await send(endpoint, one)
    expect([away.status, Number(away.headers['retry-after'])]).toEqual([503, expect.any(Number)])
    expect(Number(away.headers['retry-after'])).toBeGreaterThan(0)
    await until(async () => (await send(endpoint, one)).status === 200)

    sink.script.push({ status: 400 })
    expect((await send(endpoint, one)).status).toBe(400)
    const { total } = await statusOf(gateway)
    const { received, ...rest } = total
    expect(Object.values(rest).reduce((sum, n) => sum + n)).toBe(received)
    expect((await gateway.stop()).code).toBe(0)
    await sink.close()
  })
})

/** A port that nobody listens on now. */
async function freePort(): Promise<{ url: string; port: number }> {
  const server = http.createServer().listen(0, '127.0.0.1')
  await until(() => server.listening)
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return { url: `http://127.0.0.1:${port}`, port }
}
