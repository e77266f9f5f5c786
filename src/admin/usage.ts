/**
 * What tenants used this month, and what they may: for a service that stops at a limit. Counts come from the stores, as
 * `douane meter` shows them.
 *
 * A record is counted once for each purpose and in each store that has a copy. So what was used of an event is the
 * largest count that one region has of it for one purpose; of regions that stand in for each other, it is their sum.
 */
import type { FastifyInstance } from 'fastify'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import { logAdmin } from '../../exporters/postgres/roles.ts'
import { type StorePlace, withStore } from '../../exporters/postgres/session.ts'
import { readUsage, type Usage } from '../../exporters/postgres/usage.ts'
import { dayAround, dayName } from '../calendar.ts'
import { ConfigError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { TenantRule } from '../policy.ts'

interface Limit {
  readonly event: string
  readonly limit: number
  readonly used: number
  readonly remaining: number
}

/** What `/v1/usage` answers. */
export interface UsageAnswer {
  readonly tenant: string
  readonly month: string
  readonly limits: readonly Limit[]
  readonly usage: readonly (Omit<Usage, 'tenant' | 'period'> & { readonly store: string })[]
}

type NamedStore = StorePlace & { readonly id: string }

export interface UsageSource {
  config(): GatewayConfig
  stores(): readonly NamedStore[]
}

/** `GET /v1/usage?tenant=acme&month=2026-11`; without a month, this one. */
export function usageRoutes(app: FastifyInstance, source: UsageSource): void {
  const recent = new Map<string, { atMs: number; answer: Promise<UsageAnswer> }>()
  app.get<{ Querystring: { tenant?: string; month?: string } }>('/v1/usage', ({ query }) => {
    const { tenant, month = monthNow(source.config()) } = query
    if (tenant === undefined) throw new ConfigError('tenant is missing', [], 'Ask for /v1/usage?tenant=NAME.')
    if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(month)) throw new ConfigError('month is no month such as 2026-11')
    const key = `${month} ${tenant}`
    const known = recent.get(key)
    const nowMs = Date.now()
    // A service may ask before each of its requests: the stores are asked once in a while.
    if (known && nowMs - known.atMs < limits.usageAnswerMs) return known.answer
    if (recent.size >= limits.usageAnswersMax) recent.clear()
    const answer = answerOf(source, tenant, month)
    recent.set(key, { atMs: nowMs, answer })
    answer.catch(() => recent.delete(key))
    return answer
  })
}

const policiesOf = (config: GatewayConfig) => [...config.connectors.values()].map(({ policy }) => policy)

function monthNow(config: GatewayConfig): string {
  const zone = policiesOf(config).find(({ timeZone }) => timeZone !== undefined)?.timeZone
  return dayName(dayAround(Date.now(), zone)).slice(0, 7)
}

async function answerOf({ config, stores }: UsageSource, tenant: string, month: string): Promise<UsageAnswer> {
  const since = `${month}-01`
  const next = new Date(`${since}T00:00:00Z`)
  next.setUTCMonth(next.getUTCMonth() + 1)
  const query = { tenant, since, until: next.toISOString().slice(0, 10), by: 'month' } as const
  const usage: UsageAnswer['usage'][number][] = []
  for (const store of stores()) {
    for (const { purpose, event, records } of await readStore(store, query)) {
      usage.push({ store: store.id, purpose, event, records })
    }
  }
  return { tenant, month, limits: limitsOf(config(), tenant, usage), usage }
}

const readStore = (store: NamedStore, query: Parameters<typeof readUsage>[2]): Promise<Usage[]> =>
  withStore(store, (client, schema) => readUsage(client, schema, query), logAdmin)

/** Of several policies the smallest limit counts. */
function limitsOf(config: GatewayConfig, tenant: string, usage: UsageAnswer['usage']): Limit[] {
  const smallest = new Map<string, number>()
  const rules = policiesOf(config).map((policy) => ({ policy, rule: policy.tenants.get(tenant) ?? policy.default }))
  for (const { rule } of rules) {
    for (const [event, limit] of Object.entries(rule.usageLimits ?? {})) {
      smallest.set(event, Math.min(smallest.get(event) ?? limit, limit))
    }
  }
  const regionOf = (store: string) => config.exporters.get(store)?.region ?? ''
  return [...smallest].map(([event, limit]) => {
    const ofEvent = usage.filter((each) => each.event === event)
    const used = Math.max(...rules.map(({ policy, rule }) => usedOf(ofEvent, rule, policy.central, regionOf)))
    return { event, limit, used, remaining: Math.max(limit - used, 0) }
  })
}

/** How often an event was, by the counts of all stores: for the purpose that has it most often. */
export function usedOf(
  counts: readonly Pick<UsageAnswer['usage'][number], 'store' | 'purpose' | 'records'>[],
  rule: Pick<TenantRule, 'regions' | 'residency' | 'centralPurposes' | 'purposes'>,
  central: string | undefined,
  regionOf: (store: string) => string,
): number {
  let most = 0
  for (const [purpose, stores] of Map.groupBy(counts, (each) => each.purpose)) {
    const regions = new Map<string, number>()
    for (const { store, records } of stores) {
      const region = regionOf(store)
      regions.set(region, Math.max(regions.get(region) ?? 0, records))
    }
    const residency = rule.purposes.get(purpose)?.residency ?? rule.residency
    const hasAll = residency === 'split' && rule.centralPurposes.includes(purpose) ? central : undefined
    // A region that stands in has what its predecessor has not. The central one has copies of all.
    let chain = 0
    for (const region of rule.regions) if (region !== hasAll) chain += regions.get(region) ?? 0
    most = Math.max(most, chain, ...regions.values())
  }
  return most
}
