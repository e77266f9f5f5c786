/**
 * One destination: an exporter with its queue, its delivery, its dead letters. Nothing is shared with other
 * destinations but the key, the buffers and the disk, so a slow or dead one never delays another.
 */
import { join } from 'node:path'
import type { Exporter, Log } from '../contract.ts'
import type { ChunkCipher } from '../keys/chunk_cipher.ts'
import { limits } from '../limits.ts'
import type { Clock } from './clock.ts'
import { DeadLetters } from './dead_letters.ts'
import { Delivery } from './delivery.ts'
import {
  type DeliveryCounts,
  type DestinationState,
  type Parcel,
  type Permit,
  QueueRefusal,
  type TenantCounts,
  type Witness,
} from './parcel.ts'
import { type Disk, diskErrorCode, nodeDisk } from './queue/disk.ts'
import type { ParcelMeta } from './queue/frame.ts'
import { Lanes } from './queue/lanes.ts'
import type { SharedQueues } from './queue/shared.ts'
import type { QueueConfig, RetryConfig } from './queue_config.ts'
import { Rate } from './rate.ts'
import { Sender } from './sender.ts'
import { Unqueued } from './unqueued.ts'

export interface DestinationOptions {
  /** The exporter's id in config. */
  readonly id: string
  readonly exporter: Exporter
  /** The folder of this destination alone; made when missing. */
  readonly dir: string
  readonly cipher: ChunkCipher
  readonly queue: QueueConfig
  readonly retry: RetryConfig
  /** Of one attempt. */
  readonly timeoutMs: number
  readonly log: Log
  readonly clock: Clock
  readonly counts: DeliveryCounts
  readonly witness?: Witness | undefined
  readonly permits?: Permit | undefined
  readonly disk?: Disk
  /** [0, 1), for jitter. */
  readonly random?: () => number
}

export class Destination {
  readonly id: string
  readonly #options: DestinationOptions
  readonly #queue: Lanes | undefined
  #firstTry: Promise<void> | undefined
  readonly #sender: Sender
  #delivery: Delivery | Unqueued | undefined
  readonly deadLetters: DeadLetters
  readonly #queuedRate: Rate
  readonly #storedRate: Rate
  #stopping = false

  constructor(given: DestinationOptions) {
    this.#queuedRate = new Rate(() => given.clock.nowMs())
    this.#storedRate = new Rate(() => given.clock.nowMs())
    const stored: DeliveryCounts['stored'] = (tenants, n) => {
      this.#storedRate.add(n)
      given.counts.stored(tenants, n)
    }
    const options = { ...given, counts: { ...given.counts, stored } }
    const {
      id,
      dir,
      cipher,
      clock,
      log,
      counts,
      exporter,
      timeoutMs,
      retry,
      disk = nodeDisk,
      random = Math.random,
    } = options
    this.id = id
    this.#options = options
    const onStarted = () => this.#wake()
    this.#sender = new Sender({ id, exporter, timeoutMs, retry, clock, log, counts, random, onStarted })
    this.deadLetters = new DeadLetters({ dir: join(dir, 'dead'), disk, cipher, log })
    if (options.queue.enabled) {
      const onReady = () => this.#wake()
      const onCorrupt = counts.corrupted
      const lingerMs = () => (this.#stopping ? 0 : options.queue.batch.flush_timeout)
      this.#queue = new Lanes({ name: id, dir, disk, cipher, clock, log, onReady, onCorrupt, lingerMs })
    }
  }

  /**
   * Takes over the queue of an earlier run and starts to deliver. The exporter starts in the background: a store that
   * cannot be reached is no reason not to queue. Rejects with `KeyError` or `DependencyError`: the queue cannot be used.
   */
  async start(): Promise<void> {
    const { id, queue, retry, clock, log, counts, witness, permits, random = Math.random } = this.#options
    const shared = { id, sender: this.#sender, consumers: queue.num_consumers, retry, clock, counts, witness, random }
    if (this.#queue) {
      const { tenants } = await this.#queue.open()
      if (tenants.length > 0) counts.recovered(tenants)
      this.#delivery = new Delivery({ ...shared, log, permits, queue: this.#queue, deadLetters: this.deadLetters })
    } else {
      this.#delivery = new Unqueued(shared)
    }
    void this.deadLetters.open().catch((error) => log.error('dead_letters.failing', { code: diskErrorCode(error) }))
    this.#firstTry = this.#sender.start()
  }

  /** Why the exporter could not start at the first try; undefined: it could. It is tried again either way. */
  async firstFailure(): Promise<string | undefined> {
    await this.#firstTry
    return this.#sender.started ? undefined : this.#sender.lastFailure
  }

  /**
   * Resolves when the parcel is durable in the queue or, without one, when the destination took it. Rejects with
   * `QueueRefusal`. The body is not read any more once the call has returned its promise.
   */
  async offer(parcel: Parcel): Promise<void> {
    if (this.#delivery instanceof Unqueued) return this.#delivery.offer(parcel)
    const { body, records, tenants, owner = '', holdings, policyVersion } = parcel
    const refusal = this.#refuses(parcel)
    if (refusal) throw refusal
    const queue = this.#queue!
    const meta = { bytes: body.length, records, tenants, ...(holdings && { holdings }) }
    const entry = { body, parcels: [meta], group: policyVersion, owner: queue.ownerOf(owner) }
    await this.#arrival(queue.append(entry), tenants, records)
  }

  /**
   * Offers the same bytes to several destinations, which store them once where they can. `tenants`: the counts of each.
   * Gives what `offer` gives for each of them.
   */
  static offerToAll(
    shared: SharedQueues,
    to: readonly Destination[],
    parcel: Parcel,
    tenants: readonly TenantCounts[],
  ): Promise<void>[] {
    const { body, records, owner = '', holdings, policyVersion } = parcel
    const queued = to.filter((one) => !(one.#delivery instanceof Unqueued))
    // All of them or none: the sender can only send the whole again.
    const refusals = queued.flatMap((one) => one.#refuses(parcel) ?? [])
    if (refusals.length > 0) {
      const longest = refusals.reduce((a, b) => (b.retryAfterMs > a.retryAfterMs ? b : a))
      return to.map((one, i) =>
        queued.includes(one) ? Promise.reject(longest) : one.offer({ ...parcel, tenants: tenants[i]! }),
      )
    }
    const appended = queued.length > 1 ? appendToAll(shared, queued) : undefined
    return to.map((one, i) =>
      appended !== undefined && queued.includes(one)
        ? one.#arrival(appended, tenants[i]!, records)
        : one.offer({ ...parcel, tenants: tenants[i]! }),
    )

    function appendToAll(queues: SharedQueues, members: readonly Destination[]): Promise<void> | undefined {
      const [first, ...others] = members.map((one) => [one.id, tenants[to.indexOf(one)]!] as const)
      const meta: ParcelMeta = {
        bytes: body.length,
        records,
        tenants: first![1],
        tenantsFor: Object.fromEntries(others),
        ...(holdings && { holdings }),
      }
      const places = members.map((one) => ({ lanes: one.#queue!, dir: one.#options.dir }))
      const name = places.every(({ lanes }) => lanes.ownerOf(owner) === owner) ? owner : ''
      return queues.append(places, { body, parcels: [meta], group: policyVersion, owner: name })
    }
  }

  async #arrival(appended: Promise<void>, tenants: TenantCounts, records: number): Promise<void> {
    try {
      await appended
    } catch {
      // The queue has told the log why. A defect ends here as well: not durable, so not acknowledged.
      throw new QueueRefusal(this.id, 'failing', limits.diskRetryMs)
    }
    this.#queuedRate.add(records)
    this.#options.counts.enqueued(tenants)
  }

  /** What was admitted goes in, at its real size, unless the queue is closed: else some would take it and others not. */
  #refuses({ records, body, owner, isAdmitted }: Parcel): QueueRefusal | undefined {
    const isOpen = this.#delivery !== undefined && !this.#stopping
    return isAdmitted && isOpen ? undefined : this.refusal(records, body.length, owner)
  }

  /**
   * Whether a parcel of about this size would be refused now, as far as is known before it is tried: so that a
   * request is not offered to some of its destinations when others cannot take it.
   */
  refusal(records: number, bytes: number, owner = ''): QueueRefusal | undefined {
    if (this.#delivery instanceof Unqueued) return this.#delivery.refusal(bytes)
    // Not started yet, after a reload: the one before it is still writing its last.
    if (!this.#queue || !this.#delivery || this.#stopping) {
      return new QueueRefusal(this.id, 'unavailable', limits.refusedRetryMs)
    }
    return this.#noRoom(this.#queue, records, bytes, owner)
  }

  /** Sends dead letters again (all, without `ids`); gives how many batches were queued. Needs a queue. */
  async retryDeadLetters(ids?: readonly string[]): Promise<number> {
    const queue = this.#queue
    if (!queue) return 0
    return this.deadLetters.retry(async (letter, parcels, body) => {
      await queue.append({ body, parcels, group: letter.policyVersion, owner: '', id: letter.id })
      this.#options.counts.revived(letter.tenants)
    }, ids)
  }

  /**
   * Delivers what is queued while the destination answers, for at most `budgetMs`; the rest stays on disk.
   * Gives how many records that are.
   */
  async stop(budgetMs: number): Promise<{ left: number }> {
    this.#stopping = true
    await this.#delivery?.drain(this.#options.clock.nowMs() + budgetMs)
    await this.#queue?.close()
    await this.#sender.close().catch(() => this.#options.log.warn('exporter.not_closed', { exporter: this.id }))
    return { left: this.#queue?.waiting.records ?? 0 }
  }

  state(): DestinationState {
    const { queue, clock } = this.#options
    const delivery = this.#delivery
    const waiting = this.#queue?.waiting ?? (delivery instanceof Unqueued ? delivery.waiting : undefined)
    const oldestMs = this.#queue?.oldestMs
    return {
      queuedBatches: waiting?.batches ?? 0,
      queuedRecords: waiting?.records ?? 0,
      queuedRequests: waiting?.requests ?? 0,
      queuedBytes: waiting?.bytes ?? 0,
      capacity: queue.queue_size,
      sizer: queue.sizer,
      oldestAgeMs: oldestMs === undefined ? 0 : Math.max(0, clock.nowMs() - oldestMs),
      queuedPerSecond: this.#queuedRate.perSecond,
      storedPerSecond: this.#storedRate.perSecond,
      inFlight: delivery?.inFlight ?? 0,
      retrying: delivery instanceof Delivery ? delivery.retrying : 0,
      retries: delivery?.retries ?? 0,
      breaker: delivery?.breaker.state ?? 'closed',
      stuckSinceMs: delivery?.failingSinceMs ?? this.#sender.notStartedSinceMs,
      exporterStarted: this.#sender.started,
      diskFailing: this.#queue?.diskFailing?.code,
      lastFailure: this.#sender.lastFailure,
      deadLetters: { ...this.deadLetters.usage },
      corruptBytes: this.#queue?.corruptBytes ?? 0,
    }
  }

  #wake(): void {
    if (this.#delivery instanceof Delivery) this.#delivery.wake()
  }

  #noRoom(queue: Lanes, records: number, bytes: number, owner: string): QueueRefusal | undefined {
    const { clock, queue: config } = this.#options
    const failing = queue.diskFailing
    if (failing && clock.nowMs() < failing.retryAtMs) {
      return new QueueRefusal(this.id, 'failing', Math.max(failing.retryAtMs - clock.nowMs(), limits.refusedRetryMs))
    }
    const waiting = queue.waiting
    const [used, more] = {
      bytes: [waiting.bytes, bytes],
      items: [waiting.records, records],
      requests: [waiting.requests, 1],
    }[config.sizer]
    // An empty queue takes any parcel: else one that is larger than the queue would be sent for ever.
    if (used! === 0) return undefined
    if (used! + more! > config.queue_size) return new QueueRefusal(this.id, 'full', this.#retryMs())
    const { tenant_share: share } = config
    const owned = queue.bytesOf(owner)
    if (owner === '' || owned === 0 || share >= 1) return undefined
    // The more is taken, the less each may take: some room is left for whoever comes next.
    const mayHave = (share / (1 - share)) * (config.queue_size - used!)
    const has = used! * Math.min(1, owned / Math.max(1, waiting.bytes))
    return has + more! > mayHave ? new QueueRefusal(this.id, 'share', this.#retryMs()) : undefined
  }

  #retryMs(): number {
    const nextMs = (this.#delivery?.breaker.nextMs() ?? 0) - this.#options.clock.nowMs()
    return Number.isFinite(nextMs) ? Math.max(nextMs, limits.refusedRetryMs) : limits.refusedRetryMs
  }
}
