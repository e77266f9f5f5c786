/** What is known of batches beside where the reader is: what an earlier run did, and which batches were cut. */
import { limits } from '../../limits.ts'
import type { Known, Place } from './acks.ts'
import { type Chunk, partsOf } from './chunk.ts'
import type { Delivered } from './missing.ts'
import { type Divided, dividedOf } from './parts.ts'
import type { Recovered } from './recover.ts'
import { positionOf, type Segment } from './segment.ts'

export class Progress implements Delivered {
  /** By position, what the reader still has to pass over. */
  #done = new Set<number>()
  #donePieces = new Set<number>()
  /** By position, what was sent in part and is not taken yet. */
  #divided: Map<number, Divided> = new Map()
  /** Batches that were taken and cut. */
  readonly #cut = new Set<Chunk>()

  /** Takes over what an earlier run did. */
  begin({ done, donePieces, divided }: Pick<Recovered, 'done' | 'donePieces' | 'divided'>): void {
    this.#done = new Set(done)
    this.#donePieces = new Set(donePieces)
    this.#divided = new Map(divided)
  }

  isDone(segmentNo: number, number: number, leader: number): boolean {
    return this.#done.has(positionOf(segmentNo, leader)) || this.#donePieces.has(positionOf(segmentNo, number))
  }
  dividedOf(segmentNo: number, leader: number): Divided | undefined {
    return this.#divided.get(positionOf(segmentNo, leader))
  }

  /** Tells a batch that is handed out what is left of it. */
  divide(chunk: Chunk): void {
    if (chunk.isAlone) return
    const position = positionOf(chunk.segment.no, chunk.number)
    chunk.parts = partsOf(chunk, this.#divided.get(position))
    this.#divided.delete(position)
    if (chunk.parts) this.#cut.add(chunk)
  }

  cut(chunk: Chunk): void {
    this.#cut.add(chunk)
  }
  uncut(chunk: Chunk): void {
    this.#cut.delete(chunk)
  }

  /** The reader has passed all segments before this one. */
  forgetBefore(no: number): void {
    const first = positionOf(no, 0)
    for (const set of [this.#done, this.#donePieces]) {
      for (const position of set) if (position < first) set.delete(position)
    }
  }

  /** All of it, for a checkpoint. */
  *known(segments: readonly Segment[]): Generator<Known> {
    for (const chunk of this.#cut) {
      if (chunk.parts) yield { is: 'divided', place: chunk, divided: dividedOf(chunk.records, chunk.parts) }
    }
    const byNo = new Map(segments.map((segment) => [segment.no, segment]))
    const placeOf = (position: number): Omit<Place, 'offset'> | undefined => {
      const segment = byNo.get(Math.floor(position / limits.segmentFramesMax))
      return segment && { segment, number: position % limits.segmentFramesMax }
    }
    for (const [position, divided] of this.#divided) {
      const place = placeOf(position)
      if (place) yield { is: 'divided', place, divided }
    }
    for (const position of this.#done) {
      const place = placeOf(position)
      if (place) yield { is: 'done', place }
    }
    for (const position of this.#donePieces) {
      const place = placeOf(position)
      if (place) yield { is: 'pieceDone', place }
    }
  }
}
