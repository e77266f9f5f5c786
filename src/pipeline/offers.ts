/**
 * Brings the plans of one request to where they go: spliced once for all destinations that get the very same bytes.
 */
import { type LogsRequest, RECORD_ROW, RecordCol, SCOPE_ROW, ScopeCol } from '../otlp/request.ts'
import { Splicer } from '../otlp/splice.ts'
import type { Account, Tally } from './account.ts'
import { type FanOut, isSamePlan, type OpenPlan } from './fan_out.ts'
import type { CopyForm } from './forms.ts'
import type { Held } from './half_accepted.ts'
import type { Incoming } from './inbound.ts'
import type { Parcel, QueueRefusal, TenantCounts } from './parcel.ts'

/** Where a plan's bytes go: a destination, or the quarantine. */
export interface Target {
  readonly id: string
  /** The destination itself has to answer: there is no queue that a copy is safe in. */
  readonly isUncertain?: boolean
  /** Copies that may be dropped where there is no room for them. */
  readonly mayDrop?: ((tenant: string, purposes: readonly string[]) => boolean) | undefined
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

/** One request being offered. */
interface Pass {
  readonly request: LogsRequest
  readonly one: Try
  readonly isOneOfSeveral: boolean
  /** Nothing is offered before this has resolved. */
  readonly after: Promise<unknown> | undefined
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
  refusal(request: LogsRequest, one: Try): QueueRefusal | undefined {
    const { incoming, held } = one
    const { targets, quarantine } = this.#options
    const asked: string[] = []
    let longest: QueueRefusal | undefined
    for (let i = 0; i < targets.length; i++) {
      const target = targets[i]!
      const plan = this.#fanOut.plans[i]!
      if (plan.count === 0 || has(held, target.id, plan)) continue
      asked.push(target.id)
      let refused = refusalOf(target, plan, request, incoming)
      if (refused !== undefined && target.mayDrop !== undefined && isForRoom(refused)) {
        drop(request, plan, target.mayDrop, one)
        refused = plan.count === 0 ? undefined : refusalOf(target, plan, request, incoming)
      }
      if (refused !== undefined && refused.retryAfterMs > (longest?.retryAfterMs ?? -1)) longest = refused
    }
    if (longest === undefined) for (const id of asked) incoming.partOf?.roomAt.add(id)
    const { quarantine: aside } = this.#fanOut
    if (aside.count === 0 || has(held, quarantine.id, aside)) return longest
    return longest ?? quarantine.refusal?.(aside.count, incoming.body.length)
  }

  /**
   * Offers every plan to its target; where the destination itself has to answer, those first, and the others once they
   * have: what is in a queue is there to stay, and must not come a second time because somebody else said no.
   * Throws what sealing throws; what was offered before is in `one.offered`.
   */
  all(request: LogsRequest, one: Try): void {
    const { targets, quarantine } = this.#options
    const { plans, quarantine: aside } = this.#fanOut
    let used = aside.count > 0 ? 1 : 0
    for (const plan of plans) if (plan.count > 0) used++
    const isOneOfSeveral = used > 1
    const isUncertain = (i: number) => targets[i]!.isUncertain === true
    const pass = { request, one, isOneOfSeveral }
    this.#offerEach({ ...pass, after: undefined }, isUncertain)
    const arrivals = one.offered.flatMap(({ arrival }) => arrival ?? [])
    const after = arrivals.length > 0 ? Promise.all(arrivals) : undefined
    // Where nothing comes after, those who wait for the arrivals hear of it.
    after?.catch(() => undefined)
    this.#offerEach({ ...pass, after }, (i) => !isUncertain(i))
    this.#offer(quarantine, aside, { ...pass, after })
  }

  #offerEach(pass: Pass, isMeant: (target: number) => boolean): void {
    const { targets, share } = this.#options
    const { plans } = this.#fanOut
    const { held } = pass.one
    const left = plans.flatMap(({ count }, i) => (count > 0 && isMeant(i) ? i : []))
    for (let i = left.shift(); i !== undefined; i = left.shift()) {
      const plan = plans[i]!
      const isHere = has(held, targets[i]!.id, plan)
      const alike = left.filter((j) => !has(held, targets[j]!.id, plans[j]!) && isSamePlan(plan, plans[j]!))
      if (share === undefined || isHere || alike.length === 0) this.#offer(targets[i]!, plan, pass)
      else {
        for (const j of alike) left.splice(left.indexOf(j), 1)
        this.#offerAlike([i, ...alike], pass, share)
      }
    }
  }

  #offer(target: Target, plan: OpenPlan, { request, one, isOneOfSeveral, after }: Pass): void {
    if (plan.count === 0) return
    const { tenants } = plan
    const selection = isOneOfSeveral ? plan.selection : 0
    if (has(one.held, target.id, plan)) {
      one.offered.push({ target, tenants, selection, arrival: undefined })
      return
    }
    const isQuarantine = target === this.#options.quarantine
    const parcel = { ...this.#parcel(request, plan, isQuarantine), tenants }
    const arrival = inTime(after, parcel, (ready) => target.offer(ready))
    one.offered.push({ target, tenants: isQuarantine ? inQuarantine : tenants, selection, arrival })
    if (!isQuarantine) this.#options.account.enter(tenants)
  }

  /** One splice, and where it can be one write, for all of them. */
  #offerAlike(alike: readonly number[], { request, one, after }: Pass, share: Share): void {
    const { targets, account } = this.#options
    const plans = alike.map((i) => this.#fanOut.plans[i]!)
    const tenants = plans.map((plan) => plan.tenants)
    const parcel = { ...this.#parcel(request, plans[0]!, false), tenants: tenants[0]! }
    const ids = alike.map((i) => targets[i]!.id)
    const arrivals = inTime(after, parcel, async (ready) => share(ids, ready, tenants).map((arrival) => ({ arrival })))
    for (const [i, { selection }] of plans.entries()) {
      const arrival = arrivals.then((all) => all[i]!.arrival)
      one.offered.push({ target: targets[alike[i]!]!, tenants: tenants[i]!, selection, arrival })
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
      isAdmitted: true,
      ...(tellsHoldings && !isQuarantine && { holdings: plan.holdings }),
    }
  }
}

const isForRoom = ({ reason }: QueueRefusal): boolean => reason === 'full' || reason === 'share'

/** A piece of a larger request asks for room for what is left of all, once: who had that is not asked for room again. */
function refusalOf(target: Target, plan: OpenPlan, request: LogsRequest, { body, partOf }: Incoming) {
  const hadRoom = partOf?.roomAt.has(target.id) === true
  const pieces = hadRoom ? 0 : (partOf?.bytesLeft ?? body.length) / body.length
  const share = plan.count / request.records.count
  const refused = target.refusal?.(Math.ceil(plan.count * pieces), Math.ceil(body.length * share * pieces), plan.owner)
  return hadRoom && refused !== undefined && isForRoom(refused) ? undefined : refused
}

/** Leaves out of a plan what may be, and tells it in the tallies of the request. */
function drop(request: LogsRequest, plan: OpenPlan, mayDrop: NonNullable<Target['mayDrop']>, { tallies }: Try): void {
  const { records, scopes, tenants } = request
  const tenantOf = (record: number): string => {
    const scope = records.at[record * RECORD_ROW + RecordCol.Scope]!
    return tenants[scopes.at[scope * SCOPE_ROW + ScopeCol.Resource]!]!
  }
  const isDropped = (tenant: string, form: CopyForm) => mayDrop(tenant, form.holding?.purposes ?? [])
  for (const [tenant, dropped] of plan.drop(isDropped, tenantOf)) {
    tallies.push([tenant, { received: 0, dropped, rejected: 0, quarantined: 0 }])
  }
}

/** Stands for the parcel of the quarantine, which the tallies count. */
const inQuarantine: TenantCounts = []

/** Offers a parcel now, or a copy of it later: its body is the splicer's. */
function inTime<T>(after: Promise<unknown> | undefined, parcel: Parcel, offer: (parcel: Parcel) => Promise<T>) {
  if (after === undefined) return offer(parcel)
  const kept = { ...parcel, body: Buffer.from(parcel.body) }
  return after.then(() => offer(kept))
}

const has = (held: Held | undefined, id: string, plan: OpenPlan): boolean =>
  held !== undefined && held.get(id) === plan.selection
