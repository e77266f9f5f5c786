/**
 * "Did you mean …?": the known name that a mistyped one is nearest to.
 */
import { limits } from './limits.ts'

/** The known name within a third of the letters, or that starts alike; case, `-` and `_` aside. Ties: the first. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const wanted = folded(name)
  const startsAlike = (each: string) => wanted.startsWith(each) || each.startsWith(wanted)
  let nearest: string | undefined
  let distanceMin = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(wanted, folded(candidate), distanceMin)
    if (distance < distanceMin) {
      nearest = candidate
      distanceMin = distance
    }
  }
  return nearest ?? [...known].find((each) => Math.min(each.length, wanted.length) > 2 && startsAlike(folded(each)))
}

const folded = (name: string): string => name.slice(0, limits.suggestedNameLengthMax).toLowerCase().replaceAll('-', '_')

/** Insertions, deletions, replacements and swaps of neighbours; stops counting at `max`. */
function editDistance(source: string, target: string, max: number): number {
  if (Math.abs(source.length - target.length) >= max) return max
  let beforeLast: number[] = []
  let last = Array.from({ length: target.length + 1 }, (_, j) => j)
  for (let i = 1; i <= source.length; i++) {
    const row = [i]
    for (let j = 1; j <= target.length; j++) {
      const cost = source[i - 1] === target[j - 1] ? 0 : 1
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + cost)
      if (i > 1 && j > 1 && source[i - 1] === target[j - 2] && source[i - 2] === target[j - 1]) {
        least = Math.min(least, beforeLast[j - 2]! + 1)
      }
      row.push(least)
    }
    beforeLast = last
    last = row
  }
  return Math.min(last[target.length]!, max)
}
