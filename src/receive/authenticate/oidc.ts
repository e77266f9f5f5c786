/**
 * Bearer tokens of an OpenID Connect issuer (JWT), checked here with the issuer's public keys.
 *
 * Signatures of RSA, ECDSA and EdDSA only: never `none`, never a shared secret (a public key taken for one is the
 * classic forgery). Issuer, audience and expiry are required. Keys come from a file, from a URL, or from the issuer's
 * discovery document; they are cached, and fetched again when a token names a key that is not known (rotation), though
 * not more often than every 30 s. A token that was good is remembered by its hash until it expires, at most
 * `token_cache`: after that a removed key or a changed mapping counts.
 *
 * A token that its issuer has bound to a client certificate (RFC 8705: `cnf` with `x5t#S256`) counts on connections with
 * that certificate alone: whoever has copied it cannot replay it. One that is bound to something else is refused, since
 * it cannot be checked here.
 *
 * When keys cannot be had, nobody is let in: the sender is told to come back (503), for its token may well be good.
 */
import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'
import { z } from 'zod'
import { ConfigError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { duration } from '../../units.ts'
import { watchFiles } from '../watch.ts'
import type { AuthenticatorHost } from './api_keys.ts'
import { type Authenticator, type AuthFailure, bearerToken, type Credentials, type Verdict } from './authenticator.ts'

const algorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const

const httpsUrl = z.url({ protocol: /^https?$/, error: 'not a https:// URL', abort: true }).refine((url) => {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
}, 'must be https, but for this machine itself')

export const oidcSchema = z
  .strictObject({
    issuer: httpsUrl.describe('The issuer, exactly as in the tokens’ claim iss.'),
    audience: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
      .describe('What the claim aud must name: one of these.'),
    jwks_url: httpsUrl.optional().describe('Where the issuer’s keys are. Left out: its discovery document tells.'),
    jwks_file: z.string().min(1).optional().describe('A file with the issuer’s keys (a JWK set), instead of a URL.'),
    jwks_cache: duration().default(600_000).describe('How long fetched keys are used before they are fetched again.'),
    token_cache: duration().default(300_000).describe('How long a good token is remembered, at most until it expires.'),
    algorithms: z
      .array(z.enum(algorithms))
      .min(1)
      .default([...algorithms])
      .describe('Signature algorithms that are accepted.'),
    leeway: duration()
      .refine((ms) => ms <= 300_000, 'must be at most 5m')
      .default(30_000)
      .describe('How far the issuer’s clock may be off.'),
    principal_claim: z.string().min(1).default('sub').describe('The claim with the sender’s name.'),
    tenants_claim: z
      .string()
      .min(1)
      .default('tenant')
      .describe('The claim with the tenant, or a list of tenants; a dot leads into an object.'),
    tenants: z
      .record(z.string(), z.array(z.string().min(1)).min(1))
      .optional()
      .describe('A value of that claim → the tenants it may speak for. Given: other values count for nothing.'),
    bound_tokens: z
      .enum(['where_given', 'required'])
      .default('where_given')
      .describe('Whether a token must be bound to the client’s certificate (cnf, RFC 8705), so that no copy counts.'),
    reload_interval: duration().default(2000).describe('How often jwks_file is looked at for changes.'),
  })
  .refine((config) => !(config.jwks_url && config.jwks_file), 'jwks_url or jwks_file, not both')
  .describe('Bearer tokens of an OpenID Connect issuer.')
export type OidcConfig = z.output<typeof oidcSchema>

const fetchTimeoutMs = 5000
const fetchPauseMs = 30_000
const unavailableRetryMs = 5000

interface KeySource {
  key: JWTVerifyGetKey
  close(): void
}

/** Rejects with `ConfigError` where `jwks_file` is missing or wrong. URLs are asked when the first token comes. */
export async function openOidc(config: OidcConfig, host: AuthenticatorHost): Promise<Authenticator> {
  const source = config.jwks_file === undefined ? remoteKeys(config) : await fileKeys(config, host)
  /** SHA-256 of a token → its verdict and when it has to be checked again; oldest first. */
  const cache = new Map<string, { verdict: Verdict; boundTo: string; untilMs: number }>()
  const check = async (token: string, print: string, certificate: Credentials['certificate']): Promise<Verdict> => {
    try {
      const { payload } = await jwtVerify(token, source.key, {
        issuer: config.issuer,
        audience: config.audience,
        algorithms: config.algorithms,
        clockTolerance: config.leeway / 1000,
        requiredClaims: ['exp'],
        currentDate: new Date(host.nowMs()),
      })
      const verdict = verdictOf(payload, config)
      const boundTo = bindingOf(payload)
      if (boundTo === undefined || (boundTo === '' && config.bound_tokens === 'required')) return replayed
      if (cache.size >= limits.credentialCacheEntriesMax) cache.delete(cache.keys().next().value!)
      const expiresMs = payload.exp! * 1000 + config.leeway
      cache.set(print, { verdict, boundTo, untilMs: Math.min(expiresMs, host.nowMs() + config.token_cache) })
      return isHeldBy(boundTo, certificate) ? verdict : replayed
    } catch (error) {
      return failureOf(error)
    }
  }
  return {
    scheme: 'Bearer',
    needsCertificates: config.bound_tokens === 'required',
    authenticate({ authorization, certificate }) {
      const token = bearerToken(authorization)
      if (token === undefined || token.length > limits.credentialBytesMax) {
        return { is: 'unknown', failure: authorization === undefined ? 'missing' : 'malformed' }
      }
      const print = hash('sha256', token, 'base64')
      const known = cache.get(print)
      if (known !== undefined && known.untilMs > host.nowMs()) {
        return isHeldBy(known.boundTo, certificate) ? known.verdict : replayed
      }
      cache.delete(print)
      return check(token, print, certificate)
    },
    close: source.close,
  }
}

const replayed: Verdict = { is: 'unknown', failure: 'replayed' }

/** The SHA-256 of the certificate that a token is bound to, base64url; `''`: to nothing; undefined: to something else. */
function bindingOf(payload: JWTPayload): string | undefined {
  if (!Object.hasOwn(payload, 'cnf')) return ''
  const print = (payload['cnf'] as Record<string, unknown> | null)?.['x5t#S256']
  return typeof print === 'string' && /^[\w-]{43}$/.test(print) ? print : undefined
}

function isHeldBy(boundTo: string, certificate: Credentials['certificate']): boolean {
  if (boundTo === '') return true
  const print = certificate()?.fingerprint256.replaceAll(':', '')
  return print !== undefined && Buffer.from(print, 'hex').toString('base64url') === boundTo
}

/** Whom a good token speaks for; nobody → forbidden. */
function verdictOf(payload: JWTPayload, config: OidcConfig): Verdict {
  const principal = String(claimAt(payload, config.principal_claim) ?? 'unnamed')
  const claim = claimAt(payload, config.tenants_claim)
  const values = (Array.isArray(claim) ? claim : [claim]).filter((v) => typeof v === 'string' && v !== '') as string[]
  const map = config.tenants
  const tenants = map === undefined ? values : values.flatMap((value) => (Object.hasOwn(map, value) ? map[value]! : []))
  if (tenants.length === 0) return { is: 'forbidden', principal }
  return { is: 'known', identity: { principal, tenants: [...new Set(tenants)] } }
}

/** A claim by its whole name, else by its path. */
function claimAt(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path]
  let value: unknown = payload
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as Record<string, unknown>)[part]
  }
  return value
}

function failureOf(error: unknown): Verdict {
  const unknown = (failure: AuthFailure): Verdict => ({ is: 'unknown', failure })
  if (error instanceof errors.JWTExpired) return unknown('expired')
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'iss') return unknown('wrong_issuer')
    if (error.claim === 'aud') return unknown('wrong_audience')
    return unknown('unknown')
  }
  // Generic: what the issuer sent is no JSON.
  const keysAway = ['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'].includes(
    (error as errors.JOSEError).code,
  )
  if (keysAway || error instanceof KeysAway) return { is: 'unavailable', retryAfterMs: unavailableRetryMs }
  if (error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid) return unknown('malformed')
  return unknown('unknown')
}

/** The issuer's keys cannot be fetched. */
class KeysAway extends Error {}

type Fetch = (url: string, options: RequestInit) => Promise<Response>

/** `fetch`, whose every failure is a `KeysAway`; an issuer that is away is not asked for every request. */
function patientFetch(): Fetch {
  let failedMs = Number.NEGATIVE_INFINITY
  return async (url, options) => {
    if (performance.now() - failedMs < unavailableRetryMs) throw new KeysAway()
    try {
      const response = await fetch(url, { ...options, redirect: 'error' })
      if (response.ok) return response
    } catch {
      // Told below; the reason may quote what came back.
    }
    failedMs = performance.now()
    throw new KeysAway()
  }
}

function remoteKeys(config: OidcConfig): KeySource {
  const get = patientFetch()
  let keys: Promise<JWTVerifyGetKey> | undefined
  const open = async (): Promise<JWTVerifyGetKey> => {
    const url = config.jwks_url ?? (await discover(config.issuer, get))
    return createRemoteJWKSet(new URL(url), {
      timeoutDuration: fetchTimeoutMs,
      cooldownDuration: fetchPauseMs,
      cacheMaxAge: config.jwks_cache,
      [customFetch]: get,
    })
  }
  const key: JWTVerifyGetKey = async (header, token) => {
    keys ??= open().catch((error) => {
      keys = undefined
      throw error
    })
    return (await keys)(header, token)
  }
  return { key, close: () => {} }
}

/** The key URL in the issuer's discovery document, which must be of this very issuer. */
async function discover(issuer: string, get: Fetch): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const response = await get(url, { signal: AbortSignal.timeout(fetchTimeoutMs) })
  try {
    const document = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown }
    if (document.issuer === issuer) return httpsUrl.parse(document.jwks_uri)
  } catch {
    // Told below.
  }
  throw new KeysAway()
}

async function fileKeys(config: OidcConfig, host: AuthenticatorHost): Promise<KeySource> {
  const file = host.resolve(config.jwks_file!)
  let keys = await readKeySet(file)
  const watch = await watchFiles([file], config.reload_interval, async () => {
    try {
      keys = await readKeySet(file)
      host.reloaded(undefined)
    } catch (error) {
      host.reloaded((error as Error).message)
    }
  })
  return { key: (header, token) => keys(header, token), close: watch.close }
}

async function readKeySet(file: string): Promise<JWTVerifyGetKey> {
  try {
    return createLocalJWKSet(JSON.parse(await readFile(file, 'utf8')) as JSONWebKeySet)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const reason = code === 'ENOENT' || code === 'EACCES' ? `cannot be read (${code})` : 'is not a JWK set'
    throw new ConfigError(`${file} ${reason}`, ['jwks_file'])
  }
}
