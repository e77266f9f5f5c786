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
