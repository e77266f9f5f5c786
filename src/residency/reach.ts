/**
 * Where a tenant's records of a purpose may go, read off the policy's words: for people, for proofs, and to judge what
 * was queued under an older policy. It is written apart from the route (pipeline/residency.ts), so that one can be
 * held against the other.
 */
import type { ContentRule, Policy, Residency, TenantRule } from '../policy.ts'

/** A region, and what becomes of content there: `drop` is metadata only. */
export interface Reach {
  readonly region: string
  readonly content: ContentRule
  /** Only while the regions before it cannot be reached. */
  readonly isFailover?: true
}

export type Outcome =
  | { readonly is: 'goes'; readonly to: readonly Reach[] }
  | { readonly is: 'quarantine' }
  | { readonly is: 'reject' }

export function reachOf(rule: TenantRule, purpose: string, policy: Policy): Outcome {
  const own = rule.purposes.get(purpose)
  const residency: Residency = own?.residency ?? rule.residency
  const content = own?.content ?? policy.purposes.get(purpose)?.content
  const home = rule.regions[0]
  const { central } = policy
  if (residency === 'reject') return { is: 'reject' }
  if (residency === 'quarantine' || content === undefined) return { is: 'quarantine' }
  if (residency === 'central') {
    return central === undefined ? { is: 'quarantine' } : { is: 'goes', to: [{ region: central, content }] }
  }
  if (home === undefined) return { is: 'quarantine' }
  const to: Reach[] = rule.regions.map((region, i) => ({
    region,
    content,
    ...(i > 0 && { isFailover: true as const }),
  }))
  if (residency === 'split' && rule.centralPurposes.includes(purpose) && central !== home) {
    if (central === undefined) return { is: 'quarantine' }
    to.push({ region: central, content: 'drop' })
  }
  return { is: 'goes', to }
}

/** Whether a region lies in the tenant's jurisdictions; a tenant without any has no limit of his own. */
export function isInside(rule: TenantRule, region: string, policy: Policy): boolean {
  const places = policy.regions.get(region)?.jurisdictions
  return places !== undefined && (rule.jurisdictions?.some((place) => places.includes(place)) ?? true)
}

/** Tenants with one and the same rule, told once. The last entry is the default, for everybody else. */
export interface TenantGroup {
  /** Sorted; empty for the default. */
  readonly tenants: readonly string[]
  readonly rule: TenantRule
}

export function groupsOf(policy: Policy): TenantGroup[] {
  const byText = new Map<string, { tenants: string[]; rule: TenantRule }>()
  const texts = new Map<TenantRule, string>()
  for (const [tenant, rule] of policy.tenants) {
    const text = texts.get(rule) ?? JSON.stringify([rule, [...rule.purposes].toSorted()])
    texts.set(rule, text)
    const group = byText.get(text)
    if (group === undefined) byText.set(text, { tenants: [tenant], rule })
    else group.tenants.push(tenant)
  }
  const groups = [...byText.values()].map(({ tenants, rule }) => ({ tenants: tenants.toSorted(), rule }))
  return [...groups, { tenants: [], rule: policy.default }]
}
