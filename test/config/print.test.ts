import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { builtIn } from '../../config/built_in.ts'
import { builtInComponents, effectiveConfig, withoutPasswords } from '../../config/print.ts'
import { configJsonSchema, durationText, policyJsonSchema } from '../../config/schema.ts'
import { load, registries } from './registries.ts'

const text = `
receivers: { otlp: { protocols: { http: } } }
processors: { minimize: { keys: { api_key: drop }, salt: "\${env:SALT}" } }
exporters:
  otlp_http/a:
    endpoint: "https://user:hunter2@127.0.0.1:1/x?api_key=hunter2&b=1"
    headers: { authorization: Bearer hunter2, x-api-key: hunter2 }
  debug:
service:
  pipelines: { logs: { receivers: [otlp], processors: [minimize], exporters: [otlp_http/a, debug] } }
`
describe('the effective configuration', () => {
  const loaded = load({ 'a.yaml': text }, { SALT: 'pepper' })
  const printed = effectiveConfig(loaded.tree, registries)
  const value = parse(printed)

  test('shows no secret', () => {
    expect(loaded.problems).toEqual([])
    expect(printed).not.toContain('hunter2')
    expect(value.exporters['otlp_http/a']).toMatchObject({
      endpoint: 'https://user:<redacted>@127.0.0.1:1/x?api_key=<redacted>&b=1',
      headers: { authorization: '<redacted>', 'x-api-key': '<redacted>' },
    })
  })
  test('shows what the gateway does where nobody asked: its own metrics and log', () => {
    expect(value.service).toMatchObject({
      telemetry: { metrics: { level: 'normal', endpoint: '127.0.0.1:8888' }, logs: { level: 'info', format: 'auto' } },
      workers: 1,
    })
  })
  test('shows no secret of a key provider, whichever type it is', () => {
    const keys = `keys:
    providers:
      main: { type: vault, address: "https://v:8200", key: douane, token: hunter2 }
      hsm: { type: pkcs11, module: /x.so, token_label: label, key: "01", pin: "hunter2" }
`
    const shown = effectiveConfig(
      load({ 'a.yaml': text.replace('pipelines:', `${keys}  pipelines:`) }).tree,
      registries,
    )
    expect(shown).not.toContain('hunter2')
    expect(parse(shown).service.keys.providers).toEqual({
      main: {
        type: 'vault',
        address: 'https://v:8200',
        key: 'douane',
        token: '<redacted>',
        mount: 'transit',
        timeout: '5s',
      },
      hsm: {
        type: 'pkcs11',
        module: '/x.so',
        token_label: 'label',
        key: '01',
        pin: '<redacted>',
        oaep_hash: 'sha256',
        tool: 'pkcs11-tool',
        timeout: '10s',
      },
    })
  })
  test('shows what is no secret, though its name looks like one', () => {
    expect(value.processors.minimize.keys).toEqual({ api_key: 'drop' })
  })
  test('has variables expanded and defaults filled in, as they are written', () => {
    expect(value.processors.minimize).toMatchObject({ salt: 'pepper', window: '5s' })
    expect(value.exporters['otlp_http/a']).toMatchObject({
      compression: 'gzip',
      timeout: '5s',
      retry_on_failure: { max_interval: '30s', max_elapsed_time: '0s', multiplier: 1.5 },
      sending_queue: { sizer: 'bytes' },
    })
    expect(value.exporters.debug.timeout).toBe('5s')
    expect(value.receivers.otlp.protocols.http).toMatchObject({ endpoint: '127.0.0.1:4318' })
  })
  test('loads again, to the same', () => {
    const again = load({ 'b.yaml': printed })
    expect(again.problems).toEqual([])
    expect(effectiveConfig(again.tree, registries)).toBe(printed)
  })
})

test.each([
  ['postgres://user:hunter2@db/x', 'postgres://user:<redacted>@db/x'],
  ['postgres://user:hun:t@er2@db/x', 'postgres://user:<redacted>@db/x'],
  ['postgres://user@db/x', 'postgres://user@db/x'],
  ['https://token@host/', 'https://<redacted>@host/'],
  ['http://h/?sslpassword=a&x=1', 'http://h/?sslpassword=<redacted>&x=1'],
  ['embedded', 'embedded'],
  ['mail a@b.c', 'mail a@b.c'],
])('%s is shown as %s', (url, expected) => {
  expect(withoutPasswords(url)).toBe(expected)
})

test.each([
  [0, '0s'],
  [250, '250ms'],
  [5000, '5s'],
  [90_000, '90s'],
  [60_000, '1m'],
  [86_400_000, '1d'],
])('%d ms is %s', (ms, expected) => {
  expect(durationText(ms)).toBe(expected)
})

describe('the JSON schema', () => {
  test('describes every component under its name and aliases, with the options of delivery', () => {
    const schema = configJsonSchema(registries)
    const exporters = schema.properties!['exporters']!.patternProperties!
    expect(Object.keys(exporters)).toEqual(['^otlp_http(/[\\w.-]+)?$', '^otlphttp(/[\\w.-]+)?$', '^debug(/[\\w.-]+)?$'])
    const options = exporters['^otlphttp(/[\\w.-]+)?$']!.anyOf![0]!
    expect(Object.keys(options.properties!)).toEqual([
      'endpoint',
      'compression',
      'headers',
      'sending_queue',
      'retry_on_failure',
      'timeout',
      'region',
    ])
    expect(options.additionalProperties).toBe(false)
    expect(options.properties!['timeout']!.default).toBe('5s')
  })
  test('describes the policy', () => {
    expect(Object.keys(policyJsonSchema().properties!)).toEqual([
      'regions',
      'purposes',
      'tenants',
      'time_zone',
      'default',
    ])
  })
  test('every option of every built-in component has a description', () => {
    const missing: string[] = []
    const visit = (schema: object, path: string): void => {
      const {
        properties = {},
        patternProperties = {},
        anyOf = [],
        oneOf = [],
        items,
      } = schema as ReturnType<typeof configJsonSchema>
      for (const [name, option] of Object.entries(properties)) {
        const isTop = path === '' || /^\.service$/.test(`${path}.${name}`)
        if (!isTop && option.description === undefined) missing.push(`${path}.${name}`)
        visit(option, `${path}.${name}`)
      }
      for (const [name, option] of Object.entries(patternProperties)) visit(option, `${path}.${name}`)
      for (const form of [...anyOf, ...oneOf]) visit(form, path)
      if (items) visit(items, `${path}[]`)
    }
    visit(configJsonSchema(builtIn), '')
    visit(policyJsonSchema(), 'policy')
    expect(missing).toEqual([])
  })
})

test('the list of components', () => {
  expect(builtInComponents(registries)).toEqual({
    receivers: [{ name: 'otlp' }],
    processors: [{ name: 'minimize' }],
    connectors: [{ name: 'residency' }],
    exporters: [{ name: 'otlp_http', aliases: ['otlphttp'] }, { name: 'debug' }],
    extensions: [{ name: 'health_check' }, { name: 'admin' }, { name: 'api_keys' }],
  })
})
