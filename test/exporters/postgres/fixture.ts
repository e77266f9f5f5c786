/**
 * A store on an embedded server in a folder of its own, and what a store gets from its host.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type Embedded, openEmbedded } from '../../../exporters/postgres/embedded.ts'
import { type StoreOptions, storeOptions } from '../../../exporters/postgres/options.ts'
import { queryStore, type StoredRecord, type StoreQuery } from '../../../exporters/postgres/query.ts'
import { PostgresStore } from '../../../exporters/postgres/store.ts'
import type { Batch, Host } from '../../../src/contract.ts'
import { encodeRequest, type LogRecord, type Request } from '../../oracle/otlp.ts'
import { seedCluster } from './made_cluster.ts'

export const nowMs = Date.UTC(2026, 10, 21, 12)
export const nowNanos = BigInt(nowMs) * 1_000_000n

export async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'douane-test-'))
}

/** A host that counts. */
export function makeHost(
  folder: string,
  retention: Record<string, string> = {},
): Host & { counts: Record<string, number> } {
  const counts: Record<string, number> = {}
  const host = {
    id: 'postgres/test',
    counts,
    dataDir: () => folder,
    nowMs: () => nowMs,
    retention: (purpose: string) => retention[purpose],
    counter: (name: string) => ({ add: (n: number) => (counts[name] = (counts[name] ?? 0) + n) }),
    gauge: () => {},
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  }
  return host as unknown as Host & { counts: Record<string, number> }
}

export interface TestServer {
  readonly folder: string
  readonly embedded: Embedded
  /** Runs SQL as the owner, with `douane` as its search path. */
  sql(database: string, text: string, params?: unknown[]): Promise<Record<string, unknown>[]>
  close(): Promise<void>
}

export async function startServer(): Promise<TestServer> {
  const root = await temporaryFolder()
  const folder = join(root, 'postgres')
  await seedCluster(folder)
  const embedded = await openEmbedded(folder)
  return {
    folder,
    embedded,
    sql: async (database, text, params = []) => {
      const options = '-c search_path=douane,public'
      const client = new pg.Client({ ...embedded.connection(database), options, connectionTimeoutMillis: 0 })
      await client.connect()
      try {
        return (await client.query(text, params)).rows
      } finally {
        await client.end()
      }
    },
    close: async () => {
      await embedded.close()
      await rm(root, { recursive: true, force: true })
    },
  }
}

export const optionsFor = (database: string, more: Partial<StoreOptions> = {}): StoreOptions => ({
  ...storeOptions.parse({ database }),
  ...more,
})

export async function openStore(server: TestServer, database: string, host = makeHost(server.folder)) {
  const store = new PostgresStore(optionsFor(database), host)
  await store.start()
  return store
}

export const never = new AbortController().signal

let batches = 0
export const batchOf = (request: Request, id = `batch-${++batches}`): Batch => ({
  id,
  body: encodeRequest(request),
  records: recordsOf(request).length,
})

export const recordsOf = (request: Request): LogRecord[] =>
  (request.resourceLogs ?? [])
    .flatMap((resource) => resource.scopeLogs ?? [])
    .flatMap((scope) => scope.logRecords ?? [])

const stringValue = (text: string) => ({ stringValue: text })

/** A record as the residency route makes it for one purpose. */
export const record = (purpose: string, more: LogRecord = {}, tenant = 'acme', region = 'eu-de'): LogRecord => ({
  timeUnixNano: nowNanos,
  severityNumber: 9,
  ...more,
  attributes: [
    ...(more.attributes ?? []),
    { key: 'douane.purpose', value: { arrayValue: { values: [stringValue(purpose)] } } },
    { key: 'douane.region', value: stringValue(region) },
    { key: 'douane.tenant', value: stringValue(tenant) },
  ],
})

export const requestOf = (logRecords: LogRecord[]): Request => ({
  resourceLogs: [
    {
      resource: { attributes: [{ key: 'service.name', value: stringValue('shop') }] },
      scopeLogs: [{ scope: { name: 'lib', version: '1' }, logRecords }],
    },
  ],
})

export async function readAll(server: TestServer, database: string, query: StoreQuery = {}): Promise<StoredRecord[]> {
  const found: StoredRecord[] = []
  const store = { options: optionsFor(database), folder: server.folder }
  for await (const each of queryStore(store, query)) found.push(each)
  return found
}
