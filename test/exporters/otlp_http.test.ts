import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { otlpHttp } from '../../exporters/otlp_http.ts'
import type { Exporter, Outcome } from '../../src/contract.ts'
import { ConfigError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { conformsExporter, never, randomBatch } from '../conforms_exporter.ts'
import { decodeRequest, responseType } from '../oracle/otlp.ts'
import { type TestHost, testHost } from './host.ts'
import { type HttpAnswer, type HttpDestination, httpDestination } from './servers.ts'

const answers = {
  success: {},
  permanent: { status: 400 },
  transient: { status: 503 },
  hang: { fault: 'hang' },
} as const

for (const compression of ['none', 'gzip', 'zstd', 'deflate']) {
  conformsExporter({
    component: otlpHttp,
    shows: ['success', 'permanent', 'transient', 'hang'],
    open: async () => {
      const server = await httpDestination()
      const told: HttpAnswer[] = []
      return {
        options: { endpoint: server.url, compression },
        expect: (...behaviours) => {
          for (const behaviour of behaviours) {
            told[server.taken.length + server.script.length] = answers[behaviour]
            server.script.push(answers[behaviour])
          }
        },
        stored: async () =>
          server.taken
            .filter((_, index) => (told[index]?.status ?? 200) === 200)
            .map(({ body }) => decodeRequest(body)),
        asked: () => server.taken.length,
        stop: () => server.close(),
      }
    },
  })
}

describe('otlp_http', () => {
  let host: TestHost
  let server: HttpDestination
  let exporter: Exporter | undefined

  beforeEach(async () => {
    host = testHost('otlp_http/test')
    server = await httpDestination()
  })
  afterEach(async () => {
    await exporter?.close()
    exporter = undefined
    await server.close()
    host.end()
  })

  const make = (options: Record<string, unknown> = {}): Exporter => {
    exporter = otlpHttp.create(otlpHttp.config.parse({ endpoint: server.url, compression: 'none', ...options }), host)
    return exporter
  }
  const answered = async (answer: HttpAnswer, signal = never): Promise<Outcome> => {
    server.script.push(answer)
    return (exporter ?? make()).send({ ...randomBatch(1), records: 10 }, signal)
  }

  test('POSTs to /v1/logs with the content type, its name, the batch’s id and the user’s headers', async () => {
    const batch = randomBatch(1)
    await make({ headers: { 'X-Api-Key': 'k', 'User-Agent': 'mine' } }).send(batch, never)
    expect(server.taken).toHaveLength(1)
    const { path, headers, body } = server.taken[0]!
    expect(path).toBe('POST /v1/logs')
    expect(headers).toMatchObject({
      'content-type': 'application/x-protobuf',
      'content-length': String(batch.body.length),
      'douane-batch-id': batch.id,
      'x-api-key': 'k',
      'user-agent': 'mine',
    })
    expect(headers['content-encoding']).toBeUndefined()
    expect(body.equals(batch.body)).toBe(true)
  })

  test('names itself and its version', async () => {
    await make().send(randomBatch(1), never)
    expect(server.taken[0]!.headers['user-agent']).toMatch(/^douane\/\d+\.\d+\.\d+/)
  })

  test.each([
    ['', 'POST /v1/logs'],
    ['/', 'POST /v1/logs'],
    ['/otlp', 'POST /otlp/v1/logs'],
    ['/otlp/?team=a', 'POST /otlp/v1/logs?team=a'],
  ])('appends /v1/logs to an endpoint with the path %j', async (path, expected) => {
    await make({ endpoint: `${server.url}${path}` }).send(randomBatch(1), never)
    expect(server.taken[0]!.path).toBe(expected)
  })

  test('takes logs_endpoint as it is', async () => {
    await make({ endpoint: 'http://127.0.0.1:1', logs_endpoint: `${server.url}/in?x=1` }).send(randomBatch(1), never)
    expect(server.taken[0]!.path).toBe('POST /in?x=1')
  })

  test('compresses with gzip unless told otherwise', async () => {
    const batch = randomBatch(1)
    await make({ compression: undefined }).send(batch, never)
    expect(server.taken[0]!.headers['content-encoding']).toBe('gzip')
    expect(server.taken[0]!.body.equals(batch.body)).toBe(true)
  })

  test('compresses as hard as told', async () => {
    const batch = {
      id: 'b',
      records: 1,
      body: Buffer.concat(Array.from({ length: 40 }, (_, seed) => randomBatch(seed).body)),
    }
    const size = async (compression: string, level: number) => {
      await make({ compression, compression_params: { level } }).send(batch, never)
      await exporter!.close()
      const taken = server.taken.at(-1)!
      expect(taken.body.equals(batch.body)).toBe(true)
      return Number(taken.headers['content-length'])
    }
    for (const [compression, hardest] of [
      ['gzip', 9],
      ['zstd', 19],
    ] as const)
      expect(await size(compression, hardest)).toBeLessThan(await size(compression, 1))
  })

  test('keeps its connection', async () => {
    make()
    for (let index = 0; index < 20; index++) await exporter!.send(randomBatch(index), never)
    expect(server.connections()).toBe(1)
  })

  test.each([200, 201, 202, 204])('%i is success', async (status) => {
    expect(await answered({ status })).toEqual({ is: 'accepted' })
  })

  test.each([429, 502, 503, 504])('%i is tried again', async (status) => {
    expect(await answered({ status })).toEqual({ is: 'unavailable', reason: `HTTP ${status}` })
  })

  test.each([400, 401, 403, 404, 405, 408, 415, 422, 500, 501, 505])('%i is final', async (status) => {
    expect(await answered({ status, body: Buffer.from('what was sent') })).toEqual({
      is: 'rejected',
      reason: `HTTP ${status}`,
    })
  })

  test('413 asks for smaller batches', async () => {
    expect(await answered({ status: 413 })).toEqual({ is: 'too_large', reason: 'HTTP 413' })
  })

  test('a redirect is not followed', async () => {
    const other = await httpDestination()
    const outcome = await answered({ status: 307, headers: { location: `${other.url}/v1/logs` } })
    expect(outcome.is).toBe('unavailable')
    expect(other.taken).toHaveLength(0)
    await other.close()
  })

  test.each([
    ['7', 7000],
    ['0', 0],
    ['0.5', 500],
    ['Wed, 21 Oct 2026 07:28:30 GMT', 30_000],
    ['Wednesday, 21-Oct-26 07:28:30 GMT', 30_000],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
    ['soon', undefined],
    ['-5', undefined],
    ['', undefined],
  ])('Retry-After: %s', async (header, expected) => {
    host.setNowMs(Date.parse('2026-10-21T07:28:00Z'))
    const outcome = await answered({ status: 503, headers: { 'retry-after': header } })
    expect(outcome.is === 'unavailable' && outcome.retryAfterMs).toBe(expected)
  })

  describe('partial success', () => {
    const partial = (rejectedLogRecords: number, errorMessage = 'quotes what was sent') =>
      responseType.encode(responseType.fromObject({ partialSuccess: { rejectedLogRecords, errorMessage } })).finish()

    test('counts what was refused, and does not pass on the destination’s words', async () => {
      const outcome = await answered({ body: partial(3) })
      expect(outcome).toMatchObject({ is: 'partial', records: 3 })
      expect(JSON.stringify(outcome)).not.toContain('quotes')
    })
    test('is read from JSON too', async () => {
      const body = Buffer.from('{"partialSuccess":{"rejectedLogRecords":"4","errorMessage":"no"}}')
      const outcome = await answered({ body, headers: { 'content-type': 'application/json; charset=utf-8' } })
      expect(outcome).toMatchObject({ is: 'partial', records: 4 })
    })
    test('without refused records is a warning: accepted', async () => {
      expect(await answered({ body: partial(0, 'slow down') })).toEqual({ is: 'accepted' })
    })
    test('of more records than were sent is of all', async () => {
      expect(await answered({ body: partial(1000) })).toMatchObject({ is: 'partial', records: 10 })
    })
    test('that cannot be read is success', async () => {
      expect(await answered({ body: Buffer.from([0x0a, 0x99]) })).toEqual({ is: 'accepted' })
      const headers = { 'content-type': 'application/json' }
      for (const body of [
        '',
        '{',
        'null',
        '[]',
        '{"partialSuccess":5}',
        '{"partialSuccess":{"rejectedLogRecords":-1}}',
      ])
        expect(await answered({ body: Buffer.from(body), headers })).toEqual({ is: 'accepted' })
    })
  })

  test('a web page that says 200 is no destination', async () => {
    const outcome = await answered({ headers: { 'content-type': 'text/html' }, body: Buffer.from('<html>') })
    expect(outcome.is).toBe('unavailable')
  })

  test('an answer beyond the bound is not read on', async () => {
    const huge = Buffer.alloc(limits.exportAnswerBytesMax * 20)
    expect(await answered({ body: huge })).toEqual({ is: 'accepted' })
    expect((await answered({ status: 400, body: huge })).is).toBe('rejected')
    expect((await answered({ status: 503, body: huge })).is).toBe('unavailable')
  })

  test('a connection that breaks before or in the answer is tried again', async () => {
    expect((await answered({ fault: 'reset' })).is).toBe('unavailable')
    expect((await answered({ fault: 'cut', headers: { 'content-length': '50' } })).is).toBe('unavailable')
    expect((await answered({})).is).toBe('accepted')
  })

  test.each([
    ['no endpoint', { endpoint: undefined }],
    ['another scheme', { endpoint: 'ftp://a.example' }],
    ['no URL', { endpoint: 'a.example:4318' }],
    ['credentials in the URL', { endpoint: 'http://user:password@a.example' }],
    ['an unknown compression', { compression: 'snappy' }],
    ['a level that gzip does not have', { compression_params: { level: 10 } }],
    ['a header with a line break', { headers: { a: 'b\r\nc: d' } }],
    ['a header with a space', { headers: { 'a b': 'c' } }],
    ['half a client certificate', { tls: { cert_file: 'cert.pem' } }],
    ['an old TLS version', { tls: { min_version: '1.0' } }],
  ])('refuses %s', (_, options) => {
    expect(otlpHttp.config.safeParse({ endpoint: server.url, ...options }).success).toBe(false)
  })

  test.each(['Content-Type', 'content-length', 'Host', 'douane-batch-id'])('refuses to let the user set %s', (name) => {
    expect(() => make({ headers: { [name]: 'x' } })).toThrow(ConfigError)
  })

  describe('over TLS', () => {
    let secure: HttpDestination
    const at = (name: string) => join(host.folder, name)
    const certificate = (name: string, subject = 'localhost') => {
      const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
      const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)]
      const names = ['-subj', `/CN=${subject}`, '-addext', `subjectAltName=DNS:${subject}`]
      execFileSync('openssl', [...args, ...files, ...names], { stdio: 'ignore' })
    }
    const pem = (name: string) => ({ cert: readFileSync(at(`${name}.pem`)), key: readFileSync(at(`${name}.key`)) })

    beforeEach(async () => {
      certificate('server')
      certificate('client', 'client')
      secure = await httpDestination({
        ...pem('server'),
        ca: readFileSync(at('client.pem')),
        requestCert: true,
        rejectUnauthorized: true,
      })
    })
    afterEach(() => secure.close())

    const mutual = {
      ca_file: 'server.pem',
      cert_file: 'client.pem',
      key_file: 'client.key',
      server_name_override: 'localhost',
    }
    const send = (tls: object) => make({ endpoint: secure.url, tls }).send(randomBatch(1), AbortSignal.timeout(5000))

    test('both sides show certificates', async () => {
      expect(await send(mutual)).toEqual({ is: 'accepted' })
    })
    test('a server that is not trusted, or has another name, gets nothing', async () => {
      expect((await send({ ...mutual, ca_file: undefined })).is).toBe('unavailable')
      expect((await send({ ...mutual, server_name_override: 'other.example' })).is).toBe('unavailable')
      expect(secure.taken).toHaveLength(0)
    })
    test('insecure_skip_verify trusts anybody', async () => {
      expect(await send({ ...mutual, ca_file: undefined, insecure_skip_verify: true })).toEqual({ is: 'accepted' })
    })
    test('renewed certificates are taken without a restart', async () => {
      certificate('other', 'client')
      await secure.close()
      secure = await httpDestination({
        ...pem('server'),
        ca: readFileSync(at('other.pem')),
        requestCert: true,
        rejectUnauthorized: true,
      })
      host.setNowMs(0)
      make({ endpoint: secure.url, tls: { ...mutual, reload_interval: '5s' } })
      const again = async () => (await exporter!.send(randomBatch(1), AbortSignal.timeout(5000))).is
      expect(await again()).toBe('unavailable')
      for (const part of ['pem', 'key']) writeFileSync(at(`client.${part}`), readFileSync(at(`other.${part}`)))
      host.setNowMs(4999)
      expect(await again()).toBe('unavailable')
      host.setNowMs(5000)
      expect(await again()).toBe('accepted')
      writeFileSync(at('client.key'), 'not a key')
      host.setNowMs(20_000)
      expect(await again()).toBe('accepted')
    })
    test('files that are not there, or hold nothing of use, are wrong configuration', () => {
      expect(() => make({ tls: { ca_file: 'missing.pem' } })).not.toThrow()
      for (const tls of [{ ca_file: 'missing.pem' }, { cert_file: 'server.key', key_file: 'client.pem' }])
        expect(() => make({ endpoint: secure.url, tls })).toThrow(ConfigError)
    })
  })
})
