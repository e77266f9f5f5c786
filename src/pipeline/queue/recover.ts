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
import { type Chunk, chunkOf, tenantsOf } from './chunk.ts'
import type { Disk } from './disk.ts'
import { frameKind, readSegmentHeader, segmentHeaderBytes } from './frame.ts'
import { beyond } from './missing.ts'
import { partsLeft } from './parts.ts'
import { FrameReader, positionOf, removeSegment, Segment, segmentNo } from './segment.ts'
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
  /** Records by tenant that cannot be read any more, of segments that were read; they are among `tenants`. */
  readonly lost: Map<string, number>
  /** Bytes that are unreadable and were set aside. Torn tails are not among them. */
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
  /** Who the queue is of (`ParcelMeta.tenantsFor`). */
  readonly name: string
  readonly reader: FrameReader
}

/** Throws `KeyError`, `DependencyError`, or the disk's error. */
export async function recover(options: Omit<Context, 'reader'> & { readonly acks: AckFile }): Promise<Recovered> {
  const context: Context = { ...options, reader: new FrameReader(options.disk) }
  const { segments, corruptBytes, noMax } = await openSegments(context)
  const byNo = new Map(segments.map((segment) => [segment.no, segment]))
  const remembered = await options.acks.read((no) => byNo.get(no)?.id)
  const found: Found = {
    outstanding: [],
    tenants: new Map(),
    owners: new Map(),
    lost: new Map(),
    damaged: new Set(),
    corruptBytes,
    oldestMs: Number.POSITIVE_INFINITY,
  }
  const { done, donePieces, divided } = remembered
  const touched = new Set(
    [...done, ...donePieces, ...divided.keys()].map((at) => Math.floor(at / limits.segmentFramesMax)),
  )
  const kept: Segment[] = []
  try {
    const { cursor } = remembered
    const isBefore = ({ no }: Segment) => cursor !== undefined && no < cursor.segmentNo
    const readTotals = async (segment: Segment) => (isBefore(segment) ? undefined : totalsAt(context.disk, segment))
    for await (const [segment, totals] of together(segments, readTotals)) {
      await takeOutstanding(context, segment, remembered, found)
      if (cursor && segment.no < cursor.segmentNo) {
        if (segment.outstanding === 0) await removeSegment(context, segment)
        else kept.push(segment)
        continue
      }
      const isCursor = cursor?.segmentNo === segment.no
      await takeRest(
        context,
        segment,
        totals,
        isCursor ? cursor.offset : segmentHeaderBytes,
        isCursor || touched.has(segment.no),
        remembered,
        found,
      )
      kept.push(segment)
    }
    for (const segment of found.damaged) await countLost(context, segment, found)
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
    nextSegmentNo: Math.max(noMax, remembered.segmentNoMax) + 1,
    tenants: found.tenants,
    owners: found.owners,
    lost: found.lost,
    corruptBytes: found.corruptBytes,
    oldestMs: Number.isFinite(found.oldestMs) ? found.oldestMs : undefined,
  }
}

interface Found {
  readonly outstanding: Chunk[]
  readonly tenants: Map<string, number>
  readonly owners: Map<string, number>
  readonly lost: Map<string, number>
  readonly damaged: Set<Segment>
  corruptBytes: number
  oldestMs: number
}

async function openSegments(context: Context): Promise<{ segments: Segment[]; corruptBytes: number; noMax: number }> {
  const { disk, dir, cipher, log, aside } = context
  const segments: Segment[] = []
  let corruptBytes = 0
  let noMax = 0
  const names = (await disk.list(dir)).sort().filter((name) => segmentNo(name) !== undefined)
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
      if (size <= segmentHeaderBytes || bytes.every((byte) => byte === 0)) await disk.remove(path)
      else {
        log.error('queue.segment_unreadable', { segment: no, bytes: size })
        corruptBytes += size
        await aside.move(path)
      }
      continue
    }
    const segment = new Segment(no, dir, header.id, cipher.find(header.wrapped))
    segment.bytes = size
    segment.closed = true
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
  remembered: Remembered,
  found: Found,
): Promise<void> {
  const cursorAt = remembered.cursor ? positionOf(remembered.cursor.segmentNo, remembered.cursor.number) : 0
  for (const [position, place] of [...remembered.outstanding].sort(([a], [b]) => a - b)) {
    // Behind the cursor (or without one, should it be damaged) the reader will come to it anyway.
    if (place.segmentNo !== segment.no || position >= cursorAt) continue
    const read = await context.reader.frameAt(segment, place.offset)
    if (read.is === 'frame' && read.header.kind === frameKind.chunk && read.header.number === place.number) {
      const chunk = chunkOf(segment, place.offset, read.header, read.plain, context.name)
      if (isDone(chunk, remembered)) continue
      // Read again when its turn comes: there may be many.
      chunk.body = undefined
      segment.outstanding++
      found.outstanding.push(chunk)
      add(found, chunk, remembered)
    } else if (read.is === 'damaged') {
      context.log.error('queue.chunk_unreadable', {
        segment: segment.no,
        offset: place.offset,
        bytes: read.next - place.offset,
      })
      found.corruptBytes += read.next - place.offset
      found.damaged.add(segment)
      await context.aside.keep(context.reader, segment, place.offset, read.next)
    }
  }
}

/** Counts what the reader will find from `offset` on, and finds where the frames end. */
async function takeRest(
  context: Context,
  segment: Segment,
  totals: Awaited<ReturnType<typeof totalsAt>>,
  offset: number,
  walk: boolean,
  remembered: Remembered,
  found: Found,
): Promise<void> {
  if (totals) segment.bytes = totals.start
  if (totals && !walk) {
    const { chunks, records, requests, bytes } = totals.value
    found.oldestMs = Math.min(found.oldestMs, totals.value.firstMs)
    Object.assign(segment.untaken, { batches: chunks, records, requests, bytes })
    for (const [tenant, n] of tenantsIn(totals.value, context.name)) count(found.tenants, tenant, n)
    for (const [owner, n] of totals.value.owners ?? [['', bytes] as const]) count(found.owners, owner, n)
    return
  }
  for (let at = offset; ; ) {
    const read = await context.reader.frameAt(segment, at)
    if (read.is === 'end') return
    if (read.is === 'damaged') {
      if (!read.last || totals) {
        // The reader will come here, set it aside and count its bytes.
        found.damaged.add(segment)
        at = read.next
        continue
      }
      context.log.warn('queue.tail_cut', { segment: segment.no, offset: at, bytes: read.next - at })
      await context.aside.keep(context.reader, segment, at, read.next)
      segment.bytes = at
      return
    }
    if (read.header.kind === frameKind.totals) {
      segment.bytes = at
      return
    }
    const chunk = chunkOf(segment, at, read.header, read.plain, context.name)
    if (!isDone(chunk, remembered)) {
      found.oldestMs = Math.min(found.oldestMs, chunk.meta.at)
      segment.untaken.batches++
      segment.untaken.records += chunk.records
      segment.untaken.requests += chunk.meta.parcels.length
      segment.untaken.bytes += chunk.bytes
      add(found, chunk, remembered)
    }
    at = read.next
  }
}

/**
 * Whose records a damaged segment does not give any more: what its totals promise beyond all that can be read. As what
 * is queued is received again at each start, so is this, and found missing again.
 */
async function countLost(context: Context, segment: Segment, found: Found): Promise<void> {
  const totals = await totalsAt(context.disk, segment)
  if (!totals) return
  const readable = new Map<string, number>()
  for (let at = segmentHeaderBytes; ; ) {
    const read = await context.reader.frameAt(segment, at)
    if (read.is === 'end') break
    at = read.next
    if (read.is === 'damaged' || read.header.kind !== frameKind.chunk) continue
    const { meta, records } = chunkOf(segment, at, read.header, read.plain, context.name)
    for (const [tenant, n] of tenantsOf(meta, 0, records)) count(readable, tenant, n)
  }
  for (const [tenant, n] of beyond(tenantsIn(totals.value, context.name), readable)) {
    count(found.lost, tenant, n)
    count(found.tenants, tenant, n)
  }
}

/** Whether an earlier run has finished a chunk, or the batch that it is a piece of. */
export function isDone(
  { segment, number, meta }: Chunk,
  { done, donePieces }: Pick<Recovered, 'done' | 'donePieces'>,
): boolean {
  const leader = meta.batch?.[0] ?? number
  return done.has(positionOf(segment.no, leader)) || donePieces.has(positionOf(segment.no, number))
}

/** Counts what is left of a chunk: of a batch that was cut, some of its records may be done. */
function add(found: Found, chunk: Chunk, { divided }: Remembered): void {
  const [leader, before] = chunk.meta.batch ?? [chunk.number, 0]
  count(found.owners, chunk.meta.owner ?? '', chunk.bytes)
  const end = before + chunk.records
  // Of the batch as far as this piece goes: what is left of it does not depend on what comes behind.
  const left = partsLeft(end, divided.get(positionOf(chunk.segment.no, leader)) ?? { cuts: [], done: [] })
  for (const [from, to] of left ?? [[before, end]]) {
    if (to <= before) continue
    for (const [tenant, n] of tenantsOf(chunk.meta, Math.max(from - before, 0), to - before)) {
      count(found.tenants, tenant, n)
    }
  }
}

const count = (counts: Map<string, number>, key: string, n: number): void =>
  void counts.set(key, (counts.get(key) ?? 0) + n)
