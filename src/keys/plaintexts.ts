/**
 * Where plaintexts wait to be sealed together: in the buffers that they were handed over in. When they are sealed, the
 * pieces that they lie in are copied to the program's memory at once, with what stands between them: a copy for each
 * value costs more than its cipher. Most messages have two such buffers, the request and what processors wrote.
 */
import { limits } from '../limits.ts'

/** There is no room for the value: those that wait are to be sealed first. */
export const NO_SOURCE = -0x80000000

/** A piece of somebody's buffer. */
interface Piece {
  bytes: Uint8Array | undefined
  from: number
  to: number
}

const none = (): Piece => ({ bytes: undefined, from: 0, to: 0 })

export class Plaintexts {
  readonly #first = none()
  readonly #second = none()
  /** What the program adds to a value's number to find it: one for each piece. */
  firstAt = 0
  secondAt = 0

  /** Takes bytes[from, to) in, which do not change until they are copied. Gives a number for the program, or `NO_SOURCE`. */
  take(bytes: Uint8Array, from: number, to: number): number {
    const isFirst = this.#first.bytes === bytes || this.#first.bytes === undefined
    const piece = isFirst ? this.#first : this.#second
    if (piece.bytes === undefined) {
      if (this.#bytes + to - from > limits.sealWaitingBytesMax) return NO_SOURCE
      piece.bytes = bytes
      piece.from = from
      piece.to = to
    } else {
      if (piece.bytes !== bytes) return NO_SOURCE
      const low = Math.min(piece.from, from)
      const high = Math.max(piece.to, to)
      if (this.#bytes - piece.to + piece.from + high - low > limits.sealWaitingBytesMax) return NO_SOURCE
      piece.from = low
      piece.to = high
    }
    return isFirst ? from : ~from
  }

  /** How long the pieces are. */
  get #bytes(): number {
    return this.#first.to - this.#first.from + this.#second.to - this.#second.from
  }

  /** Copies all to heap[at, …). Returns how many bytes that were. */
  copy(heap: Uint8Array, at: number): number {
    const length = copyPiece(this.#first, heap, at)
    this.firstAt = at - this.#first.from
    this.secondAt = at + length - this.#second.from
    return length + copyPiece(this.#second, heap, at + length)
  }

  /** Forgets the buffers. */
  clear(): void {
    for (const piece of [this.#first, this.#second]) {
      piece.bytes = undefined
      piece.from = 0
      piece.to = 0
    }
  }
}

function copyPiece({ bytes, from, to }: Piece, heap: Uint8Array, at: number): number {
  if (bytes !== undefined) heap.set(bytes.subarray(from, to), at)
  return to - from
}
