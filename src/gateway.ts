/**
 * One running gateway: starts, reloads, drains, stops.
 *
 * Order of the start: data directory and its lock, telemetry, keys, destinations (which recover their queues), and
 * receivers last, so that the first request finds everything. The stop goes the other way round. A reload builds the
 * next generation first; a configuration that is refused leaves everything as it was.
 */
import { join } from 'node:path'
import { filesBeside, type GatewayConfig } from '../config/gateway_config.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { HealthCheckOptions } from '../config/service.ts'
import { BackupSchedule } from './backup/schedule.ts'
import { type DataDir, openDataDir, openWorkerPart, partOf, workersIn } from './data_dir.ts'
import { type Change, Destinations } from './destinations.ts'
import { ConfigError } from './errors.ts'
import { GatewayKeys } from './gateway_keys.ts'
import { acceptAll, buildGeneration, type Generation, type Surroundings } from './generation.ts'
import { RunningLedger } from './ledger/running.ts'
import { limits } from './limits.ts'
import { KeyTable } from './otlp/keys.ts'
import { Account } from './pipeline/account.ts'
import type { Incoming, Result } from './pipeline/inbound.ts'
import type { Share } from './pipeline/offers.ts'
import { openQuarantine, type Quarantine } from './pipeline/quarantine.ts'
import { TenantLimits } from './pipeline/tenant_limits.ts'
import { ProcessorState } from './processor_state.ts'
import { keepReceipts } from './receipts.ts'
import type { Accept, Answer, Received } from './receive/accept.ts'
import { Receivers } from './receivers.ts'
import { accepted, located, locating } from './refusals.ts'
import { FailOver } from './residency/fail_over.ts'
import { mayStillGo } from './residency/still_allowed.ts'
import { type AccountLine, deliveryFault, type GatewayStatus, gatewayStatus } from './status.ts'
import { ErasedSweep } from './subjects/sweep.ts'
import { Swap } from './swap.ts'
import { accountMetrics, receiverMetrics } from './telemetry/collector_metrics.ts'
import { type OwnLog, openLog, type ProcessIdentity, Telemetry } from './telemetry.ts'
import type { WorkerPart } from './worker_part.ts'

export interface GatewayOptions {
  readonly dataDir: string
  readonly identity: ProcessIdentity
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads the configuration anew, for the start and for each reload. */
  readonly load: () => Promise<LoadedConfig>
  /** Left out: this process is the whole gateway. */
  readonly worker?: WorkerPart
}

export interface Endpoints {
  readonly grpc?: string
  readonly http?: string
  readonly health?: string
  readonly metrics?: string
  readonly admin?: string
}

export class Gateway {
  readonly #options: GatewayOptions
  readonly #data: DataDir
  readonly #log: OwnLog
  readonly telemetry: Telemetry
  readonly account: Account
  readonly #around: Surroundings
  readonly #keys: GatewayKeys
  /** Its own first, then those that workers which are no more have left. */
  readonly quarantines: readonly Quarantine[]
  readonly destinations: Destinations
  readonly #receivers: Receivers
  readonly #ledger: WorkerPart['ledger']
  readonly #failOver: FailOver
  /** What runs beside the pipelines: backups, and deleting what arrives late about erased people. */
  readonly #chores: readonly { apply(config: GatewayConfig): void; close(): Promise<void> }[]
  readonly #state: ProcessorState
  readonly #timers: NodeJS.Timeout[] = []
  #generation: Generation | undefined
  /** Whose policies judge what waits in queues. */
  #judging: GatewayConfig | undefined
  readonly #requests = new Swap()

  private constructor(parts: {
    options: GatewayOptions
    data: DataDir
    log: OwnLog
    telemetry: Telemetry
    account: Account
    around: Omit<Surroundings, 'account'>
    keys: GatewayKeys
    quarantine: Quarantine
    quarantinesLeft: readonly Quarantine[]
    left: readonly string[]
  }) {
    const { options, data, log, telemetry, around } = parts
    this.#options = options
    this.account = parts.account
    this.#data = data
    this.#log = log
    this.telemetry = telemetry
    this.#keys = parts.keys
    this.quarantines = [parts.quarantine, ...parts.quarantinesLeft]
    this.#around = { ...around, account: this.account }
    const { metrics, hashKeys, nowMs } = around
    this.destinations = new Destinations({
      folder: data.own,
      left: parts.left,
      dataDir: data.path,
      worker: options.worker?.number,
      cipher: parts.keys.cipher,
      account: this.account,
      metrics,
      hashKeys,
      log: log.log,
      nowMs,
      keepReceipts: (receipts) => keepReceipts(data.path, receipts),
      retentionRan: (store, holds) => void parts.keys.retentionRan(store, holds),
      witness: ({ id, region = '' }) => {
        const place = { destination: id, region }
        return (batch) => this.#ledger.witness(batch, place)
      },
      permits: (section) => (version, holdings, body) => mayStillGo(this.#judging!, section, version, holdings, body),
    })
    this.#failOver = new FailOver(log.log)
    const { health } = telemetry
    const chore = { ...around, worker: options.worker?.number, health, quarantines: this.quarantines }
    this.#chores = [new BackupSchedule(chore), new ErasedSweep(chore)]
    this.#ledger =
      options.worker?.ledger ?? new RunningLedger({ folder: () => data.folder('ledger'), nowMs, health, log: log.log })
    this.#receivers = new Receivers({
      accept: (receiver) => this.#acceptFor(receiver),
      authFailed: (receiver, address) => options.worker?.authFailed(receiver, address),
      log: log.log,
      metrics,
      nowUnixNano,
      monotonicNano: process.hrtime.bigint,
    })
    accountMetrics(metrics, () => Object.entries(gatewayStatus(this.account, [], '').tenants).map(named))
    // Of several workers the process above them keeps it.
    this.#state = new ProcessorState(options.worker ? undefined : data.folder('state'), log.log)
  }

  /** Rejects with `ConfigRefused`, `DependencyError` or `KeyError`; then nothing runs and the lock is free. */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const loaded = await options.load()
    const config = accepted(loaded)
    const { worker } = options
    const data = worker ? openWorkerPart(options.dataDir, worker.number) : openDataDir(options.dataDir)
    const log = openLog(config.service.telemetry?.logs, options.identity)
    const undo: (() => unknown)[] = [() => log.close(), () => data.release()]
    const account = new Account()
    account.resume(worker?.settled ?? [])
    try {
      const telemetry = new Telemetry(options.identity.nowMs)
      const { nowMs } = options.identity
      const place = { dir: data.folder('keys'), dataDir: data.path, worker: worker?.number }
      const held = { ...place, nowMs, log: log.log, env: options.env, shown: telemetry }
      const keys = await locating(loaded, GatewayKeys.open(held, config))
      const { cipher, hashKeys, sealer } = keys
      undo.push(() => keys.close())
      const ended = worker?.left ?? workersIn(data.path).filter((n) => n !== 1)
      const left = ended.map((n) => partOf(data.path, n))
      const quarantines: Quarantine[] = []
      undo.push(() => Promise.all(quarantines.map((one) => one.close())))
      for (const dir of [data.own('quarantine'), ...left.map((part) => join(part, 'quarantine'))]) {
        const one = await openQuarantine({
          dir,
          cipher,
          log: log.log,
          nowMs,
          onPurged: (tenants) => account.quarantinePurged(tenants),
          ...(worker && { bytesMax: worker.quarantineBytesMax }),
        })
        account.quarantineFound(one.state().tenants)
        quarantines.push(one)
      }
      const [quarantine, ...quarantinesLeft] = quarantines as [Quarantine]
      const around = {
        dataDir: data.path,
        log: log.log,
        metrics: telemetry.metrics,
        keys: new KeyTable(),
        sealer,
        subjects: sealer,
        hashKeys,
        quarantine,
        tenantLimits: new TenantLimits(account, worker?.limits),
        nowMs,
        worker: worker?.number,
      }
      const own = { quarantine, quarantinesLeft, left, keys, account }
      const gateway = new Gateway({ options, data, log, telemetry, around, ...own })
      undo.push(() => gateway.#stopAll(0))
      await gateway.#apply(loaded, config)
      gateway.#watch()
      return gateway
    } catch (error) {
      for (const step of undo.toReversed()) await step()
      throw error
    }
  }

  get endpoints(): Endpoints {
    return { ...this.#receivers.endpoints, ...this.telemetry.endpoints }
  }

  get log() {
    return this.#log.log
  }

  get watchedFiles(): readonly string[] {
    return filesBeside(this.config)
  }

  get config(): GatewayConfig {
    return this.#generation!.config
  }

  /** For the process above the workers. */
  get parts() {
    const { inputs, policyVersion } = this.#generation!
    return { inputs, policyVersion, tenantLimits: this.#around.tenantLimits!, receivers: this.#receivers }
  }

  status(): GatewayStatus {
    return gatewayStatus(this.account, this.destinations.states(), this.#generation!.policyVersion)
  }

  /** What the processors of this type show of their state, by pipeline and id. */
  inspect(type: string): Record<string, unknown> {
    const shown: Record<string, unknown> = {}
    for (const { id: pipeline, processors } of this.#generation!.inputs) {
      for (const { id, processor } of processors) {
        if (id.split('/')[0] === type && processor.inspect !== undefined)
          shown[`${pipeline} ${id}`] = processor.inspect()
      }
    }
    return shown
  }

  /** Takes a new configuration in force. Rejects with `ConfigRefused` or `DependencyError`: the old one goes on. */
  async reload(): Promise<void> {
    const loaded = await this.#options.load()
    await this.#apply(loaded, accepted(loaded))
    await this.#receivers.reloadFiles()
  }

  /**
   * Runs a body through the chain of a pipeline again, under today's policy: for what is released from quarantine.
   * Rejects where that pipeline is gone and no other can be meant.
   */
  async readmit(incoming: Incoming, pipeline: string): Promise<Result> {
    return this.#requests.run(async () => {
      const { inputs } = this.#generation!
      const input = inputs.find(({ id }) => id === pipeline) ?? (inputs.length === 1 ? inputs[0] : undefined)
      if (input === undefined) {
        throw new ConfigError(`there is no pipeline ${pipeline} any more`, [], 'Bring it back, or purge.')
      }
      return input.inbound.accept({ ...incoming, isReadmitted: true })
    })
  }

  /** Stops receiving, drains within the deadline and ends. Returns how many records are left in queues. */
  async stop(deadlineMs: number = limits.drainMs): Promise<{ left: number }> {
    for (const timer of this.#timers) clearInterval(timer)
    this.telemetry.health.set('gateway', 'stopping')
    // Timers of the delivery do not keep a process alive; while it drains, nothing else may be left that does.
    const alive = setInterval(() => {}, limits.healthIntervalMs)
    try {
      const left = await this.#stopAll(deadlineMs)
      this.#keys.close()
      await Promise.all(this.quarantines.map((one) => one.close()))
      await this.#log.close()
      this.#data.release()
      return { left }
    } finally {
      clearInterval(alive)
    }
  }

  async #stopAll(deadlineMs: number): Promise<number> {
    await this.#receivers.stop()
    for (const chore of this.#chores) await chore.close()
    if (this.#generation !== undefined) await this.#state.save(this.#generation.inputs)
    const left = await this.destinations.stop(deadlineMs)
    await this.#ledger.close()
    this.#generation?.release()
    await this.telemetry.close()
    return left
  }

  async #apply(loaded: LoadedConfig, config: GatewayConfig): Promise<void> {
    const before = this.#generation
    const useKeys = await locating(loaded, this.#keys.prepare(config))
    const { next, change } = this.#build(loaded, config)
    const health = config.extensions.get('health_check')?.options as HealthCheckOptions | undefined
    await this.telemetry.serve(config.service.telemetry, health, this.log)
    await this.#ledger.apply(config)
    this.#state.restore(next.inputs, before?.inputs ?? [])
    await this.#requests.change(async () => {
      // Before anything new starts: what waits in its queue is judged by today's policy from the first batch on.
      this.#judging = config
      try {
        await change.apply()
      } catch (error) {
        this.#judging = before?.config
        throw error
      }
      this.#generation = next
      this.#around.tenantLimits?.configure(config.service.limits)
    }, change.stopsAny)
    try {
      await this.#receivers.apply(config, before?.config)
    } catch (error) {
      if (before !== undefined) await this.#restoreGeneration(before)
      throw located(loaded, error)
    }
    useKeys()
    before?.release()
    for (const chore of this.#chores) chore.apply(config)
    this.#reportHealth()
  }

  #build(loaded: LoadedConfig, config: GatewayConfig) {
    try {
      const used = new Set(config.pipelines.flatMap(({ exporters }) => exporters))
      const sections = [...config.exporters.values()].filter(({ id }) => used.has(id))
      let targetOf: ((id: string) => ReturnType<ReturnType<Destinations['plan']>['targetOf']>) | undefined
      const lazily = (id: string) => ({
        id,
        offer: (parcel: Parameters<Quarantine['offer']>[0]) => targetOf!(id).offer(parcel),
        refusal: (records: number, bytes: number, owner?: string) => targetOf!(id).refusal?.(records, bytes, owner),
      })
      let change: Change | undefined
      const share: Share = (ids, parcel, tenants) => change!.share(ids, parcel, tenants)
      const next = buildGeneration(config, { ...this.#around, share }, lazily)
      change = this.destinations.plan(sections, next)
      targetOf = change.targetOf
      return { next, change }
    } catch (error) {
      throw located(loaded, error)
    }
  }

  async #restoreGeneration(before: Generation): Promise<void> {
    const used = new Set(before.config.pipelines.flatMap(({ exporters }) => exporters))
    const sections = [...before.config.exporters.values()].filter(({ id }) => used.has(id))
    await this.#ledger.apply(before.config)
    await this.#requests.change(async () => {
      this.#judging = before.config
      await this.destinations.plan(sections, before).apply()
      this.#generation = before
      this.#around.tenantLimits?.configure(before.config.service.limits)
    })
  }

  #acceptFor(receiver: string): Accept {
    const metrics = {
      http: receiverMetrics(this.telemetry.metrics, receiver, 'http'),
      grpc: receiverMetrics(this.telemetry.metrics, receiver, 'grpc'),
    }
    return async (received: Received): Promise<Answer> => {
      const result = await this.#requests.run(() => acceptAll(this.#generation!.inputs, receiver, received))
      const counted = metrics[received.sender.transport]
      const isTaken = result.answer.is === 'ok' || result.answer.is === 'partial'
      if (isTaken) counted.accepted.add(result.records - result.rejected)
      if (result.answer.is === 'failed') counted.failed.add(result.records)
      else counted.refused.add(isTaken ? result.rejected : result.records)
      return result.answer
    }
  }

  #watch(): void {
    const every = (ms: number, run: () => unknown) => {
      const timer = setInterval(run, ms)
      timer.unref()
      this.#timers.push(timer)
    }
    every(limits.healthIntervalMs, () => this.#reportHealth())
    every(limits.healthIntervalMs, () => this.destinations.tidy().catch(() => this.log.warn('queue_not_tidied')))
    every(limits.snapshotIntervalMs, () => this.#state.save(this.#generation!.inputs))
  }

  #reportHealth(): void {
    const { health } = this.telemetry
    health.set('gateway', 'ok')
    const nowMs = this.#options.identity.nowMs()
    const states = this.destinations.states()
    const { routed, config } = this.#generation!
    this.#failOver.look(routed, config, new Map(states), nowMs)
    for (const [id, state] of states) {
      const reason = deliveryFault(state, nowMs)
      if (reason === undefined) health.set(`exporter ${id}`, 'ok')
      else health.set(`exporter ${id}`, 'failing', reason)
    }
  }
}

/** Label values and plain numbers of one tenant's account. */
const named = ([tenant, line]: [string, AccountLine]) => [tenant, { ...line }] as const

const nowUnixNano = (): bigint => BigInt(Date.now()) * 1_000_000n
