/**
 * Writes a message from its end to its beginning, so that every length is known when it is written: one pass, no
 * table of sizes, shortest varints. Pieces that follow each other at their source are copied in one run.
 *
 * Pieces and headers are first noted, as steps, and then carried out together by WebAssembly, since most are a few bytes
 * long and lie in the memory of the scan (scan.ts). What lies elsewhere is staged there if it is small, and else copied
 * at once.
 */
import type { Press } from './scan.ts'
import { varintLength, writeVarint } from './wire.ts'

/** From here on a piece is worth a call of its own. */
const LARGE = 8192

export class Prepender {
  #out: Buffer
  #head: number
  #body: Buffer = Buffer.alloc(0)
  #press: Press | undefined
  #count = 0
  /** Bytes that the steps write, and bytes that were staged for them at the beginning of the room. */
  #pending = 0
  #staged = 0
  readonly #stagedAt = new Map<Buffer, number>()
  /** Called before noted pieces are read. */
  beforeReading: (() => void) | undefined
  /** Whether a piece is so large that the steps are carried out one by one. */
  #hasLarge = false
  #bodyAt = 0
  /** The source of the last piece that was not the body's, and where it begins in the memory; -1 = elsewhere. */
  #source: Buffer | undefined
  #base = -1
  /** The same of the source before it. */
  #other: Buffer | undefined
  #otherBase = -1

  constructor(out: Buffer = Buffer.allocUnsafeSlow(64 * 1024)) {
    this.#out = out
    this.#head = out.length
  }

  /** Begins a new message with pieces of `body`. `press`: of the memory that the body lies in, if it does. */
  begin(body: Buffer, press: Press | undefined): void {
    this.#body = body
    this.#press = press !== undefined && press.bytes.buffer === body.buffer ? press : undefined
    this.#bodyAt = body.byteOffset
    this.#head = this.#out.length
    this.#source = undefined
    this.#other = undefined
    this.#forget()
  }

  /** Whether pieces of the memory are noted, and read later. */
  get isLate(): boolean {
    return this.#press !== undefined
  }

  /** How many bytes stand so far. */
  get written(): number {
    return this.#out.length - this.#head + this.#pending
  }

  /** The message: a view of this writer's buffer, valid until the next `begin`. */
  finish(): Buffer {
    this.#carryOut()
    return this.#out.subarray(this.#head)
  }

  /** Prepends body[from, to). */
  body(from: number, to: number): void {
    if (from === to) return
    if (this.#press === undefined) this.#copyAtOnce(this.#body, from, to - from)
    else this.#piece(this.#press.steps, this.#bodyAt + from, to - from)
  }

  /** Prepends source[from, to). The source must not change before `finish`. */
  bytes(source: Buffer, from: number, to: number): void {
    const length = to - from
    if (length === 0) return
    const press = this.#press
    if (source !== this.#source) this.#turnTo(source)
    if (press === undefined || (this.#base === -1 && length > LARGE)) this.#copyAtOnce(source, from, length)
    else if (this.#base === -1) this.#note(this.#stage(press, source, from, to), length, length)
    else this.#piece(press.steps, this.#base + from, length)
  }

  /** Another source than before; mostly there are two, the arena and an appendix. */
  #turnTo(source: Buffer): void {
    const last = this.#source
    const lastBase = this.#base
    if (source === this.#other) this.#base = this.#otherBase
    else this.#base = source.buffer === this.#press?.bytes.buffer ? source.byteOffset : -1
    this.#source = source
    this.#other = last
    this.#otherBase = lastBase
  }

  /** Prepends a tag and the length of what was written since `mark`. */
  header(tag: number, mark: number): void {
    const length = this.written - mark
    if (this.#press !== undefined) this.#note(tag - 256, length, 1 + varintLength(length))
    else this.#writeHeader(tag, length)
  }

  /** Notes a piece at an address, or lets the last one begin there. */
  #piece(steps: Int32Array, at: number, length: number): void {
    const last = this.#count * 2 - 2
    const joined = last >= 0 && steps[last] === at + length ? length + steps[last + 1]! : 0
    if (joined > LARGE) this.#hasLarge = true
    if (joined > 0 && this.#hasRoom(length)) {
      steps[last] = at
      steps[last + 1] = joined
      this.#pending += length
    } else this.#note(at, length, length)
  }

  #hasRoom(length: number): boolean {
    return this.#hasLarge || this.#pending + this.#staged + length <= this.#press!.room.length
  }

  #note(what: number, length: number, size: number): void {
    const { steps } = this.#press!
    if (size > LARGE) this.#hasLarge = true
    if (this.#count * 2 === steps.length || !this.#hasRoom(size)) {
      this.#carryOut()
      this.#hasLarge = size > LARGE
    }
    steps[this.#count * 2] = what
    steps[this.#count * 2 + 1] = length
    this.#count++
    this.#pending += size
  }

  /** Puts a small piece from elsewhere into the memory. The same buffer's, in whole, comes often: appendices. */
  #stage(press: Press, source: Buffer, from: number, to: number): number {
    const length = to - from
    const taken = this.#staged + (this.#hasLarge ? 0 : this.#pending)
    // Room for the piece, for its copy in the message, and for the step.
    if (taken + length * 2 > press.room.length || this.#count * 2 === press.steps.length) this.#carryOut()
    const isWhole = from === 0 && to === source.length
    const known = isWhole ? this.#stagedAt.get(source) : undefined
    if (known !== undefined) return press.room.byteOffset + known
    const at = this.#staged
    source.copy(press.room, at, from, to)
    this.#staged += length
    if (isWhole) this.#stagedAt.set(source, at)
    return press.room.byteOffset + at
  }

  #carryOut(): void {
    const press = this.#press
    if (press === undefined || this.#count === 0) return
    this.beforeReading?.()
    if (this.#hasLarge) {
      for (let i = 0; i < this.#count; i++) {
        const what = press.steps[i * 2]!
        const length = press.steps[i * 2 + 1]!
        if (what < 0) this.#writeHeader(what + 256, length)
        else this.#copy(press.bytes, what, length)
      }
    } else {
      press.run(this.#count)
      this.#copy(press.room, press.room.length - this.#pending, this.#pending)
    }
    this.#forget()
  }

  #forget(): void {
    this.#count = 0
    this.#pending = 0
    this.#staged = 0
    this.#stagedAt.clear()
    this.#hasLarge = false
  }

  #copyAtOnce(source: Buffer, from: number, length: number): void {
    this.#carryOut()
    this.#copy(source, from, length)
  }

  #copy(source: Buffer, from: number, length: number): void {
    this.#room(length)
    this.#head -= length
    source.copy(this.#out, this.#head, from, from + length)
  }

  #writeHeader(tag: number, length: number): void {
    const size = 1 + varintLength(length)
    this.#room(size)
    this.#head -= size
    this.#out[this.#head] = tag
    writeVarint(this.#out, this.#head + 1, length)
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
