/**
 * Remembers a number for each of the texts that a field had last, for fields with few different texts: event names,
 * severities.
 *
 * A text of up to 16 bytes is told by its length and four words of it that overlap (0–3, 4–7, the last eight), so it is
 * known again without a loop; of a longer one the bytes are compared besides. A text takes the place of another with the
 * same hash: what is forgotten is asked anew. It is wasm/decide.ts that looks them up:
 *
 *   a place:  length   four words   number   text (up to 128 bytes)
 */
import { limits } from '../limits.ts'
import { Col, ROW } from '../otlp/slots.ts'
import type { View } from './view.ts'
import { NO_SYMBOL, type Walk } from './walk.ts'

/** Places; a power of two. */
const placesLog2 = 8
const ROW_OF_TEXT = 6 + limits.internedKeyBytesMax / 4
const TEXT = 6

export class RecentTexts {
  readonly #walk: Walk
  /** The number of a field that is absent, then the places. */
  readonly block: number

  constructor(walk: Walk) {
    this.#walk = walk
    this.block = walk.take(1 + (ROW_OF_TEXT << placesLog2), 0)
    walk.words[this.block] = NO_SYMBOL
  }

  /** Remembers a number for the text of a slot that nobody has edited; -1: for none at all. */
  learn(view: View, slot: number, number: number): void {
    if (slot < 0) {
      this.#walk.set(this.block, number)
      return
    }
    const { rows, words } = view
    const row = slot * ROW
    const from = rows[row + Col.ValueFrom]!
    const length = rows[row + Col.ValueTo]! - from
    if (length < 4 || length > limits.internedKeyBytesMax || rows[row + Col.Edit]! >= 0) return
    const word0 = words.getInt32(from, true)
    const word3 = words.getInt32(from + length - 4, true)
    const isShort = length < 8
    const word1 = isShort ? word0 : words.getInt32(from + 4, true)
    const word2 = isShort ? word3 : words.getInt32(from + length - 8, true)
    const mixed = word0 ^ Math.imul(word3 ^ length, 0x85ebca6b) ^ (word1 << 5) ^ (word2 << 3)
    const place = Math.imul(mixed, 0x9e3779b1) >>> (32 - placesLog2)
    const at = this.block + 1 + place * ROW_OF_TEXT
    const known = [length, word0, word1, word2, word3, number]
    for (const [i, word] of known.entries()) this.#walk.set(at + i, word)
    this.#walk.copy(view.slots.body.subarray(from, from + length), (at + TEXT) * 4)
  }
}
