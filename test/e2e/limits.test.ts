/**
 * Limits of tenants through the whole gateway, and its own metrics: each one moves when what it counts happens. Also
 * `status --watch`, and options that are refused instead of being ignored.
 */

import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GatewayStatus } from '../../src/status.ts'
import { type HttpDestination, httpDestination } from '../exporters/servers.ts'
import { callOnce } from '../receive/grpc_client.ts'
import { passThrough, quickRetry } from './configs.ts'
import { cleanUp, files, type Gateway, launch, start, temporaryFolder, until } from './gateway.ts'
import { bytes, getText, record, request, send } from './requests.ts'

afterAll(cleanUp)

const limits = (text: string): string => `service: { limits: { ${text} } }\n`
const of = (tenant: string, records: number): Buffer =>
  bytes(
    request(
      tenant,
      Array.from({ length: records }, (_, n) => record(`line ${n}`)),
    ),
  )

describe('limits of tenants', () => {
  let gateway: Gateway
  beforeAll(async () => {
    const folder = temporaryFolder()
    const config = join(folder, 'gateway.yaml')
    const more = join(folder, 'limits.yaml')
    files(folder, {
      'gateway.yaml': passThrough({ nop: '' }),
      'limits.yaml': limits(
        'per_tenant: { records_per_second: 2, records_burst: 100 }, tenants: { big: { records_per_second: 100000 } }',
      ),
    })
    gateway = await start([config, more], join(folder, 'data'))
  })

  it('a noisy tenant is told to wait, on both transports; others are served meanwhile, and it is later', async () => {
    const { http } = gateway.endpoints
    expect((await send(http, of('noisy', 110))).status).toBe(200)
    const refused = await send(http, of('noisy', 1))
    expect(refused.status).toBe(429)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    const called = await callOnce(gateway.endpoints.grpc, of('noisy', 1))
    expect(called.code).toBe(8)
    expect(called.details?.retryInfo?.retryDelay).toBeDefined()
    // Ten records too many are five seconds of waiting: enough for this, also on a busy machine.
    for (let n = 0; n < 8; n++) {
      const answers = await Promise.all([
        send(http, of('noisy', 1)),
        send(http, of('quiet', 1)),
        send(http, of('big', 500)),
      ])
      expect(answers.map(({ status }) => status)).toEqual([429, 200, 200])
    }
    await until(async () => (await send(http, of('noisy', 1))).status === 200, 20_000)
  })

  it('metrics count them as refused, the account not at all', async () => {
    const status = JSON.parse((await getText(gateway.endpoints.admin, '/v1/status')).text) as GatewayStatus
    expect(status.tenants['noisy']!.received).toBe(111)
    const { text } = await getText(gateway.endpoints.metrics, '/metrics')
    const refused = /^otelcol_receiver_refused_log_records(?:_total)?\{[^}]*http[^}]*\} (\d+)/m.exec(text)?.[1]
    expect(Number(refused)).toBeGreaterThanOrEqual(9)
  })
})

describe('metrics', () => {
  let gateway: Gateway
  let takes: HttpDestination
  let refuses: HttpDestination
  let before: Map<string, number>
  let config: string
  const read = async () => {
    const { text } = await getText(gateway.endpoints.metrics, '/metrics')
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
    )
  }
  /** By how much all series of a metric with these labels grew. */
  const grew = (now: Map<string, number>, name: string, ...labels: string[]): number => {
    const isMeant = (series: string) =>
      series.replace('_total{', '{').startsWith(`${name}{`) && labels.every((label) => series.includes(`"${label}"`))
    const sum = (all: Map<string, number>) => [...all].reduce((s, [series, n]) => s + (isMeant(series) ? n : 0), 0)
    return sum(now) - sum(before)
  }

  beforeAll(async () => {
    takes = await httpDestination()
    refuses = await httpDestination()
    refuses.script.push(...Array.from({ length: 50 }, () => ({ status: 400 })))
    const folder = temporaryFolder()
    const exporters = {
      'otlp_http/takes': `endpoint: "${takes.url}", ${quickRetry}`,
      'otlp_http/refuses': `endpoint: "${refuses.url}", ${quickRetry}`,
      'otlp_http/dead': `endpoint: "http://127.0.0.1:9", ${quickRetry}, sending_queue: { sizer: requests, queue_size: 1 }`,
    }
    const text = passThrough(exporters).replace(
      'logs: { receivers: [otlp],',
      'logs: { receivers: [otlp], processors: [encrypt],',
    )
    config = files(folder, {
      'gateway.yaml': `${text}\nprocessors: { encrypt: { fields: ['log.attributes["none"]'] } }\n`,
    })
    gateway = await start(config, join(folder, 'data'))
    before = await read()
  })
  afterAll(() => Promise.all([takes.close(), refuses.close()]))

  it('each one moves when what it counts happens', async () => {
    const { http, grpc } = gateway.endpoints
    const odd = bytes(request('acme', [record('one', { with: { 'douane.forged': 'x' } })]))
    expect((await send(http, Buffer.concat([odd, Buffer.from([0x78, 1])]))).status).toBe(200)
    // The dead destination's queue is full now: all are asked before any gets its copy.
    expect((await send(http, of('acme', 3))).status).toBe(503)
    expect((await callOnce(grpc, of('acme', 4))).code).toBe(14)
    expect((await send(http, Buffer.from('nonsense'), { 'content-type': 'text/plain' })).status).toBe(415)
    const now = await until(async () => {
      const all = await read()
      return (
        grew(all, 'otelcol_exporter_sent_log_records') > 0 &&
        grew(all, 'otelcol_exporter_send_failed_log_records') > 0 &&
        all
      )
    })
    expect(grew(now, 'otelcol_receiver_accepted_log_records', 'http')).toBe(1)
    expect(grew(now, 'otelcol_receiver_refused_log_records', 'http')).toBe(3)
    expect(grew(now, 'otelcol_receiver_refused_log_records', 'grpc')).toBe(4)
    expect(grew(now, 'douane_receiver_refused_requests', 'unsupported_type')).toBe(1)
    expect(grew(now, 'otelcol_processor_incoming_items', 'encrypt')).toBe(8)
    expect(grew(now, 'otelcol_processor_outgoing_items', 'encrypt')).toBe(8)
    expect(grew(now, 'otelcol_exporter_sent_log_records', 'otlp_http/takes')).toBe(1)
    expect(grew(now, 'otelcol_exporter_send_failed_log_records', 'otlp_http/refuses')).toBe(1)
    expect(grew(now, 'otelcol_exporter_enqueue_failed_log_records', 'otlp_http/dead')).toBe(7)
    expect(grew(now, 'otelcol_exporter_enqueue_failed_log_records', 'otlp_http/takes')).toBe(0)
    expect(grew(now, 'otelcol_exporter_queue_size', 'otlp_http/dead')).toBe(1)
    expect(grew(now, 'douane_dropped_parts', 'unknown_fields')).toBe(1)
    expect(grew(now, 'douane_dropped_parts', 'reserved_attributes')).toBe(1)
    expect(grew(now, 'douane_exporter_attempts', 'otlp_http/takes', 'accepted')).toBe(1)
    expect(grew(now, 'douane_exporter_attempts', 'otlp_http/refuses', 'rejected')).toBe(1)
    expect(grew(now, 'douane_exporter_attempts', 'otlp_http/dead', 'unavailable')).toBeGreaterThan(0)
    expect(grew(now, 'douane_account_records', 'acme', 'received')).toBe(1)
    expect(takes.taken.length).toBe(1)
  })

  it('status --watch tells again and again, and ends with the gateway', async () => {
    const watching = launch(['status', '--watch', '1', '--format', 'json', '--data-dir', gateway.dataDir])
    const ended = once(watching, 'close')
    let stdout = ''
    watching.stdout!.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    await until(() => stdout.split('\n').length > 2, 60_000)
    await gateway.kill()
    expect((await ended)[0]).toBe(3)
    const told = stdout.trim().split('\n')
    for (const line of told) expect((JSON.parse(line) as GatewayStatus).total.received).toBe(1)
  })
})
