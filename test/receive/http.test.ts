/** OTLP/HTTP, rule by rule: what is asked, and what the answer must be. Tests bear the ids of the OTLP rules. */
import zlib from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readResponse, readStatus, statusOf } from './grpc_client.ts'
import { type Ask, ask, type Harness, jsonType, protobufType, type Reply, startHarness } from './harness.ts'

const MiB = 1024 * 1024
const text = Buffer.from('a body, whatever it is')

let harness: Harness
beforeAll(async () => {
  harness = await startHarness({
    protocols: { http: { endpoint: '127.0.0.1:0' } },
  })
})
afterAll(() => harness.receiver.stop())
beforeEach(() => {
  harness.seen.length = 0
  harness.refused.length = 0
  harness.answer = () => ({ is: 'ok' })
})
const send = (request: Ask): Promise<Reply> => ask(harness.http, request)

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
