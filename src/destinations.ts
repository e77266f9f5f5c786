/**
 * All destinations of the gateway, by the id of their exporter. They outlive a reload where their options did not
 * change: a queue on disk has one owner at a time.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExporterSection } from '../config/gateway_config.ts'
import type { HashKeys, Log, Purposes, Receipt } from './contract.ts'
import { DependencyError } from './errors.ts'
import { type Generation, withPath } from './generation.ts'
import { createHost, type OwnedHost } from './host.ts'
import type { ChunkCipher } from './keys/chunk_cipher.ts'
import { limits } from './limits.ts'
import type { Account } from './pipeline/account.ts'
import { systemClock } from './pipeline/clock.ts'
import { Destination } from './pipeline/destination.ts'
import type { Target } from './pipeline/inbound.ts'
import type { DeliveryCounts, DestinationState, Parcel, Permit, Witness } from './pipeline/parcel.ts'
import type { QueueConfig, RetryConfig } from './pipeline/queue_config.ts'
import { type ExporterMetrics, exporterMetrics, queueMetrics } from './telemetry/collector_metrics.ts'
import type { Metrics } from './telemetry/metrics.ts'

export interface DestinationsOptions {
  readonly folder: (...names: string[]) => string
  readonly dataDir: string
  readonly cipher: ChunkCipher
  readonly account: Account
  readonly metrics: Metrics
  readonly hashKeys: HashKeys
  readonly log: Log
  readonly nowMs: () => number
  readonly keepReceipts: (receipts: readonly Receipt[]) => Promise<void>
  /** Writes down what an exporter's destination took. */
  readonly witness: (section: ExporterSection) => Witness
  /** Judges what waits for an exporter again. */
  readonly permits: (section: ExporterSection) => Permit
}

/** What a generation says about the records that its destinations keep. */
export type Rules = Pick<Generation, 'purposes' | 'retention' | 'policyVersion'>

interface Held {
  readonly section: ExporterSection
  /** Equal text: equal options, nothing to restart. */
  readonly fingerprint: string
  readonly destination: Destination
  readonly host: OwnedHost
  readonly removeGauges: () => void
}

/** What a reload wants of the destinations. Nothing happens before `apply`. */
export interface Change {
  /** The destination to write to, also before it is started: the one that will have this id. */
  targetOf(id: string): Target
  /** Whether `apply` stops a destination that requests in progress may use. */
  readonly stopsAny: boolean
  /** Stops what is gone or changed, starts what is new. */
  apply(): Promise<void>
}

export class Destinations {
  readonly #options: DestinationsOptions
  #held = new Map<string, Held>()
  /** Of the generation in force. */
  #rules: Rules | undefined

  constructor(options: DestinationsOptions) {
    this.#options = options
  }

  /** Prepares the destinations of a configuration. Throws `ConfigError` for what an exporter refuses. */
  plan(sections: readonly ExporterSection[], rules: Rules): Change {
    const next = new Map<string, Held>()
    for (const section of sections) {
      const fingerprint = fingerprintOf(section)
      const known = this.#held.get(section.id)
      next.set(
        section.id,
        known?.fingerprint === fingerprint ? known : this.#make(section, fingerprint, rules.purposes),
      )
    }
    return {
      targetOf: (id) => target(id, next.get(id)!.destination, exporterMetrics(this.#options.metrics, id)),
      stopsAny: [...this.#held.values()].some((held) => next.get(held.section.id) !== held),
      apply: () => this.#apply(next, rules),
    }
  }

  states(): [id: string, state: DestinationState][] {
    return [...this.#held].map(([id, { destination }]) => [id, destination.state()])
  }

  destination(id: string): Destination | undefined {
    return this.#held.get(id)?.destination
  }

  /** Drains all at once within the deadline. Returns how many records are left queued. */
  async stop(deadlineMs: number): Promise<number> {
    const stopped = await Promise.all([...this.#held.values()].map((held) => stopHeld(held, deadlineMs)))
    this.#held.clear()
    return stopped.reduce((sum, left) => sum + left, 0)
  }

  async #apply(next: Map<string, Held>, rules: Rules): Promise<void> {
    const before = this.#rules
    // Before anything starts: what a queue delivers first is kept as long as the new policy says.
    this.#rules = rules
    try {
      await this.#replace(next)
    } catch (error) {
      this.#rules = before
      throw error
    }
  }

  async #replace(next: Map<string, Held>): Promise<void> {
    const gone = [...this.#held.values()].filter((held) => next.get(held.section.id) !== held)
    // A queue that goes on under new options is not drained first: the new destination delivers it. What is on its way
    // gets a moment, so that it need not be sent again.
    await Promise.all(gone.map((held) => stopHeld(held, limits.replacedDestinationMs)))
    const isNew = [...next.values()].filter((held) => this.#held.get(held.section.id) !== held)
    await Promise.all(isNew.map((held) => held.destination.start()))
    if (this.#held.size === 0) await this.#checkReached(isNew)
    this.#held = next
  }

  /**
   * A store that was never reached from this data directory is most likely configured wrong: that is told at the start.
   * One that was is away for a while: the queue waits for it.
   */
  async #checkReached(started: readonly Held[]): Promise<void> {
    for (const { section, destination } of started.filter(({ section }) => section.component.name === 'postgres')) {
      const marker = join(this.#options.folder('queue', folderName(section.id)), 'reached')
      if (existsSync(marker)) continue
      const failure = await destination.firstFailure()
      if (failure === undefined) writeFileSync(marker, '', { mode: 0o600 })
      else {
        await Promise.all(started.map((held) => stopHeld(held, 0)))
        throw new DependencyError(
          `The store ${section.id} cannot be reached: ${failure}`,
          `Start it, or correct exporters.${section.id}.url. Once it has been reached, later outages only fill the queue.`,
        )
      }
    }
  }

  #make(section: ExporterSection, fingerprint: string, purposes: Purposes): Held {
    const { id, component } = section
    const { metrics, log, dataDir, hashKeys, nowMs, cipher, folder, keepReceipts, witness, permits } = this.#options
    const host = createHost({
      kind: 'exporter',
      name: component.name,
      id,
      log,
      metrics,
      purposes,
      hashKeys,
      dataDir,
      resolve: (path) => section.resolve(path),
      nowMs,
      retention: {
        retention: (purpose, tenant) => this.#rules?.retention(purpose, tenant),
        policyVersion: () => this.#rules?.policyVersion ?? '',
        keepReceipts,
      },
    })
    const exporter = withPath(['exporters', id], () => component.create(section.options as never, host))
    const queue = section.queue as QueueConfig
    const destination = new Destination({
      id,
      exporter,
      dir: folder('queue', folderName(id)),
      cipher,
      queue,
      retry: section.retry as RetryConfig,
      timeoutMs: section.timeoutMs as number,
      log: host.log,
      clock: systemClock,
      counts: this.#counts(id),
      ...(component.local !== true && { witness: witness(section), permits: permits(section) }),
    })
    const size = () => {
      const state = destination.state()
      return { bytes: state.queuedBytes, items: state.queuedRecords, requests: state.queuedRequests }[queue.sizer]
    }
    const removeGauges = queueMetrics(metrics, id, size, queue.queue_size)
    return { section, fingerprint, destination, host, removeGauges }
  }

  #counts(id: string): DeliveryCounts {
    const { metrics, account, log } = this.#options
    const shown = exporterMetrics(metrics, id)
    const attempts = metrics.counter('douane_exporter_attempts', 'Attempts to send a batch, by what came of them.', [
      'exporter',
      'outcome',
    ])
    const corrupt = metrics.counter('douane_queue_corrupt_bytes', 'Bytes of the queue that could not be read.', [
      'exporter',
    ])
    const accounts = account.delivery()
    return {
      ...accounts,
      stored: (tenants, records) => {
        accounts.stored(tenants, records)
        shown.sent.add(records)
      },
      refused: (tenants, records, reason) => {
        accounts.refused(tenants, records, reason)
        shown.sendFailed.add(records)
      },
      deadLettered: (tenants, records, reason) => {
        accounts.deadLettered(tenants, records, reason)
        shown.sendFailed.add(records)
        log.warn('dead_lettered', { exporter: id, records, reason })
      },
      corrupted: (records, bytes) => {
        corrupt.with(id).add(bytes)
        log.error('queue_corrupt', { exporter: id, records, bytes })
      },
      attempted: (outcome) => attempts.with(id, outcome).add(1),
    }
  }
}

async function stopHeld(held: Held, deadlineMs: number): Promise<number> {
  const { left } = await held.destination.stop(deadlineMs)
  held.removeGauges()
  held.host.release()
  return left
}

const target = (id: string, destination: Destination, { enqueueFailed }: ExporterMetrics): Target => ({
  id,
  offer: (parcel: Parcel) => {
    const offered = destination.offer(parcel)
    offered.catch(() => enqueueFailed.add(parcel.records))
    return offered
  },
  refusal: (records, bytes) => {
    const refusal = destination.refusal(records, bytes)
    if (refusal) enqueueFailed.add(records)
    return refusal
  },
})

/** Ids may hold `/`; a folder's name may not. `%` keeps different ids apart. */
const folderName = (id: string): string => encodeURIComponent(id)

function fingerprintOf({ component, options, region, queue, retry, timeoutMs }: ExporterSection): string {
  return JSON.stringify([component.name, options, region, queue, retry, timeoutMs])
}
