/**
 * The residency oracle: what each destination gets of a record, written down slowly and plainly from what the words of
 * a policy mean (docs/residency.md), without looking at how the router does it.
 *
 * No masks, no caches, no slots: names, sets, and records as trees. One record at a time, one destination at a time, one
 * purpose at a time.
 */
import type { ContentRule, Policy, Residency, TenantRule } from '../../src/policy.ts'
import type { AnyValue, KeyValue, LogRecord } from './otlp.ts'

export interface OracleDestination {
  readonly name: string
  /** Where it lies. Undefined: it stands beside the connector and sends nothing on. */
  readonly region: string | undefined
  /** It keeps purposes apart: one copy of a record for each. */
  readonly apart: boolean
}

export type FieldMark = 'content' | 'seal' | 'always_seal'

/** A record as the chain leaves it, with what the chain says of it. */
export interface Judged {
  /** Undefined: the resource names two. `''`: nobody. */
  readonly tenant: string | undefined
  /** The credential may not speak for the tenant that the resource names. */
  readonly contradicts: boolean
  readonly verdict: 'keep' | 'drop' | 'reject' | 'quarantine'
  readonly purposes: readonly string[]
  readonly resource: readonly KeyValue[]
  readonly scope: readonly KeyValue[]
  readonly record: LogRecord
  /** By field: `log.body`, `log.attributes["k"]` … */
  readonly marks: ReadonlyMap<string, FieldMark>
}

/** One copy, flat: the record with the attributes that stand around it. A sealed value is `{ sealed: … }`. */
export interface Copy {
  readonly destination: string
  readonly resource: readonly Field[]
  readonly scope: readonly Field[]
  readonly record: Omit<LogRecord, 'attributes' | 'body'>
  readonly body: Field['value'] | undefined
  readonly attributes: readonly Field[]
}
export interface Field {
  readonly key: string
  readonly value: AnyValue | Sealed | undefined
}
export interface Sealed {
  readonly sealed: {
    readonly field: string
    readonly tenant: string
    readonly region: string
    readonly value: AnyValue
  }
}

export type Fate =
  | { readonly is: 'dropped' | 'rejected' | 'quarantined' }
  | { readonly is: 'copied'; readonly copies: readonly Copy[] }

export function fateOf(judged: Judged, policy: Policy, destinations: readonly OracleDestination[]): Fate {
  const { tenant, verdict, purposes } = judged
  if (judged.contradicts) return { is: 'rejected' }
  if (verdict === 'drop') return { is: 'dropped' }
  if (verdict === 'reject') return { is: 'rejected' }
  if (tenant === undefined || verdict === 'quarantine') return { is: 'quarantined' }
  if (purposes.length === 0 || purposes.some((purpose) => !policy.purposes.has(purpose))) return { is: 'quarantined' }
  const rule = policy.tenants.get(tenant) ?? policy.default
  const residencies = purposes.map((purpose) => residencyOf(rule, purpose))
  if (residencies.includes('reject')) return { is: 'rejected' }
  if (residencies.includes('quarantine')) return { is: 'quarantined' }
  const reached = purposes.map((purpose) => regionsOf(rule, purpose, policy))
  if (reached.some((regions) => [...regions.keys()].some((region) => !isThere(region, destinations)))) {
    return { is: 'quarantined' }
  }
  return { is: 'copied', copies: destinations.flatMap((destination) => copiesFor(destination, judged, rule, policy)) }
}

const residencyOf = (rule: TenantRule, purpose: string): Residency =>
  rule.purposes.get(purpose)?.residency ?? rule.residency

const isThere = (region: string, destinations: readonly OracleDestination[]): boolean =>
  destinations.some((destination) => destination.region === region)

/** Where one purpose's copy goes, and whether content may go with it. */
function regionsOf(rule: TenantRule, purpose: string, policy: Policy): Map<string, 'with content' | 'metadata'> {
  const nowhere = '(no such region)'
  const home = rule.regions[0] ?? nowhere
  const central = policy.central ?? nowhere
  const residency = residencyOf(rule, purpose)
  if (residency === 'central') return new Map([[central, 'with content']])
  if (residency === 'local' || !rule.centralPurposes.includes(purpose)) return new Map([[home, 'with content']])
  // A split tenant whose own region is the central one has everything there already.
  return new Map([
    [central, 'metadata'],
    [home, 'with content'],
  ])
}

function copiesFor(to: OracleDestination, judged: Judged, rule: TenantRule, policy: Policy): Copy[] {
  if (to.region === undefined) return [copyOf(to, judged, 'drop', [])]
  const region = to.region
  const copies: Copy[] = []
  for (const kind of ['with content', 'metadata'] as const) {
    const held = judged.purposes.filter((purpose) => regionsOf(rule, purpose, policy).get(region) === kind).toSorted()
    const groups = to.apart ? held.map((purpose) => [purpose]) : held.length > 0 ? [held] : []
    for (const group of groups) {
      const content = kind === 'metadata' ? 'drop' : laxest(group.map((purpose) => contentOf(rule, purpose, policy)))
      copies.push(copyOf(to, judged, content, group, policy))
    }
  }
  return copies
}

const contentOf = (rule: TenantRule, purpose: string, policy: Policy): ContentRule =>
  rule.purposes.get(purpose)?.content ?? policy.purposes.get(purpose)!.content

/** In a copy for several purposes content is there if one has it, sealed unless one keeps it. */
function laxest(rules: readonly ContentRule[]): ContentRule {
  if (rules.includes('keep')) return 'keep'
  return rules.includes('encrypt') ? 'encrypt' : 'drop'
}

function copyOf(
  to: OracleDestination,
  judged: Judged,
  content: ContentRule,
  purposes: readonly string[],
  policy?: Policy,
): Copy {
  const tenant = judged.tenant ?? ''
  const lists = purposes.map((purpose) => policy?.purposes.get(purpose)?.allowedKeys)
  const isAllowed = (key: string): boolean =>
    lists.length === 0 || lists.some((list) => list === undefined || list.some((glob) => fits(key, glob)))
  const seal = (field: string, value: AnyValue): Sealed => ({
    sealed: { field, tenant, region: to.region ?? '', value },
  })
  const fieldOf = (field: string, value: AnyValue, mark: FieldMark | undefined): Field['value'] | undefined => {
    if (mark === undefined || (content === 'keep' && mark !== 'always_seal')) return value
    return content === 'drop' ? undefined : seal(field, value)
  }
  const shown = (level: 'resource' | 'scope' | 'log', attributes: readonly KeyValue[]): Field[] =>
    attributes.flatMap(({ key = '', value = {} }) => {
      if (key.startsWith('douane.') || !isAllowed(key)) return []
      const field = `${level}.attributes[${JSON.stringify(key)}]`
      const left = fieldOf(field, value, judged.marks.get(field))
      return left === undefined ? [] : [{ key, value: left }]
    })
  const { attributes = [], body, ...record } = judged.record
  const ours: Field[] = []
  if (purposes.length > 0) {
    ours.push({
      key: 'douane.purpose',
      value: { arrayValue: { values: purposes.map((stringValue) => ({ stringValue })) } },
    })
  }
  if (to.region !== undefined) ours.push({ key: 'douane.region', value: { stringValue: to.region } })
  if (to.region !== undefined && tenant !== '') ours.push({ key: 'douane.tenant', value: { stringValue: tenant } })
  return {
    destination: to.name,
    resource: shown('resource', judged.resource),
    scope: shown('scope', judged.scope),
    record,
    body: body === undefined ? undefined : fieldOf('log.body', body, judged.marks.get('log.body') ?? 'content'),
    attributes: [...shown('log', attributes), ...ours],
  }
}

/** `*` stands for any characters, also none. */
function fits(key: string, glob: string): boolean {
  if (glob === '') return key === ''
  if (glob[0] === '*') return fits(key, glob.slice(1)) || (key !== '' && fits(key.slice(1), glob))
  return key[0] === glob[0] && fits(key.slice(1), glob.slice(1))
}
