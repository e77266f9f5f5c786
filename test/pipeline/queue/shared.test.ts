/**
 * Destinations that get the same bytes: stored once, read apart. Each keeps its own place, its own bounds and its own
 * account; what one does, or fails to do, never changes what the other gets; power may fail at any moment.
 *
 * Not proved here: that a file system counts names as it should.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { limits } from '../../../src/limits.ts'
import { Destination } from '../../../src/pipeline/destination.ts'
import { SharedQueues } from '../../../src/pipeline/queue/shared.ts'
import {
  MemoryDisk,
  parcel,
  request,
  type Setup,
  seeded,
  settle,
  setup,
  silentLog,
  TestClock,
  testCipher,
} from './support.ts'

const real = { ...limits }
beforeAll(
  () => void Object.assign(limits, { segmentBytes: 2000, batchBytesMax: 400, batchBytesMin: 200, ackEntriesMax: 10 }),
)
afterAll(() => void Object.assign(limits, real))

interface Pair {
  readonly a: Setup
  readonly b: Setup
  readonly disk: MemoryDisk
  readonly clock: TestClock
  offer(text: string): Promise<void>[]
}

/** Two destinations on one disk; `b` counts nothing in the account, as a second copy does not. */
async function pair(disk = new MemoryDisk(), queue: Record<string, unknown> = {}): Promise<Pair> {
  const clock = new TestClock()
  const options = {
    disk,
    clock,
    queue: { num_consumers: 2, ...queue },
    retry: { initial_interval: '10ms', max_interval: '20ms' },
  }
  const a = setup({ ...options, id: 'a', dir: '/a' })
  const b = setup({ ...options, id: 'b', dir: '/b' })
  const shared = new SharedQueues({ disk, cipher: testCipher(), log: silentLog, nowMs: () => clock.nowMs() })
  for (const { destination } of [a, b]) await destination.start()
  const to = [a.destination, b.destination]
  const offer = (text: string) => Destination.offerToAll(shared, to, parcel(request(text)), [[['acme', 1]], []])
  return { a, b, disk, clock, offer }
}

/** Every file that holds chunks; one that has several names counts once. */
const bytesOnDisk = ({ names }: MemoryDisk) =>
  [...new Set([...names].filter(([name]) => name.endsWith('.seg')).map(([, inode]) => inode))].reduce(
    (sum, { content }) => sum + content.length,
    0,
  )
const arrived = ({ exporter }: Setup) => Buffer.concat(exporter.sent.map(({ body }) => body)).toString('latin1')
const dead = { is: 'unavailable', reason: 'test' } as const

test('what two destinations need is on the disk once, and each keeps it until it is done with it', async () => {
  const { a, b, disk, clock, offer } = await pair()
  b.exporter.answer = () => dead
  await Promise.all(offer('first')) // each its own copy, while the lane is opened
  await settle()
  const text = 'x'.repeat(150)
  for (let i = 0; i < 40; i++) await Promise.all(offer(`${text}${i};`))
  await settle()
  const held = b.destination.state().queuedBytes
  expect(a.destination.state().queuedBytes).toBe(0)
  expect(held).toBeGreaterThan(40 * 150)
  expect(bytesOnDisk(disk)).toBeLessThan(held * 1.3)
  b.exporter.answer = () => ({ is: 'accepted' })
  await clock.advance(60_000)
  for (const one of [a, b]) for (let i = 0; i < 40; i++) expect(arrived(one)).toContain(`${text}${i};`)
  expect(b.destination.state().queuedBytes).toBe(0)
  // What is left is what may still be written to.
  expect(bytesOnDisk(disk)).toBeLessThan(2 * 2500)
  expect(a.tally.of).toMatchObject({ enqueued: 41, stored: 41 })
  expect(b.tally.of).toMatchObject({ enqueued: 0, stored: 0 })
})

test('the same records have the same batch id everywhere', async () => {
  const { a, b, offer } = await pair()
  await Promise.all(offer('first'))
  await settle()
  await Promise.all([...offer('one'), ...offer('two')])
  await settle()
  const last = ({ exporter }: Setup) => exporter.sent.at(-1)!
  expect(last(a).id).toBe(last(b).id)
  expect(last(a).body.equals(last(b).body)).toBe(true)
})

test('where one queue is full none gets a copy, so that the retry is whole', async () => {
  const { a, b, clock, offer } = await pair(new MemoryDisk(), { queue_size: 1500, tenant_share: 1 })
  b.exporter.answer = () => dead
  const taken: string[] = []
  for (let i = 0; i < 30; i++) {
    const [toA, toB] = await Promise.allSettled(offer(`r${i};`))
    expect(toA!.status).toBe(toB!.status)
    if (toB!.status === 'fulfilled') taken.push(`r${i};`)
    await settle(5)
  }
  expect(taken.length).toBeGreaterThan(3)
  expect(taken.length).toBeLessThan(25)
  expect(a.tally.of.stored).toBe(taken.length)
  expect(b.destination.state().queuedBytes).toBeLessThanOrEqual(1500 + 200)
  b.exporter.answer = () => ({ is: 'accepted' })
  await clock.advance(60_000)
  for (const one of [a, b]) expect(new Set(arrived(one).match(/r\d+;/g))).toEqual(new Set(taken))
})

test('without hard links each gets its own copy', async () => {
  const { a, b, disk, clock, offer } = await pair()
  disk.fault = (operation) => (operation === 'link' ? 'ENOTSUP' : undefined)
  for (let i = 0; i < 10; i++) {
    await Promise.all(offer(`r${i};`))
    await settle(5)
  }
  await clock.advance(1000)
  for (const one of [a, b]) expect([...arrived(one).matchAll(/r\d+;/g)].length).toBe(10)
})

interface Run {
  readonly disk: MemoryDisk
  readonly acknowledged: [event: number, text: string][]
  readonly sent: { a: [number, string, Buffer][]; b: [number, string, Buffer][] }
}

async function load(seed: number): Promise<Run> {
  const random = seeded(seed)
  const { a, b, disk, clock, offer } = await pair()
  const run: Run = { disk, acknowledged: [], sent: { a: [], b: [] } }
  for (const [name, { exporter }] of [
    ['a', a],
    ['b', b],
  ] as const) {
    exporter.answer = async (batch) => {
      await settle(Math.floor(random() * 3))
      if (random() < (name === 'b' ? 0.4 : 0.1)) return dead
      run.sent[name].push([disk.events, batch.id, Buffer.from(batch.body)])
      return { is: 'accepted' }
    }
  }
  for (let i = 0; i < 50; i++) {
    const text = `record-${seed}-${i};`
    void Promise.all(offer(text)).then(() => run.acknowledged.push([disk.events, text]))
    if (random() < 0.5) await settle(2)
    if (random() < 0.1) await clock.advance(15)
  }
  await clock.advance(200)
  return run
}

test.each([
  1, 2,
])('nothing that was acknowledged is lost for either, whenever the power fails (seed %i)', async (seed) => {
  const run = await load(seed)
  expect(run.acknowledged.length).toBe(50)
  const random = seeded(seed + 99)
  for (let event = 0; event <= run.disk.events; event += 7) {
    const coin = event % 2 === 0 ? () => false : () => random() < 0.5
    const again = await pair(run.disk.afterPowerLoss(event, coin))
    await again.clock.advance(60_000)
    for (const name of ['a', 'b'] as const) {
      const before = new Map(run.sent[name].filter(([at]) => at <= event).map(([, id, body]) => [id, body]))
      const all = `${Buffer.concat([...before.values()]).toString('latin1')}${arrived(again[name])}`
      for (const [at, text] of run.acknowledged) {
        if (at <= event) expect(all.includes(text), `${name}: ${text}, power failed at ${event}`).toBe(true)
      }
      for (const { id, body } of again[name].exporter.sent) {
        const first = before.get(id)
        if (first) expect(body.equals(first), `${name}: batch ${id} changed`).toBe(true)
      }
      expect(again[name].destination.state().queuedBatches).toBe(0)
    }
  }
})
