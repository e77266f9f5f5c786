/**
 * What a destination refused for good, kept encrypted until somebody decides: one file per batch in `dead/`.
 *
 *     segment header (frame.ts), frame 0: `DeadLetter` as JSON, frame 1: the body
 * A file is written aside, durable, then renamed; its name is the batch id, so the same batch is never there twice.
 * The store is bounded; when it is full `add` rejects, and the batch stays in the queue.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Log } from '../contract.ts'
import { DouaneError } from '../errors.ts'
import type { ChunkCipher } from '../keys/chunk_cipher.ts'
import { limits } from '../limits.ts'
import type { TenantCounts } from './parcel.ts'
import { type Disk, diskErrorCode } from './queue/disk.ts'
import {
  frameHeaderBytes,
  openFrame,
  type ParcelMeta,
  readFrameHeader,
  readSegmentHeader,
  sealFrame,
  segmentHeader,
  segmentHeaderBytes,
  segmentIdBytes,
} from './queue/frame.ts'

/** What may be shown of a dead letter: no payload. */
export interface DeadLetter {
  readonly id: string
  /** The exporter's reason: a code, a status. */
  readonly reason: string
  readonly records: number
  readonly bytes: number
  readonly tenants: TenantCounts
  readonly policyVersion: string
  /** Unix milliseconds. */
  readonly queuedMs: number
  readonly deadMs: number
}

const letterKind = 3
const bodyKind = 4
const suffix = '.dead'

export class DeadLetters {
  readonly #dir: string
  readonly #disk: Disk
  readonly #cipher: ChunkCipher
  readonly #log: Log
  readonly #index = new Map<string, { records: number; bytes: number }>()
  readonly #usage = { batches: 0, records: 0, bytes: 0 }
  #loaded: Promise<void> | undefined
  /** One change at a time, so that the bounds hold. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: { dir: string; disk: Disk; cipher: ChunkCipher; log: Log }) {
    this.#dir = options.dir
    this.#disk = options.disk
    this.#cipher = options.cipher
    this.#log = options.log
  }

  get usage(): { readonly batches: number; readonly records: number; readonly bytes: number } {
    return this.#usage
  }

  /** Looks through the folder once; others call it before they need to know. */
  open(): Promise<void> {
    this.#loaded ??= this.#load()
    return this.#loaded
  }

  /** Resolves when it is durable. Rejects when the store is full or its disk fails. */
  add(letter: DeadLetter, parcels: readonly ParcelMeta[], body: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#index.has(letter.id)) return
      if (this.#usage.batches >= limits.deadLettersMax || this.#usage.bytes + body.length > limits.deadLetterBytesMax) {
        throw new DouaneError('queue', 'the dead letters are full', 'Retry or purge them.')
      }
      const { key, wrapped } = this.#cipher.fresh()
      const segment = { id: randomBytes(segmentIdBytes), key }
      const json = Buffer.from(JSON.stringify({ letter, parcels }))
      const info = sealFrame(segment, letterKind, 0, [json])
      const content = sealFrame(segment, bodyKind, 1, [body])
      const path = this.#path(letter.id)
      const aside = `${path}.new`
      await this.#disk.remove(aside).catch(() => undefined)
      const file = await this.#disk.create(aside)
      try {
        await file.write([segmentHeader(segment.id, wrapped), ...info.buffers, ...content.buffers], 0)
      } finally {
        await file.close().catch(() => undefined)
      }
      await this.#disk.rename(aside, path)
      await this.#disk.syncDir(this.#dir)
      this.#count(letter)
    })
  }

  /** All of them, oldest first. One that cannot be read is told in the log and left out. */
  async list(): Promise<DeadLetter[]> {
    await this.open()
    const letters: DeadLetter[] = []
    for (const id of this.#index.keys()) {
      const read = await this.#read(id, false).catch((error) => this.#unreadable(error))
      if (read) letters.push(read.letter)
    }
    return letters.sort((a, b) => a.deadMs - b.deadMs)
  }

  /** One with its body, for whoever may see it. Undefined: there is none of that id. */
  async read(id: string): Promise<{ letter: DeadLetter; body: Buffer } | undefined> {
    await this.open()
    if (!this.#index.has(id)) return undefined
    const read = await this.#read(id, true)
    return read && { letter: read.letter, body: read.body }
  }

  /**
   * Hands dead letters (all, without `ids`) to `enqueue`, which must make them durable under the same id, and forgets
   * them one by one. A crash in between leaves one in both places: the id tells the destination that it is one batch.
   */
  async retry(
    enqueue: (letter: DeadLetter, parcels: readonly ParcelMeta[], body: Uint8Array) => Promise<void>,
    ids?: readonly string[],
  ): Promise<number> {
    await this.open()
    let count = 0
    for (const id of ids ?? [...this.#index.keys()]) {
      // In one turn: should the destination refuse it again at once, it comes back behind this, and is not deleted.
      const isQueued = await this.#inTurn(async () => {
        if (!this.#index.has(id)) return false
        const read = await this.#read(id, true).catch((error) => this.#unreadable(error))
        if (!read) return false
        await enqueue(read.letter, read.parcels, read.body)
        return this.#remove(id)
      })
      if (isQueued) count++
    }
    return count
  }

  /** Deletes dead letters (all, without `ids`); gives how many. */
  async purge(ids?: readonly string[]): Promise<number> {
    await this.open()
    return this.#inTurn(async () => {
      let count = 0
      for (const id of ids ?? [...this.#index.keys()]) if (await this.#remove(id)) count++
      return count
    })
  }

  async #remove(id: string): Promise<boolean> {
    const known = this.#index.get(id)
    if (!known) return false
    await this.#disk.remove(this.#path(id)).catch((error) => {
      if (diskErrorCode(error) !== 'ENOENT') throw error
    })
    this.#index.delete(id)
    this.#usage.batches--
    this.#usage.records -= known.records
    this.#usage.bytes -= known.bytes
    return true
  }

  async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    await this.open()
    const mine = this.#turn.then(work)
    this.#turn = mine.catch(() => undefined)
    return mine
  }

  async #load(): Promise<void> {
    await this.#disk.makeDir(this.#dir)
    for (const name of await this.#disk.list(this.#dir)) {
      if (!name.endsWith(suffix)) continue
      const read = await this.#read(name.slice(0, -suffix.length), false).catch((error) => this.#unreadable(error))
      if (read) this.#count(read.letter)
    }
  }

  #count(letter: DeadLetter): void {
    this.#index.set(letter.id, { records: letter.records, bytes: letter.bytes })
    this.#usage.batches++
    this.#usage.records += letter.records
    this.#usage.bytes += letter.bytes
  }

  #unreadable(error: unknown): undefined {
    this.#log.error('dead_letter.unreadable', {
      code: error instanceof DouaneError ? error.code : diskErrorCode(error),
    })
    return undefined
  }

  #path(id: string): string {
    return join(this.#dir, id + suffix)
  }

  async #read(id: string, withBody: boolean) {
    const file = await this.#disk.read(this.#path(id))
    try {
      const size = await file.size()
      const start = await readWhole(file, 0, Math.min(size, segmentHeaderBytes + frameHeaderBytes))
      const header = readSegmentHeader(start)
      if (typeof header === 'string') throw new DouaneError('queue', `a dead letter is ${header}`)
      const segment = { id: header.id, key: this.#cipher.find(header.wrapped) }
      const info = await readFrame(file, segment, segmentHeaderBytes, size)
      const body = withBody ? (await readFrame(file, segment, info.next, size)).plain : Buffer.alloc(0)
      const { letter, parcels } = JSON.parse(info.plain.toString('utf8')) as {
        letter: DeadLetter
        parcels: ParcelMeta[]
      }
      return { letter, parcels, body }
    } finally {
      await file.close()
    }
  }
}

type ReadableFile = Awaited<ReturnType<Disk['read']>>

async function readWhole(file: ReadableFile, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  let read = 0
  while (read < length) {
    const n = await file.read(bytes.subarray(read), position + read)
    if (n === 0) break
    read += n
  }
  return bytes.subarray(0, read)
}

async function readFrame(
  file: ReadableFile,
  segment: Parameters<typeof openFrame>[0],
  at: number,
  size: number,
): Promise<{ plain: Buffer; next: number }> {
  const header = readFrameHeader(await readWhole(file, at, frameHeaderBytes), 0, segment.id)
  const next = at + frameHeaderBytes + (header?.sealedBytes ?? 0)
  if (!header || next > size) throw new DouaneError('queue', 'a dead letter is damaged')
  const plain = openFrame(segment, header, await readWhole(file, at, next - at), 0)
  if (!plain) throw new DouaneError('queue', 'a dead letter is damaged')
  return { plain, next }
}
