/**
 * A gateway that passes everything through to one OTLP destination, and what the rules of an OTLP server are tried
 * with: senders of bytes, JSON and gRPC, and what arrived, read by the oracle's strict decoder.
 *
 * Requests are told apart by the resource attribute `rule`.
 */
import { join } from 'node:path'
import { type HttpDestination, httpDestination } from '../../exporters/servers.ts'
import { type AnyValue, decodeRequest, encodeRequest, type LogRecord, type Request } from '../../oracle/otlp.ts'
import { callOnce, readResponse } from '../../receive/grpc_client.ts'
import { passThrough, quickRetry } from '../configs.ts'
import { files, type Gateway, start, temporaryFolder, until } from '../gateway.ts'
import { ask, keyValue } from '../requests.ts'

/** What the sender was told, in words that both protocols share. */
export interface Told {
  /** 200 or OK; the client's fault, not to be sent again; come again; our fault. */
  readonly is: 'ok' | 'bad' | 'later' | 'failed'
  readonly rejected: number
}

/** A record with all that it stands in. */
export interface Flat {
  readonly record: LogRecord
  readonly resource: unknown
  readonly scope: unknown
  readonly schemas: readonly (string | undefined)[]
}

export interface Bench {
  readonly gateway: Gateway
  readonly sink: HttpDestination
  http(body: Uint8Array, type?: 'protobuf' | 'json'): Promise<Told>
  grpc(body: Uint8Array): Promise<Told>
  /** Waits until `count` records of a rule are there, and gives all there are. */
  arrived(rule: string, count: number): Promise<Flat[]>
  /** Delivers what is queued, stops, and gives how many records of each rule arrived in all. */
  finish(): Promise<Map<string, number>>
}

export async function startBench(): Promise<Bench> {
  const sink = await httpDestination()
  const folder = temporaryFolder()
  const config = passThrough({ otlp_http: `endpoint: "${sink.url}", ${quickRetry}` })
  const gateway = await start(files(folder, { 'gateway.yaml': config }), join(folder, 'data'))
  const seen = new Map<string, Flat[]>()
  let read = 0
  const look = (rule: string): Flat[] => {
    for (const { body } of sink.taken.slice(read))
      for (const [of, flat] of flatten(decodeRequest(body))) add(seen, of, flat)
    read = sink.taken.length
    return seen.get(rule) ?? []
  }
  return {
    gateway,
    sink,
    http: (body, type = 'protobuf') => overHttp(gateway.endpoints.http, body, type),
    grpc: async (body) => {
      const { code, response } = await callOnce(gateway.endpoints.grpc, Buffer.from(body))
      return { is: grpcClass(code), rejected: code === 0 ? rejectedIn(response!) : 0 }
    },
    arrived: async (rule, count) => {
      await until(() => look(rule).length >= count, 20_000)
      return look(rule)
    },
    finish: async () => {
      await gateway.stop()
      look('')
      await sink.close()
      return new Map([...seen].map(([rule, flats]) => [rule, flats.length]))
    },
  }
}

async function overHttp(endpoint: string, body: Uint8Array, type: 'protobuf' | 'json'): Promise<Told> {
  const headers = { 'content-type': type === 'json' ? 'application/json' : 'application/x-protobuf' }
  const { status, body: answer } = await ask(endpoint, '/v1/logs', { headers, body })
  const is = status === 200 ? 'ok' : [429, 502, 503, 504].includes(status) ? 'later' : status < 500 ? 'bad' : 'failed'
  const rejected =
    status !== 200
      ? 0
      : type === 'json'
        ? Number(JSON.parse(answer.toString()).partialSuccess?.rejectedLogRecords ?? 0)
        : rejectedIn(answer)
  return { is, rejected }
}

function rejectedIn(response: Uint8Array): number {
  const { partialSuccess } = readResponse(response) as { partialSuccess?: { rejectedLogRecords?: string } }
  return Number(partialSuccess?.rejectedLogRecords ?? 0)
}

const grpcClass = (code: number): Told['is'] =>
  code === 0 ? 'ok' : code === 3 ? 'bad' : code === 14 || code === 8 ? 'later' : 'failed'

/** Every record with its rule. */
export function flatten({ resourceLogs = [] }: Request): [rule: string, flat: Flat][] {
  return resourceLogs.flatMap(({ resource, scopeLogs = [], schemaUrl }) =>
    scopeLogs.flatMap(({ scope, logRecords = [], schemaUrl: inner }) =>
      logRecords.map((record): [string, Flat] => {
        const rule = resource?.attributes?.find(({ key }) => key === 'rule')?.value?.stringValue ?? ''
        return [rule, { record, resource, scope, schemas: [schemaUrl, inner] }]
      }),
    ),
  )
}

function add<K, V>(to: Map<K, V[]>, key: K, value: V): void {
  const list = to.get(key)
  if (list === undefined) to.set(key, [value])
  else list.push(value)
}

/** A request of one resource, marked with its rule. */
export const ruled = (rule: string, logRecords: LogRecord[]): Request => ({
  resourceLogs: [{ resource: { attributes: [keyValue('rule', rule)] }, scopeLogs: [{ logRecords }] }],
})

// Protobuf by hand, for what no library writes.

export const varint = (value: number | bigint): Buffer => {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Buffer.from([...bytes, Number(rest)])
}
export const tag = (field: number, wireType: number): Buffer => varint((field << 3) | wireType)
/** A field with a length: a string, bytes or a message. */
export const field = (number: number, ...content: (Uint8Array | string)[]): Buffer => {
  const whole = Buffer.concat(content.map((part) => Buffer.from(part as Uint8Array)))
  return Buffer.concat([tag(number, 2), varint(whole.length), whole])
}
export const fixed64 = (number: number, value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return Buffer.concat([tag(number, 1), bytes])
}

/** AnyValue { string_value } and KeyValue { key, value }, by hand. */
export const text = (value: string | Uint8Array): Buffer => field(1, value)
export const pair = (key: string | Uint8Array, value: Uint8Array): Buffer =>
  Buffer.concat([field(1, key), field(2, value)])

/** A request whose one record has these bytes as its content; `beside`: further content of the request's levels. */
export function around(
  rule: string,
  record: Uint8Array,
  beside: { request?: Uint8Array; resourceLogs?: Uint8Array; resource?: Uint8Array; scopeLogs?: Uint8Array } = {},
): Buffer {
  const none = Buffer.alloc(0)
  const { request = none, resourceLogs = none, resource = none, scopeLogs = none } = beside
  const inner = Buffer.concat([
    field(1, field(1, pair('rule', text(rule))), resource),
    field(2, field(2, record), scopeLogs),
  ])
  return Buffer.concat([field(1, inner, resourceLogs), request])
}

/** A request as OTLP/JSON, by the specification: lowerCamelCase, ids in hex, bytes in base64, 64 bits as strings. */
export function toJson(request: Request): string {
  return JSON.stringify(request, function (this: Record<string, unknown>, key) {
    const value = this[key]
    if (typeof value === 'bigint') return String(value)
    if (value instanceof Uint8Array) return Buffer.from(value).toString(/Id$/.test(key) ? 'hex' : 'base64')
    if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
    if (Object.is(value, -0)) return '-0'
    return value
  })
}

export const wire = (request: Request): Buffer => encodeRequest(request)
export const inKvlist = (value: AnyValue, depth: number): AnyValue =>
  depth === 0 ? value : inKvlist({ kvlistValue: { values: [{ key: 'k', value }] } }, depth - 1)
