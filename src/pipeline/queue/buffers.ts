/**
 * Buffers that are used again. A fresh megabyte per batch costs page faults and garbage collection: a third of the
 * whole hot path. Larger buffers than `batchBytesMax` are rare and not kept.
 *
 * Each destination has a pool of its own, and so have those that share chunks; this is a rule, not a habit: a destination that answers before it has
 * read the whole body still has the buffer on its way to it. What is written into that buffer next may reach it, so
 * it must be nothing that was not meant for it too.
 */
import { limits } from '../../limits.ts'

export class BufferPool {
  readonly #free: Buffer[] = []
  readonly #holders = new WeakMap<Buffer, number>()

  /** A buffer of at least `bytes`; its content is undefined. */
  take(bytes: number): Buffer {
    if (bytes > limits.batchBytesMax) return Buffer.allocUnsafeSlow(bytes)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(limits.batchBytesMax)
  }

  /** So many will hand this buffer back: the last one does. */
  share(buffer: Buffer, holders: number): void {
    if (holders > 1) this.#holders.set(buffer, holders)
  }

  /** Hands a whole buffer back. Nobody may read it after that. */
  give(buffer: Buffer): void {
    const holders = this.#holders.get(buffer) ?? 1
    if (holders > 1) {
      this.#holders.set(buffer, holders - 1)
      return
    }
    this.#holders.delete(buffer)
    if (buffer.length === limits.batchBytesMax && this.#free.length < limits.pooledBuffersMax) this.#free.push(buffer)
  }
}

/**
 * Frees the memory of buffers that nobody reads any more, now and not at the next garbage collection: megabytes of
 * short-lived ciphertext would else make the collector run ten times a second. Buffers on shared memory are left alone.
 */
export function freeAtOnce(buffers: readonly Uint8Array[]): void {
  for (const { buffer, byteLength } of buffers) {
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength >= freedBytesMin)
      buffer.transfer(0)
  }
}
/** Below it the garbage collector is cheaper. */
const freedBytesMin = 4096
