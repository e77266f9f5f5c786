/** A plan counts its records by tenant, however the tenants' resources come. */
import { expect, it } from 'vitest'
import { OpenPlan } from '../../src/pipeline/fan_out.ts'
import { RoutedCopy, TenantRoutes } from '../../src/pipeline/residency.ts'

it('joins a tenant whose resources stand apart in the request', () => {
  const plan = new OpenPlan()
  const [acme, globex, initech] = [new TenantRoutes(), new TenantRoutes(), new TenantRoutes()]
  plan.account('acme', acme, 1, false)
  plan.account('acme', acme, 1, true)
  plan.account('globex', globex, 5, false)
  plan.account('acme', acme, 2, true)
  plan.account('initech', initech, 0, false)
  plan.settle()
  expect(plan.tenants).toEqual([
    ['acme', 4],
    ['globex', 5],
  ])
  plan.clear()
  plan.settle()
  expect(plan.tenants).toEqual([])
})

it('tells strangers apart who share their routes', () => {
  const plan = new OpenPlan()
  const strangers = new TenantRoutes()
  plan.account('one', strangers, 1, false)
  plan.account('two', strangers, 2, true)
  plan.settle()
  expect(plan.tenants).toEqual([
    ['one', 1],
    ['two', 2],
  ])
})

it('holds nothing of what it held before, and grows with what it gets', () => {
  const plan = new OpenPlan()
  const fill = (tenants: number): void => {
    plan.clear()
    for (let i = 0; i < tenants; i++) {
      const copy = copyOf(`t${i}`, 'billing')
      copy.sorting = -1
      plan.push(i, copy)
      plan.account(`t${i}`, new TenantRoutes(), 1, false)
    }
    plan.settle()
    expect([plan.count, plan.forms.length, plan.tenants.length, plan.holdings.length]).toEqual(Array(4).fill(tenants))
    expect(plan.tenants.every(([tenant, records], i) => tenant === `t${i}` && records === 1)).toBe(true)
  }
  for (const tenants of [700, 3, 0, 40, 1]) fill(tenants)
})

const copyOf = (tenant: string, purpose: string): RoutedCopy => {
  const holding = { tenant, purposes: [purpose], content: 'drop' as const }
  return new RoutedCopy(0, { content: 'drop', appendix: Buffer.alloc(0), seal: () => '', holding }, true)
}

it('belongs to the tenant with most of the records, over all its purposes, and to the next one when these are dropped', () => {
  const plan = new OpenPlan()
  const [billing, support, other] = [copyOf('acme', 'billing'), copyOf('acme', 'support'), copyOf('globex', 'usage')]
  // As `sort` does before it fills a plan: what was noted elsewhere does not count.
  for (const copy of [billing, support, other]) copy.sorting = -1
  for (const [record, copy] of [billing, other, support, other, billing].entries()) plan.push(record, copy)
  expect(plan.owner).toBe('acme')
  plan.drop(
    (tenant) => tenant === 'acme',
    (record) => (record % 2 === 0 ? 'acme' : 'globex'),
  )
  expect([plan.owner, plan.count]).toEqual(['globex', 2])
  plan.clear()
  plan.settle()
  expect(plan.owner).toBe('')
})

it('belongs to whom its records are counted for where its copies do not say whose they are', () => {
  const plan = new OpenPlan()
  const aside = new RoutedCopy(-1, { content: 'original', appendix: Buffer.alloc(0), seal: () => '' }, false)
  aside.sorting = -1
  plan.push(0, aside)
  plan.account('acme', new TenantRoutes(), 1, false)
  expect(plan.owner).toBe('acme')
})
