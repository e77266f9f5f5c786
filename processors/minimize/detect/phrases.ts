/**
 * A set of words and phrases, looked up in bytes without making a string.
 *
 * Words are ASCII letters in lower case; in a phrase they are joined by one `_`. A look-up hashes the bytes (FNV-1a over
 * lower-cased letters), finds the bucket, and compares. Each phrase stands for one or more small numbers.
 */
import { lowered } from './ascii.ts'

const SIZE = 16384

/** Where tables go, in bytes. */
export interface PhraseTables {
  /** A bit for each bucket. */
  readonly beginnings: number
  /** Two bytes a bucket. */
  readonly buckets: number
  /** Eight bytes an entry: where its text is, how long, how many meanings stand behind it. */
  readonly entries: number
  readonly entriesMax: number
  readonly texts: number
}

export class Phrases {
  /** Bucket → entry, 0 = empty; open addressing. */
  readonly #buckets = new Uint16Array(SIZE)
  readonly #beginnings = new Uint8Array(SIZE)
  readonly #texts: Uint8Array[] = [new Uint8Array(0)]
  readonly meanings: (readonly number[])[] = [[]]

  add(phrase: string, meaning: number): void {
    const bytes = Uint8Array.from(phrase, (c) => c.charCodeAt(0))
    let hash = seed
    for (const c of bytes) {
      if (c === 95) this.#beginnings[bucketOf(hash)] = 1
      hash = step(hash, c)
    }
    const found = this.find(bytes, 0, bytes.length, hash)
    if (found > 0) {
      if (!this.meanings[found]!.includes(meaning)) this.meanings[found] = [...this.meanings[found]!, meaning]
      return
    }
    if (this.#texts.length > SIZE / 2) throw new Error('too many phrases for the table')
    let bucket = bucketOf(hash)
    while (this.#buckets[bucket] !== 0) bucket = (bucket + 1) & (SIZE - 1)
    this.#buckets[bucket] = this.#texts.length
    this.#texts.push(bytes)
    this.meanings.push([meaning])
  }

  /** Writes the tables for a program that looks phrases up: wasm/context.ts. Throws where there is no room. */
  write(bytes: Uint8Array, at: PhraseTables): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    if (this.#texts.length > at.entriesMax) throw new RangeError('too many phrases for the program')
    for (let i = 0; i < SIZE; i++) {
      view.setUint16(at.buckets + i * 2, this.#buckets[i]!, true)
      bytes[at.beginnings + (i >> 3)]! |= this.#beginnings[i]! << (i & 7)
    }
    let next = at.texts
    for (const [entry, text] of this.#texts.entries()) {
      const meanings = this.meanings[entry]!
      view.setUint32(at.entries + entry * 8, next, true)
      view.setUint16(at.entries + entry * 8 + 4, text.length, true)
      view.setUint16(at.entries + entry * 8 + 6, meanings.length, true)
      bytes.set(text, next)
      bytes.set(meanings, next + text.length)
      next += text.length + meanings.length
    }
  }

  /** Whether a longer phrase begins with the words of this hash. */
  continues(hash: number): boolean {
    return this.#beginnings[bucketOf(hash)] === 1
  }

  /** The entry of the phrase in bytes[start, end), where any run that is no letter counts as one `_`; 0 = none. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    let bucket = bucketOf(hash)
    for (;;) {
      const entry = this.#buckets[bucket]!
      if (entry === 0) return 0
      if (equals(this.#texts[entry]!, bytes, start, end)) return entry
      bucket = (bucket + 1) & (SIZE - 1)
    }
  }

  /** The entry of one word in bytes[start, end). */
  word(bytes: Uint8Array, start: number, end: number): number {
    let hash = seed
    for (let i = start; i < end; i++) hash = step(hash, lowered[bytes[i]!]!)
    return this.find(bytes, start, end, hash)
  }
}

/** Where a hash begins, and how a byte is mixed in. */
export const seed = 0x811c9dc5 | 0
export const step = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193)
const bucketOf = (hash: number): number => (hash ^ (hash >>> 15)) & (SIZE - 1)

const isLetter = (c: number): boolean => (c >= 97 && c <= 122) || c === 0x1a

function equals(text: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  let at = 0
  let i = start
  while (i < end) {
    const c = lowered[bytes[i]!]!
    if (text[at] === 95) {
      // A word's end: what separates it from the next, or nothing at all where a capital begins the next (camelCase).
      at++
      while (i < end && !isLetter(lowered[bytes[i]!]!)) i++
      continue
    }
    if (text[at] !== c) return false
    at++
    i++
  }
  return at === text.length
}
