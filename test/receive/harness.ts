/**
 * A receiver on free loopback ports with a stub `accept`, and plain clients: what the tests of receive share.
 */
import http from 'node:http'
import net from 'node:net'
import type { Answer, Received } from '../../src/receive/accept.ts'
import { type ReceiverConfig, receiverSchema } from '../../src/receive/config.ts'
import { type Receiver, type ReceiverHost, startReceiver } from '../../src/receive/otlp.ts'

export interface Seen {
  body: Buffer
  request: Received
}

export interface Harness {
  receiver: Receiver
  http: { host: string; port: number }
  grpc: string
  /** Every request that reached `accept`, its body copied. */
  seen: Seen[]
  refused: string[]
  authFailures: string[]
  tlsReloads: (string | undefined)[]
  answer: (request: Received) => Answer | Promise<Answer>
}

export type ConfigInput = Record<string, unknown>

export const config = (over: ConfigInput = {}): ReceiverConfig =>
  receiverSchema.parse({
    protocols: { grpc: { endpoint: '127.0.0.1:0' }, http: { endpoint: '127.0.0.1:0' } },
    ...over,
  })

export async function startHarness(
  over: ConfigInput = {},
  host: Partial<ReceiverHost> = {},
  started?: (harness: Harness) => void,
): Promise<Harness> {
  const harness = {
    seen: [],
    refused: [],
    authFailures: [],
    tlsReloads: [],
    answer: () => ({ is: 'ok' }),
  } as unknown as Harness
  harness.receiver = await startReceiver(config(over), {
    accept: async (request) => {
      harness.seen.push({ body: Buffer.from(request.body), request })
      return harness.answer(request)
    },
    nowUnixNano: () => 1_700_000_000_000_000_000n,
    monotonicNano: () => process.hrtime.bigint(),
    resolve: (path) => path,
    refused: (transport, reason) => harness.refused.push(`${transport} ${reason}`),
    authFailed: (address, failure) => harness.authFailures.push(`${address} ${failure}`),
    tlsReloaded: (error) => harness.tlsReloads.push(error),
    ...host,
  })
  const { http: endpoint, grpc } = harness.receiver.endpoints
  harness.http = { host: '127.0.0.1', port: Number(endpoint?.split(':').at(-1)) }
  harness.grpc = grpc ?? ''
  started?.(harness)
  return harness
}

export interface Reply {
  status: number
  headers: http.IncomingHttpHeaders
  body: Buffer
}

export interface Ask {
  method?: string
  path?: string
  headers?: Record<string, string | string[]>
  body?: Buffer | string
  agent?: http.Agent
}

export const protobufType = { 'content-type': 'application/x-protobuf' }
export const jsonType = { 'content-type': 'application/json' }

/** One HTTP request by node's client. */
export function ask(
  target: Harness['http'],
  { method = 'POST', path = '/v1/logs', headers, body, agent }: Ask,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = http.request({ ...target, method, path, headers, agent: agent ?? false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
      )
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** Sends raw bytes, piece by piece, and gives all that comes back until the server closes or `waitMs` is over. */
export function raw(target: Harness['http'], pieces: (string | Buffer)[], waitMs = 2000, gapMs = 0): Promise<RawReply> {
  return new Promise((resolve) => {
    const socket = net.connect(target.port, target.host)
    const chunks: Buffer[] = []
    const settle = (closed: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ text: Buffer.concat(chunks).toString('latin1'), closed })
    }
    const timer = setTimeout(() => settle(false), waitMs)
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('close', () => settle(true))
    socket.on('error', () => settle(true))
    socket.setNoDelay(true)
    socket.on('connect', async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return
        socket.write(piece)
        if (gapMs > 0) await new Promise((wake) => setTimeout(wake, gapMs))
      }
    })
  })
}
export interface RawReply {
  text: string
  closed: boolean
}

export const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until `holds`, at most two seconds. */
export async function until(holds: () => boolean, waitMs = 2000): Promise<void> {
  const end = performance.now() + waitMs
  while (!holds()) {
    if (performance.now() > end) throw new Error('did not come true in time')
    await later(5)
  }
}
