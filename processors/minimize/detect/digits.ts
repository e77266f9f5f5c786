/**
 * Runs of digits: national numbers, cards, phones, IPv4 addresses, dates of birth.
 *
 * A *region* is a row of digit chunks with one separator between them: `85.07.30-033.28`, `4111 1111 1111 1111`. Every
 * window of whole chunks is offered to the rules of its length. What ordinary logs are full of is left out first:
 * dates, versions, floats, parts of longer ids.
 */
import { alnum, alpha, classes, digit, joiner, upper } from './ascii.ts'
import { isCounted, ownKey } from './beside.ts'
import { dateAt } from './birth.ts'
import { isMonthDay, number } from './checks.ts'
import { type Context, far } from './context.ts'
import type { NumberRule } from './numbers_europe.ts'
import { europe } from './numbers_europe.ts'
import { world } from './numbers_world.ts'
import { phone } from './phone.ts'
import { Phrases } from './phrases.ts'
import { digitsMax, gather, region } from './region.ts'
import { detector } from './registry.ts'
import type { Scan } from './state.ts'
import { topicIds, topicWords } from './topics.ts'

interface Rule {
  readonly detector: number
  readonly check: NumberRule['check']
  readonly topics: readonly number[]
  readonly alone: NumberRule['alone']
  readonly written: readonly { lengths: number[]; separators: string }[]
}
const rulesOf: Rule[][] = Array.from({ length: digitsMax + 1 }, () => [])
const aloneOf: Rule[][] = Array.from({ length: digitsMax + 1 }, () => [])
for (const rule of [...europe, ...world]) {
  const compiled: Rule = {
    detector: detector(rule.type),
    check: rule.check,
    topics: rule.topics.map((topic) => topicIds[topic]),
    alone: rule.alone,
    written: (rule.written ?? []).map((form) => ({
      lengths: [...form.matchAll(/\d+/g)].map((m) => Number(m[0])),
      separators: form.replace(/\d+/g, ''),
    })),
  }
  for (const length of rule.lengths) {
    rulesOf[length]!.push(compiled)
    if (rule.alone !== 'never') aloneOf[length]!.push(compiled)
  }
}

const ip = detector('ip')
const birthDate = detector('birth_date')
const { not_phone: notPhone, birth_date: birthTopic, counter } = topicIds

/** Looks at the region that begins with the digits in [start, end). Returns where to go on. */
export function digits(s: Scan, start: number, end: number): number {
  const after = s.byte(end) === DOT ? plainAddress(s, start) : 0
  if (after > 0) return after
  gather(s, start, end)
  const total = region.offset[region.chunks]!
  const last = region.to[region.chunks - 1]!
  if (region.chunks >= 4 && region.separator[0] === 46) {
    const next = address(s)
    if (next > 0) return next
  }
  if (region.chunks >= 3) {
    const next = date(s)
    if (next > 0) return next
  }
  if (total < 3 && region.chunks === 1) return namedBirth(s, start, last)
  if (total < 6) return last
  const before = s.byte(start - 1)
  region.isGlued =
    ((classes[before]! & joiner || before === 46 || before === 58) && (classes[s.byte(start - 2)]! & alnum) !== 0) ||
    ((classes[s.byte(last)]! & joiner) !== 0 && (classes[s.byte(last + 1)]! & alnum) !== 0)
  const context = s.lookAround(start, last)
  const own = context.isSilent ? 0 : ownKey(s, start)
  let next = last
  let isTaken = false
  for (let i = 0; i < region.chunks; i++) {
    if (i > 0 && !isOpen(i - 1)) continue
    for (let j = region.chunks; j > i; j--) {
      if (j < region.chunks && !isOpen(j - 1)) continue
      if (!window(s, i, j, own)) continue
      isTaken = true
      i = j - 1
      break
    }
  }
  if (!isTaken && isCompactBirth(context, own)) {
    s.hits.add(start, last, birthDate, 85)
    return last
  }
  if (!isTaken) next = Math.max(next, phone(s, context, own))
  return next
}

/** Whether a number may end after chunk `i` and another begin. */
const isOpen = (i: number): boolean => region.separator[i] === 32 || region.separator[i] === 47

/** Offers the digits of chunks [i, j) to the rules of their number. `own`: how far before it its own key begins, or 0. */
function window(s: Scan, i: number, j: number, own: number): boolean {
  const at = region.offset[i]!
  const length = region.offset[j]! - at
  const list = s.context.isSilent ? aloneOf[length]! : rulesOf[length]!
  const { distance: named, weight: letters } = s.context
  let best: Rule | undefined
  let nearest = far
  let most = 0
  let isAlone = false
  for (const rule of list) {
    let distance = far
    let weight = 0
    for (let k = 0; k < rule.topics.length; k++) {
      const topic = rule.topics[k]!
      const near = named[topic]!
      if (near === far || near > distance || (own > 0 && near > own)) continue
      // Of phrases as long, the type's own says more than one for any such number.
      const says = letters[topic]! * 2 + (k === 0 ? 1 : 0)
      weight = near < distance || says > weight ? says : weight
      distance = near
    }
    if (distance === far) {
      if (best || isAlone || rule.alone === 'never' || region.isGlued || isCounter(s, i, j)) continue
      if (rule.alone === 'written' && !isWritten(rule, i, j)) continue
      if (rule.check(region.compact, at, length)) {
        best = rule
        isAlone = true
      }
    } else if (
      (isAlone || distance < nearest || (distance === nearest && weight > most)) &&
      rule.check(region.compact, at, length)
    ) {
      if (isWeak(rule) && distance > named[notPhone]!) continue
      best = rule
      isAlone = false
      nearest = distance
      most = weight
    }
  }
  if (!best || (isAlone && isPartOfFloat(i, j))) return false
  if (nearest > 0 && isCounted(s, region.to[j - 1]!)) return false
  s.hits.add(region.from[i]!, region.to[j - 1]!, best.detector, isAlone ? 80 : nearest < 40 ? 95 : 85)
  return true
}
/** A counter or a time by the word right before it. */
const isCounter = (s: Scan, i: number, j: number): boolean => j - i === 1 && s.context.distance[counter]! < 6
const isWeak = (rule: Rule): boolean => rule.check.length === 0

/** `0.4111111111111111` is a float. */
const isPartOfFloat = (i: number, j: number): boolean => j - i === 2 && region.separator[i] === 46

function isWritten(rule: Rule, i: number, j: number): boolean {
  return rule.written.some(({ lengths, separators }) => {
    if (lengths.length !== j - i) return false
    for (let k = i; k < j; k++) {
      if (region.to[k]! - region.from[k]! !== lengths[k - i]) return false
      const wanted = separators.charCodeAt(k - i)
      if (k < j - 1 && (wanted === 126 ? region.separator[k] === 46 : region.separator[k] !== wanted)) return false
    }
    return true
  })
}

const DOT = 46
const SLASH = 47
/** Of the address at hand. */
const octets = new Uint8Array(4)

/** `192.168.7.9` with no mask, letter or further number behind it. Returns where to go on; 0 = it takes a closer look. */
function plainAddress(s: Scan, start: number): number {
  const { bytes } = s
  let at = start
  for (let n = 0; n < 4; n++, at++) {
    if (n > 0 && s.byte(at - 1) !== DOT) return 0
    const first = at
    let value = 0
    for (; at < s.to && at - first < 4 && classes[bytes[at]!]! & digit; at++) value = value * 10 + bytes[at]! - 48
    if (at === first || value > 255 || (at - first > 1 && (bytes[first] === 48 || at - first > 3))) return 0
    octets[n] = value
  }
  const end = at - 1
  const next = s.byte(end)
  if (classes[next]! & alpha || ((next === DOT || next === SLASH) && classes[s.byte(end + 1)]! & digit)) return 0
  if (isAddress(s, start, end)) s.hits.add(start, end, ip, 90)
  return end
}

/** An IPv4 address, or the version or OID that looks like one. Returns where to go on; 0 = neither. */
function address(s: Scan): number {
  let dots = 0
  while (dots < region.chunks - 1 && region.separator[dots] === 46) dots++
  if (dots < 3) return 0
  const start = region.from[0]!
  const end = region.to[dots]!
  if (dots > 3) return isFrenchPhone() ? 0 : end
  // No address, but perhaps a number in groups: `756.1234.5678.97`.
  for (let i = 0; i < 4; i++) if (region.to[i]! - region.from[i]! > 3) return 0
  for (let i = 0; i < 4; i++) {
    const length = region.to[i]! - region.from[i]!
    if (length > 3 || (length > 1 && s.bytes[region.from[i]!] === 48)) return end
    // `532.123.45.67` may be dialled.
    if (octet(i) > 255) return i === 0 ? 0 : end
  }
  if (isAddress(s, start, end)) s.hits.add(start, end, ip, 90)
  return region.separator[3] === 47 ? region.to[4]! : end
}
/** `02.27.96.63.08`. */
const isFrenchPhone = (): boolean =>
  region.chunks === 5 &&
  region.compact[0] === 48 &&
  region.offset[5] === 10 &&
  [1, 2, 3, 4].every((i) => region.offset[i] === i * 2)
const octet = (i: number): number => {
  let n = 0
  for (let k = region.offset[i]!; k < region.offset[i + 1]!; k++) n = n * 10 + region.compact[k]! - 48
  return n
}

/** Loopback, unspecified, masks, multicast and the metadata address are nobody's; versions are no addresses. */
function isAddress(s: Scan, start: number, end: number): boolean {
  const first = octets[0]!
  if (first === 0 || first === 127 || first >= 224) return false
  if (first === 169 && octets[1] === 254 && octets[2] === 169) return false
  const before = s.byte(start - 1)
  if (classes[before]! & (alnum | joiner) || (before === 46 && classes[s.byte(start - 2)]! & alnum)) return false
  if (classes[s.byte(end)]! & (alpha | joiner) && classes[s.byte(end + 1)]! & alnum) return false
  if (before === 47 && classes[s.byte(start - 2)]! & alpha && isProduct(s, start - 1)) return false
  return !followsVersion(s, start)
}

const versionWords = new Phrases()
for (const word of topicWords.version.split(' ')) versionWords.add(word, 0)
/** Whether the word right before is `version` or the like. */
function followsVersion(s: Scan, start: number): boolean {
  let end = start
  while (end > s.from && start - end < 3 && (classes[s.bytes[end - 1]!]! & alpha) === 0) end--
  let word = end
  while (word > s.from && end - word < 12 && classes[s.bytes[word - 1]!]! & alpha) word--
  s.hits.steps += start - word
  return word < end && versionWords.word(s.bytes, word, end) > 0
}

/** `Chrome/119.0.0.0`: a name with a capital before the slash, or zeros behind. */
function isProduct(s: Scan, slash: number): boolean {
  if (octets[2] === 0 && octets[3] === 0) return true
  let at = slash
  while (at > s.from && slash - at < 40 && classes[s.bytes[at - 1]!]! & alpha) at--
  return (classes[s.bytes[at]!]! & upper) !== 0
}

/** A date at the region's start is skipped, unless it is somebody's birthday. Returns where to go on; 0 = no date. */
function date(s: Scan): number {
  const [a, b, c] = [lengthOf(0), lengthOf(1), lengthOf(2)]
  const separator = region.separator[0]!
  if (separator !== region.separator[1] || separator === 32 || b > 2 || b === 0) return 0
  const year = a === 4 ? octet(0) : c === 4 ? octet(2) : 0
  if (year < 1800 || year > 2200 || (a !== 4 && a > 2) || (c !== 4 && c > 2)) return 0
  const [m, d] = a === 4 ? [octet(1), octet(2)] : [octet(1), octet(0)]
  if (!isMonthDay(m, d) && !isMonthDay(d, m)) return 0
  const start = region.from[0]!
  const end = region.to[2]!
  const distance = s.lookAround(start, end).distance[birthTopic]!
  if (distance < 24) s.hits.add(start, end, birthDate, distance === 0 ? 95 : 85)
  return end
}
/** `18 October 1950 is my date of birth`. */
function namedBirth(s: Scan, start: number, last: number): number {
  const to = dateAt(s, start)
  if (to === 0) return last
  if (s.lookAround(start, to).distance[birthTopic]! < 24) s.hits.add(start, to, birthDate, 85)
  return to
}
/** `19850312` or `12031985` beside a word that says so. */
function isCompactBirth(context: Context, own: number): boolean {
  if (region.chunks !== 1 || region.offset[1] !== 8) return false
  const distance = context.distance[birthTopic]!
  if (distance >= 24 || (own > 0 && distance > own)) return false
  const at = (from: number, to: number): number => number(region.compact, from, to)
  const isYear = (year: number): boolean => year > 1880 && year < 2100
  return (isYear(at(0, 4)) && isMonthDay(at(4, 6), at(6, 8))) || (isYear(at(4, 8)) && isMonthDay(at(2, 4), at(0, 2)))
}
const lengthOf = (i: number): number => region.to[i]! - region.from[i]!
