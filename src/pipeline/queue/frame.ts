/**
 * The bytes of a segment: a header, then frames. Pure; no I/O. Little-endian throughout.
 *
 *     segment header (128 bytes, zero-padded)            frame
 *     0   8  "DOUANEQ\n"                                 0   4  magic 0xD0A7E5F1
 *     8   2  format version (2)                          4   4  n: bytes of ciphertext and tag
 *     10 16  segment id, random                          8   4  number of the frame in this segment
 *     26  1  k: bytes of the wrapped key                 12  1  kind: 1 chunk, 2 totals       13  3  zero
 *     27  k  the wrapped key                             16  4  CRC-32 of segment id and bytes 0–15
 *     123 1  1: the file was another segment before
 *     124 4  CRC-32 of bytes 0–123                       20  n  AES-256-GCM: ciphertext, 16-byte tag
 *
 * Key: one per segment. Nonce: the frame's number, which is never used twice under one key: a segment is written by
 * one run only, and after a failed write nothing is written to it again. The frame's header is authenticated.
 * The CRC keeps the framing when a chunk is damaged; the tag tells whether a chunk is.
 *
 * Version 2 has batches of several chunks, owners, and segments that several queues share by hard links; files of
 * version 1 have none of these and are read as they are.
 *
 * A chunk's plaintext is the body, then its `ChunkMeta` as JSON, then the JSON's length in 4 bytes. Totals are JSON
 * and the frame is followed by 8 bytes, its own length and "ENDQ", so that it can be found from the end of the file.
 * Inventories (inventory.ts) are files of the same build, with one frame of kind 3.
 */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Holding, TenantCounts } from '../parcel.ts'

export const formatVersion = 2
export const segmentHeaderBytes = 128
export const frameHeaderBytes = 20
export const tagBytes = 16
export const segmentIdBytes = 16
export const trailerBytes = 8
const reusedAt = 123
export const frameKind = { chunk: 1, totals: 2, inventory: 3 } as const

const segmentMagic = Buffer.from('DOUANEQ\n')
const frameMagic = 0xd0a7e5f1
/** The first byte of a frame on disk, to look for when framing is lost. */
export const frameFirstByte = frameMagic & 0xff
const trailerMagic = 0x51444e45
/** Slices below malloc's mmap threshold: one large output buffer costs a third more, for its page faults. */
const cipherSliceBytes = 64 * 1024

/** What a chunk holds beside the body. Encrypted with it. */
export interface ChunkMeta {
  /** The batch id, where it is not derived from the position: dead letters that were sent again. */
  readonly id?: string
  /** When it was queued, Unix milliseconds. */
  readonly at: number
  /** What its parcels have in common: the policy version, or the reason of a quarantine. */
  readonly group: string
  /** The tenant that its parcels are counted for in shares of the queue; missing: nobody. */
  readonly owner?: string
  /** The batch that it is a piece of: the number of the batch's first frame, and how many records come before it. */
  readonly batch?: readonly [leader: number, recordsBefore: number]
  /** The parcels in order: bytes of the body, records, records per tenant. */
  readonly parcels: readonly ParcelMeta[]
}
export interface ParcelMeta {
  readonly bytes: number
  readonly records: number
  readonly tenants: TenantCounts
  /** Where queues share the chunk: the counts of those that have others, by the queue's reader. */
  readonly tenantsFor?: Readonly<Record<string, TenantCounts>>
  readonly holdings?: readonly Holding[]
}

/** What a whole segment holds, written at its end: so that a start need not read all of a long queue. */
export interface Totals {
  readonly chunks: number
  readonly records: number
  readonly requests: number
  /** Of all chunk frames. */
  readonly bytes: number
  readonly firstMs: number
  readonly tenants: TenantCounts
  readonly tenantsFor?: Readonly<Record<string, TenantCounts>>
  /** Bytes of frames by owner; missing in version 1. */
  readonly owners?: TenantCounts
}

export interface SegmentIdentity {
  readonly id: Buffer
  readonly key: KeyObject
}

export function segmentHeader(id: Uint8Array, wrapped: Uint8Array, isReused = false): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes)
  segmentMagic.copy(header)
  header.writeUInt16LE(formatVersion, 8)
  header.set(id, 10)
  header.writeUInt8(wrapped.length, 26)
  header.set(wrapped, 27)
  header.writeUInt8(isReused ? 1 : 0, reusedAt)
  header.writeUInt32LE(crc32(header.subarray(0, segmentHeaderBytes - 4)), segmentHeaderBytes - 4)
  return header
}

interface SegmentHead {
  readonly id: Buffer
  readonly wrapped: Buffer
  /** Behind its last frame there may be bytes of an earlier segment. */
  readonly isReused: boolean
}

/** `newer`: written by a later version of the program, which must not be touched. `damaged`: not a header. */
export function readSegmentHeader(header: Buffer): SegmentHead | 'newer' | 'damaged' {
  if (header.length < segmentHeaderBytes || !header.subarray(0, segmentMagic.length).equals(segmentMagic)) {
    return 'damaged'
  }
  if (crc32(header.subarray(0, segmentHeaderBytes - 4)) !== header.readUInt32LE(segmentHeaderBytes - 4)) {
    return 'damaged'
  }
  if (header.readUInt16LE(8) > formatVersion) return 'newer'
  const id = Buffer.from(header.subarray(10, 26))
  const wrapped = Buffer.from(header.subarray(27, 27 + header.readUInt8(26)))
  return { id, wrapped, isReused: header.readUInt8(reusedAt) === 1 }
}

const nonceOf = (number: number): Buffer => {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32LE(number, 8)
  return nonce
}

/** Seals one frame. Gives the buffers to write, in order, and their length. */
export function sealFrame(
  segment: SegmentIdentity,
  kind: number,
  number: number,
  plain: readonly Uint8Array[],
): { buffers: Uint8Array[]; bytes: number } {
  let plainBytes = 0
  for (const part of plain) plainBytes += part.length
  const header = Buffer.alloc(frameHeaderBytes)
  header.writeUInt32LE(frameMagic, 0)
  header.writeUInt32LE(plainBytes + tagBytes, 4)
  header.writeUInt32LE(number, 8)
  header.writeUInt8(kind, 12)
  header.writeUInt32LE(crc32(header.subarray(0, 16), crc32(segment.id)), 16)
  const cipher = createCipheriv('aes-256-gcm', segment.key, nonceOf(number), { authTagLength: tagBytes })
  cipher.setAAD(header.subarray(0, 16))
  const buffers: Uint8Array[] = [header]
  for (const part of plain) {
    for (let at = 0; at < part.length; at += cipherSliceBytes) {
      buffers.push(cipher.update(part.subarray(at, at + cipherSliceBytes)))
    }
  }
  cipher.final()
  buffers.push(cipher.getAuthTag())
  return { buffers, bytes: frameHeaderBytes + plainBytes + tagBytes }
}

export interface FrameHeader {
  readonly kind: number
  readonly number: number
  /** Of ciphertext and tag. */
  readonly sealedBytes: number
}

/** Undefined: these bytes are no frame header of this segment. */
export function readFrameHeader(bytes: Buffer, at: number, segmentId: Buffer): FrameHeader | undefined {
  if (at + frameHeaderBytes > bytes.length || bytes.readUInt32LE(at) !== frameMagic) return undefined
  const sum = crc32(bytes.subarray(at, at + 16), crc32(segmentId))
  if (sum !== bytes.readUInt32LE(at + 16)) return undefined
  const header = {
    kind: bytes.readUInt8(at + 12),
    number: bytes.readUInt32LE(at + 8),
    sealedBytes: bytes.readUInt32LE(at + 4),
  }
  return header.sealedBytes >= tagBytes ? header : undefined
}

/** Opens a frame whose header starts at `at`; all of it must be in `bytes`. Undefined: it is damaged. */
export function openFrame(
  segment: SegmentIdentity,
  header: FrameHeader,
  bytes: Buffer,
  at: number,
): Buffer | undefined {
  const start = at + frameHeaderBytes
  const end = start + header.sealedBytes
  const decipher = createDecipheriv('aes-256-gcm', segment.key, nonceOf(header.number), { authTagLength: tagBytes })
  decipher.setAAD(bytes.subarray(at, at + 16))
  decipher.setAuthTag(bytes.subarray(end - tagBytes, end))
  const plain = decipher.update(bytes.subarray(start, end - tagBytes))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return plain
}

/** The end of a chunk's plaintext. */
export function chunkMetaBytes(meta: ChunkMeta): Buffer {
  const json = Buffer.from(JSON.stringify(meta))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(json.length)
  return Buffer.concat([json, length])
}

/** Splits a chunk's authenticated plaintext. */
export function readChunk(plain: Buffer): { body: Buffer; meta: ChunkMeta } {
  const jsonEnd = plain.length - 4
  const bodyEnd = jsonEnd - plain.readUInt32LE(jsonEnd)
  return { body: plain.subarray(0, bodyEnd), meta: JSON.parse(plain.toString('utf8', bodyEnd, jsonEnd)) }
}

export function sealTotals(
  segment: SegmentIdentity,
  number: number,
  totals: Totals,
): { buffers: Uint8Array[]; bytes: number } {
  const frame = sealFrame(segment, frameKind.totals, number, [Buffer.from(JSON.stringify(totals))])
  const trailer = Buffer.alloc(trailerBytes)
  trailer.writeUInt32LE(frame.bytes, 0)
  trailer.writeUInt32LE(trailerMagic, 4)
  return { buffers: [...frame.buffers, trailer], bytes: frame.bytes + trailerBytes }
}

/** How long the totals' frame before this trailer is; undefined: there is none. */
export function readTrailer(trailer: Buffer): number | undefined {
  return trailer.length === trailerBytes && trailer.readUInt32LE(4) === trailerMagic
    ? trailer.readUInt32LE(0)
    : undefined
}

export const readTotals = (plain: Buffer): Totals => JSON.parse(plain.toString('utf8'))

/** The batch id of a chunk that has none of its own: unique to a segment, and a segment is written by one run only. */
export const derivedBatchId = (segmentId: Buffer, number: number): string => `${segmentId.toString('hex')}-${number}`
