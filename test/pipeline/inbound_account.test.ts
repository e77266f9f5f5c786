/** The account balances also where one destination takes its copy and another cannot, or sealing fails in between. */
import { expect, test } from 'vitest'
import { KeyError } from '../../src/errors.ts'
import { KeyTable } from '../../src/otlp/keys.ts'
import { Account } from '../../src/pipeline/account.ts'
import { Inbound } from '../../src/pipeline/inbound.ts'
import type { Target } from '../../src/pipeline/offers.ts'
import { QueueRefusal } from '../../src/pipeline/parcel.ts'
import { Router } from '../../src/pipeline/residency.ts'
import { parseTenantSources } from '../../src/pipeline/tenant.ts'
import type { Policy } from '../../src/policy.ts'
import { createPurposes } from '../../src/purposes.ts'
import { parseRetention } from '../../src/units.ts'
import { encodeRequest } from '../oracle/otlp.ts'

const policy: Policy = {
  version: 'v',
  regions: new Map([
    ['home', { name: 'home', jurisdictions: ['DE'], pipeline: 'logs/home', central: false }],
    ['central', { name: 'central', jurisdictions: ['NL'], pipeline: 'logs/central', central: true }],
  ]),
  purposes: new Map(
    (['drop', 'encrypt'] as const).map((content) => [
      content,
      { name: content, description: '', retention: parseRetention('1mo'), content },
    ]),
  ),
  tenants: new Map([
    [
      'acme',
      {
        residency: 'local',
        regions: ['home'],
        centralPurposes: [],
        purposes: new Map([['encrypt', { residency: 'central' }]]),
      },
    ],
  ]),
  default: { residency: 'quarantine', regions: [], centralPurposes: [], purposes: new Map() },
  central: 'central',
}

function pipeline(fails: 'central' | 'sealing' | 'nothing') {
  const purposes = createPurposes(policy.purposes.keys())
  const account = new Account()
  const groups: [string, string][] = []
  const target = (id: string): Target => ({
    id,
    offer: async ({ tenants, policyVersion }) => {
      if (id === fails) throw new QueueRefusal(id, 'full', 1000)
      groups.push([id, policyVersion])
      if (id !== 'quarantine') account.delivery().enqueued(tenants)
    },
  })
  const seal = () => {
    if (fails === 'sealing') throw new KeyError('no key')
    return 'cose:x'
  }
  const counter = { add: () => {} }
  let next = 0
  const inbound = new Inbound({
    id: 'logs/in',
    keys: new KeyTable(),
    processors: [
      {
        id: 'purposes',
        // One record for home, one for central.
        processor: {
          record: (record) => {
            record.purposes = purposes.bit(next++ % 2 === 0 ? 'drop' : 'encrypt')
            return 'keep'
          },
        },
        incoming: counter,
        outgoing: counter,
      },
    ],
    tenantSources: parseTenantSources(['resource.attributes["tenant.id"]'], []),
    routes: new Router(
      policy,
      new Map([
        ['home', [{ destination: 0, purposes: 'merged' }]],
        ['central', [{ destination: 1, purposes: 'merged' }]],
      ]),
      purposes,
      { seal },
    ),
    policyVersion: 'v',
    targets: [target('home'), target('central')],
    quarantine: target('quarantine'),
    account,
    report: () => {},
    onDropped: () => {},
  })
  return { inbound, account, groups }
}

const body = encodeRequest({
  resourceLogs: ['acme', 'stranger'].map((tenant) => ({
    resource: { attributes: [{ key: 'tenant.id', value: { stringValue: tenant } }] },
    scopeLogs: [{ logRecords: [{ body: { stringValue: 'a' } }, { body: { stringValue: 'b' } }] }],
  })),
})

test.each([
  ['nothing', 'ok', { received: 4, queued: 2, quarantined: 2 }],
  // What home and the quarantine took is theirs, although the sender will send it again.
  ['central', 'unavailable', { received: 3, queued: 1, quarantined: 2 }],
  ['sealing', 'unavailable', { received: 1, queued: 1, quarantined: 0 }],
] as const)('%s fails: the sender is told, and the account balances', async (fails, answered, expected) => {
  const { inbound, account, groups } = pipeline(fails)
  const { answer } = await inbound.accept({
    body,
    sender: {},
    headers: {},
    receivedUnixNano: 1n,
    receivedMonotonicNano: 1n,
  })
  expect(answer.is).toBe(answered)
  expect(account.total()).toEqual({
    stored: 0,
    dropped: 0,
    rejected: 0,
    deadLettered: 0,
    lost: 0,
    entering: 0,
    ...expected,
  })
  if (fails === 'nothing') expect(groups).toContainEqual(['quarantine', 'logs/in'])
})
