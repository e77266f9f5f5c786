/**
 * Whose content a record holds: the first configured attribute that has an answer, as it came in. What `minimize` made
 * of it meanwhile does not matter: the person must be found again by the id that he is known by.
 */
import type { Subject, Subjects } from '../../src/contract.ts'
import { ConfigError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { anyValueOf } from '../../src/otlp/attribute.ts'
import { Col, ROW, type Slots } from '../../src/otlp/slots.ts'
import { decodeValue } from '../../src/otlp/value.ts'
import { parsePath } from '../../src/ottl/checker.ts'
import { ConditionError } from '../../src/ottl/syntax.ts'

/** Attribute keys that name the person, in order, by where they are looked for. */
export interface SubjectKeys {
  readonly log: readonly string[]
  readonly resource: readonly string[]
}

/** Throws `ConfigError`. */
export function subjectKeys(paths: readonly string[]): SubjectKeys {
  const keys = { log: [] as string[], resource: [] as string[] }
  for (const [index, source] of paths.entries()) {
    const [of, key] = attributeOf(source, index)
    keys[of].push(key)
  }
  return keys
}

function attributeOf(source: string, index: number): ['log' | 'resource', string] {
  try {
    const { of, field, keys } = parsePath(source)
    const [key] = keys
    if (field === 'attributes' && keys.length === 1 && typeof key === 'string' && of !== 'scope') return [of, key]
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error
    throw new ConfigError(`${error.reason} (column ${error.column})`, ['subject', index], error.fix)
  }
  throw new ConfigError(
    `${source} cannot name a person`,
    ['subject', index],
    'Name an attribute of the record or its resource, such as log.attributes["enduser.id"].',
  )
}

/** The person that slots [first, end) name; undefined: nobody. */
export function findSubject(
  slots: Slots,
  first: number,
  end: number,
  keys: readonly string[],
  tenant: string,
  subjects: Subjects,
): Subject | undefined {
  for (const key of keys) {
    for (let slot = first; slot < end; slot++) {
      if (slots.keyId(slot) < 0 || slots.key(slot) !== key) continue
      const id = idOf(slots, slot)
      if (id !== '' && id.length <= limits.subjectIdCharsMax) return subjects.of(tenant, id)
      break
    }
  }
  return undefined
}

function idOf(slots: Slots, slot: number): string {
  const [from, to] = anyValueOf(
    slots.body,
    slots.rows[slot * ROW + Col.FieldFrom]!,
    slots.rows[slot * ROW + Col.FieldTo]!,
  )
  const value = decodeValue(slots.body, from, to)
  return value.kind === 'string' || value.kind === 'int' ? String(value.value) : ''
}
