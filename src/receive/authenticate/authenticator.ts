/**
 * What an authenticator is: credentials in, an identity out.
 *
 * It answers at once where it can (most requests carry a credential seen before) and with a promise where it must ask
 * somebody. It never says more than "known" or "not": what exactly was wrong is told to the operator, not to the
 * sender.
 */
import type { PeerCertificate } from 'node:tls'

/** What a request carries. */
export interface Credentials {
  /** The `authorization` header. */
  readonly authorization: string | undefined
  /** The `x-api-key` header. */
  readonly apiKey: string | undefined
  /** The client's certificate, already verified against the client CA; undefined without one. */
  readonly certificate: () => PeerCertificate | undefined
}

export interface Identity {
  /** The tenants that it may speak for; absent: it names none, and the tenant comes from elsewhere. */
  readonly tenants?: readonly string[]
  /** A key's name, a token's subject, a certificate's subject. */
  readonly principal: string
}

/** Why somebody is not known: a label for metrics and alerts, so the set is closed. */
export type AuthFailure =
  | 'missing'
  | 'malformed'
  | 'unknown'
  | 'expired'
  | 'wrong_issuer'
  | 'wrong_audience'
  | 'replayed'
  | 'throttled'

export type Verdict =
  | { is: 'known'; identity: Identity }
  /** 401. */
  | { is: 'unknown'; failure: AuthFailure }
  /** 403: known, but may speak for nobody here. */
  | { is: 'forbidden'; principal: string }
  /** 503: it cannot be told now (the issuer's keys cannot be fetched). */
  | { is: 'unavailable'; retryAfterMs: number }

export interface Authenticator {
  /** For `WWW-Authenticate`. */
  readonly scheme: string
  /** It looks at client certificates: each endpoint needs `tls.client_ca_file`. */
  readonly needsCertificates?: boolean
  authenticate(credentials: Credentials): Verdict | Promise<Verdict>
  /** Stops watching files and fetching keys. */
  close(): void
}

/** The token of `Bearer TOKEN`; undefined for anything else. The scheme's name is case-insensitive. */
export function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length < 8) return undefined
  if (authorization.slice(0, 7).toLowerCase() !== 'bearer ') return undefined
  const token = authorization.slice(7).trim()
  return token === '' ? undefined : token
}
