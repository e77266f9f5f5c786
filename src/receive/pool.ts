/**
 * Buffers for bodies, used again and again, and the bound on their sum.
 *
 * A fresh 1 MB buffer per request costs a third of everything (page faults, garbage collection), so buffers come in
 * power-of-two sizes and go back when the answer is known. What is lent out is counted: when `bytesMax` would be
 * passed, nobody gets a buffer and the client is told to come back. A returned buffer still holds the last body; only
 * bytes written since are ever handed on.
 */
import { limits } from '../limits.ts'

export class BodyPool {
  readonly bytesMax: number
  /** Bytes lent out now. */
  inflightBytes = 0
  readonly #free = new Map<number, Buffer[]>()
  #freeBytes = 0

  constructor(bytesMax: number = limits.inflightBodyBytesMax) {
    this.bytesMax = bytesMax
  }

  /** A buffer of at least `bytes`, its content unspecified; undefined when memory is used up. */
  take(bytes: number): Buffer | undefined {
    let size: number = limits.bodyBufferBytesMin
    while (size < bytes) size *= 2
    if (!this.charge(size)) return undefined
    const buffer = this.#free.get(size)?.pop()
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size)
    this.#freeBytes -= size
    return buffer
  }

  /** Gives a buffer of `take` back. The caller keeps no view of it. */
  give(buffer: Buffer): void {
    const size = buffer.length
    this.discharge(size)
    if (this.#freeBytes + size > limits.pooledBodyBytesMax) return
    this.#freeBytes += size
    const list = this.#free.get(size)
    if (list) list.push(buffer)
    else this.#free.set(size, [buffer])
  }

  /** Counts bytes that live elsewhere (a chunk that is a whole body, wire bytes made from JSON). False: too many. */
  charge(bytes: number): boolean {
    if (this.inflightBytes + bytes > this.bytesMax) return false
    this.inflightBytes += bytes
    return true
  }

  discharge(bytes: number): void {
    this.inflightBytes -= bytes
  }
}
