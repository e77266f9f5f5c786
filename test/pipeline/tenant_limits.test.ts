/** Rates of tenants: the average is kept, a noisy tenant takes nothing from others, memory is bounded. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../src/limits.ts'
import { Account } from '../../src/pipeline/account.ts'
import { TenantLimits } from '../../src/pipeline/tenant_limits.ts'

const none = new Account()

test('whatever comes when: no more than burst, rate and one request pass, and who waits as told gets in', () => {
  const request = fc.record({ waitMs: fc.nat(3000), records: fc.integer({ min: 1, max: 500 }) })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.array(request, { maxLength: 60 }), (rate, requests) => {
      const tenantLimits = new TenantLimits(none)
      tenantLimits.configure({ per_tenant: { records_per_second: rate, records_burst: rate } })
      let nowMs = 0
      let passed = 0
      for (const { waitMs, records } of requests) {
        nowMs += waitMs
        const throttle = tenantLimits.check('noisy', nowMs)
        // Somebody else is not concerned, whatever the noisy one does.
        expect(tenantLimits.check('quiet', nowMs)).toBeUndefined()
        if (throttle !== undefined) {
          expect(throttle).toMatchObject({ what: 'records_per_second' })
          if (waitMs % 2 === 0) continue
          nowMs += throttle.retryAfterMs
          expect(tenantLimits.check('noisy', nowMs)).toBeUndefined()
        }
        tenantLimits.spend('noisy', records, 0, nowMs)
        passed += records
        expect(passed - records).toBeLessThanOrEqual(rate + (rate * nowMs) / 1000)
      }
    }),
    { numRuns: 300, seed: 1 },
  )
})

test('names replace the rule for all; bytes and queued records are limits of their own', () => {
  const account = new Account()
  const tenantLimits = new TenantLimits(account)
  expect(tenantLimits.isActive).toBe(false)
  tenantLimits.configure({
    per_tenant: { bytes_per_second: 1000, bytes_burst: 100 },
    tenants: { big: { queued_records: 10 }, free: {} },
  })
  tenantLimits.spend('small', 1, 1100, 0)
  expect(tenantLimits.check('small', 0)).toEqual({ retryAfterMs: 1001, what: 'bytes_per_second' })
  tenantLimits.spend('free', 1e9, 1e12, 0)
  expect(tenantLimits.check('free', 0)).toBeUndefined()
  expect(tenantLimits.check('big', 0)).toBeUndefined()
  account.of('big').queued = 10
  expect(tenantLimits.check('big', 0)).toMatchObject({ what: 'queued_records' })
  // A clock that steps back fills nothing and locks nobody out.
  expect(tenantLimits.check('small', -5000)?.retryAfterMs).toBe(1001)
  tenantLimits.configure({ per_tenant: { bytes_per_second: 2000, bytes_burst: 100 } })
  expect(tenantLimits.check('small', 0)).toBeUndefined()
  tenantLimits.configure(undefined)
  expect(tenantLimits.isActive).toBe(false)
})

test('more tenants than are told apart share one bucket, until others have been quiet', () => {
  const tenantLimits = new TenantLimits(none)
  tenantLimits.configure({ per_tenant: { records_per_second: 1, records_burst: 1 } })
  for (let i = 0; i < limits.limitedTenantsMax; i++) tenantLimits.spend(`t${i}`, 1, 0, 0)
  expect(tenantLimits.check('late', 0)).toBeUndefined()
  tenantLimits.spend('late', 2, 0, 0)
  expect(tenantLimits.check('later', 0)).toMatchObject({ what: 'records_per_second' })
  // A minute on the buckets of the quiet ones are full again, and make room.
  expect(tenantLimits.check('later', 60_000)).toBeUndefined()
  tenantLimits.spend('later', 100, 0, 60_000)
  expect(tenantLimits.check('another', 60_000)).toBeUndefined()
})

test('several workers keep one rate: what each lets in is owed by all, however late they hear of it', () => {
  const request = fc.record({ waitMs: fc.nat(50), worker: fc.nat(2), records: fc.integer({ min: 1, max: 20 }) })
  const hearsAfterMs = 100
  fc.assert(
    fc.property(fc.integer({ min: 5, max: 200 }), fc.array(request, { maxLength: 200 }), (rate, requests) => {
      const told: { atMs: number; from: number; records: number }[] = []
      let nowMs = 0
      const workers = [0, 1, 2].map((from) => {
        const spent = (_tenant: string, records: number) => void told.push({ atMs: nowMs, from, records })
        const one = new TenantLimits(none, { spent, queued: () => 0 })
        one.configure({ per_tenant: { records_per_second: rate, records_burst: rate } })
        return one
      })
      let passed = 0
      let largest = 0
      for (const { waitMs, worker, records } of requests) {
        nowMs += waitMs
        while (told[0] !== undefined && told[0].atMs <= nowMs - hearsAfterMs) {
          const { from, records: heard } = told.shift()!
          for (const [n, other] of workers.entries()) if (n !== from) other.spentElsewhere('acme', heard, 0, nowMs)
        }
        if (workers[worker]!.check('acme', nowMs) !== undefined) continue
        workers[worker]!.spend('acme', records, 0, nowMs)
        passed += records
        largest = Math.max(largest, records)
        // At worst each of the others lets in its burst, and one request, before it hears; then it is all owed.
        expect(passed).toBeLessThanOrEqual(3 * (rate + largest) + (rate * nowMs) / 1000)
      }
      // Once all have heard, nothing passes until the debt is paid.
      nowMs += hearsAfterMs
      for (const { from, records } of told.splice(0)) {
        for (const [n, other] of workers.entries()) if (n !== from) other.spentElsewhere('acme', records, 0, nowMs)
      }
      const isOver = passed > rate + (rate * nowMs) / 1000
      for (const worker of workers) if (isOver) expect(worker.check('acme', nowMs)).toBeDefined()
    }),
    { numRuns: 200, seed: 1 },
  )
})

test('records that wait in the queues of other workers count', () => {
  const account = new Account()
  const elsewhere = new Map([['acme', 6]])
  const one = new TenantLimits(account, { spent: () => {}, queued: (tenant) => elsewhere.get(tenant) ?? 0 })
  expect(one.countsQueued).toBe(false)
  one.configure({ tenants: { acme: { queued_records: 10 } } })
  expect(one.countsQueued).toBe(true)
  account.of('acme').queued = 3
  expect(one.check('acme', 0)).toBeUndefined()
  elsewhere.set('acme', 7)
  expect(one.check('acme', 0)).toMatchObject({ what: 'queued_records' })
})
