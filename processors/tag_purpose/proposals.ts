/**
 * Purposes that a sender proposes in an attribute. A sender may widen what his records are kept for only as far as the
 * configuration trusts him: from the tenants it names, and to the purposes it names. Anything else is ignored and
 * counted; the record then has what the rules gave it.
 */
import type { Counter, Host } from '../../src/contract.ts'
import type { LogRecord } from '../../src/otlp/record.ts'
import type { Decision } from '../../src/ottl/decision.ts'
import { OttlError, type Value } from '../../src/ottl/values.ts'

export interface ProposalOptions {
  readonly allow: readonly string[]
  readonly tenants?: readonly string[] | undefined
}

export class Proposals {
  readonly #path: number
  readonly #masks: ReadonlyMap<string, number>
  readonly #tenants: ReadonlySet<string> | undefined
  readonly #accepted: Counter
  readonly #refused: Counter
  #acceptedCount = 0
  #refusedCount = 0

  /** `path`: the number of the attribute's path in the condition set. */
  constructor(options: ProposalOptions, host: Host, path: number, maskOf: (names: readonly string[]) => number) {
    this.#path = path
    this.#masks = new Map(options.allow.map((name) => [name, maskOf([name])]))
    this.#tenants = options.tenants === undefined ? undefined : new Set(options.tenants)
    const counter = host.counter('proposals', 'Purposes that senders proposed.', ['result'])
    this.#accepted = counter.with('accepted')
    this.#refused = counter.with('refused')
  }

  /** The mask of the proposed purposes that are allowed. */
  read(record: LogRecord, decision: Decision): number {
    const value = this.#value(decision)
    if (value === null) return 0
    const { tenant } = record.resource
    const isTrusted = tenant !== '' && (this.#tenants === undefined || this.#tenants.has(tenant))
    const names = isTrusted ? namesIn(value) : undefined
    if (names === undefined) {
      this.#refusedCount++
      return 0
    }
    let mask = 0
    for (const name of names) {
      const bit = this.#masks.get(name) ?? 0
      if (bit === 0) this.#refusedCount++
      else this.#acceptedCount++
      mask |= bit
    }
    return mask
  }

  end(): void {
    if (this.#acceptedCount > 0) this.#accepted.add(this.#acceptedCount)
    if (this.#refusedCount > 0) this.#refused.add(this.#refusedCount)
    this.#acceptedCount = 0
    this.#refusedCount = 0
  }

  /** A path whose keys lead into what is no map proposes nothing. */
  #value(decision: Decision): Value {
    try {
      return decision.value(this.#path)
    } catch (error) {
      if (error instanceof OttlError) return null
      throw error
    }
  }
}

/** The names in a text or a list of texts; `undefined` for anything else. */
function namesIn(value: Value): readonly string[] | undefined {
  if (typeof value === 'string') return [value]
  if (value === null || typeof value !== 'object' || !('kind' in value) || value.kind !== 'array') return undefined
  const names: string[] = []
  for (const item of value.values) {
    if (item.kind !== 'string') return undefined
    names.push(item.value)
  }
  return names
}
