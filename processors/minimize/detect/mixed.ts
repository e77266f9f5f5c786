/**
 * Identifiers that mix letters and digits: from one run of letters and digits on, chunks are joined over single
 * separators (`X-1234567-L`, `GB29 NWBK 6016 …`), longest first, and offered to the table of codes.ts and to IBAN.
 */
import { alnum, classes, digit, joiner, lower, upper } from './ascii.ts'
import { isCounted, ownKey } from './beside.ts'
import { iban, ibanLength, isIbanAnywhere } from './checks_letters.ts'
import { type CodeRule, codes } from './codes.ts'
import { far } from './context.ts'
import { Phrases } from './phrases.ts'
import { detector } from './registry.ts'
import type { Scan } from './state.ts'
import { topicIds, topicWords } from './topics.ts'

const lengthMax = 34
const chunksMax = 10

/** All of one form, whatever a row leaves out: they are looked at for each candidate. */
interface Rule {
  readonly shape: RegExp
  readonly check: CodeRule['check']
  readonly alone: CodeRule['alone']
  readonly isWhole: boolean
  readonly isNamedAfter: boolean
  readonly joints: string
  readonly detector: number
  readonly topicNumbers: readonly number[]
  readonly countryNumber: number
}
const rulesOf: Rule[][] = Array.from({ length: lengthMax + 1 }, () => [])
for (const rule of codes) {
  const compiled: Rule = {
    shape: rule.shape,
    check: rule.check,
    alone: rule.alone,
    isWhole: rule.isWhole === true,
    isNamedAfter: rule.isNamedAfter === true,
    joints: rule.joints ?? '',
    detector: detector(rule.type),
    topicNumbers: rule.topics.map((topic) => topicIds[topic]),
    countryNumber: rule.country ? topicIds[rule.country] : -1,
  }
  for (const length of rule.lengths) rulesOf[length]!.push(compiled)
}
const ibanId = detector('iban')
/** Words that name a kind of number by themselves; countries do not. */
const names = new Phrases()
for (const [topic, phrases] of Object.entries(topicWords))
  if (!/^c_..$/.test(topic)) for (const phrase of phrases.split(' ')) names.add(phrase, 0)
const ibanTopic = topicIds.iban

const ends = new Int32Array(chunksMax)
const offsets = new Int32Array(chunksMax)
let chunks = 0
let cases = 0
let compact = ''
/** What stands between the chunks. */
let joints = ''
/** Whether the candidate is the whole value of a key that says what it is. */
let isKeyed = false

/** Offers what begins with the letters and digits in [start, end). Returns where to go on. */
export function mixed(s: Scan, start: number, end: number): number {
  if (end - start > lengthMax) return end
  if (isHopeless(s, start, end) || isName(s, start, end)) return end
  const isLeftGlued = (classes[s.byte(start - 1)]! & joiner) !== 0 && (classes[s.byte(start - 2)]! & alnum) !== 0
  gather(s, start, end)
  if ((cases & digit) === 0 || compact.length < 6) return end
  const text = compact.toUpperCase()
  const isLower = (cases & lower) !== 0
  for (let k = chunks - 1; k >= 0; k--) {
    const length = offsets[k]!
    const candidate = text.slice(0, length)
    // Not the beginning of a UUID.
    const isAlone = !isLeftGlued && !isRightGlued(s, ends[k]!)
    if (ibanLength.get(candidate.slice(0, 2)) === length && isAlone && iban(candidate)) {
      s.hits.add(start, ends[k]!, ibanId, 97)
      return ends[k]!
    }
  }
  if (isLower && ((cases & upper) !== 0 || isLeftGlued)) return end
  const context = s.lookAround(start, ends[chunks - 1]!)
  const own = context.isSilent ? 0 : ownKey(s, start)
  if (context.isSilent && (isLower || isLeftGlued)) return end
  for (let k = chunks - 1; k >= 0; k--) {
    const candidate = text.slice(0, offsets[k]!)
    // Alone only what has a letter of its own: digits are dates and counters.
    const isGlued = isLeftGlued || isLower || !/[A-Z]/.test(candidate) || isRightGlued(s, ends[k]!)
    if (context.distance[ibanTopic]! < 40 && !isRightGlued(s, ends[k]!) && isIbanAnywhere(candidate)) {
      s.hits.add(start, ends[k]!, ibanId, 90)
      return ends[k]!
    }
    const found = bestRule(s, candidate, isGlued, k, own)
    if (!found) continue
    if (found.distance > 0 && !found.rule.check && isCounted(s, ends[k]!)) continue
    s.hits.add(start, ends[k]!, found.rule.detector, found.distance === far ? 80 : found.rule.check ? 95 : 85)
    return ends[k]!
  }
  return end
}

/** Where `Context` says that words stand behind a value; 0 is the key. */
const namedAfterMax = 2

/** The whole value under a key that says what it is, in either case and with whatever groups: `ab51 abc`, `1eg4-te5-mk73`. */
export function wholeCode(s: Scan, start: number, end: number): void {
  compact = ''
  joints = ''
  for (let i = start; i < end; i++) {
    const c = s.bytes[i]!
    if (classes[c]! & alnum) compact += String.fromCharCode(c).toUpperCase()
    else if (c === 32 || c === 45 || c === 46 || c === 47) joints += String.fromCharCode(c)
    else return
  }
  s.look(start)
  isKeyed = true
  const found = compact.length <= lengthMax ? bestRule(s, compact, true, joints.length, 0) : undefined
  isKeyed = false
  if (found) s.hits.add(start, end, found.rule.detector, 80)
}

const isRightGlued = (s: Scan, end: number): boolean =>
  (classes[s.byte(end)]! & joiner) !== 0 && (classes[s.byte(end + 1)]! & alnum) !== 0

/**
 * Whether the run is none of ours for sure: both cases in one run, or lower-case letters among digits, as in commits and
 * digests. A lower-case code has at most four letters and more digits; an IBAN begins with two letters and two digits.
 */
function isHopeless(s: Scan, start: number, end: number): boolean {
  let lowers = 0
  let uppers = 0
  let count = 0
  for (let i = start; i < end; i++) {
    const kind = classes[s.bytes[i]!]!
    if (kind & digit) count++
    else if (kind & lower) lowers++
    else uppers++
  }
  if (lowers === 0) return false
  if (uppers > 0) return true
  if (end - start === 16 && (isTaxCode(s.bytes, start) || isLicence(s.bytes, start))) return false
  const mayBeIban =
    classes[s.bytes[start]!]! & classes[s.bytes[start + 1]!]! & lower &&
    classes[s.byte(start + 2)]! & classes[s.byte(start + 3)]! & digit
  return !mayBeIban && (lowers > 4 || count < 5 || count < lowers)
}

/** The letters and digits of an Italian tax code: `rssmra85t10a562s`. */
const isTaxCode = (b: Uint8Array, at: number): boolean =>
  [5, 8, 11, 15].every((i) => (classes[b[at + i]!]! & lower) !== 0) &&
  [6, 7, 9, 10, 12].every((i) => (classes[b[at + i]!]! & digit) !== 0)

/** Those of a British driving licence: `morga657054sm9ij`. */
function isLicence(b: Uint8Array, at: number): boolean {
  for (let i = 0; i < 11; i++) if ((classes[b[at + i]!]! & digit) === 0 && i > 4) return false
  return (classes[b[at]!]! & lower) !== 0
}

/** `TIN 000-123-456`: a word that says what follows is no part of it. */
const isName = (s: Scan, start: number, end: number): boolean =>
  s.byte(end) === 32 && (classes[s.bytes[start]!]! & digit) === 0 && names.word(s.bytes, start, end) > 0

/** `%20` between groups, in a URL. */
const isEncodedGap = (s: Scan, at: number): boolean =>
  s.byte(at) === 37 && s.byte(at + 1) === 50 && s.byte(at + 2) === 48 && (classes[s.byte(at + 3)]! & alnum) !== 0

function gather(s: Scan, start: number, end: number): void {
  chunks = 0
  cases = 0
  compact = ''
  joints = ''
  let at = start
  let to = end
  for (;;) {
    for (let i = at; i < to; i++) {
      cases |= classes[s.bytes[i]!]!
      compact += String.fromCharCode(s.bytes[i]!)
    }
    ends[chunks] = to
    offsets[chunks++] = compact.length
    s.hits.steps += to - at
    const isEncoded = isEncodedGap(s, to)
    const c = isEncoded ? 32 : s.byte(to)
    if (chunks === chunksMax || (c !== 32 && c !== 45 && c !== 46 && c !== 47)) return
    joints += String.fromCharCode(c)
    at = isEncoded ? to + 3 : to + 1
    let seen = 0
    to = at
    while (to < s.to && to - at <= lengthMax && classes[s.bytes[to]!]! & alnum) seen |= classes[s.bytes[to++]!]!
    if (to === at || to - at + compact.length > lengthMax) return
    // A lower-case word after a space is the next word of a sentence, not a part of the code.
    if (c === 32 && seen & lower) return
  }
}

/** Whether nothing but `allowed` stands between the first chunks. */
function isJoined(allowed: string, chunk: number): boolean {
  for (let i = 0; i < chunk; i++) if (!allowed.includes(joints[i]!)) return false
  return true
}

function bestRule(
  s: Scan,
  text: string,
  isGlued: boolean,
  chunk: number,
  own: number,
): { rule: Rule; distance: number } | undefined {
  const isWhole = chunk === 0
  let best: { rule: Rule; distance: number } | undefined
  let bestRank = Number.POSITIVE_INFINITY
  const { distance, weight } = s.context
  for (const rule of rulesOf[text.length]!) {
    if (rule.isWhole && !isWhole) continue
    let near = far
    let letters = 0
    for (const topic of rule.topicNumbers) {
      if (distance[topic]! > near || distance[topic] === far || (own > 0 && distance[topic]! > own)) continue
      letters = distance[topic]! < near ? weight[topic]! : Math.max(letters, weight[topic]!)
      near = distance[topic]!
    }
    if (near === far && (isGlued || rule.alone === 'never' || (rule.alone === 'whole' && !isWhole))) continue
    if (
      (rule.isNamedAfter && near !== (isKeyed ? 0 : namedAfterMax)) ||
      (rule.joints !== '' && !isJoined(rule.joints, chunk))
    )
      continue
    if (near !== far && !rule.check && (near > 50 || near > distance[topicIds.not_phone]!)) continue
    const country = rule.countryNumber < 0 ? 1 : distance[rule.countryNumber]! < far ? 0 : 2
    const rank =
      near * 8 +
      country * 2 +
      (rule.check ? 0 : 1) -
      Math.min(letters, 80) / 100 -
      (distance[rule.topicNumbers[0]!] === near ? 0.005 : 0)
    if (rank >= bestRank || !rule.shape.test(text) || (rule.check && !rule.check(text))) continue
    best = { rule, distance: near }
    bestRank = rank
  }
  return best
}
