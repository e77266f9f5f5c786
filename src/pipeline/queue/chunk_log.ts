/**
 * A durable queue: chunks go in at one end, are taken in order at the other as batches, and are done in any order.
 *
 * In memory are the segments (a few hundred bytes each), the chunks that were taken and are not done (bounded by who
 * takes them), and just written bodies up to a bound; all else is on disk. A segment's file is removed when all of it
 * is done. What is written how: frame.ts; what is remembered about deliveries: acks.ts; starting again: recover.ts;
 * which chunks are one batch: batches.ts, gather.ts.
 *
 * The queue never forgets a chunk that it could read: `append` resolves when the chunk is durable, and only `done`
 * takes it out. Its writer may write into other queues too (shared.ts).
 */
import { limits } from '../../limits.ts'
import type { TenantCounts } from '../parcel.ts'
import { AckFile, type AckState } from './acks.ts'
import { Aside } from './aside.ts'
import { BufferPool } from './buffers.ts'
import { amountOf, type Chunk, chunkOf, leaderOf, metaFor } from './chunk.ts'
import type { ChunkLogOptions } from './chunk_log_options.ts'
import { diskErrorCode } from './disk.ts'
import { type DiskFailure, DiskHealth } from './disk_health.ts'
import { frameKind } from './frame.ts'
import { aloneOf, Gatherer } from './gather.ts'
import { Inventories } from './inventory.ts'
import { BodyMemory, MemoryBudget } from './memory.ts'
import { Missing } from './missing.ts'
import { cutParts, type Range } from './parts.ts'
import { Progress } from './progress.ts'
import { recover } from './recover.ts'
import { Rereader } from './reread.ts'
import { type Amount, addAmount, FrameReader, noAmount, positionOf, removeSegment, type Segment } from './segment.ts'
import { Spares } from './spares.ts'
import { type Place, Walk } from './walk.ts'
import { Writer } from './writer.ts'
import type { Entry, WriterEnd, Written } from './writer_options.ts'

export class ChunkLog {
  readonly #options: ChunkLogOptions
  readonly #files: Parameters<typeof recover>[0]
  readonly #acks: AckFile
  readonly #reader: FrameReader
  readonly #rereader: Rereader
  #writer: Writer | undefined
  readonly #walk = new Walk()
  readonly #progress = new Progress()
  readonly #gatherer: Gatherer
  /** Every chunk that was taken and is not done; pieces of batches by themselves. */
  readonly #outstanding = new Map<number, Chunk>()
  readonly #pool: BufferPool
  readonly #memory: BodyMemory
  readonly #missing: Missing
  /** That were found unreadable since the start. */
  corruptBytes = 0
  /** In a row, at one place. */
  #readFailures = 0
  readonly #health: DiskHealth
  /** When the next chunk to take was queued, while none was taken yet. */
  #headMs: number | undefined
  /** The number of the next segment, as far as this queue knows. */
  nextSegmentNo = 1
  /** All that is not done, without what is still being written. */
  readonly queued: Amount = noAmount()

  constructor(options: ChunkLogOptions) {
    this.#options = options
    const { disk, dir, log, clock, name = '', pool = new BufferPool(), budget = new MemoryBudget() } = options
    this.#pool = pool
    this.#memory = new BodyMemory(pool, budget)
    const inventories = new Inventories({ ...options, name })
    this.#missing = new Missing(inventories, this.#progress)
    this.#health = new DiskHealth(clock, log, () => void this.#writer?.probe())
    this.#acks = new AckFile({ disk, dir, log, state: () => this.#ackState() })
    const [aside, spares] = [new Aside(disk, dir, log), new Spares(disk)]
    this.#files = { ...options, name, aside, acks: this.#acks, inventories, spares }
    this.#gatherer = new Gatherer(options)
    this.#reader = new FrameReader(disk)
    this.#rereader = new Rereader({
      ...this.#files,
      memory: this.#memory,
      onLost: (chunk, records, tenants) => {
        this.#corrupt(records, chunk.bytes, tenants)
        this.done(aloneOf(chunk))
      },
    })
  }

  /** Takes over what an earlier run left; gives its records per tenant. Rejects with what `recover` throws. */
  async open(): Promise<{ tenants: TenantCounts }> {
    const { dir, disk, onHeld } = this.#options
    await disk.makeDir(dir)
    const found = await recover(this.#files)
    this.#walk.begin(found.segments, found.cursor)
    this.#progress.begin(found)
    for (const [i, chunk] of found.outstanding.entries()) {
      this.#outstanding.set(positionOf(chunk.segment.no, chunk.number), chunk)
      addAmount(this.queued, amountOf(chunk), 1)
      this.#gatherer.add(chunk)
      // In the segment of the cursor more pieces may follow.
      const next = found.outstanding[i + 1]?.segment.no ?? found.cursor?.segmentNo
      if (next !== chunk.segment.no) this.#gatherer.end()
    }
    for (const segment of found.segments) addAmount(this.queued, segment.untaken, 1)
    this.#enter()
    this.#headMs = found.oldestMs
    this.nextSegmentNo = found.nextSegmentNo
    for (const [owner, bytes] of found.owners) onHeld?.(owner, bytes)
    const { lostRecords, corruptBytes, lost } = found
    if (corruptBytes > 0 || lostRecords > 0) this.#corrupt(lostRecords, corruptBytes, [...lost])
    this.#acks.wantCheckpoint()
    return { tenants: [...found.tenants] }
  }

  /** The queue gets a writer, of its own or shared, before anything is appended. */
  writeWith(writer: Writer): void {
    this.#writer = writer
  }

  get isWritten(): boolean {
    return this.#writer !== undefined && !this.#writer.isClosed
  }

  /** A writer that writes into this queue alone. */
  ownWriter(): Writer {
    const { disk, cipher, merges = true } = this.#options
    const [spares, firstSegmentNo] = [this.#files.spares.forOne(), this.nextSegmentNo]
    return new Writer({ disk, cipher, pool: this.#pool, firstSegmentNo, ends: [this.end], spares, merges })
  }

  /** What a writer needs to know of it. */
  get end(): WriterEnd {
    return {
      reader: this.#files.name,
      dir: this.#options.dir,
      onSegment: (segment) => {
        this.#walk.segments.push(segment)
        this.nextSegmentNo = segment.no + 1
      },
      onClosed: (segment, inventory) => void this.#files.inventories.write(segment, inventory),
      onWritten: (written) => this.#written(written),
      onDisk: (code) => {
        if (code === undefined) return this.#health.works()
        this.#health.fails(code)
        // The segment that failed is closed now; the reader may pass it.
        this.#options.onReady()
      },
    }
  }

  /** Copies the body at once; resolves when it is durable, rejects with the disk's error. */
  append(entry: Omit<Entry, 'at'> & { readonly at?: number }): Promise<void> {
    return this.#writer!.append({ at: this.#options.clock.nowMs(), ...entry })
  }

  /** What waits, with what is still being written. */
  get waiting(): Amount {
    const waiting = { ...this.queued }
    if (this.#writer) addAmount(waiting, this.#writer.pending, 1)
    return waiting
  }

  /** Why the disk cannot be written, as its code, and when it is worth another try. Undefined: it can. */
  get diskFailing(): DiskFailure | undefined {
    return this.#health.failure
  }
  /** When the oldest chunk was queued, Unix milliseconds; undefined when nothing waits. */
  get oldestMs(): number | undefined {
    let oldest = this.#headMs
    for (const chunk of this.#outstanding.values()) {
      if (oldest === undefined || chunk.meta.at < oldest) oldest = chunk.meta.at
    }
    return oldest
  }

  /** False: `next` would give nothing. */
  get mayHaveMore(): boolean {
    if (this.#gatherer.isWaiting || this.#gatherer.isHolding) return true
    return this.#walk.mayHaveMore
  }

  /**
   * Takes the next batch, with its body where it is in memory (else `load`); undefined: none now. Not for concurrent
   * calls. Rejects when the disk cannot be read.
   */
  async next(): Promise<Chunk | undefined> {
    for (;;) {
      const ready = this.#gatherer.shift()
      if (ready) return this.#batch(ready)
      if (!this.#walk.at) this.#enter()
      const { at } = this.#walk
      if (!at) {
        this.#gatherer.end()
        if (!this.#gatherer.isWaiting) return undefined
      } else if (at.offset >= at.segment.bytes) {
        if (this.#gatherer.isHolding) {
          if (!this.#pause(at)) return undefined
        } else if (!at.segment.closed || !(await this.#leave(at.segment))) return undefined
      } else {
        const fresh = this.#memory.take(positionOf(at.segment.no, at.number), at.offset)
        const chunk = fresh ? this.#taken(fresh) : await this.#read(at)
        if (chunk) this.#gatherer.add(chunk)
      }
    }
  }

  /** Makes sure that a taken batch's body is in memory. False: it cannot be read any more; what is left of it is taken anew. */
  async load(chunk: Chunk): Promise<boolean> {
    if (chunk.body) return true
    const left = await this.#rereader.load(chunk)
    if (left === true) return true
    this.#progress.uncut(chunk)
    for (const piece of left.map(aloneOf)) piece.parts?.length === 0 ? this.done(piece) : this.#gatherer.push(piece)
    this.#options.onReady()
    return false
  }

  /** Gives the body's memory back; `load` brings it again. */
  unload(chunk: Chunk): void {
    this.#memory.drop(chunk)
  }

  /** A taken batch is delivered (or moved elsewhere durably): it leaves the queue. */
  done(chunk: Chunk): void {
    this.#progress.uncut(chunk)
    this.unload(chunk)
    const leaving = (chunk.pieces ?? [chunk]).filter((piece) => this.#leaves(piece))
    if (leaving.length === 0) return
    if (chunk.isAlone) this.#acks.pieceDone(chunk)
    else this.#acks.done(chunk)
    if (chunk.segment.outstanding === 0 && this.#walk.isPast(chunk.segment)) void this.#remove(chunk.segment)
  }

  /** Remembers, durably, that a range of records is sent in parts, cut at `cuts`. Rejects when the disk fails. */
  async split(chunk: Chunk, range: Range, cuts: readonly number[]): Promise<void> {
    await this.#acks.cut(chunk, cuts)
    chunk.parts = cutParts(chunk.parts ?? [range], range, cuts)
    this.#progress.cut(chunk)
  }

  /** A part is delivered. The last one does not end the chunk: `done` does. */
  partDone(chunk: Chunk, range: Range): void {
    chunk.parts = chunk.parts?.filter((part) => part !== range)
    this.#acks.partDone(chunk, range)
  }

  /** The chunk's segment, like others, is kept on the disk for little else. */
  isKeptForLittle(chunk: Chunk): boolean {
    const isLittle = this.#walk.diskBytes >= 2 * this.queued.bytes + 4 * limits.segmentBytes
    return isLittle && this.#walk.isPast(chunk.segment)
  }

  /** Nothing is appended or taken any more; what is not done stays on disk. */
  async close(): Promise<void> {
    this.#health.close()
    this.#gatherer.close()
    await this.#writer?.close()
    await this.#acks.close()
    await Promise.all([this.#reader.close(), this.#rereader.close(), this.#files.spares.close()])
    await this.#files.inventories.close()
  }

  #written(written: readonly Written[]): void {
    for (const one of written) {
      const { records, bytes, segment, meta } = one
      const amount = { batches: 1, records, requests: meta.parcels.length, bytes }
      if (this.queued.batches === 0) this.#headMs = meta.at
      const backlog = segment.untaken.bytes
      addAmount(this.queued, amount, 1)
      addAmount(segment.untaken, amount, 1)
      this.#options.onHeld?.(meta.owner ?? '', bytes)
      const isBehind = this.#walk.at !== undefined && this.#walk.at.segment.no + 1 < segment.no
      const seen = { ...one, meta: metaFor(meta, this.#files.name) }
      this.#memory.keep(seen, isBehind || backlog > limits.queueMemoryBytesMax)
    }
    this.#options.onReady()
  }

  /** A batch as it is handed out: joined, and with what is left of it. */
  #batch(chunk: Chunk): Chunk {
    this.#progress.divide(chunk)
    if (chunk.pieces?.every(({ body }) => body !== undefined)) this.#memory.join(chunk, chunk.pieces)
    return chunk
  }

  /** Nothing more can be read now, and batches are held that more might be added to. False: for now they are. */
  #pause(at: Place): boolean {
    if (at.segment.closed) {
      this.#gatherer.end()
      return true
    }
    return this.#gatherer.pause(at.number, (leader) => this.#writer!.closeBatch(at.segment.id, leader) ?? 0)
  }

  /** Reads the frame at the cursor and moves it. Undefined: that frame was none to deliver. */
  async #read(at: Place): Promise<Chunk | undefined> {
    const { segment, offset } = at
    const read = await this.#reader.frameAt(segment, offset).catch((error) => this.#unreadable(segment, error))
    if (read.is === 'end') {
      at.offset = segment.bytes
      return undefined
    }
    this.#readFailures = 0
    if (read.is === 'damaged') {
      this.#options.log.error('queue.chunk_unreadable', { segment: segment.no, offset, bytes: read.next - offset })
      await this.#files.aside.keep(this.#reader, segment, offset, read.next)
      this.#corrupt(0, read.next - offset, [])
      at.offset = read.next
      at.number++
      return undefined
    }
    const position = positionOf(segment.no, read.header.number)
    const chunk =
      read.header.kind === frameKind.chunk
        ? chunkOf(segment, offset, read.header, read.plain, this.#files.name)
        : undefined
    if (!chunk || this.#progress.isDone(segment.no, chunk.number, leaderOf(chunk))) {
      at.offset = read.next
      at.number = read.header.number + 1
      return undefined
    }
    this.#memory.forget(position)
    this.#memory.add(chunk, read.plain)
    return this.#taken(chunk)
  }

  /** Moves the reader behind a chunk. At once: a checkpoint in between would take the chunk for done. */
  #taken(chunk: Chunk): Chunk {
    const { segment, number, offset, bytes } = chunk
    this.#walk.at = { segment, offset: offset + bytes, number: number + 1 }
    addAmount(segment.untaken, amountOf(chunk), -1)
    this.#missing.passed(chunk)
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
    this.#corrupt(0, segment.untaken.bytes, [])
    return { is: 'end' }
  }

  /** The reader begins the first segment with that number or a higher one. False: there is none yet. */
  #enter(no?: number): boolean {
    const place = this.#walk.find(no)
    if (!place) return false
    this.#walk.at = place
    this.#missing.enter(place.number)
    return true
  }

  /** The reader has come to the end of a closed segment. False: there is no other yet. */
  async #leave(segment: Segment): Promise<boolean> {
    const lost = { ...segment.untaken }
    if (lost.batches > 0) {
      // Its totals promised more than could be read.
      Object.assign(segment.untaken, noAmount())
      addAmount(this.queued, lost, -1)
      const missing = await this.#missing.find(segment)
      for (const [owner, bytes] of missing?.owners ?? []) this.#options.onHeld?.(owner, -bytes)
      this.#corrupt(lost.records, 0, missing?.tenants ?? [])
    }
    this.#progress.forgetBefore(segment.no + 1)
    if (segment.outstanding === 0 && this.#walk.segments.includes(segment)) void this.#remove(segment)
    if (!this.#enter(segment.no + 1)) return false
    this.#acks.wantCheckpoint()
    return true
  }

  async #remove(segment: Segment): Promise<void> {
    this.#walk.forget(segment)
    // An open file keeps its space, and may become another segment's.
    await Promise.all([this.#reader.forget(segment), this.#rereader.forget(segment)])
    await removeSegment(this.#files, segment)
  }

  #corrupt(records: number, bytes: number, tenants: TenantCounts): void {
    this.corruptBytes += bytes
    this.#options.onCorrupt(records, bytes, tenants)
  }

  /** One chunk leaves the queue. False: it had left before. */
  #leaves(piece: Chunk): boolean {
    if (!this.#outstanding.delete(positionOf(piece.segment.no, piece.number))) return false
    this.unload(piece)
    addAmount(this.queued, amountOf(piece), -1)
    this.#options.onHeld?.(piece.meta.owner ?? '', -piece.bytes)
    piece.segment.outstanding--
    return true
  }

  #ackState(): AckState {
    const { cursor, segments } = this.#walk
    return { cursor, outstanding: this.#outstanding.values(), known: this.#progress.known(segments) }
  }
}
