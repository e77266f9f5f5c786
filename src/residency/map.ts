/** The map of a policy as plain values: who, for what, where, in which form, how long. What draws it is beside it. */
import type { ConnectorSection, GatewayConfig } from '../../config/gateway_config.ts'
import type { ContentRule } from '../policy.ts'
import { who } from './check.ts'
import { groupsOf, type Reach, reachOf } from './reach.ts'

export interface ResidencyMap {
  readonly policy_version: string
  readonly regions: readonly MapRegion[]
  readonly purposes: readonly string[]
  readonly rows: readonly MapRow[]
}
export interface MapRegion {
  readonly name: string
  readonly jurisdictions: readonly string[]
  readonly central: boolean
  readonly pipeline: string
  readonly exporters: readonly string[]
}
/** Tenants with the same rule. */
export interface MapRow {
  /** For people: names, shortened. */
  readonly who: string
  /** All names; empty: everybody else. */
  readonly tenants: readonly string[]
  readonly residency: string
  readonly jurisdictions: readonly string[] | undefined
  readonly cells: readonly MapCell[]
}
export interface MapCell {
  readonly purpose: string
  readonly outcome: 'goes' | 'quarantine' | 'reject'
  readonly to: readonly { region: string; form: (typeof forms)[ContentRule]; failover?: true }[]
  readonly retention: string
}

/** What a reader of the map calls the forms of a copy. */
export const forms = { keep: 'in the clear', encrypt: 'content sealed', drop: 'metadata only' } as const

export function residencyMap({ policy }: ConnectorSection, config: GatewayConfig): ResidencyMap {
  const purposes = [...policy.purposes.keys()].toSorted()
  return {
    policy_version: policy.version,
    regions: [...policy.regions.values()].map(({ name, jurisdictions, central, pipeline }) => ({
      name,
      jurisdictions,
      central,
      pipeline,
      exporters: config.pipelines.find(({ id }) => id === pipeline)?.exporters ?? [],
    })),
    purposes,
    rows: groupsOf(policy).map((group) => ({
      who: who(group, 5),
      tenants: group.tenants,
      residency: group.rule.residency,
      jurisdictions: group.rule.jurisdictions,
      cells: purposes.map((purpose) => {
        const outcome = reachOf(group.rule, purpose, policy)
        const retention = group.rule.purposes.get(purpose)?.retention ?? policy.purposes.get(purpose)!.retention
        const to = outcome.is === 'goes' ? outcome.to.map(shown) : []
        return { purpose, outcome: outcome.is, to, retention: retention.text }
      }),
    })),
  }
}

const shown = ({ region, content, isFailover }: Reach) => ({
  region,
  form: forms[content],
  ...(isFailover && { failover: isFailover }),
})

/** One line from a row to a region: which purposes go there, and how. */
export interface MapEdge {
  readonly row: number
  /** A region's name; or what happens instead. */
  readonly to: string
  readonly form: string
  readonly purposes: readonly string[]
}

export function edgesOf({ rows }: ResidencyMap): MapEdge[] {
  return rows.flatMap(({ cells }, row) => {
    const edges = new Map<string, { to: string; form: string; purposes: string[] }>()
    for (const { purpose, outcome, to } of cells) {
      const ends: { region: string; form: string; failover?: true }[] =
        outcome === 'goes' ? [...to] : [{ region: outcome, form: '' }]
      for (const { region, form: plainForm, failover } of ends) {
        const form = failover ? `${plainForm}, failing over` : plainForm
        const edge = edges.get(`${region}\n${form}`) ?? { to: region, form, purposes: [] }
        edge.purposes.push(purpose)
        edges.set(`${region}\n${form}`, edge)
      }
    }
    return [...edges.values()].map((edge) => ({ row, ...edge }))
  })
}
