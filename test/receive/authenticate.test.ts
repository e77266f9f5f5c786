/** Who may send: API keys, OIDC tokens, the limit on failures; over real sockets where that matters. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import YAML from 'yaml'
import { limits } from '../../src/limits.ts'
import { apiKeysSchema, makeApiKey, openApiKeys, withApiKey } from '../../src/receive/authenticate/api_keys.ts'
import type { Authenticator, Credentials, Verdict } from '../../src/receive/authenticate/authenticator.ts'
import { Gate } from '../../src/receive/authenticate/gate.ts'
import { oidcSchema, openOidc } from '../../src/receive/authenticate/oidc.ts'
import { receiverSchema } from '../../src/receive/config.ts'
import { checkEndpoints, startReceiver } from '../../src/receive/otlp.ts'
import { callOnce } from './grpc_client.ts'
import { ask, config, type Harness, jsonType, startHarness, until } from './harness.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'douane-auth-'))
afterAll(() => rmSync(folder, { recursive: true }))
const write = (name: string, text: string): string => {
  const file = path.join(folder, name)
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
  return file
}
let nowMs = Date.parse('2026-11-21T00:00:00Z')
const reloads: (string | undefined)[] = []
const host = {
  resolve: (name: string) => path.resolve(folder, name),
  nowMs: () => nowMs,
  reloaded: (e?: string) => void reloads.push(e),
}
const credentials = (over: Partial<Credentials> = {}): Credentials => ({
  authorization: undefined,
  apiKey: undefined,
  certificate: () => undefined,
  ...over,
})
const bearer = (token: string): Credentials => credentials({ authorization: `Bearer ${token}` })

describe('api_keys', () => {
  const acme = makeApiKey('acme production', ['acme'])
  const both = makeApiKey('shared relay', ['acme', 'globex'])
  const old = makeApiKey('acme before', ['acme'], new Date(nowMs - 1000))
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
    const text = readFileSync(path.join(folder, 'keys.yaml'), 'utf8')
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

describe('oidc', async () => {
  const algorithms = ['RS256', 'ES256', 'EdDSA'] as const
  const pairs = Object.fromEntries(
    await Promise.all(algorithms.map(async (alg) => [alg, await generateKeyPair(alg, { extractable: true })] as const)),
  )
  const jwk = async (alg: string, kid = alg) => ({ ...(await exportJWK(pairs[alg]!.publicKey)), kid, alg })
  const issuer = 'https://login.example.com/'
  const good: JWTPayload = { sub: 'worker-7', tenant: 'acme', aud: 'douane', iss: issuer }
  const sign = (
    claims: JWTPayload,
    { alg = 'ES256', ...over }: { alg?: string; kid?: string; exp?: number; key?: CryptoKey } = {},
  ) =>
    new SignJWT({ exp: over.exp ?? nowMs / 1000 + 600, ...claims })
      .setProtectedHeader({ alg, kid: over.kid ?? alg })
      .sign(over.key ?? pairs[alg]!.privateKey)
  const options = { issuer, audience: 'douane', jwks_file: 'jwks.json', reload_interval: '20ms' }
  const open = (over: Record<string, unknown> = {}) => openOidc(oidcSchema.parse({ ...options, ...over }), host)
  let oidc: Authenticator
  beforeAll(async () => {
    write('jwks.json', JSON.stringify({ keys: await Promise.all(algorithms.map((alg) => jwk(alg))) }))
    oidc = await open()
  })
  afterAll(() => oidc.close())

  it.each(algorithms)('a token signed with %s is known, the second time at once', async (alg) => {
    const token = await sign(good, { alg })
    const known = { is: 'known', identity: { principal: 'worker-7', tenants: ['acme'] } }
    expect(await oidc.authenticate(bearer(token))).toEqual(known)
    expect(oidc.authenticate(bearer(token))).toEqual(known)
  })

  const otherKey = (await generateKeyPair('ES256')).privateKey
  const secret = new TextEncoder().encode(JSON.stringify(await exportJWK(pairs['RS256']!.publicKey)))
  const past = nowMs / 1000 - 31
  it.each([
    ['nothing', async () => '', 'malformed'],
    ['a word', async () => 'word', 'malformed'],
    ['alg none', async () => new UnsecuredJWT({ ...good, exp: nowMs / 1000 + 60 }).encode(), 'unknown'],
    [
      'a public key as a shared secret',
      () => new SignJWT(good).setProtectedHeader({ alg: 'HS256', kid: 'RS256' }).sign(secret),
      'unknown',
    ],
    ['forged with another key', () => sign(good, { key: otherKey }), 'unknown'],
    [
      'a changed claim',
      async () => {
        const [head, , signature] = (await sign(good)).split('.')
        const claims = Buffer.from(JSON.stringify({ ...good, tenant: 'globex', exp: nowMs / 1000 + 60 })).toString(
          'base64url',
        )
        return `${head}.${claims}.${signature}`
      },
      'unknown',
    ],
    ['an unknown key id', () => sign(good, { kid: 'other' }), 'unknown'],
    ['another issuer', () => sign({ ...good, iss: 'https://login.example.com' }), 'wrong_issuer'],
    ['another audience', () => sign({ ...good, aud: ['other', 'douane2'] }), 'wrong_audience'],
    ['no audience', () => sign({ sub: 'a', tenant: 'acme', iss: issuer }), 'wrong_audience'],
    ['expired beyond the leeway', () => sign(good, { exp: past }), 'expired'],
    ['not yet valid', () => sign({ ...good, nbf: nowMs / 1000 + 60 }), 'unknown'],
    [
      'no expiry',
      () => new SignJWT(good).setProtectedHeader({ alg: 'ES256', kid: 'ES256' }).sign(pairs['ES256']!.privateKey),
      'unknown',
    ],
  ])('%s is refused', async (_, token, failure) => {
    expect(await oidc.authenticate(bearer(await token()))).toEqual({ is: 'unknown', failure })
  })

  it('the leeway holds both ways, and a remembered token ends with its expiry', async () => {
    const token = await sign(good, { exp: nowMs / 1000 - 20 })
    expect(await oidc.authenticate(bearer(token))).toMatchObject({ is: 'known' })
    nowMs += 15_000
    expect(await oidc.authenticate(bearer(token))).toEqual({ is: 'unknown', failure: 'expired' })
  })

  it.each([
    ['a list of tenants', {}, { tenant: ['acme', 'globex'] }, ['acme', 'globex']],
    ['a path', { tenants_claim: 'org.tenant' }, { org: { tenant: 'initech' } }, ['initech']],
    ['a claim whose name has dots', { tenants_claim: 'https://x/tenant.id' }, { 'https://x/tenant.id': 'a' }, ['a']],
    [
      'a map',
      { tenants: { admins: ['acme', 'globex'], x: ['y'] } },
      { tenant: ['admins', 'users'] },
      ['acme', 'globex'],
    ],
  ])('tenants by %s', async (_, over, claims, tenants) => {
    const authenticator = await open(over)
    const verdict = await authenticator.authenticate(bearer(await sign({ ...good, tenant: undefined, ...claims })))
    expect(verdict).toMatchObject({ is: 'known', identity: { tenants } })
    authenticator.close()
  })

  it.each([
    ['no claim', {}, { tenant: undefined }],
    ['another type', {}, { tenant: 7 }],
    ['an empty list', {}, { tenant: [] }],
    ['a value that the map does not name', { tenants: { admins: ['acme'] } }, { tenant: 'constructor' }],
    ['a path through __proto__', { tenants_claim: '__proto__.x' }, {}],
  ])('%s speaks for nobody', async (_, over, claims) => {
    const authenticator = await open(over)
    expect(await authenticator.authenticate(bearer(await sign({ ...good, ...claims })))).toMatchObject({
      is: 'forbidden',
    })
    authenticator.close()
  })

  it('keys in a file are rotated without a restart', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const token = await sign(good, { kid: 'next', key: privateKey })
    expect(await oidc.authenticate(bearer(token))).toMatchObject({ is: 'unknown' })
    write('jwks.json', JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'next', alg: 'ES256' }] }))
    await until(() => reloads.at(-1) === undefined)
    let verdict: Verdict | undefined
    await expect
      .poll(async () => {
        verdict = await oidc.authenticate(bearer(token))
        return verdict.is
      })
      .toBe('known')
    write('jwks.json', JSON.stringify({ keys: await Promise.all(algorithms.map((alg) => jwk(alg))) }))
  })

  describe('keys by URL', () => {
    let asked: string[]
    let answers: Record<string, () => unknown>
    let server: http.Server
    let url: string
    beforeEach(async () => {
      asked = []
      answers = {}
      server = http.createServer((req, res) => {
        asked.push(req.url!)
        const answer = answers[req.url!]?.()
        res
          .writeHead(answer === undefined ? 500 : 200)
          .end(typeof answer === 'string' ? answer : JSON.stringify(answer))
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      return () => new Promise((resolve) => server.close(resolve).closeAllConnections())
    })

    it('are found by discovery, fetched once, and not asked for again for each unknown key', async () => {
      answers['/.well-known/openid-configuration'] = () => ({ issuer: url, jwks_uri: `${url}/keys` })
      const keys = { keys: [await jwk('ES256')] }
      answers['/keys'] = () => keys
      const oidc = await openOidc(oidcSchema.parse({ issuer: url, audience: 'douane' }), host)
      const token = await sign({ ...good, iss: url })
      const verdicts = await Promise.all([1, 2, 3].map(() => oidc.authenticate(bearer(token))))
      expect(verdicts.map(({ is }) => is)).toEqual(['known', 'known', 'known'])
      for (let n = 0; n < 5; n++) await oidc.authenticate(bearer(await sign({ ...good, iss: url }, { kid: `k${n}` })))
      expect(asked).toEqual(['/.well-known/openid-configuration', '/keys'])
      oidc.close()
    })

    it.each([
      ['an error', () => undefined],
      ['no JSON', () => 'nothing'],
      ['no key set', () => ({ some: 'thing' })],
    ])('%s: nobody is let in, the sender is told to come back, and the issuer is left in peace', async (_, answer) => {
      answers['/keys'] = answer
      const oidc = await openOidc(oidcSchema.parse({ issuer, audience: 'douane', jwks_url: `${url}/keys` }), host)
      const token = await sign(good)
      expect(await oidc.authenticate(bearer(token))).toEqual({ is: 'unavailable', retryAfterMs: 5000 })
      expect(await oidc.authenticate(bearer(token))).toEqual({ is: 'unavailable', retryAfterMs: 5000 })
      expect(asked.length).toBeLessThanOrEqual(2)
      oidc.close()
    })

    it('a discovery document of another issuer is not believed', async () => {
      answers['/.well-known/openid-configuration'] = () => ({ issuer, jwks_uri: `${url}/keys` })
      answers['/keys'] = () => ({ keys: [] })
      const oidc = await openOidc(oidcSchema.parse({ issuer: url, audience: 'douane' }), host)
      expect(await oidc.authenticate(bearer(await sign({ ...good, iss: url })))).toMatchObject({ is: 'unavailable' })
      expect(asked).not.toContain('/keys')
    })
  })

  it.each([
    [{ jwks_url: 'https://a/b', jwks_file: 'x' }],
    [{ issuer: 'http://login.example.com' }],
    [{ algorithms: ['HS256'] }],
    [{ algorithms: ['none'] }],
    [{ leeway: '1h' }],
    [{ audience: [] }],
  ])('the option %j is refused', (over) => {
    expect(oidcSchema.safeParse({ ...options, ...over }).success).toBe(false)
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
