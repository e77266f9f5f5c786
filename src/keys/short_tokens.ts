/**
 * Tokens of short values, many at a time: they are taken in one by one, and sealed together where their fields stand in
 * the caller's buffer. Four blocks of the cipher cost what one does, of whichever values they are.
 *
 *   add  → the token's length, so that what stands around it can be written
 *   place → where its text goes
 *   write → all that wait are sealed
 *
 * Plaintexts and keys are in the memory only while they are sealed, but for the key of the value that was sealed at once
 * last.
 */
import { limits } from '../limits.ts'
import { writePadding } from './padding.ts'
import { NO_SOURCE, Plaintexts } from './plaintexts.ts'
import { IN_PLACE, JOB, JobCol, keyPlaceBytes, SealMemory } from './seal_memory.ts'
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
  readonly #memory: SealMemory
  readonly #plaintexts = new Plaintexts()
  readonly #nonces: (out: Buffer, at: number, count: number) => void
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

  /** `nonces` writes so many. */
  constructor(nonces: (out: Buffer, at: number, count: number) => void, memory = new SealMemory()) {
    this.#nonces = nonces
    this.#memory = memory
  }

  /** Whether a value of so many bytes is for here. */
  fits(bound: BoundField, length: number): boolean {
    return length < limits.sealShortBytesMax && bound.chacha.length <= limits.sealContextBytesMax
  }

  /** Takes a value in. Its token begins before `end` of the caller's buffer. Returns the text's length, or `NO_ROOM`. */
  add(key: SealingKey, bound: BoundField, plaintext: Plaintext, end: number): number {
    const { bytes, from, to, padding } = plaintext
    const length = to - from + padding
    const rawBytes = key.head.length + ivBytes + lengthBytes(length + tagBytes) + length + tagBytes
    const textBytes = tokenPrefix.length + letters(rawBytes)
    if (this.#jobs === jobsMax || this.#raw + rawBytes + slackBytes > waitingBytesMax) return NO_ROOM
    if (this.#from !== -1 && end + textBytes - this.#from > waitingBytesMax) return NO_ROOM
    const ad = this.#putAd(bound)
    if (ad === -1) return NO_ROOM
    const raw = this.#memory.raw + this.#raw
    const isOwn = from === 0 && to === bytes.length
    const source = isOwn ? IN_PLACE : this.#plaintexts.take(bytes, from, to)
    if (source === NO_SOURCE) return NO_ROOM
    if (isOwn) this.#copy(raw + key.head.length, plaintext)
    if (key.round !== this.#round) {
      key.round = this.#round
      key.place = this.#memory.keys + this.#keys++ * keyPlaceBytes
      this.#putKey(key, key.place)
    }
    this.#put(this.#jobs++, key, key.place, ad, bound, raw, length, source)
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
    const { bytes, program, jobs, nonces, plain, text } = this.#memory
    const length = this.#to - this.#from
    // What stands between the tokens comes along, so that it is one copy there and one back.
    out.copy(bytes, text, this.#from, this.#to)
    this.#nonces(bytes, nonces, this.#jobs)
    const plainBytes = this.#plaintexts.copy(bytes, plain)
    program.seal(jobs, this.#jobs, nonces, this.#plaintexts.firstAt, this.#plaintexts.secondAt)
    bytes.fill(0, plain, plain + plainBytes)
    bytes.copy(out, this.#from, text, text + length)
    this.#raw = 0
    this.drop()
  }

  /** Forgets what waits, and its keys. */
  drop(): void {
    if (this.#keys > 0) {
      const { bytes, keys } = this.#memory
      bytes.fill(0, keys, keys + this.#keys * keyPlaceBytes)
    }
    // Not sealed: some may be there as they are.
    if (this.#raw > 0) this.#memory.bytes.fill(0, this.#memory.raw, this.#memory.raw + this.#raw)
    if (this.#adsUsed > limits.sealContextsBytesMax / 2) {
      this.#adsUsed = 0
      this.#adsRound = ++rounds
    }
    this.#plaintexts.clear()
    this.#round = ++rounds
    this.#jobs = 0
    this.#keys = 0
    this.#raw = 0
    this.#from = -1
  }

  /** Seals a value at once. The text is good until the next one. */
  seal(key: SealingKey, bound: BoundField, plaintext: Plaintext): Buffer {
    const { bytes, program, keys, jobs, nonces, ownRaw, ownText, words } = this.#memory
    const place = keys + jobsMax * keyPlaceBytes
    if (this.#ownKey !== key) {
      this.#putKey(key, place)
      this.#ownKey = key
    }
    let ad = this.#putAd(bound)
    if (ad === -1) {
      // Those that wait need theirs; this one's goes behind.
      bytes.set(bound.chacha, ownText)
      bytes.fill(0, ownText + bound.chacha.length, ownText + bound.chacha.length + 16)
      ad = ownText
    }
    const length = plaintext.to - plaintext.from + plaintext.padding
    this.#copy(ownRaw + key.head.length, plaintext)
    this.#put(jobsMax, key, place, ad, bound, ownRaw, length, IN_PLACE)
    words[(jobs >> 2) + jobsMax * JOB + JobCol.Text] = ownText
    this.#nonces(bytes, nonces + jobsMax * ivBytes, 1)
    program.seal(jobs + jobsMax * JOB * 4, 1, nonces + jobsMax * ivBytes, 0, 0)
    const sealed = length + tagBytes
    const textBytes = tokenPrefix.length + letters(key.head.length + ivBytes + lengthBytes(sealed) + sealed)
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

  /** Its context, filled up with zeros to whole blocks. */
  #putAd(bound: BoundField): number {
    if (bound.round === this.#adsRound) return bound.place
    const { chacha } = bound
    const { bytes, ads } = this.#memory
    const length = (chacha.length + 15) & ~15
    if (this.#adsUsed + length > limits.sealContextsBytesMax) {
      if (this.#jobs > 0) return -1
      this.#adsUsed = 0
      this.#adsRound = ++rounds
    }
    bound.place = ads + this.#adsUsed
    bound.round = this.#adsRound
    bytes.set(chacha, bound.place)
    bytes.fill(0, bound.place + chacha.length, bound.place + length)
    this.#adsUsed += length
    return bound.place
  }

  /** Writes a job. */
  #put(
    job: number,
    key: SealingKey,
    place: number,
    ad: number,
    bound: BoundField,
    raw: number,
    length: number,
    source: number,
  ): void {
    const { words, jobs } = this.#memory
    const row = (jobs >> 2) + job * JOB
    words[row] = place
    words[row + JobCol.HeadLength] = key.head.length
    words[row + JobCol.Ad] = ad
    words[row + JobCol.AdLength] = bound.chacha.length
    words[row + JobCol.Raw] = raw
    words[row + JobCol.Length] = length
    words[row + JobCol.Source] = source
  }

  /** Puts a plaintext where its ciphertext will stand; its IV goes to `iv`. */
  #copy(iv: number, { bytes, from, to, padding }: Plaintext): void {
    const { bytes: heap } = this.#memory
    const length = to - from + padding
    const at = iv + ivBytes + lengthBytes(length + tagBytes)
    heap.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), at)
    if (padding > 0) writePadding(heap, at + to - from, padding)
  }
}

/** Behind a token as bytes: what the program writes and reads there, and what rounding takes. */
const slackBytes = 64

const lengthBytes = (sealed: number): number => (sealed < 24 ? 1 : sealed < 256 ? 2 : 3)
/** base64url without padding. */
const letters = (bytes: number): number => Math.floor((bytes * 4 + 2) / 3)
