/**
 * Sorts a request's records into plans: one per destination that gets any of them, one for the quarantine.
 *
 * Plans are reused from request to request; a form gets its place in a plan when it is first needed there.
 */
import {
  type LogsRequest,
  RECORD_ROW,
  RESOURCE_ROW,
  RecordCol,
  ResourceCol,
  SCOPE_ROW,
  ScopeCol,
} from '../otlp/request.ts'
import type { Form, Plan } from '../otlp/splice.ts'
import type { Tally } from './account.ts'
import { VerdictCode } from './chain.ts'
import type { CopyForm } from './forms.ts'
import type { Holding, TenantCounts } from './parcel.ts'
import { type Route, RoutedCopy, type TenantRoutes } from './residency.ts'
import { TenantFault } from './tenant.ts'

/** Numbers the sortings of all fan-outs: what was noted in another one does not count. */
let sortings = 0

/** A plan that is being filled. */
export class OpenPlan implements Plan {
  records = new Int32Array(256)
  formOf = new Int32Array(256)
  count = 0
  readonly forms: CopyForm[] = []
  #formCount = 0
  /** By form: the copy that it is of, and its records. */
  readonly #copies: RoutedCopy[] = []
  #uses = new Int32Array(16)
  /** Tenants in the order of their resources, and their records: of neighbours with the same tenant one. */
  readonly #tenants: string[] = []
  #counts = new Int32Array(16)
  #tenantCount = 0
  /** Whose routes the last tenant has: to see quickly that a tenant is another one. */
  #lastRoutes: TenantRoutes | undefined
  #hasRepeats = false
  /** Once it was asked for. */
  #owner: string | undefined

  /** Begins anew. Lists are overwritten, since to fill an empty one makes it grow again; `settle` cuts what is left. */
  clear(): void {
    this.#owner = undefined
    this.count = 0
    this.#formCount = 0
    this.#tenantCount = 0
    this.#lastRoutes = undefined
    this.#hasRepeats = false
  }

  /** To be called when all is in it. */
  settle(): void {
    if (this.forms.length > this.#formCount) {
      this.forms.length = this.#formCount
      this.#copies.length = this.#formCount
    }
    if (this.#tenants.length > this.#tenantCount) this.#tenants.length = this.#tenantCount
  }

  push(record: number, copy: RoutedCopy): void {
    if (this.count === this.records.length) this.#grow()
    if (copy.sorting !== sortings) this.#open(copy)
    this.#uses[copy.place]!++
    this.records[this.count] = record
    this.formOf[this.count++] = copy.place
  }

  #open(copy: RoutedCopy): void {
    const place = this.#formCount++
    copy.sorting = sortings
    copy.place = place
    this.forms[place] = copy.form
    this.#copies[place] = copy
    if (place === this.#uses.length) this.#uses = doubled(this.#uses)
    this.#uses[place] = 0
  }

  /**
   * Counts `records` of a tenant with these routes: those whose one counting copy is in this plan. `isKnown`: it may be
   * here already.
   */
  account(tenant: string, routes: TenantRoutes, records: number, isKnown: boolean): void {
    if (records === 0) return
    const last = this.#tenantCount - 1
    if (routes === this.#lastRoutes && this.#tenants[last] === tenant) this.#counts[last]! += records
    else {
      const place = this.#tenantCount++
      this.#tenants[place] = tenant
      if (place === this.#counts.length) this.#counts = doubled(this.#counts)
      this.#counts[place] = records
      this.#lastRoutes = routes
      this.#hasRepeats ||= isKnown
    }
  }

  /** The tenant with most of the records, counting or not. Where copies do not say whose they are: of those that count. */
  get owner(): string {
    this.#owner ??= this.#findOwner()
    return this.#owner
  }

  #findOwner(): string {
    const sums = new Map<string, number>()
    const add = (tenant: string, records: number) => void sums.set(tenant, (sums.get(tenant) ?? 0) + records)
    for (let i = 0; i < this.forms.length; i++) {
      const { holding } = this.forms[i]!
      if (holding !== undefined) add(holding.tenant, this.#uses[i]!)
    }
    if (sums.size === 0) for (const [tenant, records] of this.tenants) add(tenant, records)
    let [owner, most] = ['', 0]
    for (const [tenant, records] of sums) if (records > most) [owner, most] = [tenant, records]
    return owner
  }

  /**
   * Stands for the choice of records and their forms: equal for equal choices; another choice has the same number
   * once in 2^32 times.
   */
  get selection(): number {
    const { records, formOf, count } = this
    if (count === 0) return 0
    let sum = mix(count, records[0]!)
    // One form has each record once, in order: then the ends tell whether any is left out.
    const isWhole = this.forms.length === 1 && records[count - 1]! - records[0]! === count - 1
    for (let i = isWhole ? count : 1; i < count; i++) sum = mix(sum, Math.imul(records[i]!, 0x10001) ^ formOf[i]!)
    for (const { id } of this.#copies) sum = mix(sum, id)
    return sum
  }

  get tenants(): TenantCounts {
    const counts: [string, number][] = []
    for (let i = 0; i < this.#tenantCount; i++) counts.push([this.#tenants[i]!, this.#counts[i]!])
    if (!this.#hasRepeats) return counts
    const sums = new Map<string, number>()
    for (const [tenant, records] of counts) sums.set(tenant, (sums.get(tenant) ?? 0) + records)
    return [...sums]
  }

  /** What is in it, by tenant, purposes and form. */
  get holdings(): Holding[] {
    return this.forms.flatMap(({ holding }, i) =>
      holding === undefined || this.#uses[i] === 0 ? [] : { ...holding, records: this.#uses[i]! },
    )
  }

  /** Leaves copies out. Gives, by tenant, the records whose one counting copy that was. */
  drop(isDropped: (tenant: string, form: CopyForm) => boolean, tenantOf: (record: number) => string): TenantCounts {
    const gone = new Map<string, number>()
    let kept = 0
    for (let i = 0; i < this.count; i++) {
      const [record, place] = [this.records[i]!, this.formOf[i]!]
      const { counts, form } = this.#copies[place]!
      const tenant = tenantOf(record)
      if (!isDropped(tenant, form)) {
        this.records[kept] = record
        this.formOf[kept++] = place
        continue
      }
      this.#uses[place]!--
      if (counts) gone.set(tenant, (gone.get(tenant) ?? 0) + 1)
    }
    this.count = kept
    this.#owner = undefined
    for (const [tenant, records] of gone) this.#uncount(tenant, records)
    return [...gone]
  }

  #uncount(tenant: string, records: number): void {
    let left = records
    for (let i = 0; i < this.#tenantCount; i++) {
      if (this.#tenants[i] !== tenant) continue
      const taken = Math.min(left, this.#counts[i]!)
      this.#counts[i]! -= taken
      left -= taken
    }
  }

  #grow(): void {
    this.records = doubled(this.records)
    this.formOf = doubled(this.formOf)
  }
}

function doubled(list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(list.length * 2)
  longer.set(list)
  return longer
}

/** Whether two plans copy the same records in the same forms: then their bytes are the same. */
export function isSamePlan(a: OpenPlan, b: OpenPlan): boolean {
  if (a.count !== b.count || a.forms.length !== b.forms.length) return false
  if (a.forms.some((form, i) => form !== b.forms[i])) return false
  return isSameRun(a.records, b.records, a.count) && isSameRun(a.formOf, b.formOf, a.count)
}

function isSameRun(a: Int32Array, b: Int32Array, count: number): boolean {
  const bytes = count * Int32Array.BYTES_PER_ELEMENT
  return Buffer.from(a.buffer, a.byteOffset, bytes).equals(Buffer.from(b.buffer, b.byteOffset, bytes))
}

function mix(sum: number, value: number): number {
  const product = Math.imul(sum ^ value, 0x9e3779b1)
  return product ^ (product >>> 15)
}

/** Where records of a request may go: the residency route, or one fixed list of copies. */
export interface Routes {
  routesOf(tenant: string): TenantRoutes
  route(tenant: string, mask: number, routes: TenantRoutes): Route
}

/** Told what one resource's records came to, apart from those that are copied. */
export type OnResource = (tenant: string, tally: Tally) => void

/** The form of records that are set aside: as they came, before the chain, so that the chain can judge them anew. */
const untouched: Form = {
  content: 'original',
  appendix: Buffer.alloc(0),
  seal: () => {
    throw new Error('nothing is sealed here')
  },
}
/** It has a plan of its own: the number says of no destination. */
const setAside = new RoutedCopy(-1, untouched, false)

export class FanOut {
  readonly plans: OpenPlan[]
  readonly quarantine = new OpenPlan()
  /** Of the resource that is being sorted: copies that count, by destination, and the destinations that have any. */
  readonly #counts: Int32Array
  readonly #counted: Int32Array
  #countedCount = 0
  /** By resource. */
  readonly #known: TenantRoutes[] = []
  #reason: string | undefined

  constructor(destinations: number) {
    this.plans = Array.from({ length: destinations }, () => new OpenPlan())
    this.#counts = new Int32Array(destinations)
    this.#counted = new Int32Array(destinations)
  }

  /** Fills the plans from the chain's verdicts and the routes. Returns why the policy refused the first record. */
  sort(request: LogsRequest, routes: Routes, faults: Uint8Array, onResource: OnResource): string | undefined {
    sortings++
    for (const plan of this.plans) plan.clear()
    this.quarantine.clear()
    this.#reason = undefined
    const known = this.#known
    const { count } = request.resources
    // Apart from what follows: look-ups that do not depend on each other wait for memory side by side.
    for (let resource = 0; resource < count; resource++) known[resource] = routes.routesOf(request.tenants[resource]!)
    for (let resource = 0; resource < count; resource++) {
      const isAmbiguous = faults[resource] === TenantFault.ambiguous
      this.#sortResource(request, resource, routes, isAmbiguous, onResource)
    }
    for (const plan of this.plans) plan.settle()
    this.quarantine.settle()
    return this.#reason
  }

  #sortResource(
    request: LogsRequest,
    resource: number,
    routes: Routes,
    isAmbiguous: boolean,
    onResource: OnResource,
  ): void {
    const [first, end] = recordsOf(request, resource)
    if (first === end) return
    const table = request.records.at
    const tenant = request.tenants[resource]!
    const known = this.#known[resource]!
    const isRepeated = known.sorting === sortings
    known.sorting = sortings
    const tally: Tally = { received: end - first, dropped: 0, rejected: 0, quarantined: 0 }
    for (let record = first; record < end; record++) {
      const row = record * RECORD_ROW
      const verdict = table[row + RecordCol.Verdict]!
      if (verdict === VerdictCode.drop) {
        tally.dropped++
        continue
      }
      if (verdict === VerdictCode.reject) {
        tally.rejected++
        continue
      }
      const mask = table[row + RecordCol.Purposes]!
      if (mask !== known.lastMask) known.turnTo(mask, known.byMask.get(mask) ?? routes.route(tenant, mask, known))
      const { first: copy } = known
      if (copy !== undefined && verdict !== VerdictCode.quarantine && !isAmbiguous) {
        this.#copy(record, copy)
        if (known.others.length > 0) for (const other of known.others) this.#copy(record, other)
      } else if (isAmbiguous || verdict === VerdictCode.quarantine || known.last.is === 'quarantine') {
        this.quarantine.push(record, setAside)
        tally.quarantined++
      } else if (known.last.is === 'reject') {
        tally.rejected++
        this.#reason ??= known.last.reason
      }
    }
    this.quarantine.account(tenant, known, tally.quarantined, isRepeated)
    for (let i = 0; i < this.#countedCount; i++) {
      const destination = this.#counted[i]!
      this.plans[destination]!.account(tenant, known, this.#counts[destination]!, isRepeated)
      this.#counts[destination] = 0
    }
    this.#countedCount = 0
    onResource(tenant, tally)
  }

  #copy(record: number, copy: RoutedCopy): void {
    const { destination } = copy
    this.plans[destination]!.push(record, copy)
    if (copy.counts && this.#counts[destination]!++ === 0) this.#counted[this.#countedCount++] = destination
  }
}

/** The records of a resource: a range, since tables are in the order of the wire. */
export function recordsOf(request: LogsRequest, resource: number): [first: number, end: number] {
  const { resources, scopes } = request
  const row = resource * RESOURCE_ROW
  const firstScope = resources.at[row + ResourceCol.FirstScope]!
  const endScope = resources.at[row + ResourceCol.EndScope]!
  if (firstScope === endScope) return [0, 0]
  return [
    scopes.at[firstScope * SCOPE_ROW + ScopeCol.FirstRecord]!,
    scopes.at[(endScope - 1) * SCOPE_ROW + ScopeCol.EndRecord]!,
  ]
}
