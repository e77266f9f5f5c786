/**
 * The writing end of a queue: group commit.
 *
 * What arrives while a write is on its way to the disk waits, merged by owner into chunks, and goes with the next write:
 * one encryption and one write for all. Nobody waits for a timer. A write that fails fails everybody in it: nothing of
 * it was acknowledged. The segment is then left as it is (after a failed write nobody knows what the disk holds) and
 * the next write goes to a new one.
 *
 * Several queues may share a writer: each has the segment in its own folder, as a hard link, and reads, acknowledges
 * and removes it by itself; the file system frees the bytes when the last one has removed its name.
 *
 * Small chunks of one owner that follow each other are pieces of one batch, as long as no reader has asked for it:
 * which batch a chunk belongs to is written down with it (batches.ts).
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { limits } from '../../limits.ts'
import { OpenBatches } from './batches.ts'
import { freeAtOnce } from './buffers.ts'
import { type DiskFile, diskErrorCode } from './disk.ts'
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
} from './frame.ts'
import { noAmount, Segment, segmentName } from './segment.ts'
import { Sums } from './totals.ts'
import type { Entry, WriterOptions, Written } from './writer_options.ts'

interface Waiting {
  buffer: Buffer
  used: number
  records: number
  readonly key: string
  readonly entry: Entry
  readonly parcels: ParcelMeta[]
  readonly waiters: { resolve(): void; reject(error: unknown): void }[]
}

interface Active {
  /** One for each end. */
  readonly segments: readonly Segment[]
  readonly file: DiskFile
  frames: number
  end: number
  readonly sums: Sums
  readonly batches: OpenBatches
  /** Not yet written. */
  header: Buffer | undefined
}

export class Writer {
  readonly #options: WriterOptions
  #nextNo: number
  #active: Active | undefined
  #waiting: Waiting[] = []
  /** The last of `#waiting` by group and owner. */
  readonly #last = new Map<string, Waiting>()
  #writing: Promise<void> | undefined
  #scheduled = false
  #closed = false
  /** What was offered and is not on disk yet. */
  readonly pending = noAmount()

  constructor(options: WriterOptions) {
    this.#options = options
    this.#nextNo = options.firstSegmentNo
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Copies the body at once. Resolves when it is durable; rejects with the disk's error. */
  append(entry: Entry): Promise<void> {
    const { body, parcels } = entry
    const waiting = this.#place(entry)
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

  /**
   * A reader wants the batch that begins with this frame: nothing is added to it any more. Gives the number behind the
   * last frame that may be a piece of it; undefined: the segment is not being written any more.
   */
  closeBatch(segmentId: Buffer, leader: number): number | undefined {
    const active = this.#active
    if (active === undefined || active.segments[0]!.id !== segmentId) return undefined
    active.batches.close(leader)
    return active.frames
  }

  /** Waits for what is being written, then closes the segment with its totals. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#writing || this.#waiting.length > 0) await (this.#writing ?? this.#commit())
    const active = this.#active
    if (!active) return
    this.#active = undefined
    const totals = sealTotals(active.segments[0]!, active.frames, active.sums.totals())
    // Without them the next start reads the segment instead: a failing disk is no reason not to stop.
    await active.file.write(totals.buffers, active.end).catch(() => undefined)
    await this.#retire(active, active.end + bytesOf(totals.buffers))
    this.#tellClosed(active)
  }

  /** Opens a segment although nothing waits: tells whether a disk that failed can be written again. */
  async probe(): Promise<void> {
    if (this.#writing || this.#active || this.#closed) return
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
      await this.#syncDirs()
      this.#told(undefined)
    } catch (error) {
      await this.#abandon()
      this.#told(diskErrorCode(error))
    }
  }

  #told(code: string | undefined): void {
    for (const end of this.#options.ends) end.onDisk(code)
  }

  async #syncDirs(): Promise<void> {
    const { disk, ends } = this.#options
    const results = await Promise.allSettled(ends.map(({ dir }) => disk.syncDir(dir)))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  /** The chunk that an entry goes into. */
  #place(entry: Entry): Waiting {
    const bytes = entry.body.length
    const key = `${entry.group}\n${entry.owner}`
    const last = entry.id === undefined ? this.#last.get(key) : undefined
    if (last !== undefined && last.used + bytes <= limits.batchBytesMax) {
      this.#makeRoom(last, bytes)
      return last
    }
    const buffer = this.#bufferFor(bytes)
    const waiting: Waiting = { buffer, used: 0, records: 0, key, entry, parcels: [], waiters: [] }
    this.#waiting.push(waiting)
    if (entry.id === undefined) this.#last.set(key, waiting)
    this.pending.batches++
    return waiting
  }

  /** Where many owners wait, each gets little at first: a pooled buffer for each would be a megabyte for a line. */
  #bufferFor(bytes: number): Buffer {
    if (this.#waiting.length < largeBuffersMax || bytes > smallBufferBytes) return this.#options.pool.take(bytes)
    return Buffer.allocUnsafeSlow(smallBufferBytes)
  }

  #makeRoom(waiting: Waiting, bytes: number): void {
    if (waiting.used + bytes <= waiting.buffer.length) return
    const grown = this.#options.pool.take(waiting.used + bytes)
    waiting.buffer.copy(grown, 0, 0, waiting.used)
    waiting.buffer = grown
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
      const one = this.#waiting[count]!
      bytes += one.used
      if (this.#last.get(one.key) === one) this.#last.delete(one.key)
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    try {
      const active = this.#active ?? (await this.#create())
      const { sealed, buffers, end } = this.#seal(active, group)
      const ciphertext = buffers.slice()
      const full = end >= limits.segmentBytes || active.frames >= limits.segmentFramesMax - 2
      if (full) buffers.push(...sealTotals(active.segments[0]!, active.frames, active.sums.totals()).buffers)
      const start = active.header ? 0 : active.end
      if (active.header) buffers.unshift(active.header)
      const fileBytes = start + bytesOf(buffers)
      const named = active.header ? this.#syncDirs() : undefined
      // Both must end before anything else happens, also when one fails.
      const results = await Promise.allSettled([active.file.write(buffers, start), named])
      freeAtOnce(ciphertext)
      for (const result of results) if (result.status === 'rejected') throw result.reason
      active.header = undefined
      active.end = end
      for (const segment of active.segments) segment.bytes = end
      if (full) await this.#retire(active, fileBytes)
      this.#settle(group)
      this.#told(undefined)
      this.#handOut(active, sealed)
      if (full) this.#tellClosed(active)
      for (const one of group) for (const waiter of one.waiters) waiter.resolve()
    } catch (error) {
      await this.#abandon()
      void this.#options.spares?.drop()
      this.#settle(group)
      this.#told(diskErrorCode(error))
      for (const one of group) {
        this.#options.pool.give(one.buffer)
        for (const waiter of one.waiters) waiter.reject(error)
      }
    }
  }

  #handOut(active: Active, sealed: readonly Omit<Written, 'segment'>[]): void {
    const { ends, pool } = this.#options
    for (const { buffer } of sealed) pool.share(buffer, ends.length)
    for (const [i, end] of ends.entries()) {
      const segment = active.segments[i]!
      end.onWritten(sealed.map((one) => ({ ...one, segment })))
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
    const { cipher, disk, ends, spares } = this.#options
    const { key, wrapped } = cipher.fresh()
    const no = this.#nextNo++
    const id = randomBytes(segmentIdBytes)
    const segments = ends.map(({ dir }) => new Segment(no, dir, id, key))
    const reused = await spares?.take(segments[0]!.path)
    const file = reused ?? (await disk.create(segments[0]!.path))
    for (const segment of segments) segment.isReused = reused !== undefined
    this.#active = {
      segments,
      file,
      frames: 0,
      end: segmentHeaderBytes,
      sums: new Sums(ends.map(({ reader }) => reader)),
      batches: new OpenBatches(),
      header: segmentHeader(id, wrapped, reused !== undefined),
    }
    for (const [i, end] of ends.entries()) end.onSegment(segments[i]!)
    for (const { dir } of ends.slice(1)) await disk.link(segments[0]!.path, join(dir, segmentName(no)))
    return this.#active
  }

  /** Nothing more is written to a segment. Its totals are found from its end: what a file held before is cut off. */
  async #retire(active: Active, fileBytes?: number): Promise<void> {
    const { isReused } = active.segments[0]!
    if (isReused && fileBytes !== undefined) await active.file.truncate(fileBytes).catch(() => undefined)
    for (const segment of active.segments) segment.closed = true
    if (this.#active === active) this.#active = undefined
    await active.file.close().catch(() => undefined)
  }

  /** After a failed write: what was durable stays, the rest is cut off if the disk lets us; it was not acknowledged. */
  async #abandon(): Promise<void> {
    const active = this.#active
    if (!active) return
    const { end } = active
    await active.file.truncate(end > segmentHeaderBytes || !active.header ? end : 0).catch(() => undefined)
    await this.#retire(active)
    this.#tellClosed(active)
  }

  #tellClosed({ segments, sums }: Active): void {
    for (const [i, end] of this.#options.ends.entries()) end.onClosed(segments[i]!, sums.inventory)
  }

  /** Gives each waiting chunk its frame. Synchronous, so that frames are numbered in order. */
  #seal(active: Active, group: readonly Waiting[]) {
    const sealed: Omit<Written, 'segment'>[] = []
    const buffers: Uint8Array[] = []
    let { end } = active
    for (const one of group) {
      const { id, at, group: in_, owner } = one.entry
      const number = active.frames++
      const isPiece = this.#options.merges && id === undefined
      const batch = isPiece ? active.batches.place({ ...one, ...one.entry, number, offset: end }) : undefined
      const meta: ChunkMeta = {
        ...(id !== undefined && { id }),
        at,
        group: in_,
        ...(owner !== '' && { owner }),
        ...(batch && { batch }),
        parcels: one.parcels,
      }
      const plain = [one.buffer.subarray(0, one.used), chunkMetaBytes(meta)]
      const frame = sealFrame(active.segments[0]!, frameKind.chunk, number, plain)
      for (const buffer of frame.buffers) buffers.push(buffer)
      const { buffer, used: bodyBytes, records } = one
      const { pool } = this.#options
      sealed.push({ number, offset: end, bytes: frame.bytes, meta, records, buffer, bodyBytes, pool })
      end += frame.bytes
      active.sums.add(number, meta, records, frame.bytes)
    }
    return { sealed, buffers, end }
  }
}

const bytesOf = (buffers: readonly Uint8Array[]): number => buffers.reduce((sum, { length }) => sum + length, 0)

/** So many chunks that wait for one write begin with a whole buffer; further ones with a small one. */
const largeBuffersMax = 4
const smallBufferBytes = 16 * 1024
