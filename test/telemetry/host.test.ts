import { mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConfigError, DependencyError } from '../../src/errors.ts'
import { createHost } from '../../src/host.ts'
import { limits } from '../../src/limits.ts'
import { createPurposes } from '../../src/purposes.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'

describe('purposes', () => {
  test('are bits, whatever the order in which they come', () => {
    const purposes = createPurposes(['usage', 'billing', 'security'])
    const mask = purposes.bit('security') | purposes.bit('billing')
    expect(purposes.names(mask)).toEqual(['billing', 'security'])
    expect(purposes.names(0)).toEqual([])
    expect(createPurposes(['security', 'usage', 'billing']).bit('security')).toBe(purposes.bit('security'))
  })
  test('of a policy are the only ones', () => {
    const purposes = createPurposes(['billing', 'usage'])
    const failed = () => purposes.bit('biling')
    expect(failed).toThrow(ConfigError)
    expect(failed).toThrow('no purpose "biling" in the residency policy')
    try {
      failed()
    } catch (error) {
      expect((error as ConfigError).fix).toBe('did you mean billing?')
    }
    expect(() => purposes.bit('zzz')).toThrow(
      expect.objectContaining({ fix: expect.stringContaining('billing, usage') }),
    )
  })
  test('without a policy are those that are named, up to the width of a mask', () => {
    const purposes = createPurposes()
    const bits = Array.from({ length: limits.purposesMax }, (_, i) => purposes.bit(`p${i}`))
    expect(new Set(bits).size).toBe(limits.purposesMax)
    expect(bits.every((bit) => bit > 0)).toBe(true)
    expect(purposes.bit('p3')).toBe(bits[3])
    expect(() => purposes.bit('one more')).toThrow(ConfigError)
    expect(purposes.names(bits[0]! | bits.at(-1)!)).toEqual(['p0', 'p29'])
  })
  test('a name that comes later shows in masks that were asked for before', () => {
    const purposes = createPurposes()
    purposes.bit('a')
    expect(purposes.names(0b11)).toEqual(['a'])
    purposes.bit('b')
    expect(purposes.names(0b11)).toEqual(['a', 'b'])
  })
})

describe('the host', () => {
  function made(id: string, metrics = new Metrics()) {
    const events: unknown[] = []
    const dataDir = mkdtempSync(join(tmpdir(), 'douane-host-'))
    const host = createHost({
      kind: 'processor',
      name: 'minimize',
      id,
      log: createLog({
        level: 'info',
        nowMs: () => 0,
        sinks: [({ event, fields }) => events.push({ event, ...fields })],
      }),
      metrics,
      purposes: createPurposes(),
      hashKeys: { current: () => ({ id: '00000000', key: new Uint8Array(32) }) },
      dataDir,
      resolve: (path) => join('/etc/douane', path),
      nowMs: () => 42,
    })
    return { host, events, metrics, dataDir }
  }

  test('counts under the component’s name with its id as label', async () => {
    const { host, metrics } = made('minimize/a')
    host.counter('fields_total', 'Fields.', ['action']).with('mask').add(3)
    host.counter('runs_total', 'Runs.').add(1)
    made('minimize/b', metrics).host.counter('minimize_runs_total', 'Runs.').add(5)
    const text = await metrics.text()
    expect(text).toContain('douane_minimize_fields_total{processor="minimize/a",action="mask"} 3\n')
    expect(text).toContain('douane_minimize_runs_total{processor="minimize/a"} 1\n')
    expect(text).toContain('douane_minimize_runs_total{processor="minimize/b"} 5\n')
  })

  test('gives back its gauges', async () => {
    const { host, metrics } = made('minimize')
    host.gauge('cache_entries', 'Entries.', () => 7)
    expect(await metrics.text()).toContain('douane_minimize_cache_entries{processor="minimize"} 7\n')
    host.release()
    expect(await metrics.text()).not.toContain('cache_entries{')
  })

  test('logs with the id, resolves, tells the time', () => {
    const { host, events } = made('minimize/a')
    host.log.warn('slow', { ms: 3 })
    expect(events).toEqual([{ event: 'slow', processor: 'minimize/a', ms: 3 }])
    expect(host.resolve('x.yaml')).toBe('/etc/douane/x.yaml')
    expect(host.nowMs()).toBe(42)
  })

  test('makes the component’s folder, closed to others', () => {
    const { host, dataDir } = made('minimize/a')
    expect(host.dataDir()).toBe(join(dataDir, 'minimize'))
    expect(statSync(host.dataDir()).mode & 0o777).toBe(0o700)
  })

  test('says what to do when it cannot', () => {
    const { host, dataDir } = made('minimize')
    writeFileSync(join(dataDir, 'minimize'), '')
    expect(() => host.dataDir()).toThrow(DependencyError)
    expect(() => host.dataDir()).toThrow(/cannot be made \(EEXIST\)/)
  })
})
