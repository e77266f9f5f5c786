/**
 * Writes a message from its end to its beginning, so that every length is known when it is written: one pass, no
 * table of sizes, shortest varints. Pieces of the body that follow each other are copied in one run.
 */
import { varintLength, writeVarint } from './wire.ts'

/** Below this a loop beats the call into the copy routine. */
const LOOP_BYTES = 64

export class Prepender {
  #out: Buffer
  #head: number
  #body: Buffer = Buffer.alloc(0)
  /** Bytes that are prepended, and not copied yet: what follows may stand right before them at their source. */
  #runSource: Buffer = this.#body
  #runFrom = 0
  #runTo = 0

  constructor(out: Buffer = Buffer.allocUnsafeSlow(64 * 1024)) {
    this.#out = out
    this.#head = out.length
  }

  /** Begins a new message with pieces of `body`. */
  begin(body: Buffer): void {
    this.#body = body
    this.#head = this.#out.length
    this.#runFrom = 0
    this.#runTo = 0
  }

  /** How many bytes stand so far. */
  get written(): number {
    return this.#out.length - this.#head + this.#runTo - this.#runFrom
  }

  /** The message: a view of this writer's buffer, valid until the next `begin`. */
  finish(): Buffer {
    this.#flush()
    return this.#out.subarray(this.#head)
  }

  /** Prepends body[from, to). */
  body(from: number, to: number): void {
    this.bytes(this.#body, from, to)
  }

  /** Prepends source[from, to). The source must not change before `finish`. */
  bytes(source: Buffer, from: number, to: number): void {
    if (from === to) return
    if (to === this.#runFrom && source === this.#runSource && this.#runTo !== this.#runFrom) {
      this.#runFrom = from
      return
    }
    this.#flush()
    this.#runSource = source
    this.#runFrom = from
    this.#runTo = to
  }

  /** Prepends a tag and the length of what was written since `mark`. */
  header(tag: number, mark: number): void {
    this.#flush()
    const length = this.written - mark
    const size = 1 + varintLength(length)
    this.#room(size)
    this.#head -= size
    this.#out[this.#head] = tag
    writeVarint(this.#out, this.#head + 1, length)
  }

  #flush(): void {
    const from = this.#runFrom
    const to = this.#runTo
    if (from === to) return
    this.#runFrom = 0
    this.#runTo = 0
    this.#copy(this.#runSource, from, to)
  }

  #copy(source: Buffer, from: number, to: number): void {
    const length = to - from
    this.#room(length)
    this.#head -= length
    const out = this.#out
    const head = this.#head
    if (length < LOOP_BYTES) for (let i = 0; i < length; i++) out[head + i] = source[from + i]!
    else source.copy(out, head, from, to)
  }

  #room(size: number): void {
    if (this.#head >= size) return
    const used = this.#out.length - this.#head
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#out.length * 2, used + size + 64))
    this.#out.copy(grown, grown.length - used, this.#head)
    this.#out = grown
    this.#head = grown.length - used
  }
}
