/**
 * What is wrong with a configuration, as one line that an editor can jump to:
 *
 *     gateway.yaml:12:5 exporters.otlp_http/a.endpont: unknown option; allowed: endpoint, region; did you mean endpoint?
 *
 * Values are quoted only where they are names (of components, purposes, regions …); never what could be a secret.
 */
import type { Spot } from './tree.ts'

export type ConfigPath = readonly (string | number)[]

/** The three parts of a complaint: what is wrong, what would be right, what to do. */
export interface Complaint {
  readonly what: string
  readonly allowed?: string
  readonly fix?: string
}

export interface Problem extends Complaint {
  readonly file: string
  /** Both from 1. */
  readonly line: number
  readonly column: number
  readonly path: string
}

export function problemAt(spot: Spot, path: ConfigPath, complaint: Complaint): Problem {
  return { ...spot.source.position(spot.offset), path: pathText(path), ...complaint }
}

export function formatProblem(problem: Problem): string {
  const { file, line, column, path, what, allowed, fix } = problem
  const parts = [what]
  if (allowed) parts.push(`allowed: ${allowed}`)
  if (fix) parts.push(fix)
  return `${file}:${line}:${column} ${path ? `${path}: ` : ''}${parts.join('; ')}`
}

/** `processors.minimize.keys["enduser.email"]`, `rules[0].when`: as it is read in the file. */
export function pathText(path: ConfigPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[\w/-]+$/.test(step)) text += text ? `.${step}` : step
    else text += `[${JSON.stringify(step)}]`
  }
  return text
}

/** `did you mean X?` when a name is close enough to be a slip, else nothing. */
export function suggestion(name: string, known: readonly string[]): { fix?: string } {
  const nearest = nearestName(name, known)
  return nearest === undefined ? {} : { fix: `did you mean ${nearest}?` }
}

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

const folded = (name: string): string => name.slice(0, 64).toLowerCase().replaceAll('-', '_')

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

/** `a, b, c`; long lists are cut, since nobody reads 10,000 tenants. */
export function listed(names: Iterable<string>): string {
  const all = [...names]
  const shown = all.slice(0, 40)
  const more = all.length - shown.length
  return (shown.join(', ') || 'none is defined') + (more > 0 ? `, … (${more} more)` : '')
}
