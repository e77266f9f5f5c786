/**
 * What is lost when files of a queue are damaged or gone is told by tenant, exactly: what was queued of a tenant is
 * delivered or lost, whichever file it was, and however much of it had been delivered before.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { limits } from '../../../src/limits.ts'
import { Destination } from '../../../src/pipeline/destination.ts'
import { SharedQueues } from '../../../src/pipeline/queue/shared.ts'
import {
  type MemoryDisk,
  parcel,
  request,
  type Setup,
  seeded,
  settle,
  setup,
  silentLog,
  type Tally,
  testCipher,
} from './support.ts'

const real = { ...limits }
beforeAll(() => void Object.assign(limits, { segmentBytes: 3000, batchBytesMax: 300, batchBytesMin: 150 }))
afterAll(() => void Object.assign(limits, real))

const tenants = ['acme', 'globex', 'initech']
const unavailable = { is: 'unavailable', reason: 'test' } as const
const named = (disk: MemoryDisk, end: string, dir = '/q/') =>
  [...disk.names.keys()].filter((path) => path.startsWith(dir) && path.endsWith(end)).sort()
const sumOf = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((sum, n) => sum + n, 0)
const by = (counts: ReadonlyMap<string, number>) => tenants.map((tenant) => counts.get(tenant) ?? 0)

interface Queued {
  readonly one: Setup
  /** Records by tenant. */
  readonly offered: Map<string, number>
}

/** A queue with records of three tenants, of which `delivered` batches were delivered. */
async function queued(random: () => number, delivered: number, disk?: MemoryDisk): Promise<Queued> {
  const one = setup({ queue: { num_consumers: 2 }, ...(disk && { disk }) })
  let left = delivered
  one.exporter.answer = () => (left-- > 0 ? { is: 'accepted' } : unavailable)
  await one.destination.start()
  const offered = new Map<string, number>()
  for (let i = 0; i < 60; i++) {
    const tenant = tenants[Math.floor(random() ** 2 * 3)]!
    const texts = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, j) => `record-${i}-${j}`)
    offered.set(tenant, (offered.get(tenant) ?? 0) + texts.length)
    await one.destination.offer(parcel(request(...texts), texts.length, tenant))
  }
  await settle()
  return { one, offered }
}

async function stopped({ destination, clock, disk }: Setup): Promise<MemoryDisk> {
  const ended = destination.stop(0)
  await clock.advance(2000)
  await ended
  return disk
}
const crashed = ({ disk }: Setup): MemoryDisk => disk.afterPowerLoss(disk.events, () => true)

/** Starts again on what is left; everything is delivered. */
async function again(disk: MemoryDisk): Promise<Setup> {
  const one = setup({ disk })
  await one.destination.start()
  await one.clock.advance(60_000)
  expect(one.destination.state()).toMatchObject({ queuedBatches: 0, queuedRecords: 0, queuedBytes: 0 })
  return one
}

/** Of each tenant: what was found is delivered or lost, and nothing of what was offered is missing. */
function expectBalance(offered: ReadonlyMap<string, number>, before: Tally, after: Tally): void {
  for (const tenant of tenants) {
    const of = (counts: ReadonlyMap<string, number>) => counts.get(tenant) ?? 0
    expect(of(after.recoveredBy), `${tenant}: found`).toBe(of(after.storedBy) + of(after.corruptedBy))
    expect(of(offered), `${tenant}: offered`).toBe(of(before.storedBy) + of(after.recoveredBy))
  }
}

const damages: Record<string, (disk: MemoryDisk, path: string, random: () => number) => void> = {
  gone: (disk, path) => void disk.names.delete(path),
  'without its header': (disk, path) => void disk.names.get(path)!.content.fill(0, 0, 20),
  'cut off': (disk, path, random) => {
    const file = disk.names.get(path)!
    file.content = Buffer.from(file.content.subarray(0, 128 + Math.floor(random() * (file.content.length - 128))))
  },
  'zeroed in the middle': (disk, path, random) => {
    const { content } = disk.names.get(path)!
    const from = 128 + Math.floor(random() * (content.length - 128))
    content.fill(0, from, Math.min(content.length, from + 1 + Math.floor(random() * 900)))
  },
}

describe.each(Object.entries(damages))('a file that is %s', (_name, damage) => {
  test.each([0, 3, 9])('is told by tenant, after %i batches were delivered', async (delivered) => {
    const random = seeded(delivered + 1)
    let lost = 0
    for (let round = 0; round < 12; round++) {
      const { one, offered } = await queued(random, delivered)
      const disk = await stopped(one)
      const paths = named(disk, '.seg')
      damage(disk, paths[Math.floor(random() * paths.length)]!, random)
      const { tally } = await again(disk)
      expectBalance(offered, one.tally, tally)
      lost += sumOf(tally.corruptedBy)
      if (sumOf(tally.corruptedBy) > 0) expect(tally.of.corruptBytes).toBeGreaterThan(0)
      // Told once: the next start finds nothing missing.
      const next = await again(disk)
      expect([next.tally.of.recovered, next.tally.of.corrupted]).toEqual([0, 0])
    }
    expect(lost).toBeGreaterThan(10)
  })
})

test('a file that was being written at a crash is known by the next start, and missed by the one after it', async () => {
  const random = seeded(4)
  for (let round = 0; round < 10; round++) {
    const { one, offered } = await queued(random, 0)
    const second = setup({ disk: crashed(one) })
    second.exporter.answer = () => unavailable
    await second.destination.start()
    await settle()
    const disk = round % 2 === 0 ? crashed(second) : await stopped(second)
    disk.names.delete(named(disk, '.seg').at(round % 4 < 2 ? -1 : 1)!)
    const { tally } = await again(disk)
    expectBalance(offered, one.tally, tally)
    expect(tally.of.corrupted).toBeGreaterThan(0)
  }
})

test('a file that goes while the queue is open, also the one that is being written', async () => {
  for (const which of [0, 1, -1]) {
    const { one, offered } = await queued(seeded(9), 0)
    one.disk.names.delete(named(one.disk, '.seg').at(which)!)
    one.exporter.answer = () => ({ is: 'accepted' })
    await one.clock.advance(60_000)
    const disk = await stopped(one)
    const { tally } = await again(disk)
    for (const tenant of tenants) {
      const of = ({ storedBy, corruptedBy }: Tally) => (storedBy.get(tenant) ?? 0) + (corruptedBy.get(tenant) ?? 0)
      expect(of(one.tally) + of(tally)).toBe(offered.get(tenant))
    }
  }
})

test('parts that were delivered of a batch are not lost with it', async () => {
  Object.assign(limits, { queueMemoryBytesMax: 0, batchBytesMax: 3000 })
  const one = setup({ queue: { num_consumers: 1, batch: { flush_timeout: '100ms' } } })
  let calls = 0
  one.exporter.answer = (batch) => {
    if (batch.records > 2) return { is: 'too_large', reason: 'test' }
    return ++calls <= 2 ? { is: 'accepted' } : unavailable
  }
  await one.destination.start()
  for (let i = 0; i < 6; i++) {
    await one.destination.offer(parcel(request(`a${i}`, `b${i}`), 2, tenants[0]))
    await settle()
  }
  await one.clock.advance(200)
  Object.assign(limits, { queueMemoryBytesMax: real.queueMemoryBytesMax, batchBytesMax: 300 })
  expect(one.tally.of.stored).toBeGreaterThan(0)
  expect(one.tally.of.stored).toBeLessThan(12)
  const disk = await stopped(one)
  disk.names.delete(named(disk, '.seg')[0]!)
  const { tally } = await again(disk)
  expect(one.tally.of.stored + tally.of.recovered).toBe(12)
  expect(tally.of.corrupted).toBe(tally.of.recovered)
})

test('of a file that two destinations share each tells its own', async () => {
  const cipher = testCipher()
  const first = setup({ dir: '/q/a', id: 'a' })
  const second = setup({ dir: '/q/b', id: 'b', disk: first.disk, clock: first.clock })
  const both = [first, second]
  for (const { exporter } of both) exporter.answer = () => unavailable
  for (const { destination } of both) await destination.start()
  const shared = new SharedQueues({ disk: first.disk, cipher, log: silentLog, nowMs: () => first.clock.nowMs() })
  const to = both.map(({ destination }) => destination)
  for (let i = 0; i < 40; i++) {
    const one = parcel(request(`record-${i}`), 1, tenants[i % 3])
    await Promise.all(Destination.offerToAll(shared, to, { ...one, isAdmitted: true }, [one.tenants, []]))
  }
  for (const one of both) await stopped(one)
  const { disk } = first
  const gone = named(disk, '.seg', '/q/a/lanes/')[1]!
  disk.names.delete(gone)
  disk.names.delete(gone.replace('/q/a/', '/q/b/'))
  const restarted = async (id: string) => {
    const one = setup({ disk, dir: `/q/${id}`, id })
    await one.destination.start()
    await one.clock.advance(60_000)
    return one.tally
  }
  const [a, b] = [await restarted('a'), await restarted('b')]
  expect(a.of.corrupted).toBeGreaterThan(3)
  expect(b.of.corrupted).toBe(a.of.corrupted)
  expect(sumOf(a.corruptedBy)).toBe(a.of.corrupted)
  expect(by(a.storedBy).map((n, i) => n + by(a.corruptedBy)[i]!)).toEqual([14, 13, 13])
  // Its copies are counted by the other one.
  expect(sumOf(b.corruptedBy)).toBe(0)
})

test('what lies beside a file says nothing in the clear, and goes with it', async () => {
  const { one } = await queued(seeded(2), 0)
  const disk = await stopped(one)
  const beside = named(disk, '.inv')
  expect(beside.length).toBe(named(disk, '.seg').length)
  for (const path of beside)
    for (const tenant of tenants) expect(disk.names.get(path)!.content.includes(tenant)).toBe(false)
  await again(disk)
  expect(named(disk, '.inv').length).toBeLessThanOrEqual(1)
  // Without it what is lost is counted all the same, but not by tenant.
  const other = await queued(seeded(2), 0)
  const bare = await stopped(other.one)
  const live = setup({ disk: bare })
  live.exporter.answer = () => unavailable
  await live.destination.start()
  const [, path] = named(bare, '.seg')
  for (const each of [path!, ...named(bare, '.inv')]) bare.names.delete(each)
  live.exporter.answer = () => ({ is: 'accepted' })
  await live.clock.advance(60_000)
  expect(live.tally.of.stored + live.tally.of.corrupted).toBe(sumOf(other.offered))
  expect(sumOf(live.tally.corruptedBy)).toBe(0)
})
