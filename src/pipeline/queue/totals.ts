/**
 * What a whole segment holds: summed up while it is written, put at its end, and read from there, so that a start need
 * not read all of a long queue, and so that what is found missing can be told by tenant.
 */
import type { TenantCounts } from '../parcel.ts'
import { metaFor, tenantsOf } from './chunk.ts'
import type { Disk } from './disk.ts'
import {
  type ChunkMeta,
  frameHeaderBytes,
  frameKind,
  openFrame,
  readFrameHeader,
  readTotals,
  readTrailer,
  segmentHeaderBytes,
  type Totals,
  trailerBytes,
} from './frame.ts'
import { Inventory } from './inventory.ts'
import { type Amount, noAmount, type Segment } from './segment.ts'

export class Sums {
  readonly amount: Amount = noAmount()
  readonly #readers: readonly string[]
  /** Records by tenant, for each reader. */
  readonly #tenants: readonly Map<string, number>[]
  readonly #owners = new Map<string, number>()
  readonly inventory: Inventory
  #firstMs = 0

  /** `readers`: of the queues that share the segment. */
  constructor(readers: readonly string[]) {
    this.#readers = readers
    this.#tenants = readers.map(() => new Map())
    this.inventory = new Inventory(readers)
  }

  add(number: number, meta: ChunkMeta, records: number, frameBytes: number): void {
    if (this.amount.batches === 0) this.#firstMs = meta.at
    this.amount.batches++
    this.amount.records += records
    this.amount.requests += meta.parcels.length
    this.amount.bytes += frameBytes
    count(this.#owners, meta.owner ?? '', frameBytes)
    const tenants = this.#readers.map((reader) => tenantsOf(metaFor(meta, reader), 0, records))
    for (const [i, counts] of tenants.entries()) {
      for (const [tenant, n] of counts) count(this.#tenants[i]!, tenant, n)
    }
    this.inventory.add(number, meta, records, frameBytes, tenants)
  }

  totals(): Totals {
    const { batches, records, requests, bytes } = this.amount
    const [first, ...others] = this.#readers
    return {
      chunks: batches,
      records,
      requests,
      bytes,
      firstMs: this.#firstMs,
      tenants: first === undefined ? [] : [...this.#tenants[0]!],
      ...(others.length > 0 && {
        tenantsFor: Object.fromEntries(others.map((reader, i) => [reader, [...this.#tenants[i + 1]!]])),
      }),
      owners: [...this.#owners],
    }
  }
}

const count = (counts: Map<string, number>, key: string, n: number): void =>
  void counts.set(key, (counts.get(key) ?? 0) + n)

/** The records by tenant, as one of the queues that share the segment counts them. */
export const tenantsIn = ({ tenants, tenantsFor }: Totals, reader: string): TenantCounts =>
  tenantsFor?.[reader] ?? tenants

/** The totals at the end of a segment that was closed in good order, and where they start. */
export async function totalsAt(disk: Disk, segment: Segment): Promise<{ value: Totals; start: number } | undefined> {
  const file = await disk.read(segment.path)
  try {
    const end = (await file.size()) - trailerBytes
    if (end < segmentHeaderBytes + frameHeaderBytes) return undefined
    const trailer = Buffer.alloc(trailerBytes)
    await file.read(trailer, end)
    const length = readTrailer(trailer)
    const start = end - (length ?? 0)
    if (length === undefined || start < segmentHeaderBytes) return undefined
    const frame = Buffer.alloc(length)
    await file.read(frame, start)
    const header = readFrameHeader(frame, 0, segment.id)
    if (header?.kind !== frameKind.totals || header.sealedBytes + frameHeaderBytes !== length) return undefined
    const plain = openFrame(segment, header, frame, 0)
    return plain && { value: readTotals(plain), start }
  } finally {
    await file.close()
  }
}
