/**
 * Puts the pieces of batches together again (batches.ts), while the reader goes through one segment. No I/O.
 *
 * A batch is complete when nothing can be added to it any more: the segment ends, it is as large as batches get, its
 * owner's next batch has begun, or the writer has closed it and all that was written before that was read. A batch of
 * which a piece cannot be read falls apart: each piece that is left goes on by itself, under an id of its own.
 */
import { limits } from '../../limits.ts'
import type { Clock, Timer } from '../clock.ts'
import type { Chunk } from './chunk.ts'
import { derivedBatchId } from './frame.ts'

interface Held {
  readonly leader: number
  readonly owner: string
  readonly pieces: Chunk[]
  bytes: number
  records: number
  isBroken: boolean
  /** Closed by the writer: all of it is before this frame. */
  until: number | undefined
}

export interface GathererOptions {
  readonly clock: Clock
  /** How long a small batch waits for more. */
  readonly lingerMs?: () => number
  /** Something can be taken that could not before. */
  readonly onReady: () => void
}

export class Gatherer {
  /** Incomplete batches, by the number of the first frame; oldest first. */
  readonly #held = new Map<number, Held>()
  readonly #ready: Chunk[] = []
  readonly #options: GathererOptions
  #timer: Timer | undefined

  constructor(options: GathererOptions) {
    this.#options = options
  }

  get isHolding(): boolean {
    return this.#held.size > 0
  }

  get isWaiting(): boolean {
    return this.#ready.length > 0
  }

  /** A complete batch. Its body is still to be joined where it has `pieces`. */
  shift(): Chunk | undefined {
    return this.#ready.shift()
  }

  /** A chunk goes on by itself, behind what is ready. */
  push(chunk: Chunk): void {
    this.#ready.push(chunk)
  }

  /** Takes the next chunk of the segment. */
  add(chunk: Chunk): void {
    const { owner = '' } = chunk.meta
    const [leader, before] = chunk.meta.batch ?? [-1, 0]
    for (const held of this.#held.values()) {
      const isFar = held.pieces[0]!.offset + limits.batchSpanBytesMax < chunk.offset
      if (isFar || (held.owner === owner && held.leader !== leader)) this.#complete(held)
    }
    if (leader === -1) {
      this.#ready.push(chunk)
      return
    }
    const held = this.#held.get(leader)
    if (held === undefined) this.#begin(chunk, owner, leader)
    else {
      held.isBroken ||= held.records !== before
      held.pieces.push(chunk)
      held.bytes += bodyBytesOf(chunk)
      held.records += chunk.records
      if (held.bytes >= limits.batchBytesMin) this.#complete(held)
    }
  }

  /** The segment ends here for good. */
  end(): void {
    for (const held of this.#held.values()) this.#complete(held)
  }

  /**
   * There is no more to read now. Asks for the oldest batch: `close` tells which frame all of it is before. False: its
   * time has not come (then `onReady` is told when it has), or it is still being written.
   */
  pause(next: number, close: (leader: number) => number): boolean {
    const { clock, lingerMs, onReady } = this.#options
    const oldest = this.#held.values().next().value
    if (oldest === undefined) return false
    const waitMs = oldest.pieces[0]!.meta.at + (lingerMs?.() ?? 0) - clock.nowMs()
    this.#timer?.cancel()
    if (waitMs > 0) {
      this.#timer = clock.after(waitMs, onReady)
      return false
    }
    oldest.until ??= close(oldest.leader)
    if (next < oldest.until) return false
    this.#complete(oldest)
    return true
  }

  close(): void {
    this.#timer?.cancel()
  }

  #begin(chunk: Chunk, owner: string, leader: number): void {
    // Without its first piece it is no batch any more.
    if (chunk.number !== leader) this.#ready.push(aloneOf(chunk))
    else {
      const { records } = chunk
      const bytes = bodyBytesOf(chunk)
      this.#held.set(leader, { leader, owner, pieces: [chunk], bytes, records, isBroken: false, until: undefined })
    }
  }

  #complete(held: Held): void {
    this.#held.delete(held.leader)
    if (held.isBroken) for (const piece of held.pieces) this.#ready.push(aloneOf(piece))
    else this.#ready.push(batchOf(held.pieces))
  }
}

/** As the writer counts them: the body may not be in memory. */
const bodyBytesOf = ({ meta }: Chunk): number => meta.parcels.reduce((sum, { bytes }) => sum + bytes, 0)

/** A piece that is delivered by itself. */
export const aloneOf = (piece: Chunk): Chunk => Object.assign(piece, { isAlone: true })

function batchOf(pieces: readonly Chunk[]): Chunk {
  const first = pieces[0]!
  if (pieces.length === 1) return first
  let bytes = 0
  let records = 0
  for (const piece of pieces) {
    bytes += piece.bytes
    records += piece.records
  }
  return {
    ...first,
    bytes,
    records,
    id: derivedBatchId(first.segment.id, first.number),
    meta: { ...first.meta, parcels: pieces.flatMap(({ meta }) => meta.parcels) },
    body: undefined,
    memoryBytes: 0,
    pooled: undefined,
    pieces,
  }
}
