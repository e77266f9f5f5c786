/**
 * Which regions cannot be reached, so that tenants with several go to their next one; and back once it answers again.
 *
 * A region is out of reach while one of its destinations cannot write its queue, or has not delivered anything for
 * `failover_after` although something waits; one without a queue, while its circuit breaker is open.
 */
import type { ConnectorSection, GatewayConfig } from '../../config/gateway_config.ts'
import type { Log } from '../contract.ts'
import type { DestinationState } from '../pipeline/parcel.ts'
import type { Router } from '../pipeline/residency.ts'

type States = ReadonlyMap<string, DestinationState>

export interface RoutedConnector {
  readonly connector: ConnectorSection
  readonly router: Router
}

export class FailOver {
  readonly #log: Log
  readonly #down = new Map<string, ReadonlySet<string>>()

  constructor(log: Log) {
    this.#log = log
  }

  /** Looks at all destinations and tells the routers. */
  look(routed: readonly RoutedConnector[], config: GatewayConfig, states: States, nowMs: number): void {
    for (const { connector, router } of routed) {
      const before = this.#down.get(connector.id) ?? new Set()
      const down = regionsDown(connector, config, states, nowMs)
      for (const region of down) if (!before.has(region)) this.#log.warn('region_out_of_reach', { region })
      for (const region of before) if (!down.has(region)) this.#log.info('region_is_back', { region })
      this.#down.set(connector.id, down)
      router.regionsDown = down
    }
  }
}

export function regionsDown(
  { policy, options }: ConnectorSection,
  { pipelines, exporters }: GatewayConfig,
  states: States,
  nowMs: number,
): Set<string> {
  const down = new Set<string>()
  for (const { name, pipeline } of policy.regions.values()) {
    const ids = pipelines.find(({ id }) => id === pipeline)?.exporters ?? []
    const isDown = ids.some((id) => {
      const state = states.get(id)
      return (
        state !== undefined && isOut(state, exporters.get(id)?.queue.enabled !== false, nowMs, options.failover_after)
      )
    })
    if (isDown) down.add(name)
  }
  return down
}

function isOut(state: DestinationState, hasQueue: boolean, nowMs: number, afterMs: number): boolean {
  if (state.diskFailing !== undefined) return true
  if (!hasQueue) return state.breaker === 'open'
  if (state.queuedRecords === 0) return false
  const stuckMs = state.stuckSinceMs === undefined ? 0 : nowMs - state.stuckSinceMs
  return stuckMs >= afterMs || (!state.exporterStarted && state.oldestAgeMs >= afterMs)
}
