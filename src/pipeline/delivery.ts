/**
 * Out of the queue, into the destination: consumers, retries, the breaker, splitting, dead letters.
 *
 * A batch that fails is parked until its time comes, and others pass it; so one batch that a destination cannot digest
 * does not stop the rest. While the breaker is open nothing is taken out of the queue at all.
 * What is decided about parts of a batch is durable before it is acted on, since a part has an id of its own:
 * `<id>.<from>-<to>`, the records [from, to) of the batch.
 */
import type { Log, Outcome } from '../contract.ts'
import { DouaneError, WireError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Clock, Timer } from './clock.ts'
import type { DeadLetters } from './dead_letters.ts'
import type { DeliveryCounts, Permit, Witness } from './parcel.ts'
import { type Chunk, holdingsOf, parcelEdges, tenantsOf, wholeOf } from './queue/chunk.ts'
import { diskErrorCode } from './queue/disk.ts'
import type { Lanes } from './queue/lanes.ts'
import type { Range } from './queue/parts.ts'
import type { RetryConfig } from './queue_config.ts'
import { Breaker, backoffMs } from './retry.ts'
import type { Sender } from './sender.ts'
import { cutRecords } from './split.ts'

export interface DeliveryOptions {
  readonly id: string
  readonly queue: Lanes
  readonly sender: Sender
  readonly deadLetters: DeadLetters
  readonly consumers: number
  readonly retry: RetryConfig
  readonly clock: Clock
  readonly log: Log
  readonly counts: DeliveryCounts
  readonly witness: Witness | undefined
  readonly permits: Permit | undefined
  readonly random: () => number
}

/** A batch that waits for another attempt. */
interface Parked {
  dueMs: number
  failures: number
  readonly firstMs: number
  /** The destination named the time itself. */
  named: boolean
  /** The destination took others since this one failed first: it is this batch that it cannot digest. */
  isIndigestible: boolean
  /** Cuts that were decided and could not be made durable yet. */
  cuts?: { readonly range: Range; readonly at: readonly number[] }
}

export class Delivery {
  readonly #options: DeliveryOptions
  readonly #parked = new Map<Chunk, Parked>()
  readonly breaker: Breaker
  #timer: Timer | undefined
  #taking = false
  #again = false
  #isNewFirst = false
  #state: 'running' | 'draining' | 'stopped' = 'running'
  #whenIdle: (() => void) | undefined
  inFlight = 0
  /** Attempts that failed. */
  retries = 0
  /** When the failures in a row began, Unix milliseconds. */
  failingSinceMs: number | undefined

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.breaker = new Breaker(options.retry, options.random)
  }

  get retrying(): number {
    return this.#parked.size
  }

  get #isStopped(): boolean {
    return this.#state === 'stopped'
  }

  /** Something changed: sends whatever may be sent now. */
  wake(): void {
    if (this.#taking) {
      this.#again = true
      return
    }
    this.#taking = true
    void this.#take().finally(() => {
      this.#taking = false
      if (this.#again) {
        this.#again = false
        this.wake()
      } else if (this.inFlight === 0) this.#whenIdle?.()
    })
  }

  /** Delivers what is queued while the destination answers, until `deadlineMs` (clock). */
  async drain(deadlineMs: number): Promise<void> {
    this.#state = 'draining'
    const { clock, sender, queue } = this.#options
    if (sender.started) {
      // A destination may have come back during a long pause: knock once more.
      this.breaker.knock()
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = clock.after(deadlineMs - clock.nowMs(), resolve)
      this.#whenIdle = () => {
        const next = Math.max(this.breaker.nextMs(), this.#earliestDueMs())
        const nothing = queue.waiting.batches === 0
        const silent = this.breaker.failures >= limits.drainFailures || next > deadlineMs
        if (nothing || (silent && (this.breaker.failures > 0 || this.#parked.size > 0))) resolve()
      }
      for (const parked of this.#parked.values()) if (!parked.named) parked.dueMs = clock.nowMs()
      this.wake()
      await promise
      timer.cancel()
    }
    this.#state = 'stopped'
    this.#timer?.cancel()
    sender.abort()
    while (this.inFlight > 0 || this.#taking) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#whenIdle = resolve
      await promise
    }
  }

  async #take(): Promise<void> {
    const { clock, sender, consumers } = this.#options
    while (sender.started && !this.#isStopped && this.inFlight < consumers) {
      const now = clock.nowMs()
      const mayMs = this.breaker.nextMs()
      if (mayMs > now) {
        if (Number.isFinite(mayMs)) this.#wakeAt(mayMs)
        return
      }
      // A destination that seems dead is tried with something new: the batches that failed may be what it cannot digest.
      // Else new ones and those that failed take turns.
      this.#isNewFirst = this.breaker.state !== 'closed' || !this.#isNewFirst
      const chunk = this.#isNewFirst
        ? ((await this.#takeNext()) ?? this.#takeDue(now))
        : (this.#takeDue(now) ?? (await this.#takeNext()))
      if (!chunk) {
        this.#wakeAt(this.#earliestDueMs())
        return
      }
      if (this.#isStopped) {
        this.#park(chunk.chunk, chunk.parked, 0)
        return
      }
      this.breaker.sending()
      this.inFlight++
      void this.#deliver(chunk.chunk, chunk.parked).finally(() => {
        this.inFlight--
        this.wake()
      })
    }
  }

  #takeDue(now: number): { chunk: Chunk; parked: Parked } | undefined {
    let best: { chunk: Chunk; parked: Parked } | undefined
    for (const [chunk, parked] of this.#parked) {
      if (parked.dueMs <= now && (!best || parked.failures < best.parked.failures)) best = { chunk, parked }
    }
    if (best) this.#parked.delete(best.chunk)
    return best
  }

  async #takeNext(): Promise<{ chunk: Chunk; parked: Parked } | undefined> {
    const { queue, clock, log, id } = this.#options
    if (this.#parked.size >= limits.parkedBatchesMax) return undefined
    try {
      const chunk = await queue.next()
      return (
        chunk && {
          chunk,
          parked: { dueMs: 0, failures: 0, firstMs: clock.nowMs(), named: false, isIndigestible: false },
        }
      )
    } catch (error) {
      log.error('queue.unreadable', { exporter: id, code: diskErrorCode(error) })
      this.#wakeAt(clock.nowMs() + limits.diskRetryMs)
      return undefined
    }
  }

  #earliestDueMs(): number {
    let due = Number.POSITIVE_INFINITY
    for (const parked of this.#parked.values()) if (parked.dueMs < due) due = parked.dueMs
    return due
  }

  #wakeAtMs = Number.POSITIVE_INFINITY
  #wakeAt(ms: number): void {
    const now = this.#options.clock.nowMs()
    if (!Number.isFinite(ms) || (this.#wakeAtMs <= ms && this.#wakeAtMs > now)) return
    this.#timer?.cancel()
    this.#wakeAtMs = ms
    this.#timer = this.#options.clock.after(Math.max(1, ms - now), () => {
      this.#wakeAtMs = Number.POSITIVE_INFINITY
      this.wake()
    })
  }

  /** One batch, part by part, until it is done or has to wait. */
  async #deliver(chunk: Chunk, parked: Parked): Promise<void> {
    const { queue, log, id } = this.#options
    try {
      if (!(await queue.load(chunk))) {
        this.breaker.unsent()
        return
      }
      if (parked.cuts) {
        await queue.split(chunk, parked.cuts.range, parked.cuts.at)
        delete parked.cuts
      }
      for (;;) {
        const range = chunk.parts === undefined ? wholeOf(chunk) : chunk.parts[0]
        if (!range) break
        if (!(await this.#deliverPart(chunk, range, parked))) return
        if (!chunk.parts) break
      }
      queue.done(chunk)
    } catch (error) {
      // The disk of the queue or the dead letters: nothing was decided yet, so the same is tried again.
      const code = error instanceof DouaneError ? error.code : diskErrorCode(error)
      log.error('delivery.put_off', { exporter: id, code })
      this.breaker.unsent()
      this.#park(chunk, parked, limits.diskRetryMs)
    }
  }

  /** False: the batch was parked. Rejects when what has to be durable is not. */
  async #deliverPart(chunk: Chunk, range: Range, parked: Parked): Promise<boolean> {
    const { sender, queue, counts, witness, permits } = this.#options
    const [from, to] = range
    const whole = chunk.parts === undefined
    // The last part takes whatever is left, should the counts ever differ from the bytes.
    const end = to >= chunk.records ? Number.POSITIVE_INFINITY : to
    const id = whole ? chunk.id : `${chunk.id}.${from}-${to}`
    const body = whole ? chunk.body! : cutIfPossible(chunk.body!, from, end)
    if (!body) {
      await this.#bury(chunk, range, { id, body: chunk.body! }, 'cannot be split')
      queue.partDone(chunk, range)
      return true
    }
    const policyVersion = chunk.meta.group
    if (permits?.(policyVersion, holdingsOf(chunk.meta, from, to), body) === false) {
      this.breaker.unsent()
      const edges = parcelEdges(chunk.meta, from, to)
      if (edges.length > 0) return this.#cut(chunk, range, parked, edges)
      await this.#bury(chunk, range, { id, body }, 'the residency policy does not allow it any more')
      if (!whole) queue.partDone(chunk, range)
      return true
    }
    const { outcome, stillReading } = await sender.send({ id, body, records: to - from })
    if (stillReading) chunk.pooled = undefined
    if (outcome.is === 'unavailable') return this.#unavailable(chunk, range, parked, outcome, { id, body })
    this.#answered(parked)
    const cuts = cutsFor(outcome, chunk, range)
    if (cuts.length > 0) return this.#cut(chunk, range, parked, cuts)
    if (outcome.is === 'rejected' || outcome.is === 'too_large') {
      await this.#bury(chunk, range, { id, body }, outcome.reason)
    } else {
      const refused = outcome.is === 'partial' ? Math.min(outcome.records, to - from) : 0
      const holdings = holdingsOf(chunk.meta, from, to) ?? []
      await witness?.({ id, body, records: to - from, refused, policyVersion, holdings })
      if (refused > 0 && outcome.is === 'partial')
        counts.refused(tenantsOf(chunk.meta, from, from + refused), refused, outcome.reason)
      if (refused < to - from) counts.stored(tenantsOf(chunk.meta, from + refused, to), to - from - refused)
    }
    if (!whole) queue.partDone(chunk, range)
    return true
  }

  async #cut(chunk: Chunk, range: Range, parked: Parked, at: readonly number[]): Promise<true> {
    parked.cuts = { range, at }
    await this.#options.queue.split(chunk, range, at)
    delete parked.cuts
    return true
  }

  #answered(parked: Parked): void {
    parked.failures = 0
    parked.isIndigestible = false
    this.failingSinceMs = undefined
    for (const other of this.#parked.values()) other.isIndigestible = true
    if (!this.breaker.succeeded()) return
    this.#options.log.info('delivery.works', { exporter: this.#options.id })
    // The destination is back: whoever waits for no other reason may go on.
    const now = this.#options.clock.nowMs()
    for (const other of this.#parked.values()) if (!other.named && other.failures <= 2) other.dueMs = now
    this.wake()
  }

  async #unavailable(
    chunk: Chunk,
    range: Range,
    parked: Parked,
    outcome: Outcome & { is: 'unavailable' },
    part: { id: string; body: Uint8Array },
  ): Promise<boolean> {
    const { clock, retry, random, queue, log, id } = this.#options
    const now = clock.nowMs()
    if (this.#isStopped) {
      this.#park(chunk, parked, 0)
      return false
    }
    this.retries++
    parked.failures++
    this.failingSinceMs ??= now
    this.breaker.failed(now, outcome.retryAfterMs, parked.isIndigestible && parked.failures > 2)
    if (this.breaker.failures === 1) log.warn('delivery.failing', { exporter: id, reason: outcome.reason })
    const gaveUp = retry.max_elapsed_time > 0 && now - parked.firstMs >= retry.max_elapsed_time
    if (!retry.enabled || gaveUp) {
      await this.#bury(chunk, range, part, `gave up: ${outcome.reason}`)
      if (chunk.parts) queue.partDone(chunk, range)
      return true
    }
    if (await queue.moveOn(chunk)) return false
    let waitMs = backoffMs(retry, parked.failures, random)
    if (this.#state === 'draining') waitMs = Math.min(waitMs, limits.drainRetryMs)
    parked.named = outcome.retryAfterMs !== undefined
    if (outcome.retryAfterMs !== undefined)
      waitMs = Math.max(waitMs, Math.min(outcome.retryAfterMs, limits.retryAfterMsMax))
    this.#park(chunk, parked, waitMs)
    return false
  }

  #park(chunk: Chunk, parked: Parked, waitMs: number): void {
    const { queue, clock } = this.#options
    if (queue.memoryIsShort) queue.unload(chunk)
    parked.dueMs = clock.nowMs() + waitMs
    this.#parked.set(chunk, parked)
  }

  async #bury(chunk: Chunk, [from, to]: Range, part: { id: string; body: Uint8Array }, reason: string): Promise<void> {
    const { deadLetters, clock, counts } = this.#options
    const tenants = tenantsOf(chunk.meta, from, to)
    const letter = {
      id: part.id,
      reason,
      records: to - from,
      bytes: part.body.length,
      tenants,
      policyVersion: chunk.meta.group,
      queuedMs: chunk.meta.at,
      deadMs: clock.nowMs(),
    }
    const holdings = holdingsOf(chunk.meta, from, to)
    const parcel = { bytes: part.body.length, records: to - from, tenants, ...(holdings && { holdings }) }
    await deadLetters.add(letter, [parcel], part.body)
    counts.deadLettered(tenants, to - from, reason)
  }
}

function cutIfPossible(body: Uint8Array, from: number, to: number): Uint8Array | undefined {
  try {
    return cutRecords(body, from, to)
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}

/**
 * Where a batch that was not taken is cut. Too large: in halves. Refused: into the requests that it was merged from,
 * so that one bad request does not take its neighbours along.
 */
function cutsFor(outcome: Outcome, chunk: Chunk, [from, to]: Range): number[] {
  if (outcome.is === 'too_large') return to - from > 1 ? [Math.floor((from + to) / 2)] : []
  return outcome.is === 'rejected' ? parcelEdges(chunk.meta, from, to) : []
}
