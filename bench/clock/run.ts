/**
 * Runs a world through normalize_clock, as the chain would call it, and compares what comes out with the truth.
 */
import { normalizeClock } from '../../processors/normalize_clock.ts'
import type { Host, Processor } from '../../src/contract.ts'
import { readRequest } from '../../src/otlp/read.ts'
import { LogRecord } from '../../src/otlp/record.ts'
import { LogsRequest } from '../../src/otlp/request.ts'
import type { Scenario } from './scenarios.ts'
import { encode, nanos } from './wire.ts'
import { severalWorkers } from './workers.ts'
import { Chance, type Delivery, deliveries, type Machine, MINUTES, START, type Traced } from './world.ts'

export interface Score {
  /** Absolute errors of targets' records after the warm-up, in ms. */
  readonly errors: number[]
  targets: number
  corrected: number
  /** Corrected records whose true error is within the stated uncertainty. */
  covered: number
  judged: number
  healthy: number
  wronglyAltered: number
  /** Altered a minute after the gateway's own clock recovered. */
  alteredAfter: number
  inversions: number
  pairs: number
  records: number
  batches: number
  alarmed: boolean
  /** Healthy records altered, by machine and evidence, for a look. */
  readonly blame: Map<string, number>
}

const NANOS_AT_START = nanos(START)
const WARM_UP = 10 * MINUTES

/** A host that counts nothing, and keeps the gauge of the alarm. */
function quietHost(gauges: Map<string, () => number>): Host {
  const log = () => {}
  const counter = { add: log, with: () => counter }
  return {
    id: 'normalize_clock',
    log: { debug: log, info: log, warn: log, error: log },
    counter: () => counter,
    gauge: (name: string, _help: string, read: () => number) => void gauges.set(name, read),
  } as unknown as Host
}

function build({ machines, traces }: Scenario, seed: number, duration: number): Delivery[] {
  const chance = new Chance(seed * 7919 + 17)
  const traced: Traced[][] = machines.map(() => [])
  if (traces !== undefined) {
    let trace = 1
    for (let at = 5000; at < duration; at += chance.exponential(1000 / traces), trace++) {
      const hops = 2 + Math.floor(chance.next() * 3)
      const chosen = new Set<number>()
      while (chosen.size < hops) chosen.add(Math.floor(chance.next() * machines.length))
      for (const index of chosen) traced[index]!.push({ at: at + chance.exponential(150), trace })
    }
  }
  const all = machines.flatMap((machine, i) => deliveries(machine, duration, chance, traced[i]!))
  return all.sort((a, b) => a.received - b.received)
}

/** `workers`: how many share the deliveries; what they know together raises the alarm. */
export function runScenario(scenario: Scenario, seed: number, duration: number, workers = 1): Score {
  const gauges = new Map<string, () => number>()
  const options = normalizeClock.config.parse({ mode: 'correct' })
  const make = (worker: number | undefined): Processor => {
    const host = quietHost(worker === undefined ? gauges : new Map())
    return normalizeClock.create(options, worker === undefined ? host : { ...host, worker })
  }
  const processor = workers === 1 ? make(undefined) : severalWorkers(workers, seed, make)
  const score: Score = {
    errors: [],
    targets: 0,
    corrected: 0,
    covered: 0,
    judged: 0,
    healthy: 0,
    wronglyAltered: 0,
    alteredAfter: 0,
    inversions: 0,
    pairs: 0,
    records: 0,
    batches: 0,
    alarmed: false,
    blame: new Map(),
  }
  const referee = new Referee(score, scenario)
  const request = new LogsRequest()
  const view = new LogRecord(request)
  for (const delivery of build(scenario, seed, duration)) {
    prepare(request, delivery, scenario)
    pass(request, view, processor, delivery, referee)
    score.batches++
    if (gauges.get('gateway_suspect')!() === 1) score.alarmed = true
  }
  return score
}

function prepare(request: LogsRequest, delivery: Delivery, { gateway, hasMonotonic }: Scenario): void {
  readRequest(request, encode(delivery))
  const { received, machine, date } = delivery
  request.receivedUnixNano = nanos(START + received + (gateway?.(received) ?? 0))
  request.receivedMonotonicNano = hasMonotonic === false ? request.receivedUnixNano : nanos(received + 1e6)
  request.date = date === undefined ? undefined : new Date(date).toUTCString()
  request.userAgent = machine.relay === undefined ? 'OTel-OTLP-Exporter-Go/1.40' : 'OpenTelemetry Collector/0.149'
  for (let i = 0; i < request.resources.count; i++) request.tenants[i] = machine.tenant
}

function pass(request: LogsRequest, view: LogRecord, processor: Processor, delivery: Delivery, to: Referee): void {
  processor.begin?.(request)
  for (let i = 0; i < request.records.count; i++) {
    view.visit(i)
    processor.record?.(view)
    const { slots } = view
    const isAltered = view.endAdded > view.firstAdded
    const after = Number(view.timeUnixNano - NANOS_AT_START) / 1e6
    const uncertainty = isAltered ? Number(slots.int(view.firstAdded + 2)) / 1e6 : Number.NaN
    to.judge(delivery, i, after, uncertainty, isAltered ? slots.text(view.firstAdded + 3) : '')
  }
  processor.end?.(request)
}

class Referee {
  readonly #score: Score
  readonly #scenario: Scenario
  /** By source: truth, stamp and output of the record before. */
  readonly #last = new Map<string, [truth: number, stamped: number, after: number]>()
  constructor(score: Score, scenario: Scenario) {
    this.#score = score
    this.#scenario = scenario
  }

  judge(
    { machine, source, events, received }: Delivery,
    i: number,
    after: number,
    uncertainty: number,
    evidence: string,
  ): void {
    const score = this.#score
    const { truth, stamped } = events[i]!
    const isAltered = evidence !== ''
    score.records++
    if (machine.role === 'liar') return
    if (machine.role === 'healthy') {
      score.healthy++
      if (isAltered && !Number.isNaN(truth)) this.#blame(machine, evidence, received)
    }
    if (Number.isNaN(truth)) return
    this.#order(`${machine.tenant} ${source}`, truth, stamped, after)
    const error = Math.abs(after - truth)
    if (isAltered) {
      score.judged++
      if (error <= uncertainty) score.covered++
    }
    if (machine.role !== 'target') return
    score.targets++
    if (isAltered) score.corrected++
    if (truth > WARM_UP) {
      score.errors.push(error)
    }
  }

  #blame(machine: Machine, evidence: string, received: number): void {
    const score = this.#score
    score.wronglyAltered++
    const name = `${machine.id} ${evidence}`
    score.blame.set(name, (score.blame.get(name) ?? 0) + 1)
    const { recoversAt } = this.#scenario
    if (recoversAt !== undefined && received > recoversAt + MINUTES) score.alteredAfter++
  }

  #order(source: string, truth: number, stamped: number, after: number): void {
    const before = this.#last.get(source)
    if (before !== undefined && truth > before[0] && stamped >= before[1]) {
      this.#score.pairs++
      if (after < before[2]) this.#score.inversions++
    }
    if (before === undefined || truth > before[0]) this.#last.set(source, [truth, stamped, after])
  }
}
