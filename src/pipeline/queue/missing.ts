/**
 * Whose records are missing where a segment holds less than its totals promised.
 *
 * A chunk that cannot be read does not say whose it was. But the segment's end says what the whole holds, so what the
 * reader passed is counted, for one segment at a time, and the difference is what was lost. Where an earlier run has
 * read the first part, nobody knows what it passed: then nothing is told by tenant.
 */
import type { TenantCounts } from '../parcel.ts'
import { type Chunk, tenantsOf } from './chunk.ts'
import type { Disk } from './disk.ts'
import type { Segment } from './segment.ts'
import { tenantsIn, totalsAt } from './totals.ts'

export class Missing {
  readonly #disk: Disk
  readonly #reader: string
  #isFromStart = false
  readonly #tenants = new Map<string, number>()
  readonly #owners = new Map<string, number>()

  constructor(disk: Disk, reader: string) {
    this.#disk = disk
    this.#reader = reader
  }

  /** The reader begins a segment, at its start or later. */
  enter(isFromStart: boolean): void {
    this.#isFromStart = isFromStart
    this.#tenants.clear()
    this.#owners.clear()
  }

  passed(chunk: Chunk): void {
    for (const [tenant, n] of tenantsOf(chunk.meta, 0, chunk.records)) add(this.#tenants, tenant, n)
    add(this.#owners, chunk.meta.owner ?? '', chunk.bytes)
  }

  /** What the segment's end promised beyond what was passed: records by tenant, bytes by owner. */
  async find(segment: Segment): Promise<{ tenants: TenantCounts; owners: TenantCounts }> {
    const totals = this.#isFromStart ? await totalsAt(this.#disk, segment).catch(() => undefined) : undefined
    if (totals === undefined) return { tenants: [], owners: [] }
    return {
      tenants: beyond(tenantsIn(totals.value, this.#reader), this.#tenants),
      owners: beyond(totals.value.owners ?? [], this.#owners),
    }
  }
}

const add = (counts: Map<string, number>, key: string, n: number): void =>
  void counts.set(key, (counts.get(key) ?? 0) + n)

/** What was promised beyond what was passed. */
export const beyond = (promised: TenantCounts, passed: ReadonlyMap<string, number>): TenantCounts =>
  promised.flatMap(([key, n]) => {
    const missing = n - (passed.get(key) ?? 0)
    return missing > 0 ? [[key, missing] as const] : []
  })
