/**
 * A static proof that no path brings a tenant's records of a purpose to a region where they may not be.
 *
 * It walks every way from a receiver to an exporter that the configuration has, and asks three things that must agree:
 * what the policy's words say (reach.ts), in which region the exporter says that it lies, and where the compiled route
 * of the program sends a record. One offence on one path is told with the whole path.
 */
import type { ConnectorSection, GatewayConfig, PipelineConfig } from '../../config/gateway_config.ts'
import type { Purposes } from '../contract.ts'
import { type Route, Router, type RouteTarget } from '../pipeline/residency.ts'
import type { Policy } from '../policy.ts'
import { createPurposes } from '../purposes.ts'
import { groupsOf, isInside, reachOf, type TenantGroup } from './reach.ts'

/** A way that records can take to leave this machine's memory. */
export interface Path {
  readonly steps: readonly string[]
  readonly exporter: string
  readonly region: string
  readonly jurisdictions: readonly string[]
}

export interface Proof {
  readonly holds: boolean
  readonly policies: readonly { connector: string; version: string; tenants: number; purposes: readonly string[] }[]
  readonly paths: readonly Path[]
  /** Where records rest on this machine on their way, encrypted: queues, dead letters, quarantine. */
  readonly rests: readonly string[]
  /** Exporters that send nothing anywhere. */
  readonly local: readonly string[]
  /** What breaks the policy, each with its path. */
  readonly offences: readonly string[]
}

export function checkResidency(config: GatewayConfig): Proof {
  const walk = new Walk(config)
  for (const pipeline of config.pipelines) {
    const receivers = pipeline.receivers.filter((id) => config.receivers.has(id))
    if (receivers.length > 0) walk.input(pipeline, receivers)
  }
  return walk.proof()
}

class Walk {
  readonly #config: GatewayConfig
  readonly #paths: Path[] = []
  readonly #offences = new Set<string>()
  readonly #used = new Set<ConnectorSection>()
  readonly #local = new Set<string>()
  readonly #sending = new Set<string>()

  constructor(config: GatewayConfig) {
    this.#config = config
  }

  proof(): Proof {
    if (this.#used.size === 0) this.#offences.add('there is no residency connector: nothing limits where records go')
    const policies = [...this.#used].map(({ id, policy }) => ({
      connector: id,
      version: policy.version,
      tenants: policy.tenants.size,
      purposes: [...policy.purposes.keys()].toSorted(),
    }))
    return {
      holds: this.#offences.size === 0,
      policies,
      paths: this.#paths,
      rests: [...[...this.#sending].flatMap((id) => [`queue of ${id}`, `dead letters of ${id}`]), 'quarantine'],
      local: [...this.#local],
      offences: [...this.#offences],
    }
  }

  input(pipeline: PipelineConfig, receivers: readonly string[]): void {
    const start = [receivers.join(', '), pipeline.id]
    for (const id of pipeline.exporters) {
      const connector = this.#config.connectors.get(id)
      if (connector !== undefined) this.#connector(connector, [...start, id])
      else if (this.#isLocal(id)) this.#local.add(id)
      else {
        this.#sending.add(id)
        this.#offences.add(`every tenant's records go around residency: ${[...start, id].join(' → ')}`)
      }
    }
  }

  #connector(connector: ConnectorSection, start: readonly string[]): void {
    const { policy } = connector
    this.#used.add(connector)
    const targets = new Map<string, RouteTarget[]>()
    const destinations: string[] = []
    for (const region of policy.regions.values()) {
      const steps = [...start, region.name, region.pipeline]
      const pipeline = this.#config.pipelines.find(({ id }) => id === region.pipeline)
      if (pipeline === undefined) this.#offences.add(`there is no such pipeline: ${steps.join(' → ')}`)
      const list = (pipeline?.exporters ?? []).map((id): RouteTarget => {
        this.#exporter(id, region.name, steps, policy)
        const known = destinations.indexOf(id)
        const destination = known === -1 ? destinations.push(id) - 1 : known
        return { destination, purposes: this.#config.exporters.get(id)?.component.purposes ?? 'merged' }
      })
      targets.set(region.name, list)
    }
    this.#judge(policy, start, targets, destinations)
  }

  #exporter(id: string, region: string, steps: readonly string[], policy: Policy): void {
    const way = [...steps, id].join(' → ')
    if (this.#config.connectors.has(id)) this.#offences.add(`records are routed on from a region: ${way}`)
    if (this.#isLocal(id)) {
      this.#local.add(id)
      return
    }
    this.#sending.add(id)
    const lies = this.#config.exporters.get(id)?.region
    if (lies === undefined) this.#offences.add(`${id} says of no region that it lies there: ${way}`)
    else if (lies !== region) this.#offences.add(`${id} lies in ${lies}, not in ${region}: ${way}`)
    const jurisdictions = policy.regions.get(lies ?? '')?.jurisdictions ?? []
    this.#paths.push({ steps: [...steps, id], exporter: id, region: lies ?? '', jurisdictions })
  }

  #judge(
    policy: Policy,
    start: readonly string[],
    targets: ReadonlyMap<string, readonly RouteTarget[]>,
    destinations: readonly string[],
  ): void {
    const purposes = createPurposes(policy.purposes.keys())
    const router = new Router(policy, targets, purposes, { seal: () => '' })
    for (const group of groupsOf(policy)) {
      const name = group.tenants[0] ?? someoneElse(policy)
      const all = purposes.names(2 ** policy.purposes.size - 1)
      const allowed = new Set(all.flatMap((purpose) => this.#allowed(group, purpose, policy, start)))
      // As it goes every day, and with each of the tenant's regions out of reach.
      for (const down of ['', ...group.rule.regions.slice(0, -1)]) {
        router.regionsDown = new Set([down])
        for (const set of [...all.map((purpose) => [purpose]), all]) {
          const may = set.length === 1 ? new Set(this.#allowed(group, set[0]!, policy, start)) : allowed
          this.#routed(router.route(name, purposesMask(set, purposes)), destinations, may, (place) =>
            this.#offences.add(`${who(group)}, ${set.join(' and ')}: is sent to ${place(start)}`),
          )
        }
      }
    }
  }

  /** Tells each copy of a route that ends outside the regions that it may reach. */
  #routed(
    route: Route,
    destinations: readonly string[],
    may: ReadonlySet<string>,
    tell: (place: (start: readonly string[]) => string) => void,
  ): void {
    if (route.is !== 'copies') return
    for (const { destination } of route.copies) {
      const exporter = destinations[destination]!
      const region = this.#config.exporters.get(exporter)?.region
      if (this.#isLocal(exporter) || (region !== undefined && may.has(region))) continue
      tell((start) => `${region ?? 'no region'}: ${[...start, exporter].join(' → ')}`)
    }
  }

  /** The regions that the policy's words allow; tells those outside the tenant's jurisdictions. */
  #allowed(group: TenantGroup, purpose: string, policy: Policy, start: readonly string[]): string[] {
    const outcome = reachOf(group.rule, purpose, policy)
    if (outcome.is !== 'goes') return []
    return outcome.to.flatMap(({ region }) => {
      if (isInside(group.rule, region, policy)) return [region]
      const lies = policy.regions.get(region)?.jurisdictions.join(', ') ?? 'nowhere'
      const limits = group.rule.jurisdictions?.join(', ') ?? 'any'
      this.#offences.add(
        `${who(group)}, ${purpose}: may be in ${limits}, ${region} lies in ${lies}: ${[...start, region].join(' → ')}`,
      )
      return []
    })
  }

  #isLocal(exporter: string): boolean {
    return this.#config.exporters.get(exporter)?.component.local === true
  }
}

const purposesMask = (names: readonly string[], purposes: Purposes): number =>
  names.reduce((mask, name) => mask | purposes.bit(name), 0)

/** A name that the policy does not list. */
function someoneElse(policy: Policy): string {
  let name = 'somebody else'
  while (policy.tenants.has(name)) name += '.'
  return name
}

export function who({ tenants }: TenantGroup, shownMax = 3): string {
  if (tenants.length === 0) return 'everybody else'
  const shown = tenants.slice(0, shownMax).join(', ')
  return tenants.length > shownMax ? `${shown} and ${tenants.length - shownMax} more` : shown
}
