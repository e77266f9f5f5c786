/** What a log of chunks is given: where it is, what it is made with, and whom it tells. */
import type { Log } from '../../contract.ts'
import type { ChunkCipher } from '../../keys/chunk_cipher.ts'
import type { Clock } from '../clock.ts'
import type { TenantCounts } from '../parcel.ts'
import type { BufferPool } from './buffers.ts'
import type { Disk } from './disk.ts'
import type { MemoryBudget } from './memory.ts'

export interface ChunkLogOptions {
  readonly dir: string
  /** Who reads it: chunks that several queues share have counts of tenants for each. */
  readonly name?: string
  readonly disk: Disk
  readonly cipher: ChunkCipher
  readonly clock: Clock
  readonly log: Log
  /** Something can be taken that could not before. */
  readonly onReady: () => void
  /** Bytes that cannot be read were passed over; `records` of them are missing, and whose, as far as is known. */
  readonly onCorrupt: (records: number, bytes: number, tenants: TenantCounts) => void
  /** Bytes of an owner's frames came in, or left. */
  readonly onHeld?: (owner: string, bytes: number) => void
  /** False: chunks are never merged into batches once they are written. */
  readonly merges?: boolean
  /** How long a small batch waits for more; 0: not at all. */
  readonly lingerMs?: () => number
  /** Shared with the other queues of the same destination. */
  readonly pool?: BufferPool
  readonly budget?: MemoryBudget
}
