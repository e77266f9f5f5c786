/**
 * Brings the plans of one request to where they go: spliced once for all destinations that get the very same bytes.
 */
import type { LogsRequest } from '../otlp/request.ts'
import { Splicer } from '../otlp/splice.ts'
import type { Account, Tally } from './account.ts'
import { type FanOut, isSamePlan, type OpenPlan } from './fan_out.ts'
import type { Held } from './half_accepted.ts'
import type { Incoming } from './inbound.ts'
import type { Parcel, QueueRefusal, TenantCounts } from './parcel.ts'

/** Where a plan's bytes go: a destination, or the quarantine. */
export interface Target {
  readonly id: string
  offer(parcel: Parcel): Promise<void>
  /** Whether it would refuse a parcel of about this size now, as far as it knows beforehand. */
  refusal?(records: number, bytes: number, owner?: string): QueueRefusal | undefined
}

/** Offers the same bytes to several targets, by id; `tenants`: the counts of each. Gives what `offer` gives for each. */
export type Share = (ids: readonly string[], parcel: Parcel, tenants: readonly TenantCounts[]) => Promise<void>[]

/** A plan's copy on its way to where it goes. */
export interface Offered {
  readonly target: Target
  readonly tenants: TenantCounts
  /** See `OpenPlan.selection`; 0 where there is only one plan. */
  readonly selection: number
  /** Undefined: an earlier try of the same request has brought it already. */
  readonly arrival: Promise<void> | undefined
}

/** What one try of a request knows and leaves behind. */
export interface Try {
  readonly incoming: Incoming
  /** The digest to remember it by, where one was needed already; and what earlier tries left at destinations. */
  readonly key: string | undefined
  readonly held: Held | undefined
  readonly offered: Offered[]
  readonly tallies: [tenant: string, tally: Tally][]
}

export interface OffersOptions {
  readonly id: string
  readonly policyVersion: string
  readonly tellsHoldings?: boolean
  readonly targets: readonly Target[]
  readonly quarantine: Target
  readonly account: Account
  readonly share?: Share | undefined
  /** Fields that cannot be sealed are left out, and told; else the splice throws. */
  readonly dropsUnsealed: boolean
  readonly onUnsealed: (fields: number) => void
}

export class Offers {
  readonly #options: OffersOptions
  readonly #fanOut: FanOut
  readonly #splicer = new Splicer()
  #unsealedSeen = 0

  constructor(options: OffersOptions, fanOut: FanOut) {
    this.#options = options
    this.#fanOut = fanOut
    this.#splicer.sealer.dropsUnsealed = options.dropsUnsealed
  }

  /** Asks every destination for room before any gets its copy. The longest wait of those that have none. */
  refusal(request: LogsRequest, { incoming, held }: Try): QueueRefusal | undefined {
    const { targets } = this.#options
    let longest: QueueRefusal | undefined
    for (let i = 0; i < targets.length; i++) {
      const { id, refusal } = targets[i]!
      const plan = this.#fanOut.plans[i]!
      if (plan.count === 0 || refusal === undefined || has(held, id, plan)) continue
      const bytes = Math.ceil((incoming.body.length * plan.count) / request.records.count)
      const refused = refusal(plan.count, bytes, plan.owner)
      if (refused !== undefined && refused.retryAfterMs > (longest?.retryAfterMs ?? -1)) longest = refused
    }
    return longest
  }

  /** Offers every plan to its target. Throws what sealing throws; what was offered before is in `one.offered`. */
  all(request: LogsRequest, one: Try): void {
    const { targets, quarantine, share } = this.#options
    const { plans, quarantine: aside } = this.#fanOut
    let used = aside.count > 0 ? 1 : 0
    for (const plan of plans) if (plan.count > 0) used++
    const isOneOfSeveral = used > 1
    const isOffered: boolean[] = []
    for (let i = 0; i < targets.length; i++) {
      const plan = plans[i]!
      if (plan.count === 0 || isOffered[i]) continue
      const alike = [i]
      for (let j = i + 1; share !== undefined && j < targets.length; j++) {
        if (!isOffered[j] && !has(one.held, targets[j]!.id, plans[j]!) && isSamePlan(plan, plans[j]!)) alike.push(j)
      }
      if (alike.length === 1 || has(one.held, targets[i]!.id, plan)) {
        this.#offer(request, targets[i]!, plan, one, isOneOfSeveral)
        continue
      }
      for (const j of alike) isOffered[j] = true
      this.#offerAlike(request, alike, one, share!)
    }
    this.#offer(request, quarantine, aside, one, isOneOfSeveral)
  }

  #offer(request: LogsRequest, target: Target, plan: OpenPlan, { held, offered }: Try, isOneOfSeveral: boolean): void {
    if (plan.count === 0) return
    const { tenants } = plan
    const selection = isOneOfSeveral ? plan.selection : 0
    if (has(held, target.id, plan)) {
      offered.push({ target, tenants, selection, arrival: undefined })
      return
    }
    const isQuarantine = target === this.#options.quarantine
    const arrival = target.offer({ ...this.#parcel(request, plan, isQuarantine), tenants })
    offered.push({ target, tenants: isQuarantine ? inQuarantine : tenants, selection, arrival })
    if (!isQuarantine) this.#options.account.enter(tenants)
  }

  /** One splice, and where it can be one write, for all of them. */
  #offerAlike(request: LogsRequest, alike: readonly number[], { offered }: Try, share: Share): void {
    const { targets, account } = this.#options
    const plans = alike.map((i) => this.#fanOut.plans[i]!)
    const tenants = plans.map((plan) => plan.tenants)
    const parcel = { ...this.#parcel(request, plans[0]!, false), tenants: tenants[0]! }
    const ids = alike.map((i) => targets[i]!.id)
    for (const [i, arrival] of share(ids, parcel, tenants).entries()) {
      const { selection } = plans[i]!
      offered.push({ target: targets[alike[i]!]!, tenants: tenants[i]!, selection, arrival })
      account.enter(tenants[i]!)
    }
  }

  #parcel(request: LogsRequest, plan: OpenPlan, isQuarantine: boolean): Omit<Parcel, 'tenants'> {
    const { id, policyVersion, tellsHoldings, onUnsealed } = this.#options
    const body = this.#splicer.splice(request, plan)
    const { unsealed } = this.#splicer.sealer
    if (unsealed > this.#unsealedSeen) onUnsealed(unsealed - this.#unsealedSeen)
    this.#unsealedSeen = unsealed
    return {
      body,
      records: plan.count,
      policyVersion: isQuarantine ? id : policyVersion,
      owner: plan.owner,
      ...(tellsHoldings && !isQuarantine && { holdings: plan.holdings }),
    }
  }
}

/** Stands for the parcel of the quarantine, which the tallies count. */
const inQuarantine: TenantCounts = []

const has = (held: Held | undefined, id: string, plan: OpenPlan): boolean =>
  held !== undefined && held.get(id) === plan.selection
