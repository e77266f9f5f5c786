/**
 * One input pipeline: takes a received body, and answers when every copy of its records is durable.
 *
 * Everything up to the queues is synchronous, so that one set of tables serves all requests: read, find the tenants,
 * run the chain, sort into plans, splice each plan and offer it. Only then it waits: a success answer means that all
 * copies are safe. Where one destination cannot take its copy the client is told to send again, and nothing counts
 * as received; destinations are asked for room before any gets its copy, and those that took theirs when another
 * failed are not given it a second time (half_accepted.ts).
 */
import { setImmediate } from 'node:timers/promises'
import { DouaneError, KeyError, WireError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Canonical } from '../otlp/canonical.ts'
import type { KeyTable } from '../otlp/keys.ts'
import { pieces } from '../otlp/pieces.ts'
import { type Reading, readCanonical, readRegular, readRequest } from '../otlp/read.ts'
import { LogsRequest, RESOURCE_ROW, Resource, ResourceCol } from '../otlp/request.ts'
import type { Account, Tally } from './account.ts'
import { Chain, type NamedProcessor, type Report } from './chain.ts'
import { FanOut, type Routes, recordsOf } from './fan_out.ts'
import { HalfAccepted, type Held } from './half_accepted.ts'
import { IrregularBodies } from './irregular.ts'
import { canSeal, KeylessRoutes } from './keyless.ts'
import { Offers, type Share, type Target, type Try } from './offers.ts'
import { QueueRefusal, type TenantCounts } from './parcel.ts'
import { resolveTenants, type TenantSource } from './tenant.ts'
import type { TenantLimits, Throttle } from './tenant_limits.ts'

/** The answers of receive/accept.ts, as far as a pipeline gives them. */
export type Answer =
  | { is: 'ok' }
  | { is: 'partial'; rejected: number; message: string }
  | { is: 'bad'; message: string }
  | { is: 'denied'; message: string }
  | { is: 'throttled'; retryAfterMs: number; message: string }
  | { is: 'unavailable'; retryAfterMs: number; message: string }
  | { is: 'failed'; message: string }

/** A body with what is known of its sender. Valid until `accept` settles. */
export interface Incoming {
  readonly body: Buffer
  readonly sender: { readonly tenants?: readonly string[] }
  readonly headers: { readonly date?: string; readonly userAgent?: string }
  readonly receivedUnixNano: bigint
  readonly receivedMonotonicNano: bigint
  /** True: it was received before, and its tenant's limits do not apply again. */
  readonly isReadmitted?: boolean
  /** It is a piece of a larger request: how much of that is left, with this piece; and which targets had room for all of it. */
  readonly partOf?: { readonly bytesLeft: number; readonly roomAt: Set<string> }
  /** Does more of the work on it when it is its sender's turn again; left out: after whatever waits now. */
  readonly inTurn?: <T>(bytes: number, work: () => Promise<T>) => Promise<T>
}

export interface InboundOptions {
  /** The pipeline's id: what is released from quarantine comes back to it. */
  readonly id: string
  readonly keys: KeyTable
  readonly processors: readonly NamedProcessor[]
  readonly tenantSources: readonly TenantSource[]
  readonly routes: Routes
  readonly policyVersion: string
  /** Parcels say what they hold: the ledger or a check of what waits asks for it. */
  readonly tellsHoldings?: boolean
  readonly targets: readonly Target[]
  readonly quarantine: Target
  /** Offers the same bytes to several targets at once; left out: each gets its own copy. */
  readonly share?: Share | undefined
  readonly account: Account
  /** Left out: tenants may send as fast as they can. */
  readonly tenantLimits?: TenantLimits
  readonly report: Report
  /** Told what the core left out: unknown fields, attributes under `douane.`, fields that could not be sealed. */
  readonly onDropped: (what: 'unknown_fields' | 'reserved_attributes' | 'unsealed_fields', count: number) => void
}

/** What one request came to: for the answer, and for metrics. `rejected`: for good; none when it is to be sent again. */
export interface Result {
  readonly answer: Answer
  readonly records: number
  readonly rejected: number
}

/** One request, or a piece of one, when all of it is settled. */
interface Settled extends Result {
  /** Why the first record was refused. */
  readonly reason: string | undefined
  /** What each target has of it; undefined: it was refused as a whole, and what is there is remembered. */
  readonly there: Held | undefined
}

export class Inbound {
  readonly #options: InboundOptions
  readonly #request: LogsRequest
  readonly #chain: Chain
  readonly #fanOut: FanOut
  readonly #offers: Offers
  readonly #view: Resource
  readonly #irregular = new IrregularBodies()
  readonly #halfAccepted = new HalfAccepted()
  #faults = new Uint8Array(64)
  #reservedSeen = 0
  /** What is done instead where keys are away; undefined: the sender is told to send again, or the field is left out. */
  readonly #keyless: 'reject' | 'quarantine' | undefined

  constructor(options: InboundOptions) {
    this.#options = options
    const onKeyFailure = options.processors.map(({ processor }) => processor.onKeyFailure ?? 'wait')
    this.#keyless = (['reject', 'quarantine'] as const).find((one) => onKeyFailure.includes(one))
    this.#request = new LogsRequest(options.keys)
    this.#view = new Resource(this.#request)
    this.#chain = new Chain(this.#request, options.processors, options.report)
    this.#fanOut = new FanOut(options.targets.length)
    const onUnsealed = (fields: number) => options.onDropped('unsealed_fields', fields)
    const dropsUnsealed = onKeyFailure.includes('drop')
    this.#offers = new Offers({ ...options, onUnsealed, dropsUnsealed }, this.#fanOut)
  }

  /** Never rejects. */
  async accept(incoming: Incoming): Promise<Result> {
    const request = this.#request
    let { body } = incoming
    let reading: Reading
    try {
      const regular = readRegular(request, incoming.body)
      if (regular !== undefined) reading = regular
      else {
        const made: Canonical | undefined = await this.#irregular.regular(incoming.body)
        if (made === undefined) return { answer: busy, records: 0, rejected: 0 }
        // Tables are shared: from here to the queues nothing may wait.
        reading = readCanonical(request, made)
        body = made.body
      }
    } catch (error) {
      return { answer: answerTo(error), records: 0, rejected: 0 }
    }
    const records = request.records.count + reading.badRecords
    this.#findTenants(incoming)
    const throttle = this.#throttle(incoming)
    if (throttle !== undefined) return { answer: throttled(throttle), records, rejected: 0 }
    if (isLarge(request, body, this.#options)) return this.#inPieces(incoming, body, { records, reading })
    return this.#one(incoming, reading)
  }

  /** From tables whose tenants are known to every copy. */
  async #one(incoming: Incoming, reading: Reading): Promise<Settled> {
    const records = this.#request.records.count + reading.badRecords
    const key = this.#halfAccepted.keyOf(incoming)
    const one: Try = { incoming, key, held: this.#halfAccepted.take(key), offered: [], tallies: [] }
    const again = (error: unknown): Settled => {
      return { answer: answerTo(error), records, rejected: 0, reason: undefined, there: undefined }
    }
    try {
      const reason = this.#route(incoming, reading, one.tallies)
      const refusal = this.#offers.refusal(this.#request, one)
      if (refusal !== undefined) {
        if (one.held !== undefined) this.#halfAccepted.put(incoming, key, one.held)
        return again(refusal)
      }
      this.#offers.all(this.#request, one)
      this.#settleTallies(one.tallies)
      return await this.#settle(one, { records, rejected: rejectedIn(one.tallies), reason })
    } catch (error) {
      // Parcels that were offered before the fault may be durable: they stay received, the rest is sent again.
      for (const { tenants } of one.offered) this.#options.account.receive(tenants)
      one.tallies.length = 0
      await this.#settle(one, { records, rejected: 0, reason: undefined }, error)
      return again(error)
    }
  }

  /**
   * A large request: piece after piece, each when it is its sender's turn, so that others do not wait for all of it.
   * Each target is asked once for room for all. Where a piece is refused (a disk that fails) the whole is to be sent
   * again, and what is there of the pieces before is remembered.
   */
  async #inPieces(incoming: Incoming, whole: Buffer, told: { records: number; reading: Reading }): Promise<Result> {
    const { records } = told
    const inTurn = incoming.inTurn ?? afterOthers
    const theres: Held[] = []
    const roomAt = new Set<string>()
    let bytesLeft = whole.length
    let rejected = 0
    let reason: string | undefined
    // What was left out while the whole was read is told with the first piece.
    let reading: Reading | undefined = told.reading
    try {
      for (const body of pieces(whole)) {
        const piece = { ...incoming, body, partOf: { bytesLeft: Math.max(bytesLeft, body.length), roomAt } }
        bytesLeft -= body.length
        const settled = await inTurn(body.length, () => this.#piece(piece, reading))
        const { there, answer } = settled
        reading = undefined
        if (there === undefined && answer.is !== 'bad') {
          await this.#remember(incoming, whole, theres)
          return { answer, records, rejected: 0 }
        }
        theres.push(there ?? new Map())
        rejected += there === undefined ? settled.records : settled.rejected
        reason ??= settled.reason ?? (answer.is === 'bad' ? answer.message : undefined)
      }
    } catch (error) {
      await this.#remember(incoming, whole, theres)
      return { answer: answerTo(error), records, rejected: 0 }
    }
    return { answer: answerOf(records, rejected, reason), records, rejected }
  }

  async #piece(incoming: Incoming, told: Reading | undefined): Promise<Settled> {
    const reading = readRequest(this.#request, incoming.body)
    this.#findTenants(incoming)
    return this.#one(incoming, told ?? reading)
  }

  /** Of the first pieces: what each target has. They are cut anew, since they were not kept. */
  async #remember(incoming: Incoming, whole: Buffer, theres: readonly Held[]): Promise<void> {
    let n = 0
    for (const body of pieces(whole)) {
      const there = theres[n++]
      if (there === undefined) return
      if (there.size > 0) this.#halfAccepted.put({ ...incoming, body }, undefined, there)
      await setImmediate()
    }
  }

  #findTenants(incoming: Incoming): void {
    const request = this.#request
    if (request.resources.count > this.#faults.length) this.#faults = new Uint8Array(request.resources.count * 2)
    resolveTenants(request, this.#view, this.#options.tenantSources, incoming.sender.tenants, this.#faults)
  }

  /** Lets a request in, and counts what it costs each tenant; or tells how long it has to wait. */
  #throttle(incoming: Incoming): Throttle | undefined {
    const { tenantLimits } = this.#options
    if (tenantLimits?.isActive !== true || incoming.isReadmitted === true) return undefined
    const { tenants, resources } = this.#request
    const nowMs = Number(incoming.receivedMonotonicNano / 1_000_000n)
    let worst: Throttle | undefined
    for (let i = 0; i < resources.count; i++) {
      const throttle = tenantLimits.check(tenants[i]!, nowMs)
      if (throttle !== undefined && throttle.retryAfterMs > (worst?.retryAfterMs ?? 0)) worst = throttle
    }
    if (worst !== undefined) return worst
    for (let i = 0; i < resources.count; i++) {
      const [first, end] = recordsOf(this.#request, i)
      const row = i * RESOURCE_ROW
      const bytes = resources.at[row + ResourceCol.FieldTo]! - resources.at[row + ResourceCol.FieldFrom]!
      tenantLimits.spend(tenants[i]!, end - first, bytes, nowMs)
    }
    return undefined
  }

  /** From bytes to plans. Returns why the first record was refused. */
  #route(incoming: Incoming, reading: Reading, tallies: [string, Tally][]): string | undefined {
    const request = this.#request
    request.receivedUnixNano = incoming.receivedUnixNano
    request.receivedMonotonicNano = incoming.receivedMonotonicNano
    request.date = incoming.headers.date
    request.userAgent = incoming.headers.userAgent
    const { routes } = this.#options
    const bad = reading.badRecords
    if (bad > 0) tallies.push(['', { received: bad, dropped: 0, rejected: bad, quarantined: 0 }])
    if (reading.unknownFields > 0) this.#options.onDropped('unknown_fields', reading.unknownFields)
    const chainReason = this.#chain.run(this.#faults)
    if (this.#chain.reservedDropped > this.#reservedSeen) {
      this.#options.onDropped('reserved_attributes', this.#chain.reservedDropped - this.#reservedSeen)
      this.#reservedSeen = this.#chain.reservedDropped
    }
    const policyReason = this.#sort(routes, tallies)
    return reading.reason ?? chainReason ?? policyReason
  }

  /** Fills the plans; a second time where content cannot be sealed and its records are not to be sent again. */
  #sort(routes: Routes, tallies: [string, Tally][]): string | undefined {
    const before = tallies.length
    const push = (tenant: string, tally: Tally) => void tallies.push([tenant, tally])
    const reason = this.#fanOut.sort(this.#request, routes, this.#faults, push)
    if (this.#keyless === undefined || canSeal(this.#fanOut.plans)) return reason
    tallies.length = before
    return this.#fanOut.sort(this.#request, new KeylessRoutes(routes, this.#keyless), this.#faults, push)
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

  /** Waits for every copy. `fault`: what ended the request before all were offered. */
  async #settle(
    one: Try,
    sum: { records: number; rejected: number; reason: string | undefined },
    fault?: unknown,
  ): Promise<Settled> {
    const { account, quarantine } = this.#options
    let refusal: QueueRefusal | undefined
    let defect = fault
    let isSetAside = false
    const there = new Map(one.held)
    const settled = await Promise.allSettled(one.offered.map(({ arrival }) => arrival))
    for (let i = 0; i < settled.length; i++) {
      const { target, tenants, selection, arrival } = one.offered[i]!
      const outcome = settled[i]!
      if (arrival === undefined) this.#hadAlready(one, target, tenants)
      else account.entered(tenants, outcome.status === 'rejected')
      if (outcome.status === 'fulfilled') {
        if (arrival === undefined) continue
        there.set(target.id, selection)
        isSetAside ||= target === quarantine
        continue
      }
      if (!(outcome.reason instanceof QueueRefusal)) defect ??= outcome.reason
      else if (refusal === undefined || outcome.reason.retryAfterMs > refusal.retryAfterMs) refusal = outcome.reason
    }
    const { records, rejected, reason } = sum
    if (defect !== undefined || refusal !== undefined) {
      if (there.size > 0) this.#halfAccepted.put(one.incoming, one.key, there)
      this.#takeBack(one.tallies, isSetAside)
      return { answer: answerTo(defect ?? refusal), records, rejected: 0, reason, there: undefined }
    }
    return { answer: answerOf(records, rejected, reason), records, rejected, reason, there }
  }

  /** An earlier try has counted what is there since: it is not received twice. */
  #hadAlready(one: Try, target: Target, tenants: TenantCounts): void {
    const { account, quarantine } = this.#options
    if (target !== quarantine) {
      account.hadAlready(tenants)
      return
    }
    for (const [tenant, tally] of one.tallies) {
      const of = account.of(tenant)
      of.received -= tally.quarantined
      of.quarantined -= tally.quarantined
      tally.quarantined = 0
    }
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

const busy: Answer = {
  is: 'unavailable',
  retryAfterMs: limits.refusedRetryMs,
  message: 'too many bodies in an irregular encoding at once',
}

const throttled = ({ retryAfterMs, what }: Throttle): Answer => ({
  is: 'throttled',
  retryAfterMs,
  message: `the tenant sends more than its limit of ${what}`,
})

/** Others would notice it. Where a destination has to answer itself, it answers once for all of a request. */
const isLarge = ({ records, scopes, resources }: LogsRequest, body: Buffer, { targets }: InboundOptions): boolean =>
  targets.every(({ isUncertain }) => isUncertain !== true) &&
  (body.length > limits.atOnceBytesMax || records.count + scopes.count + resources.count > limits.atOnceUnitsMax)

async function afterOthers<T>(_bytes: number, work: () => Promise<T>): Promise<T> {
  await setImmediate()
  return work()
}

function answerOf(records: number, rejected: number, reason = 'refused'): Answer {
  if (rejected === 0) return { is: 'ok' }
  if (rejected < records) return { is: 'partial', rejected, message: reason }
  return { is: 'bad', message: `all ${records} records were refused: ${reason}` }
}

const rejectedIn = (tallies: readonly [string, Tally][]): number =>
  tallies.reduce((sum, [, { rejected }]) => sum + rejected, 0)

/** What a client is told about an error of ours: the class of the problem, never payload. */
function answerTo(error: unknown): Answer {
  if (error instanceof WireError) return { is: 'bad', message: error.message }
  if (error instanceof QueueRefusal) {
    if (error.reason === 'rejected') return { is: 'bad', message: error.message }
    const { retryAfterMs, message } = error
    if (error.reason === 'share') return { is: 'throttled', retryAfterMs, message }
    return { is: 'unavailable', retryAfterMs: error.retryAfterMs, message: error.message }
  }
  if (error instanceof KeyError) {
    return { is: 'unavailable', retryAfterMs: limits.keyRetryAfterMs, message: 'a key to seal content cannot be had' }
  }
  return { is: 'failed', message: error instanceof DouaneError ? `internal: ${error.code}` : 'internal error' }
}
