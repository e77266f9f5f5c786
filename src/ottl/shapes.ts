/**
 * Where the attributes that leaves name stand, remembered by a record's shape: the ids of its slots' keys, in order.
 *
 * Records that one line of code writes have one shape. To see that a record has it again is one pass of comparisons
 * (wasm/decide.ts); what would be looked up for each attribute is then known. A record with a key that is not interned
 * has no shape.
 *
 *   a place:  how many ids   ids (64)   how many steps   steps (64): slot, counted from the record's first; block
 */
import { Col, ROW } from '../otlp/slots.ts'
import type { ValueGroup } from './value_group.ts'
import { Header, type Walk } from './walk.ts'

/** Places; a power of two. */
const placesLog2 = 7
const slotsMax = 64
const stepsMax = 64
const PLACE = 2 + slotsMax + 2 * stepsMax
const STEPS = 1 + slotsMax

export class Shapes {
  readonly #walk: Walk
  readonly #at: number

  constructor(walk: Walk) {
    this.#walk = walk
    this.#at = walk.take(PLACE << placesLog2, 0)
    walk.words[Header.Shapes] = this.#at * 4
  }

  clear(): void {
    this.#walk.fill(0, this.#at, this.#at + (PLACE << placesLog2))
  }

  /** `groupsOf` gives the groups that look at the slots of a key, for its first slot in the record. */
  learn(rows: Int32Array, first: number, end: number, groupsOf: (id: number) => readonly ValueGroup[]): void {
    const count = end - first
    if (count > slotsMax || count === 0) return
    const place = new Int32Array(PLACE)
    const ids = place.subarray(1, 1 + count)
    let steps = 0
    let sum = count
    for (let i = 0; i < count; i++) {
      const id = rows[(first + i) * ROW + Col.KeyId]!
      if (id === 0) return
      const isFirst = !ids.subarray(0, i).includes(id)
      ids[i] = id
      sum = (sum + Math.imul(id, 2 * i + 1)) | 0
      for (const group of isFirst ? groupsOf(id) : []) {
        if (steps === stepsMax) return
        place[STEPS + 1 + 2 * steps] = i
        place[STEPS + 2 + 2 * steps++] = group.block * 4
      }
    }
    place[0] = count
    place[STEPS] = steps
    const at = this.#at + (Math.imul(sum, 0x9e3779b1) >>> (32 - placesLog2)) * PLACE
    const { words } = this.#walk
    for (let i = 0; i < PLACE; i++) if (words[at + i] !== place[i]) this.#walk.set(at + i, place[i]!)
  }
}
