/** Sums over workers: what adds up adds up, and where it does not the worst is told. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Account, type TenantAccount } from '../../src/pipeline/account.ts'
import type { DestinationState } from '../../src/pipeline/parcel.ts'
import { gatewayStatus } from '../../src/status.ts'
import { countersOf, Metrics, metricsTogether, oneDump } from '../../src/telemetry/metrics.ts'
import { healthTogether, stateTogether, statusTogether } from '../../src/together.ts'

const state = (more: Partial<DestinationState> = {}): DestinationState => ({
  queuedBatches: 1,
  queuedRecords: 2,
  queuedRequests: 3,
  queuedBytes: 4,
  capacity: 10,
  sizer: 'bytes',
  oldestAgeMs: 5,
  inFlight: 1,
  retrying: 0,
  retries: 2,
  breaker: 'closed',
  exporterStarted: true,
  stuckSinceMs: undefined,
  diskFailing: undefined,
  lastFailure: undefined,
  deadLetters: { batches: 1, records: 2, bytes: 3 },
  queuedPerSecond: 0,
  storedPerSecond: 0,
  corruptBytes: 0,
  ...more,
})

describe('the account', () => {
  const tenant = fc.constantFrom('acme', 'globex', '')
  const change = fc.record({ tenant, worker: fc.nat(2), records: fc.integer({ min: 1, max: 9 }), what: fc.nat(4) })

  test('balances over workers, also where one ended and another goes on with what it had settled', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const accounts = [new Account(), new Account(), new Account()]
        for (const { tenant, worker, records, what } of changes) {
          const account = accounts[worker]!
          const counts = [[tenant, records]] as const
          const delivery = account.delivery()
          account.receive(counts)
          account.enter(counts)
          delivery.enqueued(counts)
          if (what === 1) delivery.stored(counts, records)
          if (what === 2) delivery.refused(counts, records, 'no')
          if (what === 3) delivery.deadLettered(counts, records, 'no')
          if (what !== 4) continue
          // It ends: what waited is found in its queue again.
          const next = new Account()
          const before = account.tenants()
          next.resume(before)
          next
            .delivery()
            .recovered(before.map(([name, { queued }]: [string, TenantAccount]) => [name, queued] as const))
          expect(next.total()).toEqual(account.total())
          accounts[worker] = next
        }
        const all = statusTogether(accounts.map((account) => gatewayStatus(account, [], 'v1')))
        for (const { received, ...became } of [all.total, ...Object.values(all.tenants)]) {
          expect(received).toBe(Object.values(became).reduce((sum, records) => sum + records, 0))
        }
      }),
      { numRuns: 200, seed: 1 },
    )
  })
})

test('queues add up; one open breaker, the oldest record, the first failure are told', () => {
  const together = stateTogether([
    state(),
    state({ breaker: 'open', stuckSinceMs: 70, oldestAgeMs: 9, lastFailure: 'timeout', exporterStarted: false }),
    state({ breaker: 'half_open', stuckSinceMs: 60, diskFailing: 'ENOSPC' }),
  ])
  expect(together).toMatchObject({
    queuedRecords: 6,
    capacity: 30,
    retries: 6,
    oldestAgeMs: 9,
    breaker: 'open',
    stuckSinceMs: 60,
    exporterStarted: false,
    diskFailing: 'ENOSPC',
    lastFailure: 'timeout',
    deadLetters: { batches: 3, records: 6, bytes: 9 },
  })
  expect(stateTogether([state()])).toEqual(state())
})

test('a part is as well as it is where it is worst', () => {
  const since = '2026-01-31T00:00:00.000Z'
  const parts = healthTogether([
    { gateway: { status: 'ok', since }, 'exporter a': { status: 'failing', since, reason: 'stuck' } },
    { gateway: { status: 'stopping', since }, 'exporter a': { status: 'ok', since } },
  ])
  expect(parts['gateway']!.status).toBe('stopping')
  expect(parts['exporter a']).toEqual({ status: 'failing', since, reason: 'stuck' })
})

test('counters add up and never fall when a worker ends; a gauge that all know is told once', async () => {
  const worker = (n: number, sources: number) => {
    const metrics = new Metrics()
    metrics.counter('sent', 'Sent.', ['to']).with('a').add(n)
    metrics.gauge('queued', 'Queued.', {}, () => n)
    metrics.gauge('sources', 'Sources.', {}, () => sources, 'first')
    return metrics.dump()
  }
  const own = new Metrics()
  own.gauge('sources', 'Sources.', {}, () => 7, 'first')
  const [first, second] = [await worker(3, 5), await worker(4, 6)]
  const text = await metricsTogether([await own.dump(), first, second])
  expect(text).toMatch(/^sent\{to="a"\} 7$/m)
  expect(text).toMatch(/^queued 7$/m)
  expect(text).toMatch(/^sources 7$/m)
  // The second ends; its counters stay.
  const former = await oneDump([[], countersOf(second)])
  const after = await metricsTogether([await own.dump(), first, await worker(1, 6), former])
  expect(after).toMatch(/^sent\{to="a"\} 8$/m)
  expect(after).toMatch(/^queued 4$/m)
})
