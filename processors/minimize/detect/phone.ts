/**
 * Telephone numbers: international (`+32 470 12 34 56`, `0032…`, `001-…`), the North American form, and anything of the
 * right length beside a word that says so. ITU-T E.164: a country code and at most 15 digits.
 *
 * Without `+`, a number is taken only beside such a word (before it, or `office`, `fax` … after it) or when it is written
 * in North American groups: ordinary logs are full of numbers of ten digits.
 */
import { alnum, alpha, classes, digit, joiner, lowered, upper } from './ascii.ts'
import { isCounted } from './beside.ts'
import type { Context } from './context.ts'
import { region } from './region.ts'
import { detector } from './registry.ts'
import type { Scan } from './state.ts'
import { topicIds } from './topics.ts'

const phoneId = detector('phone')
const { phone: topic, not_phone: notPhone } = topicIds

/** ITU-T E.164 country codes with the shortest national number that they give out (longest: 15 in all). */
const countryCodes = new Map<number, number>(
  '1:10 7:10 20:8 27:9 30:10 31:9 32:8 33:9 34:9 36:8 39:6 40:9 41:9 43:6 44:9 45:8 46:7 47:8 48:9 49:6 51:8 52:10 53:6 54:10 55:10 56:9 57:8 58:10 60:7 61:9 62:7 63:8 64:8 65:8 66:8 81:9 82:8 84:9 86:10 90:10 91:10 92:9 93:9 94:9 95:7 98:10 211:9 212:9 213:8 216:8 218:8 220:7 221:9 222:8 223:8 224:8 225:8 226:8 227:8 228:8 229:8 230:7 231:7 232:8 233:9 234:8 235:8 236:8 237:8 238:7 239:7 240:9 241:7 242:9 243:9 244:9 245:7 246:7 247:5 248:7 249:9 250:9 251:9 252:7 253:8 254:9 255:9 256:9 257:8 258:8 260:9 261:9 262:9 263:8 264:8 265:7 266:8 267:7 268:8 269:7 290:4 291:7 297:7 298:6 299:6 350:8 351:9 352:6 353:7 354:7 355:8 356:8 357:8 358:6 359:7 370:8 371:8 372:7 373:8 374:8 375:9 376:6 377:8 378:6 379:6 380:9 381:8 382:8 383:8 385:8 386:8 387:8 389:8 420:9 421:9 423:7 500:5 501:7 502:8 503:8 504:8 505:8 506:8 507:7 508:6 509:8 590:9 591:8 592:7 593:8 594:9 595:9 596:9 597:6 598:8 599:7 670:7 672:5 673:7 674:7 675:7 676:5 677:5 678:7 679:7 680:7 681:6 682:5 683:4 685:5 686:8 687:6 688:5 689:6 690:4 691:7 692:7 800:8 808:8 850:6 852:8 853:8 855:8 856:8 870:9 880:7 881:8 882:8 883:8 886:8 888:8 960:7 961:7 962:8 963:8 964:8 965:8 966:8 967:7 968:8 970:8 971:8 972:8 973:8 974:8 975:7 976:8 977:8 992:9 993:8 994:9 995:9 996:9 998:9'
    .split(' ')
    .map((entry) => entry.split(':').map(Number) as [number, number]),
)

/** Offers the whole region. Returns where to go on. */
export function phone(s: Scan, context: Context, own: number): number {
  const last = region.chunks - 1
  let start = region.from[0]!
  let end = region.to[last]!
  const total = region.offset[region.chunks]!
  const before = s.byte(start - 1)
  const isEncoded = lowered[before] === 98 && s.byte(start - 2) === 50 && s.byte(start - 3) === 37
  let hasPlus = before === 43 || isEncoded
  if (before === 40) {
    // "(044)688", "+(32)"
    if (s.byte(start - 2) === 43) hasPlus = true
    start--
  }
  if (hasPlus) start -= isEncoded ? 3 : 1
  // `0/51536/+99627 200`: counters of HAProxy.
  if (hasPlus && s.byte(start - 1) === 47) return end
  if (
    total < 6 ||
    (total === 6 && region.chunks < 2) ||
    total > 17 ||
    classes[s.byte(start - 1)]! & alnum ||
    hasFloat() ||
    (!hasPlus && !isGrouped(s, start))
  )
    return end
  const isInternational = (hasPlus && isE164(0)) || (!hasPlus && isPrefixed())
  const distance = context.distance[topic]!
  const isOfOther = (own > 0 && distance > own) || isCounted(s, end)
  const isNear = distance < context.distance[notPhone]! && distance < 60 && !isOfOther
  const isNamed = (isNear && isNext(s, start, distance)) || isNamedAfter(s, end)
  const isNorthAmerican = !region.isGlued && isNanp(before)
  if (!isInternational && !isNorthAmerican && !isFrench() && !(isNamed && total <= 15 && isPlausible(total))) return end
  if (region.isGlued && !hasPlus && (!isNamed || isPartOfName(s, start))) return end
  end = extension(s, end)
  s.hits.add(start, end, phoneId, hasPlus || isNamed ? 90 : 75)
  return end
}

/** `+` and a country code with enough digits behind it; a `(0)` in between does not count. */
function isE164(from: number): boolean {
  const total = region.offset[region.chunks]! - from
  for (let digits = 1; digits <= 3; digits++) {
    let code = 0
    for (let i = 0; i < digits; i++) code = code * 10 + region.compact[from + i]! - 48
    const shortest = countryCodes.get(code)
    if (shortest !== undefined) return total - digits >= shortest && total <= 16
  }
  return false
}

/** `0032 470 …`, `001-432-815-4117`: only in groups, since runs of digits often begin with zeros. */
const isPrefixed = (): boolean =>
  region.chunks > 2 && region.compact[0] === 48 && region.compact[1] === 48 && region.compact[2] !== 48 && isE164(2)

/** `(555) 123-4567`, `555-123-4567`, `1-555-123-4567`: area and exchange begin with 2–9. */
function isNanp(before: number): boolean {
  const first = region.chunks === 4 && lengthAt(0) === 1 && region.compact[0] === 49 ? 1 : 0
  if (region.chunks - first !== 3) return false
  if (lengthAt(first) !== 3 || lengthAt(first + 1) !== 3 || lengthAt(first + 2) !== 4) return false
  const at = region.offset[first]!
  if (region.compact[at]! < 50 || region.compact[at + 3]! < 50) return false
  return (before === 40 && region.separator[0] === 41) || region.separator[first + 1] === 45 || first === 1
}
/** `01.84.17.61.18`: five pairs, the first 01–09. */
const isFrench = (): boolean =>
  region.chunks === 5 &&
  region.separator[0] === 46 &&
  region.compact[0] === 48 &&
  region.compact[1] !== 48 &&
  lengthAt(4) === 2
/** `v0.0.0-20190312151609`, `CVE-2022-32149`. */
function isPartOfName(s: Scan, start: number): boolean {
  const before = s.byte(start - 1)
  if (before === 46) return (classes[s.byte(start - 2)]! & digit) !== 0
  return before === 45 && (classes[s.byte(start - 2)]! & upper) !== 0 && (classes[s.byte(start - 3)]! & upper) !== 0
}
/**
 * Whether the groups are those of a number that is dialled: none but the first of one digit, `/` once at most. Versions and
 * rows of counters are not: `Chrome/66.0.3359.158 Mobile`, `0/0/1/37/38 200 306`.
 */
function isGrouped(s: Scan, start: number): boolean {
  let slashes = 0
  for (let i = 0; i < region.chunks; i++) {
    if (i > 0 && lengthAt(i) < 2) return false
    if (region.separator[i] === 47) slashes++
  }
  const isProduct =
    s.byte(start - 1) === 47 && (classes[s.byte(start - 2)]! & alpha) !== 0 && region.separator[0] === 46
  return slashes < 2 && !isProduct
}
/** Whether no other number stands between the word, `distance` bytes before, and this one: unless it is a phone's too. */
function isNext(s: Scan, start: number, distance: number): boolean {
  const { hits } = s
  let first = start - Math.max(0, distance - 1)
  for (let i = hits.count - 1; i >= 0 && hits.end[i]! > first; i--)
    if (hits.detector[i] === phoneId) first = Math.max(first, hits.end[i]!)
  for (let i = Math.max(s.from, first); i < start; i++)
    if (classes[s.bytes[i]!]! & digit && (classes[s.byte(i - 1)]! & (digit | alpha)) === 0 && isNumber(s, i))
      return false
  return true
}
/** A number of its own, and not the 2 of `tel 2:`. */
const isNumber = (s: Scan, at: number): boolean =>
  (classes[s.byte(at + 1)]! & digit) !== 0 || './'.includes(String.fromCharCode(s.byte(at + 1)))
const lengthAt = (i: number): number => region.to[i]! - region.from[i]!

/** Dates, floats and millisecond times are no phone numbers, whatever stands before them. */
function isPlausible(total: number): boolean {
  if (region.chunks === 1 && total === 13 && region.compact[0] === 49) return false
  return region.chunks > 1 || total <= 13
}
const hasFloat = (): boolean => region.chunks === 2 && region.separator[0] === 46

/** The extension: `x775`, `ext. 12`. */
function extension(s: Scan, end: number): number {
  let at = end
  if (s.byte(at) === 32) at++
  if (lowered[s.byte(at)] === 120) at++
  else if (lowered[s.byte(at)] === 101 && lowered[s.byte(at + 1)] === 120 && lowered[s.byte(at + 2)] === 116) {
    at += 3
    while (s.byte(at) === 46 || s.byte(at) === 32) at++
  } else return end
  const first = at
  while (at - first < 6 && classes[s.byte(at)]! & digit) at++
  return at > first && (classes[s.byte(at)]! & (alnum | joiner)) === 0 ? at : end
}

const after = ['office', 'fax', 'mobile', 'mobil', 'cell', 'home', 'phone', 'gsm', 'tel', 'handy', 'movil', 'portable']
/** Whether a word such as `office` or `fax` follows. */
function isNamedAfter(s: Scan, end: number): boolean {
  let at = extension(s, end)
  while (at - end < 12 && at < s.to && (classes[s.bytes[at]!]! & alpha) === 0) {
    if (classes[s.bytes[at]!]! & digit) return false
    at++
  }
  return after.some((word) => {
    for (let i = 0; i < word.length; i++) if (lowered[s.byte(at + i)] !== word.charCodeAt(i)) return false
    return (classes[s.byte(at + word.length)]! & alnum) === 0
  })
}
