/**
 * 1,000 canaries in content that is to be sealed, through a whole gateway: a PostgreSQL store, a file, a queue whose
 * destination is away, dead letters, quarantine, kill -9 and a start after it. None is found in any file that the
 * gateway wrote (store, write-ahead log, queue, dead letters, keys, state, temporary files, backups of none of them
 * apart), nor in what it said, its metrics and admin pages; and with their keys all are read.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { cleanUp, files, type Gateway, run, runJson, start, temporaryFolder, until } from '../e2e/gateway.ts'
import { ask, getText } from '../e2e/requests.ts'
import { encodeRequest } from '../oracle/otlp.ts'

afterAll(cleanUp)

const canaries = Array.from({ length: 1000 }, (_, i) => `canary-${i}-${((i * 7919) % 100_003).toString(36)}-f00d`)
const planted = /canary-\d+-\w+-f00d/

const config = (refusing: string) => `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } }, tenant: { from: ['resource.attributes["tenant.id"]'] } } }
processors:
  tag_purpose: { rules: [{ purpose: security, when: 'log.severity_number >= SEVERITY_NUMBER_ERROR' }], default: [support] }
  encrypt:
    fields: [log.body, 'log.attributes["comment"]', 'log.attributes["form"]', 'resource.attributes["host.name"]']
    subject: 'log.attributes["enduser.id"]'
    pad_to: [64, 256, 1024]
    index: true
connectors: { residency: { policy: residency.yaml } }
exporters:
  postgres/de: { url: embedded, database: de, region: eu-de }
  file/de: { path: out.jsonl, region: eu-de }
  otlp_http/away: { endpoint: "http://127.0.0.1:1", region: eu-de }
  otlp_http/refusing: { endpoint: "${refusing}", region: eu-de }
extensions: { admin: { endpoint: 127.0.0.1:0 }, health_check: { endpoint: 127.0.0.1:0 } }
service:
  extensions: [admin, health_check]
  telemetry: { metrics: { endpoint: 127.0.0.1:0 }, logs: { level: debug } }
  pipelines:
    logs/in: { receivers: [otlp], processors: [tag_purpose, encrypt], exporters: [residency] }
    logs/de: { receivers: [residency], exporters: [postgres/de, file/de, otlp_http/away, otlp_http/refusing] }
`
const policy = `
regions: { eu-de: { jurisdiction: [DE], pipeline: logs/de } }
purposes:
  support: { description: support, retention: 1mo, content: encrypt }
  security: { description: attacks, retention: 18mo, content: encrypt }
tenants: { acme: { residency: local, region: eu-de } }
default: { residency: quarantine }
`
const string = (value: string) => ({ stringValue: value })

/** A tenth of the canaries in each place. */
function requestWith(texts: readonly string[], tenant: string): Buffer {
  const logRecords = texts.map((text, i) => ({
    severityNumber: i % 3 === 0 ? 17 : 9,
    body: string(i % 4 === 0 ? text : 'nothing to see'),
    attributes: [
      { key: 'enduser.id', value: string(`person ${i % 50}`) },
      ...(i % 4 === 1 ? [{ key: 'comment', value: string(`words ${text} words`) }] : []),
      ...(i % 4 === 2
        ? [{ key: 'form', value: { kvlistValue: { values: [{ key: 'name', value: string(text) }] } } }]
        : []),
      ...(i % 4 === 3 ? [{ key: 'comment', value: { bytesValue: Buffer.from(text) } }] : []),
    ],
  }))
  const attributes = [
    { key: 'tenant.id', value: string(tenant) },
    { key: 'host.name', value: string(texts[0]!) },
  ]
  return encodeRequest({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] })
}

function allFiles(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

const found = (names: readonly string[]) => names.filter((name) => planted.test(readFileSync(name, 'latin1')))

async function told(gateway: Gateway): Promise<string> {
  const { endpoints } = gateway
  const pages = await Promise.all([
    getText(endpoints.metrics, '/metrics'),
    getText(endpoints.admin, '/status'),
    getText(endpoints.health, '/'),
  ])
  return [...pages.map(({ text }) => text), gateway.told(), JSON.stringify(gateway.said())].join('\n')
}

test('1,000 planted canaries: none is found in anything that was written or said', { timeout: 240_000 }, async () => {
  const refusing = http.createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(400).end('no'))
  })
  await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve))
  try {
    const folder = temporaryFolder()
    const temporary = join(folder, 'tmp')
    mkdirSync(temporary)
    const refusingAt = `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`
    const file = files(folder, { 'gateway.yaml': config(refusingAt), 'residency.yaml': policy })
    const data = join(folder, 'data')
    const env = { TMPDIR: temporary }
    let gateway = await start(file, data, { env, waitMs: 120_000 })
    const headers = { 'content-type': 'application/x-protobuf' }
    const send = async (from: number, to: number, tenant = 'acme') => {
      const body = requestWith(canaries.slice(from, to), tenant)
      expect((await ask(gateway.endpoints.http, '/v1/logs', { headers, body })).status).toBe(200)
    }
    for (let at = 0; at < 500; at += 100) await send(at, at + 100)
    await send(0, 100, 'a stranger')
    const before = await told(gateway)
    await gateway.kill()
    gateway = await start(file, data, { env, waitMs: 120_000 })
    for (let at = 500; at < 1000; at += 100) await send(at, at + 100)
    const out = join(folder, 'out.jsonl')
    const lines = () => (existsSync(out) ? readFileSync(out, 'utf8') : '')
    await until(() => lines().split('"body"').length > 1000, 60_000)
    await until(() => allFiles(data).some((name) => name.includes('dead')), 60_000)
    await until(
      async () =>
        (await runJson(['query', '--config', file, '--data-dir', data, '--store', 'postgres/de', '--format', 'json']))
          .length >= 1000,
      60_000,
    )

    const names = [...allFiles(data), ...allFiles(temporary), out]
    expect(names.length).toBeGreaterThan(100)
    expect(found(names)).toEqual([])
    const after = await told(gateway)
    expect(planted.test(before + after)).toBe(false)

    const query = await run([
      'query',
      '--config',
      file,
      '--data-dir',
      data,
      '--store',
      'postgres/de',
      '--format',
      'json',
    ])
    const args = ['decrypt', '--config', file, '--data-dir', data, '--reason', 'ticket 4711']
    const opened = await run(args, { input: query.stdout })
    const plain =
      opened.stdout +
      [...opened.stdout.matchAll(/"comment":"([A-Za-z0-9+/=]+)"/g)]
        .map(([, base64]) => Buffer.from(base64!, 'base64').toString())
        .join()
    expect(canaries.filter((canary) => !plain.includes(canary))).toEqual([])
    await gateway.stop()
    expect(found([...allFiles(data), ...allFiles(temporary)])).toEqual([])
  } finally {
    refusing.closeAllConnections()
    refusing.close()
  }
})
