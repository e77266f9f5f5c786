/** Clocks that several workers learn together, each from the batches that happen to reach it. */
import { beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/limits.ts'
import type { LogRecord } from '../../oracle/otlp.ts'
import { Rig, SDK, SECOND, type Seen, T0 } from './harness.ts'

const MS = 1_000_000n
const config = { mode: 'correct' }

let keeper: Rig
let workers: Rig[]
beforeEach(() => {
  keeper = new Rig(config)
  workers = [new Rig(config, 1), new Rig(config, 2)]
})

const stateOf = (rig: Rig) => rig.processor.shared!
function share(): void {
  for (const worker of workers) {
    const seen = stateOf(worker).seen()
    if (seen !== undefined) stateOf(keeper).learn(seen)
  }
  for (const changes of stateOf(keeper).changes(false)) for (const worker of workers) stateOf(worker).follow(changes)
}

interface Sender {
  readonly host: string
  readonly offset: bigint
  readonly lag?: bigint
  readonly tenant?: string
  readonly isTraced?: boolean
  /** The worker that its batches meet. */
  readonly to: (second: number) => number
}
const traceId = (n: number): Buffer => Buffer.from(`7${n.toString(16).padStart(31, '0')}`, 'hex')

/** A batch of five records a second of each sender, and what it knows shared after each second. */
function play(senders: readonly Sender[], seconds: number, from = T0, wallStep = 0n): Map<string, Seen[][]> {
  const out = new Map<string, Seen[][]>(senders.map(({ host }) => [host, []]))
  for (let second = 0; second < seconds; second++) {
    for (const [i, { host, offset, lag = 0n, tenant = 'acme', isTraced, to }] of senders.entries()) {
      const sent = from + BigInt(second) * SECOND + BigInt(i) * MS
      const records = [800n, 500n, 300n, 100n, 10n].map((before): LogRecord => {
        const at = sent - lag + offset - before * MS
        return { timeUnixNano: at, observedTimeUnixNano: at, ...(isTraced && { traceId: traceId(second) }) }
      })
      const monotonic = sent + 20n * MS
      const envelope = { received: monotonic + wallStep, monotonic, tenant, userAgent: SDK }
      out.get(host)!.push(workers[to(second)]!.batch(host, records, envelope))
    }
    share()
  }
  for (const rig of [keeper, ...workers]) expect(rig.failures).toEqual([])
  return out
}
const inTurn = (second: number): number => second % 2
const healthy = (count: number): Sender[] =>
  Array.from({ length: count }, (_, i) => ({ host: `healthy-${i}`, offset: 0n, to: (second) => (second + i) % 2 }))
const clocks = (batches: readonly Seen[][]) => batches.map((batch) => batch.at(-1)!.clock)

describe('two workers', () => {
  const fast: Sender = { host: 'fast', offset: 30n * SECOND, to: inTurn }

  test('give one offset, whichever a batch meets, and keep the order of its records', () => {
    const out = play([fast, ...healthy(3)], 40)
    const given = clocks(out.get('fast')!).slice(10)
    expect(given.every((clock) => clock?.evidence === 'future')).toBe(true)
    for (const clock of given) {
      const error = clock!.offset - fast.offset
      expect(error < 0n ? -error : error).toBeLessThan(100n * MS)
      expect(clock!.uncertainty).toBeGreaterThan(error < 0n ? -error : error)
    }
    const times = out.get('fast')!.flat()
    for (let i = 1; i < times.length; i++) expect(times[i]!.time).toBeGreaterThanOrEqual(times[i - 1]!.time)
    for (let i = 0; i < 3; i++) expect(clocks(out.get(`healthy-${i}`)!).every((clock) => !clock)).toBe(true)
    // Told once, by the keeper.
    expect(keeper.counting.events.filter(({ event }) => event === 'clock_turned')).toHaveLength(1)
    for (const worker of workers) expect(worker.counting.events).toEqual([])
  })

  test('a worker knows what only the other has heard, and one that starts anew knows all', () => {
    play([{ ...fast, to: () => 0 }, ...healthy(3)], 20)
    const at = T0 + 20n * SECOND
    const [first] = clocks(play([{ ...fast, to: () => 1 }], 1, at).get('fast')!)
    expect(first?.evidence).toBe('future')
    workers[0] = new Rig(config, 1)
    for (const changes of stateOf(keeper).changes(true)) stateOf(workers[0]!).follow(changes)
    const [again] = clocks(play([{ ...fast, to: () => 0 }], 1, at + SECOND).get('fast')!)
    expect(again?.evidence).toBe('future')
    // And the keeper itself, over a restart: confirmed by one batch.
    const restarted = new Rig(config)
    restarted.processor.restore!(keeper.processor.snapshot!())
    keeper = restarted
    workers = [new Rig(config, 1), new Rig(config, 2)]
    const after = clocks(play([fast], 4, at + 2n * SECOND).get('fast')!)
    expect(after[2]?.evidence).toBe('future')
  })

  test('the traces of one are evidence for sources of the other', () => {
    const slow: Sender = { host: 'slow', offset: -20n * SECOND, to: () => 1, isTraced: true, lag: 0n }
    const trusted = { ...healthy(1)[0]!, isTraced: true, to: () => 0 }
    // Without the traces such a lag of a relay or a clock stays as it is until it has been flat for long.
    const out = play([trusted, slow], 150)
    const evidence = clocks(out.get('slow')!).map((clock) => clock?.evidence)
    expect(evidence).toContain('trace')
    expect(clocks(out.get('healthy-0')!).every((clock) => !clock)).toBe(true)
  })

  test('a tenant learns nothing of another, also through the keeper', () => {
    const liar: Sender = { ...fast, tenant: 'liar' }
    play([liar], 20)
    const out = play([{ ...fast, offset: 0n }], 5, T0 + 20n * SECOND)
    expect(clocks(out.get('fast')!).every((clock) => !clock)).toBe(true)
  })

  test('when the clock of the machine is set wrong, all workers find out the same', () => {
    const step = 3600n * SECOND
    play(healthy(8), 90)
    const out = play(healthy(8), 90, T0 + 90n * SECOND, step)
    for (const batches of out.values()) expect(clocks(batches.slice(20)).every((clock) => !clock)).toBe(true)
    const known = [keeper, ...workers].map((rig) => rig.counting.gauges.get('gateway_offset_seconds')!())
    for (const offset of known) expect(Math.abs(offset + 3600)).toBeLessThan(2)
  })

  test('what is told at a time is bounded, and nothing is lost by it', () => {
    const hosts = limits.clockSightingsMax + 500
    for (let i = 0; i < hosts; i++) {
      const at = T0 + 30n * SECOND
      workers[0]!.batch(`h${i}`, [{ timeUnixNano: at, observedTimeUnixNano: at }], { received: at, monotonic: at })
    }
    share()
    const known = (rig: Rig) => rig.counting.gauges.get('sources')!()
    expect([known(keeper), known(workers[0]!)]).toEqual([limits.clockSightingsMax, hosts])
    expect(known(workers[1]!)).toBe(Math.min(limits.clockSightingsMax, limits.clockRowsToldMax))
    expect(stateOf(workers[0]!).seen()).toBeUndefined()
  })
})
