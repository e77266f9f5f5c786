/**
 * Whether JSON in which the detectors found nothing must be opened all the same: it has an escape, behind which anything
 * may hide, or a name that decides about its value. A walk over the bytes that makes no text of them.
 */
import { KeyTable } from '../../src/otlp/keys.ts'
import type { Policy } from './policy.ts'

const QUOTE = 34
const COLON = 58
const BACKSLASH = 92

export class JsonNames {
  /** Names of JSON only: senders may make up any number of them, and those of attributes must not give way. */
  readonly #table = new KeyTable()

  /** For bytes[start, end), all of them ASCII. */
  mayTell(bytes: Uint8Array, start: number, end: number, policy: Policy): boolean {
    if (this.#table.isFull) this.#table.clear()
    let open = -1
    for (let i = start; i < end; i++) {
      const c = bytes[i]!
      if (c === BACKSLASH) return true
      if (c !== QUOTE) continue
      if (open === -1) {
        open = i + 1
        continue
      }
      let after = i + 1
      while (after < end && bytes[after]! <= 32) after++
      if (bytes[after] === COLON && after < end && this.#tells(bytes, open, i, policy)) return true
      open = -1
    }
    return false
  }

  #tells(bytes: Uint8Array, start: number, end: number, policy: Policy): boolean {
    const id = this.#table.idOf(bytes, start, end)
    if (id <= 0) return true
    const { action, isPersonal, encoding } = policy.names.byId(this.#table, id)
    return (action !== 'scan' && action !== 'keep') || isPersonal || encoding !== 'none'
  }
}
