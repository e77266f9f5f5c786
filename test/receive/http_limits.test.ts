/** OTLP/HTTP: the limit on bodies, cross-origin requests, connections. Tests bear the ids of the OTLP rules. */
import http from 'node:http'
import http2 from 'node:http2'
import zlib from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { statusOf } from './grpc_client.ts'
import { type Ask, ask, type Harness, jsonType, protobufType, type Reply, startHarness } from './harness.ts'

const MiB = 1024 * 1024
const bodyBytesMax = 2 * MiB
const text = Buffer.from('a body, whatever it is')

let harness: Harness
beforeAll(async () => {
  harness = await startHarness({
    protocols: {
      http: {
        endpoint: '127.0.0.1:0',
        max_request_body_size: '2MiB',
        cors: { allowed_origins: ['https://*.example.com'], allowed_headers: ['X-Mine'], max_age: 600 },
      },
    },
  })
})
afterAll(() => harness.receiver.stop())
beforeEach(() => {
  harness.seen.length = 0
  harness.refused.length = 0
  harness.answer = () => ({ is: 'ok' })
})
const send = (request: Ask): Promise<Reply> => ask(harness.http, request)

describe('cross-origin', () => {
  const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' }
  it('answers the preflight of an allowed origin, and lets it read answers', async () => {
    const origin = 'https://app.example.com'
    const asked = await send({ method: 'OPTIONS', headers: { origin, ...preflight } })
    expect(asked).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'POST',
        'access-control-max-age': '600',
        vary: 'Origin',
      },
    })
    expect(asked.headers['access-control-allow-headers']).toContain('x-mine')
    const sent = await send({ headers: { ...jsonType, origin }, body: '{}' })
    expect(sent).toMatchObject({ status: 200, headers: { 'access-control-allow-origin': origin } })
    const refused = await send({ headers: { ...jsonType, origin }, body: '{' })
    expect(refused).toMatchObject({ status: 400, headers: { 'access-control-allow-origin': origin } })
  })

  it.each([
    'https://example.com',
    'https://app.example.com.evil.org',
    'http://app.example.com',
    'https://appxexample.com',
  ])('%s is not allowed', async (origin) => {
    const asked = await send({ method: 'OPTIONS', headers: { origin, ...preflight } })
    expect(asked.status).toBe(405)
    expect(asked.headers['access-control-allow-origin']).toBeUndefined()
  })
})

describe('limits', () => {
  const over = bodyBytesMax + 1
  const zeros = Buffer.alloc(over)
  const noise = Buffer.alloc(over, 'a text that repeats, with a length that is odd ')
  it.each([
    ['limit.over.protobuf', { ...protobufType }, zeros],
    ['limit.over.json', { ...jsonType }, zeros],
    ['limit.over.chunked', { ...protobufType, 'transfer-encoding': 'chunked' }, zeros],
    ['limit.over.inflated-protobuf', { ...protobufType, 'content-encoding': 'gzip' }, zlib.gzipSync(noise)],
    ['limit.over.inflated-json', { ...jsonType, 'content-encoding': 'gzip' }, zlib.gzipSync(noise)],
    [
      'limit.over.inflated-chunked',
      { ...protobufType, 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' },
      zlib.gzipSync(noise),
    ],
    ['limit.over.stored-gzip', { ...protobufType, 'content-encoding': 'gzip' }, zlib.gzipSync(noise, { level: 0 })],
    ['limit.over.deflate', { ...protobufType, 'content-encoding': 'deflate' }, zlib.deflateSync(noise)],
    ['limit.over.zstd', { ...protobufType, 'content-encoding': 'zstd' }, zlib.zstdCompressSync(noise)],
    [
      'members that are small, and together too large',
      { ...protobufType, 'content-encoding': 'gzip' },
      Buffer.concat(Array(300).fill(zlib.gzipSync(Buffer.alloc(8192)))),
    ],
  ])('%s: 413 with a Status', async (_, headers, body) => {
    const reply = await send({ headers, body })
    expect(reply.status).toBe(413)
    expect(reply.headers['content-type']).toBe(headers['content-type'])
    expect(statusOf(reply)).toMatchObject({ code: 8, message: expect.stringContaining(String(bodyBytesMax)) })
    expect(harness.seen).toHaveLength(0)
    expect(harness.refused).toEqual(['http too_large'])
    expect(harness.receiver.inflightBytes()).toBe(0)
  })

  it.each([
    ['limit.below.plain', {}, Buffer.alloc(bodyBytesMax, 5)],
    ['limit.below.chunked', { 'transfer-encoding': 'chunked' }, Buffer.alloc(bodyBytesMax, 6)],
    ['limit.below.gzip', { 'content-encoding': 'gzip' }, zlib.gzipSync(Buffer.alloc(bodyBytesMax, 7))],
    ['limit.below.zstd', { 'content-encoding': 'zstd' }, zlib.zstdCompressSync(Buffer.alloc(bodyBytesMax, 8))],
  ])('%s: the limit itself passes', async (_, headers, body) => {
    expect((await send({ headers: { ...protobufType, ...headers }, body })).status).toBe(200)
    expect(harness.seen[0]!.body.length).toBe(bodyBytesMax)
    expect(new Set(harness.seen[0]!.body).size).toBe(1)
  })
})

describe('connections', () => {
  it('conn.keep-alive, conn.after-error: 50 requests on one connection, errors among them', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number>()
    for (let n = 0; n < 50; n++) {
      const request = n % 5 === 4 ? { headers: jsonType, body: '{' } : { headers: protobufType, body: `request ${n}` }
      const reply = await send({ ...request, agent })
      expect(reply.status).toBe(n % 5 === 4 ? 400 : 200)
      for (const socket of Object.values(agent.freeSockets).flat())
        ports.add((socket as { localPort: number }).localPort)
    }
    agent.destroy()
    expect(ports.size).toBe(1)
    expect(harness.seen).toHaveLength(40)
  })

  it('conn.concurrent: 32 connections, 10 requests each, all once', async () => {
    const texts: string[] = []
    await Promise.all(
      Array.from({ length: 32 }, async (_, c) => {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
        for (let n = 0; n < 10; n++) {
          texts.push(`${c} ${n} ${'x'.repeat(n * 5000)}`)
          expect((await send({ headers: protobufType, body: texts.at(-1)!, agent })).status).toBe(200)
        }
        agent.destroy()
      }),
    )
    expect(harness.seen.map((seen) => seen.body.toString()).sort()).toEqual(texts.sort())
    expect(harness.receiver.inflightBytes()).toBe(0)
  })

  it('conn.http2: prior knowledge; refusals and large bodies too', async () => {
    const session = http2.connect(`http://127.0.0.1:${harness.http.port}`)
    const post = (path: string, body: Buffer, headers: http2.OutgoingHttpHeaders = {}) =>
      new Promise<number>((resolve, reject) => {
        const stream = session.request({ ':method': 'POST', ':path': path, ...protobufType, ...headers })
        stream.on('response', (head) => resolve(Number(head[':status'])))
        stream.on('error', reject)
        stream.resume().end(body)
      })
    const large = Buffer.alloc(MiB, 3)
    expect(await post('/v1/logs', large)).toBe(200)
    expect(await post('/v1/traces', text)).toBe(404)
    expect(await post('/v1/logs', Buffer.alloc(bodyBytesMax + 1))).toBe(413)
    expect(await post('/v1/logs', zlib.gzipSync(large), { 'content-encoding': 'gzip' })).toBe(200)
    session.close()
    expect(harness.seen.map((seen) => seen.body.equals(large))).toEqual([true, true])
  })

  it('a body is only lent: its buffer serves the next request', async () => {
    const views: Buffer[] = []
    harness.answer = (request) => {
      views.push(request.body)
      return { is: 'ok' }
    }
    for (let n = 1; n <= 3; n++) await send({ headers: protobufType, body: Buffer.alloc(200_000, n) })
    expect(new Set(views.map((view) => view.buffer)).size).toBe(1)
    expect(views.map((view) => view.length)).toEqual([200_000, 200_000, 200_000])
  })
})
