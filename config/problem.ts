/**
 * What is wrong with a configuration, as one line that an editor can jump to:
 *
 *     gateway.yaml:12:5 exporters.otlp_http/a.endpont: unknown option; allowed: endpoint, region; did you mean endpoint?
 *
 * Values are quoted only where they are names (of components, purposes, regions …); never what could be a secret.
 */
import { nearestName } from '../src/nearest_name.ts'
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
  // A component's fix is a sentence; here it goes on with one.
  if (fix) parts.push(/^[A-Z][a-z]/.test(fix) ? fix[0]!.toLowerCase() + fix.slice(1) : fix)
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

/** `a, b, c`; long lists are cut, since nobody reads 10,000 tenants. */
export function listed(names: Iterable<string>): string {
  const all = [...names]
  const shown = all.slice(0, 40)
  const more = all.length - shown.length
  return (shown.join(', ') || 'none is defined') + (more > 0 ? `, … (${more} more)` : '')
}

/** A configuration that is refused, with every problem: a line each. */
export class ConfigRefused extends Error {
  readonly problems: readonly Problem[]
  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.name = 'ConfigRefused'
    this.problems = problems
  }
}
