/**
 * What the chain says about sealing beyond a slot's marks: how a field's token is made, and whose content a record or a
 * resource holds. One table for each request; empty, and free of cost, where no processor uses it.
 */
import type { Subject } from './subject.ts'

/** How a field is sealed, where that is not the default. */
export interface SealStyle {
  /** The token stands in a bytes attribute; only a body or an attribute can. */
  readonly asBytes: boolean
  /** The token opens in the record with this `log.record.uid` only; without one it is not bound. */
  readonly bindsRecord: boolean
  /** See `SealBinding.padTo`. */
  readonly padTo: readonly number[] | undefined
  /** A copy with the sealed field gets a blind index beside it. */
  readonly isIndexed: boolean
  /** Messages carry the sealed keys that their tokens need. */
  readonly carriesKeys: boolean
}

export class Sealings {
  readonly #styles = new Map<number, SealStyle>()
  readonly #records = new Map<number, Subject>()
  readonly #resources = new Map<number, Subject>()
  /** False: nothing of a request needs to be looked up here. */
  isUsed = false

  reset(): void {
    if (!this.isUsed) return
    this.#styles.clear()
    this.#records.clear()
    this.#resources.clear()
    this.isUsed = false
  }

  setStyle(slot: number, style: SealStyle): void {
    this.#styles.set(slot, style)
    this.isUsed = true
  }
  styleOf(slot: number): SealStyle | undefined {
    return this.#styles.get(slot)
  }

  setRecord(record: number, subject: Subject): void {
    this.#records.set(record, subject)
    this.isUsed = true
  }
  setResource(resource: number, subject: Subject): void {
    this.#resources.set(resource, subject)
    this.isUsed = true
  }
  ofResource(resource: number): Subject | undefined {
    return this.#resources.get(resource)
  }
  /** A record's own subject, or else its resource's. */
  ofRecord(record: number, resource: number): Subject | undefined {
    return this.#records.get(record) ?? this.#resources.get(resource)
  }
}
