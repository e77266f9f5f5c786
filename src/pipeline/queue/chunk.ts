/** A chunk that was taken out of the queue and is not done: a batch, or a piece of one. */
import type { Holding } from '../parcel.ts'
import type { BufferPool } from './buffers.ts'
import {
  type ChunkMeta,
  derivedBatchId,
  type FrameHeader,
  frameHeaderBytes,
  type ParcelMeta,
  readChunk,
} from './frame.ts'
import { type Divided, partsLeft, type Range } from './parts.ts'
import type { Amount, Segment } from './segment.ts'

export interface Chunk {
  readonly segment: Segment
  /** Of its frame; of a batch of several, that of the first. */
  readonly number: number
  readonly offset: number
  /** Of its frame, or frames. */
  readonly bytes: number
  /** The batch id. */
  readonly id: string
  readonly meta: ChunkMeta
  readonly records: number
  /** In memory; undefined: it has to be read again. */
  body: Buffer | undefined
  /** What the body costs in memory, and the pool's buffer that it lies in. */
  memoryBytes: number
  pooled: { readonly buffer: Buffer; readonly pool: BufferPool } | undefined
  /** Ranges of records that are still to be sent; undefined: all, as one batch. */
  parts: readonly Range[] | undefined
  /** The chunks that it was put together from. */
  readonly pieces?: readonly Chunk[]
  /** It was to be a piece of a batch, of which another piece was lost: its batch id is its own. */
  readonly isAlone?: true
}

/** What a reader is told of a chunk that several queues share: his counts of tenants. */
export function metaFor(meta: ChunkMeta, reader: string): ChunkMeta {
  if (meta.parcels.every(({ tenantsFor }) => tenantsFor === undefined)) return meta
  const own = ({ tenantsFor, tenants, ...parcel }: ParcelMeta) => ({
    ...parcel,
    tenants: tenantsFor?.[reader] ?? tenants,
  })
  return { ...meta, parcels: meta.parcels.map(own) }
}

/** A chunk from its opened frame, as `reader` sees it. */
export function chunkOf(segment: Segment, offset: number, header: FrameHeader, plain: Buffer, reader: string): Chunk {
  const { body, meta: written } = readChunk(plain)
  const meta = metaFor(written, reader)
  let records = 0
  for (const parcel of meta.parcels) records += parcel.records
  return {
    segment,
    number: header.number,
    offset,
    bytes: frameHeaderBytes + header.sealedBytes,
    id: meta.id ?? derivedBatchId(segment.id, header.number),
    meta,
    records,
    body,
    memoryBytes: 0,
    pooled: undefined,
    parts: undefined,
  }
}

/** What is left of a chunk, by what an earlier run remembered of it. */
export const partsOf = (chunk: Chunk, divided: Divided | undefined): Range[] | undefined =>
  divided && partsLeft(chunk.records, divided)

/** The first frame of the batch that a chunk is a piece of; its own, where it is a batch by itself. */
export const leaderOf = ({ meta, number }: Pick<Chunk, 'meta' | 'number'>): number => meta.batch?.[0] ?? number

/** All records of a chunk. */
export const wholeOf = (chunk: Chunk): Range => [0, chunk.records]

/**
 * The counts per tenant that belong to the records [from, to). Exact where a range ends between parcels; else a
 * parcel's tenants count as if their records stood one behind the other. The ranges of a whole always add up to it.
 * A parcel may have more records than its tenants count: copies that are counted elsewhere.
 */
export function tenantsOf(meta: Pick<ChunkMeta, 'parcels'>, from: number, to: number): [string, number][] {
  const counts = new Map<string, number>()
  let parcelStart = 0
  for (const parcel of meta.parcels) {
    let at = parcelStart
    for (const [tenant, records] of parcel.tenants) {
      const n = Math.min(at + records, to) - Math.max(at, from)
      if (n > 0) counts.set(tenant, (counts.get(tenant) ?? 0) + n)
      at += records
    }
    parcelStart += parcel.records
  }
  return [...counts]
}

/**
 * What the records [from, to) hold. Where a range ends within a parcel it may be any of the parcel's records, so all of
 * its holdings are told, each with as many records as there can be. Undefined: a parcel does not say what it holds.
 */
export function holdingsOf(meta: ChunkMeta, from: number, to: number): Holding[] | undefined {
  const sums = new Map<string, Holding>()
  let at = 0
  for (const parcel of meta.parcels) {
    const inside = Math.min(at + parcel.records, to) - Math.max(at, from)
    at += parcel.records
    if (inside <= 0) continue
    if (parcel.holdings === undefined) return undefined
    for (const { tenant, purposes, content, records } of parcel.holdings) {
      const key = JSON.stringify([tenant, purposes, content])
      const before = sums.get(key)?.records ?? 0
      sums.set(key, { tenant, purposes, content, records: before + Math.min(records, inside) })
    }
  }
  return [...sums.values()]
}

/** Where parcels meet within the records (from, to). */
export function parcelEdges(meta: ChunkMeta, from: number, to: number): number[] {
  const edges: number[] = []
  let at = 0
  for (const parcel of meta.parcels) {
    at += parcel.records
    if (at > from && at < to && edges.at(-1) !== at) edges.push(at)
  }
  return edges
}

/** What a chunk, no batch of several, makes of the queue's length. */
export const amountOf = (chunk: Chunk): Amount => ({
  batches: 1,
  records: chunk.records,
  requests: chunk.meta.parcels.length,
  bytes: chunk.bytes,
})
