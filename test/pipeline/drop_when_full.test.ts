/**
 * What may be dropped where a queue is full: copies of the tenants and purposes that the configuration names, of that
 * destination alone, and counted; everything else makes the sender wait. The account balances either way.
 */
import { expect, test } from 'vitest'
import { KeyTable } from '../../src/otlp/keys.ts'
import { Account } from '../../src/pipeline/account.ts'
import { DirectRoutes } from '../../src/pipeline/direct.ts'
import { Inbound } from '../../src/pipeline/inbound.ts'
import type { Target } from '../../src/pipeline/offers.ts'
import { QueueRefusal } from '../../src/pipeline/parcel.ts'
import { mayDrop, sendingQueue } from '../../src/pipeline/queue_config.ts'
import { parseTenantSources } from '../../src/pipeline/tenant.ts'
import { createPurposes } from '../../src/purposes.ts'
import { decodeRequest, encodeRequest } from '../oracle/otlp.ts'

/** Destinations a and b, which get every record; a record's purposes are its text. `full`: have no room. */
function gateway(rules: Record<'a' | 'b', object[]>, full: readonly string[]) {
  const account = new Account()
  const purposes = createPurposes(['usage', 'security'])
  const got: Record<string, string[]> = { a: [], b: [] }
  const target = (id: 'a' | 'b'): Target => ({
    id,
    mayDrop: mayDrop(sendingQueue.parse({ drop_when_full: rules[id] })),
    refusal: () => (full.includes(id) ? new QueueRefusal(id, 'full', 1000) : undefined),
    offer: async ({ body, tenants }) => {
      const { resourceLogs } = decodeRequest(Buffer.from(body))
      got[id]!.push(
        ...resourceLogs!.flatMap(({ scopeLogs }) => scopeLogs![0]!.logRecords!.map((one) => one.body!.stringValue!)),
      )
      account.delivery().enqueued(tenants)
    },
  })
  const counter = { add: () => {} }
  const inbound = new Inbound({
    id: 'logs',
    keys: new KeyTable(),
    processors: [
      {
        id: 'p',
        processor: {
          record: (record) => {
            for (const name of record.slots.text(record.body).split('+')) record.purposes |= purposes.bit(name)
            return 'keep'
          },
        },
        incoming: counter,
        outgoing: counter,
      },
    ],
    tenantSources: parseTenantSources(['resource.attributes["tenant.id"]'], []),
    routes: new DirectRoutes(
      [0, 1].map((destination) => ({ destination, purposes: 'merged', region: '' })),
      purposes,
      { seal: () => '' },
      100,
    ),
    policyVersion: '',
    targets: [target('a'), target('b')],
    quarantine: { id: 'quarantine', offer: async () => {} },
    account,
    report: () => {},
    onDropped: () => {},
  })
  const send = async () => {
    const texts = ['usage', 'security', 'usage+security', 'usage']
    const resourceLogs = ['acme', 'trial'].map((tenant) => ({
      resource: { attributes: [{ key: 'tenant.id', value: { stringValue: tenant } }] },
      scopeLogs: [{ logRecords: texts.map((text) => ({ body: { stringValue: text } })) }],
    }))
    const body = encodeRequest({ resourceLogs })
    const times = { receivedUnixNano: 1n, receivedMonotonicNano: 1n }
    return (await inbound.accept({ body, sender: {}, headers: {}, ...times })).answer.is
  }
  const line = (tenant: string) => {
    const { received, dropped, queued, entering } = account.of(tenant)
    return { received, dropped, queued, entering }
  }
  return { send, got, line }
}

const all = ['usage', 'security', 'usage+security', 'usage']

test('copies for the named purposes alone are dropped where there is no room for them, and nowhere else', async () => {
  // a counts: it has the first copy. Without its usage it has room.
  const one = gateway({ a: [{ tenants: ['trial'] }, { purposes: ['usage'] }], b: [] }, [])
  expect(await one.send()).toBe('ok')
  expect(one.got).toEqual({ a: [...all, ...all], b: [...all, ...all] })
  const full = gateway({ a: [{ tenants: ['acme'] }, { tenants: ['trial'] }], b: [] }, ['a'])
  expect(await full.send()).toBe('ok')
  expect(full.got).toEqual({ a: [], b: [...all, ...all] })
  expect(full.line('acme')).toEqual({ received: 4, dropped: 4, queued: 0, entering: 0 })
})

test('what is left still needs room: without it the whole is refused, and nothing is counted', async () => {
  for (const rules of [[{ purposes: ['usage'] }], [{ tenants: ['trial'] }], []]) {
    const one = gateway({ a: rules, b: [] }, ['a'])
    expect(await one.send()).toBe('unavailable')
    expect(one.got).toEqual({ a: [], b: [] })
    for (const tenant of ['acme', 'trial']) {
      expect(one.line(tenant)).toEqual({ received: 0, dropped: 0, queued: 0, entering: 0 })
    }
  }
})

test('a copy that does not count is dropped without a trace in the account', async () => {
  const one = gateway({ a: [], b: [{ purposes: ['usage', 'security'] }] }, ['b'])
  expect(await one.send()).toBe('ok')
  expect(one.got).toEqual({ a: [...all, ...all], b: [] })
  expect(one.line('trial')).toEqual({ received: 4, dropped: 0, queued: 4, entering: 0 })
})

test.each([
  [[{ purposes: ['usage'] }], [false, false, true]],
  [[{ tenants: ['acme'] }], [true, false, true]],
  [[{ tenants: ['acme'], purposes: ['usage'] }], [false, false, true]],
  [
    [{ tenants: ['nobody'] }, { purposes: ['usage', 'security'] }],
    [true, true, true],
  ],
])('rules %j', (rules, expected) => {
  const may = mayDrop(sendingQueue.parse({ drop_when_full: rules }))!
  expect([may('acme', ['security']), may('trial', ['usage', 'security']), may('acme', ['usage'])]).toEqual(expected)
})
