/**
 * A disk that fails: full, broken, read only; at any operation, for a while. Nobody is told that something is durable
 * which is not, what was acknowledged is delivered, and the queue works again by itself when the disk does.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { limits } from '../../../src/limits.ts'
import { parcel, request, type Setup, settle, setup } from './support.ts'

const real = { ...limits }
beforeAll(() => void Object.assign(limits, { segmentBytes: 2000, batchBytesMax: 300, ackEntriesMax: 8 }))
afterAll(() => void Object.assign(limits, real))

const changes = new Set(['create', 'append', 'write', 'truncate', 'sync', 'rename', 'remove', 'syncDir'])

/** Offers `count` records one by one; gives the texts that were acknowledged, and the refusals. */
async function offerAll(
  one: Setup,
  count: number,
  prefix: string,
): Promise<{ acknowledged: string[]; refused: string[] }> {
  const acknowledged: string[] = []
  const refused: string[] = []
  for (let i = 0; i < count; i++) {
    const text = `${prefix}-${i};`
    await one.destination.offer(parcel(request(text))).then(
      () => acknowledged.push(text),
      (refusal) => refused.push(`${refusal.code} ${refusal.reason}`),
    )
    if (i % 5 === 0) await one.clock.advance(10)
  }
  return { acknowledged, refused }
}

test.each(['ENOSPC', 'EIO', 'EROFS'])('a disk that begins to fail with %s at any operation', async (code) => {
  for (let failAt = 0; failAt < 120; failAt += code === 'ENOSPC' ? 1 : 5) {
    const one = setup()
    let operations = 0
    one.disk.fault = (operation) => {
      if (!changes.has(operation)) return undefined
      operations++
      return operations > failAt && operations < failAt + 12 ? code : undefined
    }
    await one.destination.start()
    const during = await offerAll(one, 40, `during-${failAt}`)
    for (const refusal of during.refused) expect(refusal).toBe('queue failing')
    await one.clock.advance(20 * limits.diskRetryMs)
    const after = await offerAll(one, 3, 'after')
    expect(after.refused, `failing from operation ${failAt}`).toEqual([])
    await one.clock.advance(60_000)
    const arrived = Buffer.concat(one.exporter.sent.map(({ body }) => body))
    for (const text of [...during.acknowledged, ...after.acknowledged]) expect(arrived.includes(text)).toBe(true)
    expect(one.destination.state()).toMatchObject({ queuedBatches: 0, queuedBytes: 0, diskFailing: undefined })
  }
})

test('what was acknowledged before and after a failure is there after a crash', async () => {
  for (let failAt = 3; failAt < 60; failAt++) {
    const one = setup()
    let operations = 0
    one.exporter.answer = () => ({ is: 'unavailable', reason: 'test' })
    one.disk.fault = (operation) =>
      changes.has(operation) && ++operations >= failAt && operations < failAt + 7 ? 'EIO' : undefined
    await one.destination.start()
    const { acknowledged } = await offerAll(one, 30, 'x')
    await one.clock.advance(5000)
    const again = setup({ disk: one.disk.afterPowerLoss(one.disk.events, () => false) })
    await again.destination.start()
    await again.clock.advance(60_000)
    const arrived = Buffer.concat(again.exporter.sent.map(({ body }) => body))
    for (const text of acknowledged) expect(arrived.includes(text), `${text}, failing from ${failAt}`).toBe(true)
  }
})

test('a failing disk refuses at once, is told in the state, and is found working without a request', async () => {
  const one = setup()
  await one.destination.start()
  one.disk.fault = (operation) => (operation === 'write' ? 'ENOSPC' : undefined)
  await expect(one.destination.offer(parcel(request('a')))).rejects.toMatchObject({ reason: 'failing' })
  expect(one.destination.state().diskFailing).toBe('ENOSPC')
  await settle()
  const operations = one.disk.operations
  await expect(one.destination.offer(parcel(request('b')))).rejects.toMatchObject({
    reason: 'failing',
    retryAfterMs: limits.diskRetryMs,
  })
  expect(one.disk.operations).toBe(operations)
  one.disk.fault = undefined
  await one.clock.advance(limits.diskRetryMs + 1)
  expect(one.destination.state().diskFailing).toBeUndefined()
})

test('a full disk still lets the queue be delivered, which makes room', async () => {
  const one = setup()
  one.exporter.answer = () => ({ is: 'unavailable', reason: 'test' })
  await one.destination.start()
  await offerAll(one, 40, 'x')
  one.disk.fault = (operation) => (operation === 'write' || operation === 'append' ? 'ENOSPC' : undefined)
  one.exporter.answer = () => ({ is: 'accepted' })
  await one.clock.advance(60_000)
  expect(one.destination.state().queuedBatches).toBe(0)
  expect([...one.disk.names.keys()].filter((name) => name.endsWith('.seg')).length).toBeLessThanOrEqual(1)
})

test('a disk that cannot be read for a while delays, and loses nothing', async () => {
  const one = setup()
  one.exporter.onStart = () => {
    throw new Error('not yet')
  }
  await one.destination.start()
  Object.assign(limits, { queueMemoryBytesMax: 0 })
  await offerAll(one, 40, 'x')
  Object.assign(limits, real, { segmentBytes: 2000, batchBytesMax: 300, ackEntriesMax: 8 })
  let left = 3
  one.disk.fault = (operation) => (operation === 'read' && left-- > 0 ? 'EIO' : undefined)
  one.exporter.onStart = () => {}
  await one.clock.advance(60_000)
  expect(one.tally.of).toMatchObject({ stored: 40, corrupted: 0, corruptBytes: 0 })
})
