/**
 * Keeps the state that workers have in common: for each processor that has one, an instance that sees no records but
 * what workers saw. It is saved and restored as the state of a gateway alone is.
 */
import type { GatewayConfig } from '../../config/gateway_config.ts'
import type { HashKeys, Log } from '../contract.ts'
import { createHost, type OwnedHost } from '../host.ts'
import { named, ProcessorState, type Stateful } from '../processor_state.ts'
import { createPurposes } from '../purposes.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { SharedState } from './messages.ts'

export interface KeeperOptions {
  readonly dataDir: string
  /** Where the state is saved. */
  readonly folder: string
  readonly log: Log
  readonly metrics: Metrics
  readonly hashKeys: HashKeys
  readonly nowMs: () => number
}

export class Keeper {
  readonly #options: KeeperOptions
  readonly #saved: ProcessorState
  #inputs: readonly Stateful[] = []
  #hosts: OwnedHost[] = []

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#saved = new ProcessorState(options.folder, options.log)
  }

  /** Takes a configuration in force; what is known goes over to it. */
  apply(config: GatewayConfig): void {
    const hosts: OwnedHost[] = []
    const next = config.pipelines.map(({ id, processors }) => ({
      id,
      processors: processors
        .filter((name) => config.processors.get(name)?.component.merges === true)
        .map((name) => ({ id: name, processor: this.#make(config, name, hosts) })),
    }))
    this.#saved.restore(next, this.#inputs)
    for (const host of this.#hosts) host.release()
    this.#hosts = hosts
    this.#inputs = next
  }

  learn(seen: SharedState): void {
    const processors = new Map(named(this.#inputs))
    for (const [name, bytes] of seen) processors.get(name)?.processor.shared?.learn(bytes)
  }

  /** What changed since the last call, or all: a list of notes. */
  changes(all: boolean): SharedState[] {
    return [...named(this.#inputs)].flatMap(([name, { processor }]) =>
      (processor.shared?.changes(all) ?? []).map((bytes): SharedState => [[name, bytes]]),
    )
  }

  inspect(type: string): Record<string, unknown> {
    const shown: Record<string, unknown> = {}
    for (const { id: pipeline, processors } of this.#inputs) {
      for (const { id, processor } of processors) {
        if (id.split('/')[0] === type) shown[`${pipeline} ${id}`] = processor.inspect?.()
      }
    }
    return shown
  }

  save(): Promise<void> {
    return this.#saved.save(this.#inputs)
  }

  #make(config: GatewayConfig, name: string, hosts: OwnedHost[]) {
    const { dataDir, log, metrics, hashKeys, nowMs } = this.#options
    const section = config.processors.get(name)!
    const { component, options } = section
    const host = createHost({
      kind: 'processor',
      name: component.name,
      id: name,
      log,
      metrics,
      purposes: createPurposes(),
      hashKeys,
      dataDir,
      resolve: (path) => section.resolve(path),
      nowMs,
      merges: true,
    })
    hosts.push(host)
    return component.create(options as never, host)
  }
}
