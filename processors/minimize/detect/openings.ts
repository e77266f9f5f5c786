/**
 * How the words begin that phrases begin with (phrases.ts), and what may be glued to their ends: nearly all words of a log
 * are passed by four letters and a length. It says yes a little too often, and never no where it should be yes.
 */

/** What is glued to words that tell: `peselnumber`, `bsnnr`. */
export const endings = ['number', 'nummer', 'numer', 'numero', 'nr', 'no', 'num'].map((text) =>
  Uint8Array.from(text, (c) => c.charCodeAt(0)),
)

/** Words that are shorter are kept whole. */
const openingLength = 4

export class Openings {
  /** By up to four letters, folded; a shorter word has zeros behind it. */
  readonly #places = new Set<number>()

  add(word: string): void {
    const [a = 0, b = 0, c = 0, d = 0] = Array.from(word.slice(0, openingLength), (letter) => letter.charCodeAt(0))
    this.#places.add(placeOf(a, b, c, d))
  }

  /** Writes a bit for each place, for the program that asks: wasm/context.ts. */
  write(bytes: Uint8Array, at: number): void {
    for (const place of this.#places) bytes[at + (place >> 3)]! |= 1 << (place & 7)
  }
}

/** Five bits a letter, so that case does not matter. */
function placeOf(a: number, b: number, c: number, d: number): number {
  const letters = ((a & 31) << 15) | ((b & 31) << 10) | ((c & 31) << 5) | (d & 31)
  return (letters ^ (letters >>> 7)) & 32767
}
