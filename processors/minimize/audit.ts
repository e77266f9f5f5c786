/**
 * What was changed, told three ways and never with payload: counters by type, detector, action and tenant; counters by
 * key, action and tenant; attributes of the changed record (`annotations`).
 */
import type { Counter, Host, LabelledCounter } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'
import { type PreparedAttribute, prepareAttribute } from '../../src/otlp/attribute.ts'
import { Tag } from '../../src/otlp/fields.ts'
import type { LogRecord } from '../../src/otlp/record.ts'
import type { Config } from './config.ts'
import { type Action, actions, strictness } from './treatment.ts'

const countKeys = actions.map((action) => `douane.minimized.${action}.count`)

/** The annotations with small counts, which are nearly all there are. */
const prepared: PreparedAttribute[][] = actions.map(() => [])
function countOf(action: number, n: number): PreparedAttribute {
  const known = prepared[action]![n]
  if (known) return known
  const made = prepareAttribute(Tag.record.attributes, countKeys[action]!, { kind: 'int', value: BigInt(n) })
  if (n < 256) prepared[action]![n] = made
  return made
}

/** What one kind of change is counted by: at hand for the next one. */
interface Tally {
  /** Its action, by strictness. */
  readonly action: number
  readonly found: Counter
  readonly byKey: Counter
}
/** What the change that a key asks for was counted by last, kept beside the key: for the tenant of these tallies. */
export interface Told {
  of: object | undefined
  tally: Tally | undefined
}
export const nothingTold = (): Told => ({ of: undefined, tally: undefined })
/** By detector, then by action. */
type Tallies = Map<string, (Tally | undefined)[]>

export class Audit {
  readonly #annotations: Config['annotations']
  readonly #found: LabelledCounter
  readonly #byKey: LabelledCounter
  /** Of the tenants seen last: by tenant, then by key. */
  readonly #tenants = new Map<string, Map<string, Tallies>>()
  #ofTenant = new Map<string, Tallies>()
  /** Of the field that is being visited; undefined = not asked for yet. */
  #ofField: Tallies | undefined
  /** Keys that have a counter of their own. */
  readonly #keys = new Set<string>()
  /** Type of each detector, as it was first told. */
  readonly #typeOf = new Map<string, string>()
  #tenant = ''
  /** Changes in the record at hand, by action; and, for `debug`, what was changed. */
  readonly #counts = new Int32Array(actions.length)
  readonly #changed: string[] = []
  #total = 0
  /** The field that is being visited. */
  #key = ''

  constructor(host: Host, annotations: Config['annotations']) {
    this.#annotations = annotations
    const labels = ['action', 'type', 'tenant', 'detector'] as const
    this.#found = host.counter('minimized', 'Findings and keys that were changed.', labels)
    this.#byKey = host.counter('minimized_keys', 'The same by attribute key, or field.', ['action', 'key', 'tenant'])
  }

  resource(tenant: string): void {
    if (tenant === this.#tenant) return
    this.#tenant = tenant
    this.#ofField = undefined
    const known = this.#tenants.get(tenant)
    this.#ofTenant = known ?? new Map()
    if (known !== undefined) return
    if (this.#tenants.size >= limits.talliedTenantsMax) this.#tenants.clear()
    this.#tenants.set(tenant, this.#ofTenant)
  }

  /** Begins a field: an attribute's key, or a path such as `log.body`. Never a key that is personal. */
  field(key: string): void {
    if (key === this.#key) return
    this.#key = key
    this.#ofField = undefined
  }

  /** Begins a record. */
  record(): void {
    if (this.#total === 0) return
    this.#total = 0
    for (let i = 0; i < actions.length; i++) this.#counts[i] = 0
    this.#changed.length = 0
  }

  count(action: Action, type: string, detector: string): void {
    this.#add(this.#tally(action, type, detector), type)
  }

  /** Begins a field and counts what its key asks for. */
  countKeyed(key: string, action: Action, type: string, told: Told): void {
    this.field(key)
    if (told.tally === undefined || told.of !== this.#ofTenant) {
      told.tally = this.#tally(action, type, type)
      told.of = this.#ofTenant
    }
    this.#add(told.tally, type)
  }

  #add({ action, found, byKey }: Tally, type: string): void {
    this.#total++
    this.#counts[action]!++
    found.add(1)
    byKey.add(1)
    if (this.#annotations === 'debug' && this.#changed.length < limits.listedChangesMax)
      this.#changed.push(`${actions[action]!} ${type} ${this.#key}`)
  }

  #tally(action: Action, type: string, detector: string): Tally {
    this.#ofField ??= this.#talliesOf(this.#counted(this.#key))
    let row = this.#ofField.get(detector)
    if (row === undefined) {
      row = []
      this.#ofField.set(detector, row)
    }
    const i = strictness(action)
    let tally = row[i]
    if (tally === undefined) {
      if (!this.#typeOf.has(detector)) this.#typeOf.set(detector, type)
      tally = {
        action: i,
        found: this.#found.with(action, this.#typeOf.get(detector) ?? detector, this.#tenant, detector),
        byKey: this.#byKey.with(action, this.#counted(this.#key), this.#tenant),
      }
      row[i] = tally
    }
    return tally
  }

  #talliesOf(key: string): Tallies {
    let tallies = this.#ofTenant.get(key)
    if (tallies === undefined) {
      tallies = new Map()
      this.#ofTenant.set(key, tallies)
    }
    return tallies
  }

  /** The first keys by their name, further ones together: senders make up as many as they like. */
  #counted(key: string): string {
    if (this.#keys.has(key)) return key
    if (this.#keys.size >= limits.countedKeysMax) return 'other'
    this.#keys.add(key)
    return key
  }

  /** Says in the record what was changed in it. */
  annotate(record: LogRecord): void {
    if (this.#total === 0 || this.#annotations === 'silent') return
    for (let i = 0; i < actions.length; i++) if (this.#counts[i]! > 0) record.addPrepared(countOf(i, this.#counts[i]!))
    if (this.#changed.length === 0) return
    const values = this.#changed.splice(0).map((value) => ({ kind: 'string' as const, value }))
    record.add('douane.minimized.changes', { kind: 'array', values })
  }
}
