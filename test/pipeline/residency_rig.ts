/**
 * Holds the router against the oracle: a random policy with random destinations and a random request, through the real
 * reader, chain, fan-out and splicer. For every record: the same fate, the same copies, field by field, and exactly one
 * copy that counts.
 */
import { expect } from 'vitest'
import type { Processor, Purposes, Sealer, Verdict } from '../../src/contract.ts'
import { Kind } from '../../src/otlp/fields.ts'
import { KeyTable } from '../../src/otlp/keys.ts'
import type { LogRecord as View } from '../../src/otlp/record.ts'
import { Mark, type Slots } from '../../src/otlp/slots.ts'
import { Account } from '../../src/pipeline/account.ts'
import { Inbound } from '../../src/pipeline/inbound.ts'
import type { Target } from '../../src/pipeline/offers.ts'
import type { TenantCounts } from '../../src/pipeline/parcel.ts'
import { Router, type RouteTarget } from '../../src/pipeline/residency.ts'
import { parseTenantSources } from '../../src/pipeline/tenant.ts'
import type { Policy } from '../../src/policy.ts'
import { createPurposes } from '../../src/purposes.ts'
import {
  type AnyValue,
  decodeRequest,
  encodeRequest,
  type KeyValue,
  type LogRecord,
  type Request,
} from '../oracle/otlp.ts'
import { type Random, seeded } from '../oracle/random.ts'
import {
  type Copy,
  type Field,
  type FieldMark,
  fateOf,
  type Judged,
  type OracleDestination,
} from '../oracle/residency.ts'
import { chance, pick, randomDestinations, randomPolicy, randomRequest, some } from './random_policy.ts'

/** What the chain does, as a script: by record, in the order of the request. */
interface Decision {
  readonly verdict: Verdict
  readonly purposes: readonly string[]
}

/** Marks by key, the same for all levels; `edited` gets another text. */
const markOf = (key: string): FieldMark | undefined =>
  key === 'note.text'
    ? 'content'
    : key === 'http.request.id'
      ? 'seal'
      : key.startsWith('secret.')
        ? 'always_seal'
        : undefined
const markBits = { content: Mark.Content, seal: Mark.Content | Mark.Seal, always_seal: Mark.Content | Mark.AlwaysSeal }

function markSlots(slots: Slots, first: number, end: number): void {
  for (let slot = first; slot < end; slot++) {
    if (slots.keyId(slot) < 0 || slots.kind(slot) === Kind.Removed) continue
    const key = slots.key(slot)
    const mark = markOf(key)
    if (mark !== undefined) slots.mark(slot, markBits[mark])
    if (key === 'edited') slots.setText(slot, 'as edited')
  }
}

/** Not sealed at all, but says for whom, which field, and what. */
const openSealer: Sealer = {
  seal: (value, { tenant, region }, field) =>
    `cose:${JSON.stringify({ tenant, region, field, value: Buffer.from(value).toString('hex') })}`,
}

interface Parceled {
  readonly destination: string
  readonly request: Request
  readonly tenants: TenantCounts
}

/** One pipeline for all policies: its tables are large. What it routes by, and what its processor does, is exchanged. */
class Rig {
  readonly account = new Account()
  readonly #inbound: Inbound
  #router!: Router
  #purposes!: Purposes
  #decisions: readonly Decision[] = []
  #parcels: Parceled[] = []

  constructor(destinationsMax: number) {
    const target = (id: string): Target => ({
      id,
      offer: async ({ body, tenants }) => {
        this.#parcels.push({ destination: id, request: decodeRequest(Buffer.from(body)), tenants })
        if (id !== 'quarantine') this.account.delivery().enqueued(tenants)
      },
    })
    const counter = { add: () => {} }
    this.#inbound = new Inbound({
      id: 'logs',
      keys: new KeyTable(),
      processors: [{ id: 'scripted', processor: this.#scripted(), incoming: counter, outgoing: counter }],
      tenantSources: parseTenantSources(['credential', 'resource.attributes["tenant.id"]'], []),
      routes: {
        routesOf: (tenant) => this.#router.routesOf(tenant),
        route: (tenant, mask, routes) => this.#router.route(tenant, mask, routes),
      },
      policyVersion: 'v',
      targets: Array.from({ length: destinationsMax }, (_, i) => target(String(i))),
      quarantine: target('quarantine'),
      account: this.account,
      report: (_id, error) => {
        throw error
      },
      onDropped: () => {},
    })
  }

  async run(
    policy: Policy,
    destinations: readonly OracleDestination[],
    body: Buffer,
    decisions: readonly Decision[],
    allowed: readonly string[] | undefined,
  ): Promise<Parceled[]> {
    const byRegion = new Map<string, RouteTarget[]>()
    const local: RouteTarget[] = []
    for (const [destination, { region, apart }] of destinations.entries()) {
      const list = region === undefined ? local : (byRegion.get(region) ?? [])
      if (region !== undefined) byRegion.set(region, list)
      list.push({ destination, purposes: apart ? 'apart' : 'merged' })
    }
    this.#purposes = createPurposes([...policy.purposes.keys(), 'unheard_of'])
    this.#router = new Router(policy, byRegion, this.#purposes, openSealer, local)
    this.#decisions = decisions
    this.#parcels = []
    await this.#inbound.accept({
      body,
      sender: allowed === undefined ? {} : { tenants: allowed },
      headers: {},
      receivedUnixNano: 1n,
      receivedMonotonicNano: 1n,
    })
    return this.#parcels.map((parcel) => ({
      ...parcel,
      destination: destinations[Number(parcel.destination)]?.name ?? parcel.destination,
    }))
  }

  #scripted(): Processor {
    let next = 0
    return {
      begin: () => {
        next = 0
      },
      resource: ({ slots, first, end }) => markSlots(slots, first, end),
      scope: ({ slots, first, end }) => markSlots(slots, first, end),
      record: (view: View) => {
        const { verdict, purposes } = this.#decisions[next++]!
        markSlots(view.slots, view.first, view.end)
        view.purposes = purposes.reduce((mask, name) => mask | this.#purposes.bit(name), 0)
        return verdict
      },
    }
  }
}

/** Every record with what stands around it. */
function* flat(request: Request): Generator<{ resource: KeyValue[]; scope: KeyValue[]; record: LogRecord }> {
  for (const { resource, scopeLogs = [] } of request.resourceLogs ?? []) {
    for (const { scope, logRecords = [] } of scopeLogs) {
      for (const record of logRecords) {
        yield { resource: resource?.attributes ?? [], scope: scope?.attributes ?? [], record }
      }
    }
  }
}

/** Whose a resource is; undefined: two differ. */
function tenantIn(resource: readonly KeyValue[]): string | undefined {
  const named = resource.filter(({ key }) => key === 'tenant.id').map(({ value }) => value?.stringValue ?? '')
  return new Set(named).size > 1 ? undefined : (named[0] ?? '')
}

function judge(
  { resource, scope, record }: { resource: KeyValue[]; scope: KeyValue[]; record: LogRecord },
  { verdict, purposes }: Decision,
  allowed: readonly string[] | undefined,
): Judged {
  const named = tenantIn(resource)
  const isNamed = named !== undefined && named !== ''
  const spokenFor = allowed?.length === 1 ? allowed[0]! : ''
  const marks = new Map<string, FieldMark>()
  const edited = (level: string, attributes: readonly KeyValue[]): KeyValue[] =>
    attributes.map(({ key = '', value = {} }) => {
      const mark = markOf(key)
      if (mark !== undefined) marks.set(`${level}.attributes[${JSON.stringify(key)}]`, mark)
      return { key, value: key === 'edited' ? { stringValue: 'as edited' } : value }
    })
  return {
    tenant: allowed === undefined || isNamed || named === undefined ? named : spokenFor,
    contradicts: isNamed && allowed !== undefined && !allowed.includes(named),
    verdict,
    purposes,
    resource: edited('resource', resource),
    scope: edited('scope', scope),
    record: { ...record, attributes: edited('log', record.attributes ?? []) },
    marks,
  }
}

function opened(value: AnyValue | undefined): Field['value'] {
  if (!value?.stringValue?.startsWith('cose:')) return value
  const { tenant, region, field, value: hex } = JSON.parse(value.stringValue.slice('cose:'.length))
  // An AnyValue by itself, read as the body of a record: field 5, length, bytes.
  const bytes = Buffer.from(hex, 'hex')
  const inner = lengthPrefixed(0x2a, bytes)
  const whole = lengthPrefixed(0x0a, lengthPrefixed(0x12, lengthPrefixed(0x12, inner)))
  return { sealed: { field, tenant, region, value: [...flat(decodeRequest(whole))][0]!.record.body ?? {} } }
}

function lengthPrefixed(tag: number, bytes: Uint8Array): Buffer {
  const length: number[] = []
  let rest = bytes.length
  for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128)
  return Buffer.concat([Buffer.from([tag, ...length, rest]), bytes])
}

const fields = (attributes: readonly KeyValue[]): Field[] =>
  attributes.map(({ key = '', value }) => ({ key, value: opened(value) }))

/** A value that compares as text, whatever the order of a record's fields and attributes. */
const textOf = (copy: Copy): string =>
  JSON.stringify(
    {
      ...copy,
      attributes: sorted(copy.attributes),
      resource: sorted(copy.resource),
      scope: sorted(copy.scope),
      record: Object.fromEntries(Object.entries(copy.record).toSorted()),
    },
    (_key, value) => (typeof value === 'bigint' ? `${value}n` : value),
  )
const sorted = (list: readonly Field[]): Field[] =>
  list.toSorted((a, b) => (JSON.stringify(a.key) < JSON.stringify(b.key) ? -1 : 1))

function copiesIn(parcels: readonly Parceled[]): string[] {
  const found: string[] = []
  for (const { destination, request } of parcels) {
    if (destination === 'quarantine') continue
    for (const { resource, scope, record } of flat(request)) {
      const { attributes = [], body, ...rest } = record
      found.push(
        textOf({
          destination,
          resource: fields(resource),
          scope: fields(scope),
          record: rest,
          body: opened(body),
          attributes: fields(attributes),
        }),
      )
    }
  }
  return found.toSorted()
}

function decisionsFor(random: Random, policy: Policy, count: number): Decision[] {
  const names = [...policy.purposes.keys()]
  return Array.from({ length: count }, () => ({
    verdict: chance(random, 0.85) ? 'keep' : pick(random, ['drop', 'reject', 'quarantine'] as const),
    purposes: chance(random, 0.03)
      ? ['unheard_of', ...some(random, names)]
      : chance(random, 0.04)
        ? []
        : [pick(random, names), ...some(random, names, 0.4)].filter((name, i, all) => all.indexOf(name) === i),
  }))
}

const rig = new Rig(12)
type Counts = Record<'received' | 'dropped' | 'rejected' | 'quarantined' | 'entering' | 'queued', number>

/** One random policy with one random request; rejects with the seed where the router and the oracle differ. */
export async function check(seed: number): Promise<void> {
  const random = seeded(seed)
  const policy = randomPolicy(random)
  const destinations = randomDestinations(random, policy)
  const sent = encodeRequest(randomRequest(random, policy))
  const records = [...flat(decodeRequest(sent))]
  const decisions = decisionsFor(random, policy, records.length)
  const allowed = chance(random, 0.7) ? undefined : some(random, ['t0', 't1', 't2'], 0.6)
  const judged = records.map((record, i) => judge(record, decisions[i]!, allowed))
  // A refused resource is not shown to the processors: the script goes on behind it.
  const shown = decisions.filter((_, i) => !judged[i]!.contradicts)
  const before: Counts = rig.account.total()
  const parcels = await rig.run(policy, destinations, sent, shown, allowed)
  const after: Counts = rig.account.total()
  const fates = judged.map((one) => fateOf(one, policy, destinations))

  const expected = fates.flatMap((fate) => (fate.is === 'copied' ? fate.copies.map(textOf) : []))
  expect(copiesIn(parcels), `copies, seed ${seed}`).toEqual(expected.toSorted())
  const setAside = parcels.filter(({ destination }) => destination === 'quarantine')
  const setAsideRecords = setAside.flatMap(({ request }) => [...flat(request)])
  const quarantined = records.filter((_, i) => fates[i]!.is === 'quarantined')
  expect(setAsideRecords, `quarantine, seed ${seed}`).toEqual(quarantined)

  const delivered = parcels.filter(({ destination }) => destination !== 'quarantine')
  const copied = judged.filter((_, i) => fates[i]!.is === 'copied')
  expect(perTenant(delivered.flatMap(({ tenants }) => tenants)), `counting copies, seed ${seed}`).toEqual(
    perTenant(copied.map(({ tenant }) => [tenant!, 1])),
  )
  const count = (is: string) => fates.filter((fate) => fate.is === is).length
  for (const [what, due] of Object.entries({
    received: records.length,
    dropped: count('dropped'),
    rejected: count('rejected'),
    quarantined: count('quarantined'),
    entering: 0,
  }) as [keyof Counts, number][]) {
    expect(after[what] - before[what], `${what}, seed ${seed}`).toBe(due)
  }
}

function perTenant(counts: readonly (readonly [string, number])[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const [tenant, records] of counts) sums[tenant] = (sums[tenant] ?? 0) + records
  return sums
}
