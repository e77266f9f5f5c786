/**
 * A durable queue: chunks go in at one end, are taken in order at the other, and are done in any order.
 *
 * In memory are the segments (a few hundred bytes each), the chunks that were taken and are not done (bounded by who
 * takes them), and just written bodies up to a bound; all else is on disk. A segment's file is removed when all of it
 * is done. What is written how: frame.ts; what is remembered about deliveries: acks.ts; starting again: recover.ts.
 *
 * The queue never forgets a chunk that it could read: `append` resolves when the chunk is durable, and only `done`
 * takes it out.
 */
import type { Log } from '../../contract.ts'
import type { ChunkCipher } from '../../keys/chunk_cipher.ts'
import { limits } from '../../limits.ts'
import type { Clock } from '../clock.ts'
import type { TenantCounts } from '../parcel.ts'
import { AckFile, type AckState, type Remembered } from './acks.ts'
import { Aside } from './aside.ts'
import { type Chunk, chunkOf, partsOf } from './chunk.ts'
import { type Disk, diskErrorCode } from './disk.ts'
import { type DiskFailure, DiskHealth } from './disk_health.ts'
import { frameKind, type ParcelMeta, segmentHeaderBytes, segmentIdBytes } from './frame.ts'
import { BodyMemory } from './memory.ts'
import { cutParts, type Divided, dividedOf, type Range } from './parts.ts'
import { recover } from './recover.ts'
import { type Amount, addAmount, FrameReader, noAmount, positionOf, type Segment } from './segment.ts'
import { Writer, type Written } from './writer.ts'

export interface ChunkLogOptions {
  readonly dir: string
  readonly disk: Disk
  readonly cipher: ChunkCipher
  readonly clock: Clock
  readonly log: Log
  /** Something can be taken that could not before. */
  readonly onReady: () => void
  /** Bytes that cannot be read were passed over; `records` of them are missing, as far as is known. */
  readonly onCorrupt: (records: number, bytes: number) => void
}

export class ChunkLog {
  readonly #options: ChunkLogOptions
  readonly #acks: AckFile
  readonly #aside: Aside
  readonly #reader: FrameReader
  /** Reads bodies again; its own, so that it does not throw the reader's window away. */
  readonly #rereader: FrameReader
  #rereading: Promise<unknown> = Promise.resolve()
  #writer: Writer | undefined
  #segments: Segment[] = []
  /** The segment and the place in it where `next` goes on. Segments before it only hold outstanding chunks. */
  #at: { segment: Segment; offset: number; number: number } | undefined
  /** Where an earlier run stopped to take. */
  #cursor: Remembered['cursor']
  /** Chunks that it finished, or sent in part, and that are still to be passed here; by position. */
  readonly #done = new Set<number>()
  readonly #divided = new Map<number, Divided>()
  readonly #outstanding = new Map<number, Chunk>()
  readonly #memory = new BodyMemory()
  #corruptBytes = 0
  /** In a row, at one place. */
  #readFailures = 0
  readonly #health: DiskHealth
  /** When the next chunk to take was queued, while none was taken yet. */
  #headMs: number | undefined
  /** All that is not done, without what is still being written. */
  readonly queued: Amount = noAmount()

  constructor(options: ChunkLogOptions) {
    this.#options = options
    const { disk, dir, log, clock } = options
    this.#health = new DiskHealth(clock, log, () => void this.#writer?.probe())
    this.#acks = new AckFile({ disk, dir, log, state: () => this.#ackState() })
    this.#aside = new Aside(disk, dir, log)
    this.#reader = new FrameReader(disk)
    this.#rereader = new FrameReader(disk)
  }

  /**
   * Takes over what an earlier run left: gives its records per tenant, and the chunks that it was delivering.
   * Rejects with `KeyError`, `DependencyError` or the disk's error.
   */
  async open(): Promise<{ tenants: TenantCounts; outstanding: readonly Chunk[] }> {
    const { dir, disk, cipher, log } = this.#options
    await disk.makeDir(dir)
    const found = await recover({ dir, disk, cipher, log, aside: this.#aside, acks: this.#acks })
    this.#segments = found.segments
    const cursorAt = found.cursor ? positionOf(found.cursor.segmentNo, found.cursor.number) : 0
    for (const position of found.done) if (position >= cursorAt) this.#done.add(position)
    for (const [position, divided] of found.divided) if (position >= cursorAt) this.#divided.set(position, divided)
    for (const chunk of found.outstanding) {
      this.#outstanding.set(positionOf(chunk.segment.no, chunk.number), chunk)
      addAmount(this.queued, amountOf(chunk), 1)
    }
    for (const segment of found.segments) addAmount(this.queued, segment.untaken, 1)
    this.#cursor = found.cursor
    this.#at = this.#enter(found.cursor?.segmentNo ?? 0)
    this.#headMs = found.oldestMs
    if (found.corruptBytes > 0) this.#corrupt(0, found.corruptBytes)
    this.#writer = new Writer({
      disk,
      dir,
      cipher,
      pool: this.#memory.pool,
      firstSegmentNo: found.nextSegmentNo,
      onSegment: (segment) => this.#segments.push(segment),
      onWritten: (written) => this.#written(written),
      onDisk: (code) => {
        if (code === undefined) return this.#health.works()
        this.#health.fails(code)
        // The segment that failed is closed now; the reader may pass it.
        this.#options.onReady()
      },
    })
    this.#acks.wantCheckpoint()
    return { tenants: [...found.tenants], outstanding: found.outstanding }
  }

  /** Copies the body at once; resolves when it is durable, rejects with the disk's error. `id`: see `ChunkMeta`. */
  append(body: Uint8Array, parcels: readonly ParcelMeta[], group: string, id?: string): Promise<void> {
    return this.#writer!.append(body, parcels, group, this.#options.clock.nowMs(), id)
  }

  /** What waits, with what is still being written. */
  get waiting(): Amount {
    const { batches, records, requests, bytes } = this.queued
    const pending = this.#writer?.pending ?? noAmount()
    return {
      batches: batches + pending.batches,
      records: records + pending.records,
      requests: requests + pending.requests,
      bytes: bytes + pending.bytes,
    }
  }

  /** Why the disk cannot be written, as its code, and when it is worth another try. Undefined: it can. */
  get diskFailing(): DiskFailure | undefined {
    return this.#health.failure
  }
  get corruptBytes(): number {
    return this.#corruptBytes
  }
  /** When the oldest chunk was queued, Unix milliseconds; undefined when nothing waits. */
  get oldestMs(): number | undefined {
    let oldest = this.#headMs
    for (const chunk of this.#outstanding.values()) {
      if (oldest === undefined || chunk.meta.at < oldest) oldest = chunk.meta.at
    }
    return oldest
  }

  /** Takes the next chunk, with its body; undefined: none now. Not for concurrent calls. Rejects when the disk cannot be read. */
  async next(): Promise<Chunk | undefined> {
    for (;;) {
      this.#at ??= this.#enter(this.#cursor?.segmentNo ?? 0)
      const at = this.#at
      if (!at) return undefined
      if (at.offset >= at.segment.bytes) {
        if (!at.segment.closed || !this.#leave(at.segment)) return undefined
        continue
      }
      const fresh = this.#memory.take(positionOf(at.segment.no, at.number), at.offset)
      const chunk = fresh ? this.#taken(fresh) : await this.#read(at)
      if (chunk) return chunk
    }
  }

  /** Makes sure that a taken chunk's body is in memory. False: it cannot be read any more; the chunk is out of the queue. */
  async load(chunk: Chunk): Promise<boolean> {
    if (chunk.body) return true
    const reading = this.#rereading.then(async () => {
      const read = await this.#rereader.frameAt(chunk.segment, chunk.offset).catch((error) => {
        if (diskErrorCode(error) !== 'ENOENT') throw error
        return { is: 'end' } as const
      })
      if (read.is === 'frame') {
        const again = chunkOf(chunk.segment, chunk.offset, read.header, read.plain)
        chunk.body = again.body
        this.#memory.add(chunk, read.plain)
        return true
      }
      if (read.is === 'damaged')
        await this.#aside.keep(this.#rereader, chunk.segment, chunk.offset, chunk.offset + chunk.bytes)
      this.#corrupt(chunk.records, chunk.bytes)
      this.done(chunk)
      return false
    })
    this.#rereading = reading.catch(() => undefined)
    return reading
  }

  /** Gives the body's memory back; `load` brings it again. */
  unload(chunk: Chunk): void {
    this.#memory.drop(chunk)
  }

  /** True: bodies of chunks that wait for another attempt should not stay in memory. */
  get memoryIsShort(): boolean {
    return this.#memory.isShort
  }

  /** A taken chunk is delivered (or moved elsewhere durably): it leaves the queue. */
  done(chunk: Chunk): void {
    if (!this.#outstanding.delete(positionOf(chunk.segment.no, chunk.number))) return
    this.unload(chunk)
    addAmount(this.queued, amountOf(chunk), -1)
    this.#acks.done(chunk)
    chunk.segment.outstanding--
    if (chunk.segment.outstanding === 0 && this.#isPast(chunk.segment)) void this.#remove(chunk.segment)
  }

  /** Remembers, durably, that a range of a chunk's records is sent in parts, cut at `cuts`. Rejects when the disk fails. */
  async split(chunk: Chunk, range: Range, cuts: readonly number[]): Promise<void> {
    await this.#acks.cut(chunk, cuts)
    chunk.parts = cutParts(chunk.parts ?? [range], range, cuts)
  }

  /** A part is delivered. The last one does not end the chunk: `done` does. */
  partDone(chunk: Chunk, range: Range): void {
    chunk.parts = chunk.parts?.filter((part) => part !== range)
    this.#acks.partDone(chunk, range)
  }

  /**
   * Writes a taken chunk anew at the end, under the same id, if its segment is kept for little else: batches that a
   * destination cannot digest would each hold a whole segment on the disk. Gives whether it did; then it is taken anew.
   */
  async moveOn(chunk: Chunk): Promise<boolean> {
    if (chunk.parts || !chunk.body || !this.#isPast(chunk.segment)) return false
    let diskBytes = 0
    for (const segment of this.#segments) diskBytes += segment.bytes
    if (diskBytes < 2 * this.queued.bytes + 4 * limits.segmentBytes) return false
    await this.#writer!.append(chunk.body, chunk.meta.parcels, chunk.meta.group, chunk.meta.at, chunk.id)
    this.done(chunk)
    return true
  }

  /** Nothing is appended or taken any more; what is not done stays on disk. */
  async close(): Promise<void> {
    this.#health.close()
    await this.#writer?.close()
    await this.#acks.close()
    await this.#rereading
    await this.#reader.close()
    await this.#rereader.close()
  }

  #written(written: readonly Written[]): void {
    for (const one of written) {
      const amount = { batches: 1, records: one.records, requests: one.meta.parcels.length, bytes: one.bytes }
      if (this.queued.batches === 0) this.#headMs = one.meta.at
      const backlog = one.segment.untaken.bytes
      addAmount(this.queued, amount, 1)
      addAmount(one.segment.untaken, amount, 1)
      const isBehind = this.#at !== undefined && this.#at.segment.no + 1 < one.segment.no
      this.#memory.keep(one, isBehind || backlog > limits.queueMemoryBytesMax)
    }
    this.#options.onReady()
  }

  /** Reads the frame at the cursor and moves it. Undefined: that frame was none to deliver. */
  async #read(at: { segment: Segment; offset: number; number: number }): Promise<Chunk | undefined> {
    const { segment, offset } = at
    const read = await this.#reader.frameAt(segment, offset).catch((error) => this.#unreadable(segment, error))
    if (read.is === 'end') {
      at.offset = segment.bytes
      return undefined
    }
    this.#readFailures = 0
    if (read.is === 'damaged') {
      this.#options.log.error('queue.chunk_unreadable', { segment: segment.no, offset, bytes: read.next - offset })
      await this.#aside.keep(this.#reader, segment, offset, read.next)
      this.#corrupt(0, read.next - offset)
      at.offset = read.next
      at.number++
      return undefined
    }
    const position = positionOf(segment.no, read.header.number)
    if (read.header.kind !== frameKind.chunk || this.#done.delete(position)) {
      at.offset = read.next
      at.number = read.header.number + 1
      return undefined
    }
    this.#memory.forget(position)
    const chunk = chunkOf(segment, offset, read.header, read.plain)
    chunk.parts = partsOf(chunk, this.#divided.get(position))
    this.#divided.delete(position)
    this.#memory.add(chunk, read.plain)
    return this.#taken(chunk)
  }

  /** Moves the reader behind a chunk. At once: a checkpoint in between would take the chunk for done. */
  #taken(chunk: Chunk): Chunk {
    const { segment, number, offset, bytes } = chunk
    this.#at = { segment, offset: offset + bytes, number: number + 1 }
    addAmount(segment.untaken, amountOf(chunk), -1)
    segment.outstanding++
    this.#headMs = undefined
    this.#outstanding.set(positionOf(segment.no, number), chunk)
    return chunk
  }

  /** The disk refuses to read. Passed on, to be tried again, until the segment is given up. */
  async #unreadable(segment: Segment, error: unknown): Promise<{ is: 'end' }> {
    const code = diskErrorCode(error)
    await this.#reader.close()
    if (code !== 'ENOENT' && ++this.#readFailures < limits.readTriesMax) throw error
    this.#readFailures = 0
    this.#options.log.error('queue.segment_unreadable', { segment: segment.no, code })
    this.#corrupt(0, segment.untaken.bytes)
    return { is: 'end' }
  }

  /** The first place to read in the first segment with that number or a higher one. */
  #enter(no: number): { segment: Segment; offset: number; number: number } | undefined {
    const segment = this.#segments.find((one) => one.no >= no)
    const again = segment?.no === this.#cursor?.segmentNo ? this.#cursor : undefined
    return segment && { segment, offset: again?.offset ?? segmentHeaderBytes, number: again?.number ?? 0 }
  }

  /** The reader has come to the end of a closed segment. False: there is no other yet. */
  #leave(segment: Segment): boolean {
    const lost = segment.untaken
    if (lost.batches > 0) {
      // Its totals promised more than could be read.
      addAmount(this.queued, lost, -1)
      this.#options.onCorrupt(lost.records, 0)
      Object.assign(lost, noAmount())
    }
    if (segment.outstanding === 0 && this.#segments.includes(segment)) void this.#remove(segment)
    const next = this.#enter(segment.no + 1)
    if (!next) return false
    this.#at = next
    this.#acks.wantCheckpoint()
    return true
  }

  /** The reader is done with it. */
  #isPast(segment: Segment): boolean {
    const at = this.#at
    if (!segment.closed) return false
    if (!at) return segment.no < (this.#cursor?.segmentNo ?? 0)
    return at.segment.no > segment.no || (at.segment === segment && at.offset >= segment.bytes)
  }

  async #remove(segment: Segment): Promise<void> {
    const i = this.#segments.indexOf(segment)
    if (i >= 0) this.#segments.splice(i, 1)
    try {
      await this.#options.disk.remove(segment.path)
    } catch (error) {
      const code = diskErrorCode(error)
      if (code !== 'ENOENT') this.#options.log.warn('queue.segment_not_removed', { segment: segment.no, code })
    }
    // An open file keeps its space.
    await this.#reader.forget(segment)
    await this.#rereading.then(() => this.#rereader.forget(segment))
  }

  #corrupt(records: number, bytes: number): void {
    this.#corruptBytes += bytes
    this.#options.onCorrupt(records, bytes)
  }

  *#outstandingState(): AckState['outstanding'] {
    for (const chunk of this.#outstanding.values()) {
      yield { place: chunk, divided: chunk.parts && dividedOf(chunk.records, chunk.parts) }
    }
  }

  *#ahead(): AckState['ahead'] {
    const byNo = new Map(this.#segments.map((segment) => [segment.no, segment]))
    for (const position of [...this.#done, ...this.#divided.keys()]) {
      const segment = byNo.get(Math.floor(position / limits.segmentFramesMax))
      const place = segment && { segment, number: position % limits.segmentFramesMax }
      if (place) yield { place, divided: this.#divided.get(position) }
    }
  }

  #ackState(): AckState {
    const at = this.#at
    const cursor = at
      ? { segment: at.segment, number: at.number, offset: at.offset }
      : this.#cursor && {
          segment: { no: this.#cursor.segmentNo, id: Buffer.alloc(segmentIdBytes) },
          number: this.#cursor.number,
          offset: this.#cursor.offset,
        }
    return { cursor, outstanding: this.#outstandingState(), ahead: this.#ahead() }
  }
}

const amountOf = (chunk: Chunk): Amount => ({
  batches: 1,
  records: chunk.records,
  requests: chunk.meta.parcels.length,
  bytes: chunk.bytes,
})
