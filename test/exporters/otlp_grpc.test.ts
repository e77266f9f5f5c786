import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { ServerCredentials, status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { otlpGrpc } from '../../exporters/otlp_grpc.ts'
import type { Exporter, Outcome } from '../../src/contract.ts'
import { ConfigError } from '../../src/errors.ts'
import { conformsExporter, never, randomBatch } from '../conforms_exporter.ts'
import { decodeRequest, responseType } from '../oracle/otlp.ts'
import { type TestHost, testHost } from './host.ts'
import { type GrpcAnswer, type GrpcDestination, grpcDestination } from './servers.ts'

const answers: Record<string, GrpcAnswer> = {
  success: {},
  permanent: { code: status.INVALID_ARGUMENT },
  transient: { code: status.UNAVAILABLE },
  hang: { fault: 'hang' },
}

for (const compression of ['none', 'gzip']) {
  conformsExporter({
    component: otlpGrpc,
    shows: ['success', 'permanent', 'transient', 'hang'],
    open: async () => {
      const server = await grpcDestination()
      const told: GrpcAnswer[] = []
      return {
        options: { endpoint: server.endpoint, compression, tls: { insecure: true } },
        expect: (...behaviours) => {
          for (const behaviour of behaviours) {
            told[server.taken.length + server.script.length] = answers[behaviour]!
            server.script.push(answers[behaviour]!)
          }
        },
        stored: async () =>
          server.taken.filter((_, index) => told[index]?.code === undefined).map(({ body }) => decodeRequest(body)),
        asked: () => server.taken.length,
        stop: () => server.close(),
      }
    },
  })
}

const field = (number: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes])
const text = (number: number, value: string): Buffer => field(number, Buffer.from(value))

/** google.rpc.Status with RetryInfo among its details. */
function withRetryInfo(seconds: number, nanos = 0): Buffer {
  const varint = (number: number, value: number): number[] => {
    const bytes = [number << 3]
    for (let rest = value; ; rest = Math.floor(rest / 128)) {
      bytes.push(rest >= 128 ? (rest % 128) | 128 : rest)
      if (rest < 128) return bytes
    }
  }
  const delay = field(1, Buffer.from([...varint(1, seconds), ...(nanos > 0 ? varint(2, nanos) : [])]))
  const other = field(3, Buffer.concat([text(1, 'type.googleapis.com/google.rpc.DebugInfo'), text(2, 'x')]))
  const info = field(3, Buffer.concat([text(1, 'type.googleapis.com/google.rpc.RetryInfo'), field(2, delay)]))
  return Buffer.concat([Buffer.from([8, 8]), text(2, 'words'), other, info])
}

describe('otlp_grpc', () => {
  let host: TestHost
  let server: GrpcDestination
  let exporter: Exporter | undefined

  beforeEach(async () => {
    host = testHost('otlp_grpc/test')
    server = await grpcDestination()
  })
  afterEach(async () => {
    await exporter?.close()
    exporter = undefined
    await server.close()
    host.end()
  })

  const make = (options: Record<string, unknown> = {}): Exporter => {
    const given = { endpoint: server.endpoint, compression: 'none', tls: { insecure: true }, ...options }
    exporter = otlpGrpc.create(otlpGrpc.config.parse(given), host)
    return exporter
  }
  const answered = async (answer: GrpcAnswer): Promise<Outcome> => {
    server.script.push(answer)
    return (exporter ?? make()).send({ ...randomBatch(1), records: 10 }, never)
  }

  test('calls LogsService/Export with its name, the batch’s id and the user’s headers', async () => {
    const batch = randomBatch(1)
    await make({ headers: { 'X-Api-Key': 'k' } }).send(batch, never)
    const { path, headers, body } = server.taken[0]!
    expect(path).toBe('/opentelemetry.proto.collector.logs.v1.LogsService/Export')
    expect(headers).toMatchObject({ 'douane-batch-id': batch.id, 'x-api-key': 'k' })
    expect(headers['user-agent']).toMatch(/^douane\/\d/)
    expect(body.equals(batch.body)).toBe(true)
  })

  test.each(['http://', ''])('takes an endpoint with %j in front', async (scheme) => {
    const tls = scheme === '' ? { insecure: true } : {}
    expect(await make({ endpoint: `${scheme}${server.endpoint}`, tls }).send(randomBatch(1), never)).toEqual({
      is: 'accepted',
    })
  })

  test('a message larger than gRPC’s usual 4 MiB goes through', async () => {
    const body = Buffer.concat([Buffer.from([0x7a, 0x80, 0x80, 0x80, 4]), Buffer.alloc(8 << 20)])
    expect(await make().send({ id: 'large', body, records: 1 }, never)).toEqual({ is: 'accepted' })
    expect(server.taken[0]!.body.length).toBe(body.length)
  })

  const retried = ['CANCELLED', 'DEADLINE_EXCEEDED', 'ABORTED', 'OUT_OF_RANGE', 'UNAVAILABLE', 'DATA_LOSS'] as const
  test.each(retried)('%s is tried again', async (name) => {
    expect(await answered({ code: status[name] })).toEqual({
      is: 'unavailable',
      reason: `gRPC ${status[name]} ${name}`,
    })
  })

  const final = Object.keys(status).filter((name) => {
    return (
      Number.isNaN(Number(name)) &&
      name !== 'OK' &&
      name !== 'RESOURCE_EXHAUSTED' &&
      !retried.includes(name as 'ABORTED')
    )
  })
  test.each(final)('%s is final, and its words are not passed on', async (name) => {
    const code = status[name as keyof typeof status]
    expect(await answered({ code })).toEqual({ is: 'rejected', reason: `gRPC ${code} ${name}` })
  })

  test('RESOURCE_EXHAUSTED is tried again with RetryInfo; without, the destination wants less at once', async () => {
    const code = status.RESOURCE_EXHAUSTED
    expect((await answered({ code })).is).toBe('too_large')
    expect(await answered({ code, metadata: { 'grpc-status-details-bin': withRetryInfo(7) } })).toMatchObject({
      is: 'unavailable',
      retryAfterMs: 7000,
    })
  })

  test('RetryInfo is honoured to the millisecond, with any status that is tried again', async () => {
    const metadata = { 'grpc-status-details-bin': withRetryInfo(300, 250_000_001) }
    expect(await answered({ code: status.UNAVAILABLE, metadata })).toMatchObject({
      is: 'unavailable',
      retryAfterMs: 300_251,
    })
    expect((await answered({ code: status.INTERNAL, metadata })).is).toBe('rejected')
  })

  test('details that cannot be read say nothing', async () => {
    const whole = withRetryInfo(7)
    for (let end = 0; end < whole.length; end++) {
      const metadata = { 'grpc-status-details-bin': whole.subarray(0, end) }
      expect((await answered({ code: status.UNAVAILABLE, metadata })).is).toBe('unavailable')
    }
  })

  test('partial success is counted', async () => {
    const partialSuccess = { rejectedLogRecords: 3, errorMessage: 'quotes what was sent' }
    const body = Buffer.from(responseType.encode(responseType.fromObject({ partialSuccess })).finish())
    const outcome = await answered({ body })
    expect(outcome).toMatchObject({ is: 'partial', records: 3 })
    expect(JSON.stringify(outcome)).not.toContain('quotes')
  })

  test('a destination that comes back is reached again, without a new exporter', async () => {
    make()
    expect((await exporter!.send(randomBatch(1), never)).is).toBe('accepted')
    const port = Number(server.endpoint.split(':')[1])
    await server.close()
    expect((await exporter!.send(randomBatch(2), AbortSignal.timeout(5000))).is).toBe('unavailable')
    const back = http2.createServer().listen(port, '127.0.0.1')
    back.on('stream', (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(Buffer.alloc(5))
    })
    let outcome: Outcome
    const until = Date.now() + 10_000
    do outcome = await exporter!.send(randomBatch(3), AbortSignal.timeout(2000))
    while (outcome.is === 'unavailable' && Date.now() < until)
    expect(outcome.is).toBe('accepted')
    await exporter!.close()
    await new Promise((resolve) => back.close(resolve))
  })

  test('a connection that breaks in the middle of a call is tried again', async () => {
    const broken = http2.createServer()
    broken.on('stream', (stream) => stream.session?.socket.destroy())
    broken.on('sessionError', () => {})
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve))
    const { port } = broken.address() as AddressInfo
    const outcome = await make({ endpoint: `127.0.0.1:${port}` }).send(randomBatch(1), AbortSignal.timeout(5000))
    expect(outcome.is).toBe('unavailable')
    await exporter!.close()
    await new Promise((resolve) => broken.close(resolve))
  })

  test.each([
    [503, 'unavailable'],
    [429, 'unavailable'],
    [404, 'rejected'],
  ])('a proxy that answers HTTP %i: %s', async (code, expected) => {
    const proxy = http2.createServer()
    proxy.on('stream', (stream) => {
      stream.on('error', () => {})
      stream.respond({ ':status': code, 'content-type': 'text/plain' })
      stream.end('not gRPC')
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as AddressInfo
    const outcome = await make({ endpoint: `127.0.0.1:${port}` }).send(randomBatch(1), AbortSignal.timeout(5000))
    expect(outcome.is).toBe(expected)
    await exporter!.close()
    await new Promise((resolve) => proxy.close(resolve))
  })

  test.each([
    ['no endpoint', { endpoint: undefined }],
    ['a path in the endpoint', { endpoint: 'http://a.example:4317/v1/logs' }],
    ['an unknown compression', { compression: 'zstd' }],
    ['an unknown TLS option', { tls: { ca: 'x' } }],
  ])('refuses %s', (_, options) => {
    expect(otlpGrpc.config.safeParse({ endpoint: 'a.example:4317', ...options }).success).toBe(false)
  })

  test.each([
    'douane-batch-id',
    'grpc-timeout',
    'Content-Type',
    'token-bin',
  ])('refuses to let the user set %s', (name) => {
    expect(() => make({ headers: { [name]: 'x' } })).toThrow(ConfigError)
  })

  test('over TLS: both sides show certificates, and a server that is not trusted gets nothing', async () => {
    for (const [name, subject] of [
      ['server', 'localhost'],
      ['client', 'client'],
    ] as const) {
      const at = (end: string) => join(host.folder, `${name}.${end}`)
      const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
      const names = ['-subj', `/CN=${subject}`, '-addext', `subjectAltName=DNS:${subject}`]
      execFileSync('openssl', [...args, '-keyout', at('key'), '-out', at('pem'), ...names], { stdio: 'ignore' })
    }
    const read = (name: string) => readFileSync(join(host.folder, name))
    const pair = { cert_chain: read('server.pem'), private_key: read('server.key') }
    const secure = await grpcDestination(ServerCredentials.createSsl(read('client.pem'), [pair], true))
    const mutual = {
      ca_file: 'server.pem',
      cert_file: 'client.pem',
      key_file: 'client.key',
      server_name_override: 'localhost',
    }
    const send = async (tls: object) => {
      const sender = otlpGrpc.create(otlpGrpc.config.parse({ endpoint: secure.endpoint, tls }), host)
      const outcome = await sender.send(randomBatch(1), AbortSignal.timeout(5000))
      await sender.close()
      return outcome.is
    }
    expect(await send(mutual)).toBe('accepted')
    expect(await send({ ...mutual, ca_file: undefined })).toBe('unavailable')
    expect(await send({ ...mutual, server_name_override: 'other.example' })).toBe('unavailable')
    expect(secure.taken).toHaveLength(1)
    expect(await send({ ...mutual, ca_file: undefined, insecure_skip_verify: true })).toBe('accepted')
    await secure.close()
  })
})
