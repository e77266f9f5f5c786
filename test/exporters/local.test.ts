import { describe, expect, test } from 'vitest'
import { debug } from '../../exporters/debug.ts'
import { nop } from '../../exporters/nop.ts'
import { exporters } from '../../exporters/registry.ts'
import { conformsExporter, never, randomBatch } from '../conforms_exporter.ts'
import { testHost } from './host.ts'

for (const [component, options] of [
  [nop, {}],
  [debug, {}],
  [debug, { verbosity: 'normal' }],
] as const) {
  conformsExporter({
    component,
    shows: ['success'],
    stores: false,
    canBeAway: false,
    open: async () => ({ options, expect: () => {}, stored: async () => [], stop: async () => {} }),
  })
}

describe('debug', () => {
  test('tells records, bytes, resources and scopes', async () => {
    const host = testHost('debug')
    const batch = randomBatch(5)
    const resources = batch.request.resourceLogs ?? []
    const scopes = resources.flatMap(({ scopeLogs = [] }) => scopeLogs)
    await debug.create({ verbosity: 'normal' }, host).send(batch, never)
    expect(JSON.parse(host.lines[0]!)).toEqual({
      level: 'info',
      event: 'debug_batch',
      exporter: 'debug',
      records: batch.records,
      bytes: batch.body.length,
      resources: resources.length,
      scopes: scopes.length,
    })
    host.end()
  })

  test('has no verbosity that would show payload', () => {
    expect(debug.config.safeParse({ verbosity: 'detailed' }).success).toBe(false)
  })
})

describe('the registry', () => {
  test('holds each name and alias once', () => {
    const names = exporters.flatMap(({ name, aliases = [] }) => [name, ...aliases])
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual(
      expect.arrayContaining(['otlp_http', 'otlphttp', 'otlp_grpc', 'otlp', 'postgres', 'file', 'debug', 'nop']),
    )
  })
})
