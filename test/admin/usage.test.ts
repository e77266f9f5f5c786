/** What `/v1/usage` says was used, from counts of stores that hold copies of the same records, or stand in for each other. */
import { expect, test } from 'vitest'
import { usedOf } from '../../src/admin/usage.ts'

const regionOf = (store: string) => store.split('/')[0]!
const counts = (records: Record<string, number>, purpose = 'billing') =>
  Object.entries(records).map(([store, count]) => ({ store, purpose, records: count }))
const local = { residency: 'local', regions: ['de', 'fr'], centralPurposes: [], purposes: new Map() } as const
const split = { ...local, residency: 'split', centralPurposes: ['billing'] } as const

test.each([
  ['one store', local, { 'de/a': 7 }, 7],
  ['two stores in a region hold the same', local, { 'de/a': 7, 'de/b': 6 }, 7],
  ['another region stood in for a while', local, { 'de/a': 7, 'fr/a': 5 }, 12],
  ['a region that this tenant no longer has', local, { 'de/a': 7, 'nl/a': 9 }, 9],
  ['the central region has a copy of each', split, { 'de/a': 7, 'nl/a': 7 }, 7],
  ['also of what another region took', split, { 'de/a': 7, 'fr/a': 5, 'nl/a': 12 }, 12],
  ['the central region stands in itself', { ...split, regions: ['de', 'nl'] }, { 'de/a': 7, 'nl/a': 12 }, 12],
  ['nothing', local, {}, 0],
] as const)('%s', (_, rule, records, used) => {
  expect(usedOf(counts(records), rule, 'nl', regionOf)).toBe(used)
})

test('of several purposes the one that has it most often', () => {
  const both = [...counts({ 'de/a': 3, 'fr/a': 3 }), ...counts({ 'de/a': 5 }, 'usage')]
  expect(usedOf(both, local, undefined, regionOf)).toBe(6)
})
