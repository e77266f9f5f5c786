/**
 * Brings bodies back that were given up for their memory, or were never there since an earlier run had taken them.
 * One after the other; with a reader of its own, so that the queue's keeps its window.
 */

import type { TenantCounts } from '../parcel.ts'
import type { Aside } from './aside.ts'
import { type Chunk, chunkOf, tenantsOf, wholeOf } from './chunk.ts'
import type { Disk } from './disk.ts'
import { diskErrorCode } from './disk.ts'
import type { BodyMemory } from './memory.ts'
import { clipParts } from './parts.ts'
import { FrameReader, type Segment } from './segment.ts'

export interface RereaderOptions {
  readonly disk: Disk
  readonly name: string
  readonly aside: Aside
  readonly memory: BodyMemory
  /** A chunk cannot be read any more; with what was still to be delivered of it. */
  readonly onLost: (chunk: Chunk, records: number, tenants: TenantCounts) => void
}

export class Rereader {
  readonly #options: RereaderOptions
  readonly #reader: FrameReader
  #working: Promise<unknown> = Promise.resolve()

  constructor(options: RereaderOptions) {
    this.#options = options
    this.#reader = new FrameReader(options.disk)
  }

  /**
   * True: the body is in memory. Else a chunk, or a piece of a batch, is lost: `onLost` was told, and what is left of
   * the batch is given back, to go on by itself. Rejects when the disk cannot be read now.
   */
  load(chunk: Chunk): Promise<true | readonly Chunk[]> {
    const work = this.#working.then(() => this.#load(chunk))
    this.#working = work.catch(() => undefined)
    return work
  }

  /** Closes a segment's file, so that its space can be freed. */
  async forget(segment: Segment): Promise<void> {
    await this.#working.then(() => this.#reader.forget(segment))
  }

  async close(): Promise<void> {
    await this.#working
    await this.#reader.close()
  }

  async #load(chunk: Chunk): Promise<true | readonly Chunk[]> {
    if (chunk.body) return true
    const pieces = chunk.pieces ?? [chunk]
    const left: Chunk[] = []
    for (const piece of pieces) if (piece.body || (await this.#read(piece))) left.push(piece)
    if (left.length === pieces.length) {
      if (chunk.pieces) this.#options.memory.join(chunk, pieces)
      return true
    }
    // What parts of the batch were delivered stays delivered.
    let before = 0
    for (const piece of pieces) {
      piece.parts = clipParts(chunk.parts, before, before + piece.records)
      before += piece.records
      if (!left.includes(piece)) this.#lose(piece)
    }
    return left
  }

  #lose(chunk: Chunk): void {
    const ranges = chunk.parts ?? [wholeOf(chunk)]
    const records = ranges.reduce((sum, [from, to]) => sum + to - from, 0)
    const tenants = ranges.flatMap(([from, to]) => tenantsOf(chunk.meta, from, to))
    this.#options.onLost(chunk, records, tenants)
  }

  async #read(chunk: Chunk): Promise<boolean> {
    const { name, aside, memory } = this.#options
    const { segment, offset, bytes } = chunk
    const read = await this.#reader.frameAt(segment, offset).catch((error) => {
      if (diskErrorCode(error) !== 'ENOENT') throw error
      return { is: 'end' } as const
    })
    if (read.is === 'frame') {
      chunk.body = chunkOf(segment, offset, read.header, read.plain, name).body
      memory.add(chunk, read.plain)
      return true
    }
    if (read.is === 'damaged') await aside.keep(this.#reader, segment, offset, offset + bytes)
    return false
  }
}
