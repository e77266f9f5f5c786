/**
 * Buffers for bodies, used again and again, the bound on their sum, and what one sender may have of it.
 *
 * A fresh 1 MB buffer per request costs a third of everything (page faults, garbage collection), so buffers come in
 * power-of-two sizes (large ones in whole MiB) and go back when the answer is known. What is lent out is counted: when
 * `bytesMax` would be passed, nobody gets a buffer and the client is told to come back. A returned buffer still holds
 * the last body; only bytes written since are ever handed on.
 *
 * Whose records they are is not known before a body has been read; who sends it is. The more memory is used, the less
 * each sender may have: always some is left for whoever comes next, however many large and slow bodies one sends.
 * A sender's only request may take more, so that the largest body gets through, but never all.
 */
import { limits } from '../limits.ts'

/** Why there is none: others use it, or the sender has its part already. */
export type NoMemory = 'no_memory' | 'no_share'

/** What a body's bytes are counted in. */
export interface BodyMemory {
  /** A buffer of at least `bytes`, its content unspecified. */
  take(bytes: number): Buffer | NoMemory
  /** Gives a buffer of `take` back. The caller keeps no view of it. */
  give(buffer: Buffer): void
  /** Counts bytes that live elsewhere (a chunk that is a whole body). Undefined: they are. */
  charge(bytes: number): NoMemory | undefined
  discharge(bytes: number): void
}

/** What a sender has now. */
interface Had {
  bytes: number
  /** Buffers and chunks. */
  count: number
}

export class BodyPool {
  readonly bytesMax: number
  /** Bytes lent out now. */
  inflightBytes = 0
  /** Of those that have something. */
  readonly #had = new Map<string, Had>()
  readonly #free = new Map<number, Buffer[]>()
  #freeBytes = 0

  constructor(bytesMax: number = limits.inflightBodyBytesMax) {
    this.bytesMax = bytesMax
  }

  /** The memory of one sender: a credential, or an address. */
  of(sender: string): BodyMemory {
    return {
      take: (bytes) => {
        const size = bufferSize(bytes)
        return this.#charge(sender, size) ?? this.#lend(size)
      },
      give: (buffer) => {
        this.#discharge(sender, buffer.length)
        this.#takeBack(buffer)
      },
      charge: (bytes) => this.#charge(sender, bytes),
      discharge: (bytes) => this.#discharge(sender, bytes),
    }
  }

  #charge(sender: string, bytes: number): NoMemory | undefined {
    const had = this.#had.get(sender) ?? { bytes: 0, count: 0 }
    const free = this.bytesMax - this.inflightBytes - bytes
    if (free < 0) return had.bytes + bytes > this.bytesMax * limits.senderBodyShare ? 'no_share' : 'no_memory'
    const isOnlyOne = had.count < oneRequestCount && free >= this.bytesMax * reservedShare
    if (!isOnlyOne && had.bytes + bytes > free * timesTheFree) return had.count === 0 ? 'no_memory' : 'no_share'
    if (had.count++ === 0) this.#had.set(sender, had)
    had.bytes += bytes
    this.inflightBytes += bytes
    return undefined
  }
  #discharge(sender: string, bytes: number): void {
    const had = this.#had.get(sender)!
    had.bytes -= bytes
    this.inflightBytes -= bytes
    if (--had.count === 0) this.#had.delete(sender)
  }

  #lend(size: number): Buffer {
    const buffer = this.#free.get(size)?.pop()
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size)
    this.#freeBytes -= size
    return buffer
  }
  #takeBack(buffer: Buffer): void {
    const size = buffer.length
    if (this.#freeBytes + size > limits.pooledBodyBytesMax) return
    this.#freeBytes += size
    const list = this.#free.get(size)
    if (list) list.push(buffer)
    else this.#free.set(size, [buffer])
  }
}

/** What one request has at most at a time: what came, what it is inflated to, and that while it grows. */
const oneRequestCount = 3
const reservedShare = 1 / 8
/** A sender alone has its share when it has so many times what is left. */
const timesTheFree = limits.senderBodyShare / (1 - limits.senderBodyShare)
const wholeMiB = 1024 * 1024
const largeBytes = 16 * wholeMiB

function bufferSize(bytes: number): number {
  if (bytes > largeBytes) return Math.ceil(bytes / wholeMiB) * wholeMiB
  let size: number = limits.bodyBufferBytesMin
  while (size < bytes) size *= 2
  return size
}
