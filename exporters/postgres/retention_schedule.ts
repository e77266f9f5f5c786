/**
 * Runs retention when a store is opened, and then once each day, soon after midnight (UTC).
 */
import type pg from 'pg'
import type { Host } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'
import { type Access, connect, errorCode } from './access.ts'
import { heldTenants } from './legal_holds.ts'
import { handOverReceipts } from './receipts.ts'
import { runRetention } from './retention.ts'

const checkMs = 10 * 60_000
const dayMs = 86_400_000

export class RetentionSchedule {
  readonly #access: Access
  readonly #schema: string
  readonly #host: Host
  #timer: NodeJS.Timeout | undefined
  #lastDay: number | undefined
  readonly #stop = new AbortController()
  #isRunning = false
  #client: pg.Client | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(access: Access, schema: string, host: Host) {
    this.#access = access
    this.#schema = schema
    this.#host = host
  }

  start(): void {
    this.#timer = setInterval(() => this.#check(), checkMs)
    this.#timer.unref()
    this.#check()
  }

  /**
   * Ends a run that is under way after the partition it is at, or cuts it where that takes long: the next one goes on
   * where it stopped. It is not cut at once, since the server would hold the lock of a run that is gone for a while.
   */
  async stop(): Promise<void> {
    this.#stop.abort()
    clearInterval(this.#timer)
    const cut = setTimeout(() => {
      const client = this.#client as unknown as { connection: pg.Connection } | undefined
      client?.connection.stream.destroy()
    }, limits.retentionStopMsMax)
    await this.#running
    clearTimeout(cut)
  }

  #check(): void {
    const day = Math.floor(this.#host.nowMs() / dayMs)
    if (day === this.#lastDay || this.#isRunning) return
    this.#isRunning = true
    this.#running = this.#run(day)
  }

  async #run(day: number): Promise<void> {
    const { log } = this.#host
    try {
      this.#client = await connect(this.#access)
      if (this.#stop.signal.aborted) return
      const { busy, heldBack, deletions } = await runRetention(this.#client, this.#schema, {
        asOfMs: this.#host.nowMs(),
        retentionOf: (purpose, tenant) => this.#host.retention?.(purpose, tenant),
        countsOf: (purpose) => this.#host.countsRetention?.(purpose),
        policyVersion: this.#host.policyVersion?.() ?? '',
        signal: this.#stop.signal,
      })
      const { keepReceipts } = this.#host
      if (keepReceipts) await handOverReceipts(this.#client, this.#schema, this.#host.id, keepReceipts)
      // Where another process is at it, this one looks again: the other may not come to its end.
      if (busy || this.#stop.signal.aborted) return
      this.#lastDay = day
      // Keys go with the records, unless somebody is on hold here.
      if (!heldBack) this.#host.retentionRan?.(await heldTenants(this.#client, this.#schema, this.#host.nowMs()))
      if (heldBack) log.warn('retention held back: the clock is more than a day ahead of the last run')
      const records = deletions.reduce((sum, deletion) => sum + deletion.records, 0)
      const partitions = deletions.filter(({ whole }) => whole).length
      if (records + partitions > 0) log.info('retention', { records, partitions })
    } catch (error) {
      if (!this.#stop.signal.aborted) log.error('retention failed', { code: errorCode(error) })
    } finally {
      await this.#client?.end().catch(() => {})
      this.#client = undefined
      this.#isRunning = false
    }
  }
}
