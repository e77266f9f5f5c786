/** Runs minimize on one record through the real chain and the real splice, and gives back what would leave. */
import { createHash } from 'node:crypto'
import minimize from '../../../processors/minimize/index.ts'
import type { Host, Processor } from '../../../src/contract.ts'
import { readRequest } from '../../../src/otlp/read.ts'
import { LogsRequest } from '../../../src/otlp/request.ts'
import { Splicer } from '../../../src/otlp/splice.ts'
import { Chain } from '../../../src/pipeline/chain.ts'
import { type AnyValue, decodeRequest, encodeRequest, type LogRecord, type Request } from '../../oracle/otlp.ts'

export const hashKey = (tenant: string): Uint8Array => createHash('sha256').update(`key of ${tenant}`).digest()

/** A host that counts by label values and hands out one hash key a tenant. */
export function testHost(counts = new Map<string, number>()): Host {
  const add = (id: string) => ({ add: (n: number) => void counts.set(id, (counts.get(id) ?? 0) + n) })
  const counter = (name: string) => ({ ...add(name), with: (...values: string[]) => add(values.join(' ')) })
  return {
    counter,
    purposes: {
      bit: (name: string) => (name === 'billing' ? 1 : 2),
      names: (mask: number) => ['billing', 'support'].filter((_, bit) => mask & (1 << bit)),
    },
    hashKeys: { current: (tenant: string) => ({ id: '0badcafe', key: hashKey(tenant) }) },
  } as unknown as Host
}

export interface Outcome {
  /** Attributes of the record by key, plain values. */
  attributes: Record<string, unknown>
  body: unknown
  record: LogRecord
  request: Request
  counts: Map<string, number>
  bytes: Buffer
}

export const text = (value: string): AnyValue => ({ stringValue: value })

export function plain(value: AnyValue | undefined): unknown {
  if (value === undefined) return undefined
  if (value.stringValue !== undefined) return value.stringValue
  if (value.intValue !== undefined) return value.intValue
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(plain)
  if (value.kvlistValue)
    return Object.fromEntries((value.kvlistValue.values ?? []).map((e) => [e.key ?? '', plain(e.value)]))
  return value.doubleValue ?? value.boolValue ?? (value.bytesValue && new Uint8Array(value.bytesValue))
}

export interface Options {
  config?: object
  tenant?: string
  purposes?: number
  resource?: Record<string, AnyValue>
  schemaUrl?: string
  /** What becomes of content in the copy, and which purposes it is for. */
  copy?: { content?: 'keep' | 'drop' | 'seal'; purposes?: number }
}

export function minimizeRecord(record: LogRecord, options: Options = {}): Outcome {
  const entries = Object.entries(options.resource ?? {}).map(([key, value]) => ({ key, value }))
  const sent: Request = {
    resourceLogs: [
      {
        resource: { attributes: entries },
        ...(options.schemaUrl !== undefined && { schemaUrl: options.schemaUrl }),
        scopeLogs: [
          {
            scope: { name: 's' },
            logRecords: [record],
            ...(options.schemaUrl !== undefined && { schemaUrl: options.schemaUrl }),
          },
        ],
      },
    ],
  }
  const request = new LogsRequest()
  readRequest(request, encodeRequest(sent))
  request.tenants[0] = options.tenant ?? 'acme'
  const counts = new Map<string, number>()
  const processor = minimize.create(minimize.config.parse(options.config ?? {}), testHost(counts))
  const tagger = {
    record: (view: { purposes: number }): 'keep' => {
      view.purposes = options.purposes ?? 0
      return 'keep'
    },
  }
  const counter = { add: () => {} }
  const named = (id: string, each: object) => ({ id, processor: each, incoming: counter, outgoing: counter })
  const failures: unknown[] = []
  const chain = [named('tag', tagger), named('minimize', processor)]
  new Chain(request, chain, (_id, error) => failures.push(error)).run(new Uint8Array(request.resources.count))
  if (failures.length > 0) throw failures[0]
  const form = { content: 'keep' as const, appendix: Buffer.alloc(0), seal: () => 'cose:sealed', ...options.copy }
  const plan = { records: Int32Array.of(0), formOf: new Uint16Array(1), count: 1, forms: [form] }
  const bytes = Buffer.from(new Splicer().splice(request, plan))
  const out = decodeRequest(bytes)
  const left = out.resourceLogs?.[0]?.scopeLogs?.[0]?.logRecords?.[0] ?? {}
  const attributes = Object.fromEntries((left.attributes ?? []).map((e) => [e.key ?? '', plain(e.value)]))
  return { attributes, body: plain(left.body), record: left, request: out, counts, bytes }
}

/** One attribute in, its value out. */
export const attribute = (key: string, value: AnyValue, options: Options = {}): unknown =>
  minimizeRecord({ attributes: [{ key, value }] }, options).attributes[key]

/** Runs a processor over a request's bytes where they lie, and gives the first attribute of each record. */
export function runOnce(processor: Processor, body: Buffer): unknown[] {
  const request = new LogsRequest()
  readRequest(request, body)
  const counter = { add: () => {} }
  const fail = (_id: string, error: unknown): void => {
    throw error
  }
  new Chain(request, [{ id: 'minimize', processor, incoming: counter, outgoing: counter }], fail).run(
    new Uint8Array(request.resources.count),
  )
  return Array.from({ length: request.slots.count }, (_, slot) => slot)
    .filter((slot) => request.slots.keyId(slot) > 0)
    .map((slot) => request.slots.text(slot))
}
