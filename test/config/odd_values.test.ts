/**
 * Whatever stands where an option's value should: the configuration loads, or the problem is told in its place. No value
 * of any component may end as a defect of ours.
 */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { builtIn } from '../../config/built_in.ts'
import { loadConfig } from '../../config/load.ts'

type Options = Record<string, unknown>

const components: [section: string, id: string, options: Options][] = [
  ['exporters', 'otlp_http', { endpoint: 'http://a', headers: { a: 'b' }, tls: { ca_file: 'ca' }, timeout: '5s' }],
  ['exporters', 'otlp_http', { logs_endpoint: 'http://a/logs', retry_on_failure: { initial_interval: '1s' } }],
  ['exporters', 'otlp_grpc', { endpoint: 'a:1', keepalive: { time: '10s' }, sending_queue: { queue_size: '1GiB' } }],
  ['exporters', 'file', { path: 'out.jsonl', region: 'eu' }],
  ['exporters', 'postgres', { url: 'postgres://u@h/d?sslmode=verify-full', database: 'd', schema: 's' }],
  ['processors', 'normalize_clock', { mode: 'correct' }],
  ['processors', 'tag_purpose', { rules: [{ purpose: 'support', when: 'true' }], default: ['support'] }],
  [
    'processors',
    'minimize',
    { detectors: { email: 'mask' }, keys: { a: 'hash' }, metadata: { allowed_keys: ['a.*'] } },
  ],
  ['processors', 'minimize', { custom_detectors: [{ name: 'badge', pattern: 'B[0-9]{4}', action: 'mask' }] }],
  ['processors', 'encrypt', { fields: ['log.body'], subject: 'log.attributes["user.id"]' }],
  ['extensions', 'oidc', { issuer: 'https://idp.example', audience: 'logs', jwks_url: 'https://idp.example/keys' }],
  ['extensions', 'api_keys', { file: 'keys.yaml' }],
  ['extensions', 'health_check', { endpoint: '127.0.0.1:13133', path: '/' }],
  [
    'extensions',
    'backup',
    {
      region: 'eu',
      s3: { endpoint: 'https://s3', bucket: 'logs', access_key_id: 'a', secret_access_key: 's' },
      schedule: 'hourly',
    },
  ],
  ['connectors', 'residency', { policy: 'none.yaml', failover_after: '60s' }],
  ['service', 'telemetry', { metrics: { endpoint: '127.0.0.1:8888' }, logs: { level: 'info', endpoint: 'http://a' } }],
  ['service', 'keys', { providers: { v: { type: 'vault', address: 'https://v', key: 'k' } } }],
  ['service', 'limits', { per_tenant: { records_per_second: 5 }, tenants: { acme: { bytes_per_second: '5MB' } } }],
]
const odd = ['', 'a b', '127.0.0.1:1', 'https://a:99999', '[', '\u0000', -1, true, null, [], ['x'], { x: 1 }]

/** Every place in the options, the whole first. */
function places(node: unknown, at: (string | number)[] = []): (string | number)[][] {
  if (typeof node !== 'object' || node === null) return [at]
  return [at, ...Object.entries(node).flatMap(([key, value]) => places(value, [...at, key]))]
}

function replaced(node: unknown, [step, ...rest]: (string | number)[], value: unknown): unknown {
  if (step === undefined) return value
  const copy = structuredClone(node) as Options
  copy[step] = replaced(copy[step], rest, value)
  return copy
}

function told(section: string, id: string, options: unknown): string[] {
  const exporters = { 'postgres/eu': { url: 'embedded', region: 'eu' } }
  const beside = section === 'exporters' ? exporters : {}
  const text = stringify({ service: { pipelines: {} }, exporters, [section]: { ...beside, [id]: options } })
  const read = (file: string): string => {
    if (file.endsWith('gw.yaml')) return text
    throw Object.assign(new Error('none'), { code: 'ENOENT' })
  }
  const { problems } = loadConfig([join('/', 'gw.yaml')], { env: {}, registries: builtIn, read })
  return problems.map(({ path }) => path)
}

describe('odd values', () => {
  test.each(components)('%s.%s %j', (section, id, options) => {
    // The options as they stand are right, so what is told below is about the odd value.
    expect(told(section, id, options).filter((path) => path.startsWith(`${section}.${id}.`))).toEqual([])
    for (const place of places(options)) {
      for (const value of odd) told(section, id, replaced(options, place, value))
    }
  })

  test.each([
    ['exporters', 'otlp_http', { endpoint: '127.0.0.1:4318' }, 'exporters.otlp_http.endpoint'],
    ['exporters', 'otlp_http', { logs_endpoint: 'https://a:99999' }, 'exporters.otlp_http.logs_endpoint'],
    ['extensions', 'oidc', { issuer: 'idp.example', audience: 'a' }, 'extensions.oidc.issuer'],
  ])('%s.%s %j is told in its place', (section, id, options, path) => {
    expect(told(section, id, options)).toContain(path)
  })
})
