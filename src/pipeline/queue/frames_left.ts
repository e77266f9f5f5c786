/**
 * Reads the frames of a segment from a place on, to where they end, after a crash maybe.
 *
 * A segment that was closed in good order ends with its totals. One that was not may end with a torn write, which
 * nobody was told is durable: it is cut off. In a file that was another segment before, what is left of that follows.
 */
import { frameKind } from './frame.ts'
import type { FrameRead, FrameReader, Segment } from './segment.ts'

type Frame = Extract<FrameRead, { is: 'frame' }>

export interface FramesLeft {
  /** Where they end. */
  readonly end: number
  /** Bytes of a write that never ended, from `end` on. */
  readonly tornBytes: number
}

/** `hasTotals`: no end of it is torn. */
export async function framesLeft(
  reader: FrameReader,
  segment: Segment,
  { from, hasTotals }: { from: number; hasTotals: boolean },
  { onFrame, onDamaged }: { onFrame: (frame: Frame, at: number) => void; onDamaged: () => void },
): Promise<FramesLeft> {
  /** In a file that was used before: where bytes begin that cannot be read, and behind which no frame was found yet. */
  let torn: number | undefined
  for (let at = from; ; ) {
    const read = await reader.frameAt(segment, at)
    if (read.is === 'end') return { end: torn ?? segment.bytes, tornBytes: at - (torn ?? at) }
    if (read.is === 'damaged') {
      if (read.last && !hasTotals) {
        const end = torn ?? at
        return { end, tornBytes: (segment.isReused ? at : read.next) - end }
      }
      if (segment.isReused && !hasTotals) torn ??= at
      else onDamaged()
      at = read.next
      continue
    }
    if (torn !== undefined) onDamaged()
    torn = undefined
    if (read.header.kind === frameKind.totals) return { end: at, tornBytes: 0 }
    onFrame(read, at)
    at = read.next
  }
}
