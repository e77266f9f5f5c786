/**
 * Values that only the words before them give away, and that have no shape the scan would stop at: number plates
 * (`AB-12-CD`), BIC codes (letters only). The scan stops at the word and looks a little ahead.
 */
import { alnum, classes, digit, lower, quote, space, upper } from './ascii.ts'
import { birthAhead, birthBefore, birthWords } from './birth.ts'
import { isBic } from './checks_letters.ts'
import { far } from './context.ts'
import { Phrases } from './phrases.ts'
import { detector } from './registry.ts'
import type { Scan } from './state.ts'
import { topicIds, topicWords } from './topics.ts'

const aheadMax = 24
const last = (topic: 'vehicle_plate' | 'bic'): string[] => [
  ...new Set(topicWords[topic].split(' ').map((phrase) => phrase.split('_').at(-1)!)),
]
const plateWords = last('vehicle_plate')
const bicWords = last('bic')
export const forwardWords: readonly string[] = [...plateWords, ...bicWords, ...birthWords].filter(
  (word) => word !== 'number' && word !== 'no',
)

const words = new Phrases()
for (const word of plateWords) words.add(word, 0)
for (const word of bicWords) words.add(word, 1)
for (const word of birthWords) words.add(word, 2)

const bic = detector('bic')
const bicShape = /^[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$/
const plate = detector('vehicle_plate')

/** National forms of plates, over the text with its separators; the first that fits a named country, else the general one. */
const plates = [
  {
    id: detector('uk_vehicle_plate'),
    shape: /^(?:[A-Z]{2}\d{2}[ -]?[A-Z]{3}|[A-Z]\d{1,3} ?[A-Z]{3}|[A-Z]{3} ?\d{1,3}[A-Z])$/,
    country: topicIds.c_uk,
  },
  { id: detector('pl_vehicle_plate'), shape: /^[A-Z]{2,3} ?[A-Z0-9]{4,5}$/, country: topicIds.c_pl },
  { id: detector('tr_vehicle_plate'), shape: /^\d{2} ?[A-Z]{1,3} ?\d{2,4}$/, country: topicIds.c_tr },
  {
    id: detector('in_vehicle_plate'),
    shape: /^(?:[A-Z]{2}[ -]?\d{1,2}[ -]?[A-Z]{1,3}|[A-Z]{2,3})[ -]?\d{4}$/,
    country: topicIds.c_in,
  },
  { id: detector('ng_vehicle_plate'), shape: /^[A-Z]{3}[ -]?\d{3}[ -]?[A-Z]{2}$/, country: topicIds.c_ng },
  { id: detector('de_vehicle_plate'), shape: /^[A-Z]{1,3}[ -][A-Z]{1,2}[ -]?\d{1,4}[EH]?$/, country: topicIds.c_de },
  {
    id: detector('za_vehicle_plate'),
    shape: /^(?:[A-Z]{2}\d{2}[A-Z]{2}|[A-Z]{3} ?\d{3}) ?[A-Z]{2}$/,
    country: topicIds.c_za,
  },
]

/** The word in [start, end) may name a plate or a BIC. Returns where to go on, or 0. */
export function forward(s: Scan, start: number, end: number): number {
  let entry = words.word(s.bytes, start, end)
  // The last word of camelCase: `registrationPlate`.
  let hump = end - 1
  while (entry === 0 && hump > start && (classes[s.bytes[hump]!]! & upper) === 0) hump--
  if (entry === 0 && hump > start) entry = words.word(s.bytes, hump, end)
  if (entry === 0) return 0
  if (words.meanings[entry]!.includes(2)) return birthAhead(s, end) || birthBefore(s, start)
  let at = end
  while (at < s.to && at - end < aheadMax) {
    const c = s.bytes[at]!
    if (classes[c]! & (upper | digit)) {
      const found = words.meanings[entry]!.includes(1) ? bicAt(s, at) : plateAt(s, at)
      if (found > 0) return found
    }
    if (c === 10 || (c === 44 && (classes[s.byte(at + 1)]! & quote) === 0) || c === 59)
      return words.meanings[entry]!.includes(1) ? bicBefore(s, start) : 0
    while (at < s.to && classes[s.bytes[at]!]! & alnum) at++
    at++
  }
  return words.meanings[entry]!.includes(1) ? bicBefore(s, start) : 0
}

/** `DEUTDEFF is our BIC`: the code before the word in the same clause. Returns 0, for the scan is past it. */
function bicBefore(s: Scan, start: number): number {
  let end = start
  for (let words = 0; words < 5 && start - end < aheadMax * 2; words++) {
    while (end > s.from && start - end < aheadMax * 2 && isGap(s.bytes[end - 1]!)) end--
    let at = end
    while (at > s.from && end - at < 16 && classes[s.bytes[at - 1]!]! & alnum) at--
    s.hits.steps += end - at + 1
    if (at === end) return 0
    const text = slice(s, at, end)
    if (words > 0 && bicShape.test(text) && isBic(text)) s.hits.add(at, end, bic, 80)
    if (words > 0 && bicShape.test(text)) return 0
    end = at
  }
  return 0
}

const isGap = (c: number): boolean => c === 32 || c === 40 || (classes[c]! & quote) !== 0

/** ISO 9362: four letters of the bank, a country, a place, perhaps a branch. */
function bicAt(s: Scan, at: number): number {
  const end = wordEnd(s, at)
  const text = slice(s, at, end)
  if (!bicShape.test(text) || !isBic(text)) return 0
  if (s.look(at).distance[topicIds.bic]! > 40) return 0
  s.hits.add(at, end, bic, 88)
  return end
}
function wordEnd(s: Scan, at: number): number {
  let end = at
  while (end < s.to && end - at < 16 && classes[s.bytes[end]!]! & alnum) end++
  return end
}
const slice = (s: Scan, from: number, to: number): string => String.fromCharCode(...s.bytes.subarray(from, to))

/** Up to four groups of capitals and digits with single separators, 4–9 characters in all, of both kinds. */
function plateAt(s: Scan, start: number): number {
  let end = start
  let best = 0
  let characters = 0
  let seen = 0
  for (let group = 0; group < 4; group++) {
    const to = wordEnd(s, end)
    for (let i = end; i < to; i++) seen |= classes[s.bytes[i]!]!
    if (to === end || seen & lower) break
    characters += to - end
    if (characters > 9) break
    if (characters >= 4 && seen & upper && seen & digit) best = to
    const c = s.byte(to)
    if (c !== 32 && c !== 45 && c !== 46) break
    end = to + 1
  }
  if (best === 0 || (classes[s.byte(best)]! & (alnum | space)) === alnum) return 0
  const context = s.look(start)
  if (context.distance[topicIds.vehicle_plate]! > 40) return 0
  const text = slice(s, start, best)
  const national = plates.find(({ shape, country }) => context.distance[country]! < far && shape.test(text))
  s.hits.add(start, best, national?.id ?? plate, 86)
  return best
}
