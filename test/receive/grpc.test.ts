/**
 * The gRPC server against @grpc/grpc-js and a raw HTTP/2 client. Tests bear the ids of the OTLP rules they prove.
 * What is inside a record is not receive's business: `accept` is a stub that says what the test wants.
 */
import http2 from 'node:http2'
import net from 'node:net'
import zlib from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { call, callOnce, client, exportPath, readResponse } from './grpc_client.ts'
import { type Harness, later, startHarness, until } from './harness.ts'

const MiB = 1024 * 1024
let harness: Harness
beforeAll(async () => {
  harness = await startHarness({ protocols: { grpc: { endpoint: '127.0.0.1:0', max_recv_msg_size_mib: 4 } } })
})
afterAll(() => harness.receiver.stop())
beforeEach(() => {
  harness.seen.length = 0
  harness.refused.length = 0
  harness.answer = () => ({ is: 'ok' })
})

describe('a call', () => {
  it('grpc.export: the message reaches accept byte for byte, with its sender', async () => {
    const body = Buffer.from('any bytes \x00\xff', 'latin1')
    const called = await callOnce(harness.grpc, body)
    expect(called.code).toBe(0)
    expect(harness.seen.map((seen) => seen.body)).toEqual([body])
    const { sender, headers, receivedUnixNano } = harness.seen[0]!.request
    expect(sender).toEqual({ transport: 'grpc', address: '127.0.0.1' })
    expect(headers.userAgent).toMatch(/^grpc-node-js/)
    expect(receivedUnixNano).toBe(1_700_000_000_000_000_000n)
  })

  it('grpc.partial-unset, grpc.empty: the response is empty', async () => {
    const called = await callOnce(harness.grpc, Buffer.alloc(0))
    expect(called).toMatchObject({ code: 0, response: Buffer.alloc(0) })
    expect(harness.seen).toHaveLength(1)
  })

  it.each(['gzip', 'deflate'] as const)('grpc.%s: inflated before accept', async (compression) => {
    const body = Buffer.alloc(300_000, 'log line ')
    expect(await callOnce(harness.grpc, body, { compression })).toMatchObject({ code: 0 })
    expect(harness.seen[0]!.body.equals(body)).toBe(true)
  })

  it('grpc.below-limit, grpc.near-limit: the limit less 4 KiB passes', async () => {
    const body = Buffer.alloc(4 * MiB - 4096, 7)
    expect(await callOnce(harness.grpc, body)).toMatchObject({ code: 0 })
    expect(harness.seen[0]!.body.equals(body)).toBe(true)
  })

  it('grpc.metadata: unknown metadata is no error', async () => {
    const metadata: Record<string, string | Buffer> = {}
    for (let n = 0; n < 30; n++) {
      metadata[`x-text-${n}`] = 'v'.repeat(40)
      metadata[`x-some-${n}-bin`] = Buffer.from([n, 0, 255])
    }
    expect(await callOnce(harness.grpc, Buffer.from('a'), { metadata })).toMatchObject({ code: 0 })
  })

  it('grpc.concurrent: 100 calls at once on one channel, each once', async () => {
    const on = client(harness.grpc)
    const bodies = Array.from({ length: 100 }, (_, n) => Buffer.from(`call ${n}`))
    const called = await Promise.all(bodies.map((body) => call(on, body)))
    on.close()
    expect(called.every(({ code }) => code === 0)).toBe(true)
    const texts = harness.seen.map((seen) => seen.body.toString()).sort()
    expect(texts).toEqual(bodies.map(String).sort())
  })

  it('grpc.connections: 20 channels at once', async () => {
    const called = await Promise.all(Array.from({ length: 20 }, () => callOnce(harness.grpc, Buffer.from('x'))))
    expect(called.map(({ code }) => code)).toEqual(Array(20).fill(0))
  })
})

describe('an answer', () => {
  it('partial: the count and the reason', async () => {
    harness.answer = () => ({ is: 'partial', rejected: 3, message: 'three of them — bad' })
    const { code, response } = await callOnce(harness.grpc, Buffer.from('x'))
    expect(code).toBe(0)
    expect(readResponse(response!)).toEqual({
      partialSuccess: { rejectedLogRecords: '3', errorMessage: 'three of them — bad' },
    })
  })

  it.each([
    ['bad', { is: 'bad', message: 'tag 0 at byte 3' }, 3],
    ['denied', { is: 'denied', message: 'not this tenant' }, 7],
    ['throttled', { is: 'throttled', retryAfterMs: 1500, message: 'wait' }, 8],
    ['unavailable', { is: 'unavailable', retryAfterMs: 2000, message: 'queue full, 100 % – später' }, 14],
    ['failed', { is: 'failed', message: 'defect' }, 13],
  ] as const)('%s: its code, its message, its details', async (_, answer, code) => {
    harness.answer = () => answer
    const called = await callOnce(harness.grpc, Buffer.from('x'))
    expect(called).toMatchObject({ code, message: answer.message, details: { code, message: answer.message } })
    expect(called.details?.retryInfo?.retryDelay).toEqual(
      { throttled: { seconds: '1', nanos: 500_000_000 }, unavailable: { seconds: '2' } }[answer.is as string],
    )
    expect(called.details?.badRequest !== undefined).toBe(answer.is === 'bad')
    expect(harness.refused).toEqual([])
  })

  it('an accept that rejects is a defect of ours, without its text', async () => {
    harness.answer = () => Promise.reject(new Error('secret'))
    const called = await callOnce(harness.grpc, Buffer.from('x'))
    expect(called.code).toBe(13)
    expect(called.message).not.toContain('secret')
    expect(harness.receiver.inflightBytes()).toBe(0)
  })
})

describe('a refusal', () => {
  it.each([
    ['grpc.over-limit.plain', undefined],
    ['grpc.over-limit.gzip', 'gzip'],
  ] as const)('%s: RESOURCE_EXHAUSTED without RetryInfo', async (_, compression) => {
    const called = await callOnce(harness.grpc, Buffer.alloc(5 * MiB), { ...(compression && { compression }) })
    expect(called).toMatchObject({ code: 8, message: expect.stringContaining(String(4 * MiB)) })
    expect(called.details?.retryInfo).toBeUndefined()
    expect(harness.seen).toHaveLength(0)
    expect(harness.refused).toEqual(['grpc too_large'])
    expect(harness.receiver.inflightBytes()).toBe(0)
  })

  it.each([
    ['grpc.unimplemented.traces', '/opentelemetry.proto.collector.trace.v1.TraceService/Export'],
    ['grpc.unimplemented.metrics', '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'],
    ['grpc.unimplemented.service', '/some.Service/Do'],
    ['grpc.unimplemented.method', '/opentelemetry.proto.collector.logs.v1.LogsService/Import'],
  ])('%s and grpc.unimplemented-names: UNIMPLEMENTED that names what is served', async (_, path) => {
    const called = await callOnce(harness.grpc, Buffer.alloc(100_000), { path })
    expect(called).toMatchObject({ code: 12, message: expect.stringContaining('logs.v1.LogsService/Export') })
  })
})

/** One call by hand: what a well-behaved library cannot send. */
async function byHand(headers: http2.OutgoingHttpHeaders, data: Buffer | undefined) {
  const session = http2.connect(`http://${harness.grpc}`)
  session.on('error', () => {})
  const stream = session.request({
    ':method': 'POST',
    ':path': exportPath,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  })
  const got: Record<string, unknown> = {}
  stream.on('response', (head) => Object.assign(got, head))
  stream.on('trailers', (trailers) => Object.assign(got, trailers))
  stream.on('error', () => {})
  stream.resume()
  stream.end(data)
  await new Promise((resolve) => stream.on('close', resolve))
  session.close()
  return got
}
const framed = (flag: number, length: number, message: Buffer): Buffer => {
  const frame = Buffer.alloc(5)
  frame[0] = flag
  frame.writeUInt32BE(length, 1)
  return Buffer.concat([frame, message])
}

describe('what no library sends', () => {
  const text = Buffer.from('hello')
  it.each([
    ['no message', {}, Buffer.alloc(0), '3'],
    ['half a frame', {}, Buffer.from([0, 0]), '3'],
    ['a message cut short', {}, framed(0, 10, text), '3'],
    ['more than a message', {}, framed(0, 3, text), '3'],
    ['two messages', {}, Buffer.concat([framed(0, 5, text), framed(0, 5, text)]), '3'],
    ['compressed, nobody says how', {}, framed(1, 5, text), '3'],
    ['a flag that is none', {}, framed(7, 5, text), '3'],
    ['gzip that is none', { 'grpc-encoding': 'gzip' }, framed(1, 5, text), '3'],
    ['an unknown encoding', { 'grpc-encoding': 'snappy' }, framed(1, 5, text), '12'],
    ['a length of 4 GiB', {}, framed(0, 0xffff_ffff, text), '8'],
    ['another codec', { 'content-type': 'application/grpc+json' }, framed(0, 5, text), '12'],
  ])('%s is refused', async (_, headers, data, status) => {
    const got = await byHand(headers, data)
    expect(got).toMatchObject({ ':status': 200, 'grpc-status': status })
    expect(harness.seen).toHaveLength(0)
    expect(harness.receiver.inflightBytes()).toBe(0)
  })

  it('is not gRPC: 415', async () => {
    expect(await byHand({ 'content-type': 'text/plain' }, text)).toMatchObject({ ':status': 415 })
  })

  it('zstd, and a frame in single bytes, are taken', async () => {
    const packed = zlib.zstdCompressSync(text)
    expect(await byHand({ 'grpc-encoding': 'zstd' }, framed(1, packed.length, packed))).toMatchObject({
      'grpc-status': '0',
    })
    const session = http2.connect(`http://${harness.grpc}`)
    const stream = session.request({ ':method': 'POST', ':path': exportPath, 'content-type': 'application/grpc+proto' })
    for (const byte of framed(0, 5, text)) {
      stream.write(Buffer.from([byte]))
      await later(1)
    }
    stream.end()
    stream.resume()
    await new Promise((resolve) => stream.on('close', resolve))
    session.close()
    expect(harness.seen.map((seen) => seen.body.toString())).toEqual(['hello', 'hello'])
  })

  it('grpc.http1-on-port: HTTP/1.1 is closed, and the server lives on', async () => {
    const socket = net.connect(Number(harness.grpc.split(':')[1]), '127.0.0.1')
    socket.on('error', () => {})
    socket.write('POST /v1/logs HTTP/1.1\r\nHost: a\r\n\r\n')
    await new Promise((resolve) => socket.on('close', resolve).resume())
    expect(await callOnce(harness.grpc, text)).toMatchObject({ code: 0 })
  })
})

describe('clients that misbehave', () => {
  it('grpc.cancel: 50 cancelled calls hold nothing, and the server lives on', async () => {
    const session = http2.connect(`http://${harness.grpc}`)
    for (let n = 0; n < 50; n++) {
      const stream = session.request({ ':method': 'POST', ':path': exportPath, 'content-type': 'application/grpc' })
      stream.on('error', () => {})
      stream.write(framed(0, 1000, Buffer.alloc(500)))
      if (n % 2 === 0) await later(2)
      stream.close(http2.constants.NGHTTP2_CANCEL)
    }
    await later(20)
    session.destroy()
    await until(() => harness.receiver.inflightBytes() === 0)
    expect(harness.seen).toHaveLength(0)
    expect(await callOnce(harness.grpc, Buffer.from('x'))).toMatchObject({ code: 0 })
  })

  it('a call that is cancelled while accept works gives its memory back when accept is done', async () => {
    let settle: (() => void) | undefined
    harness.answer = () =>
      new Promise((resolve) => {
        settle = () => resolve({ is: 'ok' })
      })
    const on = client(harness.grpc)
    const pending = call(on, Buffer.alloc(20_000), { options: { deadline: Date.now() + 100 } })
    expect((await pending).code).toBe(4)
    expect(harness.receiver.inflightBytes()).toBeGreaterThan(0)
    settle!()
    await until(() => harness.receiver.inflightBytes() === 0)
    on.close()
  })

  it.each([
    [
      'rapid reset',
      (s: http2.ClientHttp2Session) => {
        const stream = s.request({ ':method': 'POST', ':path': exportPath, 'content-type': 'application/grpc' })
        stream.on('error', () => {})
        stream.close(http2.constants.NGHTTP2_CANCEL)
      },
    ],
    ['ping flood', (s: http2.ClientHttp2Session) => void s.ping(() => {})],
    ['settings flood', (s: http2.ClientHttp2Session) => s.settings({ initialWindowSize: 65_535 })],
  ])('%s: the connection is ended, and others are served', async (_, attack) => {
    const options = { maxOutstandingPings: 10_000, maxOutstandingSettings: 10_000 }
    const session = http2.connect(`http://${harness.grpc}`, options as http2.ClientSessionOptions)
    session.on('error', () => {})
    let ended = false
    session.on('close', () => {
      ended = true
    })
    for (let round = 0; round < 100 && !ended; round++) {
      for (let n = 0; n < 50 && !session.destroyed; n++) attack(session)
      await later(2)
    }
    await until(() => ended)
    expect(await callOnce(harness.grpc, Buffer.from('x'))).toMatchObject({ code: 0 })
  })

  it('the bounds of a connection are told', async () => {
    const session = http2.connect(`http://${harness.grpc}`)
    const settings = await new Promise<http2.Settings>((resolve) => session.on('remoteSettings', resolve))
    expect(settings).toMatchObject({ maxConcurrentStreams: 128, maxHeaderListSize: 32 * 1024, enablePush: false })
    session.close()
  })
})
