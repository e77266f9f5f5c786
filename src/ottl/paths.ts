/**
 * The paths of OTTL's log context that a condition may read, and what each holds.
 *
 * `log.` may be left out; `scope` and `instrumentation_scope` are the same. A path that names no field, or takes keys
 * where there are none, is an error with the nearest name.
 */
import { nearestName } from '../nearest_name.ts'
import { ConditionError, type Key, type Node, type Segment } from './syntax.ts'
import { anyType, Type } from './values.ts'

export type Of = 'log' | 'resource' | 'scope'
/** A field, in full: `log.body`, `resource.attributes`, `log.trace_id.string`. */
export interface Path {
  readonly of: Of
  readonly field: string
  readonly keys: readonly (string | bigint)[]
  /** What it may hold: a mask of `Type`. */
  readonly types: number
}

interface Field {
  readonly types: number
  /** Whether `["key"]` may follow. */
  readonly keyed?: boolean
}

const attributes: Field = { types: Type.Map, keyed: true }
export const fields: Record<Of, Record<string, Field>> = {
  log: {
    attributes,
    body: { types: anyType, keyed: true },
    'body.string': { types: Type.String },
    severity_number: { types: Type.Int },
    severity_text: { types: Type.String },
    event_name: { types: Type.String },
    time: { types: Type.Time },
    time_unix_nano: { types: Type.Int },
    observed_time: { types: Type.Time },
    observed_time_unix_nano: { types: Type.Int },
    trace_id: { types: Type.TraceId },
    'trace_id.string': { types: Type.String },
    span_id: { types: Type.SpanId },
    'span_id.string': { types: Type.String },
    flags: { types: Type.Int },
    dropped_attributes_count: { types: Type.Int },
  },
  resource: { attributes },
  scope: { name: { types: Type.String }, version: { types: Type.String }, attributes },
}

const contexts: Record<string, Of> = {
  log: 'log',
  resource: 'resource',
  scope: 'scope',
  instrumentation_scope: 'scope',
}

/** Every path, for suggestions: those of a log record without `log.` too. */
const known: readonly string[] = Object.entries(fields).flatMap(([of, table]) =>
  Object.keys(table).flatMap((field) => (of === 'log' ? [field, `log.${field}`] : [`${of}.${field}`])),
)

/** Finds what a path stands for. Throws `ConditionError`. */
export function resolvePath(source: string, node: Extract<Node, { is: 'path' }>): Path {
  const [first, ...rest] = node.segments as [Segment, ...Segment[]]
  const context = contexts[first.name]
  const of = context ?? 'log'
  const segments = context === undefined ? node.segments : rest
  if (segments.length === 0 || (context !== undefined && first.keys.length > 0)) {
    const all = Object.keys(fields[of]).map((field) => `${first.name}.${field}`)
    throw new ConditionError(source, first, `${first.name} is no field`, `name one of its fields: ${all.join(', ')}`)
  }
  const name = segments.map((segment) => segment.name).join('.')
  const field = Object.hasOwn(fields[of], name) ? fields[of][name] : undefined
  if (field === undefined) {
    const whole = node.segments.map((segment) => segment.name).join('.')
    const near = nearestName(whole, known)
    const fix = near === undefined ? `fields of ${of}: ${Object.keys(fields[of]).join(', ')}` : `did you mean ${near}?`
    throw new ConditionError(source, { start: node.start, end: node.end }, `there is no field ${whole}`, fix)
  }
  const keys = checkKeys(source, segments, field, name)
  return { of, field: name, keys, types: keys.length > 0 ? anyType : field.types }
}

function checkKeys(source: string, segments: readonly Segment[], field: Field, name: string): (string | bigint)[] {
  const inner = segments.slice(0, -1).find((segment) => segment.keys.length > 0)
  if (inner !== undefined) {
    throw new ConditionError(source, inner.keys[0] as Key, 'a key may only stand at the end of a path')
  }
  const { keys } = segments.at(-1)!
  const [first] = keys
  if (first === undefined) return []
  if (!field.keyed) throw new ConditionError(source, first, `${name} has no keys`)
  if (name === 'attributes' && typeof first.key !== 'string') {
    throw new ConditionError(source, first, 'attributes are found by name', 'write the key in double quotes')
  }
  return keys.map(({ key }) => key)
}
