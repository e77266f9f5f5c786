/**
 * The gateway's metrics. The hot path adds to plain numbers; prom-client sees them only when metrics are read.
 *
 * Label values come from the configuration (ids, regions) or from a policy (tenants), but nothing here relies on that:
 * a metric keeps up to `metricLabelSetsMax` sets of values, and counts the rest together under the value `other`.
 *
 * Names are given in full (`otelcol_…`, `douane_…`); asking twice for the same name gives the same metric, so that a
 * reloaded gateway goes on counting where the old one stopped.
 */
import {
  AggregatorRegistry,
  type MetricObjectWithValues,
  type MetricValue,
  Counter as PromCounter,
  Gauge as PromGauge,
  Registry,
} from 'prom-client'
import type { Counter, LabelledCounter } from '../contract.ts'
import { limits } from '../limits.ts'

type Values = readonly string[]

/** One number that is added to. */
class Cell implements Counter {
  readonly values: Values
  total = 0

  constructor(values: Values) {
    this.values = values
  }

  add(n: number): void {
    this.total += n
  }
}

interface Reading {
  readonly values: Values
  readonly read: () => number
}

/** The labelled parts of one metric, by their label values; bounded. */
class LabelSets<Part> {
  readonly #parts = new Map<string, Part>()
  readonly #names: readonly string[]

  constructor(names: readonly string[]) {
    this.#names = names
  }

  at(values: Values, make: (values: Values) => Part): Part {
    if (values.length !== this.#names.length) throw new Error(`${this.#names.length} label values expected`)
    let given = values.map(cut)
    if (!this.#parts.has(key(given)) && this.#parts.size >= limits.metricLabelSetsMax) given = given.map(() => 'other')
    const known = this.#parts.get(key(given))
    if (known) return known
    const part = make(given)
    this.#parts.set(key(given), part)
    return part
  }

  put(values: Values, part: Part): void {
    if (this.#parts.size < limits.metricLabelSetsMax) this.#parts.set(key(values), part)
  }

  /** Removes the part at these values if it is still this one. */
  remove(values: Values, part: Part): void {
    if (this.#parts.get(key(values)) === part) this.#parts.delete(key(values))
  }

  all(): Iterable<Part> {
    return this.#parts.values()
  }
}

const cut = (value: string): string => value.slice(0, limits.metricLabelLengthMax)
const key = (values: Values): string => JSON.stringify(values)

const together = (dumps: readonly MetricsDump[]): Registry =>
  AggregatorRegistry.aggregate(dumps as MetricObjectWithValues<MetricValue<string>>[][])

/** Metrics as one process hands them to another. */
export type MetricsDump = readonly MetricObjectWithValues<MetricValue<string>>[]

/** Those of several processes as one, in Prometheus' text format. The first dump is that of the one that serves them. */
export const metricsTogether = (dumps: readonly MetricsDump[]): Promise<string> => together(dumps).metrics()

/** The same as one dump. */
export const oneDump = (dumps: readonly MetricsDump[]): Promise<MetricsDump> =>
  together(dumps).getMetricsAsJSON() as unknown as Promise<MetricsDump>

/** Only what grows: what stays of a process that ended. */
export const countersOf = (dump: MetricsDump): MetricsDump => dump.filter(({ type }) => String(type) === 'counter')

/** How a gauge of several processes is read: their sum, or what the one that serves them says. */
export type Together = 'sum' | 'first'

export class Metrics {
  readonly #registry = new Registry()
  readonly #counters = new Map<string, LabelSets<Cell>>()
  readonly #gauges = new Map<string, LabelSets<Reading>>()

  get contentType(): string {
    return this.#registry.contentType
  }

  /** All metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  dump(): Promise<MetricsDump> {
    return this.#registry.getMetricsAsJSON() as unknown as Promise<MetricsDump>
  }

  counter(name: string, help: string, labels: readonly string[] = []): LabelledCounter {
    const sets = this.#counters.get(name) ?? this.#newCounter(name, help, labels)
    return { with: (...values) => sets.at(values, (given) => new Cell(given)) }
  }

  /** Sampled when metrics are read. Gives what removes it; a later one with the same labels takes its place. */
  gauge(
    name: string,
    help: string,
    labels: Readonly<Record<string, string>>,
    read: () => number,
    together: Together = 'sum',
  ): () => void {
    const sets = this.#gauges.get(name) ?? this.#newGauge(name, help, Object.keys(labels), together)
    const reading = { values: Object.values(labels), read }
    sets.put(reading.values, reading)
    return () => sets.remove(reading.values, reading)
  }

  /**
   * Many numbers that somebody else keeps, read when metrics are: label values and number. Beyond
   * `metricLabelSetsMax` they are added up under `other`, those that share their last label value.
   */
  sampled(
    name: string,
    help: string,
    labels: readonly string[],
    read: () => Iterable<readonly [Values, number]>,
  ): void {
    new PromGauge({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect() {
        this.reset()
        let sets = 0
        for (const [values, value] of read()) {
          const isKept = sets++ < limits.metricLabelSetsMax
          const shown = values.map((text, index) => (isKept || index === values.length - 1 ? cut(text) : 'other'))
          this.inc(labelled(labels, shown), value)
        }
      },
    })
  }

  /** The sum over all label sets, for tests and `status`. */
  total(name: string): number {
    let sum = 0
    for (const cell of this.#counters.get(name)?.all() ?? []) sum += cell.total
    return sum
  }

  #newCounter(name: string, help: string, labels: readonly string[]): LabelSets<Cell> {
    const sets = new LabelSets<Cell>(labels)
    this.#counters.set(name, sets)
    new PromCounter({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const { values, total } of sets.all()) this.inc(labelled(labels, values), total)
      },
    })
    return sets
  }

  #newGauge(name: string, help: string, labels: readonly string[], together: Together): LabelSets<Reading> {
    const sets = new LabelSets<Reading>(labels)
    this.#gauges.set(name, sets)
    new PromGauge({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      aggregator: together,
      collect() {
        this.reset()
        for (const { values, read } of sets.all()) this.set(labelled(labels, values), finite(read))
      },
    })
    return sets
  }
}

const labelled = (names: readonly string[], values: Values): Record<string, string> =>
  Object.fromEntries(names.map((name, index) => [name, values[index]!]))

/** A gauge that cannot be read shows as NaN instead of taking all metrics with it. */
function finite(read: () => number): number {
  try {
    return read()
  } catch {
    return Number.NaN
  }
}
