/**
 * Makes backups on schedule while the gateway runs, and deletes what is due.
 *
 * What was done is read from the place itself, so a restart repeats nothing and forgets nothing: a backup is due where
 * none was made since the last full hour, or since one in the morning (UTC), which is after the night's retention. A
 * failure is told, shows in health, and is tried again after `backupRepeatMs`.
 */
import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import type { Log } from '../contract.ts'
import { DouaneError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Health } from '../telemetry/health.ts'
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
  readonly health: Health
  readonly metrics: Metrics
}

export class BackupSchedule {
  readonly #parts: ScheduleParts
  readonly #stop = new AbortController()
  #jobs: readonly BackupJob[] = []
  #config: GatewayConfig | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  /** By extension and store: the slot that is done; by extension: when deleting or a failed try is next. */
  readonly #doneMs = new Map<string, number>()
  readonly #pruneMs = new Map<string, number>()
  readonly #retryMs = new Map<string, number>()

  constructor(parts: ScheduleParts) {
    this.#parts = parts
  }

  /** What is under way goes on under the configuration that it began with. */
  apply(config: GatewayConfig): void {
    const { dataDir, worker = 1 } = this.#parts
    if (worker !== 1) return
    const before = this.#jobs
    this.#config = config
    this.#jobs = backupJobs(config, dataDir)
    for (const { id } of before) {
      if (!this.#jobs.some((job) => job.id === id)) this.#parts.health.remove(`extension ${id}`)
    }
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
      if (this.#stop.signal.aborted || this.#parts.nowMs() < (this.#retryMs.get(job.id) ?? 0)) continue
      try {
        await this.#job(job)
        this.#parts.health.set(`extension ${job.id}`, 'ok')
      } catch (error) {
        if (this.#stop.signal.aborted) return
        this.#failed(job, error)
      }
    }
  }

  #failed(job: BackupJob, error: unknown): void {
    const { health, log, metrics, nowMs } = this.#parts
    const reason = error instanceof DouaneError ? error.message : 'unknown error'
    this.#retryMs.set(job.id, nowMs() + limits.backupRepeatMs)
    metrics
      .counter('douane_backups_failed', 'Backups that could not be made or looked after.', ['extension'])
      .with(job.id)
      .add(1)
    health.set(`extension ${job.id}`, 'failing', reason)
    log.error('backup_failed', { extension: job.id, reason })
  }

  async #job(job: BackupJob): Promise<void> {
    const { nowMs } = this.#parts
    const slot = slotMs(job.options.schedule, nowMs())
    const open = job.stores.filter(({ id }) => (this.#doneMs.get(`${job.id} ${id}`) ?? Number.NEGATIVE_INFINITY) < slot)
    const mustPrune = nowMs() >= (this.#pruneMs.get(job.id) ?? 0)
    if (open.length === 0 && !mustPrune) return
    const place = job.open()
    try {
      for (const store of open) await this.#store(job, place, store, slot)
      if (open.length > 0 || mustPrune) await this.#prune(job, place)
    } finally {
      await place.close()
    }
  }

  async #store(job: BackupJob, place: BackupPlace, store: BackedUpStore, slot: number): Promise<void> {
    const { dataDir, log, metrics, nowMs } = this.#parts
    const keysDir = join(dataDir, 'keys')
    const shelf = new Shelf(place, store.id, [backupSigner(keysDir).publicKey])
    const newest = await shelf.newest()
    if (newest === undefined || Date.parse(newest.made) < slot) {
      const { signal } = this.#stop
      const made = await backUp(job, place, store, { config: this.#config!, keysDir, nowMs: nowMs(), signal })
      // Another gateway is making one: the next look sees whether it was whole.
      if (made === undefined) return
      metrics.counter('douane_backups_made', 'Backups of stores that were made.', ['store']).with(store.id).add(1)
      log.info('backup_made', { extension: job.id, store: store.id, backup: made.id, ...sizeOf(made) })
    }
    this.#doneMs.set(`${job.id} ${store.id}`, slot)
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
