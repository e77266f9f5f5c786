/** Simulated worlds, a short run of each kind: the figures of bench/clock/figures.ts hold. `npm run bench:clock` runs all. */
import { expect, test } from 'vitest'
import { figures } from '../../../bench/clock/figures.ts'
import { runScenario } from '../../../bench/clock/run.ts'
import { scenarios } from '../../../bench/clock/scenarios.ts'
import { pool } from '../../../bench/clock/summary.ts'
import { Chance, MINUTES } from '../../../bench/clock/world.ts'

/** More of them: `npm run bench:clock -- --quick --check`, which CI runs. */
const short = ['late_constant', 'fast_direct', 'lying_tenant']

test.each(short)('%s', (name) => {
  const score = runScenario(scenarios[name]!(new Chance(31)), 31, 20 * MINUTES)
  expect(score.records).toBeGreaterThan(50_000)
  expect(figures[name]!(pool([score]))).toEqual([])
})
