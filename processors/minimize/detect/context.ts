/**
 * What stands near a candidate: the words before it, those behind it that speak about it, and the key of the attribute that holds it.
 *
 * `Context.look` walks back over at most `contextBytesMax` bytes, cuts them into words, and looks up every run of one to
 * four words. The result is, for each topic, how far away it was last named: the nearest topic is the likeliest.
 */
import { limits } from '../../../src/limits.ts'
import { alpha, classes, digit, lower, lowered, upper } from './ascii.ts'
import { Phrases, seed, step } from './phrases.ts'
import { type Topic, topicIds, topics, topicWords } from './topics.ts'

const phrases = new Phrases()
/** Glued phrases of at least this many letters are words of their own: `numerofiscal`. Shorter ones may be other words. */
const gluedLengthMin = 7
/** Which three letters phrases begin with, five bits each: nearly all words of a log are passed by these alone. */
const openings = new Uint8Array(1 << 15)
const openingLength = 3
const openingAt = (a: number, b: number, c: number): number => ((a & 31) << 10) | ((b & 31) << 5) | (c & 31)
const mayOpen = (bytes: Uint8Array, at: number): boolean =>
  openings[openingAt(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!)] === 1
for (const topic of topics)
  for (const phrase of topicWords[topic].split(' ')) {
    addPhrase(phrase, topicIds[topic])
    const glued = phrase.replaceAll('_', '')
    if (glued !== phrase && glued.length >= gluedLengthMin) addPhrase(glued, topicIds[topic])
  }

/** A phrase whose first word is shorter has no opening: words that are as short are always looked up. */
function addPhrase(phrase: string, topic: number): void {
  phrases.add(phrase, topic)
  const [a, b, c] = [0, 1, 2].map((i) => phrase.charCodeAt(i))
  if (phrase.split('_')[0]!.length >= openingLength) openings[openingAt(a!, b!, c!)] = 1
}

/** Distances: 0 = the key itself; 1… = bytes between the words and the candidate; `far` = not named. */
export const far = 255
const phraseWordsMax = 4
/** Topics of a key are equals: which of its words named them was not kept. */
const keyWeight = 0
const shortWordBytesMax = 20
/** Words behind a candidate count as if they stood two bytes before it. */
const isBehind = -2
const behindWordsMax = 5
const wordsMax = 20

const starts = new Int32Array(wordsMax)
const ends = new Int32Array(wordsMax)

export class Context {
  readonly distance = new Uint8Array(topics.length).fill(far)
  /** Letters of the phrase that named it so near: of two topics as near, the longer phrase says more. */
  readonly weight = new Uint8Array(topics.length)
  /** Topics that are named at all, so that clearing is cheap. */
  readonly #named: number[] = []
  /** Topics that the attribute's key names. */
  keyTopics: readonly number[] = []
  #cachedAt = -1
  #cachedFrom = -1

  /** Begins a new value. */
  reset(keyTopics: readonly number[]): void {
    this.keyTopics = keyTopics
    this.#cachedAt = -1
  }

  /** Reads the context of a candidate at `at` in a value that begins at `from`. Returns how many bytes it looked at. */
  look(bytes: Uint8Array, from: number, at: number): number {
    if (this.#cachedAt === at && this.#cachedFrom === from) return 0
    this.#cachedAt = at
    this.#cachedFrom = from
    for (const topic of this.#named) this.distance[topic] = far
    this.#named.length = 0
    const first = Math.max(from, at - limits.contextBytesMax)
    const words = cut(bytes, first, at, first > from)
    for (let w = 0; w < words; w++)
      if (ends[w]! - starts[w]! < openingLength || mayOpen(bytes, starts[w]!)) this.#phrasesFrom(bytes, w, words, at)
    for (const topic of this.keyTopics) this.#name(topic, 0, keyWeight)
    return at - first
  }

  /** Adds what the words in bytes[from, to) say, which stand behind the candidate and speak about it (after.ts). */
  nameBehind(bytes: Uint8Array, from: number, to: number): void {
    const words = Math.min(cut(bytes, from, to, false), behindWordsMax)
    for (let w = 0; w < words; w++) this.#phrasesFrom(bytes, w, words, isBehind)
  }

  #phrasesFrom(bytes: Uint8Array, first: number, words: number, at: number): void {
    let hash = seed
    // The same without the gaps of camelCase: `organisationsNummer` is `organisationsnummer`.
    let glued = seed
    let isGlued = true
    for (let w = first; w < words && w < first + phraseWordsMax; w++) {
      if (w > first) {
        const gap = starts[w]! - ends[w - 1]!
        if (gap > 3) return
        hash = step(hash, 95)
        if (gap > 0) isGlued = false
      }
      for (let i = starts[w]!; i < ends[w]!; i++) {
        hash = step(hash, lowered[bytes[i]!]!)
        if (isGlued) glued = step(glued, lowered[bytes[i]!]!)
      }
      let entry = phrases.find(bytes, starts[first]!, ends[w]!, hash)
      if (entry === 0 && w > first && isGlued) entry = phrases.find(bytes, starts[first]!, ends[w]!, glued)
      if (entry === 0 && w === first) entry = stem(bytes, starts[first]!, ends[first]!)
      if (entry > 0)
        for (const topic of phrases.meanings[entry]!)
          this.#name(topic, at < 0 ? -at : Math.min(far - 1, 1 + at - ends[w]!), ends[w]! - starts[first]!)
      if (!phrases.continues(hash) && !isGlued) return
    }
  }

  #name(topic: number, distance: number, weight: number): void {
    // Short words mean many things: they must be near.
    if (weight > 0 && weight < 4 && distance > shortWordBytesMax && topic < topicIds.c_us) return
    if (this.distance[topic] === far) this.#named.push(topic)
    if (distance > this.distance[topic]!) return
    if (distance < this.distance[topic]! || weight > this.weight[topic]!) this.weight[topic] = weight
    this.distance[topic] = distance
  }

  /** Whether no topic is named at all. */
  get isSilent(): boolean {
    return this.#named.length === 0
  }

  has(topic: number): boolean {
    return this.distance[topic] !== far
  }
}

const endings = ['number', 'nummer', 'numer', 'numero', 'nr', 'no', 'num'].map((text) =>
  Uint8Array.from(text, (c) => c.charCodeAt(0)),
)
const stemLengthMin = 3

/** The entry of a word without `number` and the like glued to it: `peselnumber`, `bsnnr`; 0 = none. */
function stem(bytes: Uint8Array, start: number, end: number): number {
  for (const ending of endings) {
    const at = end - ending.length
    if (at - start < stemLengthMin) continue
    let i = 0
    while (i < ending.length && lowered[bytes[at + i]!] === ending[i]) i++
    if (i === ending.length) return phrases.word(bytes, start, at)
  }
  return 0
}

/** Cuts bytes[from, to) into words of letters, also at the capitals of camelCase. Returns how many (the last ones). */
function cut(bytes: Uint8Array, from: number, to: number, isCut: boolean): number {
  let i = from
  // Where the window begins inside a word, that word is half: leave it out.
  if (isCut) while (i < to && classes[bytes[i]!]! & alpha && classes[bytes[i - 1]!]! & alpha) i++
  let count = 0
  while (i < to) {
    if ((classes[bytes[i]!]! & alpha) === 0) {
      i++
      continue
    }
    const start = i++
    let kind = 0
    while (i < to) {
      kind = classes[bytes[i]!]!
      if ((kind & alpha) === 0 || ((kind & upper) !== 0 && isHump(bytes, i, to))) break
      i++
    }
    // Letters among digits are hexadecimal, not words.
    if (start > from && classes[bytes[start - 1]!]! & digit) continue
    if (i - start < 5 && i < to && kind & digit) continue
    if (count === wordsMax) {
      starts.copyWithin(0, 1)
      ends.copyWithin(0, 1)
      count--
    }
    starts[count] = start
    ends[count++] = i
  }
  return count
}

/** Whether a word of camelCase begins at the capital at `i`: aB, or the last capital of ABc. */
function isHump(bytes: Uint8Array, i: number, to: number): boolean {
  if (classes[bytes[i - 1]!]! & (lower | digit)) return true
  return i + 1 < to && (classes[bytes[i + 1]!]! & lower) !== 0
}

/** The topics that an attribute's key names: `user.bsn`, `customerPhoneNumber`, `http.request.header.x-card-number`. */
export function topicsOfKey(key: string): readonly number[] {
  const bytes = Uint8Array.from(key.slice(-limits.contextBytesMax), (c) => Math.min(c.charCodeAt(0), 0x7f))
  const context = new Context()
  context.look(bytes, 0, bytes.length)
  return topics.flatMap((topic: Topic) => (context.has(topicIds[topic]) ? [topicIds[topic]] : []))
}
