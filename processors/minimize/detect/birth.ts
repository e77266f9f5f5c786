/**
 * Dates of birth whose month is a word: `born on 12 March 1985`, `DOB: June 19, 1952`, `né le 3 mai 1990`. Only beside a
 * word that says so; dates in figures are those of digits.ts.
 */
import { alpha, classes, digit } from './ascii.ts'
import { Phrases } from './phrases.ts'
import { detector } from './registry.ts'
import type { Scan } from './state.ts'
import { topicIds } from './topics.ts'

/** The words at which the scan stops to look ahead: the last ones of the phrases of `birth_date`. */
export const birthWords: readonly string[] =
  'birth birthdate birthday dob born geboortedatum geboren geburtsdatum naissance nacimiento nascita nascimento urodzenia urodzony urodzona fodelsedatum fodselsdato'.split(
    ' ',
  )
/** How far ahead, and how near the word must be. */
const aheadMax = 24
const birthDate = detector('birth_date')

/** The first three letters of the months in the languages of topics.ts. */
const months = new Phrases()
for (const month of 'jan feb mar apr may jun jul aug sep oct nov dec mei maa okt mrt fev avr mai jui aou dez maj ene abr ago dic gen mag giu lug set ott out sty lut kwi cze lip sie wrz paz lis gru tam hel huh tou kes hei elo syy lok mrz'.split(
  ' ',
))
  months.add(month, 0)

/** A word of birth ends at `end`: a date right behind it. Returns where to go on, or 0. */
export function birthAhead(s: Scan, end: number): number {
  for (let at = end; at < s.to && at - end < aheadMax; at++) {
    const c = s.bytes[at]!
    if (c === 10) return 0
    if ((classes[c]! & (digit | alpha)) === 0 || (classes[s.byte(at - 1)]! & (digit | alpha)) !== 0) continue
    const to = dateAt(s, at)
    if (to > 0 && s.look(at).distance[topicIds.birth_date]! < aheadMax) {
      s.hits.add(at, to, birthDate, 85)
      return to
    }
  }
  return 0
}

/** `June 19, 1952 is the date of birth`: the word in [start, …) speaks about a date before it. Returns 0: the scan is past it. */
export function birthBefore(s: Scan, start: number): number {
  let at = start - 1
  for (; at >= s.from && start - at < beforeMax && s.bytes[at] !== 10; at--) {
    if ((classes[s.bytes[at]!]! & alpha) === 0 || (classes[s.byte(at - 1)]! & (digit | alpha)) !== 0) continue
    const to = month(s, at) === 0 ? 0 : dateAt(s, at)
    if (to === 0 || to > start) continue
    if (s.lookAround(at, to).distance[topicIds.birth_date]! < aheadMax) s.hits.add(at, to, birthDate, 85)
    return 0
  }
  return 0
}
const beforeMax = 64

/** Where a date with the name of a month ends that begins at `at`; 0 = there is none. */
export function dateAt(s: Scan, at: number): number {
  if (classes[s.byte(at)]! & digit) {
    const day = number(s, at, 2)
    const to = day === 0 ? 0 : month(s, over(s, ordinal(s, day)))
    return to === 0 ? 0 : year(s, over(s, to))
  }
  const name = month(s, at)
  const day = name === 0 ? 0 : number(s, over(s, name), 2)
  return day === 0 ? 0 : year(s, over(s, ordinal(s, day)))
}

/** Each reads one part from `at` on, and returns where it ends; 0 = it is not there. */
function number(s: Scan, at: number, digitsMax: number): number {
  let to = at
  while (to - at <= digitsMax && classes[s.byte(to)]! & digit) to++
  s.hits.steps += to - at + 1
  return to > at && to - at <= digitsMax ? to : 0
}
function month(s: Scan, at: number): number {
  let to = at
  while (to - at < 12 && classes[s.byte(to)]! & alpha) to++
  s.hits.steps += to - at + 1
  return to - at >= 3 && months.word(s.bytes, at, at + 3) > 0 ? to : 0
}
function year(s: Scan, at: number): number {
  const to = number(s, at, 4)
  const century = s.byte(at) * 256 + s.byte(at + 1)
  return to - at === 4 && (century === 0x3139 || century === 0x3230) ? to : 0
}
/** `1st`, `2nd`, `3rd`, `4th`, `1er`. */
function ordinal(s: Scan, at: number): number {
  const isSuffix = classes[s.byte(at)]! & classes[s.byte(at + 1)]! & alpha && (classes[s.byte(at + 2)]! & alpha) === 0
  return isSuffix ? at + 2 : at
}
/** Spaces, commas, dots, dashes, and `de`, `of`, `del` between the parts. */
function over(s: Scan, from: number): number {
  let at = from
  while (at - from < 4 && ' ,.-/'.includes(String.fromCharCode(s.byte(at)))) at++
  let to = at
  while (to - at < 3 && classes[s.byte(to)]! & alpha) to++
  const word = String.fromCharCode(...s.bytes.subarray(at, to)).toLowerCase()
  return s.byte(to) === 32 && (word === 'de' || word === 'of' || word === 'del') ? to + 1 : at
}
