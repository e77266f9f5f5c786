/**
 * Words that stand behind a number and say what it is: `123456782 is my BSN`, `… est mon numéro de passeport`,
 * `4111… (card number)`, `{"value":"123456782","type":"bsn"}`.
 *
 * Behind the number there must be a word that joins (`is`, `ist`, `est`, `type` …) or a bracket; then at most a few words
 * that say nothing, and the words that tell. Everything is in one clause and within `aheadMax` bytes.
 */
import { alpha, classes } from './ascii.ts'
import { Phrases } from './phrases.ts'
import type { Scan } from './state.ts'

const aheadMax = 64
const wordMax = 10
const fillersMax = 4

const joins = new Phrases()
for (const word of 'is was as are for being ist lautet war als est etait comme es era como e sono come to jest jako ar som er on type name kind label'.split(
  ' ',
))
  joins.add(word, 0)
const fillers = new Phrases()
for (const word of 'my the a an his her their our your this that client customer user applicant patient holder correct mijn zijn haar het een uw jouw onze dit klant mon ma mes le la les son notre votre leur un une mein meine meinem meiner ihre ihr seine unsere die der das dem ein eine kunden kunde mi su el los nuestro il mio mia lo suo sua nostro uno una o os meu minha seu do da cliente moj moja moje jego jej nasz min mitt mit hans hendes hennes din ditt vart minun hanen new old own current valid full personal registered not invalid wrong'.split(
  ' ',
))
  fillers.add(word, 0)

/** Adds what the words behind a candidate that ends at `end` say to its context, which was read before. */
export function lookBehind(s: Scan, end: number): void {
  let at = end
  let isBracketed = false
  for (let c = s.byte(at); at - end < 5; c = s.byte(++at)) {
    if (c === 40) isBracketed = true
    else if (c !== 32 && c !== 34 && c !== 39 && c !== 44 && c !== 41) break
  }
  if (at === end || (classes[s.byte(at)]! & alpha) === 0) return
  let word = wordEnd(s, at)
  if (!isBracketed) {
    if (joins.word(s.bytes, at, word) === 0) return
    at = next(s, word)
  }
  for (let i = 0; i < fillersMax; i++) {
    word = wordEnd(s, at)
    if (word === at || fillers.word(s.bytes, at, word) === 0) break
    at = next(s, word)
  }
  let last = at
  while (last < s.to && last - end < aheadMax && !isEnd(s.bytes[last]!)) last++
  s.hits.steps += last - end
  if (last > at) s.context.nameBehind(s.bytes, at, last)
}

function wordEnd(s: Scan, at: number): number {
  let to = at
  while (to - at <= wordMax && classes[s.byte(to)]! & alpha) to++
  return to
}
/** Over what stands between two words: spaces, the quotes and the colon of `"type":"bsn"`. */
function next(s: Scan, word: number): number {
  let at = word
  while (at - word < 6 && ' "\':='.includes(String.fromCharCode(s.byte(at)))) at++
  return at
}
/** What ends a clause: `.,;:!?(){}` and a line's end. */
const isEnd = (c: number): boolean =>
  c === 10 || c === 44 || c === 46 || c === 59 || c === 33 || c === 63 || c === 41 || c === 125 || c === 123
