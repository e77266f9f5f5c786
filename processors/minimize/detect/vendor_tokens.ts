/**
 * Vendors' tokens: tables of formats (vendors/), matched by one small engine.
 *
 *   name  format  [crc]  [source]
 *
 * A format is literal text with runs in braces: `{a36}` is 36 letters or digits, `{t20-50}` is 20 to 50 of letters,
 * digits, `_`, `-`. Alphabets: d digits, h lower-case hex, H any hex, l lower-case letters and digits, u upper-case letters
 * and digits, a letters and digits, t = a and `_-`, x = t and `=%.`, b = a and `+/=_-`, B = a and `+/=`, j = t and `.`, c = a and `./`. A token begins where
 * a run of letters and digits begins, and ends where its alphabet ends. `crc`: the last six characters are the CRC-32 of
 * those before, in base 62 (GitHub, npm): when it fits, the finding is sure.
 *
 * The source is a published rule that takes what the row makes, by name: `gitleaks:github-pat`; or `seen:public-code`, where
 * several public repositories hold tokens of that form. Rows without one come from the vendors' own pages alone.
 *
 * The first three bytes choose the formats to try, so the cost does not depend on how many formats there are.
 */
import { crc32 } from 'node:zlib'
import { alnum, classes, joiner } from './ascii.ts'
import { looksRandom } from './random.ts'
import { detector } from './registry.ts'
import type { Scan } from './state.ts'
import { cloud } from './vendors/cloud.ts'
import { code } from './vendors/code.ts'
import { services } from './vendors/services.ts'

/** No token is shorter. */
const tokenBytesMin = 8

/** The bytes of an alphabet, and the run of them that was followed last: a token that begins inside it is not read again. */
interface Alphabet {
  readonly table: Uint8Array
  /** `Scan.number` of the scan that the run is of. */
  scan: number
  from: number
  to: number
}

interface Segment {
  /** Literal bytes, or undefined for a run. */
  readonly literal: Uint8Array | undefined
  readonly alphabet: Alphabet
  readonly min: number
  readonly max: number
}
interface Format {
  readonly detector: number
  readonly segments: readonly Segment[]
  readonly hasCrc: boolean
}

const lowerHex = '0123456789abcdef'
const lowers = '0123456789abcdefghijklmnopqrstuvwxyz'
const uppers = lowers.toUpperCase()
const letters = `${lowers}${uppers.slice(10)}`
/** By the letter that stands for them in the tables. */
export const alphabets: Record<string, string> = {
  d: '0123456789',
  h: lowerHex,
  H: `${lowerHex}ABCDEF`,
  l: lowers,
  u: uppers,
  a: letters,
  t: `${letters}_-`,
  x: `${letters}_-=%.`,
  b: `${letters}+/=_-`,
  B: `${letters}+/=`,
  j: `${letters}_-.`,
  c: `${letters}./`,
}
const members = Object.fromEntries(
  Object.entries(alphabets).map(([name, text]): [string, Alphabet] => {
    const table = new Uint8Array(256)
    for (const c of text) table[c.charCodeAt(0)] = 1
    return [name, { table, scan: 0, from: 0, to: 0 }]
  }),
)

const parse = (format: string): Segment[] =>
  [...format.matchAll(/\{([a-zHB])(\d+)(?:-(\d+))?\}|[^{]+/g)].map((m) =>
    m[1] === undefined
      ? { literal: Uint8Array.from(m[0], (c) => c.charCodeAt(0)), alphabet: members['a']!, min: 0, max: 0 }
      : { literal: undefined, alphabet: members[m[1]]!, min: Number(m[2]), max: Number(m[3] ?? m[2]) },
  )

/** First three bytes → formats. */
const byPrefix = new Map<number, Format[]>()
/** Whether any format begins so: hashed, to pass ordinary words at the cost of one load. */
const begins = new Uint8Array(32768)
const prefixHash = (a: number, b: number, c: number): number => ((a << 10) ^ (b << 5) ^ c) & 32767

/** First three bytes → how the formats begin that begin so, for the prefilter: literal bytes, bytes in all at least. */
export const tokenStarts = new Map<number, { readonly literal: Uint8Array; readonly lengthMin: number }[]>()

/** Names and formats, for docs and tests. */
export const vendorFormats: { name: string; format: string; source: string | undefined }[] = []
for (const line of `${cloud}${code}${services}`.split('\n')) {
  const [name, format, ...more] = line.trim().split(/\s+/)
  if (!name || !format) continue
  vendorFormats.push({ name, format, source: more.find((each) => each.includes(':')) })
  const compiled = { detector: detector(name, 'secret'), segments: parse(format), hasCrc: more.includes('crc') }
  for (const [a, b, c] of prefixes(format)) {
    const key = (a << 16) | (b << 8) | c
    byPrefix.set(key, [...(byPrefix.get(key) ?? []), compiled])
    tokenStarts.set(key, [...(tokenStarts.get(key) ?? []), startOf(compiled)])
    begins[prefixHash(a, b, c)] = 1
  }
}

function startOf({ segments }: Format): { literal: Uint8Array; lengthMin: number } {
  const lengthMin = segments.reduce((sum, { literal, min }) => sum + (literal?.length ?? min), 0)
  return { literal: segments[0]!.literal!, lengthMin: Math.max(tokenBytesMin, lengthMin) }
}

/** All first three bytes of a format whose literal may be as short as one byte. */
function prefixes(format: string): [number, number, number][] {
  const literal = /^[^{]*/.exec(format)![0]
  if (literal.length >= 3) return [[literal.charCodeAt(0), literal.charCodeAt(1), literal.charCodeAt(2)]]
  const alphabet = alphabets[/\{(.)/.exec(format)![1]!]!
  return [...alphabet].flatMap((second) =>
    literal.length === 2
      ? [[literal.charCodeAt(0), literal.charCodeAt(1), second.charCodeAt(0)] as [number, number, number]]
      : [...alphabet].map((third): [number, number, number] => [
          literal.charCodeAt(0),
          second.charCodeAt(0),
          third.charCodeAt(0),
        ]),
  )
}

/** Whether a token may begin at `at`. For the scan's inner loop. */
export function mayBeToken(b: Uint8Array, at: number): boolean {
  return begins[prefixHash(b[at]!, b[at + 1]!, b[at + 2]!)] === 1
}

/** Tries all formats that begin like the bytes at `start`. Returns where the token ends, or 0. */
export function vendorToken(s: Scan, start: number): number {
  if (start + tokenBytesMin > s.to) return 0
  const b = s.bytes
  const formats = byPrefix.get((b[start]! << 16) | (b[start + 1]! << 8) | b[start + 2]!)
  if (!formats) return 0
  let longest = 0
  let best = formats[0]!
  for (const format of formats) {
    const end = match(s, format, start)
    if (end <= longest || !isPlausible(b, start, end, format)) continue
    longest = end
    best = format
  }
  if (longest > 0) s.hits.add(start, longest, best.detector, best.hasCrc && !crcFits(b, start, longest) ? 92 : 98)
  return longest
}

function match(s: Scan, format: Format, start: number): number {
  const b = s.bytes
  const { segments } = format
  let at = start
  let last: Uint8Array | undefined
  for (let i = 0; i < segments.length; i++) {
    const { literal, alphabet, min, max } = segments[i]!
    if (literal) {
      if (at + literal.length > s.to) return 0
      for (let k = 0; k < literal.length; k++) if (b[at++] !== literal[k]) return 0
      last = undefined
      continue
    }
    const from = at
    const next = i + 1 < segments.length ? segments[i + 1]!.literal : undefined
    // Where the run's alphabet holds the literal that follows, the run has one length.
    const fixed = next && alphabet.table[next[0]!] === 1 && min === max
    at = follow(s, alphabet, from, Math.min(s.to, from + max))
    if (at - from < min) return 0
    last = fixed ? undefined : alphabet.table
  }
  const after = at < s.to ? b[at]! : 0
  if (classes[after]! & (alnum | joiner) && (last === undefined || last[after] === 1 || classes[after]! & alnum))
    return 0
  return at
}

/** Where the run of an alphabet that begins at `from` ends, at `stop` at the latest. Each byte is read once a scan. */
function follow(s: Scan, alphabet: Alphabet, from: number, stop: number): number {
  const b = s.bytes
  const { table } = alphabet
  const isKnown = alphabet.scan === s.number && from >= alphabet.from && from < alphabet.to
  let at = isKnown ? Math.min(stop, alphabet.to) : from
  const known = at
  while (at < stop && table[b[at]!] === 1) at++
  s.hits.steps += at - known
  if (!isKnown) {
    alphabet.scan = s.number
    alphabet.from = from
    alphabet.to = at
  } else if (at > alphabet.to) alphabet.to = at
  return at
}

/** Short formats look like words and ids; their run must look random. */
function isPlausible(b: Uint8Array, start: number, end: number, format: Format): boolean {
  const literal = format.segments[0]!.literal!.length
  return literal >= 4 || end - start > 40 || literal + 8 > end - start || hasVariety(b, start + literal, end, literal)
}
function hasVariety(b: Uint8Array, from: number, to: number, literal: number): boolean {
  return literal >= 3 || isRepeated(b, from + 1, to) || looksRandom(b, from, to, 10)
}
/** `SKxxxxxxxx…`: masked samples in documentation, of the right length; they are taken. */
function isRepeated(b: Uint8Array, from: number, to: number): boolean {
  for (let i = from + 1; i < to; i++) if (b[i] !== b[from]) return false
  return true
}

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
function crcFits(b: Uint8Array, start: number, end: number): boolean {
  let from = start
  while (b[from] !== 95) from++
  let sum = crc32(Buffer.from(b.subarray(from + 1, end - 6)))
  for (let i = end - 1; i >= end - 6; i--) {
    if (base62.charCodeAt(sum % 62) !== b[i]) return false
    sum = Math.floor(sum / 62)
  }
  return true
}
