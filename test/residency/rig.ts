/** A gateway in this process with a configuration of its own, on free ports, and stores that can be told what to answer. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { builtIn } from '../../config/built_in.ts'
import { loadConfigApart } from '../../config/load.ts'
import { type Admin, administered, startAdmin } from '../../src/admin.ts'
import { Gateway } from '../../src/gateway.ts'
import { decodeRequest, type LogRecord, type Request } from '../oracle/otlp.ts'

const undo: (() => unknown)[] = []

/** Call it after each test. */
export async function cleanUp(): Promise<void> {
  for (const step of undo.splice(0).toReversed()) await step()
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'douane-residency-'))
  undo.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

export interface Store {
  readonly url: string
  /** 200 takes what comes; anything else is answered as it is. */
  status: number
  readonly requests: { batch: string; request: Request; bytes: Buffer }[]
  records(): LogRecord[]
}

/** An OTLP/HTTP server. */
export async function startStore(): Promise<Store> {
  const requests: Store['requests'] = []
  const store = { status: 200 }
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const bytes = Buffer.concat(chunks)
      if (store.status === 200) {
        requests.push({ batch: String(request.headers['douane-batch-id']), request: decodeRequest(bytes), bytes })
      }
      response.writeHead(store.status, { 'content-type': 'application/x-protobuf' }).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  undo.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      }),
  )
  return Object.assign(store, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    records: () =>
      requests
        .flatMap(({ request }) => request.resourceLogs ?? [])
        .flatMap(({ scopeLogs = [] }) => scopeLogs)
        .flatMap(({ logRecords = [] }) => logRecords),
  })
}

export interface Running {
  readonly gateway: Gateway
  readonly admin: Admin
  readonly folder: string
  readonly dataDir: string
  send(tenant: string | undefined, events: readonly string[]): Promise<number>
  /** Writes a file beside the configuration. */
  write(name: string, text: string): void
  ask(path: string, post?: object): Promise<{ status: number; answer: Record<string, unknown> }>
  stop(): Promise<void>
}

/** `files`: by name; `config.yaml` is the configuration. */
export async function startGateway(files: Record<string, string>, folder = temporaryFolder()): Promise<Running> {
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  for (const [name, text] of Object.entries(files)) write(name, text)
  const dataDir = join(folder, 'data')
  const stream = new Writable({ write: (_chunk, _encoding, done) => done() })
  const gateway = await Gateway.start({
    dataDir,
    identity: { stream: stream as never, nowMs: () => Date.now(), version: '0', instance: 'test' },
    env: {},
    load: () => loadConfigApart([join(folder, 'config.yaml')], { env: {}, registries: builtIn }),
  })
  const admin = (await startAdmin(administered(gateway), () => []))!
  writeFileSync(
    join(dataDir, 'gateway.json'),
    JSON.stringify({ pid: process.pid, endpoints: { admin: admin.endpoint } }),
  )
  let isStopped = false
  const stop = async () => {
    if (isStopped) return
    isStopped = true
    await admin.close()
    await gateway.stop(2000)
  }
  undo.push(stop)
  return {
    gateway,
    admin,
    folder,
    dataDir,
    write,
    stop,
    send: (tenant, events) => sendTo(gateway.endpoints.http!, tenant, events),
    ask: async (path, post) => {
      const response = await fetch(`http://${admin.endpoint}${path}`, {
        ...(post && {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(post),
        }),
      })
      return { status: response.status, answer: (await response.json()) as Record<string, unknown> }
    },
  }
}

/** Records with these event names, as OTLP/JSON; gives the status. */
export async function sendTo(endpoint: string, tenant: string | undefined, events: readonly string[]): Promise<number> {
  const attributes = tenant === undefined ? [] : [{ key: 'tenant.id', value: { stringValue: tenant } }]
  const logRecords = events.map((eventName) => ({ eventName, body: { stringValue: `body of ${eventName}` } }))
  const response = await fetch(`http://${endpoint}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] }),
  })
  await response.arrayBuffer()
  return response.status
}

export async function until(holds: () => boolean | Promise<boolean>, waitMs = 5000): Promise<void> {
  const endMs = performance.now() + waitMs
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`did not come true: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Two regions, a store each; `more` goes into `service`. */
export const config = (home: string, central: string, more = '', connector = ''): string => `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
processors:
  tag_purpose:
    rules:
      - { purpose: security, when: 'HasPrefix(log.event_name, "auth.")' }
      - { purpose: billing, when: 'HasPrefix(log.event_name, "export.")' }
    default: [support]
connectors: { residency: { policy: residency.yaml${connector} } }
exporters:
  otlp_http/home: { region: eu-de, endpoint: "${home}", compression: none, retry_on_failure: { initial_interval: 20ms, max_interval: 50ms } }
  otlp_http/central: { region: eu-nl, endpoint: "${central}", compression: none, retry_on_failure: { initial_interval: 20ms, max_interval: 50ms } }
extensions: { admin: { endpoint: 127.0.0.1:0 } }
service:
  extensions: [admin]
  telemetry: { metrics: { level: none } }
${more}
  pipelines:
    logs/in: { receivers: [otlp], processors: [tag_purpose], exporters: [residency] }
    logs/home: { receivers: [residency], exporters: [otlp_http/home] }
    logs/central: { receivers: [residency], exporters: [otlp_http/central] }
`

export const policy = (tenants: string, byDefault = '{ residency: quarantine }'): string => `
regions:
  eu-de: { jurisdiction: [DE, EU], pipeline: logs/home }
  eu-nl: { jurisdiction: [NL, EU], pipeline: logs/central, central: true }
purposes:
  security: { retention: 18mo, content: encrypt }
  support: { retention: 1mo, content: encrypt }
  billing: { retention: 7y, content: drop }
tenants:
${tenants}
default: ${byDefault}
`

export const attribute = ({ attributes = [] }: LogRecord, name: string): unknown =>
  attributes.find(({ key }) => key === name)?.value?.stringValue
