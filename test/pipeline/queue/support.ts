/**
 * What the tests of queues and delivery share: a clock that the test moves, a disk in memory that fails on demand and
 * can lose everything that was not made durable, an exporter that answers as it is told.
 */
import type { Batch, Exporter, Log, Outcome } from '../../../src/contract.ts'
import { type ChunkCipher, cipherOf } from '../../../src/keys/chunk_cipher.ts'
import type { Clock, Timer } from '../../../src/pipeline/clock.ts'
import { Destination, type DestinationOptions } from '../../../src/pipeline/destination.ts'
import type { DeliveryCounts, Parcel, TenantCounts } from '../../../src/pipeline/parcel.ts'
import type { Disk, DiskFile } from '../../../src/pipeline/queue/disk.ts'
import { retryOnFailure, sendingQueue } from '../../../src/pipeline/queue_config.ts'

export const testCipher = (byte = 7): ChunkCipher => cipherOf(Buffer.alloc(8, byte), Buffer.alloc(32, byte))
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** Numbers in [0, 1), the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Lets everything run that does not wait for the clock. */
export async function settle(turns = 30): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
}

export class TestClock implements Clock {
  #now = 1_800_000_000_000
  readonly #timers = new Set<{ dueMs: number; run: () => void }>()

  nowMs(): number {
    return this.#now
  }
  after(ms: number, run: () => void): Timer {
    const timer = { dueMs: this.#now + Math.max(0, ms), run }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }
  /** Moves time, running what becomes due in order. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      await settle()
      let next: { dueMs: number; run: () => void } | undefined
      for (const timer of this.#timers) if (timer.dueMs <= end && (!next || timer.dueMs < next.dueMs)) next = timer
      if (!next) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.dueMs)
      next.run()
    }
    this.#now = end
    await settle()
  }
}

interface Inode {
  /** Every operation on the content, in order. */
  readonly writes: { start: number; end: number; position: number; bytes: Buffer; truncate?: number }[]
  readonly syncs: { start: number; end: number }[]
  readonly isSynchronous: boolean
  content: Buffer
}
type NameOperation = { start: number; end: number } & (
  | { is: 'create'; path: string; inode: Inode }
  | { is: 'link'; path: string; inode: Inode }
  | { is: 'rename'; from: string; to: string }
  | { is: 'remove'; path: string }
)

const dirOf = (path: string) => path.slice(0, path.lastIndexOf('/'))
const diskError = (code: string) => Object.assign(new Error(code), { code })

/**
 * Files in memory. Every operation has a start and an end on one line of events, so that the state of the disk after a
 * power failure at any event can be worked out: what is durable by the rules of POSIX is there; of the rest, whatever
 * `coin` says.
 */
export class MemoryDisk implements Disk {
  events = 0
  names = new Map<string, Inode>()
  /** Called before each operation; a code makes it fail. After a failed write, part of it is on the disk. */
  fault: ((operation: string, path: string) => string | undefined) | undefined
  operations = 0
  readonly #nameOperations: NameOperation[] = []
  readonly #dirSyncs: { path: string; start: number; end: number }[] = []

  async #run<Value>(operation: string, path: string, work: () => Value): Promise<{ value: Value; start: number }> {
    const start = ++this.events
    this.operations++
    const code = this.fault?.(operation, path)
    await Promise.resolve()
    if (this.operations % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    if (code) throw diskError(code)
    return { value: work(), start }
  }

  async create(path: string): Promise<DiskFile> {
    const { value, start } = await this.#run('create', path, () => {
      if (this.names.has(path)) throw diskError('EEXIST')
      return this.#make(path, true)
    })
    this.#nameOperations.push({ is: 'create', path, inode: value, start, end: ++this.events })
    return this.#file(path, value)
  }
  async reopen(path: string): Promise<DiskFile> {
    return this.#file(path, (await this.#run('reopen', path, () => this.names.get(path))).value!)
  }
  async append(path: string): Promise<DiskFile> {
    const known = this.names.get(path)
    if (known) return this.#file(path, known)
    const { value, start } = await this.#run('append', path, () => this.#make(path, false))
    this.#nameOperations.push({ is: 'create', path, inode: value, start, end: ++this.events })
    return this.#file(path, value)
  }
  async read(path: string): Promise<DiskFile> {
    const { value } = await this.#run('open', path, () => this.names.get(path))
    if (!value) throw diskError('ENOENT')
    return this.#file(path, value)
  }
  async makeDir(): Promise<void> {}
  async list(dir: string): Promise<string[]> {
    const inside = [...this.names.keys()].filter((path) => path.startsWith(`${dir}/`))
    return [...new Set(inside.map((path) => path.slice(dir.length + 1).split('/')[0]!))]
  }
  async link(from: string, to: string): Promise<void> {
    const { value, start } = await this.#run('link', to, () => {
      const inode = this.names.get(from)
      if (!inode || this.names.has(to)) throw diskError(inode ? 'EEXIST' : 'ENOENT')
      this.names.set(to, inode)
      return inode
    })
    this.#nameOperations.push({ is: 'link', path: to, inode: value, start, end: ++this.events })
  }
  links = async (path: string) => [...this.names.values()].filter((inode) => inode === this.names.get(path)).length
  async rename(from: string, to: string): Promise<void> {
    const { start } = await this.#run('rename', to, () => {
      this.names.set(to, this.names.get(from)!)
      this.names.delete(from)
    })
    this.#nameOperations.push({ is: 'rename', from, to, start, end: ++this.events })
  }
  async remove(path: string): Promise<void> {
    const { value, start } = await this.#run('remove', path, () => this.names.delete(path))
    if (!value) throw diskError('ENOENT')
    this.#nameOperations.push({ is: 'remove', path, start, end: ++this.events })
  }
  async syncDir(path: string): Promise<void> {
    const { start } = await this.#run('syncDir', path, () => undefined)
    this.#dirSyncs.push({ path, start, end: ++this.events })
  }

  /** The disk that is found after the power failed right behind event `at`. */
  afterPowerLoss(at: number, coin: () => boolean): MemoryDisk {
    const found = new MemoryDisk()
    const copies = new Map<Inode, Inode>()
    for (const operation of this.#nameOperations) {
      if (operation.start > at) break
      if (!this.#isNameDurable(operation, at) && !coin()) continue
      if (operation.is === 'create' || operation.is === 'link') {
        const copy = copies.get(operation.inode) ?? {
          ...operation.inode,
          writes: [],
          syncs: [],
          content: contentAfter(operation.inode, at, coin),
        }
        copies.set(operation.inode, copy)
        found.names.set(operation.path, copy)
      } else if (operation.is === 'remove') found.names.delete(operation.path)
      else {
        const inode = found.names.get(operation.from)
        if (inode) found.names.set(operation.to, inode)
        found.names.delete(operation.from)
      }
    }
    found.#startFrom()
    return found
  }

  /** What is there now is durable. */
  #startFrom(): void {
    this.events = 1
    for (const [path, inode] of this.names) {
      this.#nameOperations.push({ is: 'create', path, inode, start: 0, end: 0 })
      this.#dirSyncs.push({ path: dirOf(path), start: 1, end: 1 })
      if (inode.writes.length > 0) continue
      inode.writes.push({ start: 0, end: 0, position: 0, bytes: inode.content })
      inode.syncs.push({ start: 1, end: 1 })
    }
  }

  #isNameDurable(operation: NameOperation, at: number): boolean {
    const dir = dirOf(operation.is === 'rename' ? operation.to : operation.path)
    return this.#dirSyncs.some((sync) => sync.path === dir && sync.start > operation.end && sync.end <= at)
  }

  #make(path: string, isSynchronous: boolean): Inode {
    const inode: Inode = { writes: [], syncs: [], isSynchronous, content: Buffer.alloc(0) }
    this.names.set(path, inode)
    return inode
  }

  #file(path: string, inode: Inode): DiskFile {
    return {
      write: async (buffers, position) => {
        const bytes = Buffer.concat(buffers)
        const write = { start: this.events + 1, end: Number.POSITIVE_INFINITY, position, bytes }
        inode.writes.push(write)
        try {
          await this.#run('write', path, () => undefined)
        } catch (error) {
          write.bytes = bytes.subarray(0, bytes.length >> 1)
          inode.content = written(inode.content, position, write.bytes)
          write.end = ++this.events
          throw error
        }
        inode.content = written(inode.content, position, bytes)
        write.end = ++this.events
      },
      read: async (into, position) => {
        await this.#run('read', path, () => undefined)
        return inode.content.copy(into, 0, position, position + into.length)
      },
      size: async () => inode.content.length,
      truncate: async (length) => {
        const { start } = await this.#run('truncate', path, () => {
          inode.content = Buffer.from(inode.content.subarray(0, length))
        })
        inode.writes.push({ start, end: ++this.events, position: 0, bytes: Buffer.alloc(0), truncate: length })
      },
      sync: async () => {
        const { start } = await this.#run('sync', path, () => undefined)
        inode.syncs.push({ start, end: ++this.events })
      },
      close: async () => undefined,
    }
  }
}

function written(content: Buffer, position: number, bytes: Buffer): Buffer {
  const out = Buffer.alloc(Math.max(content.length, position + bytes.length))
  content.copy(out)
  bytes.copy(out, position)
  return out
}

function contentAfter(inode: Inode, at: number, coin: () => boolean): Buffer {
  let content: Buffer = Buffer.alloc(0)
  for (const write of inode.writes) {
    if (write.start > at) break
    const isDurable = inode.isSynchronous
      ? write.end <= at
      : inode.syncs.some((sync) => sync.start > write.end && sync.end <= at)
    if (write.truncate !== undefined) {
      if (isDurable || coin()) content = Buffer.from(content.subarray(0, write.truncate))
    } else if (isDurable) content = written(content, write.position, write.bytes)
    else {
      // Pages of a write that never ended reach the disk in any order.
      for (let i = 0; i < write.bytes.length; i += 512) {
        if (coin()) content = written(content, write.position + i, write.bytes.subarray(i, i + 512))
      }
    }
  }
  return content
}

/** Answers as told; remembers what it was sent. */
export class TestExporter implements Exporter {
  readonly sent: { id: string; records: number; body: Buffer; atMs: number }[] = []
  readonly #clock: Clock
  answer: (batch: Batch, signal: AbortSignal) => Outcome | Promise<Outcome> = () => ({ is: 'accepted' })
  starts = 0
  onStart: () => void = () => {}
  closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }
  async start(): Promise<void> {
    this.starts++
    this.onStart()
  }
  async send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    this.sent.push({ id: batch.id, records: batch.records, body: Buffer.from(batch.body), atMs: this.#clock.nowMs() })
    return this.answer(batch, signal)
  }
  async close(): Promise<void> {
    this.closed = true
  }
}

/** Sums of what a destination told. */
export class Tally implements DeliveryCounts {
  readonly of = {
    recovered: 0,
    enqueued: 0,
    stored: 0,
    refused: 0,
    deadLettered: 0,
    revived: 0,
    corrupted: 0,
    corruptBytes: 0,
  }
  readonly recoveredBy = new Map<string, number>()
  readonly storedBy = new Map<string, number>()
  readonly corruptedBy = new Map<string, number>()
  readonly reasons: string[] = []
  recovered = (tenants: TenantCounts) => {
    this.of.recovered += sum(tenants)
    for (const [tenant, n] of tenants) this.recoveredBy.set(tenant, (this.recoveredBy.get(tenant) ?? 0) + n)
  }
  enqueued = (tenants: TenantCounts) => {
    this.of.enqueued += sum(tenants)
  }
  stored = (tenants: TenantCounts) => {
    this.of.stored += sum(tenants)
    for (const [tenant, n] of tenants) this.storedBy.set(tenant, (this.storedBy.get(tenant) ?? 0) + n)
  }
  refused = (tenants: TenantCounts, _records: number, reason: string) => {
    this.of.refused += sum(tenants)
    this.reasons.push(reason)
  }
  deadLettered = (tenants: TenantCounts, _records: number, reason: string) => {
    this.of.deadLettered += sum(tenants)
    this.reasons.push(reason)
  }
  revived = (tenants: TenantCounts) => {
    this.of.revived += sum(tenants)
  }
  corrupted = (records: number, bytes: number, tenants: TenantCounts) => {
    this.of.corrupted += records
    this.of.corruptBytes += bytes
    for (const [tenant, n] of tenants) this.corruptedBy.set(tenant, (this.corruptedBy.get(tenant) ?? 0) + n)
  }
  attempted = () => {}
}
const sum = (tenants: TenantCounts) => tenants.reduce((total, [, n]) => total + n, 0)

/** An ExportLogsServiceRequest with one resource and one scope; each record's body is one of `texts`. */
export function request(...texts: string[]): Buffer {
  const field = (number: number, content: Buffer) =>
    Buffer.concat([varints((number << 3) | 2, content.length), content])
  const records = texts.map((text) => field(2, field(5, field(1, Buffer.from(text)))))
  return field(1, Buffer.concat([field(1, Buffer.alloc(0)), field(2, Buffer.concat(records))]))
}
function varints(...values: number[]): Buffer {
  const bytesOf = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...bytesOf(value >>> 7)])
  return Buffer.from(values.flatMap(bytesOf))
}

export const parcel = (body: Uint8Array, records = 1, tenant = 'acme', policyVersion = 'v1'): Parcel => ({
  body,
  records,
  tenants: [[tenant, records]],
  owner: tenant,
  policyVersion,
})

export interface Setup {
  readonly destination: Destination
  readonly exporter: TestExporter
  readonly tally: Tally
  readonly clock: TestClock
  readonly disk: MemoryDisk
}

type Overrides = Partial<Omit<DestinationOptions, 'queue' | 'retry' | 'exporter' | 'clock' | 'disk'>> & {
  queue?: Record<string, unknown>
  retry?: Record<string, unknown>
  exporter?: TestExporter
  clock?: TestClock
  disk?: MemoryDisk
}

/** A destination on a disk in memory; start it yourself. */
export function setup(overrides: Overrides = {}): Setup {
  const { queue, retry, clock = new TestClock(), disk = new MemoryDisk(), ...rest } = overrides
  const exporter = overrides.exporter ?? new TestExporter(clock)
  const tally = new Tally()
  const destination = new Destination({
    id: 'test/one',
    dir: '/q',
    cipher: testCipher(),
    timeoutMs: 5000,
    log: silentLog,
    counts: tally,
    random: () => 0.5,
    ...rest,
    exporter,
    clock,
    disk,
    queue: sendingQueue.parse(queue ?? {}),
    retry: retryOnFailure.parse(retry ?? {}),
  })
  return { destination, exporter, tally, clock, disk }
}
