/**
 * Where the attributes that leaves name stand, remembered by a record's shape: the ids of its slots' keys, in order.
 *
 * Records that one line of code writes have one shape. To see that a record has it again is one pass of comparisons; what
 * would be looked up for each attribute is then known. A record with a key that is not interned has no shape.
 */
import { Col, ROW } from '../otlp/slots.ts'
import type { ValueGroup } from './decision_group.ts'

export interface Shape {
  readonly ids: Int32Array
  /** Slots to look at, counted from the record's first, and the groups that look at them: parallel. */
  readonly slots: readonly number[]
  readonly groups: readonly ValueGroup[]
}

/** Places; a power of two. */
const places = 64
const slotsMax = 64

export class Shapes {
  readonly #known: (Shape | undefined)[] = new Array(places).fill(undefined)

  clear(): void {
    this.#known.fill(undefined)
  }

  find(rows: Int32Array, first: number, end: number): Shape | undefined {
    const shape = this.#known[place(rows, first, end)]
    if (shape === undefined) return undefined
    const { ids } = shape
    if (ids.length !== end - first) return undefined
    for (let i = 0, at = first * ROW + Col.KeyId; i < ids.length; i++, at += ROW) {
      if (rows[at] !== ids[i]) return undefined
    }
    return shape
  }

  /** `groupsOf` gives the groups that look at the slots of a key, for its first slot in the record. */
  learn(rows: Int32Array, first: number, end: number, groupsOf: (id: number) => readonly ValueGroup[]): void {
    if (end - first > slotsMax || end === first) return
    const ids = new Int32Array(end - first)
    const slots: number[] = []
    const groups: ValueGroup[] = []
    for (let i = 0; i < ids.length; i++) {
      const id = rows[(first + i) * ROW + Col.KeyId]!
      if (id === 0) return
      const isFirst = !ids.subarray(0, i).includes(id)
      ids[i] = id
      for (const group of isFirst ? groupsOf(id) : []) {
        slots.push(i)
        groups.push(group)
      }
    }
    this.#known[place(rows, first, end)] = { ids, slots, groups }
  }
}

function place(rows: Int32Array, first: number, end: number): number {
  if (end === first) return 0
  const middle = (first + end) >> 1
  const sum = rows[(end - 1) * ROW + Col.KeyId]! * 5 + rows[middle * ROW + Col.KeyId]! * 3 + (end - first)
  return sum & (places - 1)
}
