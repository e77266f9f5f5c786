/** Who may send: API keys, the limit on failures, fail closed; over real sockets where that matters. */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import YAML from 'yaml'
import { limits } from '../../src/limits.ts'
import { apiKeysSchema, makeApiKey, openApiKeys, withApiKey } from '../../src/receive/authenticate/api_keys.ts'
import type { Authenticator, Credentials, Verdict } from '../../src/receive/authenticate/authenticator.ts'
import { Gate } from '../../src/receive/authenticate/gate.ts'
import { receiverSchema } from '../../src/receive/config.ts'
import { checkEndpoints, startReceiver } from '../../src/receive/otlp.ts'
import { bearer, clock, credentials, fileOf, host, reloads, write } from './credentials.ts'
import { callOnce } from './grpc_client.ts'
import { ask, config, type Harness, jsonType, startHarness, until } from './harness.ts'

describe('api_keys', () => {
  const acme = makeApiKey('acme production', ['acme'])
  const both = makeApiKey('shared relay', ['acme', 'globex'])
  const old = makeApiKey('acme before', ['acme'], new Date(clock.nowMs - 1000))
  const bare = makeApiKey('collector')
  let keys: Authenticator
  beforeAll(async () => {
    let text = ''
    for (const { entry } of [acme, both, old, bare]) text = withApiKey(text, entry)
    write('keys.yaml', text)
    keys = await openApiKeys(apiKeysSchema.parse({ file: 'keys.yaml', reload_interval: '20ms' }), host)
  })
  afterAll(() => keys.close())
  const check = (c: Credentials): Verdict => keys.authenticate(c) as Verdict

  it('a key is known by either header, with its name and tenants', () => {
    const known = { is: 'known', identity: { principal: 'acme production', tenants: ['acme'] } }
    expect(check(bearer(acme.key))).toEqual(known)
    expect(check(credentials({ authorization: `bearer  ${acme.key} ` }))).toEqual(known)
    expect(check(credentials({ apiKey: acme.key }))).toEqual(known)
    expect(check(bearer(both.key))).toMatchObject({ identity: { tenants: ['acme', 'globex'] } })
    expect(check(bearer(bare.key))).toEqual({ is: 'known', identity: { principal: 'collector' } })
  })

  it.each([
    ['nothing', credentials(), 'missing'],
    ['another scheme', credentials({ authorization: `Basic ${acme.key}` }), 'malformed'],
    ['a word', bearer('secret'), 'malformed'],
    ['a megabyte', bearer(`dk_${'0'.repeat(1e6)}`), 'malformed'],
    ['the id with another secret', bearer(acme.key.slice(0, -43) + both.key.slice(-43)), 'unknown'],
    ['an unknown id', bearer(acme.key.replace(/_[0-9a-f]{16}_/, '_0000000000000000_')), 'unknown'],
    ['one letter changed', bearer(acme.key.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))), 'unknown'],
    ['the hash instead of the key', bearer(acme.entry.hash), 'malformed'],
    ['an expired key', bearer(old.key), 'expired'],
  ])('%s is not', (_, given, failure) => {
    expect(check(given)).toEqual({ is: 'unknown', failure })
  })

  it('the file holds no key', () => {
    const text = readFileSync(fileOf('keys.yaml'), 'utf8')
    for (const { key } of [acme, both, old, bare]) expect(text).not.toContain(key.slice(-43))
    expect(YAML.parse(text).keys).toHaveLength(4)
  })

  it('keys come and go without a restart; a wrong file changes nothing and is told', async () => {
    const added = makeApiKey('new', ['acme'])
    write('keys.yaml', withApiKey('', added.entry))
    await until(() => check(bearer(added.key)).is === 'known')
    expect(check(bearer(acme.key)).is).toBe('unknown')
    reloads.length = 0
    write('keys.yaml', `keys: [{ id: x, hash: ${acme.key} }`)
    await until(() => reloads.length > 0)
    expect(reloads[0]).toMatch(/keys\.yaml:\d+:\d+: not valid YAML/)
    expect(check(bearer(added.key)).is).toBe('known')
  })

  it.each([
    ['a missing file', undefined, /cannot read/],
    ['an unknown field', 'keys: [{ id: "0000000000000000", name: a, hash: "sha256:00", secret: b }]', /hash|secret/i],
    ['an id twice', withApiKey(withApiKey('', acme.entry), acme.entry), /there twice/],
    ['no list', 'keys: 3', /keys/],
  ])('%s is told at the start', async (_, text, message) => {
    if (text !== undefined) write('wrong.yaml', text)
    const file = text === undefined ? 'away.yaml' : 'wrong.yaml'
    await expect(openApiKeys(apiKeysSchema.parse({ file }), host)).rejects.toThrow(message)
  })
})

describe('the gate', () => {
  const verdict: Record<string, Verdict> = {
    good: { is: 'known', identity: { principal: 'p', tenants: ['t'] } },
    late: { is: 'known', identity: { principal: 'q' } },
  }
  const authenticator: Authenticator = {
    scheme: 'Bearer',
    authenticate: ({ authorization }) => verdict[authorization ?? ''] ?? { is: 'unknown', failure: 'unknown' },
    close() {},
  }
  it('limits failures per address, lets in who was good before, and opens after the window', () => {
    let ms = 0
    const failed: string[] = []
    const gate = new Gate({
      authenticator,
      nowMs: () => ms,
      failed: (address, failure) => failed.push(`${address} ${failure}`),
    })
    const pass = (authorization: string, address = '10.0.0.1') => {
      const passage = gate.pass(credentials({ authorization }), address) as { refusal?: { http: number } }
      return passage.refusal?.http ?? 200
    }
    expect(pass('good')).toBe(200)
    for (let n = 0; n < limits.authFailuresMax; n++) expect(pass(`guess ${n}`)).toBe(401)
    expect(pass('guess')).toBe(429)
    expect(pass('late')).toBe(429)
    expect(pass('good')).toBe(200)
    expect(pass('late', '10.0.0.2')).toBe(200)
    expect(pass('late')).toBe(200)
    expect(failed.filter((line) => line === '10.0.0.1 unknown')).toHaveLength(limits.authFailuresMax)
    expect(failed.slice(-2)).toEqual(['10.0.0.1 throttled', '10.0.0.1 throttled'])
    ms += limits.authFailureWindowMs
    expect(pass('guess')).toBe(401)
  })
})

describe('over sockets', () => {
  const acme = makeApiKey('acme', ['acme'])
  let harness: Harness
  let keys: Authenticator
  beforeAll(async () => {
    write('socket.yaml', withApiKey('', acme.entry))
    keys = await openApiKeys(apiKeysSchema.parse({ file: 'socket.yaml' }), host)
    harness = await startHarness({ auth: { authenticator: 'api_keys' } }, { authenticator: keys })
  })
  afterAll(async () => {
    await harness.receiver.stop()
    keys.close()
  })

  it('HTTP: 401 with WWW-Authenticate, without a hint; a good key tells the tenants', async () => {
    const wrong = { ...jsonType, authorization: 'Bearer dk_0000' }
    const refused = await ask(harness.http, { headers: wrong, body: '{}' })
    expect(refused).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } })
    expect(JSON.parse(refused.body.toString())).toEqual({ code: 16, message: 'Valid credentials are required.' })
    const missing = await ask(harness.http, { headers: jsonType, body: '{}' })
    expect(missing.body).toEqual(refused.body)
    expect(harness.seen).toHaveLength(0)
    expect(harness.authFailures).toEqual(['127.0.0.1 malformed', '127.0.0.1 missing'])
    const sent = await ask(harness.http, { headers: { ...jsonType, 'x-api-key': acme.key }, body: '{}' })
    expect(sent.status).toBe(200)
    expect(harness.seen[0]!.request.sender).toEqual({
      transport: 'http',
      address: '127.0.0.1',
      principal: 'acme',
      tenants: ['acme'],
    })
  })

  it('gRPC: UNAUTHENTICATED; a good key passes', async () => {
    const body = Buffer.alloc(100_000)
    expect(await callOnce(harness.grpc, body)).toMatchObject({ code: 16, message: 'Valid credentials are required.' })
    const metadata = { authorization: `Bearer ${acme.key}` }
    expect(await callOnce(harness.grpc, body, { metadata })).toMatchObject({ code: 0 })
  })

  it('a body is not read before its sender is known', async () => {
    const headers = { ...jsonType, expect: '100-continue', 'content-length': '1000000' }
    const continued = await new Promise((resolve) => {
      const request = http.request({ ...harness.http, method: 'POST', path: '/v1/logs', headers })
      request.on('continue', () => resolve(true))
      request.on('response', () => resolve(false))
      request.on('error', () => {})
      request.flushHeaders()
    })
    expect(continued).toBe(false)
  })

  it('an authenticator that throws lets nobody in', async () => {
    const authenticator: Authenticator = {
      scheme: 'Bearer',
      authenticate: () => Promise.reject(new Error('x')),
      close() {},
    }
    const broken = await startHarness({ auth: { authenticator: 'a' } }, { authenticator })
    expect((await ask(broken.http, { headers: jsonType, body: '{}' })).status).toBe(500)
    expect(await callOnce(broken.grpc, Buffer.from('x'))).toMatchObject({ code: 13 })
    expect(broken.seen).toHaveLength(0)
    await broken.receiver.stop()
  })
})

describe('fail closed', () => {
  it.each([
    '0.0.0.0:0',
    ':4318',
    '[::]:0',
    '192.0.2.1:4318',
    'gateway.example.com:4318',
    '[::ffff:10.0.0.1]:1',
  ])('without an authenticator %s is refused', (endpoint) => {
    for (const protocol of ['grpc', 'http']) {
      const open = receiverSchema.parse({ protocols: { [protocol]: { endpoint } } })
      expect(() => checkEndpoints(open, undefined)).toThrow(/nobody is asked/)
    }
  })

  it.each(['127.0.0.1:0', '127.8.9.10:1', 'localhost:4318', '[::1]:4318'])('%s is loopback', (endpoint) => {
    expect(() => checkEndpoints(receiverSchema.parse({ protocols: { http: { endpoint } } }), undefined)).not.toThrow()
  })

  it('an authenticator that is named and not there is refused, and nothing listens', async () => {
    const start = startReceiver(config({ auth: { authenticator: 'api_keys' } }), {} as never)
    await expect(start).rejects.toThrow('there is no authenticator api_keys')
  })
})
