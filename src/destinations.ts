/**
 * All destinations of the gateway, by the id of their exporter. They outlive a reload where their options did not
 * change: a queue on disk has one owner at a time.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ExporterSection } from '../config/gateway_config.ts'
import type { Exporter, HashKeys, Log, Purposes, Receipt } from './contract.ts'
import { DependencyError } from './errors.ts'
import { makeFolders } from './folders.ts'
import { type Generation, withPath } from './generation.ts'
import { createHost, type OwnedHost } from './host.ts'
import type { HeldTenant } from './key_expiry.ts'
import type { ChunkCipher } from './keys/chunk_cipher.ts'
import { limits } from './limits.ts'
import type { Account } from './pipeline/account.ts'
import { systemClock } from './pipeline/clock.ts'
import { Destination } from './pipeline/destination.ts'
import type { Share, Target } from './pipeline/offers.ts'
import type { DeliveryCounts, DestinationState, Parcel, Permit, Witness } from './pipeline/parcel.ts'
import { nodeDisk } from './pipeline/queue/disk.ts'
import { SharedQueues } from './pipeline/queue/shared.ts'
import type { QueueConfig, RetryConfig } from './pipeline/queue_config.ts'
import { SharedExporter } from './shared_exporter.ts'
import { type ExporterMetrics, exporterMetrics, queueMetrics } from './telemetry/collector_metrics.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { stateTogether } from './together.ts'

export interface DestinationsOptions {
  /** Of this process alone. */
  readonly folder: (...names: string[]) => string
  /** Parts of workers that are no more: what waits in their queues is delivered from here. */
  readonly left: readonly string[]
  readonly dataDir: string
  /** See `Host`. */
  readonly worker: number | undefined
  readonly cipher: ChunkCipher
  readonly account: Account
  readonly metrics: Metrics
  readonly hashKeys: HashKeys
  readonly log: Log
  readonly nowMs: () => number
  readonly keepReceipts: (receipts: readonly Receipt[]) => Promise<void>
  /** A store has run its retention, with these tenants on legal hold. */
  readonly retentionRan: (store: string, holds: readonly HeldTenant[]) => void
  /** Writes down what an exporter's destination took. */
  readonly witness: (section: ExporterSection) => Witness
  /** Judges what waits for an exporter again. */
  readonly permits: (section: ExporterSection) => Permit
}

/** What a generation says about the records that its destinations keep. */
export type Rules = Pick<Generation, 'purposes' | 'retention' | 'counts' | 'policyVersion'>

interface Held {
  readonly section: ExporterSection
  /** Equal text: equal options, nothing to restart. */
  readonly fingerprint: string
  readonly destination: Destination
  /** The queues that other workers left for it; nothing is added to them. */
  left: readonly { readonly dir: string; readonly destination: Destination }[]
  readonly host: OwnedHost
  readonly removeGauges: () => void
}

/** What a reload wants of the destinations. Nothing happens before `apply`. */
export interface Change {
  /** The destination to write to, also before it is started: the one that will have this id. */
  targetOf(id: string): Target
  /** Offers the same bytes to several of them. */
  readonly share: Share
  /** Whether `apply` stops a destination that requests in progress may use. */
  readonly stopsAny: boolean
  /** Stops what is gone or changed, starts what is new. */
  apply(): Promise<void>
}

export class Destinations {
  readonly #options: DestinationsOptions
  readonly #shared: SharedQueues
  #held = new Map<string, Held>()
  /** Of the generation in force. */
  #rules: Rules | undefined
  #isStopping = false

  constructor(options: DestinationsOptions) {
    this.#options = options
    const { cipher, log, nowMs } = options
    this.#shared = new SharedQueues({ disk: nodeDisk, cipher, log, nowMs })
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
    const metrics = (id: string) => exporterMetrics(this.#options.metrics, id)
    return {
      share: (ids, parcel, tenants) => {
        const to = ids.map((id) => next.get(id)!.destination)
        const offered = Destination.offerToAll(this.#shared, to, parcel, tenants)
        for (const [i, one] of offered.entries()) one.catch(() => metrics(ids[i]!).enqueueFailed.add(parcel.records))
        return offered
      },
      targetOf: (id) => target(id, next.get(id)!.destination, metrics(id)),
      stopsAny: [...this.#held.values()].some((held) => next.get(held.section.id) !== held),
      apply: () => this.#apply(next, rules),
    }
  }

  states(): [id: string, state: DestinationState][] {
    return [...this.#held].map(([id, held]) => [id, stateTogether(partsOf(held).map((part) => part.state()))])
  }

  /** A destination's own queue and those that others left for it. */
  parts(id: string): readonly Destination[] {
    const held = this.#held.get(id)
    return held ? partsOf(held) : []
  }

  /** Lets go of the queues of others in which nothing is left. */
  async tidy(): Promise<void> {
    for (const held of this.#held.values()) {
      for (const one of held.left) {
        await one.destination.deadLetters.open()
        if (this.#isStopping) return
        const { queuedBatches, inFlight, deadLetters } = one.destination.state()
        if (queuedBatches + inFlight + deadLetters.batches > 0 || !held.left.includes(one)) continue
        held.left = held.left.filter((other) => other !== one)
        await one.destination.stop(0)
        await removeEmptied(one.dir)
      }
    }
  }

  /** Drains all at once within the deadline. Returns how many records are left queued. */
  async stop(deadlineMs: number): Promise<number> {
    this.#isStopping = true
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
    await Promise.all(isNew.map(startHeld))
    if (this.#held.size === 0) await this.#checkReached(isNew)
    this.#held = next
  }

  /**
   * A store that was never reached from this data directory is most likely configured wrong: that is told at the start.
   * One that was is away for a while: the queue waits for it.
   */
  async #checkReached(started: readonly Held[]): Promise<void> {
    for (const { section, destination } of started.filter(({ section }) => section.component.name === 'postgres')) {
      const marker = join(this.#options.dataDir, 'queue', folderName(section.id), 'reached')
      if (existsSync(marker)) continue
      const failure = await destination.firstFailure()
      if (failure === undefined) writeMarker(marker)
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
    const { metrics, log, dataDir, hashKeys, nowMs, worker, keepReceipts } = this.#options
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
      worker,
      retention: {
        retention: (purpose, tenant) => this.#rules?.retention(purpose, tenant),
        countsRetention: (purpose) => this.#rules?.counts(purpose),
        policyVersion: () => this.#rules?.policyVersion ?? '',
        keepReceipts,
        retentionRan: (holds) => this.#options.retentionRan(id, holds),
      },
    })
    const exporter = withPath(['exporters', id], () => component.create(section.options as never, host))
    const parts = this.#parts(section, exporter, host.log)
    const queue = section.queue as QueueConfig
    const held = { section, fingerprint, ...parts, host, removeGauges: () => {} }
    const size = () => {
      const state = stateTogether(partsOf(held).map((part) => part.state()))
      return { bytes: state.queuedBytes, items: state.queuedRecords, requests: state.queuedRequests }[queue.sizer]
    }
    held.removeGauges = queueMetrics(metrics, id, size, queue.queue_size)
    return held
  }

  #parts(section: ExporterSection, exporter: Exporter, log: Log): Pick<Held, 'destination' | 'left'> {
    const { cipher, folder, left, witness, permits } = this.#options
    const { id, component } = section
    const queue = section.queue as QueueConfig
    const shared = new SharedExporter(exporter)
    const make = (dir: string, consumers: number): Destination =>
      new Destination({
        id,
        exporter: shared.share(),
        dir,
        cipher,
        queue: { ...queue, num_consumers: consumers },
        retry: section.retry as RetryConfig,
        timeoutMs: section.timeoutMs as number,
        log,
        clock: systemClock,
        counts: this.#counts(id),
        ...(component.local !== true && { witness: witness(section), permits: permits(section) }),
      })
    const dirs = queue.enabled ? left.map((part) => join(part, 'queue', folderName(id))) : []
    return {
      destination: make(folder('queue', folderName(id)), queue.num_consumers),
      left: dirs.filter(existsSync).map((dir) => ({ dir, destination: make(dir, 1) })),
    }
  }

  #counts(id: string): DeliveryCounts {
    const { metrics, account, log } = this.#options
    const shown = exporterMetrics(metrics, id)
    const attempts = metrics.counter('douane_exporter_attempts', 'Attempts to send a batch, by what came of them.', [
      'exporter',
      'outcome',
    ])
    const refused = metrics.counter('douane_exporter_refused_records', 'Records refused for good, by why.', [
      'exporter',
      'reason',
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
        refused.with(id, reasonOf(reason)).add(records)
        log.warn('records_refused', { exporter: id, records, reason })
      },
      deadLettered: (tenants, records, reason) => {
        accounts.deadLettered(tenants, records, reason)
        shown.sendFailed.add(records)
        refused.with(id, reasonOf(reason)).add(records)
        log.warn('dead_lettered', { exporter: id, records, reason })
      },
      corrupted: (records, bytes, tenants) => {
        accounts.corrupted(records, bytes, tenants)
        corrupt.with(id).add(bytes)
        log.error('queue_corrupt', { exporter: id, records, bytes })
      },
      attempted: (outcome) => attempts.with(id, outcome).add(1),
    }
  }
}

/** As a label: without how many it was. */
const reasonOf = (reason: string): string => reason.replaceAll(/\b\d+ records/g, 'records')

const partsOf = ({ destination, left }: Pick<Held, 'destination' | 'left'>): Destination[] => [
  destination,
  ...left.map((one) => one.destination),
]

async function startHeld(held: Held): Promise<void> {
  await Promise.all(partsOf(held).map((part) => part.start()))
}

async function stopHeld(held: Held, deadlineMs: number): Promise<number> {
  const stopped = await Promise.all(partsOf(held).map((part) => part.stop(deadlineMs)))
  held.removeGauges()
  held.host.release()
  return stopped.reduce((sum, { left }) => sum + left, 0)
}

/** Removes a queue's folder, unless it holds something for somebody to look at. */
async function removeEmptied(dir: string): Promise<void> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  if (entries.some((entry) => entry.isFile() && /^(?:dead|aside)$/.test(basename(entry.parentPath)))) return
  await rm(dir, { recursive: true, force: true })
}

/** Of all workers together: whichever reaches the store first. */
function writeMarker(marker: string): void {
  makeFolders(dirname(marker))
  writeFileSync(marker, '', { mode: 0o600 })
}

const target = (id: string, destination: Destination, { enqueueFailed }: ExporterMetrics): Target => ({
  id,
  offer: (parcel: Parcel) => {
    const offered = destination.offer(parcel)
    offered.catch(() => enqueueFailed.add(parcel.records))
    return offered
  },
  refusal: (records, bytes, owner) => {
    const refusal = destination.refusal(records, bytes, owner)
    if (refusal) enqueueFailed.add(records)
    return refusal
  },
})

/** Ids may hold `/`; a folder's name may not. `%` keeps different ids apart. */
const folderName = (id: string): string => encodeURIComponent(id)

function fingerprintOf({ component, options, region, queue, retry, timeoutMs }: ExporterSection): string {
  return JSON.stringify([component.name, options, region, queue, retry, timeoutMs])
}
