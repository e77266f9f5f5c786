/**
 * A person is erased while a gateway runs: his records in the store, in dead letters, in quarantine, and those that
 * still come. Afterwards nothing of him can be read, whatever is delivered or released later.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { StoredRecord } from '../../exporters/postgres/query.ts'
import type { QuarantineShown } from '../../src/admin/set_aside.ts'
import type { GatewayStatus } from '../../src/status.ts'
import { cleanUp, files, type Gateway, run, runJson, start, temporaryFolder, until } from '../e2e/gateway.ts'
import { bytes, getText, record, recordsOf, request, send } from '../e2e/requests.ts'
import { decodeRequest, type Request } from '../oracle/otlp.ts'

let destination: Server
const took: Request[] = []
let refuses = true
let folder: string
let shared: string[]
let gateway: Gateway

beforeAll(async () => {
  destination = createServer(async (call, answer) => {
    const chunks: Buffer[] = []
    for await (const chunk of call) chunks.push(chunk as Buffer)
    if (!refuses) took.push(decodeRequest(Buffer.concat(chunks)))
    answer.writeHead(refuses ? 400 : 200, { 'content-type': 'application/x-protobuf' }).end()
  })
  await new Promise<void>((resolve) => destination.listen(0, '127.0.0.1', resolve))
  folder = temporaryFolder()
  const file = files(folder, {
    'gateway.yaml': `
receivers:
  otlp:
    protocols: { http: { endpoint: 127.0.0.1:0 } }
    tenant: { from: ['resource.attributes["tenant.id"]'] }
processors:
  tag_purpose: { rules: [], default: [support] }
  encrypt: { fields: [log.body], subject: 'log.attributes["enduser.id"]' }
connectors: { residency: { policy: residency.yaml } }
exporters:
  postgres/de: { region: eu-de, url: embedded, database: de }
  otlp_http/de: { region: eu-de, endpoint: "http://127.0.0.1:${(destination.address() as AddressInfo).port}", compression: none }
extensions:
  admin: { endpoint: 127.0.0.1:0 }
  backup/de: { region: eu-de, path: backups, schedule: none }
service:
  extensions: [admin, backup/de]
  telemetry: { metrics: { level: none } }
  pipelines:
    logs/in: { receivers: [otlp], processors: [tag_purpose, encrypt], exporters: [residency] }
    logs/de: { receivers: [residency], exporters: [postgres/de, otlp_http/de] }
`,
    'residency.yaml': `
regions: { eu-de: { jurisdiction: [DE, EU], pipeline: logs/de } }
purposes: { support: { description: help, retention: 1mo, content: encrypt } }
tenants: { acme: { residency: local, region: eu-de } }
default: { residency: quarantine }
`,
  })
  shared = ['--config', file, '--data-dir', join(folder, 'data')]
  gateway = await start(file, join(folder, 'data'), { waitMs: 90_000 })
})
afterAll(async () => {
  await cleanUp()
  destination.closeAllConnections()
  await new Promise((resolve) => destination.close(resolve))
})

const status = async (): Promise<GatewayStatus> =>
  JSON.parse((await getText(gateway.endpoints.admin, '/v1/status')).text)
const quarantine = async (): Promise<QuarantineShown> =>
  JSON.parse((await getText(gateway.endpoints.admin, '/v1/quarantine')).text)
const people = ['jane', 'john']
const canaries = (tenant: string, mark: string) =>
  request(
    tenant,
    people.map((id) => record(`canary of ${id}, ${mark}`, { with: { 'enduser.id': id } })),
  )
async function sendAll(tenant: string, mark: string): Promise<void> {
  const { status: code, body } = await send(gateway.endpoints.http, bytes(canaries(tenant, mark)))
  expect(code, `${body}${gateway.told()}`).toBe(200)
  await until(async () => (await status()).total.in_flight === 0, 30_000)
}
const about = (tenant: string) => ['--tenant', tenant, '--id', 'jane', '--reason', 'case 17', ...shared]
const rows = () => runJson<StoredRecord>(['query', '--format', 'json', ...shared])

/** The rows as the decrypt side opens them. */
async function opened(lines: readonly object[]): Promise<string> {
  const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  const ended = await run(['decrypt', '--reason', 'search', '--data-dir', join(folder, 'data')], { input })
  return ended.stdout
}

it('leaves nothing of him to be read, wherever his records were and are yet to come from', async () => {
  await sendAll('acme', 'before')
  await sendAll('newcomer', 'in quarantine')
  expect((await quarantine()).tenants).toEqual({ newcomer: 2 })
  const before = await rows()
  expect(before.map(({ attributes }) => typeof attributes['douane.subject_ref'])).toEqual(['string', 'string'])
  expect(await opened(before)).toContain('canary of jane, before')
  await runJson(['backup', 'run', ...shared])

  for (const tenant of ['acme', 'newcomer']) await runJson(['subject', 'erase', '--yes', ...about(tenant)])
  await until(async () => !(await rows()).some(({ attributes }) => attributes['enduser.id'] === 'jane'))
  await sendAll('acme', 'after')
  gateway.signal('SIGHUP')
  await gateway.hears('reloaded')
  await until(async () => (await quarantine()).records === 1)

  // Everything that was set aside goes on its way: the dead letters, and the quarantine under a policy that knows it.
  refuses = false
  const known = readFileSync(join(folder, 'residency.yaml'), 'utf8').replace(
    'tenants: {',
    'tenants: { newcomer: { residency: local, region: eu-de },',
  )
  writeFileSync(join(folder, 'residency.yaml'), known)
  await gateway.hears('reloaded', 15_000)
  await runJson(['dead-letters', 'retry', '--data-dir', join(folder, 'data')])
  await runJson(['quarantine', 'release', '--data-dir', join(folder, 'data')])
  await until(async () => (await status()).total.in_flight === 0, 30_000)
  const delivered = recordsOf(took).map(({ body, attributes }) => ({ body, attributes }))
  expect(delivered.length).toBeGreaterThanOrEqual(5)

  const now = await rows()
  const all = await opened([...before, ...now])
  for (const mark of ['before', 'after', 'in quarantine']) expect(all).toContain(`canary of john, ${mark}`)
  expect(all).not.toContain('canary of jane')
  const plain = delivered.map(({ body }) => ({
    tenant: 'acme',
    region: 'eu-de',
    purpose: 'support',
    body: body?.stringValue,
  }))
  const foreign = await opened(plain)
  expect(foreign).toContain('canary of john')
  expect(foreign).not.toContain('canary of jane')
  const restore = ['backup', 'restore', '--database', 'old', '--reason', 'search', ...shared]
  expect(await runJson(restore)).toMatchObject([{ erased: 1 }])
  await gateway.stop()
  const everywhere = readdirSync(join(folder, 'data'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  expect(everywhere.filter((file) => readFileSync(file).includes('canary of'))).toEqual([])
})
