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

/** Counters at hand by name, then by action; of one tenant. */
class Cells {
  readonly #rows = new Map<string, (Counter | undefined)[]>()
  readonly #make: (action: Action, name: string) => Counter

  constructor(make: (action: Action, name: string) => Counter) {
    this.#make = make
  }
  clear(): void {
    this.#rows.clear()
  }
  add(action: Action, name: string): void {
    let row = this.#rows.get(name)
    if (row === undefined) {
      row = []
      this.#rows.set(name, row)
    }
    const i = strictness(action)
    let cell = row[i]
    if (cell === undefined) {
      cell = this.#make(action, name)
      row[i] = cell
    }
    cell.add(1)
  }
}

export class Audit {
  readonly #annotations: Config['annotations']
  readonly #found: LabelledCounter
  readonly #byKey: LabelledCounter
  readonly #foundCells: Cells
  readonly #keyCells: Cells
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
    this.#foundCells = new Cells((action, detector) =>
      this.#found.with(action, this.#typeOf.get(detector) ?? detector, this.#tenant, detector),
    )
    this.#keyCells = new Cells((action, key) => this.#byKey.with(action, key, this.#tenant))
  }

  resource(tenant: string): void {
    if (tenant === this.#tenant) return
    this.#tenant = tenant
    this.#foundCells.clear()
    this.#keyCells.clear()
  }

  /** Begins a field: an attribute's key, or a path such as `log.body`. Never a key that is personal. */
  field(key: string): void {
    this.#key = key
  }

  /** Begins a record. */
  record(): void {
    this.#total = 0
    this.#counts.fill(0)
    this.#changed.length = 0
  }

  count(action: Action, type: string, detector: string): void {
    this.#total++
    this.#counts[strictness(action)]!++
    if (this.#annotations === 'debug' && this.#changed.length < limits.listedChangesMax)
      this.#changed.push(`${action} ${type} ${this.#key}`)
    if (!this.#typeOf.has(detector)) this.#typeOf.set(detector, type)
    this.#foundCells.add(action, detector)
    this.#keyCells.add(action, this.#counted(this.#key))
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
