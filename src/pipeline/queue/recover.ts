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
import { type Chunk, chunkOf, partsOf, tenantsOf, wholeOf } from './chunk.ts'
import { type Disk, diskErrorCode } from './disk.ts'
import {
  frameHeaderBytes,
  frameKind,
  openFrame,
  readFrameHeader,
  readSegmentHeader,
  readTotals,
  readTrailer,
  segmentHeaderBytes,
  type Totals,
  trailerBytes,
} from './frame.ts'
import { FrameReader, positionOf, Segment, segmentNo } from './segment.ts'

export interface Recovered {
  /** In order; the reader has not taken `untaken` of each. */
  readonly segments: Segment[]
  /** Taken before, but not done. */
  readonly outstanding: Chunk[]
  /** Chunks that the reader has to pass over, by position. */
  readonly done: ReadonlySet<number>
  readonly divided: Remembered['divided']
  readonly cursor: Remembered['cursor']
  readonly nextSegmentNo: number
  /** Records per tenant that are not done. */
  readonly tenants: Map<string, number>
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
  readonly reader: FrameReader
}

/** Throws `KeyError`, `DependencyError`, or the disk's error. */
export async function recover(options: Omit<Context, 'reader'> & { readonly acks: AckFile }): Promise<Recovered> {
  const context: Context = { ...options, reader: new FrameReader(options.disk) }
  const { segments, corruptBytes, noMax } = await openSegments(context)
  const byNo = new Map(segments.map((segment) => [segment.no, segment]))
  const remembered = await options.acks.read((no) => byNo.get(no)?.id)
  const found: Found = { outstanding: [], tenants: new Map(), corruptBytes, oldestMs: Number.POSITIVE_INFINITY }
  const touched = new Set(
    [...remembered.done, ...remembered.divided.keys()].map((at) => Math.floor(at / limits.segmentFramesMax)),
  )
  const kept: Segment[] = []
  try {
    for (const segment of segments) {
      await takeOutstanding(context, segment, remembered, found)
      const cursor = remembered.cursor
      if (cursor && segment.no < cursor.segmentNo) {
        if (segment.outstanding === 0) await remove(context, segment)
        else kept.push(segment)
        continue
      }
      const isCursor = cursor?.segmentNo === segment.no
      await takeRest(
        context,
        segment,
        isCursor ? cursor.offset : segmentHeaderBytes,
        isCursor || touched.has(segment.no),
        remembered,
        found,
      )
      kept.push(segment)
    }
  } finally {
    await context.reader.close()
  }
  return {
    segments: kept,
    outstanding: found.outstanding,
    done: remembered.done,
    divided: remembered.divided,
    cursor: remembered.cursor,
    nextSegmentNo: Math.max(noMax, remembered.segmentNoMax) + 1,
    tenants: found.tenants,
    corruptBytes: found.corruptBytes,
    oldestMs: Number.isFinite(found.oldestMs) ? found.oldestMs : undefined,
  }
}

interface Found {
  readonly outstanding: Chunk[]
  readonly tenants: Map<string, number>
  corruptBytes: number
  oldestMs: number
}

async function openSegments(context: Context): Promise<{ segments: Segment[]; corruptBytes: number; noMax: number }> {
  const { disk, dir, cipher, log, aside } = context
  const segments: Segment[] = []
  let corruptBytes = 0
  let noMax = 0
  for (const name of (await disk.list(dir)).sort()) {
    const no = segmentNo(name)
    if (no === undefined) continue
    noMax = no
    const path = join(dir, name)
    const file = await disk.read(path)
    const size = await file.size().catch(() => 0)
    const bytes = Buffer.alloc(segmentHeaderBytes)
    const read = await file.read(bytes, 0).finally(() => file.close())
    const header = readSegmentHeader(bytes.subarray(0, read))
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

/** The chunks of this segment that were being delivered when the last checkpoint was written. */
async function takeOutstanding(
  context: Context,
  segment: Segment,
  remembered: Remembered,
  found: Found,
): Promise<void> {
  const cursorAt = remembered.cursor ? positionOf(remembered.cursor.segmentNo, remembered.cursor.number) : 0
  for (const [position, place] of remembered.outstanding) {
    // Behind the cursor (or without one, should it be damaged) the reader will come to it anyway.
    if (place.segmentNo !== segment.no || position >= cursorAt) continue
    const read = await context.reader.frameAt(segment, place.offset)
    if (read.is === 'frame' && read.header.kind === frameKind.chunk && read.header.number === place.number) {
      const chunk = chunkOf(segment, place.offset, read.header, read.plain)
      chunk.parts = partsOf(chunk, remembered.divided.get(position))
      // Read again when its turn comes: there may be many.
      chunk.body = undefined
      segment.outstanding++
      found.outstanding.push(chunk)
      addTenants(found, chunk)
    } else if (read.is === 'damaged') {
      context.log.error('queue.chunk_unreadable', {
        segment: segment.no,
        offset: place.offset,
        bytes: read.next - place.offset,
      })
      found.corruptBytes += read.next - place.offset
      await context.aside.keep(context.reader, segment, place.offset, read.next)
    }
  }
}

/** Counts what the reader will find from `offset` on, and finds where the frames end. */
async function takeRest(
  context: Context,
  segment: Segment,
  offset: number,
  walk: boolean,
  remembered: Remembered,
  found: Found,
): Promise<void> {
  const totals = await totalsAt(context, segment)
  if (totals) segment.bytes = totals.start
  if (totals && !walk) {
    const { chunks, records, requests, bytes } = totals.value
    found.oldestMs = Math.min(found.oldestMs, totals.value.firstMs)
    Object.assign(segment.untaken, { batches: chunks, records, requests, bytes })
    for (const [tenant, n] of totals.value.tenants) found.tenants.set(tenant, (found.tenants.get(tenant) ?? 0) + n)
    return
  }
  for (let at = offset; ; ) {
    const read = await context.reader.frameAt(segment, at)
    if (read.is === 'end') return
    if (read.is === 'damaged') {
      if (!read.last || totals) {
        // The reader will come here, set it aside and count it.
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
    if (!remembered.done.has(positionOf(segment.no, read.header.number))) {
      const chunk = chunkOf(segment, at, read.header, read.plain)
      found.oldestMs = Math.min(found.oldestMs, chunk.meta.at)
      segment.untaken.batches++
      segment.untaken.records += chunk.records
      segment.untaken.requests += chunk.meta.parcels.length
      segment.untaken.bytes += chunk.bytes
      chunk.parts = partsOf(chunk, remembered.divided.get(positionOf(segment.no, read.header.number)))
      addTenants(found, chunk)
    }
    at = read.next
  }
}

/** The totals at the end of a segment that was closed in good order. */
async function totalsAt(context: Context, segment: Segment): Promise<{ value: Totals; start: number } | undefined> {
  const end = segment.bytes - trailerBytes
  if (end < segmentHeaderBytes + frameHeaderBytes) return undefined
  const file = await context.disk.read(segment.path)
  try {
    const trailer = Buffer.alloc(trailerBytes)
    await file.read(trailer, end)
    const length = readTrailer(trailer)
    const start = end - (length ?? 0)
    if (length === undefined || start < segmentHeaderBytes) return undefined
    const frame = Buffer.alloc(length)
    await file.read(frame, start)
    const header = readFrameHeader(frame, 0, segment.id)
    if (header?.kind !== frameKind.totals || header.sealedBytes + frameHeaderBytes !== length) return undefined
    const plain = openFrame(segment, header, frame, 0)
    return plain && { value: readTotals(plain), start }
  } finally {
    await file.close()
  }
}

async function remove(context: Context, segment: Segment): Promise<void> {
  await context.disk.remove(segment.path).catch((error) => {
    context.log.warn('queue.segment_not_removed', { segment: segment.no, code: diskErrorCode(error) })
  })
}

function addTenants(found: Found, chunk: Chunk): void {
  for (const [from, to] of chunk.parts ?? [wholeOf(chunk)]) {
    for (const [tenant, records] of tenantsOf(chunk.meta, from, to)) {
      found.tenants.set(tenant, (found.tenants.get(tenant) ?? 0) + records)
    }
  }
}
