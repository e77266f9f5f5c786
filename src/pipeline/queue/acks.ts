/**
 * What has been delivered: a small file of fixed entries beside the segments.
 *
 * It may be behind: an entry that is lost in a crash means that its batch is sent again, under the same id. So entries
 * are written soon, but not made durable one by one. Two things are: a split (its parts have ids of their own, so it
 * must not be forgotten once a part was sent), and a checkpoint, which replaces the file by rename when it has grown.
 *
 *     file   0 8 "DOUANEA1", then entries of 40 bytes, little-endian
 *     entry  0  4  CRC-32 of bytes 4–39       4  1  kind     5  3  zero     8  8  segment number
 *            16 8  first bytes of the segment's id            24 4  frame    28 4  a     32 4  b     36 4  c
 *
 *     kind           a         b     c
 *     1 cursor       offset                frames before it are done, but for those listed as outstanding
 *     2 outstanding  offset                taken, not done
 *     3 part         from      to          of the outstanding chunk before it: records that are still to be sent
 *     4 done                               the chunk is done
 *     5 split        from      to    at    the records [from, to) are sent as [from, at) and [at, to)
 *     6 part done    from      to          that part is done
 * An entry with a wrong sum is skipped. An entry whose segment id is another segment's has no effect.
 */
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Log } from '../../contract.ts'
import { limits } from '../../limits.ts'
import { type Disk, type DiskFile, diskErrorCode } from './disk.ts'
import { positionOf } from './segment.ts'

const magic = Buffer.from('DOUANEA1')
const entryBytes = 40
const kinds = { cursor: 1, outstanding: 2, part: 3, done: 4, split: 5, partDone: 6 } as const

/** Where a chunk is. */
export interface Place {
  readonly segment: { readonly no: number; readonly id: Buffer }
  readonly number: number
  readonly offset: number
}
/** Records [from, to) of a chunk, in the order of the request. */
export type Range = readonly [from: number, to: number]

export interface Remembered {
  /** Where reading goes on. */
  cursor: { readonly segmentNo: number; readonly number: number; readonly offset: number } | undefined
  /** Chunks before the cursor that are not done. */
  readonly outstanding: Map<number, { readonly segmentNo: number; readonly number: number; readonly offset: number }>
  /** Chunks that are done, by position. */
  readonly done: Set<number>
  /** What is left of chunks that were split, by position. */
  readonly parts: Map<number, Range[]>
  /** The highest segment number that any entry names. */
  segmentNoMax: number
}

/** The state to write at a checkpoint. */
export interface AckState {
  readonly cursor: Place | undefined
  readonly outstanding: Iterable<Place & { readonly parts: readonly Range[] | undefined }>
}

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
  partDone(place: Place, [from, to]: Range): void {
    this.#add(entry(kinds.partDone, place, from, to))
  }
  /** Cuts a range at each of `cuts`. Resolves when that will be remembered whatever happens; rejects when the disk fails. */
  async split(place: Place, range: Range, cuts: readonly number[]): Promise<void> {
    let from = range[0]
    for (const cut of cuts) {
      this.#add(entry(kinds.split, place, from, range[1], cut))
      from = cut
    }
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
    this.#working = this.#flush().finally(() => {
      this.#working = undefined
    })
  }

  async #settle(): Promise<void> {
    while (this.#working) await this.#working
    this.#work()
    while (this.#working) await this.#working
  }

  /** Writes what is pending. A failing disk leaves it pending, up to a bound: then a checkpoint says it all anew. */
  async #flush(): Promise<void> {
    await Promise.resolve()
    try {
      if (this.#wanted || !this.#file) await this.#checkpoint()
      while (this.#pending.length > 0) {
        const batch = this.#pending
        const bytes = Buffer.concat(batch)
        await this.#file!.write([bytes], this.#size)
        this.#size += bytes.length
        this.#pending = this.#pending.slice(batch.length)
      }
    } catch (error) {
      this.#log.warn('queue.acks_not_written', { code: diskErrorCode(error), entries: this.#pending.length })
      if (this.#pending.length > limits.ackEntriesMax) {
        this.#pending = []
        this.#wanted = true
      }
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

function entry(kind: number, place: Place, a = 0, b = 0, c = 0): Buffer {
  const bytes = Buffer.alloc(entryBytes)
  bytes.writeUInt8(kind, 4)
  bytes.writeBigUInt64LE(BigInt(place.segment.no), 8)
  place.segment.id.copy(bytes, 16, 0, 8)
  bytes.writeUInt32LE(place.number, 24)
  bytes.writeUInt32LE(a, 28)
  bytes.writeUInt32LE(b, 32)
  bytes.writeUInt32LE(c, 36)
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

function checkpointBytes(state: AckState): Buffer {
  const parts: Buffer[] = [magic]
  if (state.cursor) parts.push(entry(kinds.cursor, state.cursor, state.cursor.offset))
  for (const chunk of state.outstanding) {
    parts.push(entry(kinds.outstanding, chunk, chunk.offset))
    for (const [from, to] of chunk.parts ?? []) parts.push(entry(kinds.part, chunk, from, to))
  }
  return Buffer.concat(parts)
}

function remember(bytes: Buffer, idOf: (segmentNo: number) => Buffer | undefined): Remembered {
  const out: Remembered = {
    cursor: undefined,
    outstanding: new Map(),
    done: new Set(),
    parts: new Map(),
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
    apply(out, kind, place, one.readUInt32LE(28), one.readUInt32LE(32), one.readUInt32LE(36))
  }
  return out
}

function apply(
  out: Remembered,
  kind: number,
  place: { segmentNo: number; number: number; offset: number },
  a: number,
  b: number,
  c: number,
): void {
  const position = positionOf(place.segmentNo, place.number)
  if (kind === kinds.outstanding) out.outstanding.set(position, place)
  else if (kind === kinds.part) out.parts.set(position, [...(out.parts.get(position) ?? []), [a, b]])
  else if (kind === kinds.split) {
    const known = out.parts.get(position) ?? [[a, b]]
    out.parts.set(position, splitRange(known, [a, b], c))
  } else if (kind === kinds.partDone) {
    const left = (out.parts.get(position) ?? []).filter(([from, to]) => from !== a || to !== b)
    out.parts.set(position, left)
  } else if (kind === kinds.done) {
    out.outstanding.delete(position)
    out.parts.delete(position)
    out.done.add(position)
  }
}

/** `parts` with the range cut in two; as they were when it is not among them. */
export function splitRange(parts: readonly Range[], [from, to]: Range, at: number): Range[] {
  return parts.flatMap((part): Range[] =>
    part[0] === from && part[1] === to
      ? [
          [from, at],
          [at, to],
        ]
      : [part],
  )
}
