/**
 * Whether a queue's disk can be written. After a failure it is left alone for `diskRetryMs`, then tried with a new
 * file, until it works: so a full disk is noticed by everybody at once, and its end without anybody's help.
 */
import type { Log } from '../../contract.ts'
import { limits } from '../../limits.ts'
import type { Clock, Timer } from '../clock.ts'

export interface DiskFailure {
  /** The system's code, such as ENOSPC. */
  readonly code: string
  /** Unix milliseconds. */
  readonly sinceMs: number
  readonly retryAtMs: number
}

export class DiskHealth {
  readonly #clock: Clock
  readonly #log: Log
  readonly #probe: () => void
  #timer: Timer | undefined
  #closed = false
  failure: DiskFailure | undefined

  constructor(clock: Clock, log: Log, probe: () => void) {
    this.#clock = clock
    this.#log = log
    this.#probe = probe
  }

  works(): void {
    if (!this.failure) return
    this.#log.info('queue.disk_works', { wasFailingMs: this.#clock.nowMs() - this.failure.sinceMs })
    this.failure = undefined
    this.#timer?.cancel()
  }

  fails(code: string): void {
    const now = this.#clock.nowMs()
    if (!this.failure) this.#log.error('queue.disk_failing', { code })
    this.failure = { code, sinceMs: this.failure?.sinceMs ?? now, retryAtMs: now + limits.diskRetryMs }
    this.#timer?.cancel()
    if (!this.#closed) this.#timer = this.#clock.after(limits.diskRetryMs, this.#probe)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }
}
