/**
 * Makes backups on schedule while the gateway runs, and deletes what is due.
 *
 * What was done is read from the place itself, so a restart repeats nothing and forgets nothing: a backup is due where
 * this gateway made none since the last full hour, or since one in the morning (UTC), which is after the night's
 * retention. What fails is told and tried again after `backupRepeatMs`; health stays as it is, since a gateway without
 * backups can still take records.
 */
import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import type { Log } from '../contract.ts'
import { DouaneError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type BackedUpStore, type BackupJob, backUp, backupJobs, promisesIn, shelvesIn } from './jobs.ts'
import { sizeOf } from './manifest.ts'
import type { BackupPlace } from './place.ts'
import { pruneBackups } from './prune.ts'
import { backupSigner } from './recipients.ts'
import { Shelf } from './shelf.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** When the last backup should have been made; -Infinity: never. */
export function slotMs(schedule: BackupJob['options']['schedule'], nowMs: number): number {
  if (schedule === 'hourly') return Math.floor(nowMs / hourMs) * hourMs
  if (schedule === 'nightly') return Math.floor((nowMs - hourMs) / dayMs) * dayMs + hourMs
  return Number.NEGATIVE_INFINITY
}

export interface ScheduleParts {
  readonly dataDir: string
  /** Of several workers of a gateway the first looks after backups; undefined: there is one. */
  readonly worker: number | undefined
  readonly nowMs: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export class BackupSchedule {
  readonly #parts: ScheduleParts
  readonly #stop = new AbortController()
  #jobs: readonly BackupJob[] = []
  #config: GatewayConfig | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  /** By extension and store: the slot that is done, and when the newest backup was made. */
  readonly #doneMs = new Map<string, number>()
  readonly #newestMs = new Map<string, number>()
  /** By what failed: when the next try is. By extension: when deleting is next. */
  readonly #retryMs = new Map<string, number>()
  readonly #pruneMs = new Map<string, number>()

  constructor(parts: ScheduleParts) {
    this.#parts = parts
  }

  /** What is under way goes on under the configuration that it began with. */
  apply(config: GatewayConfig): void {
    const { dataDir, worker = 1 } = this.#parts
    if (worker !== 1) return
    this.#config = config
    this.#jobs = backupJobs(config, dataDir)
    this.#retryMs.clear()
    clearInterval(this.#timer)
    if (this.#jobs.length === 0) return
    this.#timer = setInterval(() => this.#look(), limits.backupCheckMs)
    this.#timer.unref()
    this.#look()
  }

  /** A backup that is under way stays unfinished: nobody takes it for one. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#stop.abort()
    await this.#running
  }

  #look(): void {
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined
    })
  }

  async #work(): Promise<void> {
    for (const job of this.#jobs) {
      const nowMs = this.#parts.nowMs()
      const slot = slotMs(job.options.schedule, nowMs)
      const open = job.stores.filter(({ id }) => (this.#doneMs.get(nameOf(job, id)) ?? Number.NEGATIVE_INFINITY) < slot)
      const mustPrune = nowMs >= (this.#pruneMs.get(job.id) ?? 0)
      if (open.length === 0 && !mustPrune) continue
      const place = job.open()
      // A store that is away keeps no other one from being backed up, nor what is due from being deleted.
      for (const store of open) await this.#tried(job, store.id, () => this.#store(job, place, store, slot))
      await this.#tried(job, '', () => this.#prune(job, place))
      await place.close()
    }
  }

  async #tried(job: BackupJob, store: string, work: () => Promise<void>): Promise<void> {
    const { log, metrics, nowMs } = this.#parts
    const name = nameOf(job, store)
    if (this.#stop.signal.aborted || nowMs() < (this.#retryMs.get(name) ?? 0)) return
    try {
      await work()
    } catch (error) {
      if (this.#stop.signal.aborted) return
      const reason = error instanceof DouaneError ? error.message : 'unknown error'
      this.#retryMs.set(name, nowMs() + limits.backupRepeatMs)
      metrics
        .counter('douane_backups_failed', 'Backups that could not be made or looked after.', ['extension'])
        .with(job.id)
        .add(1)
      log.error('backup_failed', { extension: job.id, ...(store !== '' && { store }), reason })
    }
  }

  async #store(job: BackupJob, place: BackupPlace, store: BackedUpStore, slot: number): Promise<void> {
    const { dataDir, log, metrics, nowMs } = this.#parts
    const keysDir = join(dataDir, 'keys')
    const shelf = new Shelf(place, store.id, [backupSigner(keysDir).publicKey])
    const newest = await shelf.newest()
    let madeMs = newest ? Date.parse(newest.made) : Number.NEGATIVE_INFINITY
    // One of the future was made by a clock that was wrong.
    if (madeMs < slot || madeMs > nowMs() + hourMs) {
      const { signal } = this.#stop
      const made = await backUp(job, place, store, { config: this.#config!, keysDir, nowMs: nowMs(), signal })
      // Another gateway is at it: the next look makes this one's.
      if (made === undefined) return
      madeMs = Date.parse(made.made)
      metrics.counter('douane_backups_made', 'Backups of stores that were made.', ['store']).with(store.id).add(1)
      log.info('backup_made', { extension: job.id, store: store.id, backup: made.id, ...sizeOf(made) })
    }
    this.#doneMs.set(nameOf(job, store.id), slot)
    this.#tellNewest(job, store, madeMs)
  }

  #tellNewest(job: BackupJob, store: BackedUpStore, madeMs: number): void {
    const name = nameOf(job, store.id)
    const isNew = !this.#newestMs.has(name)
    this.#newestMs.set(name, madeMs)
    if (!isNew) return
    const labels = { extension: job.id, store: store.id }
    const help = 'When the newest whole backup was made, Unix time in seconds.'
    this.#parts.metrics.gauge('douane_backup_newest_seconds', help, labels, () => this.#newestMs.get(name)! / 1000)
  }

  async #prune(job: BackupJob, place: BackupPlace): Promise<void> {
    const { dataDir, log, nowMs } = this.#parts
    const { purposeRetention } = promisesIn(this.#config!)
    for (const shelf of await shelvesIn(place, [backupSigner(join(dataDir, 'keys')).publicKey])) {
      const report = await pruneBackups(shelf, { nowMs: nowMs(), purposeRetention })
      const { heldBack, ...deleted } = report
      if (heldBack)
        log.warn('backups_held_back', { extension: job.id, fix: 'Check the clock: backup prune --confirm.' })
      if (deleted.backups + deleted.parts + deleted.unfinished + deleted.unread > 0) {
        log.info('backups_pruned', { extension: job.id, store: shelf.store, ...deleted })
      }
    }
    this.#pruneMs.set(job.id, nowMs() + limits.backupPruneMs)
  }
}

const nameOf = (job: BackupJob, store: string): string => `${job.id} ${store}`
