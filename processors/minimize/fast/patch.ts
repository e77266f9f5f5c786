/** The new text of a slot, put together from bytes: pieces of the old one, and what stands in place of findings. */
import { limits } from '../../../src/limits.ts'
import type { Slots } from '../../../src/otlp/slots.ts'

const DOT = 46

export class Patch {
  /** What stands in place of findings, one after the other; grows. */
  #bytes = Buffer.alloc(4096)
  #used = 0
  /** Where each finding begins and ends in the body, and where its piece ends in `#bytes`. */
  readonly #from = new Int32Array(limits.findingsMax)
  readonly #to = new Int32Array(limits.findingsMax)
  readonly #pieceTo = new Int32Array(limits.findingsMax)
  #count = 0
  /** Bytes that the pieces add, less those that they take. */
  #growth = 0

  begin(): void {
    this.#used = 0
    this.#count = 0
    this.#growth = 0
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Puts ASCII in place of body[from, to). */
  putBytes(from: number, to: number, piece: Uint8Array): void {
    this.#reserve(piece.length)
    for (let i = 0; i < piece.length; i++) this.#bytes[this.#used + i] = piece[i]!
    this.#close(from, to, piece.length)
  }

  putText(from: number, to: number, piece: string): void {
    const length = Buffer.byteLength(piece)
    this.#reserve(length)
    this.#bytes.utf8Write(piece, this.#used, length)
    this.#close(from, to, length)
  }

  /** Puts the /24 of an IPv4 address in its place. False: it is none in plain form, and nothing was put. */
  putNetwork(body: Uint8Array, from: number, to: number): boolean {
    const end = lastOctet(body, from, to)
    if (end === 0) return false
    this.#reserve(16)
    const out = this.#bytes
    let at = this.#used
    for (let i = from; i < end; i++) out[at++] = body[i]!
    for (let i = 0; i < network.length; i++) out[at++] = network[i]!
    this.#close(from, to, at - this.#used)
    return true
  }

  /** Makes what was put the slot's text. The slot holds its value as it came in. */
  apply(slots: Slots, slot: number): void {
    const start = slots.start(slot)
    const end = slots.end(slot)
    let at = slots.openText(slot, end - start + this.#growth)
    // Opening the text may replace the arena's buffer.
    const out = slots.arena.bytes
    const { body } = slots
    let next = start
    let piece = 0
    for (let i = 0; i < this.#count; i++) {
      for (const from = this.#from[i]!; next < from; ) out[at++] = body[next++]!
      for (const to = this.#pieceTo[i]!; piece < to; ) out[at++] = this.#bytes[piece++]!
      next = this.#to[i]!
    }
    while (next < end) out[at++] = body[next++]!
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#bytes.length) return
    const grown = Buffer.alloc((this.#used + length) * 2)
    this.#bytes.copy(grown)
    this.#bytes = grown
  }

  #close(from: number, to: number, length: number): void {
    this.#from[this.#count] = from
    this.#to[this.#count] = to
    this.#used += length
    this.#pieceTo[this.#count++] = this.#used
    this.#growth += length - (to - from)
  }
}

const network = Buffer.from('0/24')

/** Where the last octet of `192.168.7.9` begins; 0 = an octet is too large or written with zeros, or it is no address. */
function lastOctet(body: Uint8Array, from: number, to: number): number {
  let dots = 0
  let octet = -1
  let last = 0
  for (let i = from; i < to; i++) {
    const c = body[i]!
    if (c === DOT) {
      if (octet < 0) return 0
      dots++
      octet = -1
      last = i + 1
    } else {
      if (c < 48 || c > 57 || octet === 0) return 0
      octet = (octet < 0 ? 0 : octet * 10) + c - 48
      if (octet > 255) return 0
    }
  }
  return dots === 3 && octet >= 0 ? last : 0
}
