/** google.rpc.Status and the response, against protobufjs; the options; endpoints that cannot be listened on. */
import net from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { authenticators } from '../../src/receive/authenticate/open.ts'
import { receiverSchema } from '../../src/receive/config.ts'
import { isLoopback, listen, parseEndpoint } from '../../src/receive/listen.ts'
import { encodeResponse, encodeStatus, responseJson, retryAfterSeconds, statusJson } from '../../src/receive/status.ts'
import { readResponse, readStatus } from './grpc_client.ts'
import { config, startHarness } from './harness.ts'

const refusal = fc.record(
  {
    reason: fc.constant('bad_data' as const),
    http: fc.constant(400),
    code: fc.nat(16),
    message: fc.string({ unit: 'grapheme', maxLength: 300 }),
    retryAfterMs: fc.double({ min: 0, max: 1e10, noNaN: true }),
    violation: fc.string({ unit: 'grapheme', maxLength: 300 }),
  },
  { requiredKeys: ['reason', 'http', 'code', 'message'] },
)

describe('Status', () => {
  it('as protobuf is what protobufjs reads, and as JSON says the same', () => {
    fc.assert(
      fc.property(refusal, (given) => {
        const status = readStatus(encodeStatus(given))
        const json = JSON.parse(statusJson(given))
        expect(status).toMatchObject({ code: given.code, message: given.message })
        expect(json).toMatchObject({ code: given.code, message: given.message })
        const descriptions = status.badRequest?.fieldViolations.map(({ description }) => description ?? '')
        expect(descriptions).toEqual(given.violation === undefined ? undefined : [given.violation])
        if (given.retryAfterMs === undefined) expect(status.retryInfo).toBeUndefined()
        else {
          const { seconds = '0', nanos = 0 } = status.retryInfo!.retryDelay ?? {}
          expect(Number(seconds) * 1000 + nanos / 1e6).toBe(Math.ceil(given.retryAfterMs))
          expect(json.details.at(-1).retryDelay).toBe(`${Math.ceil(given.retryAfterMs) / 1000}s`)
        }
      }),
      { seed: 3, numRuns: 500 },
    )
  })

  it('Retry-After is whole seconds, never zero', () => {
    expect([0, 1, 1000, 1001, 90_000].map(retryAfterSeconds)).toEqual([1, 1, 1, 2, 90])
  })
})

describe('the response', () => {
  it('of a partial success is what protobufjs reads, of a full one empty', () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER), fc.string({ minLength: 1 }), (rejected, message) => {
        const { partialSuccess } = readResponse(encodeResponse({ is: 'partial', rejected, message })) as {
          partialSuccess: { rejectedLogRecords?: string; errorMessage: string }
        }
        expect(partialSuccess.rejectedLogRecords ?? '0').toBe(String(rejected))
        expect(partialSuccess.errorMessage).toBe(message)
        expect(JSON.parse(responseJson({ is: 'partial', rejected, message })).partialSuccess.errorMessage).toBe(message)
      }),
      { seed: 4, numRuns: 300 },
    )
    expect(encodeResponse({ is: 'ok' })).toHaveLength(0)
    expect(responseJson({ is: 'ok' })).toBe('{}')
  })
})

describe('options', () => {
  it('have defaults, the Collector’s spelling, and empty protocols', () => {
    const parsed = receiverSchema.parse({ protocols: { grpc: null, http: { max_request_body_size: '1MiB' } } })
    expect(parsed.protocols.grpc).toMatchObject({ endpoint: '127.0.0.1:4317', max_recv_msg_size_mib: 64 })
    expect(parsed.protocols.http).toMatchObject({ endpoint: '127.0.0.1:4318', max_request_body_size: 1_048_576 })
    expect(parsed.tenant.from).toEqual(['credential', 'resource.attributes["tenant.id"]'])
  })

  it.each([
    [{}, 'protocols'],
    [{ protocols: {} }, 'protocols'],
    [{ protocols: { https: {} } }, 'protocols'],
    [{ protocols: { http: { endpoint: '4318' } } }, 'protocols.http.endpoint'],
    [{ protocols: { http: { endpoint: 'a:99999' } } }, 'protocols.http.endpoint'],
    [{ protocols: { http: { max_request_body_size: '65MiB' } } }, 'protocols.http.max_request_body_size'],
    [{ protocols: { http: { max_request_body_size: 0 } } }, 'protocols.http.max_request_body_size'],
    [{ protocols: { http: { idle_timeout: 5 } } }, 'protocols.http.idle_timeout'],
    [{ protocols: { http: { tls: { cert_file: 'a' } } } }, 'protocols.http.tls.key_file'],
    [
      { protocols: { http: { tls: { cert_file: 'a', key_file: 'b', min_version: '1.0' } } } },
      'protocols.http.tls.min_version',
    ],
    [{ protocols: { grpc: { max_recv_msg_size_mib: 65 } } }, 'protocols.grpc.max_recv_msg_size_mib'],
    [{ protocols: { grpc: { unknown: 1 } } }, 'protocols.grpc'],
    [{ protocols: { http: null }, auth: {} }, 'auth.authenticator'],
    [{ protocols: { http: null }, tenant: { from: [] } }, 'tenant.from'],
  ])('%j is refused at %s', (given, path) => {
    const paths = receiverSchema.safeParse(given).error?.issues.map((issue) => issue.path.join('.'))
    expect([...new Set(paths)]).toEqual([path])
  })

  it('every option is described, and all can be written as JSON schema', () => {
    const undescribed: string[] = []
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return
      for (const [name, option] of Object.entries((node as { properties?: object }).properties ?? {})) {
        if (!JSON.stringify(option).includes('"description"')) undescribed.push(`${path}.${name}`)
        visit(option, `${path}.${name}`)
      }
      for (const part of ['anyOf', 'allOf'] as const) {
        for (const one of (node as Record<string, unknown[]>)[part] ?? []) visit(one, path)
      }
    }
    visit(z.toJSONSchema(receiverSchema, { io: 'input' }), 'otlp')
    for (const [name, { schema }] of Object.entries(authenticators))
      visit(z.toJSONSchema(schema, { io: 'input' }), name)
    expect(undescribed).toEqual([])
  })
})

describe('endpoints', () => {
  it.each([
    ['127.0.0.1:4318', { host: '127.0.0.1', port: 4318 }],
    [':0', { host: '', port: 0 }],
    ['[::1]:1', { host: '::1', port: 1 }],
    ['a-b.example:80', { host: 'a-b.example', port: 80 }],
    ['::1:80', undefined],
    ['a', undefined],
    ['a:b', undefined],
    ['http://a:1', undefined],
    ['a:70000', undefined],
  ])('%s', (text, endpoint) => expect(parseEndpoint(text)).toEqual(endpoint))

  it.each([
    ['127.0.0.1', true],
    ['127.1.2.3', true],
    ['127.0.0.1.example.com', false],
    ['::1', true],
    ['::', false],
    ['', false],
    ['0.0.0.0', false],
    ['localhost', true],
    ['localhost.example.com', false],
  ])('loopback %j: %s', (host, is) => expect(isLoopback(host)).toBe(is))

  it('a port in use is told with what to do, and the other server is stopped', async () => {
    const holder = net.createServer()
    const taken = await listen(holder, '127.0.0.1:0')
    const over = { protocols: { grpc: { endpoint: '127.0.0.1:0' }, http: { endpoint: taken } } }
    expect(config(over).protocols.http?.endpoint).toBe(taken)
    await expect(startHarness(over)).rejects.toMatchObject({
      code: 'dependency',
      message: expect.stringContaining(`${taken} is in use`),
      fix: expect.stringContaining('another port'),
    })
    holder.close()
  })

  it('an address of another machine is told', async () => {
    await expect(listen(net.createServer(), '192.0.2.1:0')).rejects.toMatchObject({ code: 'dependency' })
  })
})
