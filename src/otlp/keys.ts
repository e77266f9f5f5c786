/**
 * Attribute keys, interned: equal bytes get the same small number, so that what a rule decides about a key is an
 * array look-up and not a comparison of strings.
 *
 * The table is bounded. A key that is too long or comes when the table is full gets 0, "not interned", and is looked
 * at by its text each time: slower, never wrong. A full table starts anew between two requests; `generation` tells
 * those who keep something by key.
 */
import { isUtf8 } from 'node:buffer'
import { limits } from '../limits.ts'

/** Key ids of the fields that are no attributes. */
export const Role = {
  Body: -1,
  EventName: -2,
  SeverityText: -3,
  ScopeName: -4,
  ScopeVersion: -5,
  SchemaUrl: -6,
} as const

const BUCKETS = 1 << 16
const RESERVED = 'douane.'

/** No two tables, nor a table before and after it was cleared, share a generation: who keeps ids compares only that. */
let generations = 0

export class KeyTable {
  generation = ++generations
  count = 1
  #names: (string | undefined)[] = ['']
  #reserved = new Uint8Array(limits.internedKeysMax + 1)
  #bytes = Buffer.alloc(64 * 1024)
  #used = 0
  #starts = new Int32Array(limits.internedKeysMax + 2)
  #buckets = new Int32Array(BUCKETS)

  /** The id of the key in `bytes[start, end)`; 0 = not interned, -1 = not UTF-8. */
  idOf(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start
    if (length > limits.internedKeyBytesMax) return isUtf8(bytes.subarray(start, end)) ? 0 : -1
    let hash = length
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0
    let bucket = (hash ^ (hash >>> 15)) & (BUCKETS - 1)
    for (;;) {
      const id = this.#buckets[bucket]!
      if (id === 0) break
      if (this.equals(id, bytes, start, end)) return id
      bucket = (bucket + 1) & (BUCKETS - 1)
    }
    if (!isUtf8(bytes.subarray(start, end))) return -1
    if (this.count > limits.internedKeysMax) return 0
    return this.#insert(bucket, bytes, start, length)
  }

  /** Whether key `id` has exactly these bytes. */
  equals(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    let at = this.#starts[id]!
    if (this.#starts[id + 1]! - at !== end - start) return false
    const table = this.#bytes
    for (let i = start; i < end; i++) if (table[at++] !== bytes[i]) return false
    return true
  }

  name(id: number): string {
    const known = this.#names[id]
    if (known !== undefined) return known
    const name = this.#bytes.utf8Slice(this.#starts[id]!, this.#starts[id + 1]!)
    this.#names[id] = name
    return name
  }

  /** Whether senders may not set this key: all under `douane.` are ours. */
  isReserved(id: number): boolean {
    return this.#reserved[id] === 1
  }

  get isFull(): boolean {
    return this.count > limits.internedKeysMax
  }

  /** Forgets all keys. Only between two requests. */
  clear(): void {
    this.generation = ++generations
    this.count = 1
    this.#used = 0
    this.#names = ['']
    this.#reserved.fill(0)
    this.#buckets.fill(0)
  }

  #insert(bucket: number, bytes: Uint8Array, start: number, length: number): number {
    if (this.#used + length > this.#bytes.length) {
      const grown = Buffer.alloc(this.#bytes.length * 2)
      this.#bytes.copy(grown)
      this.#bytes = grown
    }
    const id = this.count++
    for (let i = 0; i < length; i++) this.#bytes[this.#used + i] = bytes[start + i]!
    this.#starts[id] = this.#used
    this.#used += length
    this.#starts[id + 1] = this.#used
    this.#buckets[bucket] = id
    this.#names[id] = undefined
    this.#reserved[id] = isReservedKey(bytes, start, start + length) ? 1 : 0
    return id
  }
}

export function isReservedKey(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < RESERVED.length) return false
  for (let i = 0; i < RESERVED.length; i++) if (bytes[start + i] !== RESERVED.charCodeAt(i)) return false
  return true
}

/** What a component decides about a key, remembered by its id. `decide` is pure. */
export class KeyMemo<T> {
  readonly #decide: (name: string) => T
  #known: (T | undefined)[] = []
  #generation = 0

  constructor(decide: (name: string) => T) {
    this.#decide = decide
  }

  /** For an interned key (`id` > 0); for others call `byName`. */
  byId(keys: KeyTable, id: number): T {
    if (this.#generation !== keys.generation) {
      this.#known = []
      this.#generation = keys.generation
    }
    const known = this.#known[id]
    if (known !== undefined) return known
    const decided = this.#decide(keys.name(id))
    this.#known[id] = decided
    return decided
  }

  byName(name: string): T {
    return this.#decide(name)
  }
}
