/**
 * Power loss: what was acknowledged is there again, whatever moment the power fails at, when only what was made
 * durable survives, when everything does, and when chance decides about the rest, page by page.
 *
 * Not proved here: that a real disk keeps what it says it wrote.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { limits } from '../../../src/limits.ts'
import { MemoryDisk, parcel, request, type Setup, seeded, settle, setup, TestClock } from './support.ts'

const real = { ...limits }
beforeAll(() => void Object.assign(limits, { segmentBytes: 2000, batchBytesMax: 400, ackEntriesMax: 10 }))
afterAll(() => void Object.assign(limits, real))

interface History {
  readonly disk: MemoryDisk
  /** Texts by the event after which they were acknowledged. */
  readonly acknowledged: [event: number, text: string][]
  /** What the destination took, by the event at which it was handed over. */
  readonly sent: [event: number, id: string, body: Buffer][]
  /** Files of segments that were used again. */
  reused: number
}

/** A queue under load, with a destination that fails now and then, finds batches too large, refuses some. */
async function run(seed: number): Promise<History> {
  const random = seeded(seed)
  const disk = new MemoryDisk()
  const clock = new TestClock()
  const one = setup({
    disk,
    clock,
    queue: { num_consumers: 2 },
    retry: { initial_interval: '10ms', max_interval: '20ms' },
  })
  const history: History = { disk, acknowledged: [], sent: [], reused: 0 }
  disk.fault = (operation, path) => {
    if (operation === 'rename' && path.endsWith('.seg')) history.reused++
    return undefined
  }
  one.exporter.answer = async (batch) => {
    await settle(Math.floor(random() * 3))
    const chance = random()
    if (chance < 0.15) return { is: 'unavailable', reason: 'test' }
    if (chance < 0.25 && batch.records > 1) return { is: 'too_large', reason: 'test' }
    if (chance < 0.3) return { is: 'rejected', reason: 'test' }
    history.sent.push([disk.events, batch.id, Buffer.from(batch.body)])
    return { is: 'accepted' }
  }
  await one.destination.start()
  for (let i = 0; i < 60; i++) {
    const text = `record-${seed}-${i}`
    void one.destination.offer(parcel(request(text))).then(() => history.acknowledged.push([disk.events, text]))
    if (random() < 0.4) await settle(2)
    if (random() < 0.1) await clock.advance(15)
  }
  await clock.advance(100)
  return history
}

/** Starts again on what the power failure left, lets everything be delivered, and gives what arrived. */
async function restart(disk: MemoryDisk): Promise<Setup> {
  const again = setup({ disk })
  await again.destination.start()
  await again.clock.advance(60_000)
  return again
}

/** The same when the power fails a second time, in the middle of starting again and delivering. */
async function checkTwice(history: History, event: number, random: () => number): Promise<void> {
  const coin = () => random() < 0.5
  const disk = history.disk.afterPowerLoss(event, coin)
  const sent: History['sent'] = history.sent.filter(([at]) => at <= event).map(([, id, body]) => [0, id, body])
  const once = setup({ disk })
  once.exporter.answer = (batch) => {
    sent.push([disk.events, batch.id, Buffer.from(batch.body)])
    return { is: 'accepted' }
  }
  await once.destination.start()
  await once.clock.advance(60_000)
  const acknowledged: History['acknowledged'] = history.acknowledged.filter(([at]) => at <= event)
  const second = { disk, sent, acknowledged: acknowledged.map(([, text]): [number, string] => [0, text]), reused: 0 }
  await check(second, 1 + Math.floor(random() * disk.events), coin)
}

async function check(history: History, event: number, coin: () => boolean): Promise<void> {
  const again = await restart(history.disk.afterPowerLoss(event, coin))
  const arrived: Buffer[] = again.exporter.sent.map(({ body }) => body)
  const before = new Map<string, Buffer>()
  for (const [at, id, body] of history.sent) {
    if (at > event) continue
    before.set(id, body)
    arrived.push(body)
  }
  for (const { id } of await again.destination.deadLetters.list()) {
    arrived.push((await again.destination.deadLetters.read(id))!.body)
  }
  const all = Buffer.concat(arrived)
  for (const [at, text] of history.acknowledged) {
    if (at <= event)
      expect(all.includes(text), `${text} was acknowledged at ${at}, power failed at ${event}`).toBe(true)
  }
  for (const { id, body } of again.exporter.sent) {
    const first = before.get(id)
    if (first) expect(body.equals(first), `batch ${id} changed`).toBe(true)
  }
  expect(again.destination.state().queuedBatches).toBe(0)
  // What is gone because it was delivered is not taken for lost.
  expect([again.tally.of.corrupted, again.tally.of.corruptBytes]).toEqual([0, 0])
}

test.each([
  [1, 'from memory'],
  [2, 'from memory'],
  [3, 'from the disk'],
  [4, 'from the disk'],
])('nothing that was acknowledged is lost at any moment of power loss (seed %i, %s)', async (seed, from) => {
  Object.assign(limits, { queueMemoryBytesMax: from === 'from memory' ? real.queueMemoryBytesMax : 0 })
  const history = await run(seed)
  expect(history.acknowledged.length).toBe(60)
  expect(history.reused).toBeGreaterThan(0)
  const random = seeded(seed + 1000)
  for (let event = 0; event <= history.disk.events; event += seed === 1 ? 1 : 3) {
    await check(history, event, () => false)
    await check(history, event, () => random() < 0.5)
  }
  await check(history, history.disk.events, () => true)
  for (let i = 0; i < 60; i++) await checkTwice(history, Math.floor(random() * history.disk.events), random)
})

test('a part of a split batch keeps its id, and the whole is not sent again, whenever the power fails', async () => {
  const disk = new MemoryDisk()
  const one = setup({ disk, queue: { num_consumers: 1 } })
  const sent: [event: number, id: string][] = []
  one.exporter.answer = (batch) => {
    if (batch.records > 1) return { is: 'too_large', reason: 'test' }
    sent.push([disk.events, batch.id])
    return { is: 'accepted' }
  }
  await one.destination.start()
  await one.destination.offer(parcel(request('a', 'b', 'c', 'd'), 4))
  await settle()
  expect(sent.map(([, id]) => id.replace(/^.*\./, ''))).toEqual(['0-1', '1-2', '2-3', '3-4'])
  for (let event = sent[0]![0]; event <= disk.events; event++) {
    const again = await restart(disk.afterPowerLoss(event, () => false))
    // Having sent a part under its own id, the gateway never again sends a batch that holds its record under another.
    for (const { id, records } of again.exporter.sent) {
      expect(records === 1 || !sent.some(([at, part]) => at <= event && covers(id, part))).toBe(true)
    }
  }
})

function covers(id: string, part: string): boolean {
  const [from = 0, to = 4] = /\.(\d+)-(\d+)$/.exec(id)?.slice(1).map(Number) ?? []
  const [partFrom = 0] = /\.(\d+)-(\d+)$/.exec(part)?.slice(1).map(Number) ?? []
  return from <= partFrom && partFrom < to
}
