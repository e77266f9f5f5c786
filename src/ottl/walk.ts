/**
 * What wasm/decide.ts reads: everything that a decision (decision.ts) has learnt, in one list of words. It is kept here,
 * and copied to the memory of the request that is decided; what is learnt on the way is written to both.
 *
 *   header | table of states | shapes | a block for each group of leaves: symbols by number, by text, by kind
 *
 * Addresses within it count in words here and in bytes there.
 */
import type { Lodging } from '../otlp/scan.ts'

/** In place of a symbol: none is known; the value decides. */
export const NO_SYMBOL = -1
export const BY_VALUE = -2

/** Words of the header. A list is two: how many, and where the numbers of its blocks stand. */
export const Header = {
  Stride: 0,
  Cells: 1,
  Table: 2,
  Severity: 3,
  EventName: 5,
  SeverityText: 7,
  Body: 9,
  Shapes: 11,
  AsksAttributes: 12,
} as const
const headerWords = 16

/** States beyond these are not known to the program. */
export const walkCells = 1 << 16

export class Walk {
  /** Replaced while room is taken; from `settle` on it stays. */
  words = new Int32Array(1024)
  #used = headerWords
  #live: Lodging | undefined
  /** Where the cells of the table are. */
  readonly table: number

  constructor() {
    this.table = this.take(walkCells, 0)
    this.words[Header.Cells] = walkCells
    this.words[Header.Table] = this.table * 4
  }

  /** Room for so many words, each `value`: where it is. */
  take(count: number, value: number): number {
    const at = this.#used
    this.#used += count
    if (this.#used > this.words.length) {
      const grown = new Int32Array(this.#used * 2)
      grown.set(this.words)
      this.words = grown
    }
    this.words.fill(value, at, this.#used)
    return at
  }

  /** Room that holds bytes; returns their address in bytes. */
  bytes(bytes: Uint8Array): number {
    const at = this.take((bytes.length + 3) >> 2, 0)
    new Uint8Array(this.words.buffer).set(bytes, at * 4)
    return at * 4
  }

  /** Writes a list of blocks to the header. */
  list(header: number, blocks: readonly number[]): void {
    const at = this.take(blocks.length, 0)
    this.words.set(
      blocks.map((block) => block * 4),
      at,
    )
    this.words[header] = blocks.length
    this.words[header + 1] = at * 4
  }

  /** All room was taken. */
  settle(): void {
    this.words = this.words.slice(0, this.#used)
  }

  /** Brings what is known to where it is read. */
  attach(live: Lodging | undefined): void {
    if (live !== undefined && live !== this.#live) live.words.set(this.words)
    this.#live = live
  }

  set(at: number, value: number): void {
    this.words[at] = value
    if (this.#live !== undefined) this.#live.words[at] = value
  }
  fill(value: number, from: number, to: number): void {
    this.words.fill(value, from, to)
    this.#live?.words.fill(value, from, to)
  }
  /** Copies bytes of a request's body to an address in bytes. */
  copy(bytes: Uint8Array, at: number): void {
    new Uint8Array(this.words.buffer).set(bytes, at)
    const { words } = this.#live ?? {}
    if (words !== undefined) new Uint8Array(words.buffer).set(bytes, words.byteOffset + at)
  }
}
