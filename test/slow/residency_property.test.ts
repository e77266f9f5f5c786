/** The rest of 10,000 random policies: test/pipeline/residency.test.ts has the first 2,000. */
import { test } from 'vitest'
import { check } from '../pipeline/residency_rig.ts'

test.each([2_000, 4_000, 6_000, 8_000])('policies from %i on: the router does what the oracle says', async (from) => {
  for (let seed = from; seed < from + 2_000; seed++) await check(seed)
}, 120_000)
