/**
 * The gate in front of both receivers: asks the authenticator, limits failures per address, reports them.
 *
 * An address that failed too often in a window is not evaluated any more: guessing goes slow and our log stays
 * readable. Credentials that were good before still pass, so that one bad neighbour behind the same address
 * translation does not shut the others out. Answers give no hint why a credential was refused.
 */
import { hash } from 'node:crypto'
import { limits } from '../../limits.ts'
import { Code, type Refusal, retryable } from '../status.ts'
import type { Authenticator, AuthFailure, Credentials, Identity, Verdict } from './authenticator.ts'

export type Passage = { identity: Identity | undefined } | { refusal: Refusal }

export interface GateOptions {
  readonly authenticator: Authenticator | undefined
  readonly nowMs: () => number
  /** Each failure, with the sender's address; for alerts and metrics. */
  readonly failed: (address: string, failure: AuthFailure | 'forbidden') => void
  /** Each that counts against its address: for other gates that keep the same limit. */
  readonly counted?: (address: string) => void
}

export class Gate {
  readonly #options: GateOptions
  readonly #failures = new Map<string, { count: number; sinceMs: number }>()
  /** Hashes of credentials that were good, oldest first. */
  readonly #good = new Set<string>()

  /** What everybody gets where there is no authenticator. */
  readonly anybody: Passage = { identity: undefined }

  constructor(options: GateOptions) {
    this.#options = options
  }

  /** True: there is no authenticator, nobody is asked for credentials. */
  get open(): boolean {
    return this.#options.authenticator === undefined
  }

  pass(credentials: Credentials, address: string): Passage | Promise<Passage> {
    const authenticator = this.#options.authenticator
    if (authenticator === undefined) return this.anybody
    const waitMs = this.#waitMs(address)
    if (waitMs > 0 && !this.#good.has(fingerprint(credentials))) {
      this.#options.failed(address, 'throttled')
      return { refusal: tooManyFailures(waitMs) }
    }
    const verdict = authenticator.authenticate(credentials)
    if (verdict instanceof Promise) return verdict.then((known) => this.#judge(known, credentials, address))
    return this.#judge(verdict, credentials, address)
  }

  #judge(verdict: Verdict, credentials: Credentials, address: string): Passage {
    switch (verdict.is) {
      case 'known':
        this.#remember(fingerprint(credentials))
        return verdict
      case 'unknown':
        this.countFailures(address, 1)
        this.#options.counted?.(address)
        this.#options.failed(address, verdict.failure)
        return { refusal: unauthenticated(this.#options.authenticator!.scheme) }
      case 'forbidden':
        this.#options.failed(address, 'forbidden')
        return { refusal: { reason: 'denied', http: 403, code: Code.PermissionDenied, message: 'Permission denied.' } }
      case 'unavailable':
        return {
          refusal: retryable(
            'unavailable',
            503,
            Code.Unavailable,
            'Credentials cannot be checked now. Try again.',
            verdict.retryAfterMs,
          ),
        }
    }
  }

  /** How long this address has to wait; 0: not at all. */
  #waitMs(address: string): number {
    const failures = this.#failures.get(address)
    if (failures === undefined) return 0
    const restMs = failures.sinceMs + limits.authFailureWindowMs - this.#options.nowMs()
    if (restMs <= 0) {
      this.#failures.delete(address)
      return 0
    }
    return failures.count >= limits.authFailuresMax ? restMs : 0
  }

  /** Counts failures of an address, wherever they were seen. */
  countFailures(address: string, times: number): void {
    const failures = this.#failures.get(address)
    if (failures !== undefined) {
      failures.count += times
      return
    }
    if (this.#failures.size >= limits.authFailureAddressesMax) dropOldest(this.#failures)
    this.#failures.set(address, { count: times, sinceMs: this.#options.nowMs() })
  }

  #remember(print: string): void {
    if (this.#good.has(print)) return
    if (this.#good.size >= limits.credentialCacheEntriesMax) dropOldest(this.#good)
    this.#good.add(print)
  }
}

function dropOldest(entries: { keys(): IterableIterator<string>; delete(key: string): boolean }): void {
  for (const key of entries.keys()) {
    entries.delete(key)
    return
  }
}

/** Stands for a credential without holding it. */
function fingerprint(credentials: Credentials): string {
  const certificate = credentials.certificate()?.fingerprint256 ?? ''
  return hash('sha256', JSON.stringify([credentials.authorization, credentials.apiKey, certificate]), 'base64')
}

const unauthenticated = (scheme: string): Refusal => ({
  reason: 'unauthenticated',
  http: 401,
  code: Code.Unauthenticated,
  message: 'Valid credentials are required.',
  headers: { 'www-authenticate': scheme },
})

const tooManyFailures = (waitMs: number): Refusal =>
  retryable('throttled', 429, Code.ResourceExhausted, 'Too many failed authentications from this address.', waitMs)
