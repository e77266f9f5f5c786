/**
 * normalize_clock: sets times right that are plainly wrong, so that events of different machines fall into one order;
 * touches nothing that may be right.
 *
 * One-way delivery tells only this: the newest time of a batch, less the receive time, is the source's offset less a
 * delay. So a clock that is ahead is provable, and one that is behind looks like late delivery until something else
 * tells them apart (docs/normalize_clock.md). `begin` walks a request once, a batch per source; `record` applies.
 *
 * Times are nanoseconds. Throws nothing: a time that makes no sense stays as it is, and is counted.
 */
import { z } from 'zod'
import { type Counter, type Host, type Processor, processor, type Verdict } from '../src/contract.ts'
import type { LogRecord } from '../src/otlp/record.ts'
import {
  type LogsRequest,
  RECORD_ROW,
  RESOURCE_ROW,
  RecordCol,
  Resource,
  ResourceCol,
  SCOPE_ROW,
  ScopeCol,
} from '../src/otlp/request.ts'
import { type Batch, Batches } from './normalize_clock/batch.ts'
import { Correction } from './normalize_clock/correction.ts'
import { evidenceKinds } from './normalize_clock/evidence.ts'
import { Now, Reading } from './normalize_clock/reading.ts'
import { type ClockReport, report } from './normalize_clock/report.ts'
import { dateAge, exportAge } from './normalize_clock/sent_at.ts'
import { SharedClocks } from './normalize_clock/shared.ts'
import { Waiting } from './normalize_clock/snapshot.ts'
import { found, readSource } from './normalize_clock/source_key.ts'
import { I, I_ROW } from './normalize_clock/sources.ts'
import { TRACES_A_BATCH } from './normalize_clock/traces.ts'
import { Tracker } from './normalize_clock/tracker.ts'
import { Turns } from './normalize_clock/turns.ts'

const kind = (what: string) => z.boolean().default(true).describe(what)

const config = z.strictObject({
  mode: z
    .enum(['off', 'annotate', 'correct'])
    .default('annotate')
    .describe('`correct` changes times and says so; `annotate` only says how they would change; `off` does nothing.'),
  evidence: z
    .strictObject({
      future: kind('A clock that is ahead: its records arrive before they happened.'),
      timezone: kind('An offset that is a time zone to the second: local time that was taken for UTC.'),
      sent_at: kind('What the sender says that the time is, when it sends: a `Date` header, an export timestamp.'),
      trace: kind('The same trace seen by a source of the same tenant whose clock is known.'),
      direct_flat: kind('An SDK that sends directly to the gateway and is always behind by the same.'),
      unset: kind('A clock that was never set: before 2015.'),
      unit: kind('Seconds, milliseconds or microseconds that stand where nanoseconds belong.'),
      missing: kind('No time: the observed time, else the receive time.'),
      clamp: kind('A single time that is later than its receipt: the receive time.'),
    })
    .prefault({})
    .describe('What may lead to a change. Every kind is on unless it is switched off.'),
})
type Config = z.output<typeof config>

export const normalizeClock = processor({
  name: 'normalize_clock',
  merges: true,
  config,
  create: (options, host) => (options.mode === 'off' ? {} : new NormalizeClock(options, options.mode, host)),
})

const SDK = 'OTel-OTLP-Exporter-'

class NormalizeClock implements Processor {
  readonly #now = new Now()
  readonly #batches = new Batches(this.#now)
  readonly #reading: Reading
  readonly #correction: Correction
  readonly #tracker: Tracker
  readonly #altered: readonly Counter[]
  readonly #badDates: Counter
  readonly #turns: Turns
  readonly #waiting = new Waiting()
  readonly #isWorker: boolean
  readonly shared: SharedClocks
  #view: Resource | undefined

  constructor({ evidence }: Config, mode: 'annotate' | 'correct', host: Host) {
    this.#reading = new Reading(evidence)
    this.#correction = new Correction(mode, evidence)
    this.#isWorker = host.worker !== undefined
    // Of several workers the one that keeps what they know tells.
    this.#tracker = new Tracker(evidence, (row, from, to) => {
      if (!this.#isWorker) this.#turns.tell(row, from, to, this.#now.at)
    })
    this.#turns = new Turns(this.#tracker, host)
    this.shared = new SharedClocks(this.#tracker, this.#waiting, this.#now)
    if (this.#isWorker) this.shared.listen()
    const altered = host.counter('altered_records', 'Records whose time was set right, or would be.', ['evidence'])
    this.#altered = evidenceKinds.map((name) => altered.with(name))
    this.#badDates = host.counter('bad_dates', 'Requests with a Date header that is no date of HTTP.')
  }

  begin(request: LogsRequest): void {
    const tracker = this.#tracker
    this.#now.set(tracker.gateway.observe(request.receivedUnixNano, request.receivedMonotonicNano))
    const isDirect = request.userAgent?.startsWith(SDK) ?? false
    const sentAt = isDirect && request.date !== undefined ? dateAge(request.date, this.#now) : Number.NaN
    if (isDirect && request.date !== undefined && Number.isNaN(sentAt)) this.#badDates.add(1)
    if (this.#view?.request !== request) this.#view = new Resource(request)
    this.#batches.reset(request.resources.count)
    for (let index = 0; index < request.resources.count; index++) {
      const batch = this.#batchOf(this.#view.visit(index), isDirect, sentAt)
      this.#gather(request, index, batch)
    }
    for (let i = 0; i < this.#batches.count; i++) tracker.take(this.#batches.at(i), this.#now)
    if (this.#isWorker) this.#note(request)
    for (let index = 0; index < request.resources.count; index++) this.#seeTraces(request, index)
    for (let i = 0; i < this.#batches.count; i++) this.#batches.release(i, tracker.sources)
    tracker.finish(this.#now)
  }

  record(record: LogRecord): Verdict {
    const batch = this.#batches.ofResource(record.resource.index)
    if (!batch.isPlain) this.#correction.apply(record, batch, this.#now)
    return 'keep'
  }

  end(_request: LogsRequest): void {
    const { altered } = this.#correction
    for (let i = 0; i < altered.length; i++) {
      if (altered[i] === 0) continue
      this.#altered[i]!.add(altered[i]!)
      altered[i] = 0
    }
  }

  snapshot(): Uint8Array {
    return this.#waiting.snapshot(this.#tracker.sources, this.#now.at)
  }
  restore(snapshot: Uint8Array): void {
    this.#waiting.load(snapshot)
  }
  /** For the admin API. */
  inspect(): ClockReport {
    return report(this.#tracker)
  }

  #note({ receivedUnixNano, receivedMonotonicNano }: LogsRequest): void {
    for (let i = 0; i < this.#batches.count; i++) {
      this.shared.note(this.#batches.at(i), receivedUnixNano, receivedMonotonicNano)
    }
  }

  /** All records of one source in one request are one batch. */
  #batchOf(resource: Resource, isDirect: boolean, sentAt: number): Batch {
    const { sources, tenants } = this.#tracker
    const tenant = tenants.of(resource.tenant)
    const key = readSource(resource)
    let row = sources.find(tenant.index, found.kind, key)
    if (row === -1) {
      row = sources.add(tenant.index, found.kind, key, tenant.name)
      this.#waiting.claim(sources, row)
    }
    let index = sources.i32[row * I_ROW + I.Batch]!
    if (index === -1) {
      index = this.#batches.open(tenant.index, row, isDirect)
      this.#batches.at(index).isUnset = this.#tracker.isUnset(row)
      sources.i32[row * I_ROW + I.Batch] = index
    }
    const batch = this.#batches.at(index)
    const exported =
      isDirect && found.exportSlot !== -1 ? exportAge(resource.slots, found.exportSlot, this.#now) : Number.NaN
    batch.sentAt = Number.isNaN(exported) ? sentAt : exported
    this.#batches.assign(resource.index, index)
    return batch
  }

  #gather(request: LogsRequest, resource: number, batch: Batch): void {
    const { resources, scopes, records } = request
    this.#reading.isUnset = batch.isUnset
    const end = resources.at[resource * RESOURCE_ROW + ResourceCol.EndScope]!
    for (let scope = resources.at[resource * RESOURCE_ROW + ResourceCol.FirstScope]!; scope < end; scope++) {
      const from = scopes.at[scope * SCOPE_ROW + ScopeCol.FirstRecord]! * RECORD_ROW
      const to = scopes.at[scope * SCOPE_ROW + ScopeCol.EndRecord]! * RECORD_ROW
      batch.addRows(records.at, from, to, this.#now, this.#reading)
    }
  }

  /** The traces of a few of the batch's records, where they can say something. */
  #seeTraces(request: LogsRequest, resource: number): void {
    const batch = this.#batches.ofResource(resource)
    if (this.#tracker.standing(batch.source) === -1) return
    const { resources, scopes, records, body } = request
    const end = resources.at[resource * RESOURCE_ROW + ResourceCol.EndScope]!
    let left = TRACES_A_BATCH
    for (let scope = resources.at[resource * RESOURCE_ROW + ResourceCol.FirstScope]!; scope < end; scope++) {
      const last = scopes.at[scope * SCOPE_ROW + ScopeCol.EndRecord]!
      for (let record = scopes.at[scope * SCOPE_ROW + ScopeCol.FirstRecord]!; record < last && left > 0; record++) {
        left--
        const row = record * RECORD_ROW
        if (records.at[row + RecordCol.TraceIdAt] === -1) continue
        this.#tracker.traces.see(body, records.at, row, batch.tenant, batch.source)
      }
    }
  }
}
