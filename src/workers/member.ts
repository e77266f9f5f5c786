/**
 * One worker as the process above it sees it: started, heard of, started again when it ends, given up on when it stops.
 *
 * What a worker last said stays when it ends: its records wait on disk, so they are in flight until the next one finds
 * them, and what it counted is not forgotten.
 */
import cluster, { type Worker as Process } from 'node:cluster'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../contract.ts'
import { limits } from '../limits.ts'
import { Account, type TenantAccount } from '../pipeline/account.ts'
import { type GatewayStatus, gatewayStatus } from '../status.ts'
import type { PartHealth } from '../telemetry/health.ts'
import { countersOf, type MetricsDump, oneDump } from '../telemetry/metrics.ts'
import { tellDefect } from './defect.ts'
import { type Answers, Line, LineCut } from './line.ts'
import type { Report, StartOrder, WorkerEndpoints } from './messages.ts'

export interface MemberOptions {
  readonly number: number
  readonly log: Log
  /** What to tell a worker that starts. */
  readonly order: (settled: StartOrder['settled']) => StartOrder
  /** What a worker asks and tells, besides `report`. */
  readonly answers: Answers
  /** Told when a worker that was started again has started. */
  readonly onStarted: () => void
  readonly onEnded: () => void
}

/**
 * Node hands connections over one at a time and closes its own end when the worker has each. Of a worker that ends in
 * between the connection would stay open, heard by nobody, until its client gives up: it is cut, so that the client
 * sends again at once.
 */
function cutWhatIsHandedOver({ process: child }: Process): void {
  const handing = new Map<string, { close(): void }>()
  const send = child.send.bind(child) as (...given: unknown[]) => boolean
  child.send = (message: unknown, handle?: unknown, ...more: unknown[]): boolean => {
    const { act, key } = message as { act?: string; key?: string }
    if (act === 'newconn' && key !== undefined) handing.set(key, handle as { close(): void })
    return send(message, handle, ...more)
  }
  child.once('exit', () => {
    // One that was handed over has been closed here: closing it again does nothing.
    for (const handle of handing.values()) handle.close()
  })
}

export class Member {
  readonly #options: MemberOptions
  #process: Process | undefined
  #line: Line | undefined
  #state: 'new' | 'starting' | 'running' | 'waiting' | 'stopped' = 'new'
  #startedMs = 0
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #account = new Account()
  /** The first report of a worker replaces what is known of the one before it. */
  #isFresh = true
  #latest: Pick<Report, 'status' | 'health'> | undefined
  #metrics: MetricsDump = []
  /** Counters of the workers before this one. */
  #former: MetricsDump = []
  #missed = 0
  /** Since when there is no worker that runs, by the monotonic clock; undefined: there is one. */
  #downSinceMs: number | undefined
  endpoints: WorkerEndpoints = {}
  restarts = 0

  constructor(options: MemberOptions) {
    this.#options = options
  }

  get number(): number {
    return this.#options.number
  }
  /** Undefined while there is none. */
  get pid(): number | undefined {
    return this.#process?.process.pid
  }
  get isRunning(): boolean {
    return this.#state === 'running'
  }
  get downMs(): number {
    return this.#downSinceMs === undefined ? 0 : performance.now() - this.#downSinceMs
  }

  /** Rejects with why the worker could not start; it has ended then. */
  async start(): Promise<void> {
    this.#state = 'starting'
    this.#downSinceMs ??= performance.now()
    const process_ = cluster.fork()
    cutWhatIsHandedOver(process_)
    this.#process = process_
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const line = new Line(
      (message) => void process_.process.send(message as never, undefined, {}, () => {}),
      { ...this.#options.answers, report: (report: Report) => this.#take(report) },
      (what, error) => tellDefect(this.#options.log, what, error),
    )
    this.#line = line
    process_.on('message', (message) => line.take(message))
    process_.on('error', () => {})
    process_.once('exit', (code, signal) => {
      line.cut()
      this.#process = undefined
      end()
      this.#ended(signal ?? String(code))
    })
    const settled = [...this.#account.tenants()]
    try {
      this.#isFresh = true
      this.endpoints = await line.ask<WorkerEndpoints>('start', this.#options.order(settled))
    } catch (error) {
      process_.process.kill('SIGKILL')
      await ended
      throw error
    }
    this.#startedMs = performance.now()
    this.#downSinceMs = undefined
    this.#missed = 0
    this.#state = 'running'
  }

  /** Rejects with `LineCut` when the worker ends meanwhile, or there is none. */
  ask<Value>(what: string, given?: unknown): Promise<Value> {
    return this.isRunning ? this.#line!.ask(what, given) : Promise.reject(new LineCut())
  }

  tell(what: string, given: unknown): void {
    if (this.isRunning) this.#line!.tell(what, given)
  }

  /** Brings what is known up to now; of a worker that does not run, or hangs, it stays as it was. */
  async refresh(withMetrics: boolean): Promise<void> {
    const asked = this.ask<Report>('report', { withMetrics }).then(
      (report) => this.#take(report),
      (error: unknown) => {
        if (!(error instanceof LineCut)) throw error
      },
    )
    const waited = new AbortController()
    const tooLong = sleep(limits.workerAnswerMs, undefined, { ref: false, signal: waited.signal }).catch(
      () => undefined,
    )
    await Promise.race([asked, tooLong]).finally(() => waited.abort())
  }

  /** To be called as often as workers report. One that says nothing for long is stuck: it is killed, and starts again. */
  countReport(): void {
    if (!this.isRunning || ++this.#missed < limits.workerReportsMissedMax) return
    this.#missed = 0
    this.#options.log.error('worker_stuck', { worker: this.number })
    this.#process?.process.kill('SIGKILL')
  }

  status(): GatewayStatus {
    const { policy_version = '', destinations = {} } = this.#latest?.status ?? {}
    return gatewayStatus(this.#account, Object.entries(destinations), policy_version)
  }
  get health(): Readonly<Record<string, PartHealth>> {
    return this.isRunning ? (this.#latest?.health ?? {}) : {}
  }
  get metrics(): readonly MetricsDump[] {
    return [this.#metrics, this.#former]
  }

  /** Ends the worker, drained within the deadline. Gives how many records it leaves. */
  async stop(deadlineMs: number): Promise<number> {
    clearTimeout(this.#timer)
    const isRunning = this.isRunning
    const line = this.#line
    const process_ = this.#process
    this.#state = 'stopped'
    const known = Object.values(this.#latest?.status.destinations ?? {})
    const waiting = known.reduce((sum, { queuedRecords }) => sum + queuedRecords, 0)
    if (process_ === undefined) return waiting
    const ended = new Promise<void>((resolve) => process_.once('exit', () => resolve()))
    // However much time it takes itself: what is left is on disk, and a stop has its bound.
    const timer = setTimeout(() => process_.process.kill('SIGKILL'), deadlineMs + limits.workerStopGraceMs)
    let left = waiting
    try {
      if (isRunning) left = (await line!.ask<{ left: number }>('stop', { deadlineMs })).left
      else process_.process.kill('SIGKILL')
    } catch (error) {
      this.#options.log.error('worker_not_stopped', {
        worker: this.number,
        error: error instanceof Error ? error.name : 'unknown',
      })
    }
    await ended
    clearTimeout(timer)
    return left
  }

  #take({ status, tenants, health, metrics }: Report): void {
    if (this.#isFresh) this.#account = new Account()
    this.#isFresh = false
    this.#missed = 0
    for (const [tenant, account] of tenants) Object.assign(this.#account.of(tenant), account satisfies TenantAccount)
    this.#latest = { status, health }
    if (metrics) this.#metrics = metrics
  }

  #ended(how: string): void {
    const wasRunning = this.#state === 'running'
    if (this.#state === 'stopped') return
    this.#keepCounters().catch((error: unknown) => tellDefect(this.#options.log, 'metrics', error))
    this.#downSinceMs ??= performance.now()
    // The first start is its caller's.
    if (!wasRunning) return
    this.#options.log.error('worker_ended', { worker: this.number, how })
    if (performance.now() - this.#startedMs >= limits.workerStableMs) this.#failures = 0
    this.#options.onEnded()
    this.#startLater()
  }

  /** At once: a counter that fell for a moment would look as if it had started anew. */
  async #keepCounters(): Promise<void> {
    const metrics = this.#metrics
    const last = countersOf(metrics)
    const former = await oneDump([this.#former, last])
    this.#former = former
    if (this.#metrics === metrics) this.#metrics = metrics.filter((metric) => !last.includes(metric))
  }

  #startLater(): void {
    this.#state = 'waiting'
    const waitMs = Math.min(limits.workerRestartMsMin * 2 ** this.#failures++, limits.workerRestartMsMax)
    this.#timer = setTimeout(() => void this.#startAgain(), waitMs)
  }

  async #startAgain(): Promise<void> {
    this.restarts++
    try {
      await this.start()
      this.#options.log.info('worker_started', { worker: this.number })
      this.#options.onStarted()
    } catch (error) {
      if (this.#isStopped) return
      const reason = error instanceof Error ? error.message : 'unknown error'
      this.#options.log.error('worker_not_started', { worker: this.number, reason })
      this.#startLater()
    }
  }

  get #isStopped(): boolean {
    return this.#state === 'stopped'
  }
}
