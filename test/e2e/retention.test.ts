/**
 * How long what is kept, through the whole gateway: rows carry the retention of the policy in force.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StoredRecord } from '../../exporters/postgres/query.ts'
import type { GatewayStatus } from '../../src/status.ts'
import { cleanUp, files, type Gateway, runJson, start, temporaryFolder, until } from './gateway.ts'
import { bytes, record, request, send } from './requests.ts'

const config = `
receivers:
  otlp:
    protocols: { grpc: { endpoint: 127.0.0.1:0 }, http: { endpoint: 127.0.0.1:0 } }
    tenant: { from: ['resource.attributes["tenant.id"]'] }
processors:
  tag_purpose:
    rules: [{ purpose: [security, usage], when: 'HasPrefix(log.event_name, "auth.")' }]
    default: [usage]
connectors: { residency: { policy: residency.yaml } }
exporters: { postgres/eu: { region: eu-de, url: embedded, database: eu } }
extensions: { health_check: { endpoint: 127.0.0.1:0 }, admin: { endpoint: 127.0.0.1:0 } }
service:
  extensions: [health_check, admin]
  telemetry: { metrics: { endpoint: 127.0.0.1:0 } }
  pipelines:
    logs/in: { receivers: [otlp], processors: [tag_purpose], exporters: [residency] }
    logs/eu: { receivers: [residency], exporters: [postgres/eu] }
`
const policy = (usage: string, acme: string, others: string): string => `
regions: { eu-de: { jurisdiction: [DE, EU], pipeline: logs/eu } }
purposes:
  security: { description: attacks, retention: 18mo, content: keep }
  usage: { description: features, retention: ${usage}, content: keep }
tenants:
  acme: { residency: local, region: eu-de, purposes: { usage: { retention: ${acme} } } }
  globex: { residency: local, region: eu-de }
default: { residency: local, region: eu-de, purposes: { usage: { retention: ${others} } } }
`

let gateway: Gateway
let folder: string
let shared: string[]

beforeAll(async () => {
  folder = temporaryFolder()
  const file = files(folder, { 'gateway.yaml': config, 'residency.yaml': policy('90d', '6d', '30d') })
  shared = ['--config', file, '--data-dir', join(folder, 'data')]
  gateway = await start(file, join(folder, 'data'), { waitMs: 90_000 })
}, 120_000)
afterAll(cleanUp)

async function sendAll(mark: string): Promise<void> {
  for (const tenant of ['acme', 'globex', 'stranger']) {
    const body = bytes(request(tenant, [record(mark, { eventName: 'auth.login' })]))
    expect((await send(gateway.endpoints.http, body)).status).toBe(200)
  }
  await until(async () => (await runJson<GatewayStatus>(['status', ...shared]))[0]!.total.in_flight === 0, 30_000)
}

async function kept(mark: string): Promise<string[]> {
  const rows = await runJson<StoredRecord>(['query', '--format', 'json', ...shared])
  return rows
    .filter(({ body }) => body === mark)
    .map(({ tenant, purpose, retention }) => `${tenant} ${purpose} ${retention}`)
    .sort()
}

describe('stored rows', () => {
  it('carry the retention of their purpose, or the shorter one of their tenant or of everybody else', async () => {
    await sendAll('first')
    expect(await kept('first')).toEqual([
      'acme security 18mo',
      'acme usage 6d',
      'globex security 18mo',
      'globex usage 90d',
      'stranger security 18mo',
      'stranger usage 30d',
    ])
  })

  it('follow a policy that was reloaded, and those before keep what they were promised', async () => {
    const before = await kept('first')
    const reloaded = gateway.hears('reloaded')
    writeFileSync(join(folder, 'residency.yaml'), policy('180d', '2w', '1mo'))
    await reloaded
    await sendAll('second')
    expect((await kept('second')).filter((line) => line.includes('usage'))).toEqual([
      'acme usage 2w',
      'globex usage 180d',
      'stranger usage 1mo',
    ])
    expect(await kept('first')).toEqual(before)
  })
})
