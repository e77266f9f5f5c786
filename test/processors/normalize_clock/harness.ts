/** Runs requests through the real scan, chain and splice with normalize_clock in it, and reads what comes out. */
import { normalizeClock } from '../../../processors/normalize_clock.ts'
import type { Host, Log, Processor } from '../../../src/contract.ts'
import { readRequest } from '../../../src/otlp/read.ts'
import { LogsRequest } from '../../../src/otlp/request.ts'
import { Splicer } from '../../../src/otlp/splice.ts'
import { Chain } from '../../../src/pipeline/chain.ts'
import { decodeRequest, encodeRequest, type LogRecord, type Request } from '../../oracle/otlp.ts'

/** 2026-06-01T12:00:00Z. */
export const T0 = 1_780_315_200_000_000_000n
export const SECOND = 1_000_000_000n
export const MINUTE = 60n * SECOND
export const HOUR = 60n * MINUTE
export const SDK = 'OTel-OTLP-Exporter-JavaScript/0.301.0'

export interface Envelope {
  readonly received: bigint
  readonly monotonic?: bigint
  readonly tenant?: string
  readonly date?: string
  readonly userAgent?: string
}

export interface Event {
  readonly event: string
  readonly fields: Record<string, string | number | boolean>
}

/** A host that counts, keeps events and lends nothing else. */
export function countingHost() {
  const counts = new Map<string, number>()
  const gauges = new Map<string, () => number>()
  const events: Event[] = []
  const say = (event: string, fields = {}): void => void events.push({ event, fields })
  const log: Log = { debug: say, info: say, warn: say, error: say }
  const counterOf = (name: string) => ({ add: (n: number) => void counts.set(name, (counts.get(name) ?? 0) + n) })
  const host = {
    id: 'normalize_clock',
    log,
    counter: (name: string, _help: string, labels?: readonly string[]) =>
      labels === undefined ? counterOf(name) : { with: (...values: string[]) => counterOf(`${name} ${values}`) },
    gauge: (name: string, _help: string, read: () => number) => void gauges.set(name, read),
  } as unknown as Host
  return { host, counts, gauges, events }
}

export class Rig {
  readonly processor: Processor
  readonly counting = countingHost()
  readonly #request = new LogsRequest()
  readonly #chain: Chain
  readonly failures: unknown[] = []

  /** `worker`: one of several; without it a gateway alone, or the keeper of what workers know together. */
  constructor(config: object = { mode: 'correct' }, worker?: number) {
    const host = { ...this.counting.host, ...(worker !== undefined && { worker }) }
    this.processor = normalizeClock.create(normalizeClock.config.parse(config), host)
    const counter = { add: () => {} }
    const chain = [{ id: 'normalize_clock', processor: this.processor, incoming: counter, outgoing: counter }]
    this.#chain = new Chain(this.#request, chain, (_id, error) => this.failures.push(error))
  }

  send(request: Request, envelope: Envelope): Request {
    const body = encodeRequest(request)
    readRequest(this.#request, body)
    this.#request.receivedUnixNano = envelope.received
    this.#request.receivedMonotonicNano = envelope.monotonic ?? envelope.received
    this.#request.date = envelope.date
    this.#request.userAgent = envelope.userAgent
    for (let i = 0; i < this.#request.resources.count; i++) this.#request.tenants[i] = envelope.tenant ?? 'acme'
    this.#chain.run(new Uint8Array(this.#request.resources.count))
    const { count } = this.#request.records
    const records = Int32Array.from({ length: count }, (_, i) => i)
    const form = { content: 'as_marked', appendix: Buffer.alloc(0), seal: () => '' } as const
    const bytes = new Splicer().splice(this.#request, { records, formOf: new Uint16Array(count), count, forms: [form] })
    return decodeRequest(Buffer.from(bytes))
  }

  /** One batch of one host: its records as they come out. */
  batch(host: string, records: LogRecord[], envelope: Envelope): Seen[] {
    const attributes = [{ key: 'host.id', value: { stringValue: host } }]
    const out = this.send(
      { resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords: records }] }] },
      envelope,
    )
    return (out.resourceLogs?.[0]?.scopeLogs?.[0]?.logRecords ?? []).map(see)
  }
}

/** A record as it came out. `clock` is undefined where it was not altered. */
export interface Seen {
  readonly time: bigint
  readonly observed: bigint
  readonly clock: { original: bigint; offset: bigint; uncertainty: bigint; evidence: string } | undefined
}

export function see(record: LogRecord): Seen {
  const own = (record.attributes ?? []).filter(({ key }) => key?.startsWith('douane.'))
  const value = (key: string) => own.find((one) => one.key === key)?.value
  const clock =
    own.length === 0
      ? undefined
      : {
          original: value('douane.time.original')!.intValue!,
          offset: value('douane.clock.offset')!.intValue!,
          uncertainty: value('douane.clock.uncertainty')!.intValue!,
          evidence: value('douane.clock.evidence')!.stringValue!,
        }
  return { time: BigInt(record.timeUnixNano ?? 0n), observed: BigInt(record.observedTimeUnixNano ?? 0n), clock }
}
