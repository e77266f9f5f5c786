/**
 * Secrets that only the vendor's name beside them gives away: `datadog: <32 hex>`, `X-Postmark-Server-Token: <uuid>`.
 *
 * Rules are rows of vendors/names_*.ts: the name, glued; `!` if a key that ends in the bare name is enough, `-` if the key
 * must also hold a word such as `token` or `key`; the forms of its keys, as alphabet and length (vendor_tokens.ts lists the
 * alphabets; `U` is a UUID); and a published rule that takes the same.
 */
import { alpha, classes, digit } from './ascii.ts'
import { looksRandom } from './random.ts'
import { detector } from './registry.ts'
import { alphabets } from './vendor_tokens.ts'
import { namesAToL } from './vendors/names_a_to_l.ts'
import { namesMToZ } from './vendors/names_m_to_z.ts'

interface Form {
  /** Undefined: a UUID. */
  readonly table: Uint8Array | undefined
  readonly min: number
  readonly max: number
}
export interface Vendor {
  readonly name: string
  readonly detector: number
  readonly isBare: boolean
  readonly forms: readonly Form[]
  readonly source: string | undefined
}

const form = (text: string): Form => {
  if (text === 'U') return { table: undefined, min: 36, max: 36 }
  const [, alphabet, min, max] = /^([a-zH])(\d+)(?:-(\d+))?$/.exec(text)!
  const table = new Uint8Array(256)
  for (const c of alphabets[alphabet!]!) table[c.charCodeAt(0)] = 1
  return { table, min: Number(min), max: Number(max ?? min) }
}

const byName = new Map<string, Vendor>()
for (const line of `${namesAToL}${namesMToZ}`.split('\n')) {
  const [name, mark, forms, source] = line.trim().split(/\s+/)
  if (!name || !forms) continue
  const id = detector(`${name}_key`, 'secret')
  byName.set(name, { name, detector: id, isBare: mark === '!', forms: forms.split(',').map(form), source })
}
export const vendorNames: readonly Vendor[] = [...byName.values()]

const nameWordsMax = 3

/** The vendor that a key's words name, as whole words; or at the start of a word, before `token` and the like. */
export function vendorOf(words: readonly string[]): Vendor | undefined {
  for (let first = 0; first < words.length; first++) {
    let name = ''
    for (let i = first; i < words.length && i < first + nameWordsMax; i++) {
      name += words[i]
      const vendor = byName.get(name)
      if (vendor) return vendor
    }
    const ending = /(?:api|access|auth|app|client|private)?(?:token|key|secret)$/.exec(words[first]!)
    const vendor = ending ? byName.get(words[first]!.slice(0, ending.index)) : undefined
    if (vendor) return vendor
  }
  return undefined
}

/** Whether the words of a key end in a vendor's name that is enough. */
export function endsInVendor(words: readonly string[]): boolean {
  for (let first = Math.max(0, words.length - nameWordsMax); first < words.length; first++)
    if (byName.get(words.slice(first).join(''))?.isBare) return true
  return false
}

/** Whether bytes[from, to) have one of the forms of the vendor's keys. */
export function hasForm(b: Uint8Array, from: number, to: number, vendor: Vendor): boolean {
  const length = to - from
  for (const { table, min, max } of vendor.forms) {
    if (length < min || length > max) continue
    if (table === undefined ? isUuid(b, from) : isOf(b, from, to, table) && looksRandom(b, from, to, min)) return true
  }
  return false
}
function isOf(b: Uint8Array, from: number, to: number, table: Uint8Array): boolean {
  for (let i = from; i < to; i++) if (table[b[i]!] === 0) return false
  return true
}
function isUuid(b: Uint8Array, from: number): boolean {
  for (let i = 0; i < 36; i++) {
    const c = b[from + i]!
    if (i === 8 || i === 13 || i === 18 || i === 23) {
      if (c !== 45) return false
    } else if ((classes[c]! & (digit | alpha)) === 0) return false
  }
  return true
}
