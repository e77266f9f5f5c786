/**
 * Judges what waits in a queue under today's policy, where the connector says `strict_reroute`.
 *
 * A batch that was routed under another version may go on if each of its tenants' purposes may still be in that region,
 * with at least the content that the copy holds, and the attributes that it holds. A batch that does not say what it
 * holds may not.
 */
import type { ConnectorSection, ExporterSection, GatewayConfig } from '../../config/gateway_config.ts'
import type { Holding } from '../pipeline/parcel.ts'
import type { ContentRule, Policy } from '../policy.ts'
import { keysStillAllowed } from './keys_still_allowed.ts'
import { reachOf } from './reach.ts'

export function mayStillGo(
  config: GatewayConfig,
  exporter: ExporterSection,
  version: string,
  holdings: readonly Holding[] | undefined,
  body: Uint8Array,
): boolean {
  const connector = connectorTo(config, exporter)
  if (!connector?.options.strict_reroute || version === connector.policy.version) return true
  const region = exporter.region ?? ''
  if (holdings === undefined) return false
  const { policy } = connector
  return holdings.every((holding) => isAllowed(holding, region, policy)) && keysStillAllowed(body, policy)
}

/** The connector whose policy brings records to this exporter; undefined: none does any more. */
function connectorTo({ connectors, pipelines }: GatewayConfig, { id }: ExporterSection): ConnectorSection | undefined {
  const feeding = pipelines.filter(({ exporters }) => exporters.includes(id))
  return [...connectors.values()].find((connector) => feeding.some(({ receivers }) => receivers.includes(connector.id)))
}

const laxness: Record<ContentRule, number> = { drop: 0, encrypt: 1, keep: 2 }

function isAllowed({ tenant, purposes, content }: Holding, region: string, policy: Policy): boolean {
  const rule = policy.tenants.get(tenant) ?? policy.default
  let laxest = 0
  for (const purpose of purposes) {
    const outcome = reachOf(rule, purpose, policy)
    const here = outcome.is === 'goes' ? outcome.to.filter((reach) => reach.region === region) : []
    if (here.length === 0) return false
    laxest = Math.max(laxest, ...here.map((reach) => laxness[reach.content]))
  }
  return laxness[content] <= laxest
}
