/**
 * What stands near a candidate: the words before it, those behind it that speak about it, and the key of the attribute that holds it.
 *
 * `Context.look` walks back over at most `contextBytesMax` bytes, cuts them into words, and looks up every run of one to
 * four words. The result is, for each topic, how far away it was last named: the nearest topic is the likeliest. The
 * walk is WebAssembly (wasm/context.ts); here are its tables.
 */
import { limits } from '../../../src/limits.ts'
import { program } from '../../../src/otlp/scan.ts'
import { classes, lowered } from './ascii.ts'
import { endings, Openings } from './openings.ts'
import { Phrases } from './phrases.ts'
import { type Topic, topicIds, topics, topicWords } from './topics.ts'

/** Distances: 0 = the key itself; 1… = bytes between the words and the candidate; `far` = not named. */
export const far = 255
/** Topics of a key are equals: which of its words named them was not kept. */
const keyWeight = 0
/** Glued phrases of at least this many letters are words of their own: `numerofiscal`. Shorter ones may be other words. */
const gluedLengthMin = 7

type Place =
  | 'beginnings'
  | 'buckets'
  | 'classes'
  | 'distances'
  | 'endingLetters'
  | 'endingRow'
  | 'endings'
  | 'endingsMax'
  | 'entries'
  | 'entriesMax'
  | 'lowered'
  | 'namedCount'
  | 'openings'
  | 'phrases'
  | 'text'
  | 'textMax'
  | 'weights'
type Exports = Record<Place | 'shortTopicsEnd', WebAssembly.Global<'i32'>> & {
  look(from: number, to: number, isCut: number): void
  behind(from: number, to: number): void
  name(topic: number, distance: number, weight: number): void
}

const memory = new WebAssembly.Memory({ initial: 4 })
const bytes = new Uint8Array(memory.buffer)
const wasm = new WebAssembly.Instance(program(new URL('./context.wasm', import.meta.url)), { env: { memory } })
  .exports as unknown as Exports
const namedCount = wasm.namedCount.value
const text = wasm.text.value
fillTables()

/** Whose words were read last: all share the memory. */
let last: Context | undefined

export class Context {
  readonly distance = new Uint8Array(memory.buffer, wasm.distances.value, topics.length)
  /** Letters of the phrase that named it so near: of two topics as near, the longer phrase says more. */
  readonly weight = new Uint8Array(memory.buffer, wasm.weights.value, topics.length)
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
  look(value: Uint8Array, from: number, at: number): number {
    if (this.#cachedAt === at && this.#cachedFrom === from && last === this) return 0
    this.#cachedAt = at
    this.#cachedFrom = from
    last = this
    const first = Math.max(from, at - limits.contextBytesMax)
    const isCut = first > from
    bytes[text - 1] = isCut ? value[first - 1]! : 0
    wasm.look(text, copied(value, first, at), isCut ? 1 : 0)
    for (const topic of this.keyTopics) wasm.name(topic, 0, keyWeight)
    return at - first
  }

  /** Adds what the words in bytes[from, to) say, which stand behind the candidate and speak about it (after.ts). */
  nameBehind(value: Uint8Array, from: number, to: number): void {
    bytes[text - 1] = 0
    wasm.behind(text, copied(value, from, to))
  }

  /** Whether no topic is named at all. */
  get isSilent(): boolean {
    return bytes[namedCount] === 0
  }

  has(topic: number): boolean {
    return this.distance[topic] !== far
  }
}

/** Puts value[from, to) where the program reads it. Returns where it ends there. */
function copied(value: Uint8Array, from: number, to: number): number {
  let at = text
  for (let i = from; i < to; i++) bytes[at++] = value[i]!
  return at
}

function fillTables(): void {
  bytes.fill(far, wasm.distances.value, wasm.distances.value + topics.length)
  bytes.set(classes, wasm.classes.value)
  bytes.set(lowered, wasm.lowered.value)
  for (const [i, ending] of endings.entries()) {
    const row = wasm.endings.value + i * wasm.endingRow.value
    bytes[row] = ending.length
    bytes.set(ending, row + 1)
    bytes[wasm.endingLetters.value + ending.at(-1)!] = 1
  }
  // Short words mean many things, but for those that name countries.
  wasm.shortTopicsEnd.value = topicIds.c_us
  const phrases = new Phrases()
  const openings = new Openings()
  for (const topic of topics)
    for (const phrase of topicWords[topic].split(' '))
      for (const form of formsOf(phrase)) {
        phrases.add(form, topicIds[topic])
        openings.add(form.split('_')[0]!)
      }
  openings.write(bytes, wasm.openings.value)
  phrases.write(bytes, {
    beginnings: wasm.beginnings.value,
    buckets: wasm.buckets.value,
    entries: wasm.entries.value,
    entriesMax: wasm.entriesMax.value,
    texts: wasm.phrases.value,
  })
}

function formsOf(phrase: string): string[] {
  const glued = phrase.replaceAll('_', '')
  return glued !== phrase && glued.length >= gluedLengthMin ? [phrase, glued] : [phrase]
}

/** The topics that an attribute's key names: `user.bsn`, `customerPhoneNumber`, `http.request.header.x-card-number`. */
export function topicsOfKey(key: string): readonly number[] {
  const name = Uint8Array.from(key.slice(-limits.contextBytesMax), (c) => Math.min(c.charCodeAt(0), 0x7f))
  const context = new Context()
  context.look(name, 0, name.length)
  return topics.flatMap((topic: Topic) => (context.has(topicIds[topic]) ? [topicIds[topic]] : []))
}
