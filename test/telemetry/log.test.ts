import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { limits } from '../../src/limits.ts'
import { createLog, type LogLevel, lineSink, logWith } from '../../src/telemetry/log.ts'
import { createOtlpLog } from '../../src/telemetry/otlp_log.ts'

/** A log that writes into an array, with a clock that the test moves. */
function captured({ level = 'info' as LogLevel, format = 'json' as 'json' | 'text' | 'auto', isTTY = false } = {}) {
  const lines: string[] = []
  const clock = { nowMs: Date.UTC(2026, 0, 31, 12) }
  const stream = { isTTY, write: (line: string) => lines.push(line) }
  const log = createLog({ level, sinks: [lineSink(stream, format)], nowMs: () => clock.nowMs })
  return { log, lines, clock }
}

describe('the own log', () => {
  test('is JSON lines', () => {
    const { log, lines } = captured()
    log.warn('queue_full', { exporter: 'otlp_http/a', bytes: 1024, urgent: true })
    expect(lines).toEqual([
      '{"time":"2026-01-31T12:00:00.000Z","level":"warn","event":"queue_full","exporter":"otlp_http/a","bytes":1024,"urgent":true}\n',
    ])
  })

  test('is readable on a terminal, where no text can move the cursor', () => {
    const { log, lines } = captured({ format: 'auto', isTTY: true })
    log.error('config_refused', { file: 'a b.yaml', trick: '\u001b[2J\u202e' })
    const colourless = lines[0]!.replace(/\u001b\[\d+m/g, '')
    expect(lines[0]).not.toBe(colourless)
    expect(colourless).toBe('12:00:00.000 ERROR config_refused file="a b.yaml" trick=\\u001b[2J\\u202e\n')
  })

  test('is plain text where that is asked for without a terminal', () => {
    const { log, lines } = captured({ format: 'text' })
    log.info('ready', { port: 4318 })
    expect(lines).toEqual(['12:00:00.000 INFO  ready port=4318\n'])
  })

  test('leaves out what is below its level', () => {
    const { log, lines } = captured({ level: 'warn' })
    log.debug('a')
    log.info('b')
    log.warn('c')
    log.error('d')
    expect(lines.map((line) => JSON.parse(line).event)).toEqual(['c', 'd'])
  })

  test('fields cannot pretend to be another event', () => {
    const { log, lines } = captured()
    log.info('real', { event: 'forged', level: 'error', time: 'never' })
    expect(JSON.parse(lines[0]!)).toEqual({ time: '2026-01-31T12:00:00.000Z', level: 'info', event: 'real' })
  })

  test('cuts long texts', () => {
    const { log, lines } = captured()
    log.info('long', { text: 'x'.repeat(1_000_000) })
    expect(JSON.parse(lines[0]!).text).toHaveLength(limits.logFieldLengthMax)
  })

  test('a component’s log has its id on every line', () => {
    const { log, lines } = captured()
    logWith(log, { exporter: 'a' }).warn('late', { ms: 5 })
    expect(JSON.parse(lines[0]!)).toMatchObject({ exporter: 'a', ms: 5 })
  })

  test('a flood becomes a few lines and a count', () => {
    const { log, lines, clock } = captured()
    for (let i = 0; i < 10_000; i++) log.warn('bad_request', { i })
    log.warn('something_else')
    expect(lines).toHaveLength(limits.logLinesPerEventMax + 1)
    clock.nowMs += limits.logEventWindowMs
    log.warn('bad_request')
    expect(JSON.parse(lines.at(-1)!).suppressed).toBe(10_000 - limits.logLinesPerEventMax)
    log.warn('bad_request')
    expect(JSON.parse(lines.at(-1)!).suppressed).toBeUndefined()
  })

  test('goes on when the clock steps back', () => {
    const { log, lines, clock } = captured()
    for (let i = 0; i < 100; i++) log.warn('e')
    clock.nowMs -= 3_600_000
    log.warn('e')
    expect(lines).toHaveLength(limits.logLinesPerEventMax + 1)
  })
})

describe('the own log by OTLP', () => {
  let server: Server | undefined
  afterEach(() => {
    server?.close()
    server?.closeAllConnections()
  })
  /** A receiver of OTLP/JSON that answers with `status`. */
  async function receiver(status: number): Promise<{ endpoint: string; bodies: string[]; headers: unknown[] }> {
    const bodies: string[] = []
    const headers: unknown[] = []
    server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        bodies.push(`${request.url} ${body}`)
        headers.push(request.headers['x-key'])
        response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
      })
    })
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
    return { endpoint: `http://127.0.0.1:${(server!.address() as AddressInfo).port}`, bodies, headers }
  }
  const options = (endpoint: string) => ({ endpoint, version: '0.1.0', instance: 'i1', headers: { 'x-key': 'k' } })

  test('sends events as log records', async () => {
    const { endpoint, bodies, headers } = await receiver(200)
    const otlp = createOtlpLog(options(endpoint))
    const log = createLog({ level: 'info', sinks: [otlp.sink], nowMs: () => Date.UTC(2026, 0, 31) })
    log.warn('queue_full', { exporter: 'a', bytes: 12 })
    await otlp.close()
    expect(bodies).toHaveLength(1)
    expect(bodies[0]).toMatch(/^\/v1\/logs /)
    expect(headers).toEqual(['k'])
    const { resourceLogs } = JSON.parse(bodies[0]!.slice('/v1/logs '.length))
    const [record] = resourceLogs[0].scopeLogs[0].logRecords
    expect(record).toMatchObject({
      eventName: 'douane.queue_full',
      severityNumber: 13,
      severityText: 'WARN',
      timeUnixNano: String(BigInt(Date.UTC(2026, 0, 31)) * 1_000_000n),
      body: { stringValue: 'queue_full' },
    })
    expect(record.attributes).toContainEqual({ key: 'exporter', value: { stringValue: 'a' } })
    expect(resourceLogs[0].resource.attributes).toContainEqual({
      key: 'service.name',
      value: { stringValue: 'douane' },
    })
  })

  test('an endpoint that fails makes no further events', async () => {
    const { endpoint, bodies } = await receiver(400)
    const otlp = createOtlpLog(options(endpoint))
    const lines: string[] = []
    const sinks = [otlp.sink, lineSink({ write: (line: string) => lines.push(line) }, 'json')]
    const log = createLog({ level: 'debug', sinks, nowMs: () => 0 })
    log.error('boom')
    await otlp.close()
    expect(bodies).toHaveLength(1)
    expect(lines).toHaveLength(1)
  })

  test('an endpoint that is away does not hold up the end', async () => {
    const otlp = createOtlpLog(options('http://127.0.0.1:1'))
    otlp.sink({ timeMs: 0, level: 'info', event: 'x', fields: {} })
    const startMs = performance.now()
    await otlp.close()
    expect(performance.now() - startMs).toBeLessThan(limits.ownLogFlushMsMax + 1000)
  })

  test('a log that comes back to its own gateway dies out instead of growing', async () => {
    // The gateway's receiver logs an event for each record that it gets; the log sends each event as a record to it.
    let looped = 0
    const clock = { nowMs: 0 }
    const log = createLog({
      level: 'debug',
      nowMs: () => clock.nowMs,
      sinks: [
        () => {
          looped++
          log.warn('record_refused')
          log.warn('record_refused')
        },
      ],
    })
    log.warn('record_refused')
    expect(looped).toBe(limits.logLinesPerEventMax)
  })
})
