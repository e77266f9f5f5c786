/**
 * What a schema finds wrong, in our own sentences: what was expected, the allowed values or keys, the nearest name.
 *
 * A component may give a check its own message; that one is told as it is. Values are shown only where the schema
 * lists the allowed ones (they are names then); anything else could be a secret.
 *
 * Unions are told by the branch that came closest, so that a slip inside one form is not "matches no form".
 */
import type { z } from 'zod'
import { type Complaint, type ConfigPath, listed, type Problem, problemAt, suggestion } from './problem.ts'
import { isEmpty, nodeAt, plain, type Spot, spotOf, type Tree } from './tree.ts'

type Issue = z.core.$ZodIssue
type RawIssue = z.core.$ZodRawIssue

export interface Told extends Complaint {
  readonly path: ConfigPath
  /** The complaint is about a key, not about its value. */
  readonly aboutKey?: boolean
}

/** Parses `value` by `schema`; every complaint has its path inside the value. `siblings`: options checked elsewhere. */
export function check<S extends z.ZodType>(
  schema: S,
  value: unknown,
  siblings: readonly string[] = [],
): { output: z.output<S>; told?: never } | { told: Told[]; output?: never } {
  const findings: Finding[] = []
  const parsed = schema.safeParse(value, {
    error: (issue) => {
      findings.push({
        complaints: complaintsOf(issue, issue.input === value ? siblings : []),
        isWrongKind: isWrongKind(issue),
      })
      return mark + String(findings.length - 1)
    },
  })
  if (parsed.success) return { output: parsed.data }
  return { told: parsed.error.issues.flatMap((issue) => tell(issue, [], findings)) }
}

/** What one issue comes to. */
interface Finding {
  readonly complaints: readonly Complaint[]
  /** The value is not even of the kind that the schema takes. */
  readonly isWrongKind: boolean
}

/** Findings are kept apart and named in an issue's message: zod passes nothing else through. */
const mark = '\u0001'

/** Where a checked part stands in the whole: its path, and the spot of its key. */
export interface Place {
  readonly path: ConfigPath
  readonly key: Spot
  /** Options of the same map that another schema checks: allowed, when options are listed. */
  readonly siblings?: readonly string[]
}

/**
 * Parses one part of a configuration; an empty one is `{}`. An expanded `${env:…}` that YAML typed as a number, where
 * the option wants a text, is taken as the text.
 */
export function checkTree<S extends z.ZodType>(
  schema: S,
  node: Tree,
  { path, key, siblings }: Place,
): { output: z.output<S>; problems?: never } | { problems: Problem[]; output?: never } {
  const given = (): unknown => (isEmpty(node) ? {} : plain(node))
  let checked = check(schema, given(), siblings)
  if (checked.told && retype(node, checked.told)) checked = check(schema, given(), siblings)
  if (!checked.told) return checked
  const problems = checked.told.map(({ path: inner, aboutKey, ...complaint }) => {
    const spot = spotOf(node, inner, aboutKey ? 'key' : 'value', key)
    return problemAt(spot, [...path, ...inner], complaint)
  })
  return { problems }
}

function retype(node: Tree, told: readonly Told[]): boolean {
  let changed = false
  for (const { path } of told) {
    const at = nodeAt(node, path)
    if (at?.kind !== 'scalar' || at.text === undefined || at.value === at.text) continue
    at.value = at.text
    changed = true
  }
  return changed
}

function tell(issue: Issue, prefix: ConfigPath, findings: readonly Finding[]): Told[] {
  const path = [...prefix, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))]
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branch = closestBranch(issue.errors, findings)
    if (branch) return branch.flatMap((inner) => tell(inner, path, findings))
    return [{ path, what: 'has the wrong form', allowed: allowedForms(issue.errors) }]
  }
  const found = findingOf(issue, findings)?.complaints
  if (!found) return [{ path, what: issue.message }]
  if (issue.code !== 'unrecognized_keys') return found.map((complaint) => ({ path, ...complaint }))
  return issue.keys.map((key, index) => ({ path: [...path, key], aboutKey: true, ...found[index]! }))
}

/** Undefined where a component's own message stands. */
const findingOf = ({ message }: Issue, findings: readonly Finding[]): Finding | undefined =>
  message.startsWith(mark) ? findings[Number(message.slice(mark.length))] : undefined

/** The branch that fits the value's kind with the fewest faults; undefined when none, or several enums, fit. */
function closestBranch(branches: readonly Issue[][], findings: readonly Finding[]): Issue[] | undefined {
  const fits = branches.filter((issues) => {
    return !issues.some((issue) => issue.path.length === 0 && findingOf(issue, findings)?.isWrongKind)
  })
  const values = fits.filter((issues) => issues.length === 1 && issues[0]!.code === 'invalid_value')
  if (fits.length > 1 && values.length === fits.length) return undefined
  return fits.toSorted((a, b) => a.length - b.length)[0]
}

function allowedForms(branches: readonly Issue[][]): string {
  const forms = branches.map(([issue]) => {
    if (issue?.code === 'invalid_type') return kindNames[issue.expected] ?? issue.expected
    return issue?.code === 'invalid_value' ? issue.values.map(String).join(', ') : ''
  })
  return [...new Set(forms.filter(Boolean))].join(' or ')
}

const kindNames: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of options',
  record: 'a map',
  null: 'nothing',
}

function isWrongKind(issue: RawIssue): boolean {
  if (issue.code === 'invalid_type') return true
  return issue.code === 'invalid_value' && !issue.values.some((value) => typeof value === typeof issue.input)
}

/** One complaint, or for unknown keys one for each of them. */
function complaintsOf(issue: RawIssue, siblings: readonly string[]): Complaint[] {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const shape = (issue.inst?._zod.def as { shape?: object } | undefined)?.shape ?? {}
      const known = [...Object.keys(shape), ...siblings]
      return issue.keys.map((key: string) => ({
        what: 'unknown option',
        allowed: listed(known),
        ...suggestion(key, known),
      }))
    }
    case 'invalid_type':
      return [wrongType(issue.expected, issue.input)]
    case 'invalid_value': {
      const values = issue.values.map(String)
      if (isWrongKind(issue)) return [{ ...wrongType('', issue.input), allowed: listed(values) }]
      return [
        {
          what: `${JSON.stringify(issue.input).slice(0, 80)} is not allowed`,
          allowed: values.join(', '),
          ...suggestion(String(issue.input), values),
        },
      ]
    }
    case 'too_small':
      return [outOfRange(issue.origin, 'at least', 'more than', issue.minimum, issue.inclusive)]
    case 'too_big':
      return [outOfRange(issue.origin, 'at most', 'less than', issue.maximum, issue.inclusive)]
    case 'not_multiple_of':
      return [{ what: `must be a multiple of ${issue.divisor}` }]
    case 'invalid_key':
      return [{ what: 'this key is not allowed here' }]
    case 'invalid_format':
      return [{ what: 'has the wrong form', allowed: formatName(issue.format, issue.pattern) }]
    case 'invalid_union':
      return [{ what: 'has the wrong form' }]
    default:
      return [{ what: issue.message ?? 'is not allowed' }]
  }
}

function formatName(format: string, pattern: unknown): string {
  return format === 'regex' ? `text that matches ${String(pattern)}` : `a valid ${format.replaceAll('_', ' ')}`
}

function wrongType(expected: string, value: unknown): Complaint {
  const allowed = kindNames[expected] ?? expected
  if (value === undefined) return { what: 'is missing', allowed }
  const fix = fixOfType(expected, value)
  return { what: `is ${kindOf(value)}`, allowed, ...(fix && { fix }) }
}

function fixOfType(expected: string, value: unknown): string | undefined {
  if (expected === 'string' && typeof value === 'boolean') return 'put it in quotes'
  if (expected === 'string' && typeof value === 'number') return 'put it in quotes, with its unit where it has one (5s)'
  if (expected === 'array' && typeof value === 'string') return 'put it in [ ]'
  return undefined
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return kindNames['array']!
  return kindNames[typeof value] ?? typeof value
}

function outOfRange(origin: string, least: string, beyond: string, bound: unknown, inclusive = true): Complaint {
  const limit = `${inclusive ? least : beyond} ${String(bound)}`
  if (origin === 'string') return { what: bound === 1 ? 'is empty' : `must have ${limit} characters` }
  if (origin === 'array' || origin === 'set')
    return { what: bound === 1 ? 'the list is empty' : `must have ${limit} entries` }
  return { what: `must be ${limit}` }
}
