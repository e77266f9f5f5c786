/**
 * The bodies of one queue that are in memory: just written ones that wait for their delivery, and those of chunks that
 * were taken. Bounded by `queueMemoryBytesMax` for all queues of a destination, whatever their length.
 */
import { limits } from '../../limits.ts'
import { type BufferPool, freeAtOnce } from './buffers.ts'
import type { Chunk } from './chunk.ts'
import { derivedBatchId } from './frame.ts'
import { positionOf } from './segment.ts'
import type { Written } from './writer_options.ts'

/** What the queues of one destination use together. */
export class MemoryBudget {
  bytes = 0
  /** True: bodies that are not needed now should not stay. */
  get isShort(): boolean {
    return this.bytes > limits.queueMemoryBytesMax / 2
  }
}

export class BodyMemory {
  readonly #pool: BufferPool
  readonly #budget: MemoryBudget
  readonly #fresh = new Map<number, Written>()

  /** `pool`: for bodies that are read from the disk. */
  constructor(pool: BufferPool, budget: MemoryBudget) {
    this.#pool = pool
    this.#budget = budget
  }

  /** Keeps a just written body if there is room and the reader will soon be there. `isFar`: it will not. */
  keep(one: Written, isFar: boolean): void {
    const isSmall = one.bodyBytes < one.buffer.length / 4
    const cost = isSmall ? one.bodyBytes : one.buffer.length
    if (isFar || this.#budget.bytes + cost > limits.queueMemoryBytesMax) {
      one.pool.give(one.buffer)
      return
    }
    const kept = isSmall ? { ...one, buffer: Buffer.from(one.buffer.subarray(0, one.bodyBytes)) } : one
    if (isSmall) one.pool.give(one.buffer)
    this.#budget.bytes += cost
    this.#fresh.set(positionOf(one.segment.no, one.number), kept)
  }

  /** A just written chunk that is still here. */
  take(position: number, offset: number): Chunk | undefined {
    const fresh = this.#fresh.get(position)
    if (fresh?.offset !== offset) return undefined
    this.#fresh.delete(position)
    const { segment, number, bytes, meta, records, buffer, bodyBytes, pool } = fresh
    const id = meta.id ?? derivedBatchId(segment.id, number)
    const body = buffer.subarray(0, bodyBytes)
    const memoryBytes = buffer.length
    const pooled = { buffer, pool }
    return { segment, number, offset, bytes, id, meta, records, body, memoryBytes, pooled, parts: undefined }
  }

  /** The reader read it from the disk instead. */
  forget(position: number): void {
    const fresh = this.#fresh.get(position)
    if (!fresh) return
    this.#fresh.delete(position)
    this.#budget.bytes -= fresh.buffer.length
    fresh.pool.give(fresh.buffer)
  }

  /** A chunk's body was read: it moves into a buffer of the pool, so that its memory need not be collected. */
  add(chunk: Chunk, plain: Buffer): void {
    const body = chunk.body!
    if (plain.length >= movedBytesMin && body.length <= limits.batchBytesMax) {
      this.#move(chunk, [body])
      freeAtOnce([plain])
    }
    chunk.memoryBytes = chunk.pooled?.buffer.length ?? plain.length
    this.#budget.bytes += chunk.memoryBytes
  }

  /** A batch gets the bodies of its pieces, one behind the other; theirs go. */
  join(batch: Chunk, pieces: readonly Chunk[]): void {
    let bytes = 0
    for (const { body } of pieces) bytes += body!.length
    const bodies = pieces.map(({ body }) => body!)
    if (bytes >= movedBytesMin && bytes <= limits.batchBytesMax) this.#move(batch, bodies)
    else batch.body = Buffer.concat(bodies)
    batch.memoryBytes = batch.pooled?.buffer.length ?? bytes
    this.#budget.bytes += batch.memoryBytes
    for (const piece of pieces) this.drop(piece)
  }

  #move(chunk: Chunk, bodies: readonly Buffer[]): void {
    const buffer = this.#pool.take(limits.batchBytesMax)
    let used = 0
    for (const body of bodies) used += body.copy(buffer, used)
    chunk.pooled = { buffer, pool: this.#pool }
    chunk.body = buffer.subarray(0, used)
  }

  /** A chunk's body goes; nobody may read it any more. */
  drop(chunk: Chunk): void {
    if (!chunk.body) return
    this.#budget.bytes -= chunk.memoryBytes
    chunk.pooled?.pool.give(chunk.pooled.buffer)
    chunk.pooled = undefined
    chunk.body = undefined
  }
}

/** Smaller bodies do not deserve a whole buffer. */
const movedBytesMin = limits.batchBytesMax / 8
