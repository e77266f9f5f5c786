/** Scores of one scenario, pooled over seeds. */
import type { Result } from './figures.ts'
import type { Score } from './run.ts'

export interface Summary extends Result {
  readonly max: number
  readonly sum: (of: (score: Score) => number) => number
}

const at = (sorted: Float64Array, share: number): number =>
  sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!

export function pool(scores: readonly Score[]): Summary {
  const sum = (of: (score: Score) => number): number => scores.reduce((total, score) => total + of(score), 0)
  const errors = new Float64Array(sum((score) => score.errors.length))
  let next = 0
  for (const score of scores) for (const error of score.errors) errors[next++] = error
  errors.sort()
  const judged = sum((score) => score.judged)
  return {
    p50: at(errors, 0.5),
    p95: at(errors, 0.95),
    max: at(errors, 1),
    covered: judged === 0 ? 1 : sum((score) => score.covered) / judged,
    altered:
      sum((score) => score.wronglyAltered) /
      Math.max(
        1,
        sum((score) => score.healthy),
      ),
    alteredAfter: sum((score) => score.alteredAfter),
    inversions:
      sum((score) => score.inversions) /
      Math.max(
        1,
        sum((score) => score.pairs),
      ),
    alarmed: scores.every((score) => score.alarmed),
    sum,
  }
}
