/**
 * A destination's queue: several logs of chunks that are read as one.
 *
 * The common lane takes what everybody sends. Tenants that pile up go to one of a few lanes for the busy (owners.ts);
 * what other destinations get in the very same bytes goes to a lane that is written once for all of them (shared.ts).
 * Lanes are taken from in turns, by bytes, so that a tenant with little behind one with much does not wait for it;
 * lanes for the same tenants are merged by the time their chunks were queued.
 *
 * A tenant's records keep their order when it gets a lane of its own: that lane has no turn before the common one has
 * been read up to that moment.
 */
import { join } from 'node:path'
import { limits } from '../../limits.ts'
import type { TenantCounts } from '../parcel.ts'
import { Turns } from '../turns.ts'
import { BufferPool } from './buffers.ts'
import type { Chunk } from './chunk.ts'
import { ChunkLog } from './chunk_log.ts'
import type { ChunkLogOptions } from './chunk_log_options.ts'
import { diskErrorCode } from './disk.ts'
import type { DiskFailure } from './disk_health.ts'
import { MemoryBudget } from './memory.ts'
import { busySlotOf, commonSlot, Owners } from './owners.ts'
import type { Range } from './parts.ts'
import { type Amount, addAmount, noAmount } from './segment.ts'
import type { Entry } from './writer_options.ts'

interface Lane {
  readonly slot: number
  readonly log: ChunkLog
  /** Taken out already, to know when it was queued. */
  head: Chunk | undefined
}

export type LanesOptions = Omit<ChunkLogOptions, 'name' | 'onHeld' | 'pool' | 'budget'> & { readonly name: string }

export class Lanes {
  readonly #options: LanesOptions
  readonly #pool = new BufferPool()
  readonly #budget = new MemoryBudget()
  readonly #common: Lane
  /** By the name of their folder. */
  readonly #others = new Map<string, Lane>()
  readonly #opening = new Map<string, Promise<ChunkLog>>()
  readonly #laneOf = new WeakMap<Chunk, Lane>()
  readonly #turns = new Turns<number>(limits.batchBytesMax)
  readonly #owners = new Owners()
  /** By slot, when the last tenant went there: what it had queued in the common lane comes first. */
  readonly #since = new Map<number, number>()
  #closed = false

  constructor(options: LanesOptions) {
    this.#options = options
    this.#common = this.#make(options.dir, commonSlot, this.#pool)
  }

  get name(): string {
    return this.#options.name
  }

  /** Takes over what an earlier run left; gives its records per tenant. Rejects as `ChunkLog.open` does. */
  async open(): Promise<{ tenants: TenantCounts }> {
    const { disk } = this.#options
    const tenants = [...(await this.#common.log.open()).tenants]
    this.#common.log.writeWith(this.#common.log.ownWriter())
    await disk.makeDir(this.#folder)
    for (const name of await disk.list(this.#folder)) {
      const slot = slotIn(name)
      if (slot === undefined) continue
      const lane = this.#make(join(this.#folder, name), slot, this.#pool)
      tenants.push(...(await lane.log.open()).tenants)
      if (slot !== commonSlot && lane.log.queued.batches > 0) this.#since.set(slot, lane.log.oldestMs ?? 0)
      this.#others.set(name, lane)
    }
    return { tenants }
  }

  /** The name to count a tenant under. */
  ownerOf(tenant: string): string {
    return this.#owners.nameFor(tenant)
  }
  bytesOf(owner: string): number {
    return this.#owners.bytesOf(owner)
  }

  /** Which slot the owner's requests go to. */
  slotFor(owner: string): number {
    return this.#owners.isBusy(owner) === undefined ? commonSlot : busySlotOf(owner)
  }

  /** From now on an owner's requests go to this slot, for one reason or another. */
  enter(owner: string, slot: number): void {
    if (slot !== commonSlot && this.#owners.isBusy(owner) !== 'already')
      this.#since.set(slot, this.#options.clock.nowMs())
  }

  /** Copies the body at once; resolves when it is durable, rejects with the disk's error. */
  append(entry: Omit<Entry, 'at'>): Promise<void> {
    const { owner } = entry
    const slot = this.slotFor(owner)
    const lane = slot === commonSlot || entry.id !== undefined ? this.#common : (this.#own(slot) ?? this.#common)
    this.enter(owner, lane.slot)
    return lane.log.append(entry)
  }

  /** Opens a lane that a shared writer will write to. `pool`: for what all its readers may have. */
  openShared(name: string, slot: number, pool: BufferPool): Promise<ChunkLog> {
    const known = this.#others.get(name)
    return known ? Promise.resolve(known.log) : this.#openLane(name, slot, pool)
  }

  get waiting(): Amount {
    const sum = noAmount()
    for (const { log } of this.#all()) addAmount(sum, log.waiting, 1)
    return sum
  }
  get diskFailing(): DiskFailure | undefined {
    for (const { log } of this.#all()) if (log.diskFailing) return log.diskFailing
    return undefined
  }
  get corruptBytes(): number {
    let sum = 0
    for (const { log } of this.#all()) sum += log.corruptBytes
    return sum
  }
  get oldestMs(): number | undefined {
    let oldest: number | undefined
    for (const { log } of this.#all()) {
      const { oldestMs } = log
      if (oldestMs !== undefined && (oldest === undefined || oldestMs < oldest)) oldest = oldestMs
    }
    return oldest
  }
  /** True: bodies of chunks that wait for another attempt should not stay in memory. */
  get memoryIsShort(): boolean {
    return this.#budget.isShort
  }

  /** Takes the batch whose turn it is; undefined: none now. Not for concurrent calls. Rejects when nothing can be read. */
  async next(): Promise<Chunk | undefined> {
    let failure: unknown
    for (const lane of this.#all()) {
      if (lane.head !== undefined || !lane.log.mayHaveMore) continue
      // A lane that cannot be read holds up none of the others.
      try {
        lane.head = await lane.log.next()
      } catch (error) {
        failure = error
      }
    }
    const lane = this.#pick()
    if (lane === undefined) {
      if (failure !== undefined) throw failure
      return undefined
    }
    const chunk = lane.head!
    lane.head = undefined
    this.#laneOf.set(chunk, lane)
    if (this.#budget.isShort) for (const { head, log } of this.#others.values()) if (head) log.unload(head)
    return chunk
  }

  load(chunk: Chunk): Promise<boolean> {
    return this.#log(chunk).load(chunk)
  }
  unload(chunk: Chunk): void {
    this.#log(chunk).unload(chunk)
  }
  done(chunk: Chunk): void {
    this.#log(chunk).done(chunk)
  }
  split(chunk: Chunk, range: Range, cuts: readonly number[]): Promise<void> {
    return this.#log(chunk).split(chunk, range, cuts)
  }
  partDone(chunk: Chunk, range: Range): void {
    this.#log(chunk).partDone(chunk, range)
  }

  /**
   * Writes a taken chunk anew at the end, under the same id, if its segment is kept for little else: batches that a
   * destination cannot digest would each hold a whole segment on the disk. Gives whether it did; then it is taken anew.
   */
  async moveOn(chunk: Chunk): Promise<boolean> {
    const log = this.#log(chunk)
    if (chunk.parts || !chunk.body || !log.isKeptForLittle(chunk)) return false
    const { body, id } = chunk
    const { parcels, group, owner = '', at } = chunk.meta
    await this.#common.log.append({ body, parcels, group, owner, at, id })
    log.done(chunk)
    return true
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#opening.values())
    for (const { log } of this.#all()) await log.close()
  }

  #log(chunk: Chunk): ChunkLog {
    return this.#laneOf.get(chunk)!.log
  }

  *#all(): Generator<Lane> {
    yield this.#common
    yield* this.#others.values()
  }

  get #folder(): string {
    return join(this.#options.dir, 'lanes')
  }

  #make(dir: string, slot: number, pool: BufferPool): Lane {
    const onHeld = (owner: string, bytes: number) => this.#owners.add(owner, slot, bytes)
    const log = new ChunkLog({ ...this.#options, dir, pool, budget: this.#budget, onHeld })
    return { slot, log, head: undefined }
  }

  /** The lane of the busy that only this destination reads; undefined while it is being opened. */
  #own(slot: number): Lane | undefined {
    const name = `own.${slot}`
    const known = this.#others.get(name)
    if (known === undefined) {
      const failed = (error: unknown) =>
        this.#options.log.warn('queue.lane_not_opened', { slot, code: diskErrorCode(error) })
      if (!this.#opening.has(name)) void this.#openLane(name, slot, this.#pool).catch(failed)
      return undefined
    }
    // An earlier run left it, and nothing was written to it since.
    if (!known.log.isWritten) known.log.writeWith(known.log.ownWriter())
    return known
  }

  #openLane(name: string, slot: number, pool: BufferPool): Promise<ChunkLog> {
    const opening = this.#opening.get(name) ?? this.#makeLane(name, slot, pool)
    this.#opening.set(name, opening)
    void opening.catch(() => undefined).finally(() => this.#opening.delete(name))
    return opening
  }

  async #makeLane(name: string, slot: number, pool: BufferPool): Promise<ChunkLog> {
    const lane = this.#make(join(this.#folder, name), slot, pool)
    await lane.log.open()
    if (this.#closed) {
      await lane.log.close()
      throw new Error('closed meanwhile')
    }
    this.#others.set(name, lane)
    return lane.log
  }

  #pick(): Lane | undefined {
    if (this.#others.size === 0) return this.#common.head && this.#common
    const bySlot = new Map<number, Lane>()
    for (const lane of this.#all()) {
      const best = bySlot.get(lane.slot)
      if (lane.head && (best === undefined || lane.head.meta.at < best.head!.meta.at)) bySlot.set(lane.slot, lane)
    }
    const commonAt = bySlot.get(commonSlot)?.head?.meta.at ?? Number.POSITIVE_INFINITY
    const costs = new Map<number, number>()
    for (const [slot, { head }] of bySlot) {
      if (slot === commonSlot || commonAt > (this.#since.get(slot) ?? 0)) costs.set(slot, head!.bytes)
    }
    const slot = this.#turns.pick(costs)
    return slot === undefined ? undefined : bySlot.get(slot)
  }
}

/** Lanes are folders: `<own or a set of destinations>.<slot>`. */
export function slotIn(name: string): number | undefined {
  const match = /^(?:own|with-[0-9a-f]{16})\.(\d{1,2})$/.exec(name)
  return match ? Number(match[1]) : undefined
}
