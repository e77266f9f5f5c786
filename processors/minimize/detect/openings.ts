/**
 * How the words begin that phrases begin with (phrases.ts): a set that says yes a little too often, and never no where it
 * should be yes. It looks at no more than four letters and a word's length.
 */
import { lowered } from './ascii.ts'

/** What is glued to words that tell: `peselnumber`, `bsnnr`. */
const endings = ['number', 'nummer', 'numer', 'numero', 'nr', 'no', 'num'].map((text) =>
  Uint8Array.from(text, (c) => c.charCodeAt(0)),
)
const stemLengthMin = 3
/** The letters that endings end in: nearly no word has to be held against them. */
const lastOfEnding = new Uint8Array(256)
for (const ending of endings) lastOfEnding[ending.at(-1)!] = 1

/** Where a word's ending begins; 0 = it has none. */
export function stemEnd(bytes: Uint8Array, start: number, end: number): number {
  if (lastOfEnding[lowered[bytes[end - 1]!]!] === 0) return 0
  for (const ending of endings) {
    const at = end - ending.length
    if (at - start < stemLengthMin) continue
    let i = 0
    while (i < ending.length && lowered[bytes[at + i]!] === ending[i]) i++
    if (i === ending.length) return at
  }
  return 0
}

/** Words that are shorter are kept whole. */
const openingLength = 4

export class Openings {
  /** By up to four letters, five bits each, folded; a shorter word has zeros behind it. */
  readonly #marks = new Uint8Array(1 << 15)

  add(word: string): void {
    const [a = 0, b = 0, c = 0, d = 0] = Array.from(word.slice(0, openingLength), (letter) => letter.charCodeAt(0))
    this.#marks[placeOf(a, b, c, d)] = 1
  }

  /** Whether a phrase may begin with the word in bytes[start, end), or with what is left of it without its ending. */
  has(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start
    const a = bytes[start]!
    const b = length > 1 ? bytes[start + 1]! : 0
    const c = length > 2 ? bytes[start + 2]! : 0
    if (this.#marks[placeOf(a, b, c, length > 3 ? bytes[start + 3]! : 0)] === 1) return true
    return (
      length > stemLengthMin &&
      this.#marks[placeOf(a, b, c, 0)] === 1 &&
      stemEnd(bytes, start, end) - start === stemLengthMin
    )
  }
}

/** Case does not matter: letters differ in their lower five bits. */
function placeOf(a: number, b: number, c: number, d: number): number {
  const letters = ((a & 31) << 15) | ((b & 31) << 10) | ((c & 31) << 5) | (d & 31)
  return (letters ^ (letters >>> 7)) & 32767
}
