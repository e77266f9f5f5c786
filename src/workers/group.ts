/**
 * A gateway of several workers: processes that share the ports. This one, above them, receives nothing itself. It has
 * what there is only one of: the lock of the data directory, the configuration, the ledger, the clocks, the pages of
 * metrics and health, the admin API; it starts workers, also again, and stops them.
 *
 * Connections are handed to the workers in turn by Node's cluster (docs/decisions/043-workers-are-processes.md).
 * A reload goes to one worker first, and to the others when that one has taken it: what is refused is refused once, and
 * everywhere the configuration before goes on.
 */
import cluster from 'node:cluster'
import { filesBeside, type GatewayConfig } from '../../config/gateway_config.ts'
import type { LoadedConfig } from '../../config/load.ts'
import type { HealthCheckOptions } from '../../config/service.ts'
import type { Administered } from '../admin.ts'
import { adminOptions } from '../admin.ts'
import { type DataDir, openDataDir, workersIn } from '../data_dir.ts'
import type { Endpoints } from '../gateway.ts'
import { GatewayKeys } from '../gateway_keys.ts'
import { openHashKeys } from '../keys/hash_keys.ts'
import { RunningLedger, usesLedger } from '../ledger/running.ts'
import { limits } from '../limits.ts'
import { accepted } from '../refusals.ts'
import type { GatewayStatus } from '../status.ts'
import type { HealthReport } from '../telemetry/health.ts'
import { metricsTogether } from '../telemetry/metrics.ts'
import { type OwnLog, openLog, type ProcessIdentity, Telemetry } from '../telemetry.ts'
import { healthTogether, statusTogether } from '../together.ts'
import { tellDefect } from './defect.ts'
import { Keeper } from './keeper.ts'
import { type Answers, LineCut } from './line.ts'
import { Member } from './member.ts'
import type { Shared, SharedState, StartOrder, Texts, Witnessed } from './messages.ts'
import { setAsideOfAll } from './set_aside.ts'

/** A configuration with the texts that it was read from. */
export interface ReadConfig {
  readonly loaded: LoadedConfig
  readonly texts: Texts
}

export interface GroupOptions {
  readonly workers: number
  readonly dataDir: string
  readonly files: readonly string[]
  readonly identity: ProcessIdentity
  readonly env: Readonly<Record<string, string | undefined>>
  readonly load: () => Promise<ReadConfig>
}

interface InForce {
  readonly config: GatewayConfig
  readonly texts: Texts
}

export class WorkerGroup {
  readonly #options: GroupOptions
  readonly #data: DataDir
  readonly #log: OwnLog
  readonly telemetry: Telemetry
  readonly #ledger: RunningLedger
  readonly #keeper: Keeper
  readonly #members: readonly Member[]
  readonly #timers: NodeJS.Timeout[] = []
  #inForce: InForce
  /** Which texts each worker runs with. */
  readonly #texts = new Map<Member, Texts>()

  private constructor(options: GroupOptions, data: DataDir, log: OwnLog, inForce: InForce) {
    const { nowMs } = options.identity
    this.#options = options
    this.#data = data
    this.#log = log
    this.#inForce = inForce
    this.telemetry = new Telemetry(nowMs, undefined, {
      metrics: { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: () => this.#metrics() },
      health: { report: () => this.health() },
    })
    const { metrics, health } = this.telemetry
    this.#ledger = new RunningLedger({ folder: () => data.folder('ledger'), nowMs, health, log: log.log })
    const hashKeys = openHashKeys({ dir: data.folder('keys'), nowMs })
    const folder = data.folder('state')
    this.#keeper = new Keeper({ dataDir: data.path, folder, log: log.log, metrics, hashKeys, nowMs })
    const numbers = Array.from({ length: options.workers }, (_, index) => index + 1)
    this.#members = numbers.map((number) => this.#member(number))
    const restarts = metrics.counter('douane_worker_restarts', 'Workers that ended and were started again.').with()
    metrics.gauge('douane_workers', 'Workers that run.', {}, () => {
      return this.#members.filter(({ isRunning }) => isRunning).length
    })
    this.#countRestart = () => restarts.add(1)
  }
  readonly #countRestart: () => void

  /** Rejects with `ConfigRefused`, `DependencyError` or `KeyError`; then nothing runs and the lock is free. */
  static async start(options: GroupOptions): Promise<WorkerGroup> {
    const { loaded, texts } = await options.load()
    const config = accepted(loaded)
    const data = openDataDir(options.dataDir)
    const log = openLog(config.service.telemetry?.logs, options.identity)
    let group: WorkerGroup | undefined
    try {
      await makeKeys(options, config, data, log)
      group = new WorkerGroup(options, data, log, { config, texts })
      await group.#begin(config)
      return group
    } catch (error) {
      if (group) await group.#end(0)
      await log.close()
      data.release()
      throw error
    }
  }

  get endpoints(): Endpoints {
    return { ...this.#members[0]!.endpoints, ...this.telemetry.endpoints }
  }
  get log() {
    return this.#log.log
  }
  get watchedFiles(): readonly string[] {
    return filesBeside(this.#inForce.config)
  }

  /** The account of all workers, each brought up to now. Each balances by itself, so their sum does. */
  async status(): Promise<GatewayStatus> {
    await Promise.all(this.#members.map((member) => member.refresh(false)))
    const workers = this.#members.map(({ number, pid = null, isRunning: running, restarts }) => {
      return { worker: number, pid, running, restarts }
    })
    return { ...statusTogether(this.#members.map((member) => member.status())), workers }
  }

  health(): HealthReport {
    const own = this.telemetry.health.report()
    const components = healthTogether([own.components, ...this.#members.map(({ health }) => health)])
    const isOk = Object.values(components).every(({ status }) => status === 'ok')
    const sorted = Object.entries(components).sort(([a], [b]) => (a < b ? -1 : 1))
    return { ...own, status: isOk ? 'ok' : 'unavailable', components: Object.fromEntries(sorted) }
  }

  get administered(): Administered {
    return {
      log: this.log,
      options: adminOptions(this.#inForce.config),
      status: () => this.status(),
      inspect: (type) => this.#keeper.inspect(type),
      health: () => this.health(),
      setAside: setAsideOfAll(this.#members),
      config: () => this.#inForce.config,
    }
  }

  /** Takes a new configuration in force. Rejects with `ConfigRefused` or `DependencyError`: the old one goes on. */
  async reload(): Promise<void> {
    const { loaded, texts } = await this.#options.load()
    const next = { config: accepted(loaded), texts }
    const before = this.#inForce
    if (next.config.service.workers !== this.#options.workers) {
      this.log.warn('workers_unchanged', { running: this.#options.workers, configured: next.config.service.workers })
    }
    try {
      await this.#serve(next.config)
      if (usesLedger(next.config)) await this.#ledger.apply(next.config)
      await this.#reloadWorkers(texts)
    } catch (error) {
      await this.#restore(before)
      throw error
    }
    this.#inForce = next
    this.#keeper.apply(next.config)
    this.#tellAll()
    await this.#ledger.apply(next.config)
    await this.#catchUp()
  }

  /** Stops receiving, drains within the deadline and ends. Returns how many records are left in queues. */
  async stop(deadlineMs: number = limits.drainMs): Promise<{ left: number }> {
    this.telemetry.health.set('gateway', 'stopping')
    const left = await this.#end(deadlineMs)
    await this.#log.close()
    this.#data.release()
    return { left }
  }

  async #begin(config: GatewayConfig): Promise<void> {
    await this.#ledger.apply(config)
    this.#keeper.apply(config)
    await this.#serve(config)
    cluster.schedulingPolicy = cluster.SCHED_RR
    cluster.setupPrimary({ serialization: 'advanced' })
    // The first one alone: what is wrong is told once, and what is made at a first start is made once.
    const [first, ...others] = this.#members
    await first!.start()
    await Promise.all(others.map((member) => member.start()))
    for (const member of this.#members) this.#began(member)
    this.telemetry.health.set('gateway', 'ok')
    this.#every(limits.workerReportMs, () => this.#look())
    this.#every(limits.workerShareMs, () => this.#tellChanges())
    this.#every(limits.snapshotIntervalMs, () => this.#keeper.save())
    this.#every(limits.workerMetricsMs, () => this.#refreshMetrics())
    this.#look()
  }

  async #end(deadlineMs: number): Promise<number> {
    for (const timer of this.#timers) clearInterval(timer)
    const left = await Promise.all(this.#members.map((member) => member.stop(deadlineMs)))
    await this.#keeper.save()
    await this.#ledger.close()
    await this.telemetry.close()
    return left.reduce((sum, one) => sum + one, 0)
  }

  #member(number: number): Member {
    const { workers, dataDir, files, identity } = this.#options
    const ended = workersIn(dataDir).filter((n) => n > workers)
    const left = ended.filter((n) => (n - 1) % workers === number - 1)
    const answers: Answers = {
      witness: ({ batch, place }: Witnessed) => this.#ledger.witnessHashed(batch, place),
      share: (shared: Shared) => {
        for (const other of this.#members) if (other.number !== number) other.tell('share', shared)
      },
      seen: (seen: SharedState) => this.#keeper.learn(seen),
    }
    const member: Member = new Member({
      number,
      log: this.log,
      answers,
      order: (settled): StartOrder => {
        const { texts } = this.#inForce
        this.#texts.set(member, texts)
        return { number, workers, dataDir, files, texts, instance: identity.instance, settled, left }
      },
      onEnded: () => this.#countRestart(),
      onStarted: () => this.#began(member),
    })
    return member
  }

  /** A worker runs: it learns what is known of clocks, and of a reload that it missed. */
  #began(member: Member): void {
    for (const state of this.#keeper.changes(true)) member.tell('follow', state)
    void this.#catchUp()
  }

  async #catchUp(): Promise<void> {
    const { texts } = this.#inForce
    const late = this.#members.filter((member) => member.isRunning && this.#texts.get(member) !== texts)
    await Promise.allSettled(late.map((member) => this.#reloadOne(member, texts)))
  }

  async #reloadOne(member: Member, texts: Texts): Promise<void> {
    await member.ask('reload', { texts })
    this.#texts.set(member, texts)
  }

  /** One first, then the others. Rejects with what the first one says. */
  async #reloadWorkers(texts: Texts): Promise<void> {
    const [first, ...others] = this.#members.filter(({ isRunning }) => isRunning)
    if (first === undefined) throw new LineCut()
    await this.#reloadOne(first, texts)
    const results = await Promise.allSettled(others.map((member) => this.#reloadOne(member, texts)))
    // One that ended meanwhile starts again with what is in force then.
    const failed = results.find((result) => result.status === 'rejected' && !(result.reason instanceof LineCut))
    if (failed?.status === 'rejected') throw failed.reason
  }

  /** Back to the configuration before; also those workers that had taken the next one. */
  async #restore(before: InForce): Promise<void> {
    await this.#serve(before.config)
    await this.#ledger.apply(before.config)
    await this.#catchUp()
  }

  async #serve(config: GatewayConfig): Promise<void> {
    const health = config.extensions.get('health_check')?.options as HealthCheckOptions | undefined
    await this.telemetry.serve(config.service.telemetry, health, this.log)
  }

  async #refreshMetrics(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.refresh(true)))
  }

  async #metrics(): Promise<string> {
    const [own] = await Promise.all([this.telemetry.metrics.dump(), this.#refreshMetrics()])
    return metricsTogether([own, ...this.#members.flatMap(({ metrics }) => metrics)])
  }

  #look(): void {
    const areOthers = this.#members.some(({ isRunning }) => isRunning)
    for (const member of this.#members) {
      member.countReport()
      const part = `worker ${member.number}`
      if (member.isRunning) this.telemetry.health.set(part, 'ok')
      else if (member.downMs > limits.healthStuckMs || !areOthers) {
        this.telemetry.health.set(part, 'failing', `it does not run since ${Math.round(member.downMs / 1000)} s`)
      } else this.telemetry.health.set(part, 'ok', 'it is being started again; the others go on')
    }
  }

  #tellChanges(): void {
    for (const state of this.#keeper.changes(false)) for (const member of this.#members) member.tell('follow', state)
  }
  #tellAll(): void {
    for (const state of this.#keeper.changes(true)) for (const member of this.#members) member.tell('follow', state)
  }

  #every(ms: number, run: () => unknown): void {
    const guarded = async () => run()
    const timer = setInterval(() => {
      guarded().catch((error: unknown) => tellDefect(this.log, 'timer', error))
    }, ms)
    timer.unref()
    this.#timers.push(timer)
  }
}

/** Everything that is made at a first start is made before there are workers that could make it twice. */
async function makeKeys(
  { identity, env }: GroupOptions,
  config: GatewayConfig,
  data: DataDir,
  log: OwnLog,
): Promise<void> {
  const dir = data.folder('keys')
  const keys = await GatewayKeys.open({ dir, nowMs: identity.nowMs, log: log.log, env }, config)
  keys.close()
}
