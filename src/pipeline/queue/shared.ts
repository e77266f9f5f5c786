/**
 * Bytes that several destinations need are written once.
 *
 * Destinations that get the very same copy of a request have a lane in common: one writer makes one chunk in one file,
 * which lies in the folder of each as a hard link. So each has a whole queue of its own, which it reads, acknowledges
 * and removes without asking the others, and which survives without them; the file system counts who still has a name
 * for the bytes. Each set of destinations has lanes of its own, so a file holds nothing that one of its readers does
 * not need, and a dead destination keeps no more than what is queued for it.
 *
 * Where that cannot be (no hard links here, too many sets, a lane is still being opened) each gets its own copy.
 */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import type { Log } from '../../contract.ts'
import type { ChunkCipher } from '../../keys/chunk_cipher.ts'
import { limits } from '../../limits.ts'
import { BufferPool } from './buffers.ts'
import { type Disk, diskErrorCode } from './disk.ts'
import type { Lanes } from './lanes.ts'
import { commonSlot } from './owners.ts'
import { Writer } from './writer.ts'
import type { Entry } from './writer_options.ts'

/** A destination's queue, and the folder it is in. */
export interface Member {
  readonly lanes: Lanes
  readonly dir: string
}

interface SharedSet {
  readonly name: string
  readonly members: readonly Member[]
  /** Holds what is meant for all of them. */
  readonly pool: BufferPool
  /** By slot. Undefined: it is being opened. */
  readonly writers: Map<number, Writer | undefined>
  retryAtMs: number
}

export interface SharedQueuesOptions {
  readonly disk: Disk
  readonly cipher: ChunkCipher
  readonly log: Log
  readonly nowMs: () => number
}

export class SharedQueues {
  readonly #options: SharedQueuesOptions
  readonly #sets = new Map<string, SharedSet>()

  constructor(options: SharedQueuesOptions) {
    this.#options = options
  }

  /**
   * Copies the body at once; resolves when it is durable for all of them, rejects with the disk's error. Undefined: it
   * cannot be shared, give it to each.
   */
  append(members: readonly Member[], entry: Omit<Entry, 'at'>): Promise<void> | undefined {
    let slot = commonSlot
    for (const { lanes } of members) slot = Math.max(slot, lanes.slotFor(entry.owner))
    const writer = this.#writer(members, slot)
    if (writer === undefined) return undefined
    for (const { lanes } of members) lanes.enter(entry.owner, slot)
    return writer.append({ ...entry, at: this.#options.nowMs() })
  }

  #writer(members: readonly Member[], slot: number): Writer | undefined {
    const key = members.map(({ lanes }) => lanes.name).join('\n')
    let set = this.#sets.get(key)
    // A reload has replaced one of them.
    if (set?.members.some(({ lanes }, i) => lanes !== members[i]!.lanes)) {
      this.#sets.delete(key)
      set = undefined
    }
    if (set === undefined) {
      if (this.#sets.size >= limits.sharedSetsMax) return undefined
      const name = `with-${hash('sha256', key, 'hex').slice(0, 16)}`
      set = { name, members, pool: new BufferPool(), writers: new Map(), retryAtMs: 0 }
      this.#sets.set(key, set)
    }
    const writer = set.writers.get(slot)
    if (writer !== undefined && !writer.isClosed) return writer
    if (!set.writers.has(slot) || writer !== undefined) this.#open(set, slot)
    return undefined
  }

  #open(set: SharedSet, slot: number): void {
    const { nowMs, log } = this.#options
    if (nowMs() < set.retryAtMs) return
    set.writers.set(slot, undefined)
    void this.#openAll(set, slot).then(
      (writer) => void set.writers.set(slot, writer),
      (error) => {
        set.writers.delete(slot)
        set.retryAtMs = nowMs() + limits.sharedRetryMs
        log.warn('queue.not_shared', { code: diskErrorCode(error), destinations: set.members.length })
      },
    )
  }

  async #openAll({ name, members, pool }: SharedSet, slot: number): Promise<Writer> {
    const { disk, cipher } = this.#options
    await this.#tryLinks(members)
    const logs = []
    for (const { lanes } of members) logs.push(await lanes.openShared(`${name}.${slot}`, slot, pool))
    const firstSegmentNo = Math.max(...logs.map(({ nextSegmentNo }) => nextSegmentNo))
    const ends = logs.map(({ end }) => end)
    const writer = new Writer({ disk, cipher, pool, firstSegmentNo, ends, merges: true })
    for (const log of logs) log.writeWith(writer)
    return writer
  }

  /** Rejects where a file cannot have a name in each of the folders. */
  async #tryLinks(members: readonly Member[]): Promise<void> {
    const { disk } = this.#options
    const [first, ...others] = members.map(({ dir }) => join(dir, 'lanes', 'link'))
    const remove = (path: string) => disk.remove(path).catch(() => undefined)
    await Promise.all([first!, ...others].map(remove))
    const file = await disk.create(first!)
    await file.close()
    try {
      for (const other of others) await disk.link(first!, other)
    } finally {
      await Promise.all([first!, ...others].map(remove))
    }
  }
}
