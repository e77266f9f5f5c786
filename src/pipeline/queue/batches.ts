/**
 * Batches of several chunks: small requests of one owner, merged after they were acknowledged one by one.
 *
 * A request must be durable before its sender gets its answer, so a quiet queue writes small chunks. While nobody has
 * taken them out yet, chunks of one owner and one policy that follow each other in a segment are made pieces of one
 * batch. Which batch a chunk is a piece of is written with the chunk, so after a crash the same pieces are put together
 * again, under the same id: that of the first. The first reader that wants a batch closes it, and nothing is added.
 */
import { limits } from '../../limits.ts'

interface OpenBatch {
  readonly leader: number
  readonly owner: string
  readonly group: string
  readonly offset: number
  bytes: number
  records: number
}

/** The batches of the segment that is being written. */
export class OpenBatches {
  readonly #byOwner = new Map<string, OpenBatch>()
  readonly #byLeader = new Map<number, OpenBatch>()

  /** Finds a batch for a chunk, or begins one. Undefined: it stays alone. */
  place(chunk: {
    owner: string
    group: string
    number: number
    offset: number
    used: number
    records: number
  }): readonly [leader: number, recordsBefore: number] | undefined {
    const open = this.#byOwner.get(chunk.owner)
    if (open !== undefined) {
      const isNear = chunk.offset + chunk.used - open.offset <= limits.batchSpanBytesMax
      if (isNear && open.group === chunk.group && open.bytes + chunk.used <= limits.batchBytesMax) {
        const before = open.records
        open.bytes += chunk.used
        open.records += chunk.records
        if (open.bytes >= limits.batchBytesMin) this.close(open.leader)
        return [open.leader, before]
      }
      this.close(open.leader)
    }
    if (chunk.used >= limits.batchBytesMin) return undefined
    this.#forgetBefore(chunk.offset - limits.batchSpanBytesMax)
    const { owner, group, number: leader, offset, used: bytes, records } = chunk
    const batch = { leader, owner, group, offset, bytes, records }
    this.#byOwner.set(owner, batch)
    this.#byLeader.set(leader, batch)
    return [leader, 0]
  }

  /** Nothing can be added any more to batches that began so far back. */
  #forgetBefore(offset: number): void {
    for (const batch of this.#byLeader.values()) {
      if (batch.offset >= offset) return
      this.close(batch.leader)
    }
  }

  close(leader: number): void {
    const batch = this.#byLeader.get(leader)
    if (batch === undefined) return
    this.#byLeader.delete(leader)
    this.#byOwner.delete(batch.owner)
  }
}
