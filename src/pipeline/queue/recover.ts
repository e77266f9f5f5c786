/**
 * What an earlier run left in a queue's folder.
 *
 * Closed segments are not read: their totals stand at their end. Read are the segment where delivery stopped, those
 * that acknowledgements behind the last checkpoint speak of, and the one that was being written: 32 MiB each, however
 * long the queue is. A torn tail (a write that never ended, so nobody was told it was durable) is cut.
 */
import { join } from 'node:path'
import type { Log } from '../../contract.ts'
import { DependencyError } from '../../errors.ts'
import type { ChunkCipher } from '../../keys/chunk_cipher.ts'
import { limits } from '../../limits.ts'
import type { AckFile, Remembered } from './acks.ts'
import type { Aside } from './aside.ts'
import { type Chunk, chunkOf, leaderOf, tenantsOf } from './chunk.ts'
import type { Disk } from './disk.ts'
import { frameKind, readSegmentHeader, segmentHeaderBytes, type Totals } from './frame.ts'
import { framesLeft } from './frames_left.ts'
import { type Inventories, Inventory, inventoryNo, type Listed, type Read } from './inventory.ts'
import { type Delivered, type Lost, leftOf, sumOf } from './missing.ts'
import { FrameReader, positionOf, removeSegment, Segment, segmentNo } from './segment.ts'
import { isSpare, type Spares } from './spares.ts'
import { tenantsIn, totalsAt } from './totals.ts'

export interface Recovered {
  /** In order; the reader has not taken `untaken` of each. */
  readonly segments: Segment[]
  /** Taken before, but not done; in order, without their bodies. */
  readonly outstanding: Chunk[]
  /** What the reader has to pass over, by position. */
  readonly done: ReadonlySet<number>
  readonly donePieces: ReadonlySet<number>
  readonly divided: Remembered['divided']
  readonly cursor: Remembered['cursor']
  readonly nextSegmentNo: number
  /** Records per tenant that are not done. */
  readonly tenants: Map<string, number>
  /** Bytes of frames by owner that are not done. */
  readonly owners: Map<string, number>
  /** Records by tenant that cannot be read any more, of segments that were read or are gone; they are among `tenants`. */
  readonly lost: Map<string, number>
  /** All of them, also those that are counted for no tenant here. */
  readonly lostRecords: number
  /** Bytes that are unreadable and were set aside, or are gone. Torn tails are not among them. */
  readonly corruptBytes: number
  /** When the oldest of what was never taken was queued, Unix milliseconds. */
  readonly oldestMs: number | undefined
}

interface Context {
  readonly disk: Disk
  readonly dir: string
  readonly cipher: ChunkCipher
  readonly log: Log
  readonly aside: Aside
  readonly inventories: Inventories
  readonly spares: Spares
  /** Who the queue is of (`ParcelMeta.tenantsFor`). */
  readonly name: string
  readonly reader: FrameReader
}

/** Throws `KeyError`, `DependencyError`, or the disk's error. */
export async function recover(options: Omit<Context, 'reader'> & { readonly acks: AckFile }): Promise<Recovered> {
  const context: Context = { ...options, reader: new FrameReader(options.disk) }
  const { segments, corruptBytes, noMax } = await openSegments(context)
  const gone = await findGone(context, segments)
  const idOf = new Map([
    ...segments.map(({ no, id }) => [no, id] as const),
    ...gone.map((g) => [g.no, g.segmentId] as const),
  ])
  const remembered = await options.acks.read((no) => idOf.get(no))
  const found: Found = {
    outstanding: [],
    tenants: new Map(),
    owners: new Map(),
    lost: new Map(),
    lostRecords: 0,
    damaged: new Set(),
    walked: new Map(),
    corruptBytes,
    oldestMs: Number.POSITIVE_INFINITY,
  }
  const delivered = deliveredOf(remembered)
  const before = { remembered, delivered }
  const { done, donePieces, divided } = remembered
  const touched = new Set(
    [...done, ...donePieces, ...divided.keys()].map((at) => Math.floor(at / limits.segmentFramesMax)),
  )
  const kept: Segment[] = []
  const finished: Segment[] = []
  try {
    const { cursor } = remembered
    const isBefore = ({ no }: Segment) => cursor !== undefined && no < cursor.segmentNo
    const readTotals = async (segment: Segment) => (isBefore(segment) ? undefined : totalsAt(context.disk, segment))
    for await (const [segment, totals] of together(segments, readTotals)) {
      await takeOutstanding(context, segment, before, found)
      if (cursor && segment.no < cursor.segmentNo) {
        ;(segment.outstanding > 0 ? kept : finished).push(segment)
        continue
      }
      const isCursor = cursor?.segmentNo === segment.no
      const offset = isCursor ? cursor.offset : segmentHeaderBytes
      if (totals) segment.bytes = totals.start
      if (totals && !isCursor && !touched.has(segment.no)) takeTotals(context, segment, totals.value, found)
      else await takeRest(context, segment, totals !== undefined, offset, delivered, found)
      kept.push(segment)
    }
    await countDamage(context, before, found)
    await countGone(context, gone, before, found)
    for (const segment of finished) await removeSegment(context, segment)
  } finally {
    await context.reader.close()
  }
  return {
    segments: kept,
    outstanding: found.outstanding,
    done,
    donePieces,
    divided,
    cursor: remembered.cursor,
    nextSegmentNo: Math.max(noMax, remembered.segmentNoMax, ...gone.map(({ no }) => no)) + 1,
    tenants: found.tenants,
    owners: found.owners,
    lost: found.lost,
    lostRecords: found.lostRecords,
    corruptBytes: found.corruptBytes,
    oldestMs: Number.isFinite(found.oldestMs) ? found.oldestMs : undefined,
  }
}

/** What earlier runs did. */
interface Before {
  readonly remembered: Remembered
  readonly delivered: Delivered
}

interface Gone extends Read {
  readonly no: number
}

interface Found {
  readonly outstanding: Chunk[]
  readonly tenants: Map<string, number>
  readonly owners: Map<string, number>
  readonly lost: Map<string, number>
  lostRecords: number
  readonly damaged: Set<Segment>
  readonly walked: Map<Segment, Walked>
  corruptBytes: number
  oldestMs: number
}

async function openSegments(context: Context): Promise<{ segments: Segment[]; corruptBytes: number; noMax: number }> {
  const { disk, dir, cipher, log, aside } = context
  const segments: Segment[] = []
  let corruptBytes = 0
  let noMax = 0
  const all = (await disk.list(dir)).sort()
  context.inventories.begin(all.flatMap((name) => inventoryNo(name) ?? []))
  for (const name of all.filter(isSpare)) await disk.remove(join(dir, name)).catch(() => undefined)
  const names = all.filter((name) => segmentNo(name) !== undefined)
  for await (const [name, { size, bytes }] of together(names, (one) => headOf(disk, join(dir, one)))) {
    const no = segmentNo(name)!
    noMax = no
    const path = join(dir, name)
    const header = readSegmentHeader(bytes)
    if (header === 'newer') {
      throw new DependencyError(`${path} was written by a newer version`, 'Start that version, or move the file away.')
    }
    if (header === 'damaged') {
      // A header that never became durable has nothing behind it that was acknowledged.
      if (!context.inventories.has(no) && (size <= segmentHeaderBytes || bytes.every((byte) => byte === 0))) {
        await disk.remove(path)
      } else {
        log.error('queue.segment_unreadable', { segment: no, bytes: size })
        corruptBytes += size
        await aside.move(path)
      }
      continue
    }
    const segment = new Segment(no, dir, header.id, cipher.find(header.wrapped))
    segment.bytes = size
    segment.closed = true
    segment.isReused = header.isReused
    segments.push(segment)
  }
  return { segments, corruptBytes, noMax }
}

async function headOf(disk: Disk, path: string): Promise<{ size: number; bytes: Buffer }> {
  const file = await disk.read(path)
  try {
    const size = await file.size().catch(() => 0)
    const bytes = Buffer.alloc(segmentHeaderBytes)
    return { size, bytes: bytes.subarray(0, await file.read(bytes, 0)) }
  } finally {
    await file.close()
  }
}

/** Does `work` for several at a time, and gives what came of each in order: a long queue has many files. */
async function* together<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>) {
  for (let i = 0; i < items.length; i += atOnce) {
    const group = items.slice(i, i + atOnce)
    const results = await Promise.all(group.map(work))
    for (const [j, item] of group.entries()) yield [item, results[j] as Result] as const
  }
}
const atOnce = 16

/** The chunks of this segment that were being delivered when the last checkpoint was written. */
async function takeOutstanding(
  context: Context,
  segment: Segment,
  { remembered, delivered }: Before,
  found: Found,
): Promise<void> {
  const cursorAt = cursorOf(remembered)
  for (const [position, place] of [...remembered.outstanding].sort(([a], [b]) => a - b)) {
    // Behind the cursor (or without one, should it be damaged) the reader will come to it anyway.
    if (place.segmentNo !== segment.no || position >= cursorAt) continue
    const read = await context.reader.frameAt(segment, place.offset)
    if (read.is === 'frame' && read.header.kind === frameKind.chunk && read.header.number === place.number) {
      const chunk = chunkOf(segment, place.offset, read.header, read.plain, context.name)
      const isLeft = !delivered.isDone(segment.no, chunk.number, leaderOf(chunk))
      note(context, chunk, isLeft, found)
      if (!isLeft) continue
      // Read again when its turn comes: there may be many.
      chunk.body = undefined
      segment.outstanding++
      found.outstanding.push(chunk)
      add(found, chunk, delivered)
      continue
    }
    found.damaged.add(segment)
    walkedOf(context, segment, found).isWhole &&= read.is === 'damaged'
    if (read.is !== 'damaged') continue
    const bytes = read.next - place.offset
    context.log.error('queue.chunk_unreadable', { segment: segment.no, offset: place.offset, bytes })
    found.corruptBytes += bytes
    await context.aside.keep(context.reader, segment, place.offset, read.next)
  }
}

/** Counts what the reader will find in a segment of which nothing was taken. */
function takeTotals(context: Context, segment: Segment, totals: Totals, found: Found): void {
  const { chunks, records, requests, bytes } = totals
  found.oldestMs = Math.min(found.oldestMs, totals.firstMs)
  Object.assign(segment.untaken, { batches: chunks, records, requests, bytes })
  for (const [tenant, n] of tenantsIn(totals, context.name)) count(found.tenants, tenant, n)
  for (const [owner, n] of totals.owners ?? [['', bytes] as const]) count(found.owners, owner, n)
}

/** The same where something was taken: from `offset` on. Finds where the frames end, too. */
async function takeRest(
  context: Context,
  segment: Segment,
  hasTotals: boolean,
  offset: number,
  delivered: Delivered,
  found: Found,
): Promise<void> {
  walkedOf(context, segment, found).isWhole = hasTotals
  // The reader will come to what is damaged, set it aside and count its bytes.
  const onDamaged = () => void found.damaged.add(segment)
  const onFrame: Parameters<typeof framesLeft>[3]['onFrame'] = ({ header, plain }, at) => {
    const chunk = chunkOf(segment, at, header, plain, context.name)
    const isLeft = !delivered.isDone(segment.no, chunk.number, leaderOf(chunk))
    note(context, chunk, isLeft, found)
    if (isLeft) {
      found.oldestMs = Math.min(found.oldestMs, chunk.meta.at)
      segment.untaken.batches++
      segment.untaken.records += chunk.records
      segment.untaken.requests += chunk.meta.parcels.length
      segment.untaken.bytes += chunk.bytes
      add(found, chunk, delivered)
    }
  }
  const left = await framesLeft(context.reader, segment, { from: offset, hasTotals }, { onFrame, onDamaged })
  const { end, tornBytes } = left
  if (tornBytes > 0) {
    context.log.warn('queue.tail_cut', { segment: segment.no, offset: end, bytes: tornBytes })
    await context.aside.keep(context.reader, segment, end, end + tornBytes)
  }
  segment.bytes = end
}

/** Segments that are gone, or whose header is damaged, by what their inventories say. */
async function findGone({ inventories, log }: Context, segments: readonly Segment[]): Promise<Gone[]> {
  const there = new Set(segments.map(({ no }) => no))
  const gone: Gone[] = []
  for (const no of inventories.numbers.filter((one) => !there.has(one))) {
    const read = await inventories.read(no)
    if (read) gone.push({ no, ...read })
    else log.error('queue.segment_missing', { segment: no })
  }
  return gone
}

/** Counts what cannot be read any more of segments that were read. Those that end early get their inventory here. */
async function countDamage(context: Context, { remembered, delivered }: Before, found: Found): Promise<void> {
  const { inventories } = context
  for (const [segment, { isWhole, read, inventory }] of found.walked) {
    const isDamaged = found.damaged.has(segment)
    if (!inventories.has(segment.no)) {
      if (!isWhole) void inventories.write(segment, inventory)
    } else if (isDamaged || !isWhole) {
      const known = await inventories.read(segment.no)
      if (!known) continue
      const frames = known.frames.filter(({ number }) => !read.has(number))
      const { bytes } = countLost(segment.no, frames, { remembered, delivered }, found)
      // The reader counts the bytes of what is damaged when it comes there; where the file ends early it does not.
      if (!isDamaged || !isWhole) found.corruptBytes += bytes
    }
  }
}

/** Counts what a segment held that is gone, once: its inventory goes, too. */
async function countGone({ inventories, log }: Context, gone: readonly Gone[], before: Before, found: Found) {
  for (const { no, frames } of gone) {
    const { records, bytes } = countLost(no, frames, before, found)
    if (bytes > 0) log.error('queue.segment_missing', { segment: no, records, bytes })
    found.corruptBytes += bytes
    await inventories.remove(no).catch(() => undefined)
  }
}

/**
 * Counts frames that cannot be read, but for what was delivered of them. As what is queued is received again at each
 * start, so is this.
 */
function countLost(no: number, frames: readonly Listed[], { remembered, delivered }: Before, found: Found): Lost {
  const cursorAt = cursorOf(remembered)
  const isLeft = ({ number }: Listed) => {
    const position = positionOf(no, number)
    return position >= cursorAt || remembered.outstanding.has(position)
  }
  const lost = sumOf(no, frames.filter(isLeft), delivered)
  for (const [tenant, n] of lost.tenants) {
    count(found.lost, tenant, n)
    count(found.tenants, tenant, n)
  }
  found.lostRecords += lost.records
  return lost
}

/** What a segment gave when it was read. */
interface Walked {
  /** It ends with its totals, as a segment does that was closed in good order. */
  isWhole: boolean
  /** Frames. */
  readonly read: Set<number>
  /** Of what is left in it. */
  readonly inventory: Inventory
}

/** A frame could be read. */
function note(context: Context, chunk: Chunk, isLeft: boolean, found: Found): void {
  const { read, inventory } = walkedOf(context, chunk.segment, found)
  const { number, meta, records, bytes } = chunk
  read.add(number)
  if (isLeft) inventory.add(number, meta, records, bytes, [tenantsOf(meta, 0, records)])
}

function walkedOf({ name }: Context, segment: Segment, found: Found): Walked {
  const walked = found.walked.get(segment) ?? { isWhole: true, read: new Set(), inventory: new Inventory([name]) }
  found.walked.set(segment, walked)
  return walked
}

const deliveredOf = ({ done, donePieces, divided }: Remembered): Delivered => ({
  isDone: (no, number, leader) => done.has(positionOf(no, leader)) || donePieces.has(positionOf(no, number)),
  dividedOf: (no, leader) => divided.get(positionOf(no, leader)),
})

const cursorOf = ({ cursor }: Remembered): number => (cursor ? positionOf(cursor.segmentNo, cursor.number) : 0)

/** Counts what is left of a chunk: of a batch that was cut, some of its records may be done. */
function add(found: Found, chunk: Chunk, delivered: Delivered): void {
  const [leader, before] = chunk.meta.batch ?? [chunk.number, 0]
  count(found.owners, chunk.meta.owner ?? '', chunk.bytes)
  const divided = delivered.dividedOf(chunk.segment.no, leader)
  for (const [from, to] of leftOf({ before, records: chunk.records }, divided)) {
    for (const [tenant, n] of tenantsOf(chunk.meta, from, to)) count(found.tenants, tenant, n)
  }
}

const count = (counts: Map<string, number>, key: string, n: number): void =>
  void counts.set(key, (counts.get(key) ?? 0) + n)
