/**
 * Files of segments that are done are used again: what they held can be read by nobody, is never taken for what the next
 * one holds, and their space is given back when the disk is full and at the end.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { limits } from '../../../src/limits.ts'
import { isSpare } from '../../../src/pipeline/queue/spares.ts'
import { type MemoryDisk, parcel, request, type Setup, seeded, setup } from './support.ts'

const real = { ...limits }
beforeAll(() => void Object.assign(limits, { segmentBytes: 2000, batchBytesMax: 400, spareSegmentsMax: 2 }))
afterAll(() => void Object.assign(limits, real))

const namesOf = ({ disk }: Setup) => [...disk.names.keys()]
const contentOf = ({ disk }: Setup, path: string) => disk.names.get(path)!.content

/** Offers so many records, delivering as it goes. */
async function offer(one: Setup, count: number, prefix: string): Promise<void> {
  for (let i = 0; i < count; i++) {
    await one.destination.offer(parcel(request(`${prefix}-${i};`)))
    if (i % 5 === 0) await one.clock.advance(10)
  }
  await one.clock.advance(100)
}

test('a busy queue goes on in the files that it has, and gives them back when it stops', async () => {
  const one = setup()
  let made = 0
  let reused = 0
  one.disk.fault = (operation, path) => {
    if (operation === 'create' && path.endsWith('.seg')) made++
    if (operation === 'rename' && path.endsWith('.seg')) reused++
    return undefined
  }
  await one.destination.start()
  await offer(one, 200, 'x')
  expect(made).toBeLessThanOrEqual(4)
  expect(reused).toBeGreaterThan(10)
  const spares = namesOf(one).filter(isSpare)
  expect(spares.length).toBeGreaterThan(0)
  expect(spares.length).toBeLessThanOrEqual(limits.spareSegmentsMax)
  // Without its wrapped key nothing in it can be read.
  for (const path of spares) expect(contentOf(one, path).subarray(0, 128).equals(Buffer.alloc(128))).toBe(true)
  await one.destination.stop(1000)
  expect(namesOf(one).filter(isSpare)).toEqual([])
  const arrived = Buffer.concat(one.exporter.sent.map(({ body }) => body))
  for (let i = 0; i < 200; i++) expect(arrived.includes(`x-${i};`)).toBe(true)
})

test('spares of a process that was killed are removed, and a segment in a used file ends where its frames end', async () => {
  const one = setup()
  await one.destination.start()
  await offer(one, 100, 'old')
  one.exporter.answer = () => ({ is: 'unavailable', reason: 'test' })
  await offer(one, 9, 'new')
  const left = one.disk.afterPowerLoss(one.disk.events, () => true)
  const again = setup({ disk: left })
  await again.destination.start()
  expect(namesOf(again).filter((path) => isSpare(path) || path.includes('aside'))).toEqual([])
  await again.clock.advance(60_000)
  const arrived = Buffer.concat(again.exporter.sent.map(({ body }) => body))
  for (let i = 0; i < 9; i++) expect(arrived.includes(`new-${i};`)).toBe(true)
  expect(again.tally.of).toMatchObject({ corrupted: 0, corruptBytes: 0 })
})

test('damage in front of good frames is damage in a used file, too', async () => {
  const random = seeded(5)
  let damaged = 0
  for (let round = 0; round < 60; round++) {
    const one = setup()
    await one.destination.start()
    await offer(one, 100 + round, 'old')
    one.exporter.answer = () => ({ is: 'unavailable', reason: 'test' })
    for (let i = 0; i < 4; i++) await one.destination.offer(parcel(request(`new-${i};`)))
    const left: MemoryDisk = one.disk.afterPowerLoss(one.disk.events, () => true)
    const path = [...left.names.keys()]
      .filter((name) => name.endsWith('.seg'))
      .sort()
      .at(-1)!
    const { content } = left.names.get(path)!
    // The first frame begins behind the head; its tag is somewhere in the next 150 bytes.
    if (content.readUInt8(123) === 0) continue
    content.writeUInt8(content.readUInt8(150) ^ (1 << Math.floor(random() * 8)), 150)
    const again = setup({ disk: left })
    await again.destination.start()
    await again.clock.advance(60_000)
    const { stored, corruptBytes, corrupted } = again.tally.of
    expect(again.destination.state().queuedBatches).toBe(0)
    if (corruptBytes > 0 && stored > 0) damaged++
    expect(stored + corrupted).toBeLessThanOrEqual(4)
  }
  expect(damaged).toBeGreaterThan(5)
})

test('a file that has another name is not written into again', async () => {
  const one = setup()
  await one.destination.start()
  one.exporter.answer = () => ({ is: 'unavailable', reason: 'test' })
  await offer(one, 60, 'kept')
  const kept = namesOf(one).filter((path) => path.endsWith('.seg'))
  for (const path of kept) await one.disk.link(path, path.replace('/q', '/copy'))
  const before = kept.map((path) => Buffer.from(contentOf(one, path.replace('/q', '/copy'))))
  one.exporter.answer = () => ({ is: 'accepted' })
  await one.clock.advance(60_000)
  await offer(one, 100, 'more')
  for (const [i, path] of kept.slice(0, -1).entries()) {
    expect(contentOf(one, path.replace('/q', '/copy')).equals(before[i]!)).toBe(true)
  }
  expect(kept.length).toBeGreaterThan(3)
})

test('a disk without room gets the space of spares back', async () => {
  const one = setup()
  await one.destination.start()
  await offer(one, 100, 'x')
  expect(namesOf(one).some(isSpare)).toBe(true)
  one.disk.fault = (operation) => (operation === 'write' ? 'ENOSPC' : undefined)
  await expect(one.destination.offer(parcel(request('a')))).rejects.toMatchObject({ reason: 'failing' })
  await one.clock.advance(0)
  expect(namesOf(one).filter(isSpare)).toEqual([])
  one.disk.fault = undefined
  await one.clock.advance(10 * limits.diskRetryMs)
  await offer(one, 10, 'after')
  expect(Buffer.concat(one.exporter.sent.map(({ body }) => body)).includes('after-9;')).toBe(true)
})

test('whole segments in used files are whole after a crash, also with ciphertext whose memory was freed at once', async () => {
  Object.assign(limits, { segmentBytes: 30_000, batchBytesMax: 12_000 })
  const one = setup()
  await one.destination.start()
  const text = (i: number) => `large-${i};${'x'.repeat(7000 + 30 * i)}`
  for (let i = 0; i < 40; i++) {
    if (i === 20) one.exporter.answer = () => ({ is: 'unavailable', reason: 'test' })
    await one.destination.offer(parcel(request(text(i))))
    await one.clock.advance(10)
  }
  const again = setup({ disk: one.disk.afterPowerLoss(one.disk.events, () => true) })
  await again.destination.start()
  await again.clock.advance(60_000)
  const arrived = Buffer.concat([...one.exporter.sent.slice(0, 20), ...again.exporter.sent].map(({ body }) => body))
  for (let i = 0; i < 40; i++) expect(arrived.includes(text(i)), `${i}`).toBe(true)
  expect(again.tally.of).toMatchObject({ corrupted: 0, corruptBytes: 0 })
  Object.assign(limits, { segmentBytes: 2000, batchBytesMax: 400 })
})
