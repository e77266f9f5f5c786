/**
 * Where a queue's reader is: its segments in order, and the place in one of them where the next chunk is taken.
 * Segments before that one only hold chunks that were taken and are not done.
 */
import type { AckState, Remembered } from './acks.ts'
import { segmentHeaderBytes, segmentIdBytes } from './frame.ts'
import type { Segment } from './segment.ts'

export interface Place {
  readonly segment: Segment
  offset: number
  number: number
}

export class Walk {
  segments: Segment[] = []
  /** Where the next chunk is taken; undefined: there is no segment to take it from yet. */
  at: Place | undefined
  /** Where an earlier run stopped to take. */
  #cursor: Remembered['cursor']

  begin(segments: Segment[], cursor: Remembered['cursor']): void {
    this.segments = segments
    this.#cursor = cursor
  }

  /**
   * The first place to read in the first segment with that number or a higher one (without a number: where the earlier
   * run stopped, or the first). Undefined: there is none yet.
   */
  find(no = this.#cursor?.segmentNo ?? 0): Place | undefined {
    const segment = this.segments.find((one) => one.no >= no)
    if (!segment) return undefined
    const again = segment.no === this.#cursor?.segmentNo ? this.#cursor : undefined
    return { segment, offset: again?.offset ?? segmentHeaderBytes, number: again?.number ?? 0 }
  }

  /** The reader is done with it. */
  isPast(segment: Segment): boolean {
    const { at } = this
    if (!segment.closed) return false
    if (!at) return segment.no < (this.#cursor?.segmentNo ?? 0)
    return at.segment.no > segment.no || (at.segment === segment && at.offset >= segment.bytes)
  }

  /** There is, or may be, something to take. */
  get mayHaveMore(): boolean {
    const { at } = this
    return at ? at.offset < at.segment.bytes || at.segment.closed : this.segments.length > 0
  }

  get diskBytes(): number {
    let bytes = 0
    for (const segment of this.segments) bytes += segment.bytes
    return bytes
  }

  forget(segment: Segment): void {
    const i = this.segments.indexOf(segment)
    if (i >= 0) this.segments.splice(i, 1)
  }

  /** For a checkpoint. */
  get cursor(): AckState['cursor'] {
    const { at } = this
    if (at) return { segment: at.segment, number: at.number, offset: at.offset }
    const before = this.#cursor
    const segment = before && { no: before.segmentNo, id: Buffer.alloc(segmentIdBytes) }
    return segment && { segment, number: before.number, offset: before.offset }
  }
}
