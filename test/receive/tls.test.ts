/** TLS on both servers: versions, client certificates, new certificates without a restart, HTTP/2 by ALPN. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import os from 'node:os'
import path from 'node:path'
import tls from 'node:tls'
import grpc from '@grpc/grpc-js'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { mutualTlsSchema, openMutualTls } from '../../src/receive/authenticate/mutual_tls.ts'
import { startReceiver } from '../../src/receive/otlp.ts'
import { certificate } from './certificates.ts'
import { call, client } from './grpc_client.ts'
import { config, type Harness, jsonType, startHarness, until } from './harness.ts'

const authority = certificate('CN=authority')
const server = certificate('CN=server', ['DNS:localhost', 'IP:127.0.0.1'], authority.as)
const worker = certificate('CN=worker,O=acme', [], authority.as)
const named = certificate('CN=other', ['URI:spiffe://globex/worker'], authority.as)
const unlisted = certificate('CN=nobody', [], authority.as)
const foreign = certificate('CN=worker,O=acme', [], certificate('CN=authority').as)

const folder = mkdtempSync(path.join(os.tmpdir(), 'douane-tls-'))
const file = (name: string): string => path.join(folder, name)
const write = (name: string, text: string): void => {
  writeFileSync(file(`${name}.new`), text)
  renameSync(file(`${name}.new`), file(name))
}
const options = { cert_file: file('cert.pem'), key_file: file('key.pem'), reload_interval: '1h' }
const mutual = { ...options, client_ca_file: file('ca.pem') }
const over = (tlsOptions: Record<string, unknown>) => ({
  protocols: {
    grpc: { endpoint: '127.0.0.1:0', tls: tlsOptions },
    http: { endpoint: '127.0.0.1:0', tls: tlsOptions },
  },
})

beforeAll(() => {
  write('cert.pem', server.cert)
  write('key.pem', server.key)
  write('ca.pem', authority.cert)
})
afterAll(() => rmSync(folder, { recursive: true }))

function post(harness: Harness, secure: https.RequestOptions = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = https.request(
      {
        ...harness.http,
        method: 'POST',
        path: '/v1/logs',
        headers: jsonType,
        ca: authority.cert,
        agent: false,
        ...secure,
      },
      (response) => response.resume().on('end', () => resolve(response.statusCode!)),
    )
    request.on('error', reject)
    request.end('{}')
  })
}

async function export_(harness: Harness, as?: { cert: string; key: string }): Promise<number> {
  const pem = (text: string): Buffer => Buffer.from(text)
  const credentials = grpc.credentials.createSsl(pem(authority.cert), as && pem(as.key), as && pem(as.cert))
  const on = client(harness.grpc, credentials)
  const { code } = await call(on, Buffer.from('x'), { options: { deadline: Date.now() + 2000 } })
  on.close()
  return code
}

describe('TLS', () => {
  let harness: Harness
  beforeAll(async () => {
    harness = await startHarness(over({ ...options, min_version: '1.3' }))
  })
  afterAll(() => harness.receiver.stop())

  it('both servers take requests', async () => {
    expect(await post(harness)).toBe(200)
    expect(await export_(harness)).toBe(0)
  })

  it('HTTP/2 by ALPN', async () => {
    const session = http2.connect(`https://localhost:${harness.http.port}`, { ca: authority.cert })
    const stream = session.request({ ':method': 'POST', ':path': '/v1/logs', ...jsonType })
    const status = new Promise((resolve) => stream.on('response', (head) => resolve(head[':status'])))
    stream.resume().end('{}')
    expect(await status).toBe(200)
    session.close()
  })

  it('a version below min_version is refused', async () => {
    await expect(post(harness, { maxVersion: 'TLSv1.2' })).rejects.toThrow()
    expect(await post(harness, { minVersion: 'TLSv1.3' })).toBe(200)
  })

  it('plain text is refused, and the server lives on', async () => {
    const plain = await fetch(`http://127.0.0.1:${harness.http.port}/v1/logs`, { method: 'POST' }).catch(() => 'closed')
    expect(plain).toBe('closed')
    expect(await post(harness)).toBe(200)
  })

  it('changed files count for new connections; files that do not fit change nothing and are told', async () => {
    const subject = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = tls.connect({ ...harness.http, ca: authority.cert }, () => {
          resolve(String(socket.getPeerCertificate().subject.CN))
          socket.destroy()
        })
        socket.on('error', reject)
      })
    expect(await subject()).toBe('server')
    const renewed = certificate('CN=renewed', ['DNS:localhost', 'IP:127.0.0.1'], authority.as)
    write('cert.pem', renewed.cert)
    await harness.receiver.reload()
    expect(harness.tlsReloads).toEqual([
      expect.stringContaining('does not belong'),
      expect.stringContaining('does not belong'),
    ])
    expect(await subject()).toBe('server')
    write('key.pem', renewed.key)
    await harness.receiver.reload()
    expect(harness.tlsReloads.slice(2)).toEqual([undefined, undefined])
    expect(await subject()).toBe('renewed')
    expect(await export_(harness)).toBe(0)
  })
})

describe('client certificates', () => {
  let harness: Harness
  beforeAll(async () => {
    const clients = [
      { subject: 'O=acme, CN=worker', tenants: ['acme'] },
      { san: 'URI:spiffe://globex/worker', tenants: ['globex', 'initech'] },
    ]
    const authenticator = openMutualTls(mutualTlsSchema.parse({ clients }))
    harness = await startHarness({ ...over(mutual), auth: { authenticator: 'mutual_tls' } }, { authenticator })
  })
  afterAll(() => harness.receiver.stop())
  beforeEach(() => {
    harness.seen.length = 0
  })

  it.each([
    ['a subject', worker, { principal: 'CN=worker,O=acme', tenants: ['acme'] }],
    ['a subject alternative name', named, { principal: 'URI:spiffe://globex/worker', tenants: ['globex', 'initech'] }],
  ])('%s tells the tenants, over HTTP and gRPC', async (_, as, identity) => {
    expect(await post(harness, as)).toBe(200)
    expect(await export_(harness, as)).toBe(0)
    expect(harness.seen.map((seen) => seen.request.sender)).toEqual([
      { transport: 'http', address: '127.0.0.1', ...identity },
      { transport: 'grpc', address: '127.0.0.1', ...identity },
    ])
  })

  it('one that no rule names may speak for nobody: 403', async () => {
    expect(await post(harness, unlisted)).toBe(403)
    expect(await export_(harness, unlisted)).toBe(7)
    expect(harness.authFailures).toEqual(['127.0.0.1 forbidden', '127.0.0.1 forbidden'])
    expect(harness.seen).toHaveLength(0)
  })

  it.each([
    ['none', undefined],
    ['one of another authority with the right name', foreign],
  ])('%s: no connection', async (_, as) => {
    await expect(post(harness, as)).rejects.toThrow()
    expect(await export_(harness, as)).toBe(14)
    expect(harness.seen).toHaveLength(0)
  })

  it('an endpoint that asks for no certificate is refused at the start', async () => {
    const authenticator = openMutualTls(mutualTlsSchema.parse({ clients: [{ san: 'DNS:a', tenants: ['a'] }] }))
    const start = startHarness({ ...over(options), auth: { authenticator: 'mutual_tls' } }, { authenticator })
    await expect(start).rejects.toThrow('mutual_tls looks at client certificates')
  })

  it('a comma in a name does not pass for two parts', async () => {
    const sly = certificate('CN=worker', ['DNS:a", URI:spiffe://globex/worker, DNS:"b'], authority.as)
    expect(await post(harness, sly)).toBe(403)
  })
})

describe('at the start', () => {
  const start = (tlsOptions: Record<string, unknown>) =>
    startReceiver(config(over(tlsOptions)), {
      accept: async () => ({ is: 'ok' }),
      nowUnixNano: () => 0n,
      monotonicNano: () => 0n,
      resolve: (name) => name,
      refused: () => {},
      authFailed: () => {},
      tlsReloaded: () => {},
    })
  it.each([
    ['a file that is not there', { ...options, key_file: file('missing.pem') }, /tls\.key_file: cannot read .*ENOENT/],
    ['a file that is no PEM', { ...options, cert_file: file('no.pem') }, /not valid PEM/],
    ['a key of another certificate', { ...options, key_file: file('other.pem') }, /does not belong/],
  ])('%s is told', async (_, tlsOptions, message) => {
    write('no.pem', 'nothing')
    write('other.pem', worker.key)
    await expect(start(tlsOptions)).rejects.toThrow(message)
  })

  it('files are looked at in their interval', async () => {
    write('cert.pem', server.cert)
    write('key.pem', server.key)
    const harness = await startHarness(over({ ...options, reload_interval: '20ms' }))
    const renewed = certificate('CN=again', ['IP:127.0.0.1'], authority.as)
    write('key.pem', renewed.key)
    write('cert.pem', renewed.cert)
    await until(() => harness.tlsReloads.filter((error) => error === undefined).length >= 2)
    await harness.receiver.stop()
  })
})
