/** Bearer tokens of an OpenID Connect issuer: good ones, forged ones, rotated keys, an issuer that is away. */
import { createHash } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PeerCertificate } from 'node:tls'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Authenticator, Verdict } from '../../src/receive/authenticate/authenticator.ts'
import { oidcSchema, openOidc } from '../../src/receive/authenticate/oidc.ts'
import { bearer, clock, host, reloads, write } from './credentials.ts'
import { until } from './harness.ts'

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
    new SignJWT({ exp: over.exp ?? clock.nowMs / 1000 + 600, ...claims })
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
  const past = clock.nowMs / 1000 - 31
  it.each([
    ['nothing', async () => '', 'malformed'],
    ['a word', async () => 'word', 'malformed'],
    ['alg none', async () => new UnsecuredJWT({ ...good, exp: clock.nowMs / 1000 + 60 }).encode(), 'unknown'],
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
        const claims = Buffer.from(
          JSON.stringify({ ...good, tenant: 'globex', exp: clock.nowMs / 1000 + 60 }),
        ).toString('base64url')
        return `${head}.${claims}.${signature}`
      },
      'unknown',
    ],
    ['an unknown key id', () => sign(good, { kid: 'other' }), 'unknown'],
    ['another issuer', () => sign({ ...good, iss: 'https://login.example.com' }), 'wrong_issuer'],
    ['another audience', () => sign({ ...good, aud: ['other', 'douane2'] }), 'wrong_audience'],
    ['no audience', () => sign({ sub: 'a', tenant: 'acme', iss: issuer }), 'wrong_audience'],
    ['expired beyond the leeway', () => sign(good, { exp: past }), 'expired'],
    ['not yet valid', () => sign({ ...good, nbf: clock.nowMs / 1000 + 60 }), 'unknown'],
    [
      'no expiry',
      () => new SignJWT(good).setProtectedHeader({ alg: 'ES256', kid: 'ES256' }).sign(pairs['ES256']!.privateKey),
      'unknown',
    ],
  ])('%s is refused', async (_, token, failure) => {
    expect(await oidc.authenticate(bearer(await token()))).toEqual({ is: 'unknown', failure })
  })

  describe('a token that is bound to a certificate', () => {
    const certificateOf = (text: string) => {
      const hex = createHash('sha256').update(text).digest('hex').toUpperCase()
      return { fingerprint256: hex.match(/../g)!.join(':') } as PeerCertificate
    }
    const print = (text: string): string => createHash('sha256').update(text).digest('base64url')
    const from = (token: string, certificate?: PeerCertificate) => ({
      ...bearer(token),
      certificate: () => certificate,
    })
    const replayed = { is: 'unknown', failure: 'replayed' }

    it('counts with that certificate only, also once it is remembered', async () => {
      const token = await sign({ ...good, cnf: { 'x5t#S256': print('own') } })
      for (let i = 0; i < 2; i++) {
        expect(await oidc.authenticate(from(token, certificateOf('another')))).toEqual(replayed)
        expect(await oidc.authenticate(from(token))).toEqual(replayed)
        expect(await oidc.authenticate(from(token, certificateOf('own')))).toMatchObject({ is: 'known' })
      }
    })

    it.each([
      ['to a key of another kind', { jkt: print('own') }],
      ['to nothing that can be read', null],
      ['to a print of another form', { 'x5t#S256': 'short' }],
    ])('%s is refused: it cannot be checked', async (_, cnf) => {
      const token = await sign({ ...good, cnf } as JWTPayload)
      expect(await oidc.authenticate(from(token, certificateOf('own')))).toEqual(replayed)
    })

    it('may be required', async () => {
      const strict = await open({ bound_tokens: 'required' })
      expect(strict.needsCertificates).toBe(true)
      expect(await strict.authenticate(from(await sign(good), certificateOf('own')))).toEqual(replayed)
      const bound = await sign({ ...good, cnf: { 'x5t#S256': print('own') } })
      expect(await strict.authenticate(from(bound, certificateOf('own')))).toMatchObject({ is: 'known' })
      strict.close()
    })
  })

  it('the leeway holds both ways, and a remembered token ends with its expiry', async () => {
    const token = await sign(good, { exp: clock.nowMs / 1000 - 20 })
    expect(await oidc.authenticate(bearer(token))).toMatchObject({ is: 'known' })
    clock.nowMs += 15_000
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
