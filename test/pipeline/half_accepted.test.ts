/** A request that one of two destinations refused is sent again: no destination gets a record twice for it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../src/limits.ts'
import { KeyTable } from '../../src/otlp/keys.ts'
import { Account } from '../../src/pipeline/account.ts'
import { DirectRoutes } from '../../src/pipeline/direct.ts'
import { Inbound } from '../../src/pipeline/inbound.ts'
import type { Target } from '../../src/pipeline/offers.ts'
import { QueueRefusal } from '../../src/pipeline/parcel.ts'
import { parseTenantSources } from '../../src/pipeline/tenant.ts'
import { createPurposes } from '../../src/purposes.ts'
import { decodeRequest, encodeRequest } from '../oracle/otlp.ts'

type Behaviour = 'takes' | 'fails' | 'has no room'

/**
 * Two destinations; what each does is told before each request. `drops`: records that the chain leaves out. `isShared`:
 * they are offered their copies, which are the same, together. `uncertain`: the one that has no queue.
 */
function gateway(isShared = true, uncertain = '') {
  const account = new Account()
  const purposes = createPurposes(undefined)
  const does: Record<string, Behaviour> = { a: 'takes', b: 'takes' }
  const got: Record<string, string[]> = { a: [], b: [] }
  const drops = new Set<string>()
  /** Bytes. */
  const room: Record<string, number> = { a: Number.POSITIVE_INFINITY, b: Number.POSITIVE_INFINITY }
  const onOffer: Record<string, () => void> = {}
  const target = (id: string): Target => ({
    id,
    isUncertain: id === uncertain,
    refusal: (_, bytes) =>
      does[id] === 'has no room' || bytes > room[id]! ? new QueueRefusal(id, 'full', 1000) : undefined,
    offer: ({ body, tenants }) => {
      onOffer[id]?.()
      if (does[id] !== 'takes') return Promise.reject(new QueueRefusal(id, 'failing', 1000))
      const records = decodeRequest(Buffer.from(body)).resourceLogs!.flatMap(
        ({ scopeLogs }) => scopeLogs![0]!.logRecords!,
      )
      got[id]!.push(...records.map((record) => record.body!.stringValue!))
      return Promise.resolve().then(() => account.delivery().enqueued(tenants))
    },
  })
  const counter = { add: () => {} }
  const targets = [target('a'), target('b')]
  const processor = {
    record: (record: { slots: { text(slot: number): string }; body: number }) =>
      drops.has(record.slots.text(record.body)) ? ('drop' as const) : ('keep' as const),
  }
  const direct = [0, 1].map((destination) => ({ destination, purposes: 'merged' as const, region: '' }))
  const inbound = new Inbound({
    id: 'logs',
    keys: new KeyTable(),
    processors: [{ id: 'p', processor: processor as never, incoming: counter, outgoing: counter }],
    tenantSources: parseTenantSources(['resource.attributes["tenant.id"]'], []),
    routes: new DirectRoutes(direct, purposes, { seal: () => '' }, 100),
    policyVersion: '',
    targets,
    share: isShared
      ? (ids, parcel, tenants) =>
          ids.map((id, i) => targets.find((one) => one.id === id)!.offer({ ...parcel, tenants: tenants[i]! }))
      : undefined,
    quarantine: { id: 'quarantine', offer: async () => {} },
    account,
    report: () => {},
    onDropped: () => {},
  })
  const send = async (texts: string[], atMs = 0, tenants?: string[]) => {
    const logRecords = texts.map((text) => ({ body: { stringValue: text } }))
    const attributes = [{ key: 'tenant.id', value: { stringValue: 'acme' } }]
    const body = encodeRequest({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] })
    const { answer } = await inbound.accept({
      body,
      sender: tenants ? { tenants } : {},
      headers: {},
      receivedUnixNano: 1n,
      receivedMonotonicNano: BigInt(atMs) * 1_000_000n,
    })
    return answer.is
  }
  return { account, does, got, drops, room, onOffer, send }
}

const line = ({ account }: ReturnType<typeof gateway>) => {
  const { received, queued, entering, dropped } = account.of('acme')
  return { received, queued, entering, dropped }
}

test('the retry goes only to the destination that refused, and records count once', async () => {
  const one = gateway()
  one.does['b'] = 'fails'
  expect(await one.send(['x', 'y'])).toBe('unavailable')
  expect(await one.send(['x', 'y'])).toBe('unavailable')
  one.does['b'] = 'takes'
  expect(await one.send(['x', 'y'])).toBe('ok')
  expect(one.got).toEqual({ a: ['x', 'y'], b: ['x', 'y'] })
  expect(line(one)).toEqual({ received: 2, queued: 2, entering: 0, dropped: 0 })
  // It is forgotten then: an equal request is another one.
  expect(await one.send(['x', 'y'])).toBe('ok')
  expect(one.got['a']).toEqual(['x', 'y', 'x', 'y'])
})

test('a destination without room is known before any other gets its copy', async () => {
  const one = gateway()
  one.does['b'] = 'has no room'
  expect(await one.send(['x'])).toBe('unavailable')
  expect(one.got).toEqual({ a: [], b: [] })
  expect(line(one)).toEqual({ received: 0, queued: 0, entering: 0, dropped: 0 })
})

test('another choice of records, another sender, or a retry much later gets everything', async () => {
  const one = gateway()
  one.does['b'] = 'fails'
  await one.send(['x', 'y'])
  one.does['b'] = 'takes'
  one.drops.add('x')
  expect(await one.send(['x', 'y'])).toBe('ok')
  expect(one.got).toEqual({ a: ['x', 'y', 'y'], b: ['y'] })

  for (const [atMs, tenants] of [
    [0, ['acme']],
    [limits.halfAcceptedMsMax + 1, undefined],
  ] as const) {
    const other = gateway()
    other.does['b'] = 'fails'
    await other.send(['x'])
    other.does['b'] = 'takes'
    expect(await other.send(['x'], atMs, tenants && [...tenants])).toBe('ok')
    expect(other.got).toEqual({ a: ['x', 'x'], b: ['x'] })
  }
})

test('whatever fails in between: each destination has what was acknowledged, once; the account balances', async () => {
  const behaviour = fc.constantFrom<Behaviour>('takes', 'takes', 'fails', 'has no room')
  const step = fc.record({ request: fc.nat(3), a: behaviour, b: behaviour })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, isShared) => {
      const one = gateway(isShared)
      const acknowledged: string[] = []
      // Senders retry until they are acknowledged; then they send something new.
      const rounds = [0, 0, 0, 0]
      const all = [...steps, ...rounds.map((_, request) => ({ request, a: 'takes' as const, b: 'takes' as const }))]
      for (const { request, a, b } of all) {
        Object.assign(one.does, { a, b })
        const text = `${request}.${rounds[request]}`
        if ((await one.send([text, `${text}'`])) !== 'ok') continue
        rounds[request]!++
        acknowledged.push(text, `${text}'`)
      }
      expect([...one.got['a']!].sort()).toEqual([...acknowledged].sort())
      expect([...one.got['b']!].sort()).toEqual([...acknowledged].sort())
      expect(line(one)).toEqual({ received: acknowledged.length, queued: acknowledged.length, entering: 0, dropped: 0 })
    }),
    { numRuns: 200, seed: 7 },
  )
})

test('a large request, of which a destination refuses a later piece: the retry brings what is missing, once', async () => {
  const one = gateway(false)
  const texts = Array.from({ length: 3 * limits.pieceUnitsMax }, (_, n) => `${n}`)
  let asked = 0
  const failsLater: PropertyDescriptor = { get: () => (++asked > 3 ? 'fails' : 'takes'), configurable: true }
  Object.defineProperty(one.does, 'b', failsLater)
  expect(await one.send(texts)).toBe('unavailable')
  expect(one.got['b']!.length).toBeGreaterThan(0)
  expect(one.got['b']!.length).toBeLessThan(one.got['a']!.length)
  expect(one.got['a']!.length).toBeLessThan(texts.length)
  Object.defineProperty(one.does, 'b', { value: 'takes' })
  expect(await one.send(texts)).toBe('ok')
  expect(one.got).toEqual({ a: texts, b: texts })
  expect(line(one)).toMatchObject({ received: texts.length, entering: 0 })
  // Nothing is remembered of it any more: who sends the same again sends more.
  expect(await one.send(texts)).toBe('ok')
  expect(one.got['a']!.length).toBe(2 * texts.length)
})

test('a large request is asked for as a whole: who has room for it takes all pieces, who has not gets none', async () => {
  const one = gateway()
  const texts = Array.from({ length: 3 * limits.pieceUnitsMax }, (_, n) => `${n}`)
  const bytes = texts.length * 10
  one.room['b'] = bytes / 2
  expect(await one.send(texts)).toBe('unavailable')
  expect(one.got).toEqual({ a: [], b: [] })
  one.room['b'] = 2 * bytes
  // Somebody else takes what is left as soon as the first piece is there.
  one.onOffer['b'] = () => {
    one.room['b'] = 0
  }
  expect(await one.send(texts)).toBe('ok')
  expect(one.got).toEqual({ a: texts, b: texts })
  expect(await one.send(['more'])).toBe('unavailable')
  expect(line(one)).toMatchObject({ received: texts.length, entering: 0 })
})

test('a large request is not taken apart where a destination has no queue: that answers once, before the queues', async () => {
  const one = gateway(false, 'b')
  const texts = Array.from({ length: 3 * limits.pieceUnitsMax }, (_, n) => `${n}`)
  // A piece in a queue would come again with a retry that meets another worker, which remembers nothing of it.
  const queuedThen: number[] = []
  one.onOffer['b'] = () => queuedThen.push(one.got['a']!.length)
  one.does['b'] = 'fails'
  expect(await one.send(texts)).toBe('unavailable')
  one.does['b'] = 'takes'
  expect(await one.send(texts)).toBe('ok')
  expect(queuedThen).toEqual([0, 0])
  expect(one.got).toEqual({ a: texts, b: texts })
})
