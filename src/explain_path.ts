/**
 * The policy in force for one field: what each processor does with it for a tenant and purposes, by which rule, and what
 * the residency policy says about copies of those purposes. Nothing is sent or stored.
 */
import type { ConnectorSection, GatewayConfig } from '../config/gateway_config.ts'
import { ConfigError } from './errors.ts'
import { buildOffline } from './offline.ts'
import { parsePath } from './ottl/checker.ts'
import { ConditionError } from './ottl/syntax.ts'
import { keyMatcher } from './pipeline/key_glob.ts'

export interface PathExplanation {
  readonly path: string
  readonly tenant: string
  readonly purposes: readonly string[]
  /** By component, in the order in which they act. */
  readonly says: readonly { readonly component: string; readonly lines: readonly string[] }[]
}

/** Throws `ConfigError` for a path that is none, and a purpose that the policy does not know. */
export function explainField(
  config: GatewayConfig,
  path: string,
  tenant: string,
  purposes: readonly string[],
  nowMs: number,
): PathExplanation {
  const { generation } = buildOffline(
    config,
    () => {},
    () => nowMs,
  )
  const field = fieldOf(path)
  const known = new Set([...config.connectors.values()].flatMap(({ policy }) => [...policy.purposes.keys()]))
  const unknown = purposes.find((name) => known.size > 0 && !known.has(name))
  if (unknown !== undefined)
    throw new ConfigError(`there is no purpose "${unknown}"`, [], `Known: ${[...known].join(', ')}.`)
  const processors = generation.inputs[0]!.processors.flatMap(({ id, processor }) => {
    const lines = processor.explainPath?.(field.path, tenant, purposes)
    return lines === undefined ? [] : [{ component: id, lines }]
  })
  const routes = [...config.connectors.values()].map((connector) => ({
    component: connector.id,
    lines: copiesOf(connector, field, tenant, purposes),
  }))
  return { path: field.path, tenant, purposes, says: [...processors, ...routes] }
}

interface Field {
  readonly path: string
  /** Of an attribute. */
  readonly key: string | undefined
  readonly isBody: boolean
}

/** OTTL's paths, and the names of a structured body's fields: `log.body.user.plan`. */
function fieldOf(path: string): Field {
  if (path.startsWith('log.body.')) return { path, key: undefined, isBody: true }
  try {
    const { of, field, keys } = parsePath(path)
    const [key] = keys
    const isAttribute = field === 'attributes' && typeof key === 'string'
    return {
      path: isAttribute ? `${of}.attributes[${JSON.stringify(key)}]` : `${of}.${field}`,
      key: isAttribute ? key : undefined,
      isBody: of === 'log' && field === 'body',
    }
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error
    throw new ConfigError(`${path}: ${error.reason} (column ${error.column})`, [], error.fix)
  }
}

/** What copies for each purpose hold of the field. */
function copiesOf(
  { policy }: ConnectorSection,
  { key, isBody }: Field,
  tenant: string,
  purposes: readonly string[],
): string[] {
  const rule = policy.tenants.get(tenant) ?? policy.default
  const names = purposes.length > 0 ? purposes : [...policy.purposes.keys()]
  return [
    `tenant: ${rule.residency}${rule.regions.length > 0 ? `, ${rule.regions.join(', ')}` : ''}`,
    ...names.map((name) => {
      const purpose = policy.purposes.get(name)!
      const content = rule.purposes.get(name)?.content ?? purpose.content
      const isLeftOut = key !== undefined && purpose.allowedKeys !== undefined && !keyMatcher(purpose.allowedKeys)(key)
      if (isLeftOut) return `copy for ${name}: left out, not in its allowed_keys`
      const ofContent = { drop: 'left out', encrypt: 'sealed', keep: 'as it is' }[content]
      return `copy for ${name}: ${isBody ? `content, ${ofContent}` : `as it is; where a processor marked it as content, ${ofContent}`}`
    }),
  ]
}
