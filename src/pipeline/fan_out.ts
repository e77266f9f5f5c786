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
import type { Route, RoutedCopy } from './residency.ts'
import { TenantFault } from './tenant.ts'

/** A plan that is being filled. */
export class OpenPlan implements Plan {
  records = new Int32Array(256)
  formOf = new Int32Array(256)
  count = 0
  readonly forms: CopyForm[] = []
  /** Each form's place in `forms`. */
  readonly #places = new Map<CopyForm, number>()
  /** Records by form. */
  readonly #uses: number[] = []
  #lastForm: CopyForm | undefined
  #lastIndex = 0
  readonly #tenants = new Map<string, number>()

  clear(): void {
    this.count = 0
    this.forms.length = 0
    this.#uses.length = 0
    this.#places.clear()
    this.#lastForm = undefined
    this.#tenants.clear()
  }

  push(record: number, form: CopyForm): void {
    if (this.count === this.records.length) this.#grow()
    if (form !== this.#lastForm) {
      this.#lastForm = form
      const known = this.#places.get(form)
      if (known === undefined) {
        this.#lastIndex = this.forms.push(form) - 1
        this.#places.set(form, this.#lastIndex)
        this.#uses.push(0)
      } else this.#lastIndex = known
    }
    this.#uses[this.#lastIndex]!++
    this.records[this.count] = record
    this.formOf[this.count++] = this.#lastIndex
  }

  /** Counts `records` of a tenant: those whose one counting copy is in this plan. */
  account(tenant: string, records: number): void {
    if (records > 0) this.#tenants.set(tenant, (this.#tenants.get(tenant) ?? 0) + records)
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
    for (const form of this.forms) sum = mix(sum, idOfForm(form))
    return sum
  }

  get tenants(): TenantCounts {
    return [...this.#tenants]
  }

  /** What is in it, by tenant, purposes and form. */
  get holdings(): Holding[] {
    return this.forms.flatMap(({ holding }, i) =>
      holding === undefined ? [] : { ...holding, records: this.#uses[i]! },
    )
  }

  #grow(): void {
    const records = new Int32Array(this.count * 2)
    records.set(this.records)
    this.records = records
    const formOf = new Int32Array(this.count * 2)
    formOf.set(this.formOf)
    this.formOf = formOf
  }
}

function mix(sum: number, value: number): number {
  const product = Math.imul(sum ^ value, 0x9e3779b1)
  return product ^ (product >>> 15)
}

const formIds = new WeakMap<Form, number>()
let formsSeen = 0
function idOfForm(form: Form): number {
  const known = formIds.get(form)
  if (known !== undefined) return known
  formIds.set(form, ++formsSeen)
  return formsSeen
}

/** Where records of a request may go: the residency route, or one fixed list of copies. */
export interface Routes {
  routesOf(tenant: string): Map<number, Route>
  route(tenant: string, mask: number, routes: Map<number, Route>): Route
}

/** Told what one resource's records came to, apart from those that are copied. */
export type OnResource = (tenant: string, tally: Tally) => void

/** The form of records that are set aside: as they came, before the chain, so that the chain can judge them anew. */
export const untouched: Form = {
  content: 'original',
  appendix: Buffer.alloc(0),
  seal: () => {
    throw new Error('nothing is sealed here')
  },
}

export class FanOut {
  readonly plans: OpenPlan[]
  readonly quarantine = new OpenPlan()
  /** Of the resource that is being sorted: copies that count, by destination, and the destinations that have any. */
  readonly #counts: Int32Array
  readonly #counted: number[] = []
  #reason: string | undefined

  constructor(destinations: number) {
    this.plans = Array.from({ length: destinations }, () => new OpenPlan())
    this.#counts = new Int32Array(destinations)
  }

  /** Fills the plans from the chain's verdicts and the routes. Returns why the policy refused the first record. */
  sort(request: LogsRequest, routes: Routes, faults: Uint8Array, onResource: OnResource): string | undefined {
    for (const plan of this.plans) plan.clear()
    this.quarantine.clear()
    this.#reason = undefined
    for (let resource = 0; resource < request.resources.count; resource++) {
      const isAmbiguous = faults[resource] === TenantFault.ambiguous
      this.#sortResource(request, resource, routes, isAmbiguous, onResource)
    }
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
    const known = routes.routesOf(tenant)
    const tally: Tally = { received: end - first, dropped: 0, rejected: 0, quarantined: 0 }
    let lastMask = -1
    let route: Route | undefined
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
      if (mask !== lastMask) {
        lastMask = mask
        route = known.get(mask) ?? routes.route(tenant, mask, known)
      }
      if (isAmbiguous || verdict === VerdictCode.quarantine || route!.is === 'quarantine') {
        this.quarantine.push(record, untouched)
        tally.quarantined++
      } else if (route!.is === 'reject') {
        tally.rejected++
        this.#reason ??= route!.reason
      } else this.#copy(record, route!.copies)
    }
    this.quarantine.account(tenant, tally.quarantined)
    for (const destination of this.#counted) {
      this.plans[destination]!.account(tenant, this.#counts[destination]!)
      this.#counts[destination] = 0
    }
    this.#counted.length = 0
    onResource(tenant, tally)
  }

  #copy(record: number, copies: readonly RoutedCopy[]): void {
    for (let i = 0; i < copies.length; i++) {
      const copy = copies[i]!
      this.plans[copy.destination]!.push(record, copy.form)
      if (copy.counts && this.#counts[copy.destination]!++ === 0) this.#counted.push(copy.destination)
    }
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
