/** The table of sources: bounded, fair between tenants; and what people see of it. */
import { expect, test } from 'vitest'
import { F, F_ROW, Sources } from '../../../processors/normalize_clock/sources.ts'
import { clocksText, plot, span } from '../../../src/commands/clocks.ts'
import { MINUTE, Rig, SDK, SECOND, T0 } from './harness.ts'

test('a tenant whose sources change their names with every batch pushes out its own, not those of others', () => {
  const sources = new Sources(1000)
  for (let i = 0; i < 100; i++) {
    const row = sources.add(0, 0, `quiet-${i}`, 'acme')
    sources.f64[row * F_ROW + F.LastHeard] = 1
  }
  for (let i = 0; i < 50_000; i++) {
    const row = sources.add(1, 0, `name-${i}`, 'mallory')
    sources.f64[row * F_ROW + F.LastHeard] = i + 2
  }
  expect(sources.count).toBe(1000)
  for (let i = 0; i < 100; i++) expect(sources.find(0, 0, `quiet-${i}`)).toBeGreaterThanOrEqual(0)
  expect(sources.find(1, 0, 'name-49999')).toBeGreaterThanOrEqual(0)
})

test('a source is found by its own tenant and kind of key only', () => {
  const sources = new Sources(10)
  const row = sources.add(0, 0, 'h', 'acme')
  expect([sources.find(0, 0, 'h'), sources.find(0, 3, 'h'), sources.find(1, 0, 'h')]).toEqual([row, -1, -1])
  expect(sources.id(row)).toMatch(/^[0-9a-f]{16}$/)
})

test('douane clocks shows who is off, why, and by how much; names cannot steer a terminal', () => {
  const rig = new Rig()
  for (let second = 0; second < 20; second++) {
    const received = T0 + BigInt(second) * SECOND
    for (const [host, offset] of [
      ['evil\u001b[2J', 5n * MINUTE],
      ['right', 0n],
    ] as const) {
      const at = received - SECOND / 100n + offset
      rig.batch(host, [{ timeUnixNano: at, observedTimeUnixNano: at }], { received, userAgent: SDK })
    }
  }
  const reports = { 'logs/in normalize_clock': JSON.parse(JSON.stringify(rig.processor.inspect!())) }
  const text = clocksText(reports, {}, Number(T0 / 1_000_000n) + 60_000)
  expect(text).toContain('1 healthy, 1 fast')
  expect(text).toMatch(/host\.id=evil\?\[2J .*acme .*fast .*\+300\.0 s .*future/)
  expect(text).not.toContain('host.id=right')
  expect(text).not.toContain('\u001b[2J')
  expect(clocksText(reports, { all: true })).toContain('host.id=right')
  expect(clocksText(reports, { tenant: 'globex' })).not.toContain('host.id')
})

test('spans and plots', () => {
  expect([5, 1500, 7_200_000, 1e12].map(span)).toEqual(['5 ms', '1.5 s', '2.00 h', '11574 d'])
  expect(plot([1, 2, 3])).toBe('▄▄▄')
  expect(plot([0, 100, 700])).toBe('▁▂█')
})
