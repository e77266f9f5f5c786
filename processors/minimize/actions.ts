/** What an action makes of a piece of text. Drop and encrypt concern the whole field, and are done elsewhere. */

import type { HashKeys } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'
import type { Slots } from '../../src/otlp/slots.ts'
import { Hmac } from './hmac.ts'

export const mask = (type: string): string => `<${type}>`

/** Keyed hashes: equal texts of one tenant give equal hashes; the key's id says which key. */
export class Hasher {
  readonly #keys: HashKeys
  readonly #isCached: boolean
  readonly #known = new Map<string, string>()
  #tenant = ''
  #prefix = ''
  #prefixBytes = Buffer.alloc(0)
  #keyId = ''
  #hmac: Hmac | undefined

  constructor(keys: HashKeys, isCached: boolean) {
    this.#keys = keys
    this.#isCached = isCached
  }

  /** Once a resource: the key of its tenant, which may have been rotated. Throws `KeyError`. */
  use(tenant: string): void {
    this.#tenant = tenant
    this.#hmac = undefined
  }

  hash(text: string): string {
    if (this.#hmac === undefined) this.#open()
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const hash = this.#prefix + this.#hmac!.hex(text)
    if (this.#isCached && text.length <= 128) {
      if (this.#known.size >= limits.hashCacheEntriesMax) this.#known.clear()
      this.#known.set(text, hash)
    }
    return hash
  }

  /** Makes the slot's string its hash: bytes to bytes, which beats the cache, since a string costs more than the hash. */
  hashSlot(slots: Slots, slot: number): void {
    if (this.#hmac === undefined) this.#open()
    const start = slots.start(slot)
    const end = slots.end(slot)
    const prefix = this.#prefixBytes
    // Opening the text may replace the arena's buffer, never what is in it: read the source after that.
    const isEdited = slots.isEdited(slot)
    const at = slots.openText(slot, prefix.length + 64)
    const out = slots.arena.bytes
    for (let i = 0; i < prefix.length; i++) out[at + i] = prefix[i]!
    this.#hmac!.hexInto(isEdited ? out : slots.body, start, end, out, at + prefix.length)
  }

  #open(): void {
    const { id, key } = this.#keys.current(this.#tenant)
    if (`${this.#tenant} ${id}` !== this.#keyId) {
      this.#known.clear()
      this.#keyId = `${this.#tenant} ${id}`
    }
    this.#prefix = `hmac:${id}:`
    this.#prefixBytes = Buffer.from(this.#prefix)
    this.#hmac = new Hmac(key)
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
