/**
 * Tokens of short values, many at a time: they are taken in one by one, and sealed together where their fields stand in
 * the caller's buffer. Four blocks of the cipher cost what one does, of whichever values they are.
 *
 *   add  → the token's length, so that what stands around it can be written
 *   place → where its text goes
 *   write → all that wait are sealed
 *
 * A plaintext is copied to where its ciphertext will stand and sealed in place, so none is left behind; a key is in the
 * memory until those that wait are sealed, or the next one is sealed at once.
 */
import { limits } from '../limits.ts'
import { writePadding } from './padding.ts'
import { JOB, JobCol, keyPlaceBytes, SealMemory } from './seal_memory.ts'
import { type BoundField, ivBytes, type SealingKey, tagBytes, tokenPrefix } from './token_format.ts'

/** A value's plaintext in a buffer, and how far it is filled up. */
export interface Plaintext {
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
  readonly padding: number
}

/** There is no room: `write` first. */
export const NO_ROOM = 0

/** No two memories share a round: a key or a context knows by it where it is. */
let rounds = 0

const jobsMax = limits.sealWaitingMax
const waitingBytesMax = limits.sealWaitingBytesMax

export class ShortTokens {
  readonly #memory = new SealMemory()
  readonly #nonce: (out: Buffer, at: number) => void
  #jobs = 0
  #keys = 0
  #raw = 0
  /** Where the text of the last one added goes, and how long it is. */
  #length = 0
  /** What waits goes to [from, to) of the caller's buffer. */
  #from = -1
  #to = -1
  /** Those that were added since `write` have their keys in the memory under this number. */
  #round = ++rounds
  #adsUsed = 0
  #adsRound = ++rounds
  #ownKey: SealingKey | undefined
  /** Of the text of a token that was sealed at once, by its length: to make one for each costs more than to seal. */
  readonly #views: (Buffer | undefined)[] = []
  #viewed: Uint8Array | undefined
  #view: DataView = new DataView(new ArrayBuffer(0))

  /** `nonce` writes one. */
  constructor(nonce: (out: Buffer, at: number) => void) {
    this.#nonce = nonce
  }

  /** Whether a value of so many bytes is for here. */
  fits(bound: BoundField, length: number): boolean {
    return length < limits.sealShortBytesMax && bound.chacha.length <= limits.sealContextBytesMax
  }

  /** Takes a value in. Its token begins before `end` of the caller's buffer. Returns the text's length, or `NO_ROOM`. */
  add(key: SealingKey, bound: BoundField, plaintext: Plaintext, end: number): number {
    const { to, from, padding } = plaintext
    const length = to - from + padding
    const rawBytes = key.head.length + ivBytes + lengthBytes(length + tagBytes) + length + tagBytes
    const textBytes = tokenPrefix.length + letters(rawBytes)
    if (this.#jobs === jobsMax || this.#raw + rawBytes + slackBytes > waitingBytesMax) return NO_ROOM
    if (this.#from !== -1 && end + textBytes - this.#from > waitingBytesMax) return NO_ROOM
    const ad = this.#putAd(bound)
    if (ad === -1) return NO_ROOM
    if (key.round !== this.#round) {
      key.round = this.#round
      key.place = this.#memory.keys + this.#keys++ * keyPlaceBytes
      this.#putKey(key, key.place)
    }
    this.#put(this.#jobs++, key.place, key.head.length, ad, bound, this.#memory.raw + this.#raw, plaintext)
    // What the program writes and reads behind one is not the next one's.
    this.#raw += (rawBytes + slackBytes) & ~15
    this.#length = textBytes
    return textBytes
  }

  /** The token of the value that was added last goes to `at`; those of one `write` rise. */
  place(at: number): void {
    const { words, jobs, text } = this.#memory
    if (this.#from === -1) this.#from = at
    words[(jobs >> 2) + (this.#jobs - 1) * JOB + JobCol.Text] = text + at - this.#from
    this.#to = at + this.#length
  }

  /** Seals all that wait, into `out`. */
  write(out: Buffer): void {
    if (this.#jobs === 0) return
    const { bytes, program, jobs, text } = this.#memory
    const length = this.#to - this.#from
    // What stands between the tokens comes along, so that it is one copy there and one back.
    out.copy(bytes, text, this.#from, this.#to)
    program.seal(jobs, this.#jobs)
    bytes.copy(out, this.#from, text, text + length)
    this.drop()
  }

  /** Forgets what waits, and its keys. */
  drop(): void {
    if (this.#keys > 0) {
      const { bytes, keys } = this.#memory
      bytes.fill(0, keys, keys + this.#keys * keyPlaceBytes)
    }
    if (this.#adsUsed > limits.sealContextsBytesMax / 2) {
      this.#adsUsed = 0
      this.#adsRound = ++rounds
    }
    this.#viewed = undefined
    this.#round = ++rounds
    this.#jobs = 0
    this.#keys = 0
    this.#raw = 0
    this.#from = -1
  }

  /** Seals a value at once. The text is good until the next one. */
  seal(key: SealingKey, bound: BoundField, plaintext: Plaintext): Buffer {
    const { bytes, program, keys, jobs, ownRaw, ownText, words } = this.#memory
    const place = keys + jobsMax * keyPlaceBytes
    if (this.#ownKey !== key) {
      this.#putKey(key, place)
      this.#ownKey = key
    }
    let ad = this.#putAd(bound)
    if (ad === -1) {
      // Those that wait need theirs; this one's goes behind.
      bytes.set(bound.chacha, ownText)
      ad = ownText
    }
    this.#put(jobsMax, place, key.head.length, ad, bound, ownRaw, plaintext)
    words[(jobs >> 2) + jobsMax * JOB + JobCol.Text] = ownText
    program.seal(jobs + jobsMax * JOB * 4, 1)
    const length = plaintext.to - plaintext.from + plaintext.padding + tagBytes
    const textBytes = tokenPrefix.length + letters(key.head.length + ivBytes + lengthBytes(length) + length)
    this.#views[textBytes] ??= bytes.subarray(ownText, ownText + textBytes)
    return this.#views[textBytes]!
  }

  /** A key ended: it is not kept in the memory. */
  forget(): void {
    const { bytes, keys } = this.#memory
    bytes.fill(0, keys + jobsMax * keyPlaceBytes, keys + (jobsMax + 1) * keyPlaceBytes)
    this.#ownKey = undefined
  }

  #putKey(key: SealingKey, place: number): void {
    const { bytes } = this.#memory
    bytes.set(key.chacha, place)
    bytes.set(key.head, place + 32)
  }

  #putAd(bound: BoundField): number {
    if (bound.round === this.#adsRound) return bound.place
    const { chacha } = bound
    const { bytes, ads } = this.#memory
    if (this.#adsUsed + chacha.length > limits.sealContextsBytesMax) {
      if (this.#jobs > 0) return -1
      this.#adsUsed = 0
      this.#adsRound = ++rounds
    }
    bound.place = ads + this.#adsUsed
    bound.round = this.#adsRound
    bytes.set(chacha, bound.place)
    this.#adsUsed += chacha.length
    return bound.place
  }

  /** Writes a job, its nonce and its plaintext. */
  #put(
    job: number,
    key: number,
    head: number,
    ad: number,
    bound: BoundField,
    raw: number,
    { bytes, from, to, padding }: Plaintext,
  ): void {
    const { bytes: heap, words, jobs } = this.#memory
    const length = to - from + padding
    const row = (jobs >> 2) + job * JOB
    words[row] = key
    words[row + JobCol.HeadLength] = head
    words[row + JobCol.Ad] = ad
    words[row + JobCol.AdLength] = bound.chacha.length
    words[row + JobCol.Raw] = raw
    words[row + JobCol.Length] = length
    this.#nonce(heap, raw + head)
    const at = raw + head + ivBytes + lengthBytes(length + tagBytes)
    this.#copy(bytes, from, to, at)
    if (padding > 0) writePadding(heap, at + to - from, padding)
  }

  /** For short texts a loop is quicker than a call out of JavaScript. */
  #copy(bytes: Uint8Array, from: number, to: number, at: number): void {
    const { bytes: heap, view: target } = this.#memory
    if (to - from > 400) {
      heap.set(bytes.subarray(from, to), at)
      return
    }
    if (this.#viewed !== bytes) {
      this.#viewed = bytes
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    const source = this.#view
    let i = from
    let o = at
    for (; i + 4 <= to; i += 4, o += 4) target.setInt32(o, source.getInt32(i, true), true)
    for (; i < to; i++, o++) heap[o] = bytes[i]!
  }
}

/** Behind a token as bytes: what the program writes and reads there, and what rounding takes. */
const slackBytes = 64

const lengthBytes = (sealed: number): number => (sealed < 24 ? 1 : sealed < 256 ? 2 : 3)
/** base64url without padding. */
const letters = (bytes: number): number => Math.floor((bytes * 4 + 2) / 3)
