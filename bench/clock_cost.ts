/**
 * What normalize_clock costs: nanoseconds a record and bytes a source.
 *
 *   node bench/clock_cost.ts [rounds, 2000]
 *
 * Requests of 200 records of one of 50 machines. A walk over the records that does nothing is subtracted. Healthy
 * machines leave records as they are; fast ones get a new time and four attributes each.
 */

import { Tracker } from '../processors/normalize_clock/tracker.ts'
import { normalizeClock } from '../processors/normalize_clock.ts'
import type { Host, Processor } from '../src/contract.ts'
import { limits } from '../src/limits.ts'
import { readRequest } from '../src/otlp/read.ts'
import { LogRecord } from '../src/otlp/record.ts'
import { LogsRequest } from '../src/otlp/request.ts'
import { encode, nanos } from './clock/wire.ts'
import { START } from './clock/world.ts'

const rounds = Number(process.argv[2] ?? 2000)
const RECORDS = 200
const nothing = () => {}
const counter = { add: nothing, with: () => counter }
const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
const host = { id: 'normalize_clock', log, counter: () => counter, gauge: nothing } as unknown as Host
const allowed = normalizeClock.config.parse({}).evidence

/** A request of one machine at `atMs`. */
function fill(request: LogsRequest, machine: number, atMs: number, aheadMs: number): void {
  const events = Array.from({ length: RECORDS }, (_, i) => {
    const stamped = START + atMs - 5 * (RECORDS - i) + aheadMs
    return { truth: atMs, stamped, observed: stamped, trace: 0 }
  })
  readRequest(request, Buffer.from(encode({ source: `machine-${machine}`, events })))
  request.receivedUnixNano = request.receivedMonotonicNano = nanos(START + atMs + 20)
  request.userAgent = 'OTel-OTLP-Exporter-Go/1.40'
  request.tenants[0] = 'acme'
}

function visit(request: LogsRequest, view: LogRecord, processor: Processor): void {
  processor.begin?.(request)
  for (let i = 0; i < RECORDS; i++) {
    view.visit(i)
    processor.record?.(view)
  }
  processor.end?.(request)
}

/** The median of nanoseconds a record over the second half of the rounds: what else runs on the machine falls out. */
function median(prepare: (round: number) => void, run: (round: number) => void): number {
  const spans: number[] = []
  for (let round = 0; round < rounds; round++) {
    prepare(round)
    const started = process.hrtime.bigint()
    run(round)
    const spent = Number(process.hrtime.bigint() - started)
    if (round >= rounds >> 1) spans.push(spent / RECORDS)
  }
  return spans.sort((x, y) => x - y)[spans.length >> 1]!
}

const make = (): Processor => normalizeClock.create(normalizeClock.config.parse({ mode: 'correct' }), host)
const idle: Processor = { record: () => 'keep' }

/** Requests are read once and come again and again, 20 ms apart: what is measured is the processor alone. */
function healthy(processor: Processor): number {
  const requests = Array.from({ length: 50 }, (_, machine) => {
    const request = new LogsRequest()
    fill(request, machine, 0, 0)
    return { request, view: new LogRecord(request) }
  })
  return median(nothing, (round) => {
    const { request, view } = requests[round % 50]!
    visit(request, view, processor)
  })
}

/** Few machines: many with one offset would be our own clock. Corrected requests cannot come again: they are read anew each time, which is not counted. */
function corrected(processor: Processor): number {
  const request = new LogsRequest()
  const view = new LogRecord(request)
  return median(
    (round) => fill(request, round % 5, round * 20, 60_000),
    () => visit(request, view, processor),
  )
}

healthy(make())
const walk = healthy(idle)
console.log(`a walk that does nothing    ${walk.toFixed(1)} ns a record`)
console.log(`healthy records             ${(healthy(make()) - walk).toFixed(1)} ns a record more`)
console.log(`records that are corrected  ${(corrected(make()) - walk).toFixed(1)} ns a record more`)

/** Keys as long as a host's id, each a string of its own. */
const uuid = Buffer.alloc(36, '0')
const before = memory()
const tracker = new Tracker(allowed, nothing)
const tenant = tracker.tenants.of('acme')
for (let i = 0; i < limits.clockSourcesMax; i++) {
  tracker.sources.add(
    tenant.index,
    0,
    uuid.toString('latin1', 0, uuid.write(String(i), 36 - String(i).length) + 36 - String(i).length),
    tenant.name,
  )
}
console.log(`a source                    ${((memory() - before) / limits.clockSourcesMax).toFixed(0)} bytes`)
const started = process.hrtime.bigint()
for (let i = 0; i < 200_000; i++) tracker.sources.add(tenant.index, 0, `other-${i}`, tenant.name)
console.log(`a new source under eviction ${(Number(process.hrtime.bigint() - started) / 200_000).toFixed(0)} ns`)

function memory(): number {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
