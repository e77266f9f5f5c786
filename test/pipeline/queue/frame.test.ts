/** The bytes of segments: what goes in comes out, nothing is readable, and no byte may be changed unnoticed. */
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type ChunkMeta,
  chunkMetaBytes,
  frameHeaderBytes,
  frameKind,
  openFrame,
  readChunk,
  readFrameHeader,
  readSegmentHeader,
  sealFrame,
  segmentHeader,
  segmentHeaderBytes,
} from '../../../src/pipeline/queue/frame.ts'
import { testCipher } from './support.ts'

const { key, wrapped } = testCipher().fresh()
const segment = { id: randomBytes(16), key }
const meta: ChunkMeta = { at: 1, group: 'policy-7', parcels: [{ bytes: 3, records: 1, tenants: [['tenant-name', 1]] }] }

const seal = (body: Uint8Array, number = 3) =>
  Buffer.concat(sealFrame(segment, frameKind.chunk, number, [body, chunkMetaBytes(meta)]).buffers)

test('a chunk comes back as it was, also one larger than a slice of the cipher', () => {
  fc.assert(
    fc.property(fc.constantFrom(0, 1, 65_535, 65_536, 65_537, 300_000), fc.nat(2 ** 32 - 1), (length, number) => {
      const body = randomBytes(length)
      const bytes = seal(body, number)
      const header = readFrameHeader(bytes, 0, segment.id)!
      expect(header).toEqual({ kind: 1, number, sealedBytes: bytes.length - frameHeaderBytes })
      const chunk = readChunk(openFrame(segment, header, bytes, 0)!)
      expect(chunk.body.equals(body)).toBe(true)
      expect(chunk.meta).toEqual(meta)
    }),
    { seed: 1, numRuns: 40 },
  )
})

test('every flipped bit is noticed', () => {
  const bytes = seal(Buffer.from('body'))
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    const header = readFrameHeader(flipped, 0, segment.id)
    if (header && header.sealedBytes === bytes.length - frameHeaderBytes) {
      expect(openFrame(segment, header, flipped, 0), `bit ${bit}`).toBeUndefined()
    } else expect(header).toBeUndefined()
  }
})

test('nothing can be read without the key, names of tenants and policies included', () => {
  const bytes = seal(Buffer.from('secret body'))
  for (const text of ['secret', 'body', 'tenant-name', 'policy-7']) expect(bytes.includes(text)).toBe(false)
  expect(seal(Buffer.alloc(100), 4).includes(Buffer.alloc(16))).toBe(false)
})

test('a frame of another segment is none of this one', () => {
  expect(readFrameHeader(seal(Buffer.from('x')), 0, randomBytes(16))).toBeUndefined()
})

test('a segment header comes back; damaged and newer ones are told apart', () => {
  const header = segmentHeader(segment.id, wrapped)
  expect(header.length).toBe(segmentHeaderBytes)
  expect(readSegmentHeader(header)).toEqual({ isReused: false, id: segment.id, wrapped: Buffer.from(wrapped) })
  for (let bit = 0; bit < header.length * 8; bit++) {
    const flipped = Buffer.from(header)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    expect(readSegmentHeader(flipped)).toBe('damaged')
  }
  expect(readSegmentHeader(header.subarray(0, 100))).toBe('damaged')
})
