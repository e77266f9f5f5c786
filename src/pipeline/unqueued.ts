/**
 * Delivery without a queue (`sending_queue: { enabled: false }`): a sender gets its answer when the destination has
 * given its own, and sends again itself if that was no.
 *
 * At most `num_consumers` batches are on their way; what arrives meanwhile is merged and goes with the next one.
 * Nothing is retried here and nothing becomes a dead letter: whoever sent it still has it.
 */
import { randomBytes } from 'node:crypto'
import { limits } from '../limits.ts'
import type { Clock } from './clock.ts'
import { type DeliveryCounts, type Parcel, QueueRefusal, type RefusalReason, type Witness } from './parcel.ts'
import { BufferPool } from './queue/buffers.ts'
import { holdingsOf, parcelEdges, tenantsOf } from './queue/chunk.ts'
import { type ChunkMeta, derivedBatchId, type ParcelMeta } from './queue/frame.ts'
import type { RetryConfig } from './queue_config.ts'
import { Breaker } from './retry.ts'
import type { Sender } from './sender.ts'
import { cutRecords } from './split.ts'

interface Waiting {
  readonly buffer: Buffer
  used: number
  records: number
  readonly at: number
  readonly group: string
  readonly parcels: ParcelMeta[]
  readonly waiters: { from: number; to: number; resolve(): void; reject(error: unknown): void }[]
  stillReading: boolean
}

export interface UnqueuedOptions {
  readonly id: string
  readonly sender: Sender
  readonly consumers: number
  readonly retry: RetryConfig
  readonly clock: Clock
  readonly counts: DeliveryCounts
  readonly witness: Witness | undefined
  readonly random: () => number
}

export class Unqueued {
  readonly #options: UnqueuedOptions
  readonly #run = randomBytes(16)
  readonly #pool = new BufferPool()
  readonly breaker: Breaker
  #number = 0
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #idle: (() => void) | undefined
  #stopped = false
  inFlight = 0
  retries = 0
  failingSinceMs: number | undefined
  readonly waiting = { batches: 0, records: 0, requests: 0, bytes: 0 }

  constructor(options: UnqueuedOptions) {
    this.#options = options
    this.breaker = new Breaker(options.retry, options.random)
  }

  offer(parcel: Parcel): Promise<void> {
    const refusal = this.refusal(parcel.body.length)
    if (refusal) return Promise.reject(refusal)
    const waiting = this.#place(parcel)
    waiting.buffer.set(parcel.body, waiting.used)
    waiting.used += parcel.body.length
    this.#waitingBytes += parcel.body.length
    const { body, records, tenants, holdings } = parcel
    waiting.parcels.push({ bytes: body.length, records, tenants, ...(holdings && { holdings }) })
    this.#count(1, parcel)
    const from = waiting.records
    waiting.records += parcel.records
    return new Promise((resolve, reject) => {
      waiting.waiters.push({ from, to: waiting.records, resolve, reject })
      this.#pump()
    })
  }

  /** What is known before a parcel is tried. */
  refusal(bytes: number): QueueRefusal | undefined {
    const { sender, clock } = this.#options
    const holdMs = this.breaker.nextMs() - clock.nowMs()
    if (this.#stopped || !sender.started || holdMs > 0) {
      const waitMs = Number.isFinite(holdMs) ? Math.max(holdMs, limits.refusedRetryMs) : limits.refusedRetryMs
      return this.#refusal('unavailable', waitMs)
    }
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > limits.queueMemoryBytesMax) {
      return this.#refusal('full', limits.refusedRetryMs)
    }
    return undefined
  }

  /** Waits for what is on its way, then takes nothing more. */
  async drain(deadlineMs: number): Promise<void> {
    const { clock, sender } = this.#options
    this.#stopped = true
    const timer = clock.after(deadlineMs - clock.nowMs(), () => sender.abort())
    while (this.inFlight > 0 || this.#waiting.length > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#idle = resolve
      await promise
    }
    timer.cancel()
  }

  #place(parcel: Parcel): Waiting {
    const last = this.#waiting.at(-1)
    if (last && last.group === parcel.policyVersion && last.used + parcel.body.length <= limits.batchBytesMax)
      return last
    const waiting: Waiting = {
      buffer: this.#pool.take(parcel.body.length),
      used: 0,
      records: 0,
      at: this.#options.clock.nowMs(),
      group: parcel.policyVersion,
      parcels: [],
      waiters: [],
      stillReading: false,
    }
    this.#waiting.push(waiting)
    return waiting
  }

  #pump(): void {
    while (this.inFlight < this.#options.consumers && this.#waiting.length > 0) {
      const next = this.#waiting.shift()!
      this.#waitingBytes -= next.used
      this.inFlight++
      this.breaker.sending()
      void this.#send(next).finally(() => {
        if (!next.stillReading) this.#pool.give(next.buffer)
        this.inFlight--
        this.#pump()
        if (this.inFlight === 0) this.#idle?.()
      })
    }
  }

  async #send(batch: Waiting): Promise<void> {
    const meta: ChunkMeta = { at: batch.at, group: batch.group, parcels: batch.parcels }
    await this.#sendRange(batch, meta, derivedBatchId(this.#run, this.#number++), 0, batch.records)
    for (const waiter of batch.waiters) waiter.resolve()
    for (const parcel of batch.parcels) this.#count(-1, parcel)
  }

  /** Sends a range and tells those whose records it holds, unless all is well. */
  async #sendRange(batch: Waiting, meta: ChunkMeta, batchId: string, from: number, to: number): Promise<void> {
    const { sender, counts, clock, witness } = this.#options
    const whole = from === 0 && to === batch.records
    const bytes = batch.buffer.subarray(0, batch.used)
    const end = to >= batch.records ? Number.POSITIVE_INFINITY : to
    const body = whole ? bytes : cutRecords(bytes, from, end)
    const id = whole ? batchId : `${batchId}.${from}-${to}`
    const { outcome, stillReading } = await sender.send({ id, body, records: to - from })
    batch.stillReading ||= stillReading
    const now = clock.nowMs()
    if (outcome.is === 'unavailable') {
      this.retries++
      this.failingSinceMs ??= now
      this.breaker.failed(now, outcome.retryAfterMs)
      this.#refuse(batch, from, to, 'unavailable', outcome.retryAfterMs ?? limits.refusedRetryMs)
      return
    }
    this.failingSinceMs = undefined
    this.breaker.succeeded()
    const edges = outcome.is === 'rejected' || outcome.is === 'too_large' ? parcelEdges(meta, from, to) : []
    if (outcome.is === 'too_large' && edges.length === 0 && to - from > 1) edges.push(Math.floor((from + to) / 2))
    if (edges.length > 0) {
      let start = from
      for (const edge of [...edges, to]) {
        await this.#sendRange(batch, meta, batchId, start, edge)
        start = edge
      }
    } else if (outcome.is === 'rejected' || outcome.is === 'too_large') {
      this.#refuse(batch, from, to, 'rejected', 0)
    } else {
      const refused = outcome.is === 'partial' ? Math.min(outcome.records, to - from) : 0
      try {
        const holdings = holdingsOf(meta, from, to) ?? []
        await witness?.({ id, body, records: to - from, refused, policyVersion: batch.group, holdings })
      } catch {
        this.#refuse(batch, from, to, 'failing', limits.diskRetryMs)
        return
      }
      counts.enqueued(tenantsOf(meta, from, to))
      if (outcome.is === 'partial') counts.refused(tenantsOf(meta, from, from + refused), refused, outcome.reason)
      if (refused < to - from) counts.stored(tenantsOf(meta, from + refused, to), to - from - refused)
    }
  }

  #refuse(batch: Waiting, from: number, to: number, reason: RefusalReason, retryAfterMs: number): void {
    for (const waiter of batch.waiters) {
      if (waiter.from < to && waiter.to > from) waiter.reject(this.#refusal(reason, retryAfterMs))
    }
  }

  #refusal(reason: RefusalReason, retryAfterMs: number): QueueRefusal {
    return new QueueRefusal(this.#options.id, reason, retryAfterMs)
  }

  #count(sign: 1 | -1, parcel: { records: number; bytes?: number; body?: Uint8Array }): void {
    this.waiting.batches += sign
    this.waiting.requests += sign
    this.waiting.records += sign * parcel.records
    this.waiting.bytes += sign * (parcel.bytes ?? parcel.body?.length ?? 0)
  }
}
