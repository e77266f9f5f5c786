/**
 * Runs processors through the real chain and the real splice, and, when asked, poisons what they must not keep: a view
 * throws once its call is over, rows of slots outside of the visited record, scope and resource are garbage, and body
 * and tables are overwritten after each request.
 */
import { hash } from 'node:crypto'
import type { Processor, Verdict } from '../src/contract.ts'
import { readRequest } from '../src/otlp/read.ts'
import type { LogRecord } from '../src/otlp/record.ts'
import { LogsRequest, RECORD_ROW, RecordCol, type Resource, type Scope } from '../src/otlp/request.ts'
import { ROW, type Slots } from '../src/otlp/slots.ts'
import { type Form, Splicer } from '../src/otlp/splice.ts'
import { Chain } from '../src/pipeline/chain.ts'
import { decodeRequest, encodeRequest, type Request } from './oracle/otlp.ts'

const GARBAGE = 0x5a5a5a5a
const verdicts: readonly Verdict[] = ['keep', 'drop', 'reject', 'quarantine']

/** What a request led to. */
export interface Seen {
  /** What leaves of the records that were kept; sealed fields show the hash of their value. */
  readonly leaves: Request
  readonly verdicts: readonly Verdict[]
  readonly purposes: readonly number[]
  /** Of each throw the component and the message. */
  readonly failures: readonly string[]
}

const form: Form = {
  content: 'as_marked',
  appendix: Buffer.alloc(0),
  seal: (value, field) => `cose:${field}:${hash('sha256', Buffer.from(value), 'hex').slice(0, 12)}`,
}

/** Processors in order, over requests in order, on one set of tables as in the gateway. */
export class Bench {
  readonly #request = new LogsRequest()
  readonly #splicer = new Splicer()
  readonly #isPoisoned: boolean
  readonly #chain: Chain
  #failures: string[] = []

  constructor(processors: readonly Processor[], isPoisoned: boolean) {
    this.#isPoisoned = isPoisoned
    const counter = { add: () => {} }
    const named = processors.map((processor, n) => ({
      id: String(n),
      processor: isPoisoned ? poisoned(processor) : processor,
      incoming: counter,
      outgoing: counter,
    }))
    this.#chain = new Chain(this.#request, named, (id, error) => this.#failures.push(`${id}: ${String(error)}`))
  }

  run(sent: Request, receivedUnixNano: bigint): Seen {
    const request = this.#request
    const body = encodeRequest(sent)
    this.#failures = []
    readRequest(request, body)
    request.receivedUnixNano = receivedUnixNano
    request.receivedMonotonicNano = receivedUnixNano
    request.date = undefined
    request.userAgent = undefined
    for (let index = 0; index < request.resources.count; index++) request.tenants[index] = index % 2 ? 'globex' : 'acme'
    this.#chain.run(new Uint8Array(request.resources.count))
    const rows = Array.from({ length: request.records.count }, (_, record) => record * RECORD_ROW)
    const judged = rows.map((row) => verdicts[request.records.at[row + RecordCol.Verdict]!]!)
    const purposes = rows.map((row) => request.records.at[row + RecordCol.Purposes]!)
    const kept = Int32Array.from(judged.flatMap((verdict, record) => (verdict === 'keep' ? [record] : [])))
    const plan = { records: kept, formOf: new Uint16Array(kept.length), count: kept.length, forms: [form] }
    const leaves = decodeRequest(Buffer.from(this.#splicer.splice(request, plan)))
    if (this.#isPoisoned) {
      request.body.fill(0xee)
      request.slots.rows.fill(GARBAGE)
      request.slots.arena.bytes.fill(0xee)
    }
    return { leaves, verdicts: judged, purposes, failures: this.#failures }
  }
}

/** The same processor, to which nothing is left of a call once the call is over. */
function poisoned(processor: Processor): Processor {
  return {
    begin: (request) => processor.begin?.(request),
    resource: (view) => guarded(view, rangesOf(view), (lent) => processor.resource?.(lent)),
    scope: (view) =>
      guarded(view, [...rangesOf(view), view.name, view.version].map(asRange), (lent) => processor.scope?.(lent)),
    record: (view) => guarded(view, rangesOfRecord(view), (lent) => processor.record?.(lent) ?? 'keep'),
    end: (request) => processor.end?.(request),
  }
}

type Range = readonly [from: number, to: number]
const asRange = (range: Range | number): Range => (typeof range === 'number' ? [range, range + 1] : range)
const rangesOf = ({ first, end }: { first: number; end: number }): Range[] => [[first, end]]
const rangesOfRecord = (view: LogRecord): Range[] => [
  [view.first, view.end],
  [view.firstAdded, view.endAdded],
  ...rangesOf(view.resource),
  ...rangesOf(view.scope),
  asRange(view.scope.name),
  asRange(view.scope.version),
]

/** Lends a view, and the rows of its slots, for one call. */
function guarded<View extends Resource | Scope | LogRecord, T>(
  view: View,
  ranges: readonly Range[],
  call: (view: View) => T,
): T {
  const revokers: (() => void)[] = []
  const { slots } = view
  const giveBack = hideRows(slots, ranges)
  try {
    return call(lend(view, revokers))
  } finally {
    giveBack()
    for (const revoke of revokers) revoke()
  }
}

/** A view through which everything works until it is revoked; the views that it leads to go with it. */
function lend<View extends object>(view: View, revokers: (() => void)[]): View {
  const { proxy, revoke } = Proxy.revocable(view, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value === 'function') return value.bind(target)
      return name === 'resource' || name === 'scope' || name === 'attributes' ? lend(value as object, revokers) : value
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  })
  revokers.push(revoke)
  return proxy
}

/** Rows outside of the ranges become garbage, until the function that comes back is called. */
function hideRows(slots: Slots, ranges: readonly Range[]): () => void {
  const count = slots.count
  const before = slots.rows.slice(0, count * ROW)
  const isVisible = (slot: number): boolean => ranges.some(([from, to]) => slot >= from && slot < to)
  const hidden = Array.from({ length: count }, (_, slot) => slot).filter((slot) => !isVisible(slot))
  for (const slot of hidden) slots.rows.fill(GARBAGE, slot * ROW, (slot + 1) * ROW)
  return () => {
    for (const slot of hidden) slots.rows.set(before.subarray(slot * ROW, (slot + 1) * ROW), slot * ROW)
  }
}
