/**
 * A residency policy as plain, checked values: what `residency.yaml` says, with its defaults filled in.
 *
 * `config/residency.ts` makes it and refuses what contradicts itself, so whoever holds a Policy may rely on this:
 * every region, purpose and pipeline that is named exists; a tenant that needs a region has one; every region that a
 * tenant's records may reach lies inside its jurisdictions; where anybody's records go central there is a central region.
 *
 * It is data only (maps, arrays, texts), so that it can be loaded in a worker thread and handed over.
 */
import { compareRetention, inZone, type Retention } from './units.ts'

/**
 * Where a tenant's records may be.
 * - `local`: its own region only. `central`: the central region only.
 * - `split`: everything in its own region; of `centralPurposes`, metadata without content in the central region too.
 * - `quarantine`: accepted, kept encrypted on the gateway. `reject`: refused.
 */
export type Residency = 'local' | 'central' | 'split' | 'quarantine' | 'reject'

/** What happens to content in a purpose's copy. From strict to lax: `drop`, `encrypt`, `keep`. */
export type ContentRule = 'drop' | 'encrypt' | 'keep'

export interface Policy {
  /** 16 hex digits: the start of the SHA-256 of the canonical content. Comments and order of keys do not count. */
  readonly version: string
  readonly regions: ReadonlyMap<string, Region>
  readonly purposes: ReadonlyMap<string, PurposeRule>
  readonly tenants: ReadonlyMap<string, TenantRule>
  /** For a tenant that is not listed, and for records without one. */
  readonly default: TenantRule
  /** The name of the central region, where there is one. */
  readonly central?: string
  /** Whose calendar months are counted on. Undefined: UTC's. */
  readonly timeZone?: string
}

export interface Region {
  readonly name: string
  /** Where it lies, from near to wide: `[DE, EU]`. */
  readonly jurisdictions: readonly string[]
  /** The pipeline's id: `logs/eu_de`. */
  readonly pipeline: string
  readonly central: boolean
}

export interface PurposeRule {
  readonly name: string
  readonly description: string
  readonly retention: Retention
  readonly content: ContentRule
  /** How long daily counts of its records are kept. Undefined: as long as the records. */
  readonly counts?: Retention
  /** Attribute keys (`http.*` allowed) that this purpose's copies may hold. Undefined: all. */
  readonly allowedKeys?: readonly string[]
}

export interface TenantRule {
  readonly residency: Residency
  /** The primary region first, then those to fail over to. Empty for `central`, `quarantine`, `reject`. */
  readonly regions: readonly string[]
  /** Of `split` only; empty otherwise. */
  readonly centralPurposes: readonly string[]
  /** Undefined: no limit of its own. A region is inside when one of its jurisdictions is listed. */
  readonly jurisdictions?: readonly string[]
  /** What differs for this tenant, by purpose: only ever shorter and stricter than the purpose's own rule. */
  readonly purposes: ReadonlyMap<string, TenantPurpose>
  /** Records of an event a calendar month, for who asks; nothing is refused because of it. */
  readonly usageLimits?: Readonly<Record<string, number>>
}

export interface TenantPurpose {
  /** Instead of the tenant's. `quarantine` and `reject` hold the whole record, whatever its other purposes say. */
  readonly residency?: Residency
  readonly retention?: Retention
  readonly content?: ContentRule
}

/**
 * How long a tenant's records of a purpose are kept, as written, with the policy's time zone behind it (`parseRetention`);
 * undefined where no policy knows the purpose. Of several policies the shortest counts: nothing may outlive what one of
 * them promises.
 */
export function retentionIn(policies: readonly Policy[]): (purpose: string, tenant: string) => string | undefined {
  return (purpose, tenant) => {
    const found = policies.flatMap((policy) => {
      const rule = policy.tenants.get(tenant) ?? policy.default
      const retention = rule.purposes.get(purpose)?.retention ?? policy.purposes.get(purpose)?.retention
      return retention ? inZone(retention, policy.timeZone) : []
    })
    return found.sort(compareRetention)[0]?.text
  }
}

/** How long daily counts of a purpose's records are kept, where a policy says so; the shortest of several. */
export function countsIn(policies: readonly Policy[]): (purpose: string) => string | undefined {
  return (purpose) => {
    const found = policies.flatMap(({ purposes, timeZone }) => {
      const counts = purposes.get(purpose)?.counts
      return counts ? inZone(counts, timeZone) : []
    })
    return found.sort(compareRetention)[0]?.text
  }
}
