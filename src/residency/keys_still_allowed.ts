/**
 * Whether the attributes of a batch that waits are those that today's policy allows for the purposes of its records.
 *
 * A copy says itself what it is for (`douane.purpose`), so the bytes are asked, not what was known when they were
 * queued: each key of a record, of its scope and its resource must be allowed by one of the record's purposes. The
 * gateway's own attributes always are.
 */
import { KeyTable } from '../otlp/keys.ts'
import { readRequest } from '../otlp/read.ts'
import { LogRecord } from '../otlp/record.ts'
import { LogsRequest, RECORD_ROW, RecordCol, type SlotRange } from '../otlp/request.ts'
import { keyMatcher } from '../pipeline/key_glob.ts'
import type { Policy } from '../policy.ts'

const PURPOSE = 'douane.purpose'
const OWN = 'douane.'

export function keysStillAllowed(body: Uint8Array, policy: Policy): boolean {
  if ([...policy.purposes.values()].every(({ allowedKeys }) => allowedKeys === undefined)) return true
  const request = new LogsRequest(new KeyTable())
  readRequest(request, Buffer.from(body))
  const record = new LogRecord(request)
  const matchers = new Map<string, (key: string) => boolean>()
  for (let index = 0; index < request.records.count; index++) {
    const scope = request.records.at[index * RECORD_ROW + RecordCol.Scope]!
    record.visit(index)
    record.scope.visit(scope)
    record.resource.visit(record.scope.resourceIndex)
    const purposes = purposesOf(record)
    const name = purposes.join(' ')
    const allows = matchers.get(name) ?? matcherOf(purposes, policy)
    matchers.set(name, allows)
    if (![record, record.scope, record.resource].every((part) => allAllowed(part, allows))) return false
  }
  return true
}

function matcherOf(purposes: readonly string[], policy: Policy): (key: string) => boolean {
  const globs: string[] = []
  for (const purpose of purposes) {
    const rule = policy.purposes.get(purpose)
    if (rule === undefined) continue
    if (rule.allowedKeys === undefined) return () => true
    globs.push(...rule.allowedKeys)
  }
  return keyMatcher(globs)
}

function purposesOf({ slots, first, end }: LogRecord): string[] {
  for (let slot = first; slot < end; slot++) {
    if (slots.keyId(slot) < 0 || slots.key(slot) !== PURPOSE) continue
    const value = slots.value(slot)
    return value.kind === 'array' ? value.values.flatMap((each) => (each.kind === 'string' ? each.value : [])) : []
  }
  return []
}

function allAllowed(
  { slots, first, end }: Pick<SlotRange, 'slots' | 'first' | 'end'>,
  allows: (key: string) => boolean,
): boolean {
  for (let slot = first; slot < end; slot++) {
    if (slots.keyId(slot) < 0) continue
    const key = slots.key(slot)
    if (!key.startsWith(OWN) && !allows(key)) return false
  }
  return true
}
