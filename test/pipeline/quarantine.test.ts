/** The quarantine: kept over a restart, released parcel by parcel, purged, expired, bounded. */
import { afterEach, expect, test } from 'vitest'
import { limits } from '../../src/limits.ts'
import { openQuarantine, type Released } from '../../src/pipeline/quarantine.ts'
import { MemoryDisk, parcel, request, silentLog, TestClock, testCipher } from './queue/support.ts'

const real = { ...limits }
afterEach(() => void Object.assign(limits, real))

const open = (disk: MemoryDisk, clock: TestClock, more: object = {}) =>
  openQuarantine({
    dir: '/quarantine',
    cipher: testCipher(),
    log: silentLog,
    nowMs: () => clock.nowMs(),
    clock,
    disk,
    ...more,
  })

async function filled(more: object = {}) {
  const [disk, clock] = [new MemoryDisk(), new TestClock()]
  const quarantine = await open(disk, clock, more)
  await Promise.all([
    quarantine.offer(parcel(request('a', 'b'), 2)),
    quarantine.offer(parcel(request('c'), 1, 'globex')),
  ])
  await clock.advance(1000)
  await quarantine.offer(parcel(request('d'), 1, 'globex'))
  return { disk, clock, quarantine }
}

test('keeps what it was given over a restart, and tells whose it is', async () => {
  const { disk, clock, quarantine } = await filled()
  await quarantine.close()
  const again = await open(disk, clock)
  expect(again.state()).toMatchObject({
    records: 4,
    tenants: [
      ['acme', 2],
      ['globex', 2],
    ],
    oldestMs: clock.nowMs() - 1000,
  })
})

test('releases each parcel once, oldest first, also when a release stops in the middle and the process dies', async () => {
  const { disk, clock, quarantine } = await filled()
  const out: Released[] = []
  const take = async (one: Released) => {
    if (out.length === 1) throw new Error('the chain is not ready')
    out.push({ ...one, body: Buffer.from(one.body) })
  }
  await expect(quarantine.release(take)).rejects.toThrow('not ready')
  expect(quarantine.state().records).toBe(4)
  expect(quarantine.state().tenants).toEqual([['globex', 2]])
  await clock.advance(10)
  const again = await open(
    disk.afterPowerLoss(disk.events, () => true),
    clock,
  )
  await again.release(async (one) => {
    out.push({ ...one, body: Buffer.from(one.body) })
  })
  expect(out.map(({ body }) => Buffer.from(body).toString('hex'))).toEqual(
    [request('a', 'b'), request('c'), request('d')].map((body) => body.toString('hex')),
  )
  expect(out.map(({ tenants }) => tenants)).toEqual([[['acme', 2]], [['globex', 1]], [['globex', 1]]])
  expect(again.state()).toMatchObject({ records: 0, bytes: 0, tenants: [] })
})

test('what comes back while it is released stays for the next time', async () => {
  const { clock, quarantine } = await filled()
  await clock.advance(1)
  let rounds = 0
  await quarantine.release(async ({ body, records }) => {
    if (++rounds > 10) throw new Error('endless')
    await clock.advance(1)
    await quarantine.offer(parcel(body, records))
  })
  expect(rounds).toBe(3)
  expect(quarantine.state().records).toBe(4)
})

test('purges all, and tells whose it was', async () => {
  const purged: unknown[] = []
  const { disk, quarantine } = await filled({ onPurged: (tenants: unknown[]) => purged.push(...tenants) })
  expect(await quarantine.purge()).toBe(4)
  expect(purged).toEqual([
    ['acme', 2],
    ['globex', 1],
    ['globex', 1],
  ])
  await quarantine.close()
  expect([...disk.names.keys()].filter((name) => name.endsWith('.seg')).length).toBeLessThanOrEqual(1)
  expect(quarantine.state()).toMatchObject({ records: 0, tenants: [] })
})

test('what is too old goes by itself, and is told', async () => {
  const purged: unknown[] = []
  const onPurged = (tenants: unknown) => purged.push(tenants)
  const { clock, quarantine } = await filled({ ageMsMax: 2 * limits.quarantineExpiryMs - 500, onPurged })
  await clock.advance(limits.quarantineExpiryMs)
  expect(quarantine.state().records).toBe(4)
  await clock.advance(limits.quarantineExpiryMs - 1000)
  expect(quarantine.state().records).toBe(1)
  expect(purged).toEqual([
    [
      ['acme', 2],
      ['globex', 1],
    ],
  ])
})

test('refuses what is beyond its bound, and a failing disk', async () => {
  const { disk, quarantine } = await filled({ bytesMax: 600 })
  const refusals: string[] = []
  for (let i = 0; i < 10; i++)
    await quarantine.offer(parcel(request('x'.repeat(100)))).catch((refusal) => refusals.push(refusal.reason))
  expect(new Set(refusals)).toEqual(new Set(['full']))
  await quarantine.purge()
  disk.fault = (operation) => (operation === 'write' ? 'EIO' : undefined)
  await expect(quarantine.offer(parcel(request('y')))).rejects.toMatchObject({ reason: 'failing' })
})

test('gives up what may not be kept, keeps the rest at its age, and can be asked again', async () => {
  const purged: unknown[] = []
  const { disk, clock, quarantine } = await filled({ onPurged: (tenants: unknown[]) => purged.push(...tenants) })
  const oldestMs = quarantine.state().oldestMs
  await clock.advance(5000)
  const rest = { body: request('b'), records: 1, tenants: [['acme', 1]] as const }
  const nothing = { body: Buffer.alloc(0), records: 0, tenants: [] }
  const restOf = ({ body }: Released) =>
    request('a', 'b').equals(body) ? rest : request('d').equals(body) ? nothing : undefined
  expect(await quarantine.rewrite(restOf)).toBe(2)
  expect(await quarantine.rewrite(restOf)).toBe(0)
  expect(purged).toEqual([
    ['acme', 1],
    ['globex', 1],
  ])
  const kept = {
    records: 2,
    oldestMs,
    tenants: [
      ['acme', 1],
      ['globex', 1],
    ],
  }
  expect(quarantine.state()).toMatchObject(kept)
  await quarantine.close()
  const again = await open(disk, clock)
  expect(again.state()).toMatchObject(kept)
  const out: string[] = []
  await again.release(async ({ body }) => void out.push(Buffer.from(body).toString('hex')))
  expect(out.toSorted()).toEqual([request('b'), request('c')].map((body) => body.toString('hex')).toSorted())
})

test('that cannot be written gives up nothing', async () => {
  const { disk, quarantine } = await filled()
  disk.fault = (operation) => (operation === 'write' ? 'EIO' : undefined)
  const rest = { body: request('b'), records: 1, tenants: [['acme', 1]] as const }
  await expect(quarantine.rewrite(({ records }) => (records === 2 ? rest : undefined))).rejects.toThrow()
  disk.fault = () => undefined
  expect(quarantine.state().records).toBe(4)
})
