/**
 * Remembers a number for each of the texts that a field had last, for fields with few different texts: event names,
 * severities.
 *
 * A text of up to 16 bytes is told by its length and four words of it that overlap (0–3, 4–7, the last eight), so it is
 * known again without a loop; a longer one is compared byte by byte besides. A text takes the place of another with the
 * same hash: what is forgotten is asked anew.
 */
import { limits } from '../limits.ts'
import { Col, ROW } from '../otlp/slots.ts'
import type { View } from './view.ts'

export const UNKNOWN = -1
/** Places; a power of two. */
const places = 256
/** Of a place: length, four words, number. */
const ROW_OF_TEXT = 6
const wordsOnly = 16

export class RecentTexts {
  readonly #at = new Int32Array(places * ROW_OF_TEXT)
  readonly #long: (Buffer | undefined)[] = []
  /** What `find` looked for last. */
  #place = UNKNOWN
  #slot = UNKNOWN
  #length = 0
  #word0 = 0
  #word1 = 0
  #word2 = 0
  #word3 = 0

  /** The number of a slot's text; `UNKNOWN` where it was not met, or not lately. */
  find(view: View, slot: number): number {
    const { rows, words } = view
    const row = slot * ROW
    const from = rows[row + Col.ValueFrom]!
    const length = rows[row + Col.ValueTo]! - from
    this.#place = UNKNOWN
    if (length < 4 || length > limits.internedKeyBytesMax || rows[row + Col.Edit]! >= 0) return UNKNOWN
    const word0 = words.getInt32(from, true)
    const word3 = words.getInt32(from + length - 4, true)
    const isShort = length < 8
    const word1 = isShort ? word0 : words.getInt32(from + 4, true)
    const word2 = isShort ? word3 : words.getInt32(from + length - 8, true)
    const hash =
      Math.imul(word0 ^ Math.imul(word3 ^ length, 0x85ebca6b) ^ (word1 << 5) ^ (word2 << 3), 0x9e3779b1) >>> 24
    const at = this.#at
    const place = hash * ROW_OF_TEXT
    if (
      at[place] === length &&
      at[place + 1] === word0 &&
      at[place + 2] === word1 &&
      at[place + 3] === word2 &&
      at[place + 4] === word3 &&
      (length <= wordsOnly || isAt(view, from, this.#long[hash]!))
    ) {
      return at[place + 5]!
    }
    this.#place = place
    this.#slot = slot
    this.#length = length
    this.#word0 = word0
    this.#word1 = word1
    this.#word2 = word2
    this.#word3 = word3
    return UNKNOWN
  }

  /** Remembers a number for what `find` did not find. */
  learn(view: View, number: number): void {
    const place = this.#place
    if (place === UNKNOWN) return
    this.#at.set([this.#length, this.#word0, this.#word1, this.#word2, this.#word3, number], place)
    const from = view.rows[this.#slot * ROW + Col.ValueFrom]!
    const isLong = this.#length > wordsOnly
    this.#long[place / ROW_OF_TEXT] = isLong
      ? Buffer.from(view.slots.body.subarray(from, from + this.#length))
      : undefined
  }
}

function isAt({ slots }: View, from: number, text: Buffer): boolean {
  const { body } = slots
  for (let i = 0; i < text.length; i++) if (body[from + i] !== text[i]) return false
  return true
}
