/**
 * OTLP/HTTP, rule by rule: what is asked, and what the answer must be. Tests bear the ids of the OTLP rules.
 */
import http from 'node:http'
import http2 from 'node:http2'
import zlib from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readResponse, readStatus } from './grpc_client.ts'
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

/** The Status of an answer, in whichever type it has. */
function statusOf({ headers, body }: Reply): { code: number; message: string } {
  return headers['content-type'] === 'application/json' ? JSON.parse(body.toString()) : readStatus(body)
}

describe('success', () => {
  it('type.protobuf, success.partial-unset.protobuf: an empty response of the same type', async () => {
    const reply = await send({ headers: { ...protobufType, date: 'Sat, 21 Nov 2026 00:00:00 GMT' }, body: text })
    expect(reply).toMatchObject({ status: 200, headers: { 'content-type': 'application/x-protobuf' } })
    expect(reply.body).toHaveLength(0)
    expect(harness.seen[0]!.body).toEqual(text)
    expect(harness.seen[0]!.request).toMatchObject({
      sender: { transport: 'http', address: '127.0.0.1' },
      headers: { date: 'Sat, 21 Nov 2026 00:00:00 GMT' },
    })
  })

  it('type.json, success.partial-unset.json, success.json-keys: {} and the wire bytes in accept', async () => {
    const reply = await send({
      headers: jsonType,
      body: '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hi"}}]}]}]}',
    })
    expect(reply).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } })
    expect(reply.body.toString()).toBe('{}')
    expect(harness.seen[0]!.body.includes('hi')).toBe(true)
    expect(harness.seen[0]!.body[0]).toBe(0x0a)
  })

  it.each([
    ['empty.protobuf', { headers: protobufType, body: '' }],
    ['empty.json', { headers: jsonType, body: '{}' }],
    ['empty.json-list', { headers: jsonType, body: '{"resourceLogs":[]}' }],
    ['empty.gzip', { headers: { ...protobufType, 'content-encoding': 'gzip' }, body: zlib.gzipSync('') }],
  ])('%s: succeeds', async (_, request) => {
    expect((await send(request)).status).toBe(200)
    expect(harness.seen.map((seen) => seen.body.length)).toEqual([0])
  })

  it.each([
    ['type.json-charset', 'application/json; charset=utf-8'],
    ['type.json-upper', 'Application/JSON'],
    ['type.json-quoted-charset', 'application/json ; charset="utf-8"; x=y'],
    ['type.protobuf-param', 'application/x-protobuf;charset=x'],
    ['type.protobuf-upper', 'APPLICATION/X-PROTOBUF'],
    ['type.protobuf-messagetype', 'application/x-protobuf; messageType="a.b"'],
  ])('%s: %s', async (_, type) => {
    const reply = await send({
      headers: { 'content-type': type },
      body: type.toLowerCase().includes('json') ? '{}' : text,
    })
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toBe(type.split(';')[0]!.trim().toLowerCase())
  })

  it('encoding.response: never compressed unless asked for', async () => {
    const reply = await send({ headers: jsonType, body: '{}' })
    expect(reply.headers['content-encoding']).toBeUndefined()
  })

  it.each([
    ['path.query', '/v1/logs?x=y'],
    ['path.absolute-form', 'http://127.0.0.1/v1/logs'],
  ])('%s: %s', async (_, path) => {
    expect((await send({ path, headers: protobufType, body: text })).status).toBe(200)
  })

  it('headers.many: 80 headers of 8 KiB pass', async () => {
    const headers: Record<string, string> = { ...protobufType }
    for (let n = 0; n < 80; n++) headers[`x-proxy-${n}`] = 'v'.repeat(90)
    expect((await send({ headers, body: text })).status).toBe(200)
  })
})

const big = Buffer.from(Array.from({ length: 3000 }, (_, n) => `line ${n} ${n * n} `).join(''))
const packed: Record<string, Buffer> = {
  gzip: zlib.gzipSync(big),
  'x-gzip': zlib.gzipSync(big),
  GZIP: zlib.gzipSync(big),
  deflate: zlib.deflateSync(big),
  zstd: zlib.zstdCompressSync(big),
  identity: big,
}

describe('encodings', () => {
  it.each(Object.keys(packed))('encoding.%s: inflated before accept', async (encoding) => {
    const headers = { ...protobufType, 'content-encoding': encoding }
    expect((await send({ headers, body: packed[encoding]! })).status).toBe(200)
    expect(harness.seen[0]!.body.equals(big)).toBe(true)
    expect(harness.receiver.inflightBytes()).toBe(0)
  })

  it('deflate without its zlib header is understood', async () => {
    const headers = { ...protobufType, 'content-encoding': 'deflate' }
    expect((await send({ headers, body: zlib.deflateRawSync(big) })).status).toBe(200)
    expect(harness.seen[0]!.body.equals(big)).toBe(true)
  })

  it('encoding.gzip.members: several members, small ones and large ones', async () => {
    for (const part of [Buffer.from('small'), Buffer.alloc(MiB / 2, 'large ')]) {
      const body = Buffer.concat([zlib.gzipSync(part), zlib.gzipSync('middle'), zlib.gzipSync(part)])
      const headers = { ...protobufType, 'content-encoding': 'gzip' }
      expect((await send({ headers, body })).status).toBe(200)
      expect(harness.seen.at(-1)!.body.equals(Buffer.concat([part, Buffer.from('middle'), part]))).toBe(true)
    }
  })

  it('encoding.gzip.json: JSON too', async () => {
    const headers = { ...jsonType, 'content-encoding': 'gzip' }
    expect((await send({ headers, body: zlib.gzipSync('{ }') })).body.toString()).toBe('{}')
  })

  const crc = Buffer.from(packed['gzip']!)
  crc[crc.length - 6]! ^= 0xff
  const corrupt = Buffer.from(packed['gzip']!)
  corrupt.fill(0xa5, 200, 240)
  it.each([
    ['encoding.gzip.bad-crc', 'gzip', crc],
    ['encoding.gzip.corrupt', 'gzip', corrupt],
    ['encoding.gzip.not-gzip', 'gzip', big],
    ['gzip of nothing at all', 'gzip', Buffer.alloc(0)],
    ['encoding.gzip.truncated', 'gzip', packed['gzip']!.subarray(0, -100)],
    ['a small one, truncated', 'gzip', zlib.gzipSync('small').subarray(0, -5)],
    [
      'a small one whose size is a lie',
      'gzip',
      Buffer.concat([zlib.gzipSync('small').subarray(0, -4), Buffer.from([1, 0, 0, 0])]),
    ],
    ['deflate, truncated', 'deflate', packed['deflate']!.subarray(0, -100)],
    ['zstd, truncated', 'zstd', packed['zstd']!.subarray(0, -10)],
    ['zstd that is none', 'zstd', big],
  ])('%s: 400 with BadRequest, nothing reaches accept', async (_, encoding, body) => {
    for (const type of [protobufType, jsonType]) {
      const reply = await send({ headers: { ...type, 'content-encoding': encoding }, body })
      expect(reply.status).toBe(400)
      expect(reply.headers['content-type']).toBe(type['content-type'])
      expect(statusOf(reply)).toMatchObject({ code: 3 })
    }
    expect(harness.seen).toHaveLength(0)
    expect(harness.receiver.inflightBytes()).toBe(0)
  })

  it.each([
    'br',
    'gzip, gzip',
    'compress',
    'constructor',
  ])('encoding.unknown, encoding.unknown-415: %s', async (encoding) => {
    const reply = await send({ headers: { ...protobufType, 'content-encoding': encoding }, body: text })
    expect(reply).toMatchObject({ status: 415, headers: { 'accept-encoding': 'gzip, deflate, zstd' } })
    expect(readStatus(reply.body).message).toContain('gzip')
  })
})

describe('what is not served', () => {
  it.each([
    ['path.traces', '/v1/traces', protobufType],
    ['path.traces-json', '/v1/traces', jsonType],
    ['path.metrics', '/v1/metrics', protobufType],
    ['path.profiles', '/v1development/profiles', protobufType],
    ['path.unknown.json', '/nothing', jsonType],
    ['path.unknown.protobuf', '/v1/logs/', protobufType],
  ])('%s: 404 with a Status that names what is served', async (_, path, type) => {
    const reply = await send({ path, headers: type, body: text })
    expect(reply.status).toBe(404)
    expect(reply.headers['content-type']).toBe(type['content-type'])
    expect(statusOf(reply)).toMatchObject({ code: 5, message: expect.stringContaining('POST /v1/logs') })
    expect(harness.refused).toEqual(['http path'])
  })

  it.each(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('method.%s: 405, Allow, Status', async (method) => {
    const reply = await send({ method, headers: protobufType })
    expect(reply).toMatchObject({ status: 405, headers: { allow: 'POST' } })
    expect(readStatus(reply.body).code).toBe(12)
  })

  it('method.head: no body; path.root: 404', async () => {
    expect(await send({ method: 'HEAD' })).toMatchObject({ status: 405, body: Buffer.alloc(0) })
    expect((await send({ method: 'GET', path: '/' })).status).toBe(404)
  })

  it.each([
    ['type.missing', {}],
    ['type.unsupported.form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['type.unsupported.near', { 'content-type': 'application/protobuf' }],
    ['type.unsupported.near', { 'content-type': 'application/json-seq' }],
    ['type.unsupported.text', { 'content-type': 'text/plain' }],
  ])('%s: 415 with a Status', async (_, headers) => {
    const reply = await send({ headers, body: text })
    expect(reply.status).toBe(415)
    expect(statusOf(reply)).toMatchObject({ code: 3, message: expect.stringContaining('application/x-protobuf') })
  })

  it('type.mismatch.protobuf-as-json, error.bad-request-details-json, error.no-payload', async () => {
    const reply = await send({ headers: jsonType, body: Buffer.from('\x0a\x07payload', 'latin1') })
    expect(reply.status).toBe(400)
    const status = JSON.parse(reply.body.toString())
    expect(status).toMatchObject({ code: 3, details: [{ '@type': 'type.googleapis.com/google.rpc.BadRequest' }] })
    expect(reply.body.toString()).not.toContain('payload')
  })
})

describe('answers of accept', () => {
  const cases = [
    [{ is: 'bad', message: 'tag 0 at byte 3' }, 400, 3, undefined],
    [{ is: 'denied', message: 'no' }, 403, 7, undefined],
    [{ is: 'throttled', retryAfterMs: 1200, message: 'wait' }, 429, 8, '2'],
    [{ is: 'unavailable', retryAfterMs: 5, message: 'full' }, 503, 14, '1'],
    [{ is: 'failed', message: 'ours' }, 500, 13, undefined],
  ] as const
  it.each(cases)('%j → %i, Retry-After %s', async (answer, http, code, retryAfter) => {
    harness.answer = () => answer
    for (const type of [protobufType, jsonType]) {
      const reply = await send({ headers: type, body: type === jsonType ? '{}' : text })
      expect(reply.status).toBe(http)
      expect(reply.headers['retry-after']).toBe(retryAfter)
      expect(reply.headers['content-type']).toBe(type['content-type'])
      expect(statusOf(reply)).toMatchObject({ code, message: answer.message })
    }
    expect(harness.refused).toEqual([])
  })

  it('error.bad-request-details, RetryInfo: as protobuf and as JSON', async () => {
    harness.answer = () => ({ is: 'bad', message: 'cut at byte 9' })
    const asProtobuf = readStatus((await send({ headers: protobufType, body: text })).body)
    expect(asProtobuf.badRequest?.fieldViolations).toEqual([{ field: 'body', description: 'cut at byte 9' }])
    harness.answer = () => ({ is: 'unavailable', retryAfterMs: 1500, message: 'full' })
    const asJson = JSON.parse((await send({ headers: jsonType, body: '{}' })).body.toString())
    expect(asJson.details).toEqual([{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1.5s' }])
  })

  it('partial: the count as a string in JSON, as int64 in protobuf; a warning has no count', async () => {
    harness.answer = () => ({ is: 'partial', rejected: 300, message: 'bad ones' })
    const asJson = await send({ headers: jsonType, body: '{}' })
    expect(asJson.status).toBe(200)
    expect(JSON.parse(asJson.body.toString())).toEqual({
      partialSuccess: { rejectedLogRecords: '300', errorMessage: 'bad ones' },
    })
    const asProtobuf = await send({ headers: protobufType, body: text })
    expect(readResponse(asProtobuf.body)).toEqual({
      partialSuccess: { rejectedLogRecords: '300', errorMessage: 'bad ones' },
    })
    harness.answer = () => ({ is: 'partial', rejected: 0, message: 'careful' })
    const warning = await send({ headers: jsonType, body: '{}' })
    expect(JSON.parse(warning.body.toString())).toEqual({ partialSuccess: { errorMessage: 'careful' } })
  })

  it('an accept that throws or rejects is 500, without its text', async () => {
    harness.answer = () => {
      throw new Error('secret')
    }
    const reply = await send({ headers: jsonType, body: '{}' })
    expect(reply.status).toBe(500)
    expect(reply.body.toString()).not.toContain('secret')
  })
})

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
