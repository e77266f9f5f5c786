import { createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { Log } from '../../src/contract.ts'
import { DependencyError } from '../../src/errors.ts'
import { listen } from '../../src/receive/listen.ts'
import { openLog, Telemetry } from '../../src/telemetry.ts'

const events: string[] = []
const note = (event: string) => void events.push(event)
const log: Log = { debug: note, info: note, warn: note, error: note }
const anyPort = '127.0.0.1:0'
const health = { endpoint: anyPort, path: '/' }

let telemetry = new Telemetry(Date.now)
afterEach(async () => {
  await telemetry.close()
  telemetry = new Telemetry(Date.now)
  events.length = 0
})

describe('the servers of telemetry', () => {
  test('start with the configuration and tell their real ports', async () => {
    await telemetry.serve({ metrics: { endpoint: anyPort } }, health, log)
    const { metrics, health: healthEndpoint } = telemetry.endpoints
    expect(await (await fetch(`http://${metrics}/metrics`)).text()).toContain('otelcol_process_uptime')
    expect((await fetch(`http://${healthEndpoint}/`)).status).toBe(503)
    telemetry.health.set('receiver otlp', 'ok')
    expect((await fetch(`http://${healthEndpoint}/`)).status).toBe(200)
  })

  test('stay over a reload that changes nothing, move with one that does, stop when they are taken out', async () => {
    await telemetry.serve({ metrics: { endpoint: anyPort } }, health, log)
    const before = telemetry.endpoints
    await telemetry.serve({ metrics: { endpoint: anyPort } }, health, log)
    expect(telemetry.endpoints).toEqual(before)
    await telemetry.serve({ metrics: { endpoint: anyPort } }, { ...health, path: '/healthz' }, log)
    expect(telemetry.endpoints.metrics).toBe(before.metrics)
    expect((await fetch(`http://${telemetry.endpoints.health}/healthz`)).status).toBe(503)
    await expect(fetch(`http://${before.health}/`)).rejects.toThrow()
    await telemetry.serve({ metrics: { level: 'none' } }, undefined, log)
    expect(telemetry.endpoints).toEqual({})
    await expect(fetch(`http://${before.metrics}/metrics`)).rejects.toThrow()
  })

  test('a port that cannot be had leaves everything as it was', async () => {
    await telemetry.serve({ metrics: { endpoint: anyPort } }, health, log)
    const before = telemetry.endpoints
    const other = createServer()
    const taken = await listen(other, anyPort)
    const moved = telemetry.serve({ metrics: { endpoint: 'localhost:0' } }, { endpoint: taken, path: '/' }, log)
    await expect(moved).rejects.toThrow(DependencyError)
    expect(telemetry.endpoints).toEqual(before)
    expect((await fetch(`http://${before.metrics}/metrics`)).status).toBe(200)
    expect((await fetch(`http://${before.health}/`)).status).toBe(503)
    other.close()
  })

  test('the default metrics port is taken if it is free, and done without if not', async () => {
    const other = createServer()
    const taken = await listen(other, anyPort)
    const polite = new Telemetry(Date.now, taken)
    await polite.serve(undefined, undefined, log)
    expect(polite.endpoints).toEqual({})
    expect(events).toEqual(['metrics_not_served'])
    await new Promise((resolve) => other.close(resolve))
    await polite.serve(undefined, undefined, log)
    expect(polite.endpoints).toEqual({ metrics: taken })
    await polite.close()
  })
})

test('the own log opens as configured and closes', async () => {
  const lines: string[] = []
  const identity = {
    stream: { write: (line: string) => lines.push(line) },
    nowMs: () => 0,
    version: '0',
    instance: 'i',
  }
  const own = openLog({ level: 'warn', format: 'text' }, identity)
  own.log.info('hidden')
  own.log.warn('shown')
  await own.close()
  expect(lines).toEqual(['00:00:00.000 WARN  shown\n'])
})
