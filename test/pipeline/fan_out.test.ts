/** A plan counts its records by tenant, however the tenants' resources come. */
import { expect, it } from 'vitest'
import { OpenPlan } from '../../src/pipeline/fan_out.ts'

it('joins a tenant whose resources stand apart in the request', () => {
  const plan = new OpenPlan()
  plan.account('acme', 1, false)
  plan.account('acme', 1, true)
  plan.account('globex', 5, false)
  plan.account('acme', 2, true)
  plan.account('initech', 0, false)
  expect(plan.tenants).toEqual([
    ['acme', 4],
    ['globex', 5],
  ])
  plan.clear()
  expect(plan.tenants).toEqual([])
})
