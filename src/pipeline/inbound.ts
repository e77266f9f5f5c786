/**
 * One input pipeline: takes a received body, and answers when every copy of its records is durable.
 *
 * Everything up to the queues is synchronous, so that one set of tables serves all requests: read, find the tenants,
 * run the chain, sort into plans, splice each plan and offer it. Only then it waits: a success answer means that all
 * copies are safe. Where one destination cannot take its copy the client is told to send again, and nothing counts
 * as received.
 */
import { DouaneError, KeyError, WireError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { KeyTable } from '../otlp/keys.ts'
import { type Reading, readRequest } from '../otlp/read.ts'
import { LogsRequest, Resource } from '../otlp/request.ts'
import { Splicer } from '../otlp/splice.ts'
import type { Account, Tally } from './account.ts'
import { Chain, type NamedProcessor, type Report } from './chain.ts'
import { FanOut, type OpenPlan, type Routes } from './fan_out.ts'
import { type Parcel, QueueRefusal, type TenantCounts } from './parcel.ts'
import { resolveTenants, type TenantSource } from './tenant.ts'

/** Where a plan's bytes go: a destination, or the quarantine. */
export interface Target {
  readonly id: string
  offer(parcel: Parcel): Promise<void>
}

/** The answers of receive/accept.ts, as far as a pipeline gives them. */
export type Answer =
  | { is: 'ok' }
  | { is: 'partial'; rejected: number; message: string }
  | { is: 'bad'; message: string }
  | { is: 'denied'; message: string }
  | { is: 'unavailable'; retryAfterMs: number; message: string }
  | { is: 'failed'; message: string }

/** A body with what is known of its sender. Valid until `accept` settles. */
export interface Incoming {
  readonly body: Buffer
  readonly sender: { readonly tenants?: readonly string[] }
  readonly headers: { readonly date?: string; readonly userAgent?: string }
  readonly receivedUnixNano: bigint
  readonly receivedMonotonicNano: bigint
}

export interface InboundOptions {
  /** The pipeline's id: what is released from quarantine comes back to it. */
  readonly id: string
  readonly keys: KeyTable
  readonly processors: readonly NamedProcessor[]
  readonly tenantSources: readonly TenantSource[]
  readonly routes: Routes
  readonly policyVersion: string
  readonly targets: readonly Target[]
  readonly quarantine: Target
  readonly account: Account
  readonly report: Report
  /** Told what the core left out: unknown fields, attributes under `douane.`. */
  readonly onDropped: (what: 'unknown_fields' | 'reserved_attributes', count: number) => void
}

/** What one request came to: for the answer, and for metrics. */
export interface Result {
  readonly answer: Answer
  /** Records in the request; those refused for good; 0 of them count when the answer is to send again. */
  readonly records: number
  readonly rejected: number
}

export class Inbound {
  readonly #options: InboundOptions
  readonly #request: LogsRequest
  readonly #chain: Chain
  readonly #fanOut: FanOut
  readonly #splicer = new Splicer()
  readonly #view: Resource
  #faults = new Uint8Array(64)
  #reservedSeen = 0

  constructor(options: InboundOptions) {
    this.#options = options
    this.#request = new LogsRequest(options.keys)
    this.#view = new Resource(this.#request)
    this.#chain = new Chain(this.#request, options.processors, options.report)
    this.#fanOut = new FanOut(options.targets.length)
  }

  /** Never rejects. */
  async accept(incoming: Incoming): Promise<Result> {
    const request = this.#request
    let reading: Reading
    try {
      reading = readRequest(request, incoming.body)
    } catch (error) {
      return { answer: answerTo(error), records: 0, rejected: 0 }
    }
    const records = request.records.count + reading.badRecords
    const offers: Promise<void>[] = []
    const parcels: TenantCounts[] = []
    const tallies: [tenant: string, tally: Tally][] = []
    try {
      const reason = this.#route(incoming, reading, tallies)
      this.#offerAll(offers, parcels)
      this.#settleTallies(tallies)
      return await this.#settle(offers, parcels, { records, rejected: rejectedIn(tallies), reason, tallies })
    } catch (error) {
      // Parcels that were offered before the fault may be durable: they stay received, the rest is sent again.
      for (const tenants of parcels) this.#options.account.receive(tenants)
      await this.#settle(offers, parcels, { records, rejected: 0, reason: undefined, tallies: [] })
      return { answer: answerTo(error), records, rejected: 0 }
    }
  }

  /** From bytes to plans. Returns why the first record was refused. */
  #route(incoming: Incoming, reading: Reading, tallies: [string, Tally][]): string | undefined {
    const request = this.#request
    request.receivedUnixNano = incoming.receivedUnixNano
    request.receivedMonotonicNano = incoming.receivedMonotonicNano
    request.date = incoming.headers.date
    request.userAgent = incoming.headers.userAgent
    if (request.resources.count > this.#faults.length) this.#faults = new Uint8Array(request.resources.count * 2)
    const { tenantSources, routes } = this.#options
    resolveTenants(request, this.#view, tenantSources, incoming.sender.tenants, this.#faults)
    const bad = reading.badRecords
    if (bad > 0) tallies.push(['', { received: bad, dropped: 0, rejected: bad, quarantined: 0 }])
    if (reading.unknownFields > 0) this.#options.onDropped('unknown_fields', reading.unknownFields)
    const chainReason = this.#chain.run(this.#faults)
    if (this.#chain.reservedDropped > this.#reservedSeen) {
      this.#options.onDropped('reserved_attributes', this.#chain.reservedDropped - this.#reservedSeen)
      this.#reservedSeen = this.#chain.reservedDropped
    }
    const policyReason = this.#fanOut.sort(request, routes, this.#faults, (tenant, tally) =>
      tallies.push([tenant, tally]),
    )
    return reading.reason ?? chainReason ?? policyReason
  }

  #offerAll(offers: Promise<void>[], parcels: TenantCounts[]): void {
    const { targets, quarantine } = this.#options
    for (let i = 0; i < targets.length; i++) this.#offer(targets[i]!, this.#fanOut.plans[i]!, offers, parcels)
    this.#offer(quarantine, this.#fanOut.quarantine, offers, parcels)
  }

  #offer(target: Target, plan: OpenPlan, offers: Promise<void>[], parcels: TenantCounts[]): void {
    if (plan.count === 0) return
    const body = this.#splicer.splice(this.#request, plan)
    const { tenants } = plan
    const isQuarantine = target === this.#options.quarantine
    const policyVersion = isQuarantine ? this.#options.id : this.#options.policyVersion
    offers.push(target.offer({ body, records: plan.count, tenants, policyVersion }))
    parcels.push(isQuarantine ? inQuarantine : tenants)
    if (!isQuarantine) this.#options.account.enter(tenants)
  }

  /** Counts a request in as received; what is refused later is taken off again. */
  #settleTallies(tallies: readonly [string, Tally][]): void {
    for (const [tenant, tally] of tallies) {
      const account = this.#options.account.of(tenant)
      account.received += tally.received
      account.dropped += tally.dropped
      account.rejected += tally.rejected
      account.quarantined += tally.quarantined
    }
  }

  async #settle(
    offers: readonly Promise<void>[],
    parcels: readonly TenantCounts[],
    sum: { records: number; rejected: number; reason: string | undefined; tallies: readonly [string, Tally][] },
  ): Promise<Result> {
    const { account } = this.#options
    let refusal: QueueRefusal | undefined
    let defect: unknown
    let isSetAside = false
    const settled = await Promise.allSettled(offers)
    for (let i = 0; i < settled.length; i++) {
      const outcome = settled[i]!
      account.entered(parcels[i]!, outcome.status === 'rejected')
      if (outcome.status === 'fulfilled') {
        isSetAside ||= parcels[i] === inQuarantine
        continue
      }
      if (!(outcome.reason instanceof QueueRefusal)) defect ??= outcome.reason
      else if (refusal === undefined || outcome.reason.retryAfterMs > refusal.retryAfterMs) refusal = outcome.reason
    }
    const { records, rejected, reason } = sum
    if (defect !== undefined || refusal !== undefined) {
      this.#takeBack(sum.tallies, isSetAside)
      return { answer: answerTo(defect ?? refusal), records, rejected: 0 }
    }
    const message = reason ?? 'refused'
    if (rejected === 0) return { answer: { is: 'ok' }, records, rejected }
    if (rejected < records) return { answer: { is: 'partial', rejected, message }, records, rejected }
    return { answer: { is: 'bad', message: `all ${records} records were refused: ${message}` }, records, rejected }
  }

  /** The client was told to send again: what had no copy was not received either, but for what is in quarantine. */
  #takeBack(tallies: readonly [string, Tally][], isSetAside: boolean): void {
    for (const [tenant, tally] of tallies) {
      const account = this.#options.account.of(tenant)
      const quarantined = isSetAside ? 0 : tally.quarantined
      account.received -= tally.dropped + tally.rejected + quarantined
      account.dropped -= tally.dropped
      account.rejected -= tally.rejected
      account.quarantined -= quarantined
    }
  }
}

/** Stands for the parcel of the quarantine, which the tallies count. */
const inQuarantine: TenantCounts = []

function rejectedIn(tallies: readonly [string, Tally][]): number {
  let rejected = 0
  for (const [, tally] of tallies) rejected += tally.rejected
  return rejected
}

/** What a client is told about an error of ours: the class of the problem, never payload. */
function answerTo(error: unknown): Answer {
  if (error instanceof WireError) return { is: 'bad', message: error.message }
  if (error instanceof QueueRefusal) {
    if (error.reason === 'rejected') return { is: 'bad', message: error.message }
    return { is: 'unavailable', retryAfterMs: error.retryAfterMs, message: error.message }
  }
  if (error instanceof KeyError) {
    return { is: 'unavailable', retryAfterMs: limits.keyRetryAfterMs, message: 'a key to seal content cannot be had' }
  }
  return { is: 'failed', message: error instanceof DouaneError ? `internal: ${error.code}` : 'internal error' }
}
