/**
 * Attributes that name people: those that `encrypt` takes a person from (`subject`), and what else the officer knows of.
 * Copies without content have no reference of the person, but may still name him there, as he came or hashed.
 */

import { createHmac } from 'node:crypto'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import type { NamedBy } from '../../exporters/postgres/people.ts'
import { ConfigError } from '../errors.ts'
import type { Person } from '../keys/erasure.ts'
import { openHashKeys } from '../keys/hash_keys.ts'
import { parsePath } from '../ottl/checker.ts'
import { ConditionError } from '../ottl/syntax.ts'

/** Throws `ConfigError` for a path that is no attribute of a record or resource. */
export function namedBy(
  config: GatewayConfig,
  paths: readonly string[],
  keysFolders: readonly string[],
  person: Person,
): NamedBy[] {
  const configured = [...config.processors.values()].flatMap(({ component, options }) =>
    component.name === 'encrypt' ? [(options as { subject?: string | readonly string[] }).subject ?? []].flat() : [],
  )
  const values = [person.id, ...hashesOf(keysFolders, person)]
  return [...new Set([...configured, ...paths])].map((path) => ({ ...attributeOf(path), values }))
}

function attributeOf(source: string): Pick<NamedBy, 'of' | 'key'> {
  try {
    const { of, field, keys } = parsePath(source)
    const [key] = keys
    if (field === 'attributes' && keys.length === 1 && typeof key === 'string' && of !== 'scope') return { of, key }
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error
  }
  throw new ConfigError(
    `${source} is no attribute that names a person`,
    [],
    'Write it as log.attributes["enduser.id"] or resource.attributes["enduser.id"].',
  )
}

/** What `minimize` makes of the id, with every hash key that there was. */
const hashesOf = (keysFolders: readonly string[], { tenant, id }: Person): string[] =>
  keysFolders.flatMap((dir) =>
    openHashKeys({ dir, nowMs: () => Date.now() })
      .all(tenant)
      .map((key) => `hmac:${key.id}:${createHmac('sha256', key.key).update(id, 'utf8').digest('hex')}`),
  )
