/**
 * Whose records are missing where a segment gives less than it held.
 *
 * A chunk that cannot be read does not say whose it was, but the segment's inventory does, which lies in another file.
 * What of it was neither delivered nor read is lost.
 */
import type { TenantCounts } from '../parcel.ts'
import { type Chunk, tenantsOf } from './chunk.ts'
import type { Inventories, Listed } from './inventory.ts'
import { type Divided, partsLeft } from './parts.ts'
import type { Segment } from './segment.ts'

/** What is known of deliveries, by frame. */
export interface Delivered {
  /** The frame, or the batch that it is a piece of, has left the queue. */
  isDone(segmentNo: number, number: number, leader: number): boolean
  /** What is known of a batch that was cut, by its first frame. */
  dividedOf(segmentNo: number, leader: number): Divided | undefined
}

export interface Lost {
  readonly records: number
  readonly bytes: number
  readonly tenants: TenantCounts
  /** Bytes of frames by owner. */
  readonly owners: TenantCounts
}

/** Sums up frames of a segment of which nothing was delivered but what `delivered` says. */
export function sumOf(segmentNo: number, frames: Iterable<Listed>, delivered: Delivered): Lost {
  const tenants = new Map<string, number>()
  const owners = new Map<string, number>()
  let [records, bytes] = [0, 0]
  for (const frame of frames) {
    if (delivered.isDone(segmentNo, frame.number, frame.leader)) continue
    bytes += frame.bytes
    count(owners, frame.owner, frame.bytes)
    const left = leftOf(frame, delivered.dividedOf(segmentNo, frame.leader))
    const meta = { parcels: [frame] }
    for (const [from, to] of left) {
      records += to - from
      for (const [tenant, n] of tenantsOf(meta, from, to)) count(tenants, tenant, n)
    }
  }
  return { records, bytes, tenants: [...tenants], owners: [...owners] }
}

/** Which records of a chunk are left, counted from its first, where parts of its batch may be done. */
export function leftOf(
  { before, records }: Pick<Listed, 'before' | 'records'>,
  divided: Divided | undefined,
): [number, number][] {
  const end = before + records
  // Of the batch as far as this piece goes: what is left of it does not depend on what comes behind.
  const parts = (divided && partsLeft(end, divided)) ?? [[before, end]]
  return parts.flatMap(([from, to]) => (to > before ? [[Math.max(from, before) - before, to - before]] : []))
}

const count = (counts: Map<string, number>, key: string, n: number): void =>
  void counts.set(key, (counts.get(key) ?? 0) + n)

/** What the reader passed in the segment that it is in. */
export class Missing {
  readonly #inventories: Inventories
  readonly #delivered: Delivered
  #start = 0
  readonly #passed = new Set<number>()

  constructor(inventories: Inventories, delivered: Delivered) {
    this.#inventories = inventories
    this.#delivered = delivered
  }

  /** The reader begins a segment, at this frame. */
  enter(number: number): void {
    this.#start = number
    this.#passed.clear()
  }

  passed({ number }: Chunk): void {
    this.#passed.add(number)
  }

  /** What the segment held from there on and the reader was not given; undefined: nobody knows. */
  async find({ no }: Segment): Promise<Lost | undefined> {
    const inventory = await this.#inventories.read(no)
    const frames = inventory?.frames.filter(({ number }) => number >= this.#start && !this.#passed.has(number))
    return frames && sumOf(no, frames, this.#delivered)
  }
}
