/**
 * Small requests that were acknowledged one by one are sent as one batch: of one tenant, in order, up to a size, and the
 * same batch again after a crash.
 */
import { afterEach, expect, test } from 'vitest'
import { limits } from '../../../src/limits.ts'
import { parcel, request, type Setup, settle, setup } from './support.ts'

const real = { ...limits }
afterEach(() => void Object.assign(limits, real))

const textsOf = (body: Uint8Array) => [...Buffer.from(body).toString('latin1').matchAll(/r\d+;/g)].map(([text]) => text)
const batchesOf = (one: Setup) => one.exporter.sent.map(({ body }) => textsOf(body))
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `r${from + i};`)

/** Holds every batch until `go` is called. */
function held(one: Setup): { go(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  one.exporter.answer = async () => {
    await promise
    return { is: 'accepted' }
  }
  return { go: resolve }
}

test('while a destination is busy, what comes in one by one becomes one batch of each tenant', async () => {
  const one = setup({ queue: { num_consumers: 1 } })
  const { go } = held(one)
  await one.destination.start()
  for (let i = 0; i < 9; i++) await one.destination.offer(parcel(request(`r${i};`), 1, i % 2 === 0 ? 'acme' : 'globex'))
  await settle()
  go()
  await settle()
  expect(batchesOf(one)).toEqual([['r0;'], ['r1;', 'r3;', 'r5;', 'r7;'], ['r2;', 'r4;', 'r6;', 'r8;']])
  expect(one.exporter.sent.map(({ records }) => records)).toEqual([1, 4, 4])
  expect(one.tally.storedBy).toEqual(
    new Map([
      ['acme', 5],
      ['globex', 4],
    ]),
  )
  expect(one.destination.state()).toMatchObject({ queuedBatches: 0, queuedRecords: 0, queuedBytes: 0 })
})

test('a batch is no larger than its bound, and versions of the policy are not mixed', async () => {
  Object.assign(limits, { batchBytesMax: 120, batchBytesMin: 100 })
  const one = setup({ queue: { num_consumers: 1 } })
  const { go } = held(one)
  await one.destination.start()
  for (let i = 0; i < 20; i++) await one.destination.offer(parcel(request(`r${i};`), 1, 'acme', i < 10 ? 'v1' : 'v2'))
  go()
  await one.clock.advance(100)
  expect(batchesOf(one).flat()).toEqual(range(0, 20))
  for (const { body } of one.exporter.sent) {
    expect(body.length).toBeLessThanOrEqual(120)
    const numbers = textsOf(body).map((text) => Number.parseInt(text.slice(1), 10))
    expect(new Set(numbers.map((n) => n < 10)).size).toBe(1)
  }
  expect(one.exporter.sent.length).toBeLessThan(10)
})

test('without load nothing waits, unless it is told to: then for as long as it is told', async () => {
  const quick = setup()
  await quick.destination.start()
  for (let i = 0; i < 3; i++) {
    await quick.destination.offer(parcel(request(`r${i};`)))
    await settle()
  }
  expect(batchesOf(quick)).toEqual([['r0;'], ['r1;'], ['r2;']])
  const patient = setup({ queue: { batch: { flush_timeout: '200ms' } } })
  await patient.destination.start()
  for (let i = 0; i < 3; i++) {
    await patient.destination.offer(parcel(request(`r${i};`)))
    await patient.clock.advance(50)
  }
  expect(batchesOf(patient)).toEqual([])
  await patient.clock.advance(60)
  expect(batchesOf(patient)).toEqual([['r0;', 'r1;', 'r2;']])
})

test('stopping does not wait for more', async () => {
  const one = setup({ queue: { batch: { flush_timeout: '1m' } } })
  await one.destination.start()
  await one.destination.offer(parcel(request('r0;')))
  const stopped = one.destination.stop(5000)
  await settle()
  expect(batchesOf(one)).toEqual([['r0;']])
  await one.clock.advance(5000)
  expect(await stopped).toEqual({ left: 0 })
})

test.each(['from memory', 'from the disk'])('after a crash the same pieces are the same batch (%s)', async (from) => {
  if (from === 'from the disk') Object.assign(limits, { queueMemoryBytesMax: 0 })
  const one = setup({ queue: { num_consumers: 1 } })
  one.exporter.answer = async (batch) => {
    await settle(3)
    return batch.records > 1 ? { is: 'unavailable', reason: 'test' } : { is: 'accepted' }
  }
  await one.destination.start()
  for (let i = 0; i < 6; i++) await one.destination.offer(parcel(request(`r${i};`)))
  await one.clock.advance(200)
  const before = new Map(one.exporter.sent.map(({ id, body }) => [id, textsOf(body)]))
  const tried = [...before].filter(([, texts]) => texts.length > 1)
  expect(tried.length).toBeGreaterThan(0)
  const again = setup({ disk: one.disk.afterPowerLoss(one.disk.events, () => true) })
  await again.destination.start()
  await again.clock.advance(60_000)
  const after = new Map(again.exporter.sent.map(({ id, body }) => [id, textsOf(body)]))
  for (const [id, texts] of tried) expect(after.get(id)).toEqual(texts)
})

test('a piece that cannot be read is counted for its tenant, and its neighbours are sent without it', async () => {
  const one = setup({ queue: { num_consumers: 1 } })
  one.exporter.answer = () => ({ is: 'unavailable', reason: 'test' })
  await one.destination.start()
  for (let i = 0; i < 6; i++) await one.destination.offer(parcel(request(`r${i};`), 1, i < 3 ? 'acme' : 'globex'))
  const stopped = one.destination.stop(0)
  await one.clock.advance(2000)
  await stopped
  const [path] = [...one.disk.names.keys()].filter((name) => name.endsWith('.seg'))
  const { content } = one.disk.names.get(path!)!
  // In the ciphertext of the second frame.
  const second = 128 + 20 + content.readUInt32LE(128 + 4)
  content[second + 30]! ^= 1
  const again = setup({ disk: one.disk })
  await again.destination.start()
  await again.clock.advance(60_000)
  expect(batchesOf(again).flat().sort()).toEqual(['r0;', 'r2;', 'r3;', 'r4;', 'r5;'])
  expect(again.tally.of).toMatchObject({ recovered: 6, stored: 5, corrupted: 1 })
  expect(again.tally.corruptedBy).toEqual(new Map([['acme', 1]]))
})
