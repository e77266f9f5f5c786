/**
 * Damage to the files of a queue: flipped bits, cut and missing files. Whatever is damaged, the rest is delivered, the
 * damage is counted, and nothing that was not queued is ever sent.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { limits } from '../../../src/limits.ts'
import { type MemoryDisk, parcel, request, type Setup, seeded, settle, setup, testCipher } from './support.ts'

const real = { ...limits }
beforeAll(() => void Object.assign(limits, { segmentBytes: 3000, batchBytesMax: 300 }))
afterAll(() => void Object.assign(limits, real))

const text = (i: number) => `record-${String(i).padStart(4, '0')}`

/** A disk with `count` queued batches of one record, left by a stop (or by a crash). */
async function queued(count: number, end: 'stop' | 'crash' = 'stop'): Promise<MemoryDisk> {
  const one = setup()
  one.exporter.answer = () => ({ is: 'unavailable', reason: 'test' })
  await one.destination.start()
  for (let i = 0; i < count; i++) await one.destination.offer(parcel(request(text(i))))
  if (end === 'crash') return one.disk.afterPowerLoss(one.disk.events, () => true)
  const stopped = one.destination.stop(0)
  await one.clock.advance(2000)
  await stopped
  return one.disk
}

async function deliver(disk: MemoryDisk): Promise<Setup & { arrived: Set<string> }> {
  const again = setup({ disk })
  await again.destination.start()
  await again.clock.advance(60_000)
  const arrived = new Set<string>()
  for (const { body } of again.exporter.sent) {
    for (const [found] of body.toString('latin1').matchAll(/record-\d{4}/g)) arrived.add(found)
  }
  return { ...again, arrived }
}

const segments = (disk: MemoryDisk) => [...disk.names.keys()].filter((path) => path.endsWith('.seg')).sort()

test.each([
  'stop',
  'crash',
] as const)('a flipped bit costs the chunk that it is in, and no other (after a %s)', async (end) => {
  const random = seeded(11)
  const count = 60
  for (let round = 0; round < 50; round++) {
    const disk = await queued(count, end)
    const path = segments(disk)[Math.floor(random() * segments(disk).length)]!
    const { content } = disk.names.get(path)!
    const at = 128 + Math.floor(random() * (content.length - 128))
    content[at]! ^= 1 << Math.floor(random() * 8)
    const { arrived, destination, tally } = await deliver(disk)
    expect(arrived.size, `round ${round}: bit in ${path} at ${at}`).toBeGreaterThanOrEqual(count - 1)
    expect(destination.state().queuedBatches).toBe(0)
    expect(destination.state().queuedRecords).toBe(0)
    if (arrived.size < count && end === 'stop') expect(tally.of.corruptBytes).toBeGreaterThan(0)
  }
})

test('a segment whose header is damaged is set aside whole, the others are delivered', async () => {
  const disk = await queued(60)
  const path = segments(disk)[1]!
  disk.names.get(path)!.content[20]! ^= 1
  const { arrived, tally } = await deliver(disk)
  expect(arrived.size).toBeGreaterThan(30)
  expect(arrived.size).toBeLessThan(60)
  expect(tally.of.corruptBytes).toBeGreaterThan(2000)
  expect([...disk.names.keys()].some((name) => name.startsWith('/q/aside/'))).toBe(true)
})

test('damage in the middle tells how many records are missing, and keeps the bytes', async () => {
  const disk = await queued(60)
  const { content } = disk.names.get(segments(disk)[1]!)!
  content.fill(0, 400, 1200)
  const { arrived, tally } = await deliver(disk)
  expect(tally.of.corrupted).toBe(60 - arrived.size)
  const aside = [...disk.names.entries()].filter(([name]) => name.startsWith('/q/aside/'))
  expect(aside.reduce((sum, [, file]) => sum + file.content.length, 0)).toBe(tally.of.corruptBytes)
})

test('a file cut at any length gives the chunks before the cut', async () => {
  const whole = await queued(12)
  const path = segments(whole)[0]!
  const { content } = whole.names.get(path)!
  for (let length = 0; length <= content.length; length += 61) {
    const disk = await queued(12)
    const file = disk.names.get(segments(disk)[0]!)!
    file.content = Buffer.from(file.content.subarray(0, length))
    const { arrived, destination } = await deliver(disk)
    expect(destination.state().queuedBatches).toBe(0)
    for (let i = 0; i < arrived.size - 4; i++) expect(arrived.has(text(i))).toBe(true)
  }
})

test('any damage to the file of acknowledgements leads to repeats under the same ids at most', async () => {
  const random = seeded(5)
  for (let round = 0; round < 40; round++) {
    const one = setup({ queue: { num_consumers: 2 } })
    let taken = 0
    one.exporter.answer = (batch) => {
      if (batch.records > 1) return { is: 'too_large', reason: 'test' }
      return ++taken < 12 ? { is: 'accepted' } : { is: 'unavailable', reason: 'test' }
    }
    await one.destination.start()
    for (let i = 0; i < 10; i++) await one.destination.offer(parcel(request(text(2 * i), text(2 * i + 1)), 2))
    await settle()
    const before = new Map(one.exporter.sent.filter((sent) => sent.records === 1).map(({ id, body }) => [id, body]))
    const disk = one.disk.afterPowerLoss(one.disk.events, () => true)
    const acks = disk.names.get('/q/acks')!
    const at = Math.floor(random() * acks.content.length)
    if (round % 3 === 0) acks.content = Buffer.from(acks.content.subarray(0, at))
    else acks.content[at]! ^= 1 << Math.floor(random() * 8)
    const { arrived, exporter } = await deliver(disk)
    for (const body of one.exporter.sent.slice(0, -1)) {
      for (const [found] of body.body.toString('latin1').matchAll(/record-\d{4}/g))
        if (body.records === 1) arrived.add(found)
    }
    expect(arrived.size).toBe(20)
    for (const { id, body } of exporter.sent) if (before.has(id)) expect(body.equals(before.get(id)!)).toBe(true)
  }
})

test('a missing segment is counted, and stops nothing', async () => {
  const disk = await queued(60)
  const again = setup({ disk })
  again.exporter.onStart = () => {
    throw new Error('not yet')
  }
  await again.destination.start()
  disk.names.delete(segments(disk)[1]!)
  again.exporter.onStart = () => {}
  await again.clock.advance(60_000)
  expect(again.destination.state().queuedRecords).toBe(0)
  expect(again.tally.of.stored + again.tally.of.corrupted).toBe(60)
  expect(again.tally.of.corrupted).toBeGreaterThan(0)
})

test('without its key a queue does not start, and nothing is touched', async () => {
  const disk = await queued(20)
  const before = segments(disk).map((path) => Buffer.from(disk.names.get(path)!.content))
  const again = setup({ disk, cipher: testCipher(8) })
  await expect(again.destination.start()).rejects.toMatchObject({
    code: 'key',
    fix: expect.stringContaining('key file'),
  })
  expect(segments(disk).map((path) => disk.names.get(path)!.content)).toEqual(before)
})

test('a queue of the version before is delivered', async () => {
  const disk = await queued(20)
  const { crc32 } = await import('node:zlib')
  for (const path of segments(disk)) {
    const { content } = disk.names.get(path)!
    content.writeUInt16LE(1, 8)
    content.writeUInt32LE(crc32(content.subarray(0, 124)), 124)
  }
  const { arrived, destination } = await deliver(disk)
  expect(arrived.size).toBe(20)
  expect(destination.state().queuedBatches).toBe(0)
})

test('a segment of a newer version of the program is refused, and not touched', async () => {
  const disk = await queued(20)
  const { content } = disk.names.get(segments(disk)[0]!)!
  content.writeUInt16LE(3, 8)
  const { crc32 } = await import('node:zlib')
  content.writeUInt32LE(crc32(content.subarray(0, 124)), 124)
  await expect(setup({ disk }).destination.start()).rejects.toMatchObject({ code: 'dependency' })
  expect(segments(disk).length).toBeGreaterThan(1)
})
