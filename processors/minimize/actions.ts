/** What an action makes of a piece of text. Drop and encrypt concern the whole field, and are done elsewhere. */

import type { HashKeys } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'
import type { Slots } from '../../src/otlp/slots.ts'
import { HashCache } from './hash_cache.ts'
import { Hmac } from './hmac.ts'

export const mask = (type: string): string => `<${type}>`

/** Keyed hashes: equal texts of one tenant give equal hashes; the key's id says which key. */
export class Hasher {
  readonly #keys: HashKeys
  readonly #cache: HashCache | undefined
  /** By tenant and key id. The number is what the cache tells keys apart by. */
  readonly #ready = new Map<string, { readonly number: number; readonly prefix: Buffer; readonly hmac: Hmac }>()
  #lastNumber = 0
  #tenant = ''
  #prefix: Buffer = Buffer.alloc(0)
  #number = 0
  #hmac: Hmac | undefined

  constructor(keys: HashKeys, isCached: boolean) {
    this.#keys = keys
    this.#cache = isCached ? new HashCache(limits.hashCacheEntriesMax) : undefined
  }

  /** Once a resource: the key of its tenant, which may have been rotated. Throws `KeyError`. */
  use(tenant: string): void {
    this.#tenant = tenant
    this.#hmac = undefined
  }

  hash(text: string): string {
    const bytes = Buffer.from(text)
    const out = Buffer.alloc(limits.hashTextBytesMax)
    return out.latin1Slice(0, this.#write(bytes, 0, bytes.length, out, 0))
  }

  /** Makes the slot's string its hash, bytes to bytes: to make strings of them costs as much as the hash. */
  hashSlot(slots: Slots, slot: number): void {
    if (this.#hmac === undefined) this.#open()
    const start = slots.start(slot)
    const end = slots.end(slot)
    const isEdited = slots.isEdited(slot)
    const at = slots.openText(slot, this.#prefix.length + 64)
    // Opening the text may replace the arena's buffer, never what is in it.
    const out = slots.arena.bytes
    this.#write(isEdited ? out : slots.body, start, end, out, at)
  }

  /** Writes `hmac:<key id>:<hex>` of bytes[start, end) to `out` and returns where it ends. */
  #write(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
    if (this.#hmac === undefined) this.#open()
    const prefix = this.#prefix
    for (let i = 0; i < prefix.length; i++) out[at + i] = prefix[i]!
    const hexAt = at + prefix.length
    const cache = this.#cache
    if (cache === undefined) this.#hmac!.hexInto(bytes, start, end, out, hexAt)
    else if (!cache.find(this.#number, bytes, start, end, out, hexAt)) {
      this.#hmac!.hexInto(bytes, start, end, out, hexAt)
      cache.keep(this.#number, bytes, start, end, out, hexAt)
    }
    return hexAt + 64
  }

  #open(): void {
    const { id, key } = this.#keys.current(this.#tenant)
    const name = `${id} ${this.#tenant}`
    let ready = this.#ready.get(name)
    if (ready === undefined) {
      // Numbers are never given twice, so rows of keys that are forgotten here cannot be found again.
      if (this.#ready.size >= limits.hashKeysMax) this.#ready.clear()
      ready = { number: ++this.#lastNumber, prefix: Buffer.from(`hmac:${id}:`), hmac: new Hmac(key) }
      this.#ready.set(name, ready)
    }
    this.#number = ready.number
    this.#prefix = ready.prefix
    this.#hmac = ready.hmac
  }
}

/**
 * A coarser value: an IPv4 address to its /24, IPv6 to its /48, an e-mail address to its domain, a birthday to its year,
 * coordinates to one decimal (11 km), a postal code to its first two characters. What cannot be generalized is masked.
 */
export function generalize(type: string, text: string): string {
  switch (type) {
    case 'ip':
      return text.includes(':') && !/^\d+\.\d+\.\d+\.\d+/.test(text) ? ipv6(text) : ipv4(text)
    case 'email': {
      const at = text.lastIndexOf('@')
      return at < 0 ? mask(type) : text.slice(at)
    }
    case 'birth_date':
      return /\d{4}/.exec(text)?.[0] ?? mask(type)
    case 'coordinate':
      return Number.isFinite(Number(text)) && text.trim() !== ''
        ? String(Math.round(Number(text) * 10) / 10)
        : mask(type)
    case 'postal_code':
      return text.length > 2 ? text.slice(0, 2) : mask(type)
    default:
      return mask(type)
  }
}

function ipv4(text: string): string {
  const parts = /^(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}/.exec(text)
  return parts ? `${parts[1]}.0/24` : mask('ip')
}

/** The first three groups, written out where `::` hides them. */
function ipv6(text: string): string {
  if (!/^[0-9a-fA-F:]+$/.test(text)) return mask('ip')
  const [head = '', tail = ''] = text.toLowerCase().split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const zeros = text.includes('::') ? Math.max(0, 8 - left.length - right.length) : 0
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right]
  if (groups.length !== 8) return mask('ip')
  return `${groups
    .slice(0, 3)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/48`
}
