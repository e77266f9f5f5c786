/** Seeded random policies, destinations and requests, as wild as the rules allow. */
import type {
  ContentRule,
  Policy,
  PurposeRule,
  Region,
  Residency,
  TenantPurpose,
  TenantRule,
} from '../../src/policy.ts'
import { retention } from '../../src/units.ts'
import type { KeyValue, LogRecord, Request } from '../oracle/otlp.ts'
import type { Random } from '../oracle/random.ts'
import type { OracleDestination } from '../oracle/residency.ts'

export const below = (random: Random, n: number): number => Math.floor(random() * n)
export const pick = <T>(random: Random, from: readonly T[]): T => from[below(random, from.length)] as T
export const chance = (random: Random, share: number): boolean => random() < share
export const some = <T>(random: Random, from: readonly T[], share = 0.5): T[] =>
  from.filter(() => chance(random, share))
const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i))

const contents: readonly ContentRule[] = ['drop', 'encrypt', 'keep']
const globs = ['http.*', '*', 'k', 'a*c', '*.id', 'secret.*', 'note.text', 'tenant.id', 'nobody']
const parsed = retention().parse('1mo')

export function randomPolicy(random: Random): Policy {
  const names = times(1 + below(random, 5), (i) => `region${i}`)
  const central = chance(random, 0.7) ? pick(random, names) : undefined
  const regions = new Map<string, Region>(
    names.map((name) => [name, { name, jurisdictions: ['EU'], pipeline: `logs/${name}`, central: name === central }]),
  )
  const purposes = new Map<string, PurposeRule>(
    times(1 + below(random, 5), (i) => `p${i}`).map((name) => [
      name,
      {
        name,
        description: '',
        retention: parsed,
        content: pick(random, contents),
        ...(chance(random, 0.4) && { allowedKeys: some(random, globs, 0.3) }),
      },
    ]),
  )
  const rule = () => randomRule(random, names, central, [...purposes.keys()])
  return {
    version: 'v',
    regions,
    purposes,
    tenants: new Map(times(below(random, 5), (i) => [`t${i}`, rule()])),
    default: rule(),
    ...(central !== undefined && { central }),
  }
}

function randomRule(
  random: Random,
  regions: readonly string[],
  central: string | undefined,
  purposes: readonly string[],
): TenantRule {
  const residencies: Residency[] = ['local', 'local', 'quarantine', 'reject']
  if (central !== undefined) residencies.push('central', 'central', 'split', 'split', 'split')
  const residency = pick(random, residencies)
  const overrides = new Map<string, TenantPurpose>()
  for (const purpose of some(random, purposes, 0.3)) {
    overrides.set(purpose, {
      ...(chance(random, 0.5) && { residency: pick(random, residencies) }),
      ...(chance(random, 0.5) && { content: pick(random, contents) }),
    })
  }
  const all = [residency, ...[...overrides.values()].map((one) => one.residency)]
  const isSplit = all.includes('split')
  return {
    residency,
    regions: isSplit || all.includes('local') ? [pick(random, regions)] : [],
    centralPurposes: isSplit ? some(random, purposes, 0.6) : [],
    purposes: overrides,
  }
}

/** Each region has one destination or two; now and then a region has none, and something stands beside the connector. */
export function randomDestinations(random: Random, policy: Policy): OracleDestination[] {
  const found: OracleDestination[] = []
  for (const region of policy.regions.keys()) {
    const count = chance(random, 0.05) ? 0 : chance(random, 0.3) ? 2 : 1
    for (let i = 0; i < count; i++) found.push({ name: `${region}/${i}`, region, apart: chance(random, 0.4) })
  }
  if (chance(random, 0.2)) found.push({ name: 'counter', region: undefined, apart: false })
  return found
}

const keys = [
  'k',
  'http.route',
  'http.request.id',
  'abc',
  'note.text',
  'secret.token',
  'edited',
  'other',
  'douane.fake',
]

function randomAttributes(random: Random): KeyValue[] {
  return some(random, keys, 0.35).map((key) => ({
    key,
    value: chance(random, 0.8)
      ? { stringValue: `${key}-${below(random, 100)}` }
      : { kvlistValue: { values: [{ key: 'inner', value: { intValue: BigInt(1 + below(random, 9)) } }] } },
  }))
}

/** Tenants of a resource: one, nobody, a wrong type, or two that differ. */
function tenantAttributes(random: Random, policy: Policy): KeyValue[] {
  const named = [...policy.tenants.keys(), 'stranger', 'T0', 't0 ']
  const one = (): KeyValue => ({ key: 'tenant.id', value: { stringValue: pick(random, named) } })
  const kind = random()
  if (kind < 0.75) return [one()]
  if (kind < 0.82) return []
  if (kind < 0.87) return [{ key: 'tenant.id', value: { intValue: 7n } }]
  if (kind < 0.9) return [{ key: 'tenant.id', value: { stringValue: '' } }]
  return [one(), one()]
}

export function randomRequest(random: Random, policy: Policy): Request {
  let number = 0
  const record = (): LogRecord => ({
    observedTimeUnixNano: BigInt(++number),
    ...(chance(random, 0.7) && { body: { stringValue: `body ${number}` } }),
    ...(chance(random, 0.3) && { eventName: `event.${number}` }),
    attributes: randomAttributes(random),
  })
  return {
    resourceLogs: times(1 + below(random, 3), () => ({
      resource: { attributes: [...tenantAttributes(random, policy), ...randomAttributes(random)] },
      scopeLogs: times(1 + below(random, 2), () => ({
        scope: { name: 'lib', attributes: chance(random, 0.3) ? randomAttributes(random) : [] },
        logRecords: times(below(random, 4), record),
      })),
    })),
  }
}
