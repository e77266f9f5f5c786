/** Delivery without a queue: a sender's answer is the destination's. */
import { expect, test } from 'vitest'
import { limits } from '../../src/limits.ts'
import { parcel, request, type Setup, settle, setup } from './queue/support.ts'

const direct = async (queue: Record<string, unknown> = {}): Promise<Setup> => {
  const one = setup({ queue: { enabled: false, ...queue }, retry: { initial_interval: '1s' } })
  await one.destination.start()
  await settle()
  return one
}
const offer = (one: Setup, ...texts: string[]) => one.destination.offer(parcel(request(...texts), texts.length))

test('resolves when the destination has taken it, and touches no disk', async () => {
  const one = await direct()
  let take: () => void = () => {}
  one.exporter.answer = () =>
    new Promise((resolve) => {
      take = () => resolve({ is: 'accepted' })
    })
  let isDone = false
  const offered = offer(one, 'a').then(() => {
    isDone = true
  })
  await settle()
  expect(isDone).toBe(false)
  take()
  await offered
  expect(one.tally.of).toMatchObject({ enqueued: 1, stored: 1 })
  expect([...one.disk.names.keys()]).toEqual([])
})

test('tells the sender what the destination says: later, or never', async () => {
  const one = await direct()
  one.exporter.answer = () => ({ is: 'unavailable', retryAfterMs: 3000, reason: '503' })
  await expect(offer(one, 'a')).rejects.toMatchObject({ reason: 'unavailable', retryAfterMs: 3000 })
  await one.clock.advance(4000)
  one.exporter.answer = () => ({ is: 'rejected', reason: '400' })
  await expect(offer(one, 'a')).rejects.toMatchObject({ reason: 'rejected' })
  expect(one.tally.of).toMatchObject({ enqueued: 0, stored: 0, deadLettered: 0 })
  expect(one.destination.state()).toMatchObject({ queuedBatches: 0, queuedBytes: 0 })
})

test('while all consumers are busy parcels are merged, and each sender gets its own answer', async () => {
  const one = await direct({ num_consumers: 1 })
  const { promise: open, resolve } = Promise.withResolvers<void>()
  one.exporter.answer = async (batch) => {
    await open
    return Buffer.from(batch.body).includes('bad') ? { is: 'rejected', reason: '400' } : { is: 'accepted' }
  }
  const answers = ['a', 'b', 'bad', 'c'].map((text) =>
    offer(one, text).then(
      () => 'ok',
      (refusal) => refusal.reason,
    ),
  )
  await settle()
  expect(one.exporter.sent.length).toBe(1)
  resolve()
  expect(await Promise.all(answers)).toEqual(['ok', 'ok', 'rejected', 'ok'])
  expect(one.exporter.sent.map(({ records }) => records)).toEqual([1, 3, 1, 1, 1])
  expect(one.tally.of).toMatchObject({ enqueued: 3, stored: 3 })
})

test('a batch that is too large is sent in halves before its sender is answered', async () => {
  const one = await direct()
  one.exporter.answer = (batch) => (batch.records > 1 ? { is: 'too_large', reason: '413' } : { is: 'accepted' })
  await offer(one, 'a', 'b', 'c')
  expect(one.tally.of).toMatchObject({ stored: 3 })
})

test('an open breaker refuses at once', async () => {
  const one = await direct()
  one.exporter.answer = () => ({ is: 'unavailable', reason: 'test' })
  for (let i = 0; i < limits.breakerFailures; i++) await offer(one, 'a').catch(() => undefined)
  const before = one.exporter.sent.length
  await expect(offer(one, 'a')).rejects.toMatchObject({ reason: 'unavailable' })
  expect(one.exporter.sent.length).toBe(before)
  await one.clock.advance(2000)
  // One is let through; while it is on its way, and after it has failed, the others are refused.
  await Promise.allSettled([1, 2, 3].map(() => settle(1).then(() => offer(one, 'a'))))
  await expect(offer(one, 'a')).rejects.toMatchObject({ reason: 'unavailable' })
  expect(one.exporter.sent.length).toBe(before + 1)
  await one.clock.advance(5000)
  one.exporter.answer = () => ({ is: 'accepted' })
  await offer(one, 'a')
  expect(one.destination.state().breaker).toBe('closed')
})

test('stopping waits for what is on its way', async () => {
  const one = await direct()
  const { promise: open, resolve } = Promise.withResolvers<void>()
  one.exporter.answer = async () => {
    await open
    return { is: 'accepted' }
  }
  const offered = offer(one, 'a')
  await settle()
  const stopped = one.destination.stop(1000)
  resolve()
  await offered
  expect(await stopped).toEqual({ left: 0 })
})
