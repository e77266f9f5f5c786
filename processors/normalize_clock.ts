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
  Resource,
  ResourceCol,
  SCOPE_ROW,
  ScopeCol,
} from '../src/otlp/request.ts'
import { AHEAD_MAX, type Batch, Batches } from './normalize_clock/batch.ts'
import { Correction } from './normalize_clock/correction.ts'
import { evidenceKinds } from './normalize_clock/evidence.ts'
import { SECOND } from './normalize_clock/instant.ts'
import { Now, Reading } from './normalize_clock/reading.ts'
import { readSource } from './normalize_clock/source_key.ts'

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
  config,
  create: (options, host) => (options.mode === 'off' ? {} : new NormalizeClock(options, options.mode, host)),
})

const SDK = 'OTel-OTLP-Exporter-'

class NormalizeClock implements Processor {
  readonly #now = new Now()
  readonly #batches = new Batches(this.#now)
  readonly #reading: Reading
  readonly #correction: Correction
  readonly #altered: readonly Counter[]
  readonly #keys = new Map<string, number>()
  #view: Resource | undefined

  constructor({ evidence }: Config, mode: 'annotate' | 'correct', host: Host) {
    this.#reading = new Reading(evidence)
    this.#correction = new Correction(mode, evidence)
    const altered = host.counter('altered_records', 'Records whose time was set right, or would be.', ['evidence'])
    this.#altered = evidenceKinds.map((name) => altered.with(name))
  }

  begin(request: LogsRequest): void {
    this.#now.set(request.receivedUnixNano)
    const isDirect = request.userAgent?.startsWith(SDK) ?? false
    if (this.#view?.request !== request) this.#view = new Resource(request)
    this.#batches.reset(request.resources.count)
    this.#keys.clear()
    for (let index = 0; index < request.resources.count; index++) {
      const batch = this.#batchOf(this.#view.visit(index), isDirect)
      this.#gather(request, index, batch)
    }
    for (let i = 0; i < this.#batches.count; i++) this.#plan(this.#batches.at(i))
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

  /** All records of one source in one request are one batch. */
  #batchOf(resource: Resource, isDirect: boolean): Batch {
    const key = `${resource.tenant}\n${readSource(resource)}`
    let index = this.#keys.get(key)
    if (index === undefined) {
      index = this.#batches.open(0, -1, isDirect)
      this.#keys.set(key, index)
    }
    this.#batches.assign(resource.index, index)
    return this.#batches.at(index)
  }

  #gather(request: LogsRequest, resource: number, batch: Batch): void {
    const { resources, scopes, records } = request
    const end = resources.at[resource * RESOURCE_ROW + ResourceCol.EndScope]!
    for (let scope = resources.at[resource * RESOURCE_ROW + ResourceCol.FirstScope]!; scope < end; scope++) {
      const last = scopes.at[scope * SCOPE_ROW + ScopeCol.EndRecord]! * RECORD_ROW
      for (let row = scopes.at[scope * SCOPE_ROW + ScopeCol.FirstRecord]! * RECORD_ROW; row < last; row += RECORD_ROW) {
        this.#reading.read(records.at, row, this.#now)
        batch.add(this.#reading)
      }
    }
  }

  #plan(batch: Batch): void {
    batch.plainUncertainty = AHEAD_MAX
    batch.delay = 10 * SECOND
  }
}
