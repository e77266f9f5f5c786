/**
 * When to send again: jittered exponential backoff for one batch, and a circuit breaker for a whole destination.
 *
 * Closed: batches flow. After `breakerFailures` failures in a row it opens: nobody knocks until a pause is over, then
 * one batch is let through (half open). Success closes it, failure opens it again with a longer pause. A destination
 * that names a time (Retry-After, RetryInfo) is left alone until then, whatever the state.
 */
import { limits } from '../limits.ts'
import type { RetryConfig } from './queue_config.ts'

/** The wait after the `failures`-th failure in a row (1 = the first), in milliseconds. `random` gives [0, 1). */
export function backoffMs(retry: RetryConfig, failures: number, random: () => number): number {
  const interval = Math.min(retry.initial_interval * retry.multiplier ** (failures - 1), retry.max_interval)
  return interval * (1 - retry.randomization_factor + 2 * retry.randomization_factor * random())
}

export type BreakerState = 'closed' | 'open' | 'half_open'

export class Breaker {
  readonly #retry: RetryConfig
  readonly #random: () => number
  #openedTimes = 0
  #openUntilMs = 0
  #heldUntilMs = 0
  state: BreakerState = 'closed'
  /** Failures in a row. */
  failures = 0

  constructor(retry: RetryConfig, random: () => number) {
    this.#retry = retry
    this.#random = random
  }

  /** When a batch may be sent: now or before = at once. `Infinity`: not before a batch that is on its way has ended. */
  nextMs(): number {
    if (this.state === 'half_open') return Number.POSITIVE_INFINITY
    return Math.max(this.#heldUntilMs, this.state === 'open' ? this.#openUntilMs : 0)
  }

  /** A batch is sent now. */
  sending(): void {
    if (this.state === 'open') this.state = 'half_open'
  }

  /** The destination answered and took or refused a batch: it works. True: it had not before. */
  succeeded(): boolean {
    const recovered = this.failures > 0
    this.failures = 0
    this.#openedTimes = 0
    this.state = 'closed'
    return recovered
  }

  /** `saysLittle`: a batch that failed before while others were taken; that is no sign of a dead destination. */
  failed(nowMs: number, retryAfterMs: number | undefined, saysLittle = false): void {
    if (!saysLittle || this.state !== 'closed') this.failures++
    if (retryAfterMs !== undefined) {
      // Later by up to a tenth, so that many gateways do not come back at the same moment; never earlier.
      const waitMs = Math.min(retryAfterMs, limits.retryAfterMsMax) * (1 + this.#random() / 10)
      this.#heldUntilMs = Math.max(this.#heldUntilMs, nowMs + waitMs)
    }
    if (this.state === 'half_open' || (this.state === 'closed' && this.failures >= limits.breakerFailures)) {
      this.state = 'open'
      this.#openUntilMs = nowMs + backoffMs(this.#retry, ++this.#openedTimes, this.#random)
    }
  }

  /** The batch that was to try a half open destination was not sent after all. */
  unsent(): void {
    if (this.state === 'half_open') this.state = 'open'
  }

  /** Lets one batch through at once, unless the destination named a time: for the end of a run. */
  knock(): void {
    this.#openUntilMs = 0
  }
}
