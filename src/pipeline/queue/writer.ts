/**
 * The writing end of a queue: group commit.
 *
 * What arrives while a write is on its way to the disk waits, merged into chunks, and goes with the next write: one
 * encryption and one write for all. Nobody waits for a timer. A write that fails fails everybody in it: nothing of it
 * was acknowledged. The segment is then left as it is (after a failed write nobody knows what the disk holds) and
 * the next write goes to a new one.
 */
import { randomBytes } from 'node:crypto'
import type { ChunkCipher } from '../../keys/chunk_cipher.ts'
import { limits } from '../../limits.ts'
import type { TenantCounts } from '../parcel.ts'
import { type BufferPool, freeAtOnce } from './buffers.ts'
import { type Disk, type DiskFile, diskErrorCode } from './disk.ts'
import {
  type ChunkMeta,
  chunkMetaBytes,
  frameKind,
  type ParcelMeta,
  sealFrame,
  sealTotals,
  segmentHeader,
  segmentHeaderBytes,
  segmentIdBytes,
  type Totals,
} from './frame.ts'
import { type Amount, noAmount, Segment } from './segment.ts'

/** A chunk that has just become durable. */
export interface Written {
  readonly segment: Segment
  readonly number: number
  readonly offset: number
  /** Of the frame. */
  readonly bytes: number
  readonly meta: ChunkMeta
  readonly records: number
  /** From the pool; the receiver owns it. The body is its first `bodyBytes`. */
  readonly buffer: Buffer
  readonly bodyBytes: number
}

interface Waiting {
  buffer: Buffer
  used: number
  records: number
  readonly id: string | undefined
  readonly at: number
  readonly group: string
  readonly parcels: ParcelMeta[]
  readonly waiters: { resolve(): void; reject(error: unknown): void }[]
}

interface Active {
  readonly segment: Segment
  readonly file: DiskFile
  frames: number
  /** What the segment holds, for its totals. */
  readonly amount: Amount
  readonly tenants: Map<string, number>
  firstMs: number
  /** Not yet written. */
  header: Buffer | undefined
}

export interface WriterOptions {
  readonly disk: Disk
  readonly dir: string
  readonly cipher: ChunkCipher
  readonly pool: BufferPool
  /** The number of the next segment. */
  readonly firstSegmentNo: number
  readonly onSegment: (segment: Segment) => void
  readonly onWritten: (written: readonly Written[]) => void
  /** The code of what the disk says; undefined: it works again. */
  readonly onDisk: (code: string | undefined) => void
}

export class Writer {
  readonly #options: WriterOptions
  #nextNo: number
  #active: Active | undefined
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  #scheduled = false
  /** What was offered and is not on disk yet. */
  readonly pending = noAmount()

  constructor(options: WriterOptions) {
    this.#options = options
    this.#nextNo = options.firstSegmentNo
  }

  /** Copies the body at once. Resolves when it is durable; rejects with the disk's error. `id`: not merged with others. */
  append(body: Uint8Array, parcels: readonly ParcelMeta[], group: string, at: number, id?: string): Promise<void> {
    const last = this.#waiting.at(-1)
    const fits =
      last !== undefined && last.group === group && !id && !last.id && last.used + body.length <= limits.batchBytesMax
    const waiting = fits ? last : this.#open(body.length, group, at, id)
    waiting.buffer.set(body, waiting.used)
    waiting.used += body.length
    for (const parcel of parcels) {
      waiting.parcels.push(parcel)
      waiting.records += parcel.records
      this.pending.records += parcel.records
    }
    this.pending.bytes += body.length
    this.pending.requests += parcels.length
    this.#schedule()
    return new Promise((resolve, reject) => waiting.waiters.push({ resolve, reject }))
  }

  /** Waits for what is being written, then closes the segment with its totals. */
  async close(): Promise<void> {
    while (this.#writing || this.#waiting.length > 0) await (this.#writing ?? this.#commit())
    const active = this.#active
    if (!active) return
    this.#active = undefined
    const totals = sealTotals(active.segment, active.frames, totalsOf(active))
    // Without them the next start reads the segment instead: a failing disk is no reason not to stop.
    await active.file.write(totals.buffers, active.segment.bytes).catch(() => undefined)
    await this.#retire(active)
  }

  /** Opens a segment although nothing waits: tells whether a disk that failed can be written again. */
  async probe(): Promise<void> {
    if (this.#writing || this.#active) return
    this.#writing = this.#probe().finally(() => {
      this.#writing = undefined
      this.#schedule()
    })
    await this.#writing
  }

  async #probe(): Promise<void> {
    try {
      const active = await this.#create()
      await active.file.write([active.header!], 0)
      active.header = undefined
      await this.#options.disk.syncDir(this.#options.dir)
      this.#options.onDisk(undefined)
    } catch (error) {
      await this.#abandon()
      this.#options.onDisk(diskErrorCode(error))
    }
  }

  #open(bytes: number, group: string, at: number, id: string | undefined): Waiting {
    const buffer = this.#options.pool.take(bytes)
    const waiting: Waiting = { buffer, used: 0, records: 0, id, at, group, parcels: [], waiters: [] }
    this.#waiting.push(waiting)
    this.pending.batches++
    return waiting
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing || this.#waiting.length === 0) return
    this.#scheduled = true
    // After the other requests of this turn of the event loop, so that they share the write.
    setImmediate(() => {
      this.#scheduled = false
      if (!this.#writing && this.#waiting.length > 0) void this.#commit()
    })
  }

  #commit(): Promise<void> {
    this.#writing = this.#write(this.#takeGroup()).finally(() => {
      this.#writing = undefined
      this.#schedule()
    })
    return this.#writing
  }

  /** What goes with the next write: at most `commitBytesMax`, so that encrypting does not hold up everybody else. */
  #takeGroup(): Waiting[] {
    let bytes = 0
    let count = 0
    while (count < this.#waiting.length && (count === 0 || bytes < limits.commitBytesMax)) {
      bytes += this.#waiting[count]!.used
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    try {
      const active = this.#active ?? (await this.#create())
      const { written, buffers, end } = seal(active, group)
      const sealed = buffers.slice()
      const full = end >= limits.segmentBytes || active.frames >= limits.segmentFramesMax - 2
      if (full) buffers.push(...sealTotals(active.segment, active.frames, totalsOf(active)).buffers)
      const start = active.header ? 0 : active.segment.bytes
      if (active.header) buffers.unshift(active.header)
      const named = active.header ? this.#options.disk.syncDir(this.#options.dir) : undefined
      // Both must end before anything else happens, also when one fails.
      const results = await Promise.allSettled([active.file.write(buffers, start), named])
      freeAtOnce(sealed)
      for (const result of results) if (result.status === 'rejected') throw result.reason
      active.header = undefined
      active.segment.bytes = end
      if (full) await this.#retire(active)
      this.#settle(group)
      this.#options.onDisk(undefined)
      this.#options.onWritten(written)
      for (const one of group) for (const waiter of one.waiters) waiter.resolve()
    } catch (error) {
      await this.#abandon()
      this.#settle(group)
      this.#options.onDisk(diskErrorCode(error))
      for (const one of group) {
        this.#options.pool.give(one.buffer)
        for (const waiter of one.waiters) waiter.reject(error)
      }
    }
  }

  #settle(group: readonly Waiting[]): void {
    for (const one of group) {
      this.pending.batches--
      this.pending.requests -= one.parcels.length
      this.pending.records -= one.records
      this.pending.bytes -= one.used
    }
  }

  async #create(): Promise<Active> {
    const { key, wrapped } = this.#options.cipher.fresh()
    const segment = new Segment(this.#nextNo++, this.#options.dir, randomBytes(segmentIdBytes), key)
    const file = await this.#options.disk.create(segment.path)
    this.#active = {
      segment,
      file,
      frames: 0,
      amount: noAmount(),
      tenants: new Map(),
      firstMs: 0,
      header: segmentHeader(segment.id, wrapped),
    }
    this.#options.onSegment(segment)
    return this.#active
  }

  async #retire(active: Active): Promise<void> {
    active.segment.closed = true
    if (this.#active === active) this.#active = undefined
    await active.file.close().catch(() => undefined)
  }

  /** After a failed write: what was durable stays, the rest is cut off if the disk lets us; it was not acknowledged. */
  async #abandon(): Promise<void> {
    const active = this.#active
    if (!active) return
    const end = active.segment.bytes
    await active.file.truncate(end > segmentHeaderBytes || !active.header ? end : 0).catch(() => undefined)
    await this.#retire(active)
  }
}

/** Gives each waiting chunk its frame. Synchronous, so that frames are numbered in order. */
function seal(active: Active, group: readonly Waiting[]): { written: Written[]; buffers: Uint8Array[]; end: number } {
  const written: Written[] = []
  const buffers: Uint8Array[] = []
  let end = active.segment.bytes
  for (const one of group) {
    const meta: ChunkMeta = { ...(one.id && { id: one.id }), at: one.at, group: one.group, parcels: one.parcels }
    const number = active.frames++
    const plain = [one.buffer.subarray(0, one.used), chunkMetaBytes(meta)]
    const frame = sealFrame(active.segment, frameKind.chunk, number, plain)
    for (const buffer of frame.buffers) buffers.push(buffer)
    written.push({
      segment: active.segment,
      number,
      offset: end,
      bytes: frame.bytes,
      meta,
      records: one.records,
      buffer: one.buffer,
      bodyBytes: one.used,
    })
    end += frame.bytes
    count(active, one, frame.bytes)
  }
  return { written, buffers, end }
}

function count(active: Active, one: Waiting, frameBytes: number): void {
  if (active.amount.batches === 0) active.firstMs = one.at
  active.amount.batches++
  active.amount.records += one.records
  active.amount.requests += one.parcels.length
  active.amount.bytes += frameBytes
  for (const parcel of one.parcels) {
    for (const [tenant, records] of parcel.tenants) {
      active.tenants.set(tenant, (active.tenants.get(tenant) ?? 0) + records)
    }
  }
}

function totalsOf(active: Active): Totals {
  const { batches, records, requests, bytes } = active.amount
  const tenants: TenantCounts = [...active.tenants]
  return { chunks: batches, records, requests, bytes, firstMs: active.firstMs, tenants }
}
