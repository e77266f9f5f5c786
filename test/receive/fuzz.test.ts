/**
 * Seeded attacks on the bytes: mutated HTTP/1.1 requests, mutated gRPC frames, mutated compressed bodies. The servers
 * answer or close, in time; nothing crashes, nothing is held, and a well-behaved client is served throughout.
 * What it does not prove: that a mutated body means the same to everybody; that is the core's.
 */
import http2 from 'node:http2'
import zlib from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Inflated, inflate } from '../../src/receive/inflate.ts'
import { BodyPool } from '../../src/receive/pool.ts'
import { exportPath } from './grpc_client.ts'
import { ask, type Harness, protobufType, raw, startHarness, until } from './harness.ts'

const seed = 20_261_121
let harness: Harness
beforeAll(async () => {
  harness = await startHarness({
    protocols: {
      grpc: { endpoint: '127.0.0.1:0', max_recv_msg_size_mib: 0.1 },
      http: {
        endpoint: '127.0.0.1:0',
        max_request_body_size: '64KiB',
        read_header_timeout: '300ms',
        idle_timeout: '100ms',
      },
    },
  })
})
afterAll(() => harness.receiver.stop())

const body = Buffer.from('0a1f0a0012001a17657865637574696f6e206f66206120717565727920312e30', 'hex')
const requests = [
  `POST /v1/logs HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: ${body.length}\r\n\r\n${body.toString('latin1')}`,
  'POST /v1/logs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-T: y\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x04\x00\x00\xff\xff\x00\x01\x00\x00\x10\x00',
].map((text) => Buffer.from(text, 'latin1'))

const edit = fc.record({ at: fc.nat(400), kind: fc.constantFrom('set', 'cut', 'repeat', 'insert'), byte: fc.nat(255) })
type Edit = typeof edit extends fc.Arbitrary<infer Value> ? Value : never

function mutate(source: Buffer, edits: readonly Edit[]): Buffer {
  let bytes = source
  for (const { at, kind, byte } of edits) {
    const place = at % (bytes.length + 1)
    const before = bytes.subarray(0, place)
    const after = bytes.subarray(place)
    if (kind === 'set') bytes = Buffer.concat([before, Buffer.from([byte]), after.subarray(1)])
    else if (kind === 'insert') bytes = Buffer.concat([before, Buffer.from([byte]), after])
    else if (kind === 'cut') bytes = Buffer.concat([before, after.subarray(byte % 16)])
    else bytes = Buffer.concat([before, after.subarray(0, byte), after])
  }
  return bytes
}

async function stillServed(): Promise<void> {
  const start = performance.now()
  expect((await ask(harness.http, { headers: protobufType, body: 'good' })).status).toBe(200)
  expect(performance.now() - start).toBeLessThan(1000)
}

describe('fuzz', () => {
  it('HTTP/1.1 and the HTTP/2 preface, mutated: answered or closed', async () => {
    const cases = fc.sample(
      fc.record({
        request: fc.nat(requests.length - 1),
        edits: fc.array(edit, { minLength: 1, maxLength: 4 }),
        split: fc.nat(300),
      }),
      { numRuns: 600, seed },
    )
    for (let n = 0; n < cases.length; n += 50) {
      const replies = await Promise.all(
        cases.slice(n, n + 50).map(({ request, edits, split }) => {
          const bytes = mutate(requests[request]!, edits)
          return raw(harness.http, [bytes.subarray(0, split), bytes.subarray(split)], 50)
        }),
      )
      for (const { text } of replies) {
        if (text.startsWith('HTTP/1.1')) expect(text).toMatch(/^HTTP\/1\.1 (?:100|200|4\d\d|503|505) /)
      }
      await stillServed()
    }
    await until(() => harness.receiver.inflightBytes() === 0)
  })

  it('gRPC frames, mutated: each call gets a status', async () => {
    const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body])
    const packed = zlib.gzipSync(body)
    const compressed = Buffer.concat([Buffer.from([1, 0, 0, 0, packed.length]), packed])
    const cases = fc.sample(fc.record({ gzip: fc.boolean(), edits: fc.array(edit, { minLength: 1, maxLength: 4 }) }), {
      numRuns: 400,
      seed,
    })
    const session = http2.connect(`http://${harness.grpc}`)
    const statuses = await Promise.all(
      cases.map(
        ({ gzip, edits }) =>
          new Promise<string>((resolve) => {
            const headers = { 'content-type': 'application/grpc', ...(gzip && { 'grpc-encoding': 'gzip' }) }
            const stream = session.request({ ':method': 'POST', ':path': exportPath, ...headers })
            let status = 'none'
            stream.on('response', (head) => {
              status = String(head['grpc-status'] ?? status)
            })
            stream.on('trailers', (trailers) => {
              status = String(trailers['grpc-status'])
            })
            stream.on('error', () => {})
            stream.on('close', () => resolve(status))
            stream.resume().end(mutate(gzip ? compressed : frame, edits))
          }),
      ),
    )
    session.close()
    expect(statuses.filter((status) => !['0', '3', '8'].includes(status))).toEqual([])
    expect(new Set(statuses)).toEqual(new Set(['0', '3', '8']))
    await until(() => harness.receiver.inflightBytes() === 0)
  })

  it('compressed bodies, mutated: a body within the limit, or the reason; memory comes back', async () => {
    const text = Buffer.from(Array.from({ length: 2000 }, (_, n) => `line ${n % 37} `).join(''))
    const forms = {
      gzip: zlib.gzipSync(text),
      deflate: zlib.deflateSync(text),
      zstd: zlib.zstdCompressSync(text),
    }
    const pool = new BodyPool(1024 * 1024)
    const property = fc.asyncProperty(
      fc.constantFrom('gzip', 'deflate', 'zstd'),
      fc.array(edit, { maxLength: 3 }),
      fc.nat(2 * text.length),
      async (encoding, edits, bytesMax) => {
        const form = mutate(forms[encoding], edits)
        const result = await new Promise<Inflated>((resolve) =>
          inflate(encoding, form, bytesMax, pool.of('a'), resolve),
        )
        if (result.is === 'body') {
          expect(result.body.length).toBeLessThanOrEqual(bytesMax)
          // gzip and zlib carry a checksum over what they hold: what passes is what was packed.
          if (encoding === 'gzip' || (encoding === 'deflate' && form[0] === 0x78)) {
            expect(result.body.bytes().equals(text)).toBe(true)
          }
          result.body.release()
        } else if (edits.length === 0) expect(result.is).toBe(bytesMax < text.length ? 'too_large' : 'never')
        expect(pool.inflightBytes).toBe(0)
      },
    )
    await fc.assert(property, { seed, numRuns: 1500 })
  })
})
