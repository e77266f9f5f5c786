/**
 * One segment as the running queue knows it, and the reading of its frames.
 *
 * Reading goes forward through a window of bytes, so that a queue of small chunks needs few system calls and a queue
 * of any length needs little memory. Damage is found here, and told with the place where reading goes on.
 */

import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import type { Log } from '../../contract.ts'
import { limits } from '../../limits.ts'
import { freeAtOnce } from './buffers.ts'
import { type Disk, type DiskFile, diskErrorCode } from './disk.ts'
import {
  type FrameHeader,
  frameFirstByte,
  frameHeaderBytes,
  openFrame,
  readFrameHeader,
  type SegmentIdentity,
  segmentHeaderBytes,
} from './frame.ts'

/** Batches, records, requests and bytes of frames. */
export interface Amount {
  batches: number
  records: number
  requests: number
  bytes: number
}
export const noAmount = (): Amount => ({ batches: 0, records: 0, requests: 0, bytes: 0 })

export function addAmount(to: Amount, amount: Amount, sign: 1 | -1): void {
  to.batches += sign * amount.batches
  to.records += sign * amount.records
  to.requests += sign * amount.requests
  to.bytes += sign * amount.bytes
}

export class Segment implements SegmentIdentity {
  readonly no: number
  readonly path: string
  readonly id: Buffer
  readonly key: KeyObject
  /** End of the frames that may be read: what is behind it is not durable yet, or not a frame. */
  bytes = segmentHeaderBytes
  /** Nothing will be written to it any more. */
  closed = false
  /** What the reader has not taken yet, as far as is known. */
  readonly untaken = noAmount()
  /** Chunks that were taken and are not done. */
  outstanding = 0
  /** Its file was another segment's before: behind its last frame there may be bytes of that. */
  isReused = false

  constructor(no: number, dir: string, id: Buffer, key: KeyObject) {
    this.no = no
    this.path = join(dir, segmentName(no))
    this.id = id
    this.key = key
  }
}

export const segmentName = (no: number): string => `${String(no).padStart(12, '0')}.seg`
/** The number in a segment's file name; undefined: not a segment. */
export function segmentNo(name: string): number | undefined {
  const match = /^(\d{12})\.seg$/.exec(name)
  return match ? Number(match[1]) : undefined
}

/** A frame's place in the whole queue, as one number; later frames have larger ones. */
export const positionOf = (segmentNo: number, frame: number): number => segmentNo * limits.segmentFramesMax + frame

interface SegmentFiles {
  readonly disk: Disk
  readonly log: Log
  readonly inventories: { remove(no: number): Promise<void> }
  readonly spares: { keep(segment: Segment): Promise<boolean> }
}

/**
 * Deletes a segment's files, or keeps the larger one for another segment. One that cannot be deleted is found again, and
 * done, at the next start.
 */
export async function removeSegment({ disk, log, inventories, spares }: SegmentFiles, segment: Segment): Promise<void> {
  try {
    // First, and for good: an inventory without its segment says that the segment is lost.
    await inventories.remove(segment.no)
    if (!(await spares.keep(segment))) await disk.remove(segment.path)
  } catch (error) {
    const code = diskErrorCode(error)
    if (code !== 'ENOENT') log.warn('queue.segment_not_removed', { segment: segment.no, code })
  }
}

export type FrameRead =
  | { is: 'frame'; header: FrameHeader; plain: Buffer; next: number }
  | { is: 'end' }
  /** The bytes up to `next` are unreadable. `last`: no frame follows them in this segment. */
  | { is: 'damaged'; next: number; last: boolean }

const windowBytes = 256 * 1024
/** A window that became larger than this is given back when it is not needed any more. */
const keptBytesMax = 1024 * 1024

/** Reads frames of one segment at a time. Not for concurrent calls. */
export class FrameReader {
  readonly #disk: Disk
  #segment: Segment | undefined
  #file: DiskFile | undefined
  /** Made when it is first needed: most queues are never read from the disk. */
  #buffer: Buffer = Buffer.alloc(0)
  #start = 0
  #length = 0

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** The frame at `offset`. Rejects when the file cannot be read at all. */
  async frameAt(segment: Segment, offset: number): Promise<FrameRead> {
    await this.#open(segment)
    if (offset >= segment.bytes) return { is: 'end' }
    const at = await this.#window(offset, frameHeaderBytes, segment.bytes)
    const header = readFrameHeader(this.#buffer.subarray(0, this.#length), at, segment.id)
    if (!header) return this.#resync(segment, offset + 1)
    const next = offset + frameHeaderBytes + header.sealedBytes
    if (next > segment.bytes) return this.#resync(segment, offset + 1)
    const whole = await this.#window(offset, next - offset, segment.bytes)
    const bytes = this.#buffer.subarray(0, this.#length)
    const plain = whole + (next - offset) <= this.#length ? openFrame(segment, header, bytes, whole) : undefined
    if (plain) return { is: 'frame', header, plain, next }
    return { is: 'damaged', next, last: next >= segment.bytes }
  }

  /** Raw bytes, for setting them aside. At most `windowBytes` at a time. */
  async rawAt(segment: Segment, offset: number, end: number): Promise<Buffer> {
    await this.#open(segment)
    const wanted = Math.min(end - offset, windowBytes)
    const at = await this.#window(offset, wanted, segment.bytes)
    return Buffer.from(this.#buffer.subarray(at, Math.min(at + wanted, this.#length)))
  }

  /** Closes the segment's file, if it is the one that is open. */
  async forget(segment: Segment): Promise<void> {
    if (this.#segment === segment) await this.close()
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    this.#segment = undefined
    this.#length = 0
    await file?.close().catch(() => undefined)
  }

  async #open(segment: Segment): Promise<void> {
    if (this.#segment === segment) return
    await this.close()
    this.#file = await this.#disk.read(segment.path)
    this.#segment = segment
  }

  /** Makes [offset, offset + length) present as far as the segment goes; gives where it starts in the buffer. */
  async #window(offset: number, length: number, end: number): Promise<number> {
    if (offset >= this.#start && offset + length <= this.#start + this.#length) return offset - this.#start
    const needed = Math.max(Math.min(length, end - offset), 0)
    const isLarge = this.#buffer.length > keptBytesMax && needed <= keptBytesMax
    if (needed > this.#buffer.length || isLarge) this.#resize(needed)
    // Never beyond what is durable: the writer may be in the middle of the bytes behind.
    const wanted = Math.min(this.#buffer.length, end - offset)
    this.#start = offset
    this.#length = 0
    while (this.#length < wanted) {
      const read = await this.#file!.read(this.#buffer.subarray(this.#length, wanted), offset + this.#length)
      if (read === 0) break
      this.#length += read
    }
    return 0
  }

  /** In steps, so that frames of about the same size need one buffer. What was read before is gone. */
  #resize(needed: number): void {
    let bytes = windowBytes
    while (bytes < needed && bytes < keptBytesMax) bytes *= 2
    freeAtOnce([this.#buffer])
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(bytes, needed))
  }

  /** Looks for the next frame header at or behind `offset`. */
  async #resync(segment: Segment, offset: number): Promise<FrameRead> {
    for (let from = offset; from < segment.bytes; ) {
      const at = await this.#window(from, Math.min(windowBytes, segment.bytes - from), segment.bytes)
      const bytes = this.#buffer.subarray(at, this.#length)
      for (let i = bytes.indexOf(frameFirstByte); i >= 0; i = bytes.indexOf(frameFirstByte, i + 1)) {
        const header = readFrameHeader(bytes, i, segment.id)
        if (header && from + i + frameHeaderBytes + header.sealedBytes <= segment.bytes) {
          return { is: 'damaged', next: from + i, last: false }
        }
      }
      // A header may straddle two windows: overlap them by one less than its length.
      if (bytes.length < frameHeaderBytes || from + bytes.length >= segment.bytes) break
      from += bytes.length - frameHeaderBytes + 1
    }
    return { is: 'damaged', next: segment.bytes, last: true }
  }
}
