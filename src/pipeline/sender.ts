/**
 * One exporter, made safe to call: started in the background with retries, each attempt with a timeout, whatever it
 * throws turned into an outcome.
 */
import type { Batch, Exporter, Log, Outcome } from '../contract.ts'
import { DouaneError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Clock, Timer } from './clock.ts'
import type { DeliveryCounts } from './parcel.ts'
import type { RetryConfig } from './queue_config.ts'
import { backoffMs } from './retry.ts'

export interface Attempt {
  readonly outcome: Outcome
  /** The exporter did not let go of the batch when it was told to: its bytes must not be reused. */
  readonly stillReading: boolean
}

export interface SenderOptions {
  readonly id: string
  readonly exporter: Exporter
  readonly timeoutMs: number
  readonly retry: RetryConfig
  readonly clock: Clock
  readonly log: Log
  readonly counts: DeliveryCounts
  readonly random: () => number
  readonly onStarted: () => void
}

export class Sender {
  readonly #options: SenderOptions
  readonly #inFlight = new Set<AbortController>()
  #timer: Timer | undefined
  #stopped = false
  /** The exporter is ready to send. */
  started = false
  /** Since when it has not been able to start, Unix milliseconds; undefined: it started, or was not tried yet. */
  notStartedSinceMs: number | undefined
  /** Why the exporter could not start, or why the last attempt failed; undefined: it worked. Never payload. */
  lastFailure: string | undefined

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** Tries to start the exporter until it works. Resolves after the first try. */
  async start(failures = 0): Promise<void> {
    const { exporter, log, clock, retry, random, onStarted } = this.#options
    try {
      await exporter.start?.()
      if (this.#stopped) return
      this.started = true
      this.notStartedSinceMs = undefined
      this.lastFailure = undefined
      onStarted()
    } catch (error) {
      if (this.#stopped) return
      this.notStartedSinceMs ??= clock.nowMs()
      this.lastFailure = error instanceof DouaneError ? error.message : 'the exporter could not start'
      log.warn('exporter.not_started', { exporter: this.#options.id, reason: this.lastFailure, failures: failures + 1 })
      this.#timer = clock.after(backoffMs(retry, failures + 1, random), () => void this.start(failures + 1))
    }
  }

  async send(batch: Batch): Promise<Attempt> {
    const { exporter, timeoutMs, clock, counts, log, id } = this.#options
    const abort = new AbortController()
    this.#inFlight.add(abort)
    const startMs = clock.nowMs()
    const timer = clock.after(timeoutMs, () => abort.abort())
    const { promise: deaf, resolve: giveUp } = Promise.withResolvers<Attempt>()
    let grace: Timer | undefined
    abort.signal.addEventListener('abort', () => {
      const outcome = { is: 'unavailable', reason: 'timeout' } as const
      grace = clock.after(limits.abortGraceMs, () => giveUp({ outcome, stillReading: true }))
    })
    const sent = callExporter(exporter, batch, abort.signal, (name) =>
      log.error('exporter.threw', { exporter: id, name }),
    )
    const attempt = await Promise.race([sent, deaf])
    timer.cancel()
    grace?.cancel()
    this.#inFlight.delete(abort)
    const { outcome } = attempt
    this.lastFailure = outcome.is === 'accepted' || outcome.is === 'partial' ? undefined : outcome.reason
    counts.attempted(outcome.is, clock.nowMs() - startMs)
    return attempt
  }

  /** Tells every attempt that is on its way to end. */
  abort(): void {
    for (const abort of this.#inFlight) abort.abort()
  }

  async close(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    const { promise: tooLate, resolve } = Promise.withResolvers<void>()
    const timer = this.#options.clock.after(limits.abortGraceMs, resolve)
    await Promise.race([this.#options.exporter.close(), tooLate]).finally(() => timer.cancel())
  }
}

async function callExporter(
  exporter: Exporter,
  batch: Batch,
  signal: AbortSignal,
  onThrow: (name: string) => void,
): Promise<Attempt> {
  try {
    return { outcome: await exporter.send(batch, signal), stillReading: false }
  } catch (error) {
    // An exporter turns what a destination says into an outcome; a throw is a defect. Nothing is lost: it is sent again.
    if (!signal.aborted) onThrow(error instanceof Error ? error.name : 'unknown')
    return {
      outcome: { is: 'unavailable', reason: signal.aborted ? 'timeout' : 'exporter defect' },
      stillReading: false,
    }
  }
}
