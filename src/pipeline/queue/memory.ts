/**
 * The bodies of one queue that are in memory: just written ones that wait for their delivery, and those of chunks that
 * were taken. Bounded by `queueMemoryBytesMax`, whatever the length of the queue.
 */
import { limits } from '../../limits.ts'
import { BufferPool, freeAtOnce } from './buffers.ts'
import type { Chunk } from './chunk.ts'
import { derivedBatchId } from './frame.ts'
import { positionOf } from './segment.ts'
import type { Written } from './writer.ts'

export class BodyMemory {
  readonly pool = new BufferPool()
  readonly #fresh = new Map<number, Written>()
  #bytes = 0

  /** True: bodies that are not needed now should not stay. */
  get isShort(): boolean {
    return this.#bytes > limits.queueMemoryBytesMax / 2
  }

  /** Keeps a just written body if there is room and the reader will soon be there. `isFar`: it will not. */
  keep(one: Written, isFar: boolean): void {
    const isSmall = one.bodyBytes < one.buffer.length / 4
    const cost = isSmall ? one.bodyBytes : one.buffer.length
    if (isFar || this.#bytes + cost > limits.queueMemoryBytesMax) {
      this.pool.give(one.buffer)
      return
    }
    const kept = isSmall ? { ...one, buffer: Buffer.from(one.buffer.subarray(0, one.bodyBytes)) } : one
    if (isSmall) this.pool.give(one.buffer)
    this.#bytes += cost
    this.#fresh.set(positionOf(one.segment.no, one.number), kept)
  }

  /** A just written chunk that is still here. */
  take(position: number, offset: number): Chunk | undefined {
    const fresh = this.#fresh.get(position)
    if (fresh?.offset !== offset) return undefined
    this.#fresh.delete(position)
    const { segment, number, bytes, meta, records, buffer, bodyBytes } = fresh
    const id = meta.id ?? derivedBatchId(segment.id, number)
    const body = buffer.subarray(0, bodyBytes)
    const memoryBytes = buffer.length
    return { segment, number, offset, bytes, id, meta, records, body, memoryBytes, pooled: buffer, parts: undefined }
  }

  /** The reader read it from the disk instead. */
  forget(position: number): void {
    const fresh = this.#fresh.get(position)
    if (!fresh) return
    this.#fresh.delete(position)
    this.#bytes -= fresh.buffer.length
    this.pool.give(fresh.buffer)
  }

  /** A chunk's body was read: it moves into a buffer of the pool, so that its memory need not be collected. */
  add(chunk: Chunk, plain: Buffer): void {
    const body = chunk.body!
    if (plain.length >= movedBytesMin && body.length <= limits.batchBytesMax) {
      chunk.pooled = this.pool.take(body.length)
      body.copy(chunk.pooled)
      chunk.body = chunk.pooled.subarray(0, body.length)
      freeAtOnce([plain])
    }
    chunk.memoryBytes = chunk.pooled?.length ?? plain.length
    this.#bytes += chunk.memoryBytes
  }

  /** A chunk's body goes; nobody may read it any more. */
  drop(chunk: Chunk): void {
    if (!chunk.body) return
    this.#bytes -= chunk.memoryBytes
    if (chunk.pooled) this.pool.give(chunk.pooled)
    chunk.pooled = undefined
    chunk.body = undefined
  }
}

/** Smaller bodies do not deserve a whole buffer. */
const movedBytesMin = limits.batchBytesMax / 8
