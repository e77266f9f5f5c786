/**
 * A tenant that floods does not hold up the others: not on the way out of a queue, and not by filling it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { limits } from '../../src/limits.ts'
import { Turns } from '../../src/pipeline/turns.ts'
import { parcel, request, type Setup, seeded, settle, setup } from './queue/support.ts'

const real = { ...limits }
beforeAll(
  () =>
    void Object.assign(limits, {
      commonLaneBytesMax: 4000,
      batchBytesMax: 600,
      batchBytesMin: 500,
      segmentBytes: 20_000,
    }),
)
afterAll(() => void Object.assign(limits, real))

const unavailable = { is: 'unavailable', reason: 'test' } as const
const textsOf = (one: Setup) =>
  one.exporter.sent.flatMap(({ body }) =>
    [...body.toString('latin1').matchAll(/(\w+)-(\d+);/g)].map(([, who, n]) => [who!, Number(n)] as const),
  )
/** Nothing can be sent before `come`. */
function away(one: Setup): { come(): Promise<void> } {
  one.exporter.onStart = () => {
    throw new Error('not yet')
  }
  return {
    come: () => {
      one.exporter.onStart = () => {}
      return one.clock.advance(60_000)
    },
  }
}

const offer = (one: Setup, tenant: string, n: number) =>
  one.destination.offer(parcel(request(`${tenant}-${n};${'x'.repeat(200)}`), 1, tenant))

test('in turns each gets the same amount, whatever its pieces cost', () => {
  const random = seeded(3)
  const turns = new Turns<string>(1000)
  const got = new Map<string, number>()
  const costOf = { small: () => 10, large: () => 900, mixed: () => 1 + Math.floor(random() * 3000) } as const
  const next = new Map(Object.entries(costOf).map(([key, cost]) => [key, cost()]))
  for (let i = 0; i < 20_000; i++) {
    const key = turns.pick(next)!
    got.set(key, (got.get(key) ?? 0) + next.get(key)!)
    next.set(key, costOf[key as keyof typeof costOf]())
  }
  const amounts = [...got.values()]
  expect(Math.max(...amounts) / Math.min(...amounts)).toBeLessThan(1.05)
  expect(turns.pick(new Map([['small', 10]]))).toBe('small')
  expect(turns.pick(new Map())).toBeUndefined()
})

test('behind a flood that was queued while the destination was away, a quiet tenant does not wait for its end', async () => {
  const one = setup({ queue: { num_consumers: 1 } })
  const { come } = away(one)
  await one.destination.start()
  for (let i = 0; i < 400; i++) await offer(one, 'noisy', i)
  for (let i = 0; i < 5; i++) await offer(one, 'quiet', i)
  await come()
  const sent = textsOf(one)
  expect(sent.length).toBe(405)
  const lastQuiet = sent.findLastIndex(([who]) => who === 'quiet')
  // Behind what the flood had in the common lane, and no more.
  expect(lastQuiet).toBeLessThan(60)
  for (const tenant of ['noisy', 'quiet']) {
    const numbers = sent.filter(([who]) => who === tenant).map(([, n]) => n)
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  }
  expect(one.tally.of).toMatchObject({ enqueued: 405, stored: 405 })
})

test('a restart knows who had filled which lane', async () => {
  const one = setup({ queue: { num_consumers: 1 } })
  away(one)
  await one.destination.start()
  for (let i = 0; i < 200; i++) await offer(one, 'noisy', i)
  const again = setup({ queue: { num_consumers: 1 }, disk: one.disk.afterPowerLoss(one.disk.events, () => false) })
  const { come } = away(again)
  await again.destination.start()
  await offer(again, 'noisy', 200)
  await offer(again, 'quiet', 0)
  await come()
  const sent = textsOf(again)
  expect(sent.findIndex(([who]) => who === 'quiet')).toBeLessThan(60)
  const noisy = sent.filter(([who]) => who === 'noisy').map(([, n]) => n)
  expect(noisy.length).toBe(201)
  expect(noisy).toEqual(noisy.toSorted((a, b) => a - b))
})

test('a flood fills its share of a queue, and is told so; others find room', async () => {
  const one = setup({ queue: { queue_size: 20_000, tenant_share: 0.5 } })
  one.exporter.answer = () => unavailable
  await one.destination.start()
  const fill = async (tenant: string): Promise<{ reason: string; taken: number }> => {
    for (let taken = 0; ; taken++) {
      const reason = await offer(one, tenant, taken).then(
        () => undefined,
        (refusal) => refusal.reason as string,
      )
      if (reason) return { reason, taken }
    }
  }
  const shares = []
  for (const tenant of ['one', 'two', 'three']) shares.push(await fill(tenant))
  expect(shares.map(({ reason }) => reason)).toEqual(['share', 'share', 'share'])
  const [first, second, third] = shares.map(({ taken }) => taken) as [number, number, number]
  expect(second).toBeLessThan(first)
  expect(third).toBeLessThan(second)
  expect(third).toBeGreaterThan(3)
  await settle()
  expect(await offer(one, 'four', 0).then(() => 'taken')).toBe('taken')
})
