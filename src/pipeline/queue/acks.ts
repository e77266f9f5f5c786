/**
 * What has been delivered: a small file of fixed entries beside the segments.
 *
 * It may be behind: an entry that is lost in a crash means that its batch is sent again, under the same id. So entries
 * are written soon, but not made durable one by one. Two things are: a split (its parts have ids of their own, so it
 * must not be forgotten once a part was sent), and a checkpoint, which replaces the file by rename when it has grown.
 *
 *     file   0 8 "DOUANEA1", then entries of 40 bytes, little-endian
 *     entry  0  4  CRC-32 of bytes 4–39       4  1  kind     5  3  zero     8  8  segment number
 *            16 8  first bytes of the segment's id            24 4  frame    28 4  a     32 4  b     36 4  zero
 *
 *     kind           a         b
 *     1 cursor       offset                frames before it are done, but for those listed as outstanding
 *     2 outstanding  offset                taken, not done
 *     3 done                               the chunk is done
 *     4 cut          at                    its records before `at` and from `at` on are sent apart
 *     5 part done    from      to          its records [from, to) are done
 *     6 piece done                         the chunk is done, but not the batch that it was the first piece of
 * An entry with a wrong sum is skipped. An entry whose segment id is another segment's has no effect.
 */
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Log } from '../../contract.ts'
import { limits } from '../../limits.ts'
import { type Disk, type DiskFile, diskErrorCode } from './disk.ts'
import type { Divided, Range } from './parts.ts'
import { positionOf } from './segment.ts'

const magic = Buffer.from('DOUANEA1')
const entryBytes = 40
const kinds = { cursor: 1, outstanding: 2, done: 3, cut: 4, partDone: 5, pieceDone: 6 } as const

/** Where a chunk is. */
export interface Place {
  readonly segment: { readonly no: number; readonly id: Buffer }
  readonly number: number
  readonly offset: number
}
export interface Remembered {
  /** Where reading goes on. */
  cursor: { readonly segmentNo: number; readonly number: number; readonly offset: number } | undefined
  /** Chunks before the cursor that are not done. */
  readonly outstanding: Map<number, { readonly segmentNo: number; readonly number: number; readonly offset: number }>
  /** Chunks that are done, with all pieces of batches that begin with them, by position. */
  readonly done: Set<number>
  /** Chunks that are done by themselves, by position. */
  readonly donePieces: Set<number>
  /** Chunks that were cut, by position. */
  readonly divided: Map<number, Divided>
  /** The highest segment number that any entry names. */
  segmentNoMax: number
}

/** The state to write at a checkpoint. */
export interface AckState {
  readonly cursor: Place | undefined
  readonly outstanding: Iterable<Place>
  /** Batches that were cut, and of those that the reader may meet again, those that are done. */
  readonly known: Iterable<Known>
}
export type Known =
  | { readonly is: 'divided'; readonly place: Omit<Place, 'offset'>; readonly divided: Divided }
  | { readonly is: 'done' | 'pieceDone'; readonly place: Omit<Place, 'offset'> }

export class AckFile {
  readonly #disk: Disk
  readonly #dir: string
  readonly #path: string
  readonly #log: Log
  readonly #state: () => AckState
  #file: DiskFile | undefined
  #size = 0
  #pending: Buffer[] = []
  #entries = 0
  #wanted = false
  #working: Promise<void> | undefined

  constructor(options: { disk: Disk; dir: string; log: Log; state: () => AckState }) {
    this.#disk = options.disk
    this.#dir = options.dir
    this.#path = join(options.dir, 'acks')
    this.#log = options.log
    this.#state = options.state
  }

  /** What an earlier run left. `idOf` gives the id of a segment that exists. */
  async read(idOf: (segmentNo: number) => Buffer | undefined): Promise<Remembered> {
    let bytes = Buffer.alloc(0)
    try {
      const file = await this.#disk.read(this.#path)
      try {
        bytes = Buffer.alloc(await file.size())
        await file.read(bytes, 0)
      } finally {
        await file.close()
      }
    } catch (error) {
      if (diskErrorCode(error) !== 'ENOENT') throw error
    }
    return remember(bytes, idOf)
  }

  done(place: Place): void {
    this.#add(entry(kinds.done, place))
  }
  pieceDone(place: Place): void {
    this.#add(entry(kinds.pieceDone, place))
  }
  partDone(place: Place, [from, to]: Range): void {
    this.#add(entry(kinds.partDone, place, from, to))
  }
  /** Resolves when the cuts will be remembered whatever happens; rejects when the disk fails. */
  async cut(place: Place, cuts: readonly number[]): Promise<void> {
    for (const at of cuts) this.#add(entry(kinds.cut, place, at))
    await this.#settle()
    // Still wanted: the file's own name is not durable yet.
    if (!this.#file || this.#wanted || this.#pending.length > 0)
      throw Object.assign(new Error('not written'), { code: 'EIO' })
    await this.#file.sync()
  }

  /** Asks for a fresh file soon. */
  wantCheckpoint(): void {
    this.#wanted = true
    this.#work()
  }

  /** Writes a last checkpoint. */
  async close(): Promise<void> {
    this.#wanted = true
    await this.#settle()
    await this.#file?.close().catch(() => undefined)
    this.#file = undefined
  }

  #add(bytes: Buffer): void {
    this.#pending.push(bytes)
    this.#entries++
    if (this.#entries >= limits.ackEntriesMax) this.#wanted = true
    this.#work()
  }

  #work(): void {
    if (this.#working) return
    this.#working = this.#flush().then((isWritten) => {
      this.#working = undefined
      // Something came in at the last moment. After a failure the next entry tries again.
      if (isWritten && (this.#pending.length > 0 || this.#wanted)) this.#work()
    })
  }

  async #settle(): Promise<void> {
    while (this.#working) await this.#working
    this.#work()
    while (this.#working) await this.#working
  }

  /** Writes what is pending. A failing disk leaves it pending, up to a bound: then a checkpoint says it all anew. */
  async #flush(): Promise<boolean> {
    await Promise.resolve()
    try {
      if (this.#wanted || !this.#file) await this.#checkpoint()
      while (this.#pending.length > 0) {
        const count = this.#pending.length
        const bytes = Buffer.concat(this.#pending)
        await this.#file!.write([bytes], this.#size)
        this.#size += bytes.length
        this.#pending = this.#pending.slice(count)
      }
      return true
    } catch (error) {
      this.#log.warn('queue.acks_not_written', { code: diskErrorCode(error), entries: this.#pending.length })
      if (this.#pending.length > limits.ackEntriesMax) {
        this.#pending = []
        this.#wanted = true
      }
      return false
    }
  }

  async #checkpoint(): Promise<void> {
    // Entries before this moment are part of the state; those that come while it is written go behind it.
    const bytes = checkpointBytes(this.#state())
    const covered = this.#pending.length
    const aside = `${this.#path}.new`
    await this.#disk.remove(aside).catch(() => undefined)
    const file = await this.#disk.append(aside)
    try {
      await file.write([bytes], 0)
      await file.sync()
      await this.#disk.rename(aside, this.#path)
    } catch (error) {
      await file.close().catch(() => undefined)
      throw error
    }
    await this.#file?.close().catch(() => undefined)
    this.#file = file
    this.#size = bytes.length
    this.#pending = this.#pending.slice(covered)
    this.#entries = this.#pending.length
    await this.#disk.syncDir(this.#dir)
    this.#wanted = false
  }
}

function entry(kind: number, place: Omit<Place, 'offset'>, a = 0, b = 0): Buffer {
  const bytes = Buffer.alloc(entryBytes)
  bytes.writeUInt8(kind, 4)
  bytes.writeBigUInt64LE(BigInt(place.segment.no), 8)
  place.segment.id.copy(bytes, 16, 0, 8)
  bytes.writeUInt32LE(place.number, 24)
  bytes.writeUInt32LE(a, 28)
  bytes.writeUInt32LE(b, 32)
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

function checkpointBytes(state: AckState): Buffer {
  const parts: Buffer[] = [magic]
  if (state.cursor) parts.push(entry(kinds.cursor, state.cursor, state.cursor.offset))
  for (const place of state.outstanding) parts.push(entry(kinds.outstanding, place, place.offset))
  for (const known of state.known) {
    parts.push(
      ...(known.is === 'divided' ? dividedEntries(known.place, known.divided) : [entry(kinds[known.is], known.place)]),
    )
  }
  return Buffer.concat(parts)
}

const dividedEntries = (place: Omit<Place, 'offset'>, { cuts, done }: Divided): Buffer[] => [
  ...cuts.map((at) => entry(kinds.cut, place, at)),
  ...done.map(([from, to]) => entry(kinds.partDone, place, from, to)),
]

function remember(bytes: Buffer, idOf: (segmentNo: number) => Buffer | undefined): Remembered {
  const out: Remembered = {
    cursor: undefined,
    outstanding: new Map(),
    done: new Set(),
    donePieces: new Set(),
    divided: new Map(),
    segmentNoMax: 0,
  }
  if (!bytes.subarray(0, magic.length).equals(magic)) return out
  for (let at = magic.length; at + entryBytes <= bytes.length; at += entryBytes) {
    const one = bytes.subarray(at, at + entryBytes)
    if (crc32(one.subarray(4)) !== one.readUInt32LE(0)) continue
    const segmentNo = Number(one.readBigUInt64LE(8))
    out.segmentNoMax = Math.max(out.segmentNoMax, segmentNo)
    const id = idOf(segmentNo)
    const place = { segmentNo, number: one.readUInt32LE(24), offset: one.readUInt32LE(28) }
    const kind = one.readUInt8(4)
    // A segment that is gone was done as a whole: its cursor still says that everything before it is done too.
    if (kind === kinds.cursor && (!id || id.subarray(0, 8).equals(one.subarray(16, 24)))) out.cursor = place
    if (!id?.subarray(0, 8).equals(one.subarray(16, 24))) continue
    apply(out, kind, place, one.readUInt32LE(28), one.readUInt32LE(32))
  }
  return out
}

function apply(
  out: Remembered,
  kind: number,
  place: { segmentNo: number; number: number; offset: number },
  a: number,
  b: number,
): void {
  const position = positionOf(place.segmentNo, place.number)
  if (kind === kinds.outstanding) out.outstanding.set(position, place)
  else if (kind === kinds.done) {
    out.outstanding.delete(position)
    out.divided.delete(position)
    out.done.add(position)
  } else if (kind === kinds.pieceDone) {
    out.outstanding.delete(position)
    out.donePieces.add(position)
  } else if (kind === kinds.cut || kind === kinds.partDone) {
    const divided = out.divided.get(position) ?? { cuts: [], done: [] }
    out.divided.set(position, divided)
    if (kind === kinds.cut) divided.cuts.push(a)
    else divided.done.push([a, b])
  }
}
