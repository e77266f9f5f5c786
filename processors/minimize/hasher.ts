/** Keyed hashes of values: `hmac:<key id>:<hex>`. */

import type { HashKeys } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'
import type { Slots } from '../../src/otlp/slots.ts'
import { HashCache } from './hash_cache.ts'
import { Hmac, type HmacKey } from './hmac.ts'

/** Equal texts of one tenant give equal hashes; the key's id says which key. */
export class Hasher {
  readonly #keys: HashKeys
  readonly #cache: HashCache | undefined
  /** By tenant and key id. The number is what the cache tells keys apart by. */
  readonly #ready = new Map<string, HmacKey>()
  /** Tenants whose key was asked for before: it will be again. */
  readonly #tenants = new Set<string>()
  #lastNumber = 0
  #tenant = ''
  #key: HmacKey | undefined

  constructor(keys: HashKeys, isCached: boolean) {
    this.#keys = keys
    this.#cache = isCached ? new HashCache(limits.hashCacheEntriesMax) : undefined
  }

  /** Once a resource: the key of its tenant, which may have been rotated. Throws `KeyError`. */
  use(tenant: string): void {
    this.#tenant = tenant
    this.#key = undefined
    if (this.#tenants.has(tenant)) this.#open()
  }

  /** The tenant's key, if it was asked for. */
  get key(): HmacKey | undefined {
    return this.#key
  }

  hash(text: string): string {
    const bytes = Buffer.from(text)
    const out = Buffer.alloc(limits.hashTextBytesMax)
    return out.latin1Slice(0, this.#write(bytes, 0, bytes.length, out, 0))
  }

  /** Makes the slot's string its hash, bytes to bytes: to make strings of them costs as much as the hash. */
  hashSlot(slots: Slots, slot: number): void {
    const { prefix } = this.#key ?? this.#open()
    const start = slots.start(slot)
    const end = slots.end(slot)
    const isEdited = slots.isEdited(slot)
    const at = slots.openText(slot, prefix.length + 64)
    // Opening the text may replace the arena's buffer, never what is in it.
    const out = slots.arena.bytes
    this.#write(isEdited ? out : slots.body, start, end, out, at)
  }

  /** Writes `hmac:<key id>:<hex>` of bytes[start, end) to `out` and returns where it ends. */
  #write(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
    const { prefix, number, hmac } = this.#key ?? this.#open()
    for (let i = 0; i < prefix.length; i++) out[at + i] = prefix[i]!
    const hexAt = at + prefix.length
    const cache = this.#cache
    if (cache === undefined) hmac.hexInto(bytes, start, end, out, hexAt)
    else if (!cache.find(number, bytes, start, end, out, hexAt)) {
      hmac.hexInto(bytes, start, end, out, hexAt)
      cache.keep(number, bytes, start, end, out, hexAt)
    }
    return hexAt + 64
  }

  #open(): HmacKey {
    const { id, key } = this.#keys.current(this.#tenant)
    const name = `${id} ${this.#tenant}`
    let ready = this.#ready.get(name)
    if (ready === undefined) {
      // Numbers are never given twice, so rows of keys that are forgotten here cannot be found again.
      if (this.#ready.size >= limits.hashKeysMax) this.#ready.clear()
      ready = { number: ++this.#lastNumber, prefix: Buffer.from(`hmac:${id}:`), hmac: new Hmac(key) }
      this.#ready.set(name, ready)
    }
    if (this.#tenants.size >= limits.hashKeysMax) this.#tenants.clear()
    this.#tenants.add(this.#tenant)
    this.#key = ready
    return ready
  }
}
