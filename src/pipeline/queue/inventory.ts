/**
 * What lies in which frame of a segment, kept beside it in a file of its own (`000000000001.inv`), so that it can be told
 * whose records are lost when the segment is damaged or gone.
 *
 * It is written once, when nothing more is added to the segment and something in it is still to be delivered, and not
 * synchronised: it only matters together with a second misfortune. It is removed, durably, before the segment is. So an
 * inventory without its segment says that the segment was not removed by us.
 *
 *     a segment's header (frame.ts) with a key of its own, then one frame of kind 3 with JSON
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Log } from '../../contract.ts'
import type { ChunkCipher } from '../../keys/chunk_cipher.ts'
import type { TenantCounts } from '../parcel.ts'
import { type Disk, diskErrorCode } from './disk.ts'
import {
  type ChunkMeta,
  frameHeaderBytes,
  frameKind,
  openFrame,
  readFrameHeader,
  readSegmentHeader,
  sealFrame,
  segmentHeader,
  segmentHeaderBytes,
  segmentIdBytes,
} from './frame.ts'
import type { Segment } from './segment.ts'

/** A frame as one of the queues that share the segment sees it. */
export interface Listed {
  readonly number: number
  /** The first frame of its batch; itself, when it is no piece of one. */
  readonly leader: number
  /** Records of the batch before this frame. */
  readonly before: number
  readonly bytes: number
  readonly records: number
  readonly owner: string
  readonly tenants: TenantCounts
}

/** What many frames have in common. */
interface Shape {
  readonly records: number
  readonly owner: string
  /** For each reader. */
  readonly tenants: readonly TenantCounts[]
}
/**
 * As it is written. `frames`: for each frame how many numbers it skips, how far behind its leader it is, records before,
 * bytes, shape.
 */
interface Written {
  readonly segment: string
  readonly readers: readonly string[]
  readonly shapes: readonly Shape[]
  readonly frames: readonly number[]
}
const numbersEach = 5

export class Inventory {
  readonly #readers: readonly string[]
  readonly #shapes = new Map<string, number>()
  readonly #frames: number[] = []
  #next = 0

  constructor(readers: readonly string[]) {
    this.#readers = readers
  }

  add(number: number, meta: ChunkMeta, records: number, bytes: number, tenants: readonly TenantCounts[]): void {
    const [leader, before] = meta.batch ?? [number, 0]
    const shape = JSON.stringify({ records, owner: meta.owner ?? '', tenants } satisfies Shape)
    const known = this.#shapes.get(shape) ?? this.#shapes.size
    this.#shapes.set(shape, known)
    this.#frames.push(number - this.#next, number - leader, before, bytes, known)
    this.#next = number + 1
  }

  /** The frames within the first `bytes` of frames: what is behind was never durable. */
  toJson(segmentId: Buffer, bytes: number): string {
    let end = 0
    for (let sum = 0; end < this.#frames.length; end += numbersEach) {
      sum += this.#frames[end + 3]!
      if (sum > bytes) break
    }
    const head = JSON.stringify({ segment: segmentId.toString('hex'), readers: this.#readers })
    const shapes = [...this.#shapes.keys()].join()
    return `${head.slice(0, -1)},"shapes":[${shapes}],"frames":[${this.#frames.slice(0, end).join()}]}`
  }
}

/** An inventory that was read. */
export interface Read {
  readonly segmentId: Buffer
  readonly frames: readonly Listed[]
}

const nameOf = (no: number): string => `${String(no).padStart(12, '0')}.inv`
/** The number of the segment in an inventory's file name; undefined: not an inventory. */
export function inventoryNo(name: string): number | undefined {
  const match = /^(\d{12})\.inv$/.exec(name)
  return match ? Number(match[1]) : undefined
}

export interface InventoriesOptions {
  readonly dir: string
  readonly disk: Disk
  readonly cipher: ChunkCipher
  readonly log: Log
  /** Whose counts are read. */
  readonly name: string
}

/** The inventories of one queue's folder. One thing at a time, so that none is written behind its removal. */
export class Inventories {
  readonly #options: InventoriesOptions
  readonly #known = new Set<number>()
  #working: Promise<unknown> = Promise.resolve()

  constructor(options: InventoriesOptions) {
    this.#options = options
  }

  /** Those that an earlier run left: the numbers of their segments. */
  begin(nos: Iterable<number>): void {
    for (const no of nos) this.#known.add(no)
  }

  has(no: number): boolean {
    return this.#known.has(no)
  }

  get numbers(): number[] {
    return [...this.#known].sort((a, b) => a - b)
  }

  /**
   * Tells what a segment holds that nothing more is written to, unless all of it is done. Never rejects: without it less
   * is known after damage.
   */
  async write(segment: Segment, inventory: Inventory): Promise<void> {
    if (segment.untaken.batches + segment.outstanding === 0) return
    const json = inventory.toJson(segment.id, segment.bytes - segmentHeaderBytes)
    this.#known.add(segment.no)
    await this.#next(() => this.#write(segment.no, json))
  }

  /** Undefined: there is none, or it cannot be read. */
  read(no: number): Promise<Read | undefined> {
    return this.#next(() => (this.#known.has(no) ? this.#read(no).catch(() => undefined) : undefined))
  }

  /** Removes it, if there is one, for good. Rejects when the disk does not let us. */
  remove(no: number): Promise<void> {
    return this.#next(async () => {
      const { disk, dir } = this.#options
      if (!this.#known.has(no)) return
      const isThere = await disk.remove(join(dir, nameOf(no))).then(
        () => true,
        (error) => {
          if (diskErrorCode(error) !== 'ENOENT') throw error
          return false
        },
      )
      this.#known.delete(no)
      // Removed but not for sure: a file system that keeps the order of removals needs no more.
      if (isThere) await disk.syncDir(dir).catch(() => undefined)
    })
  }

  async close(): Promise<void> {
    await this.#working
  }

  #next<Value>(work: () => Value | Promise<Value>): Promise<Value> {
    const result = this.#working.then(work)
    this.#working = result.catch(() => undefined)
    return result
  }

  async #write(no: number, json: string): Promise<void> {
    const { disk, dir, cipher, log } = this.#options
    const { key, wrapped } = cipher.fresh()
    const id = randomBytes(segmentIdBytes)
    const { buffers } = sealFrame({ id, key }, frameKind.inventory, 0, [Buffer.from(json)])
    try {
      const file = await disk.append(join(dir, nameOf(no)))
      await file.write([segmentHeader(id, wrapped), ...buffers], 0).finally(() => file.close())
    } catch (error) {
      log.warn('queue.inventory_not_written', { segment: no, code: diskErrorCode(error) })
    }
  }

  async #read(no: number): Promise<Read | undefined> {
    const { disk, dir, cipher, name } = this.#options
    const file = await disk.read(join(dir, nameOf(no)))
    const bytes = Buffer.alloc(await file.size())
    await file.read(bytes, 0).finally(() => file.close())
    const head = readSegmentHeader(bytes.subarray(0, segmentHeaderBytes))
    if (typeof head === 'string') return undefined
    const header = readFrameHeader(bytes, segmentHeaderBytes, head.id)
    if (header === undefined || segmentHeaderBytes + frameHeaderBytes + header.sealedBytes > bytes.length) {
      return undefined
    }
    const identity = { id: head.id, key: cipher.find(head.wrapped) }
    const plain = openFrame(identity, header, bytes, segmentHeaderBytes)
    return plain && readingOf(JSON.parse(plain.toString()), name)
  }
}

function readingOf({ segment, readers, shapes, frames }: Written, reader: string): Read {
  const at = Math.max(0, readers.indexOf(reader))
  const listed: Listed[] = []
  let next = 0
  for (let i = 0; i + numbersEach <= frames.length; i += numbersEach) {
    const [skipped, behind, before, bytes, shape] = frames.slice(i, i + numbersEach) as [
      number,
      number,
      number,
      number,
      number,
    ]
    const { records, owner, tenants } = shapes[shape]!
    const number = next + skipped
    listed.push({ number, leader: number - behind, before, bytes, records, owner, tenants: tenants[at] ?? [] })
    next = number + 1
  }
  return { segmentId: Buffer.from(segment, 'hex'), frames: listed }
}
