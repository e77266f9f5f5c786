/** Requests of the end-to-end tests: plain OTLP/JSON and protobuf senders, and readers of what arrived. */
import http from 'node:http'
import { encodeRequest, type KeyValue, type LogRecord, type Request } from '../oracle/otlp.ts'

export interface Reply {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

/** One request on a connection of its own. */
export function ask(
  endpoint: string,
  path: string,
  { method = 'POST', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: Uint8Array },
): Promise<Reply> {
  const [host, port] = endpoint.split(':')
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
      )
    })
    request.on('error', reject)
    request.end(body)
  })
}

export const send = (endpoint: string, body: Uint8Array, headers: Record<string, string> = {}): Promise<Reply> =>
  ask(endpoint, '/v1/logs', { headers: { 'content-type': 'application/x-protobuf', ...headers }, body })

export async function getText(endpoint: string, path: string): Promise<{ status: number; text: string }> {
  const { status, body } = await ask(endpoint, path, { method: 'GET' })
  return { status, text: body.toString() }
}

type Plain = string | number | boolean | bigint | Uint8Array

export function keyValue(key: string, value: Plain): KeyValue {
  if (typeof value === 'string') return { key, value: { stringValue: value } }
  if (typeof value === 'boolean') return { key, value: { boolValue: value } }
  if (typeof value === 'bigint') return { key, value: { intValue: value } }
  if (typeof value === 'number') return { key, value: { doubleValue: value } }
  return { key, value: { bytesValue: value } }
}

export const attributes = (from: Record<string, Plain>): KeyValue[] =>
  Object.entries(from).map(([key, value]) => keyValue(key, value))

/** A record of now. */
export function record(body: string, more: LogRecord & { with?: Record<string, Plain> } = {}): LogRecord {
  const { with: plain = {}, ...fields } = more
  const nowNano = BigInt(Date.now()) * 1_000_000n
  return {
    timeUnixNano: nowNano,
    observedTimeUnixNano: nowNano,
    severityNumber: 9,
    body: { stringValue: body },
    attributes: attributes(plain),
    ...fields,
  }
}

/** One resource of a tenant (`undefined`: it says nothing of a tenant), one scope. */
export function request(
  tenant: string | undefined,
  logRecords: LogRecord[],
  more: Record<string, Plain> = {},
): Request {
  const resource = { ...(tenant !== undefined && { 'tenant.id': tenant }), 'service.name': 'checkout', ...more }
  return { resourceLogs: [{ resource: { attributes: attributes(resource) }, scopeLogs: [{ logRecords }] }] }
}

export const bytes = (from: Request): Buffer => encodeRequest(from)

/** All records of requests, flat, in order. */
export const recordsOf = (requests: readonly Request[]): LogRecord[] =>
  requests
    .flatMap(({ resourceLogs = [] }) => resourceLogs)
    .flatMap(({ scopeLogs = [] }) => scopeLogs)
    .flatMap(({ logRecords = [] }) => logRecords)

export const bodiesOf = (requests: readonly Request[]): string[] =>
  recordsOf(requests).map(({ body }) => body?.stringValue ?? '')

export const attribute = ({ attributes: all = [] }: LogRecord, key: string) => all.find((one) => one.key === key)?.value
