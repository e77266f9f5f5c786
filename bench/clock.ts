/**
 * How well clocks are normalized: simulated worlds, the truth beside what came out.
 *
 *   npm run bench:clock -- [--seed N[,N…]] [--scenario NAME[,NAME…]] [--minutes N] [--workers N] [--quick] [--check]
 *
 * Prints, per scenario and pooled over seeds: p50, p95 and largest error of the machines in question after ten
 * minutes, the share of their records that was corrected, healthy records that were altered, how often the stated
 * uncertainty covers the true error and new inversions within a machine.
 * --workers: that many share the deliveries, as those of a gateway with `service.workers`.
 * --quick: fewer scenarios, three seeds, 25 minutes. --check: ends with 1 where a figure of docs/normalize_clock.md is missed.
 */
import { parseArgs } from 'node:util'
import { figures } from './clock/figures.ts'
import { runScenario, type Score } from './clock/run.ts'
import { scenarios } from './clock/scenarios.ts'
import { pool } from './clock/summary.ts'
import { Chance, MINUTES } from './clock/world.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    scenario: { type: 'string' },
    minutes: { type: 'string' },
    workers: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    blame: { type: 'boolean', default: false },
  },
})
const quick = ['healthy', 'late_constant', 'fast_direct', 'fast_relayed', 'zone', 'slow_date', 'units', 'lying_tenant']
const names = values.scenario?.split(',') ?? (values.quick ? quick : Object.keys(scenarios))
const minutes = Number(values.minutes ?? (values.quick ? 25 : 90))
const seeds = (values.seed ?? (values.quick ? '1,2,3' : '1')).split(',').map(Number)

const span = (ms: number): string =>
  Number.isNaN(ms)
    ? '-'
    : ms < 1000
      ? `${ms.toFixed(0)} ms`
      : ms < 600_000
        ? `${(ms / 1000).toFixed(1)} s`
        : `${(ms / 3_600_000).toFixed(2)} h`
const percent = (part: number, whole: number): string => (whole === 0 ? '-' : `${((100 * part) / whole).toFixed(2)} %`)

console.log('| scenario | p50 | p95 | max | corrected | healthy altered | covered | inversions | alarm |')
console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |')
let healthy = 0
let altered = 0
let missed = 0
for (const name of names) {
  const make = scenarios[name]
  if (make === undefined) throw new Error(`no scenario ${name}; there are ${Object.keys(scenarios).join(', ')}`)
  const scores: Score[] = []
  for (const seed of seeds)
    scores.push(runScenario(make(new Chance(seed)), seed, minutes * MINUTES, Number(values.workers)))
  const result = pool(scores)
  const { p50, p95, max, sum } = result
  const misses = figures[name]?.(result) ?? []
  missed += misses.length
  if (name.startsWith('gateway') === false) {
    healthy += sum((score) => score.healthy)
    altered += sum((score) => score.wronglyAltered)
  }
  const cells = [
    name,
    span(p50),
    span(p95),
    span(max),
    percent(
      sum((score) => score.corrected),
      sum((score) => score.targets),
    ),
    `${sum((score) => score.wronglyAltered)} / ${sum((score) => score.healthy)}`,
    percent(
      sum((score) => score.covered),
      sum((score) => score.judged),
    ),
    `${sum((score) => score.inversions)} / ${sum((score) => score.pairs)}`,
    result.alarmed ? 'yes' : 'no',
  ]
  console.log(`| ${cells.join(' | ')} |${misses.length > 0 ? ` MISSED: ${misses.join(', ')}` : ''}`)
  if (values.blame)
    for (const score of scores) for (const [who, count] of score.blame) console.log(`    ${who}: ${count}`)
}
console.log(`\nhealthy, late, replayed, lagging records altered: ${altered} of ${healthy}`)
if (values.check && missed > 0) process.exitCode = 1
