/**
 * One body as it comes in, chunk by chunk, in one pooled buffer.
 *
 * A declared length earns a small first buffer only; the buffer grows with the bytes that really come, so that a
 * client that declares 64 MiB and sends none holds no memory. A body that is one chunk is used where it lies.
 */
import { limits } from '../limits.ts'
import type { BodyMemory, NoMemory } from './pool.ts'

export type Appended = 'kept' | 'too_large' | NoMemory

export class Body {
  /** Bytes so far. */
  length = 0
  readonly #memory: BodyMemory
  readonly #bytesMax: number
  /** The declared length, or 0. */
  readonly #declared: number
  #buffer: Buffer | undefined
  /** `#buffer` is not the pool's: only its size is charged. */
  #borrowed = false

  constructor(memory: BodyMemory, bytesMax: number, declared: number) {
    this.#memory = memory
    this.#bytesMax = bytesMax
    this.#declared = declared
  }

  append(chunk: Buffer): Appended {
    const length = this.length + chunk.length
    if (length > this.#bytesMax) return 'too_large'
    if (chunk.length === 0) return 'kept'
    if (this.length === 0 && chunk.length === this.#declared) return this.#borrow(chunk)
    if (this.#buffer === undefined || length > this.#buffer.length) {
      const none = this.#grow(length)
      if (none !== undefined) return none
    }
    chunk.copy(this.#buffer!, this.length)
    this.length = length
    return 'kept'
  }

  /** The bytes so far. Valid until `release`. */
  bytes(): Buffer {
    if (this.#buffer === undefined) return Buffer.alloc(0)
    return this.#buffer.length === this.length ? this.#buffer : this.#buffer.subarray(0, this.length)
  }

  /** Gives the memory back; may be called again. */
  release(): void {
    const buffer = this.#buffer
    if (buffer === undefined) return
    this.#buffer = undefined
    if (this.#borrowed) this.#memory.discharge(buffer.length)
    else this.#memory.give(buffer)
  }

  #borrow(chunk: Buffer): Appended {
    const none = this.#memory.charge(chunk.length)
    if (none !== undefined) return none
    this.#buffer = chunk
    this.#borrowed = true
    this.length = chunk.length
    return 'kept'
  }

  #grow(length: number): NoMemory | undefined {
    const first = Math.min(this.#declared, limits.bodyBufferFirstBytesMax)
    const doubled = this.#buffer === undefined ? first : this.#buffer.length * 2
    const larger = this.#memory.take(Math.max(length, Math.min(doubled, this.#bytesMax)))
    if (!Buffer.isBuffer(larger)) return larger
    if (this.#buffer !== undefined) {
      this.#buffer.copy(larger, 0, 0, this.length)
      this.release()
    }
    this.#borrowed = false
    this.#buffer = larger
    return undefined
  }
}
