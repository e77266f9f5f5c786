/**
 * What stands near a candidate: the words before it, those behind it that speak about it, and the key of the attribute that holds it.
 *
 * `Context.look` walks back over at most `contextBytesMax` bytes, cuts them into words, and looks up every run of one to
 * four words. The result is, for each topic, how far away it was last named: the nearest topic is the likeliest.
 */
import { limits } from '../../../src/limits.ts'
import { alpha, classes, digit, lower, lowered, upper } from './ascii.ts'
import { Openings, stemEnd } from './openings.ts'
import { Phrases, seed, step } from './phrases.ts'
import { type Topic, topicIds, topics, topicWords } from './topics.ts'

const phrases = new Phrases()
/** Glued phrases of at least this many letters are words of their own: `numerofiscal`. Shorter ones may be other words. */
const gluedLengthMin = 7
/** How phrases begin, so that nearly all words of a log are passed by without being looked up. */
const openings = new Openings()
for (const topic of topics)
  for (const phrase of topicWords[topic].split(' ')) {
    addPhrase(phrase, topicIds[topic])
    const glued = phrase.replaceAll('_', '')
    if (glued !== phrase && glued.length >= gluedLengthMin) addPhrase(glued, topicIds[topic])
  }

function addPhrase(phrase: string, topic: number): void {
  phrases.add(phrase, topic)
  openings.add(phrase.split('_')[0]!)
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
/** What stands between the words of a phrase (phrases.ts). */
const joint = 95

/** Where the words at hand begin and end; every byte may be one. */
const starts = new Int32Array(limits.contextBytesMax)
const ends = new Int32Array(limits.contextBytesMax)

export class Context {
  readonly distance = new Uint8Array(topics.length).fill(far)
  /** Letters of the phrase that named it so near: of two topics as near, the longer phrase says more. */
  readonly weight = new Uint8Array(topics.length)
  /** Topics that are named at all, so that clearing is cheap. */
  readonly #named = new Uint8Array(topics.length)
  #namedCount = 0
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
    for (let i = 0; i < this.#namedCount; i++) this.distance[this.#named[i]!] = far
    this.#namedCount = 0
    const first = Math.max(from, at - limits.contextBytesMax)
    const words = cut(bytes, first, at, first > from)
    for (let w = Math.max(0, words - wordsMax); w < words; w++) {
      const start = starts[w]!
      const end = ends[w]!
      const isGlued = w + 1 < words && starts[w + 1] === end
      if (isGlued || openings.has(bytes, start, end)) this.#phrasesFrom(bytes, w, words, at)
    }
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
    const start = starts[first]!
    for (let w = first; ; ) {
      for (let i = starts[w]!; i < ends[w]!; i++) {
        const letter = lowered[bytes[i]!]!
        hash = step(hash, letter)
        if (isGlued) glued = step(glued, letter)
      }
      let entry = phrases.find(bytes, start, ends[w]!, hash)
      if (entry === 0) {
        if (w === first) entry = withoutEnding(bytes, start, ends[w]!)
        else if (isGlued) entry = phrases.find(bytes, start, ends[w]!, glued)
      }
      if (entry > 0) this.#nameAll(phrases.meanings[entry]!, at < 0 ? -at : 1 + at - ends[w]!, ends[w]! - start)
      if (++w === words || w === first + phraseWordsMax) return
      const gap = starts[w]! - ends[w - 1]!
      if (gap > 0) isGlued = false
      if (gap > 3 || (!isGlued && !phrases.continues(hash))) return
      hash = step(hash, joint)
    }
  }

  #nameAll(named: readonly number[], distance: number, weight: number): void {
    for (let i = 0; i < named.length; i++) this.#name(named[i]!, Math.min(far - 1, distance), weight)
  }

  #name(topic: number, distance: number, weight: number): void {
    // Short words mean many things: they must be near.
    if (weight > 0 && weight < 4 && distance > shortWordBytesMax && topic < topicIds.c_us) return
    if (this.distance[topic] === far) this.#named[this.#namedCount++] = topic
    if (distance > this.distance[topic]!) return
    if (distance < this.distance[topic]! || weight > this.weight[topic]!) this.weight[topic] = weight
    this.distance[topic] = distance
  }

  /** Whether no topic is named at all. */
  get isSilent(): boolean {
    return this.#namedCount === 0
  }

  has(topic: number): boolean {
    return this.distance[topic] !== far
  }
}

/** The entry of a word without `number` and the like glued to it: `peselnumber`, `bsnnr`; 0 = none. */
function withoutEnding(bytes: Uint8Array, start: number, end: number): number {
  const stem = stemEnd(bytes, start, end)
  return stem === 0 ? 0 : phrases.word(bytes, start, stem)
}

/** Cuts bytes[from, to) into words of letters, also at the capitals of camelCase. Returns how many. */
function cut(bytes: Uint8Array, from: number, to: number, isCut: boolean): number {
  const kinds = classes
  let i = from
  // Where the window begins inside a word, that word is half: leave it out.
  if (isCut) while (i < to && kinds[bytes[i]!]! & alpha && kinds[bytes[i - 1]!]! & alpha) i++
  let count = 0
  let before = 0
  while (i < to) {
    let kind: number = kinds[bytes[i]!]!
    if ((kind & alpha) === 0) {
      before = kind
      i++
      continue
    }
    const start = i
    for (i++; i < to; i++) {
      kind = kinds[bytes[i]!]!
      if ((kind & lower) === 0 && ((kind & upper) === 0 || isHump(bytes, i, to))) break
    }
    // Letters among digits are hexadecimal, not words.
    const isWord = (before & digit) === 0 && (i - start >= 5 || (kind & digit) === 0)
    before = alpha
    if (!isWord) continue
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
