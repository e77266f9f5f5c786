/**
 * How well clocks are normalized: simulated worlds, the truth beside what came out.
 *
 *   npm run bench:clock -- [--seed N[,N…]] [--scenario NAME[,NAME…]] [--minutes N] [--quick] [--check]
 *
 * Prints, per scenario and pooled over seeds: p50, p95 and largest error of the machines in question after ten
 * minutes, the share of their records that was corrected, healthy records that were altered, how often the stated
 * uncertainty covers the true error and new inversions within a machine.
 * --quick: fewer scenarios, one seed, 30 minutes. --check: ends with 1 where a figure of docs/normalize_clock.md is missed.
 */
import { parseArgs } from 'node:util'
import { figures } from './clock/figures.ts'
import { runScenario, type Score } from './clock/run.ts'
import { scenarios } from './clock/scenarios.ts'
import { Chance, MINUTES } from './clock/world.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    scenario: { type: 'string' },
    minutes: { type: 'string' },
    quick: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    blame: { type: 'boolean', default: false },
  },
})
const quick = ['healthy', 'late_constant', 'fast_direct', 'fast_relayed', 'zone', 'slow_date', 'units', 'lying_tenant']
const names = values.scenario?.split(',') ?? (values.quick ? quick : Object.keys(scenarios))
const minutes = Number(values.minutes ?? (values.quick ? 25 : 90))
const seeds = values.seed.split(',').map(Number)

const at = (sorted: Float64Array, share: number): number =>
  sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
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
  for (const seed of seeds) scores.push(runScenario(make(new Chance(seed)), seed, minutes * MINUTES))
  const sum = (of: (score: Score) => number): number => scores.reduce((total, score) => total + of(score), 0)
  const errors = Float64Array.from(scores.flatMap((score) => score.errors)).sort()
  const [p50, p95, max] = [at(errors, 0.5), at(errors, 0.95), at(errors, 1)]
  const covered = sum((score) => score.judged) === 0 ? 1 : sum((score) => score.covered) / sum((score) => score.judged)
  const inversions = sum((score) => score.inversions)
  const figure = figures[name]
  const result = {
    p50,
    p95,
    covered,
    altered:
      sum((score) => score.wronglyAltered) /
      Math.max(
        1,
        sum((score) => score.healthy),
      ),
    alteredAfter: sum((score) => score.alteredAfter),
    inversions:
      inversions /
      Math.max(
        1,
        sum((score) => score.pairs),
      ),
    alarmed: scores.every((score) => score.alarmed),
  }
  const misses = figure?.(result) ?? []
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
    `${inversions} / ${sum((score) => score.pairs)}`,
    result.alarmed ? 'yes' : 'no',
  ]
  console.log(`| ${cells.join(' | ')} |${misses.length > 0 ? ` MISSED: ${misses.join(', ')}` : ''}`)
  if (values.blame)
    for (const score of scores) for (const [who, count] of score.blame) console.log(`    ${who}: ${count}`)
}
console.log(`\nhealthy, late, replayed, lagging records altered: ${altered} of ${healthy}`)
if (values.check && missed > 0) process.exitCode = 1
