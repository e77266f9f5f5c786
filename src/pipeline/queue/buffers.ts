/**
 * Buffers that are used again. A fresh megabyte per batch costs page faults and garbage collection: a third of the
 * whole hot path. Larger buffers than `batchBytesMax` are rare and not kept.
 */
import { limits } from '../../limits.ts'

class BufferPool {
  readonly #free: Buffer[] = []

  /** A buffer of at least `bytes`; its content is undefined. */
  take(bytes: number): Buffer {
    if (bytes > limits.batchBytesMax) return Buffer.allocUnsafeSlow(bytes)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(limits.batchBytesMax)
  }

  /** Hands a whole buffer back. Nobody may read it after that. */
  give(buffer: Buffer): void {
    if (buffer.length === limits.batchBytesMax && this.#free.length < limits.pooledBuffersMax) this.#free.push(buffer)
  }
}

/** One pool for all queues: which of them needs buffers changes by the second. */
export const bufferPool = new BufferPool()
