/** Single records that are plainly wrong: no time, another unit, the future. Before anything is learnt of a source. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HOUR, MINUTE, Rig, SECOND, T0 } from './harness.ts'

const one = (rig: Rig, record: { timeUnixNano?: bigint; observedTimeUnixNano?: bigint }) => {
  const [seen] = rig.batch('h1', [record], { received: T0 })
  expect(rig.failures).toEqual([])
  return seen!
}
const correct = () => new Rig({ mode: 'correct' })

describe('one record', () => {
  test('without time and observed time gets the receive time, and says so', () => {
    const { time, observed, clock } = one(correct(), {})
    expect([time, observed]).toEqual([T0, T0])
    expect(clock).toMatchObject({ original: 0n, offset: -T0, evidence: 'missing' })
  })
  test('without time gets its observed time', () => {
    const { time, clock } = one(correct(), { observedTimeUnixNano: T0 - SECOND })
    expect(time).toBe(T0 - SECOND)
    expect(clock).toMatchObject({ original: 0n, offset: SECOND - T0, evidence: 'missing' })
  })
  test('without observed time gets the receive time there, which is no correction', () => {
    const { time, observed, clock } = one(correct(), { timeUnixNano: T0 - 5n })
    expect({ time, observed, clock }).toEqual({ time: T0 - 5n, observed: T0, clock: undefined })
  })
  test.each([
    ['seconds', 1_000_000_000n],
    ['milliseconds', 1_000_000n],
    ['microseconds', 1000n],
  ])('in %s is read as what it means', (_unit, factor) => {
    const meant = T0 - MINUTE
    const { time, observed, clock } = one(correct(), {
      timeUnixNano: meant / factor,
      observedTimeUnixNano: meant / factor,
    })
    expect([time, observed]).toEqual([meant, meant])
    expect(clock).toMatchObject({ original: meant / factor, offset: meant / factor - meant, evidence: 'unit' })
    expect(clock!.uncertainty).toBeGreaterThanOrEqual(factor)
  })
  test('in another unit but far from now stays as it is', () => {
    expect(one(correct(), { timeUnixNano: T0 / 1000n - 31n * 24n * 3600n * 1_000_000n }).clock).toBeUndefined()
  })
  test('that is later than its receipt gets the receive time', () => {
    const { time, observed, clock } = one(correct(), {
      timeUnixNano: T0 + HOUR,
      observedTimeUnixNano: T0 + HOUR,
    })
    expect([time, observed]).toEqual([T0, T0])
    expect(clock).toMatchObject({ original: T0 + HOUR, offset: HOUR, evidence: 'clamp' })
  })
  test('that is ahead by less than clocks agree stays as it is', () => {
    expect(one(correct(), { timeUnixNano: T0 + SECOND / 10n, observedTimeUnixNano: T0 }).clock).toBeUndefined()
  })
  test('keeps its times in annotate mode, with the same attributes', () => {
    for (const record of [{}, { timeUnixNano: T0 + HOUR }, { timeUnixNano: T0 / 1_000_000n }]) {
      const annotated = one(new Rig({ mode: 'annotate' }), record)
      expect([annotated.time, annotated.observed]).toEqual([record.timeUnixNano ?? 0n, 0n])
      expect(annotated.clock).toEqual(one(correct(), record).clock)
    }
  })
  test('stays as it is with mode off, or with the kind of evidence switched off', () => {
    const off = [
      [{ mode: 'off' }, {}],
      [{ mode: 'correct', evidence: { missing: false } }, {}],
      [{ mode: 'correct', evidence: { clamp: false } }, { timeUnixNano: T0 + HOUR }],
      [{ mode: 'correct', evidence: { unit: false } }, { timeUnixNano: T0 / 1_000_000n }],
    ] as const
    for (const [config, record] of off) {
      const { time, clock } = one(new Rig(config), record)
      expect({ time, clock }).toEqual({ time: 'timeUnixNano' in record ? record.timeUnixNano : 0n, clock: undefined })
    }
  })
})

test('any times at all: no crash, original - offset = corrected, never later than the receipt, nothing without evidence', () => {
  const instants = fc.oneof(
    fc.constantFrom(0n, 1n, 2n ** 63n, 2n ** 63n - 1n, 2n ** 64n - 1n, -11_644_473_600n * SECOND + 2n ** 64n),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: T0 - HOUR, max: T0 + HOUR }),
    fc.bigInt({ min: T0 / 1000n - 10n, max: T0 / 1000n + 10n }),
  )
  const rig = correct()
  let received = T0
  fc.assert(
    fc.property(
      fc.array(fc.tuple(instants, instants), { minLength: 1, maxLength: 20 }),
      fc.nat(1000),
      (times, hosts) => {
        received += SECOND
        const records = times.map(([timeUnixNano, observedTimeUnixNano]) => ({ timeUnixNano, observedTimeUnixNano }))
        const seen = rig.batch(`h${hosts % 7}`, records, { received })
        expect(rig.failures).toEqual([])
        for (const [i, { time, clock }] of seen.entries()) {
          const original = times[i]![0]
          expect(time).toBeLessThanOrEqual(received + SECOND)
          if (clock === undefined) expect(time).toBe(original)
          else {
            expect(clock.original).toBe(BigInt.asIntN(64, original))
            expect(BigInt.asUintN(64, clock.original - clock.offset)).toBe(time)
            expect(clock.uncertainty).toBeGreaterThan(0n)
          }
        }
      },
    ),
    { seed: 8, numRuns: 500 },
  )
})
