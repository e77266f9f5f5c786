/**
 * Whose records these are: the credential first, a resource attribute only where the config trusts it.
 *
 * A tenant is a string, matched exactly. An attribute of another type, empty or missing names nobody. Two different
 * values in one resource, or an attribute that names somebody the credential may not speak for, are contradictions:
 * such records go nowhere.
 */
import { ConfigError } from '../errors.ts'
import { Kind } from '../otlp/fields.ts'
import { Key } from '../otlp/record.ts'
import type { LogsRequest, Resource } from '../otlp/request.ts'
import { Col, ROW } from '../otlp/slots.ts'

/** Nobody that the gateway knows. The policy's `default` says what happens to such records. */
export const NOBODY = ''

/** One entry of `tenant.from`. */
export type TenantSource = { is: 'credential' } | { is: 'attribute'; key: Key }

/** What was found for one resource. */
export type TenantAnswer =
  | { is: 'tenant'; tenant: string }
  /** The attribute names a tenant that the credential may not speak for: refused and told. */
  | { is: 'contradiction' }
  /** The resource names two different tenants: no destination may have it. */
  | { is: 'ambiguous' }

const ATTRIBUTE = /^resource\.attributes\["([^"\\]+)"\]$/

/** Reads `tenant.from`. Throws `ConfigError` for anything but `credential` and `resource.attributes["key"]`. */
export function parseTenantSources(from: readonly string[], path: readonly (string | number)[]): TenantSource[] {
  return from.map((text, index) => {
    if (text === 'credential') return { is: 'credential' }
    const key = ATTRIBUTE.exec(text)?.[1]
    if (key !== undefined) return { is: 'attribute', key: new Key(key) }
    throw new ConfigError(
      `"${text}" is no source of a tenant`,
      [...path, index],
      'Allowed: credential, resource.attributes["KEY"].',
    )
  })
}

/** The tenant of a resource whose sender's credential may speak for `allowed` (undefined: there was no credential). */
export function tenantOf(
  resource: Resource,
  sources: readonly TenantSource[],
  allowed: readonly string[] | undefined,
): TenantAnswer {
  let named = NOBODY
  for (const source of sources) {
    if (source.is === 'credential') continue
    const found = attributeTenant(resource, source.key)
    if (found === undefined) return { is: 'ambiguous' }
    if (named !== NOBODY && found !== NOBODY && found !== named) return { is: 'ambiguous' }
    if (named === NOBODY) named = found
  }
  if (allowed === undefined) return { is: 'tenant', tenant: named }
  if (named !== NOBODY) return allowed.includes(named) ? { is: 'tenant', tenant: named } : { is: 'contradiction' }
  const trusted = sources.some((source) => source.is === 'credential')
  return { is: 'tenant', tenant: trusted && allowed.length === 1 ? allowed[0]! : NOBODY }
}

/** The one value of the attribute, `NOBODY` where it names nobody, undefined where it names two. */
function attributeTenant(resource: Resource, key: Key): string | undefined {
  const { slots } = resource
  const id = key.id(slots.keys)
  let tenant: string | undefined
  for (let slot = resource.first; slot < resource.end; slot++) {
    const slotId = slots.rows[slot * ROW + Col.KeyId]!
    if (slotId < 0 || (id > 0 ? slotId !== id : slots.key(slot) !== key.name)) continue
    const value = slots.kind(slot) === Kind.String ? slots.text(slot) : NOBODY
    if (tenant !== undefined && tenant !== value) return undefined
    tenant = value
  }
  return tenant ?? NOBODY
}

/** Fills `request.tenants`. Returns, by resource, what is wrong: 0 nothing, 1 contradiction, 2 ambiguous. */
export function resolveTenants(
  request: LogsRequest,
  view: Resource,
  sources: readonly TenantSource[],
  allowed: readonly string[] | undefined,
  faults: Uint8Array,
): void {
  for (let index = 0; index < request.resources.count; index++) {
    const answer = tenantOf(view.visit(index), sources, allowed)
    request.tenants[index] = answer.is === 'tenant' ? answer.tenant : NOBODY
    faults[index] = TenantFault[answer.is]
  }
}

export const TenantFault = { tenant: 0, contradiction: 1, ambiguous: 2 } as const
