/**
 * One worker: a gateway of its own, but for what there is only one of. It starts, reloads and stops when the process
 * above it says so, tells it how it is, and ends with it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ReadText } from '../../config/gateway_config.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { setAsideOf } from '../admin/set_aside.ts'
import { Gateway } from '../gateway.ts'
import { hashed } from '../ledger/ledger.ts'
import { usesLedger } from '../ledger/running.ts'
import { limits } from '../limits.ts'
import type { TenantAccount } from '../pipeline/account.ts'
import { named } from '../processor_state.ts'
import type { WorkerPart } from '../worker_part.ts'
import { tellDefect } from './defect.ts'
import { Exchange } from './exchange.ts'
import { type Answers, Line } from './line.ts'
import type {
  ReloadOrder,
  Report,
  ReportOrder,
  SetAsideOrder,
  Shared,
  SharedState,
  StartOrder,
  StopOrder,
  Texts,
  Witnessed,
  WorkerEndpoints,
} from './messages.ts'
import { portionOf } from './portion.ts'

/** What the command line lends it. */
export interface Program {
  readonly version: string
  load(files: readonly string[], read: ReadText): Promise<LoadedConfig>
}

/** Runs until the process above says stop. */
export async function runWorker(program: Program): Promise<void> {
  // In a terminal, and under a service manager, these reach every process; what follows from them comes from above.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {})
  const { promise, resolve } = Promise.withResolvers<void>()
  const worker = new Worker(program, resolve)
  process.on('message', (message) => worker.line.take(message))
  await promise
  // The answer to "stop" is still on its way.
  await sleep(limits.workerShareMs)
  process.disconnect()
}

class Worker {
  readonly line: Line
  readonly #program: Program
  readonly #stopped: () => void
  readonly #timers: NodeJS.Timeout[] = []
  #gateway: Gateway | undefined
  #exchange: Exchange | undefined
  #texts: Texts = new Map()
  /** What was last reported of each tenant. */
  readonly #reported = new Map<string, TenantAccount>()

  constructor(program: Program, stopped: () => void) {
    this.#program = program
    this.#stopped = stopped
    const answers: Answers = {
      start: (order: StartOrder) => this.#start(order),
      reload: (order: ReloadOrder) => this.#reload(order),
      stop: (order: StopOrder) => this.#stop(order),
      report: ({ withMetrics }: ReportOrder) => this.#report(withMetrics),
      setAside: ({ method, given }: SetAsideOrder) =>
        (setAsideOf(this.#gateway!)[method as keyof ReturnType<typeof setAsideOf>] as (given: unknown) => unknown)(
          given,
        ),
      share: (shared: Shared) =>
        this.#gateway && this.#exchange?.heard(shared, this.#gateway, Number(process.hrtime.bigint() / 1_000_000n)),
      follow: (state: SharedState) => this.#follow(state),
    }
    this.line = new Line(
      (message) => void process.send?.(message),
      answers,
      (what, error) => this.#tell(what, error),
    )
  }

  async #start(order: StartOrder): Promise<WorkerEndpoints> {
    const { number, workers, dataDir, files, instance, settled, left } = order
    this.#texts = order.texts
    const exchange = new Exchange(number)
    this.#exchange = exchange
    const part: WorkerPart = {
      number,
      settled,
      left,
      ledger: this.#ledger(),
      limits: exchange.limits,
      authFailed: (receiver, address) => exchange.authFailed(receiver, address),
      quarantineBytesMax: Math.ceil(limits.quarantineBytesMax / workers),
    }
    this.#gateway = await Gateway.start({
      dataDir,
      identity: {
        stream: process.stderr,
        nowMs: () => Date.now(),
        version: this.#program.version,
        instance,
        worker: number,
      },
      env: process.env,
      load: () => this.#load(files, workers),
      worker: part,
    })
    this.#every(limits.workerShareMs, () => this.#share())
    this.#every(limits.workerReportMs, async () => this.line.tell('report', await this.#report(false)))
    return this.#gateway.endpoints
  }

  /** From the texts that the process above has read and found right. */
  async #load(files: readonly string[], workers: number) {
    const loaded = await this.#program.load(files, (file) => {
      const text = this.#texts.get(file)
      if (text === undefined) throw Object.assign(new Error('not among the texts'), { code: 'ENOENT' })
      return text
    })
    return loaded.config === undefined ? loaded : { ...loaded, config: portionOf(loaded.config, workers) }
  }

  #ledger(): WorkerPart['ledger'] {
    let isOn = false
    return {
      apply: async (config) => {
        isOn = usesLedger(config)
      },
      witness: async (batch, place) => {
        if (isOn) await this.line.ask('witness', { batch: await hashed(batch), place } satisfies Witnessed)
      },
      close: async () => {},
    }
  }

  async #reload({ texts }: ReloadOrder): Promise<void> {
    const before = this.#texts
    this.#texts = texts
    try {
      await this.#gateway!.reload()
    } catch (error) {
      this.#texts = before
      throw error
    }
  }

  async #stop({ deadlineMs }: StopOrder): Promise<{ left: number }> {
    for (const timer of this.#timers) clearInterval(timer)
    const stopped = (await this.#gateway?.stop(deadlineMs)) ?? { left: 0 }
    // The last that was seen of clocks, before their state is saved.
    if (this.#gateway) this.#share()
    this.#stopped()
    return stopped
  }

  async #report(withMetrics: boolean): Promise<Report> {
    const gateway = this.#gateway!
    const metrics = withMetrics ? await gateway.telemetry.metrics.dump() : undefined
    // From here on at once: account and queues are of one moment.
    return {
      status: {
        policy_version: gateway.parts.policyVersion,
        destinations: Object.fromEntries(gateway.destinations.states()),
      },
      tenants: this.#changed(gateway.account.all()),
      health: gateway.telemetry.health.report().components,
      ...(metrics && { metrics }),
    }
  }

  /** There may be very many tenants, and few that sent anything since. */
  #changed(tenants: Iterable<readonly [string, TenantAccount]>): [string, TenantAccount][] {
    const changed: [string, TenantAccount][] = []
    for (const [tenant, account] of tenants) {
      const before = this.#reported.get(tenant)
      const keys = Object.keys(account) as (keyof TenantAccount)[]
      if (before !== undefined && keys.every((key) => before[key] === account[key])) continue
      const now = { ...account }
      this.#reported.set(tenant, now)
      changed.push([tenant, now])
    }
    return changed
  }

  #share(): void {
    const gateway = this.#gateway!
    const told = this.#exchange!.told(gateway)
    if (told !== undefined) this.line.tell('share', told)
    const seen: (readonly [string, Uint8Array])[] = []
    for (const [name, { processor }] of named(gateway.parts.inputs)) {
      const bytes = processor.shared?.seen()
      if (bytes !== undefined) seen.push([name, bytes])
    }
    if (seen.length > 0) this.line.tell('seen', seen satisfies SharedState)
  }

  #follow(state: SharedState): void {
    if (this.#gateway === undefined) return
    const processors = new Map(named(this.#gateway.parts.inputs))
    for (const [name, bytes] of state) processors.get(name)?.processor.shared?.follow(bytes)
  }

  #tell(what: string, error: unknown): void {
    if (this.#gateway) tellDefect(this.#gateway.log, what, error)
  }

  #every(ms: number, run: () => unknown): void {
    const guarded = async () => run()
    const timer = setInterval(() => {
      guarded().catch((error: unknown) => this.#tell('timer', error))
    }, ms)
    timer.unref()
    this.#timers.push(timer)
  }
}
