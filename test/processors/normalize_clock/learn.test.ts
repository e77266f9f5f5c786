/** What is learnt of sources: fast, slow and late ones, who may say what about whom, and what lives over a restart. */
import { describe, expect, test } from 'vitest'
import type { LogRecord } from '../../oracle/otlp.ts'
import { type Envelope, HOUR, MINUTE, Rig, SDK, SECOND, type Seen, T0 } from './harness.ts'

interface Sender {
  readonly host: string
  /** Its clock less the gateway's. */
  readonly offset: bigint
  /** How late a batch arrives. */
  readonly lag?: bigint
  readonly tenant?: string
  readonly userAgent?: string
  readonly hasDate?: boolean
  readonly trace?: boolean
}
const MS = 1_000_000n

/** Sends a batch of five records a second of each sender, from `from` for `seconds`; gives what came out, by host. */
function play(rig: Rig, senders: readonly Sender[], seconds: number, from = T0, more: Partial<Envelope> = {}) {
  const out = new Map<string, Seen[][]>(senders.map(({ host, tenant }) => [`${tenant ?? 'acme'} ${host}`, []]))
  for (let second = 0; second < seconds; second++) {
    for (const [i, sender] of senders.entries()) {
      const { host, offset, lag = 0n, tenant = 'acme', userAgent, hasDate, trace } = sender
      const sent = from + BigInt(second) * SECOND + BigInt(i) * MS
      const records = [800n, 500n, 300n, 100n, 10n].map((before): LogRecord => {
        const at = sent - lag + offset - before * MS
        return { timeUnixNano: at, observedTimeUnixNano: at, ...(trace === true && { traceId: traceId(second) }) }
      })
      const date = hasDate === true ? new Date(Number((sent - lag + offset) / MS)).toUTCString() : undefined
      const envelope = {
        received: sent + 20n * MS,
        tenant,
        ...(date !== undefined && { date }),
        ...(userAgent !== undefined && { userAgent }),
        ...more,
      }
      out.get(`${tenant} ${host}`)!.push(rig.batch(host, records, envelope))
    }
  }
  expect(rig.failures).toEqual([])
  return out
}
const traceId = (n: number): Buffer => Buffer.from(`7${n.toString(16).padStart(31, '0')}`, 'hex')
const healthy = (count: number, tenant = 'acme'): Sender[] =>
  Array.from({ length: count }, (_, i) => ({ host: `healthy-${i}`, offset: 0n, tenant, userAgent: SDK }))
const altered = (batches: readonly Seen[][]): number => batches.flat().filter(({ clock }) => clock !== undefined).length
/** The last record of the last batch: its corrected time less its true one, and why. */
function last(batches: readonly Seen[][], { offset }: Sender) {
  const seen = batches.at(-1)!.at(-1)!
  const original = seen.clock?.original ?? seen.time
  return { error: seen.time - (original - offset), evidence: seen.clock?.evidence, clock: seen.clock }
}

describe('a clock that is ahead', () => {
  const fast: Sender = { host: 'fast', offset: 30n * SECOND, userAgent: SDK }
  test('is learnt from three batches, and its records come out right within the stated uncertainty', () => {
    const rig = new Rig()
    const out = play(rig, [fast, ...healthy(3)], 20)
    const { error, evidence, clock } = last(out.get('acme fast')!, fast)
    expect(evidence).toBe('future')
    expect(clock!.uncertainty).toBeGreaterThan(error < 0n ? -error : error)
    expect(error).toBeGreaterThan(-100n * MS)
    expect(error).toBeLessThan(100n * MS)
    for (let i = 0; i < 3; i++) expect(altered(out.get(`acme healthy-${i}`)!)).toBe(0)
  })
  test('keeps the order of its records while its offset is learnt and moves', () => {
    const rig = new Rig()
    const steps = [0n, 3n * SECOND, 3n * SECOND + 200n * MS, 90n * SECOND]
    const times = steps.flatMap((offset, i) =>
      [...play(rig, [{ ...fast, offset }], 30, T0 + BigInt(i) * 30n * SECOND).values()][0]!.flat(),
    )
    let inversions = 0
    for (let i = 1; i < times.length; i++) if (times[i]!.time < times[i - 1]!.time) inversions++
    expect(inversions).toBe(0)
  })
  test('that was set right is left alone from the second batch on', () => {
    const rig = new Rig()
    play(rig, [fast], 60)
    const out = play(rig, [{ ...fast, offset: 0n }], 20, T0 + MINUTE)
    expect(altered(out.get('acme fast')!.slice(2))).toBe(0)
  })
  test('moves nothing in annotate mode, and says the same', () => {
    const correct = play(new Rig({ mode: 'correct' }), [fast], 20).get('acme fast')!
    const annotate = play(new Rig({ mode: 'annotate' }), [fast], 20).get('acme fast')!
    for (const [i, batch] of annotate.entries()) {
      for (const [k, { time, clock }] of batch.entries()) {
        const twin = correct[i]![k]!
        expect(clock).toEqual(twin.clock)
        expect(time).toBe(twin.clock?.original ?? twin.time)
      }
    }
  })
})

describe('what looks behind', () => {
  const behind = (part: Partial<Sender>): Sender => ({ host: 'behind', offset: 0n, ...part })
  test('and may be late delivery is left alone: relayed, held back, replayed', () => {
    const late = [45n * SECOND, 900n * SECOND, 1800n * SECOND + 700n * MS, 3600n * SECOND + 700n * MS, 26n * HOUR]
    const senders = late.map((lag, i) => ({ host: `late-${i}`, offset: 0n, lag }))
    const out = play(new Rig(), [...senders, ...healthy(5)], 400)
    for (const batches of out.values()) expect(altered(batches)).toBe(0)
  })
  test.each([
    ['sent_at', { offset: -90n * SECOND, hasDate: true, userAgent: SDK }],
    ['direct_flat', { offset: -90n * SECOND, userAgent: SDK }],
    ['timezone', { offset: -4n * HOUR }],
    ['unset', { offset: 100n * SECOND - T0 }],
  ] as const)('is slow where %s says so', (evidence, part) => {
    const sender = behind(part)
    const outcome = last(play(new Rig(), [sender, ...healthy(5)], 300).get('acme behind')!, sender)
    expect(outcome.evidence).toBe(evidence)
    const error = outcome.error < 0n ? -outcome.error : outcome.error
    expect(error).toBeLessThan(outcome.clock!.uncertainty)
    expect(error).toBeLessThan(600n * MS)
  })
  test('is slow where traces of the same tenant say so, and late where they say that', () => {
    const traced = [...healthy(5)].map((sender) => ({ ...sender, trace: true }))
    const slow = behind({ offset: -90n * SECOND, trace: true })
    const late: Sender = { host: 'late', offset: 0n, lag: 4n * HOUR, trace: true }
    const out = play(new Rig(), [...traced, slow], 300)
    expect(last(out.get('acme behind')!, slow).evidence).toBe('trace')
    // Hours later the trusted ones' traces are still in the table: the late one's say "about zero".
    const rig = new Rig()
    play(rig, traced, 200)
    const replayed = play(rig, [late], 200, T0 + 4n * HOUR)
    expect(altered(replayed.get('acme late')!)).toBe(0)
  })
  test('by a Date that was frozen while a backlog waited is left alone', () => {
    const rig = new Rig()
    play(rig, [behind({ hasDate: true, userAgent: SDK }), ...healthy(3)], 60)
    const paused = behind({ lag: 330n * SECOND, hasDate: true, userAgent: SDK })
    const out = play(rig, [paused, ...healthy(3)], 120, T0 + MINUTE + 330n * SECOND)
    expect(altered(out.get('acme behind')!)).toBe(0)
  })
  test('is not corrected with that evidence switched off', () => {
    const sender = behind({ offset: -90n * SECOND, hasDate: true, userAgent: SDK })
    const rig = new Rig({ mode: 'correct', evidence: { sent_at: false, direct_flat: false } })
    expect(altered(play(rig, [sender], 300).get('acme behind')!)).toBe(0)
  })
})

describe('tenants', () => {
  const target: Sender = { host: 'fast', offset: 5n * SECOND, userAgent: SDK, trace: true }
  test("a tenant with sixty wrong clocks, under others' names, changes nothing of others", () => {
    const honest = [target, ...healthy(12).map((one) => ({ ...one, trace: true }))]
    const liars = Array.from({ length: 60 }, (_, i) => ({
      host: i < 13 ? honest[i]!.host : `liar-${i}`,
      offset: 3n * SECOND,
      tenant: 'mallory',
      userAgent: SDK,
      trace: true,
    }))
    // The same arrival times in both runs: the liars come after the honest ones.
    const alone = play(new Rig(), honest, 40)
    const together = play(new Rig(), [...honest, ...liars], 40)
    for (const { host } of honest) expect(together.get(`acme ${host}`)).toEqual(alone.get(`acme ${host}`))
  })
})

describe("the gateway's own clock", () => {
  const senders = healthy(12)
  const run = (offset: bigint, hasMonotonic: boolean) => {
    const rig = new Rig()
    let count = 0
    const send = (from: bigint, wrong: bigint, seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        for (const { host } of senders) {
          const at = from + BigInt(second) * SECOND + BigInt(count % 12) * MS
          const received = at + 20n * MS + wrong
          const times = [400n, 10n].map((before) => ({
            timeUnixNano: at - before * MS,
            observedTimeUnixNano: at - before * MS,
          }))
          const seen = rig.batch(host, times, { received, userAgent: SDK, ...(hasMonotonic && { monotonic: at }) })
          total += seen.filter(({ clock }) => clock !== undefined).length
          count++
        }
      }
    }
    let total = 0
    send(T0, 0n, 120)
    send(T0 + 2n * MINUTE, offset, 120)
    const during = total
    const isAlarmed = rig.counting.gauges.get('gateway_suspect')!() === 1
    total = 0
    send(T0 + 4n * MINUTE, 0n, 180)
    const isOver = rig.counting.gauges.get('gateway_suspect')!() === 0
    return { during, after: total, isAlarmed, isOver }
  }
  test.each([
    ['an hour ahead', HOUR, true],
    ['an hour behind', -HOUR, true],
    ['an hour ahead, without a monotonic clock', HOUR, false],
    ['an hour behind, without a monotonic clock', -HOUR, false],
  ])('%s raises an alarm and alters nothing', (_what, offset, hasMonotonic) => {
    expect(run(offset, hasMonotonic)).toEqual({ during: 0, after: 0, isAlarmed: true, isOver: true })
  })
})

describe('over a restart', () => {
  const fast: Sender = { host: 'fast', offset: 5n * MINUTE, userAgent: SDK }
  test('an offset applies again after one batch that fits, and not after one that does not', () => {
    const first = new Rig()
    play(first, [fast], 60)
    const snapshot = first.processor.snapshot!()
    expect(Buffer.from(snapshot).includes('fast')).toBe(false)
    const second = new Rig()
    second.processor.restore!(snapshot)
    const again = play(second, [fast], 3, T0 + 5n * MINUTE).get('acme fast')!
    expect(again[0]!.at(-1)!.clock?.evidence).toBe('future')
    const third = new Rig()
    third.processor.restore!(snapshot)
    expect(altered(play(third, [{ ...fast, offset: 0n }], 30, T0 + 5n * MINUTE).get('acme fast')!)).toBe(0)
  })
  test('what was not heard again is kept for the next one; another version is refused', () => {
    const first = new Rig()
    play(first, [fast], 60)
    const snapshot = first.processor.snapshot!()
    const second = new Rig()
    second.processor.restore!(snapshot)
    play(second, healthy(2), 3)
    expect(Buffer.from(second.processor.snapshot!())).toEqual(Buffer.from(snapshot))
    expect(() => second.processor.restore!(Uint8Array.of(9, 9, 9))).toThrow('another version')
  })
})

test('a source that turns is told in the log, without its name', () => {
  const rig = new Rig()
  play(rig, [{ host: 'secret-host', offset: 30n * SECOND, userAgent: SDK }], 20)
  const [turn] = rig.counting.events
  expect(turn).toMatchObject({ event: 'clock_turned', fields: { from: 'cold', to: 'fast', evidence: 'future' } })
  expect(JSON.stringify(rig.counting.events)).not.toContain('secret')
})

test('header dates in wrong formats are no evidence, and are counted', () => {
  const rig = new Rig()
  for (const date of ['yesterday', '2026-06-01T12:00:00Z', 'Mon, 99 Jun 2026 12:00:00 GMT', '', '9'.repeat(2000)]) {
    rig.batch('h', [{ timeUnixNano: T0, observedTimeUnixNano: T0 }], { received: T0, date, userAgent: SDK })
  }
  expect(rig.failures).toEqual([])
  expect(rig.counting.counts.get('bad_dates')).toBe(5)
})
