/**
 * A structured body under the rule that only metadata leaves: judged field by field. A field's path is `log.body` and the
 * names that lead to it: `log.body.http.status`. Maps are judged inside, everything else as a whole.
 *
 *   body {"event":"login","user":{"id":7,"plan":"pro"}}   allowed: log.body.event, log.body.user.plan
 *   →    {"event":"login","user":{"plan":"pro"}}
 */
import { limits } from '../../src/limits.ts'
import type { AnyValue } from '../../src/otlp/value.ts'

type Entries = Extract<AnyValue, { kind: 'kvlist' }>['entries']

/** What is allowed of a map; undefined = nothing. */
export function allowedFields(body: AnyValue, allows: (path: string) => boolean): AnyValue | undefined {
  if (body.kind !== 'kvlist') return undefined
  const entries = allowedEntries(body.entries, 'log.body', allows)
  return entries.length === 0 ? undefined : { kind: 'kvlist', entries }
}

function allowedEntries(entries: Entries, above: string, allows: (path: string) => boolean): Entries {
  return entries.flatMap(({ key, value }) => {
    const path = `${above}.${key}`
    if (allows(path)) return [{ key, value }]
    if (value.kind !== 'kvlist') return []
    const inner = allowedEntries(value.entries, path, allows)
    return inner.length === 0 ? [] : [{ key, value: { kind: 'kvlist' as const, entries: inner } }]
  })
}

type Json = string | number | boolean | null | Json[] | { [name: string]: Json } | Raw
/** A number as it was written. */
interface Raw {
  readonly rawJSON: string
}
/** ECMAScript 2026, JSON.parse source text access: numbers keep all their digits. */
const sourced = JSON as unknown as {
  parse(text: string, reviver: (name: string, value: Json, context: { source?: string }) => Json): Json
  rawJSON(text: string): Raw
  isRawJSON(value: unknown): value is Raw
}

/** The same of a JSON object that is written in a string; undefined = it is none, or nothing of it is allowed. */
export function allowedJson(text: string, allows: (path: string) => boolean): string | undefined {
  if (text.length > limits.scannedBytesMax || !/^\s*\{/.test(text)) return undefined
  let document: Json
  try {
    document = sourced.parse(text, (_, value, { source }) =>
      typeof value === 'number' && source !== undefined ? sourced.rawJSON(source) : value,
    )
  } catch {
    return undefined
  }
  const allowed = allowedObject(document, 'log.body', allows)
  return allowed === undefined ? undefined : JSON.stringify(allowed)
}

function allowedObject(value: Json, above: string, allows: (path: string) => boolean): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || sourced.isRawJSON(value)) return undefined
  const entries = Object.entries(value).flatMap(([name, inner]): [string, Json][] => {
    const path = `${above}.${name}`
    const left = allows(path) ? inner : allowedObject(inner, path, allows)
    return left === undefined ? [] : [[name, left]]
  })
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}
