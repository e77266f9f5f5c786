/**
 * The residency route: which destinations get a copy of a record, and in which form, by its tenant and its purposes.
 *
 * What a policy says is compiled once per (tenant, purposes) into a route; routing a record is then a look-up. Fail
 * closed: no purpose, a purpose that the policy does not know, a tenant without a rule of its own under a default of
 * `quarantine`, or a region without a destination never end in a copy.
 */
import type { Purposes, Sealer } from '../contract.ts'
import { limits } from '../limits.ts'
import type { Form } from '../otlp/splice.ts'
import type { Policy, Residency, TenantRule } from '../policy.ts'
import { buildForm, type CopyForm } from './forms.ts'

/** A destination as the route sees it: an exporter of a region's pipeline. */
export interface RouteTarget {
  /** Index of the destination in the gateway's list. */
  readonly destination: number
  /** `apart`: one copy a purpose. `merged`: one copy in all. */
  readonly purposes: 'apart' | 'merged'
}

let copiesMade = 0

/** One copy that a record gets. */
export class RoutedCopy {
  readonly destination: number
  readonly form: CopyForm
  /** Of all copies of one record exactly one counts in the account: the first. */
  readonly counts: boolean
  /** Its own, of all that were ever made. */
  readonly id = ++copiesMade
  /** The form's place in the plan that is being filled, as long as `sorting` is the number of that sorting. */
  place = 0
  sorting = 0

  constructor(destination: number, form: CopyForm, counts: boolean) {
    this.destination = destination
    this.form = form
    this.counts = counts
  }
}

export type Route =
  | { readonly is: 'copies'; readonly copies: readonly RoutedCopy[] }
  | { readonly is: 'quarantine'; readonly reason: string }
  | { readonly is: 'reject'; readonly reason: string }

const nowhere: Route = { is: 'quarantine', reason: 'no_purpose' }

/** All routes of a tenant that were used so far, by purposes. */
export class TenantRoutes {
  readonly byMask = new Map<number, Route>()
  /** The one that was asked for last: it is here, where it costs no look into the map. -1: none yet. */
  lastMask = -1
  last: Route = nowhere
  /** The last route's copies, at hand. A route of copies has one at least: without one it is none of copies. */
  first: RoutedCopy | undefined
  others: readonly RoutedCopy[] = []
  /** The sorting that met the tenant last: who meets it twice in one has to add up. */
  sorting = 0

  turnTo(mask: number, route: Route): void {
    this.lastMask = mask
    this.last = route
    this.first = route.is === 'copies' ? route.copies[0] : undefined
    this.others = route.is === 'copies' ? route.copies.slice(1) : []
  }
}

/** What one region gets of a record: purposes with their own content rule, and purposes without content. */
interface Share {
  full: number
  metadata: number
}

/** What an exporter beside the connector gets: it only counts. */
const withoutContent: Form = { content: 'drop', appendix: Buffer.alloc(0), seal: () => '' }

export class Router {
  readonly #policy: Policy
  readonly #targets: ReadonlyMap<string, readonly RouteTarget[]>
  readonly #purposes: Purposes
  readonly #sealer: Sealer
  readonly #local: readonly RouteTarget[]
  readonly #letsStrangersOut: boolean
  readonly #routes = new Map<string, TenantRoutes>()
  #down: ReadonlySet<string> = new Set()
  #count = 0

  /** `targets`: by region, the destinations of its pipeline. `local`: exporters beside the connector that send nothing. */
  constructor(
    policy: Policy,
    targets: ReadonlyMap<string, readonly RouteTarget[]>,
    purposes: Purposes,
    sealer: Sealer,
    local: readonly RouteTarget[] = [],
  ) {
    this.#local = local
    this.#policy = policy
    const { residency, purposes: overrides } = policy.default
    this.#letsStrangersOut = [residency, ...[...overrides.values()].map((one) => one.residency ?? residency)].some(
      (one) => one !== 'quarantine' && one !== 'reject',
    )
    this.#targets = targets
    this.#purposes = purposes
    this.#sealer = sealer
  }

  get policyVersion(): string {
    return this.#policy.version
  }

  /** Regions that cannot be reached: tenants with several regions go to their next one, until this is told anew. */
  set regionsDown(down: ReadonlySet<string>) {
    if (down.size === this.#down.size && [...down].every((region) => this.#down.has(region))) return
    this.#down = down
    this.#routes.clear()
    this.#count = 0
  }

  /** Look here first. `''` is nobody. */
  routesOf(tenant: string): TenantRoutes {
    // A name that is kept is the right one: only what is not there has to be asked for.
    let routes = this.#routes.get(tenant)
    if (routes !== undefined) return routes
    const named = this.#named(tenant)
    routes = this.#routes.get(named)
    if (routes === undefined) {
      routes = new TenantRoutes()
      this.#routes.set(named, routes)
    }
    return routes
  }

  /** The route of a tenant's record with these purposes, compiled on first use. */
  route(tenant: string, mask: number, routes = this.routesOf(tenant)): Route {
    const known = routes.byMask.get(mask)
    if (known !== undefined) return known
    if (this.#count++ > limits.routesMax) {
      this.#routes.clear()
      this.#count = 0
    }
    const route = this.#compile(this.#named(tenant), mask)
    routes.byMask.set(mask, route)
    return route
  }

  /**
   * Under which name a tenant's routes are kept. A copy says whose it is, and is sealed for him alone, also where the
   * default lets tenants out that the policy does not list; where it does not, strangers share one entry.
   */
  #named(tenant: string): string {
    return this.#letsStrangersOut || this.#policy.tenants.has(tenant) ? tenant : ''
  }

  #compile(tenant: string, mask: number): Route {
    const rule = this.#policy.tenants.get(tenant) ?? this.#policy.default
    if (mask === 0) return nowhere
    const names = this.#purposes.names(mask)
    const unknown = names.find((name) => !this.#policy.purposes.has(name))
    if (unknown !== undefined) return { is: 'quarantine', reason: 'unknown_purpose' }
    const residencies = names.map((name) => rule.purposes.get(name)?.residency ?? rule.residency)
    if (residencies.includes('reject')) return { is: 'reject', reason: 'refused by the residency policy' }
    const isKnown = this.#policy.tenants.has(tenant)
    if (residencies.includes('quarantine')) {
      return { is: 'quarantine', reason: isKnown ? 'tenant_quarantined' : 'unknown_tenant' }
    }
    const shares = new Map<string, Share>()
    for (const [i, name] of names.entries()) this.#share(shares, rule, residencies[i]!, name)
    // All of the copies or none: a purpose without a place would be lost behind the others.
    for (const region of shares.keys()) {
      if (!this.#targets.get(region)?.length) return { is: 'quarantine', reason: 'no_destination' }
    }
    const copies = this.#copies(tenant, rule, shares)
    for (const { destination } of this.#local) copies.push(new RoutedCopy(destination, withoutContent, false))
    return { is: 'copies', copies }
  }

  #share(shares: Map<string, Share>, rule: TenantRule, residency: Residency, purpose: string): void {
    const bit = this.#purposes.bit(purpose)
    // Where all are down, records wait for the first.
    const home = rule.regions.find((region) => !this.#down.has(region)) ?? rule.regions[0]
    const { central } = this.#policy
    const add = (region = '', kind: keyof Share) => {
      const share = shares.get(region) ?? { full: 0, metadata: 0 }
      share[kind] |= bit
      shares.set(region, share)
    }
    if (residency === 'central') add(central, 'full')
    else add(home, 'full')
    if (residency === 'split' && central !== home && rule.centralPurposes.includes(purpose)) {
      add(central, 'metadata')
    }
  }

  #copies(tenant: string, rule: TenantRule, shares: ReadonlyMap<string, Share>): RoutedCopy[] {
    const copies: RoutedCopy[] = []
    // Exporters of one region that get the same share one form: so it can be seen that their bytes are the same.
    const forms = new Map<string, CopyForm>()
    const formOf = (region: string, mask: number, withoutContent: boolean): CopyForm => {
      const key = `${mask} ${withoutContent} ${region}`
      const spec = { tenant, rule, region, mask, withoutContent }
      const form = forms.get(key) ?? buildForm(spec, this.#policy, this.#purposes, this.#sealer)
      forms.set(key, form)
      return form
    }
    for (const [region, share] of shares) {
      for (const target of this.#targets.get(region) ?? []) {
        // A region that may hold some purposes with content and others without gets two copies, never a mixture.
        for (const withoutContent of [false, true]) {
          const mask = withoutContent ? share.metadata : share.full
          for (const part of target.purposes === 'apart' ? bits(mask) : mask === 0 ? [] : [mask]) {
            const form = formOf(region, part, withoutContent)
            copies.push(new RoutedCopy(target.destination, form, copies.length === 0))
          }
        }
      }
    }
    return copies
  }
}

export function bits(mask: number): number[] {
  const found: number[] = []
  for (let bit = 1; bit <= mask && bit > 0; bit <<= 1) if ((mask & bit) !== 0) found.push(bit)
  return found
}
