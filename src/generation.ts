/**
 * One generation of the gateway: everything that a configuration builds, from processors to routes.
 *
 * A reload builds the next generation beside the running one and swaps them at once; destinations, which own queues
 * on disk, are handed over where their options did not change (gateway.ts). Building does nothing that a refused
 * configuration would have to undo.
 */
import type { ConnectorSection, GatewayConfig, PipelineConfig, ProcessorSection } from '../config/gateway_config.ts'
import type { HashKeys, Log, Purposes, Sealer, Subjects } from './contract.ts'
import { ConfigError } from './errors.ts'
import { createHost, type OwnedHost } from './host.ts'
import { tellsHoldings } from './ledger/running.ts'
import { limits } from './limits.ts'
import type { KeyTable } from './otlp/keys.ts'
import type { Account } from './pipeline/account.ts'
import type { NamedProcessor } from './pipeline/chain.ts'
import { DirectRoutes } from './pipeline/direct.ts'
import type { Routes } from './pipeline/fan_out.ts'
import { Inbound, type Incoming, type Result } from './pipeline/inbound.ts'
import type { Share, Target } from './pipeline/offers.ts'
import { mayDrop } from './pipeline/queue_config.ts'
import { Router, type RouteTarget } from './pipeline/residency.ts'
import { parseTenantSources } from './pipeline/tenant.ts'
import type { TenantLimits } from './pipeline/tenant_limits.ts'
import { countsIn, retentionIn } from './policy.ts'
import { createPurposes } from './purposes.ts'
import type { RoutedConnector } from './residency/fail_over.ts'
import { processorMetrics } from './telemetry/collector_metrics.ts'
import type { Metrics } from './telemetry/metrics.ts'

/** What a generation is built with; it outlives the generation. */
export interface Surroundings {
  readonly dataDir: string
  readonly log: Log
  readonly metrics: Metrics
  readonly keys: KeyTable
  readonly account: Account
  readonly sealer: Sealer
  readonly subjects: Subjects
  readonly hashKeys: HashKeys
  readonly quarantine: Target
  /** Offers the same bytes to several destinations; left out: each gets its own copy. */
  readonly share?: Share
  /** Left out: nothing is limited. */
  readonly tenantLimits?: TenantLimits
  readonly nowMs: () => number
  /** See `Host`. */
  readonly worker?: number | undefined
}

/** A destination by its exporter's id. Built by the caller: it owns files and connections. */
export type TargetOf = (exporter: string) => Target

export interface InputPipeline {
  readonly id: string
  readonly receivers: readonly string[]
  readonly processors: readonly NamedProcessor[]
  readonly inbound: Inbound
}

export interface Generation {
  readonly config: GatewayConfig
  readonly purposes: Purposes
  readonly inputs: readonly InputPipeline[]
  /** The residency policies in force, by connector. */
  readonly policyVersion: string
  /** How long they keep a tenant's records of a purpose. */
  readonly retention: (purpose: string, tenant: string) => string | undefined
  /** How long they keep daily counts of a purpose's records, where they say so. */
  readonly counts: (purpose: string) => string | undefined
  /** Each residency connector with the routers that follow its policy. */
  readonly routed: readonly RoutedConnector[]
  /** Takes back what components registered. */
  release(): void
}

/** A receiver may feed several pipelines: the worst answer wins, since the client can only send all again. */
export async function acceptAll(
  inputs: readonly InputPipeline[],
  receiver: string,
  incoming: Incoming,
): Promise<Result> {
  let worst: Result | undefined
  for (const { receivers, inbound } of inputs) {
    if (!receivers.includes(receiver)) continue
    const result = await inbound.accept(incoming)
    if (worst === undefined || severity[result.answer.is] > severity[worst.answer.is]) worst = result
  }
  return worst ?? { answer: { is: 'ok' }, records: 0, rejected: 0 }
}
const severity = { ok: 0, partial: 1, bad: 2, denied: 3, failed: 4, throttled: 5, unavailable: 6 } as const

/** A generation whose processors exist; `connect` gives it its destinations. Throws `ConfigError` with its full path. */
export function buildGeneration(config: GatewayConfig, around: Surroundings, targetOf: TargetOf): Generation {
  const connectors = [...config.connectors.values()]
  const purposes = createPurposes(connectors.length > 0 ? policyPurposes(connectors) : undefined)
  const hosts: OwnedHost[] = []
  const builder = new Builder(config, around, purposes, hosts, targetOf)
  try {
    const inputs = config.pipelines
      .filter((pipeline) => pipeline.receivers.some((id) => config.receivers.has(id)))
      .map((pipeline) => builder.input(pipeline))
    return {
      config,
      purposes,
      inputs,
      routed: builder.routed,
      policyVersion: connectors.map(({ policy }) => policy.version).join('+'),
      retention: retentionIn(connectors.map(({ policy }) => policy)),
      counts: countsIn(connectors.map(({ policy }) => policy)),
      release: () => {
        for (const host of hosts) host.release()
      },
    }
  } catch (error) {
    for (const host of hosts) host.release()
    throw error
  }
}

function policyPurposes(connectors: readonly ConnectorSection[]): Set<string> {
  return new Set(connectors.flatMap(({ policy }) => [...policy.purposes.keys()]))
}

class Builder {
  readonly #config: GatewayConfig
  readonly #around: Surroundings
  readonly #purposes: Purposes
  readonly #hosts: OwnedHost[]
  readonly #targetOf: TargetOf
  readonly routed: RoutedConnector[] = []

  constructor(config: GatewayConfig, around: Surroundings, purposes: Purposes, hosts: OwnedHost[], targetOf: TargetOf) {
    this.#config = config
    this.#around = around
    this.#purposes = purposes
    this.#hosts = hosts
    this.#targetOf = targetOf
  }

  input(pipeline: PipelineConfig): InputPipeline {
    const { log, metrics, keys, account, quarantine, share, tenantLimits } = this.#around
    const processors = pipeline.processors.map((id) => this.#processor(id))
    const targets: Target[] = []
    const indexOf = (exporter: string): number => {
      const known = targets.findIndex(({ id }) => id === exporter)
      const { queue } = this.#config.exporters.get(exporter)!
      const target = { ...this.#targetOf(exporter), isUncertain: !queue.enabled, mayDrop: mayDrop(queue) }
      return known !== -1 ? known : targets.push(target) - 1
    }
    const { routes, policyVersion } = this.#routes(pipeline, indexOf)
    const failures = metrics.counter(
      'douane_processor_failures',
      'Processors that threw; what they visited was refused.',
      ['processor'],
    )
    const dropped = metrics.counter(
      'douane_dropped_parts',
      'Parts of requests that were left out: nobody inspects them.',
      ['what'],
    )
    const parts = {
      unknown_fields: dropped.with('unknown_fields'),
      reserved_attributes: dropped.with('reserved_attributes'),
      unsealed_fields: dropped.with('unsealed_fields'),
    }
    const inbound = new Inbound({
      id: pipeline.id,
      keys,
      processors,
      tenantSources: this.#tenantSources(pipeline),
      routes,
      policyVersion,
      tellsHoldings: tellsHoldings(this.#config),
      targets,
      quarantine,
      share,
      account,
      ...(tenantLimits && { tenantLimits }),
      report: (id, error) => {
        failures.with(id).add(1)
        log.error('processor_failed', { processor: id, error: error instanceof Error ? error.name : typeof error })
      },
      onDropped: (what, count) => parts[what].add(count),
    })
    return { id: pipeline.id, receivers: pipeline.receivers, processors, inbound }
  }

  #processor(id: string): NamedProcessor {
    const section = this.#config.processors.get(id)!
    const processor = withPath(['processors', id], () =>
      section.component.create(section.options as never, this.#host(section)),
    )
    return { id, processor, ...processorMetrics(this.#around.metrics, id) }
  }

  #host(section: ProcessorSection): OwnedHost {
    const { dataDir, log, metrics, hashKeys, subjects, nowMs, worker } = this.#around
    const { id, component } = section
    const host = createHost({
      worker,
      merges: component.merges,
      kind: 'processor',
      name: component.name,
      id,
      log,
      metrics,
      purposes: this.#purposes,
      hashKeys,
      subjects,
      dataDir,
      resolve: (path) => section.resolve(path),
      nowMs,
    })
    this.#hosts.push(host)
    return host
  }

  #tenantSources(pipeline: PipelineConfig) {
    // Receivers of one pipeline name the tenant alike, or the pipeline could not tell what it may trust.
    const all = pipeline.receivers.filter((id) => this.#config.receivers.has(id))
    const lists = all.map((id) => {
      const { tenant } = this.#config.receivers.get(id)!.options as { tenant: { from: readonly string[] } }
      return withPath(['receivers', id, 'tenant', 'from'], () => parseTenantSources(tenant.from, []))
    })
    return lists[0] ?? []
  }

  #routes(pipeline: PipelineConfig, indexOf: (exporter: string) => number): { routes: Routes; policyVersion: string } {
    const { sealer } = this.#around
    const connectors = pipeline.exporters.filter((id) => this.#config.connectors.has(id))
    const direct = pipeline.exporters
      .filter((id) => this.#config.exporters.has(id))
      .map((id) => ({ ...this.#target(id, indexOf), region: this.#config.exporters.get(id)!.region ?? '' }))
    if (connectors.length === 0) {
      return { routes: new DirectRoutes(direct, this.#purposes, sealer, limits.routesMax), policyVersion: '' }
    }
    if (connectors.length > 1) {
      throw new ConfigError(
        `${pipeline.id} ends in ${connectors.length} residency connectors`,
        ['service', 'pipelines', pipeline.id, 'exporters'],
        'Keep one: two policies could contradict each other.',
      )
    }
    const connector = this.#config.connectors.get(connectors[0]!)!
    const { policy } = connector
    const byRegion = new Map<string, readonly RouteTarget[]>()
    for (const region of policy.regions.values())
      byRegion.set(region.name, this.#regionTargets(region.pipeline, indexOf))
    const router = new Router(policy, byRegion, this.#purposes, sealer, direct)
    this.routed.push({ connector, router })
    return { routes: router, policyVersion: policy.version }
  }

  #regionTargets(id: string, indexOf: (exporter: string) => number): RouteTarget[] {
    const pipeline = this.#config.pipelines.find((one) => one.id === id)!
    if (pipeline.processors.length > 0) {
      throw new ConfigError(
        `${id} has processors behind the residency connector`,
        ['service', 'pipelines', id, 'processors'],
        'Move them to the pipeline before the connector: what leaves is what the policy was applied to.',
      )
    }
    return pipeline.exporters.map((exporter) => this.#target(exporter, indexOf))
  }

  #target(exporter: string, indexOf: (exporter: string) => number): RouteTarget {
    return { destination: indexOf(exporter), purposes: this.#config.exporters.get(exporter)!.component.purposes }
  }
}

/** Runs `make`; a `ConfigError` gets the path of the section in front of its own. */
export function withPath<T>(path: readonly (string | number)[], make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(error.message, [...path, ...error.path], error.fix)
    throw error
  }
}
