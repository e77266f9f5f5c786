import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { DependencyError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import {
  accountMetrics,
  exporterMetrics,
  processMetrics,
  processorMetrics,
  queueMetrics,
  receiverMetrics,
} from '../../src/telemetry/collector_metrics.ts'
import { Health } from '../../src/telemetry/health.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { type PageServer, serveHealth, serveMetrics } from '../../src/telemetry/page_server.ts'

const servers: PageServer[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})
const serving = async (server: Promise<PageServer>): Promise<string> => {
  servers.push(await server)
  return `http://${servers.at(-1)!.endpoint}`
}
/** The sample lines of one metric. */
const samples = async (metrics: Metrics, name: string): Promise<string[]> =>
  (await metrics.text()).split('\n').filter((line) => line.startsWith(name) && /[ {]/.test(line[name.length]!))

describe('metrics', () => {
  test('have the Collector’s names and labels', async () => {
    const metrics = new Metrics()
    const receiver = receiverMetrics(metrics, 'otlp', 'grpc')
    receiver.accepted.add(5)
    receiver.accepted.add(2)
    receiver.refused.add(1)
    processorMetrics(metrics, 'minimize').incoming.add(7)
    const exporter = exporterMetrics(metrics, 'otlp_http/a')
    exporter.sent.add(3)
    exporter.sendFailed.add(1)
    queueMetrics(metrics, 'otlp_http/a', () => 12, 1024)
    processMetrics(metrics)
    const text = await metrics.text()
    for (const line of [
      'otelcol_receiver_accepted_log_records{receiver="otlp",transport="grpc"} 7',
      'otelcol_receiver_refused_log_records{receiver="otlp",transport="grpc"} 1',
      'otelcol_receiver_failed_log_records{receiver="otlp",transport="grpc"} 0',
      'otelcol_processor_incoming_items{processor="minimize",otel_signal="logs"} 7',
      'otelcol_processor_outgoing_items{processor="minimize",otel_signal="logs"} 0',
      'otelcol_exporter_sent_log_records{exporter="otlp_http/a"} 3',
      'otelcol_exporter_send_failed_log_records{exporter="otlp_http/a"} 1',
      'otelcol_exporter_enqueue_failed_log_records{exporter="otlp_http/a"} 0',
      'otelcol_exporter_queue_size{exporter="otlp_http/a",data_type="logs"} 12',
      'otelcol_exporter_queue_capacity{exporter="otlp_http/a",data_type="logs"} 1024',
    ]) {
      expect(text.split('\n')).toContain(line)
    }
    expect(text).toMatch(/^otelcol_process_uptime \d/m)
    expect(text).toMatch(/^otelcol_process_cpu_seconds \d/m)
    expect(text).toMatch(/^otelcol_process_memory_rss \d{6,}/m)
  })

  test('asking twice for a counter goes on counting', async () => {
    const metrics = new Metrics()
    exporterMetrics(metrics, 'a').sent.add(1)
    exporterMetrics(metrics, 'a').sent.add(1)
    expect(await samples(metrics, 'otelcol_exporter_sent_log_records')).toEqual([
      'otelcol_exporter_sent_log_records{exporter="a"} 2',
    ])
    expect(metrics.total('otelcol_exporter_sent_log_records')).toBe(2)
  })

  test('reading them twice gives the same', async () => {
    const metrics = new Metrics()
    metrics.counter('douane_x_total', 'X.').with().add(4)
    expect(await metrics.text()).toBe(await metrics.text())
    expect(await samples(metrics, 'douane_x_total')).toEqual(['douane_x_total 4'])
  })

  test('a label with endless values ends as other, and nothing is lost', async () => {
    const metrics = new Metrics()
    const counter = metrics.counter('douane_t_total', 'T.', ['tenant'])
    const sets = limits.metricLabelSetsMax + 50
    for (let i = 0; i < sets; i++) counter.with(`tenant-${i}`).add(1)
    const lines = await samples(metrics, 'douane_t_total')
    expect(lines).toHaveLength(limits.metricLabelSetsMax + 1)
    expect(lines.at(-1)).toBe('douane_t_total{tenant="other"} 50')
    expect(metrics.total('douane_t_total')).toBe(sets)
    counter.with('x'.repeat(100_000)).add(1)
    expect((await metrics.text()).length).toBeLessThan(sets * 100)
  })

  test('the account shows each tenant, and beyond the bound all others by state', async () => {
    const metrics = new Metrics()
    const tenants = limits.metricLabelSetsMax / 2 + 10
    accountMetrics(metrics, () =>
      Array.from({ length: tenants }, (_, i) => [`t${i}`, { received: 3, stored: 2 }] as const),
    )
    const lines = await samples(metrics, 'douane_account_records')
    expect(lines).toHaveLength(limits.metricLabelSetsMax + 2)
    expect(lines[0]).toBe('douane_account_records{tenant="t0",state="received"} 3')
    expect(lines.slice(-2)).toEqual([
      'douane_account_records{tenant="other",state="received"} 30',
      'douane_account_records{tenant="other",state="stored"} 20',
    ])
    expect(await samples(metrics, 'douane_account_records')).toEqual(lines)
  })

  test('label values are escaped', async () => {
    const metrics = new Metrics()
    metrics.counter('douane_e_total', 'E.', ['t']).with('a"b\nc\\').add(1)
    expect(await samples(metrics, 'douane_e_total')).toEqual(['douane_e_total{t="a\\"b\\nc\\\\"} 1'])
  })

  test('a gauge is replaced by a later one, and only its own remover takes it away', async () => {
    const metrics = new Metrics()
    const removeFirst = metrics.gauge('douane_g', 'G.', { exporter: 'a' }, () => 1)
    const removeSecond = metrics.gauge('douane_g', 'G.', { exporter: 'a' }, () => 2)
    removeFirst()
    expect(await samples(metrics, 'douane_g')).toEqual(['douane_g{exporter="a"} 2'])
    removeSecond()
    expect(await samples(metrics, 'douane_g')).toEqual([])
  })

  test('a gauge that cannot be read does not take the others with it', async () => {
    const metrics = new Metrics()
    metrics.gauge('douane_bad', 'B.', {}, () => {
      throw new Error('closed')
    })
    metrics.counter('douane_good_total', 'G.').with().add(1)
    expect(await metrics.text()).toMatch(/douane_bad Nan\n[\s\S]*douane_good_total 1/i)
  })
})

describe('the metrics page', () => {
  test('is served as Prometheus wants it', async () => {
    const metrics = new Metrics()
    metrics.counter('douane_x_total', 'X.').with().add(4)
    const url = await serving(serveMetrics(metrics, '127.0.0.1:0'))
    const response = await fetch(`${url}/metrics`)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(await response.text()).toContain(
      '# HELP douane_x_total X.\n# TYPE douane_x_total counter\ndouane_x_total 4\n',
    )
    expect((await fetch(`${url}/`)).status).toBe(404)
    const posted = await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    const head = await fetch(`${url}/metrics?x=1`, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  test('a port in use is told with the fix', async () => {
    const url = await serving(serveMetrics(new Metrics(), '127.0.0.1:0'))
    const again = serveMetrics(new Metrics(), url.slice('http://'.length))
    await expect(again).rejects.toThrow(DependencyError)
    await expect(again).rejects.toMatchObject({ fix: expect.stringContaining('another port') })
  })

  test('closes although a client holds its connection', async () => {
    const url = new URL(await serving(serveMetrics(new Metrics(), '127.0.0.1:0')))
    const socket = connect(Number(url.port), url.hostname)
    await new Promise((resolve) => socket.once('connect', resolve))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    await servers.pop()!.close()
    await closed
  })
})

describe('health', () => {
  test('is green only when every part is', () => {
    let nowMs = Date.UTC(2026, 0, 1)
    const health = new Health(() => nowMs)
    expect(health.report().status).toBe('unavailable')
    health.set('receiver otlp', 'ok')
    health.set('exporter a', 'starting')
    expect(health.report().status).toBe('unavailable')
    nowMs += 1000
    health.set('exporter a', 'ok')
    expect(health.report()).toEqual({
      status: 'ok',
      up_since: '2026-01-01T00:00:00.000Z',
      components: {
        'exporter a': { status: 'ok', since: '2026-01-01T00:00:01.000Z' },
        'receiver otlp': { status: 'ok', since: '2026-01-01T00:00:00.000Z' },
      },
    })
    nowMs += 1000
    health.set('exporter a', 'failing', 'connection refused')
    nowMs += 1000
    health.set('exporter a', 'failing', 'timed out')
    expect(health.report().components['exporter a']).toEqual({
      status: 'failing',
      since: '2026-01-01T00:00:02.000Z',
      reason: 'timed out',
    })
    expect(health.report().status).toBe('unavailable')
    health.remove('exporter a')
    expect(health.report().status).toBe('ok')
  })

  test('answers 200 or 503 with the state of each part', async () => {
    const health = new Health(() => 0)
    const url = await serving(serveHealth(health, '127.0.0.1:0', '/'))
    health.set('exporter a', 'ok')
    expect((await fetch(url)).status).toBe(200)
    health.set('exporter a', 'failing', 'its queue is full')
    const response = await fetch(url)
    expect(response.status).toBe(503)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toMatchObject({
      status: 'unavailable',
      components: { 'exporter a': { status: 'failing', reason: 'its queue is full' } },
    })
  })
})
