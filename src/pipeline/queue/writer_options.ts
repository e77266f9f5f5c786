/** What a writer is given, what is appended to it, and what it hands out once that is durable. */
import type { ChunkCipher } from '../../keys/chunk_cipher.ts'
import type { BufferPool } from './buffers.ts'
import type { Disk } from './disk.ts'
import type { ChunkMeta, ParcelMeta } from './frame.ts'
import type { Inventory } from './inventory.ts'
import type { Segment } from './segment.ts'
import type { Spares } from './spares.ts'

/** A chunk that has just become durable. */
export interface Written {
  readonly segment: Segment
  readonly number: number
  readonly offset: number
  /** Of the frame. */
  readonly bytes: number
  readonly meta: ChunkMeta
  readonly records: number
  /** The receiver owns it until it is given back. The body is its first `bodyBytes`. */
  readonly buffer: Buffer
  readonly bodyBytes: number
  readonly pool: BufferPool
}

/** A queue that is written into. */
export interface WriterEnd {
  /** Whose counts a chunk's `tenantsFor` may name. */
  readonly reader: string
  readonly dir: string
  readonly onSegment: (segment: Segment) => void
  /** Nothing more is written to a segment. */
  readonly onClosed: (segment: Segment, inventory: Inventory) => void
  readonly onWritten: (written: readonly Written[]) => void
  /** The code of what the disk says; undefined: it works again. */
  readonly onDisk: (code: string | undefined) => void
}

/** What is appended. */
export interface Entry {
  readonly body: Uint8Array
  readonly parcels: readonly ParcelMeta[]
  readonly group: string
  readonly owner: string
  /** When it was queued, Unix milliseconds. */
  readonly at: number
  /** The batch id, where it has one already: then it is not merged with others. */
  readonly id?: string
}

export interface WriterOptions {
  readonly disk: Disk
  readonly cipher: ChunkCipher
  readonly pool: BufferPool
  /** The number of the next segment, free in every folder. */
  readonly firstSegmentNo: number
  readonly ends: readonly WriterEnd[]
  /** Files that may be used again; left out: none. */
  readonly spares?: Spares
  /** Small chunks become pieces of batches. */
  readonly merges: boolean
}
