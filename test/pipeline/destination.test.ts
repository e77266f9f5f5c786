/**
 * One destination under all that an exporter can answer: order, merging, retries, waits that were asked for, the
 * breaker, splitting, dead letters, bounds, stopping. Time is the test's.
 *
 * Not proved here: that files survive (queue/power_loss.test.ts, queue/crash.test.ts).
 */
import { afterEach, expect, test } from 'vitest'
import type { Batch, Outcome } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'
import { parcel, request, type Setup, settle, setup } from './queue/support.ts'

const real = { ...limits }
afterEach(() => void Object.assign(limits, real))

const textsOf = (body: Uint8Array) => [...Buffer.from(body).toString('latin1').matchAll(/r\d+;/g)].map(([text]) => text)
const sentTexts = (one: Setup) => one.exporter.sent.flatMap(({ body }) => textsOf(body))
const has = (batch: Batch, text: string) => textsOf(batch.body).includes(text)
const offer = (one: Setup, ...texts: string[]) => one.destination.offer(parcel(request(...texts), texts.length))
const unavailable: Outcome = { is: 'unavailable', reason: 'test' }

async function started(overrides: Parameters<typeof setup>[0] = {}): Promise<Setup> {
  const one = setup(overrides)
  await one.destination.start()
  await settle()
  return one
}

test('what waits for the same write is one batch, in order; versions of the policy are not mixed', async () => {
  const one = await started({ queue: { num_consumers: 1 } })
  await Promise.all([
    offer(one, 'r1;'),
    offer(one, 'r2;', 'r3;'),
    one.destination.offer(parcel(request('r4;'), 1, 'acme', 'v2')),
    one.destination.offer(parcel(request('r5;'), 1, 'acme', 'v2')),
  ])
  await settle()
  expect(one.exporter.sent.map(({ body }) => textsOf(body))).toEqual([
    ['r1;', 'r2;', 'r3;'],
    ['r4;', 'r5;'],
  ])
  expect(one.exporter.sent.map(({ records }) => records)).toEqual([3, 2])
  expect(new Set(one.exporter.sent.map(({ id }) => id)).size).toBe(2)
})

test('the body may be changed as soon as offer has returned its promise', async () => {
  const one = await started()
  const body = request('r1;')
  const offered = one.destination.offer(parcel(body))
  body.fill(0)
  await offered
  await settle()
  expect(sentTexts(one)).toEqual(['r1;'])
})

test('a batch that fails is sent again under the same id with the same bytes, later and later', async () => {
  const one = await started({ retry: { initial_interval: '1s', multiplier: 2, max_interval: '5s' } })
  one.exporter.answer = () => (one.exporter.sent.length < 5 ? unavailable : { is: 'accepted' })
  await offer(one, 'r1;')
  await one.clock.advance(60_000)
  const { sent } = one.exporter
  expect(sent.length).toBe(5)
  expect(new Set(sent.map(({ id, body }) => id + body.toString('hex'))).size).toBe(1)
  expect(sent.slice(1).map(({ atMs }, i) => atMs - sent[i]!.atMs)).toEqual([1000, 2000, 4000, 5000])
  expect(one.tally.of).toMatchObject({ enqueued: 1, stored: 1 })
})

test('a wait that the destination asks for is kept, for everything that goes there', async () => {
  const one = await started({ retry: { initial_interval: '10ms', max_interval: '20ms' } })
  one.exporter.answer = () =>
    one.exporter.sent.length === 1 ? { is: 'unavailable', retryAfterMs: 7000, reason: 'test' } : { is: 'accepted' }
  await offer(one, 'r1;')
  await settle()
  const first = one.exporter.sent[0]!.atMs
  await offer(one, 'r2;')
  await one.clock.advance(6999)
  expect(one.exporter.sent.length).toBe(1)
  await one.clock.advance(2000)
  expect(sentTexts(one).sort()).toEqual(['r1;', 'r1;', 'r2;'])
  expect(one.exporter.sent[1]!.atMs - first).toBeGreaterThanOrEqual(7000)
})

test('a batch that the destination cannot digest does not stop the others', async () => {
  const one = await started({ queue: { num_consumers: 1 }, retry: { initial_interval: '1s' } })
  one.exporter.answer = (batch) => (has(batch, 'r0;') ? unavailable : { is: 'accepted' })
  for (let i = 0; i < 50; i++) await offer(one, `r${i};`)
  await one.clock.advance(10_000)
  const delivered = new Set(sentTexts(one))
  for (let i = 1; i < 50; i++) expect(delivered.has(`r${i};`)).toBe(true)
  expect(one.destination.state()).toMatchObject({ queuedBatches: 1, retrying: 1, breaker: 'closed' })
})

test('batches that cannot be digested do not hold the disk: they move on, under their id', async () => {
  Object.assign(limits, { segmentBytes: 3000 })
  const one = await started({
    queue: { num_consumers: 2 },
    retry: { initial_interval: '100ms', max_interval: '100ms' },
  })
  one.exporter.answer = (batch) => (batch.body.includes(0x21) ? unavailable : { is: 'accepted' })
  for (let i = 0; i < 400; i++) {
    await offer(one, i % 40 === 0 ? `r${i};!` : `r${i};`)
    if (i % 10 === 0) await one.clock.advance(50)
  }
  await one.clock.advance(1000)
  expect(one.destination.state().queuedBatches).toBe(10)
  expect([...one.disk.names.keys()].filter((name) => name.endsWith('.seg')).length).toBeLessThan(8)
  one.exporter.answer = () => ({ is: 'accepted' })
  await one.clock.advance(60_000)
  const idOf = new Map<string, string>()
  for (const { id, body } of one.exporter.sent) {
    for (const text of textsOf(body)) expect(idOf.get(text) ?? id).toBe(id)
    for (const text of textsOf(body)) idOf.set(text, id)
  }
  expect(idOf.size).toBe(400)
  expect(one.tally.of.stored).toBe(400)
})

test('the breaker opens after failures in a row, lets one batch through at a time, closes with the first success', async () => {
  const one = await started({
    queue: { num_consumers: 5 },
    retry: { initial_interval: '1s', max_interval: '10s', multiplier: 2 },
  })
  one.exporter.answer = () => unavailable
  for (let i = 0; i < 20; i++) await offer(one, `r${i};`)
  await settle()
  expect(one.exporter.sent.length).toBe(limits.breakerFailures)
  expect(one.destination.state().breaker).toBe('open')
  expect(one.destination.state().stuckSinceMs).toBe(one.clock.nowMs())
  await one.clock.advance(31_000)
  // 1, 2, 4, 8, 10 s: one batch each.
  expect(one.exporter.sent.length).toBeLessThanOrEqual(limits.breakerFailures + 5)
  expect(one.exporter.sent.length).toBeGreaterThanOrEqual(limits.breakerFailures + 4)
  one.exporter.answer = () => ({ is: 'accepted' })
  await one.clock.advance(10_001)
  expect(one.destination.state()).toMatchObject({ breaker: 'closed', queuedBatches: 0, stuckSinceMs: undefined })
  expect(one.tally.of.stored).toBe(20)
})

test('records that a destination refused in part are counted and not sent again', async () => {
  const one = await started()
  one.exporter.answer = () => ({ is: 'partial', records: 2, reason: 'too old' })
  await offer(one, 'r1;', 'r2;', 'r3;')
  await one.clock.advance(60_000)
  expect(one.exporter.sent.length).toBe(1)
  expect(one.tally.of).toMatchObject({ stored: 1, refused: 2 })
  expect(one.tally.reasons).toEqual(['too old'])
})

test('one bad request does not take those along that it was merged with', async () => {
  const one = await started()
  one.exporter.answer = (batch) => (has(batch, 'r2;') ? { is: 'rejected', reason: 'http 400' } : { is: 'accepted' })
  await Promise.all([offer(one, 'r0;', 'r1;'), offer(one, 'r2;'), offer(one, 'r3;')])
  await one.clock.advance(60_000)
  expect(one.exporter.sent.map(({ id }) => id.replace(/^[^.]*/, ''))).toEqual(['', '.0-2', '.2-3', '.3-4'])
  expect(one.tally.of).toMatchObject({ stored: 3, deadLettered: 1 })
  const letters = await one.destination.deadLetters.list()
  expect(letters).toMatchObject([{ records: 1, reason: 'http 400', tenants: [['acme', 1]] }])
  const read = await one.destination.deadLetters.read(letters[0]!.id)
  expect(textsOf(read!.body)).toEqual(['r2;'])
})

test('a batch that is too large is halved until it fits; a record that never fits becomes a dead letter', async () => {
  const one = await started()
  one.exporter.answer = (batch) =>
    batch.records > 2 || has(batch, 'r5;') ? { is: 'too_large', reason: '413' } : { is: 'accepted' }
  await offer(one, ...Array.from({ length: 8 }, (_, i) => `r${i};`))
  await one.clock.advance(60_000)
  expect(one.tally.of).toMatchObject({ stored: 7, deadLettered: 1 })
  expect(one.destination.deadLetters.usage).toMatchObject({ batches: 1, records: 1 })
  expect(one.destination.state().queuedBatches).toBe(0)
})

test('dead letters are sent again under their id, or purged; a restart finds them', async () => {
  const one = await started()
  one.exporter.answer = () => ({ is: 'rejected', reason: 'http 400' })
  await offer(one, 'r1;')
  await settle()
  await offer(one, 'r2;')
  await one.clock.advance(1000)
  const stopped = one.destination.stop(1000)
  await one.clock.advance(1000)
  await stopped
  const again = await started({ disk: one.disk })
  const letters = await again.destination.deadLetters.list()
  expect(letters.map(({ records, bytes }) => [records, bytes])).toEqual([
    [1, request('r1;').length],
    [1, request('r2;').length],
  ])
  expect(await again.destination.retryDeadLetters([letters[0]!.id])).toBe(1)
  await again.clock.advance(1000)
  expect(again.exporter.sent.map(({ id, body }) => [id, textsOf(body)])).toEqual([[letters[0]!.id, ['r1;']]])
  expect(again.tally.of).toMatchObject({ revived: 1, stored: 1 })
  expect(await again.destination.deadLetters.purge()).toBe(1)
  expect(again.destination.state().deadLetters).toEqual({ batches: 0, records: 0, bytes: 0 })
  expect([...one.disk.names.keys()].filter((name) => name.includes('/dead/'))).toEqual([])
})

test('a dead letter that is refused again at once is a dead letter again', async () => {
  const one = await started()
  one.exporter.answer = () => ({ is: 'rejected', reason: 'http 400' })
  await offer(one, 'r1;')
  await settle()
  for (let i = 0; i < 5; i++) {
    expect(await one.destination.retryDeadLetters()).toBe(1)
    await one.clock.advance(1000)
    expect((await one.destination.deadLetters.list()).length).toBe(1)
  }
  expect(one.exporter.sent.length).toBe(6)
})

test('full dead letters hold the batch back: nothing is thrown away', async () => {
  Object.assign(limits, { deadLettersMax: 1 })
  const one = await started()
  one.exporter.answer = () => ({ is: 'rejected', reason: 'http 400' })
  await offer(one, 'r1;')
  await settle()
  await offer(one, 'r2;')
  await one.clock.advance(10_000)
  expect(one.destination.state()).toMatchObject({ queuedBatches: 1, deadLetters: { batches: 1 } })
  await one.destination.deadLetters.purge()
  await one.clock.advance(2000)
  expect(one.destination.state()).toMatchObject({ queuedBatches: 0, deadLetters: { batches: 1 } })
})

test.each([
  ['retries switched off', { enabled: false }],
  ['a batch that was tried for too long', { initial_interval: '1s', max_interval: '1s', max_elapsed_time: '10s' }],
])('%s: the batch becomes a dead letter, and is not lost', async (_, retry) => {
  const one = await started({ retry })
  one.exporter.answer = () => unavailable
  await offer(one, 'r1;')
  await one.clock.advance(60_000)
  expect(one.tally.of).toMatchObject({ deadLettered: 1, stored: 0 })
  expect(one.tally.reasons).toEqual(['gave up: test'])
})

test.each([
  ['bytes', 1000, /^full$/],
  ['items', 4, /^full$/],
  ['requests', 4, /^full$/],
])('a queue bounded in %s refuses what is beyond, and takes again when there is room', async (sizer, queue_size, reason) => {
  const one = await started({ queue: { sizer, queue_size, tenant_share: 1 } })
  one.exporter.answer = () => unavailable
  let taken = 0
  let refusal: { reason: string; retryAfterMs: number } | undefined
  for (; taken < 100 && !refusal; taken++) await offer(one, `r${taken};`).catch((error) => (refusal = error))
  expect(refusal!.reason).toMatch(reason)
  expect(refusal!.retryAfterMs).toBeGreaterThan(0)
  expect(taken).toBeLessThan(20)
  one.exporter.answer = () => ({ is: 'accepted' })
  await one.clock.advance(60_000)
  await offer(one, 'r100;')
})

test('a parcel larger than the whole queue is taken when nothing else waits', async () => {
  const one = await started({ queue: { queue_size: 100 } })
  await offer(one, 'r1;'.repeat(1000))
  await settle()
  expect(one.tally.of.stored).toBe(1)
})

test('an exporter that does not answer in time is told to stop; one that does not listen is left behind', async () => {
  const one = await started({ timeoutMs: 1000, retry: { initial_interval: '10ms', max_interval: '10ms' } })
  let aborted = 0
  one.exporter.answer = (_, signal) => {
    signal.addEventListener('abort', () => aborted++)
    return one.exporter.sent.length === 1 ? new Promise(() => {}) : { is: 'accepted' }
  }
  await offer(one, 'r1;')
  await one.clock.advance(1000 + limits.abortGraceMs + 100)
  expect(aborted).toBe(1)
  expect(one.exporter.sent.length).toBe(2)
  expect(one.tally.of.stored).toBe(1)
})

test('an exporter that throws is tried again', async () => {
  const one = await started()
  one.exporter.answer = () => {
    if (one.exporter.sent.length < 3) throw new TypeError('defect')
    return { is: 'accepted' }
  }
  await offer(one, 'r1;')
  await one.clock.advance(60_000)
  expect(one.tally.of.stored).toBe(1)
})

test('an exporter that cannot start yet does not stop the queue, and delivers once it has started', async () => {
  const one = setup()
  one.exporter.onStart = () => {
    if (one.exporter.starts < 3) throw new Error('the store is not there')
  }
  await one.destination.start()
  await offer(one, 'r1;')
  await one.clock.advance(2000)
  expect(one.destination.state()).toMatchObject({ exporterStarted: false, queuedBatches: 1, oldestAgeMs: 2000 })
  await one.clock.advance(60_000)
  expect(one.tally.of.stored).toBe(1)
})

test('a slow destination delays nobody else', async () => {
  const slow = await started({ dir: '/slow' })
  const fast = await started({ dir: '/fast', disk: slow.disk, clock: slow.clock })
  slow.exporter.answer = () => new Promise(() => {})
  for (let i = 0; i < 30; i++) await Promise.all([offer(slow, `r${i};`), offer(fast, `r${i};`)])
  await settle()
  expect(fast.tally.of.stored).toBe(30)
  expect(slow.tally.of.stored).toBe(0)
})

test('stopping delivers what is queued while the destination answers, and tells what is left', async () => {
  const one = await started({ queue: { num_consumers: 1 } })
  const { promise: open, resolve } = Promise.withResolvers<void>()
  one.exporter.answer = async () => {
    await open
    return { is: 'accepted' }
  }
  for (let i = 0; i < 30; i++) await offer(one, `r${i};`)
  const stopped = one.destination.stop(5000)
  await settle()
  await expect(offer(one, 'r99;')).rejects.toMatchObject({ reason: 'unavailable' })
  resolve()
  await one.clock.advance(100)
  expect(await stopped).toEqual({ left: 0 })
  expect(one.tally.of.stored).toBe(30)
  expect(one.exporter.closed).toBe(true)
})

test.each([
  ['is dead', () => unavailable],
  ['hangs', () => new Promise<Outcome>(() => {})],
  ['asks for a long wait', (): Outcome => ({ is: 'unavailable', retryAfterMs: 60_000, reason: 'test' })],
])('stopping ends in time when the destination %s; the rest is there at the next start', async (_, answer) => {
  const one = await started({ queue: { num_consumers: 2 } })
  one.exporter.answer = answer
  for (let i = 0; i < 10; i++) await offer(one, `r${i};`)
  const stopped = one.destination.stop(10_000)
  await one.clock.advance(10_000 + limits.abortGraceMs)
  expect(await stopped).toEqual({ left: 10 })
  const again = await started({ disk: one.disk })
  expect(again.tally.of.recovered).toBe(10)
  await again.clock.advance(1000)
  expect(new Set(sentTexts(again)).size).toBe(10)
})

test('a dead destination is given up soon: stopping does not use the whole time', async () => {
  const one = await started()
  one.exporter.answer = () => unavailable
  await offer(one, 'r1;')
  await settle()
  let ended = false
  void one.destination.stop(15_000).then(() => {
    ended = true
  })
  await one.clock.advance(3 * limits.drainRetryMs)
  expect(ended).toBe(true)
})

test('counts of tenants follow the records through merging, splitting and refusals', async () => {
  const one = await started()
  one.exporter.answer = (batch) => (batch.records > 1 ? { is: 'too_large', reason: '413' } : { is: 'accepted' })
  const mixed = {
    body: request('r1;', 'r2;', 'r3;'),
    records: 3,
    tenants: [
      ['a', 2],
      ['b', 1],
    ] as const,
    policyVersion: 'v1',
  }
  // A second copy of records that are counted elsewhere.
  const copy = { body: request('r4;', 'r5;'), records: 2, tenants: [], policyVersion: 'v1' }
  await Promise.all([one.destination.offer(mixed), one.destination.offer(copy), offer(one, 'r6;')])
  await one.clock.advance(1000)
  expect(Object.fromEntries(one.tally.storedBy)).toEqual({ a: 2, b: 1, acme: 1 })
  expect(one.tally.of.enqueued).toBe(one.tally.of.stored)
})
