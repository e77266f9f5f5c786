/**
 * The quarantine: records that no rule gives a way out. They are accepted, and kept encrypted on this machine as they
 * came, until somebody releases them through the chain again, purges them, or they are too old.
 *
 * The files are those of a queue (queue/frame.ts). Bounded in bytes: beyond that a sender is told to wait; and in
 * age: what is older is deleted and counted.
 */
import type { Log } from '../contract.ts'
import type { ChunkCipher } from '../keys/chunk_cipher.ts'
import { limits } from '../limits.ts'
import { type Clock, systemClock, type Timer } from './clock.ts'
import { type Parcel, QueueRefusal, type TenantCounts } from './parcel.ts'
import { type Chunk, parcelEdges, tenantsOf, wholeOf } from './queue/chunk.ts'
import { ChunkLog } from './queue/chunk_log.ts'
import { type Disk, nodeDisk } from './queue/disk.ts'

export interface QuarantineOptions {
  readonly dir: string
  readonly cipher: ChunkCipher
  readonly log: Log
  readonly nowMs: () => number
  readonly clock?: Clock
  readonly disk?: Disk
  readonly bytesMax?: number
  readonly ageMsMax?: number
  /** Told what was deleted, by command or for its age. */
  readonly onPurged?: (tenants: TenantCounts) => void
}

/** One quarantined parcel on its way out. */
export interface Released {
  readonly body: Uint8Array
  readonly records: number
  readonly tenants: TenantCounts
  /** What its parcel said as `policyVersion`: the pipeline that it came through. */
  readonly group: string
  /** When it was quarantined, Unix milliseconds. */
  readonly quarantinedMs: number
}

/** What is left of a parcel. */
export type Rest = Pick<Released, 'body' | 'records' | 'tenants'>

export interface QuarantineState {
  readonly records: number
  readonly bytes: number
  readonly oldestMs: number | undefined
  /** By name. */
  readonly tenants: TenantCounts
}

/** Opens the quarantine in `dir`. Rejects with `KeyError`, `DependencyError` or the disk's error. */
export async function openQuarantine(options: QuarantineOptions): Promise<Quarantine> {
  const quarantine = new Quarantine(options)
  await quarantine.open()
  return quarantine
}

export class Quarantine {
  readonly id = 'quarantine'
  readonly #options: QuarantineOptions
  readonly #queue: ChunkLog
  readonly #clock: Clock
  readonly #tenants = new Map<string, number>()
  /** Chunks that were taken, and stay. In order. */
  #held: Chunk[] = []
  #timer: Timer | undefined
  /** Release, purge and expiry take chunks: one of them at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: QuarantineOptions) {
    this.#options = options
    const timers = options.clock ?? systemClock
    this.#clock = { nowMs: options.nowMs, after: (ms, run) => timers.after(ms, run) }
    const { dir, cipher, log, disk = nodeDisk } = options
    const onCorrupt = (records: number, bytes: number) => log.error('quarantine.corrupt', { records, bytes })
    const clock = this.#clock
    // What is released later came later: nothing is merged.
    this.#queue = new ChunkLog({ dir, disk, cipher, clock, log, onReady: () => undefined, onCorrupt, merges: false })
  }

  async open(): Promise<void> {
    const { tenants } = await this.#queue.open()
    this.#queue.writeWith(this.#queue.ownWriter())
    this.#count(tenants, 1)
    this.#expireLater()
  }

  /** Resolves when the parcel is durable. Rejects with `QueueRefusal`. The body is copied at once. */
  async offer(parcel: Parcel): Promise<void> {
    const refusal = parcel.isAdmitted ? undefined : this.refusal(parcel.records, parcel.body.length)
    if (refusal) throw refusal
    const { body, records, tenants, policyVersion } = parcel
    try {
      const parcels = [{ bytes: body.length, records, tenants }]
      await this.#queue.append({ body, parcels, group: policyVersion, owner: '' })
    } catch {
      throw new QueueRefusal(this.id, 'failing', limits.diskRetryMs)
    }
    this.#count(tenants, 1)
  }

  /** Whether a parcel of about this size would be refused now. */
  refusal(_records: number, bytes: number): QueueRefusal | undefined {
    const waiting = this.#queue.waiting.bytes
    const failing = this.#queue.diskFailing
    if (failing && this.#clock.nowMs() < failing.retryAtMs)
      return new QueueRefusal(this.id, 'failing', limits.diskRetryMs)
    const isFull = waiting > 0 && waiting + bytes > (this.#options.bytesMax ?? limits.quarantineBytesMax)
    return isFull ? new QueueRefusal(this.id, 'full', limits.quarantineFullRetryMs) : undefined
  }

  state(): QuarantineState {
    const { records, bytes } = this.#queue.waiting
    const tenants = [...this.#tenants].sort(([a], [b]) => (a < b ? -1 : 1))
    return { records, bytes, oldestMs: this.#queue.oldestMs, tenants }
  }

  /**
   * Hands what is there now to `readmit`, parcel by parcel, oldest first, and forgets each once that has resolved. What
   * comes back into quarantine meanwhile stays. Ends at the first rejection, which it passes on. Gives the records.
   */
  release(readmit: (parcel: Released) => Promise<void>): Promise<number> {
    const until = this.#clock.nowMs()
    return this.#each(async (chunk) => {
      if (chunk.meta.at > until) return false
      await this.#releaseOne(chunk, readmit)
      return true
    })
  }

  /** Deletes all that is there now; gives the records. */
  purge(): Promise<number> {
    const until = this.#clock.nowMs()
    return this.#each(async (chunk) => {
      if (chunk.meta.at > until) return false
      this.#options.onPurged?.(tenantsLeft(chunk))
      return true
    })
  }

  /** Deletes what is too old; gives the records. */
  expire(): Promise<number> {
    const until = this.#clock.nowMs() - (this.#options.ageMsMax ?? limits.quarantineAgeMsMax)
    return this.#each(async (chunk) => {
      if (chunk.meta.at > until) return false
      this.#options.log.warn('quarantine.expired', { records: leftOf(chunk) })
      this.#options.onPurged?.(tenantsLeft(chunk))
      return true
    })
  }

  /**
   * Takes out of what is there now what may not be kept: `restOf` gives what is left of a parcel, or undefined where it
   * stays as it is. Gives the records that went. Rejects with the disk's error; what is left then waits for another run.
   */
  rewrite(restOf: (parcel: Released) => Rest | undefined): Promise<number> {
    const work = this.#turn.then(async () => {
      for (let chunk = await this.#queue.next(); chunk; chunk = await this.#queue.next()) this.#held.push(chunk)
      let gone = 0
      for (const chunk of [...this.#held]) gone += await this.#rewriteOne(chunk, restOf)
      return gone
    })
    this.#turn = work.catch(() => undefined)
    return work
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    await this.#turn
    await this.#queue.close()
  }

  #each(judge: (chunk: Chunk) => Promise<boolean>): Promise<number> {
    const work = this.#turn.then(async () => {
      let records = 0
      for (;;) {
        const chunk = this.#held[0] ?? (await this.#queue.next())
        if (!chunk) return records
        if (this.#held[0] !== chunk) this.#held.unshift(chunk)
        const before = leftOf(chunk)
        try {
          if (!(await judge(chunk))) return records
        } finally {
          this.#queue.unload(chunk)
        }
        this.#held.shift()
        this.#count(tenantsLeft(chunk), -1)
        this.#queue.done(chunk)
        records += before
      }
    })
    this.#turn = work.catch(() => undefined)
    return work
  }

  /** Parcel by parcel, so that one that cannot be readmitted does not send the others again. */
  async #releaseOne(chunk: Chunk, readmit: (parcel: Released) => Promise<void>): Promise<void> {
    if (!(await this.#queue.load(chunk))) return
    const edges = chunk.parts ? [] : parcelEdges(chunk.meta, 0, chunk.records)
    if (edges.length > 0) await this.#queue.split(chunk, wholeOf(chunk), edges)
    for (const { parcel, part } of parcelsLeft(chunk)) {
      await readmit(parcel)
      if (part) {
        this.#queue.partDone(chunk, part)
        this.#count(parcel.tenants, -1)
      }
    }
  }

  /** What of a chunk may be kept goes in anew, at its age; then the chunk is forgotten. Gives the records that went. */
  async #rewriteOne(chunk: Chunk, restOf: (parcel: Released) => Rest | undefined): Promise<number> {
    const isRead = await this.#queue.load(chunk)
    const left = isRead ? [...parcelsLeft(chunk)].map(({ parcel }) => parcel) : []
    const rests = left.map((parcel) => restOf(parcel))
    if (isRead && rests.every((rest) => rest === undefined)) {
      this.#queue.unload(chunk)
      return 0
    }
    let gone = 0
    for (const [i, parcel] of left.entries()) {
      const { body, records, tenants } = rests[i] ?? parcel
      gone += parcel.records - records
      this.#options.onPurged?.(difference(parcel.tenants, tenants))
      if (records === 0) continue
      const parcels = [{ bytes: body.length, records, tenants }]
      await this.#queue.append({ body, parcels, group: parcel.group, owner: '', at: parcel.quarantinedMs })
      this.#count(tenants, 1)
    }
    this.#held = this.#held.filter((held) => held !== chunk)
    this.#count(tenantsLeft(chunk), -1)
    this.#queue.done(chunk)
    return gone
  }

  #count(tenants: TenantCounts, sign: 1 | -1): void {
    for (const [tenant, records] of tenants) {
      const left = (this.#tenants.get(tenant) ?? 0) + sign * records
      if (left > 0) this.#tenants.set(tenant, left)
      else this.#tenants.delete(tenant)
    }
  }

  #expireLater(): void {
    this.#timer = this.#clock.after(limits.quarantineExpiryMs, () => {
      void this.expire()
        .catch(() => this.#options.log.error('quarantine.not_expired'))
        .finally(() => this.#expireLater())
    })
  }
}

const leftOf = (chunk: Chunk): number =>
  (chunk.parts ?? [wholeOf(chunk)]).reduce((sum, [from, to]) => sum + to - from, 0)

const tenantsLeft = (chunk: Chunk): [string, number][] =>
  (chunk.parts ?? [wholeOf(chunk)]).flatMap(([from, to]) => tenantsOf(chunk.meta, from, to))

/** The parcels of a loaded chunk that are still there, each with its part of the chunk where that was split. */
function* parcelsLeft(chunk: Chunk): Generator<{ parcel: Released; part: readonly [number, number] | undefined }> {
  let at = 0
  let byte = 0
  for (const { bytes, records, tenants } of chunk.meta.parcels) {
    const part = chunk.parts?.find(([from, to]) => from <= at && at < to)
    if (!chunk.parts || part) {
      const body = chunk.body!.subarray(byte, byte + bytes)
      yield { parcel: { body, records, tenants, group: chunk.meta.group, quarantinedMs: chunk.meta.at }, part }
    }
    at += records
    byte += bytes
  }
}

function difference(before: TenantCounts, after: TenantCounts): TenantCounts {
  const left = new Map(after)
  return before
    .map(([tenant, records]) => [tenant, records - (left.get(tenant) ?? 0)] as const)
    .filter(([, records]) => records > 0)
}
