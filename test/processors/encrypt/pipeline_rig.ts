/** A whole pipeline with `encrypt` in it, a real key store behind it, and one destination that keeps what it gets. */
import encrypt from '../../../processors/encrypt/index.ts'
import type { Host } from '../../../src/contract.ts'
import { openKeyRing, openToken } from '../../../src/keys/decrypt.ts'
import type { Stated } from '../../../src/keys/row.ts'
import type { SealerOptions } from '../../../src/keys/sealer.ts'
import { KeyTable } from '../../../src/otlp/keys.ts'
import { Account } from '../../../src/pipeline/account.ts'
import { DirectRoutes } from '../../../src/pipeline/direct.ts'
import { Inbound } from '../../../src/pipeline/inbound.ts'
import { parseTenantSources } from '../../../src/pipeline/tenant.ts'
import { createPurposes } from '../../../src/purposes.ts'
import { testSealer } from '../../keys/support.ts'
import { decodeRequest, encodeRequest, type KeyValue, type LogRecord } from '../../oracle/otlp.ts'

export const text = (key: string, value: string): KeyValue => ({ key, value: { stringValue: value } })
export const attributeOf = (record: LogRecord | undefined, key: string) =>
  record?.attributes?.find((entry) => entry.key === key)?.value

export async function encryptingPipeline(dir: string, config: object, options: Partial<SealerOptions> = {}) {
  const { sealer, clock, log } = await testSealer(dir, options)
  const counts: Record<string, number> = {}
  const counter = (name: string) => {
    const add = (n: number) => {
      counts[name] = (counts[name] ?? 0) + n
    }
    return { add, with: () => ({ add }) }
  }
  const host = { subjects: sealer, counter } as unknown as Host
  const processor = encrypt.create(encrypt.config.parse(config), host)
  const parcels: { to: string; body: Buffer }[] = []
  const target = (id: string) => ({
    id,
    offer: async ({ body }: { body: Uint8Array }) => void parcels.push({ to: id, body: Buffer.from(body) }),
  })
  const account = new Account()
  const nothing = { add: () => {} }
  const failures: unknown[] = []
  const inbound = new Inbound({
    id: 'logs',
    keys: new KeyTable(),
    processors: [{ id: 'encrypt', processor, incoming: nothing, outgoing: nothing }],
    tenantSources: parseTenantSources(['resource.attributes["tenant.id"]'], []),
    routes: new DirectRoutes(
      [{ destination: 0, purposes: 'apart', region: 'eu-de' }],
      createPurposes(undefined),
      sealer,
      100,
    ),
    policyVersion: '',
    targets: [target('store')],
    quarantine: target('quarantine'),
    account,
    report: (_id, error) => failures.push(error),
    onDropped: (what, n) => counter(what).add(n),
  })
  const send = async (logRecords: LogRecord[], tenant = 'acme', attributes: KeyValue[] = []) => {
    parcels.length = 0
    const resource = { attributes: [text('tenant.id', tenant), ...attributes] }
    const { answer } = await inbound.accept({
      body: encodeRequest({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }),
      sender: {},
      headers: {},
      receivedUnixNano: 1n,
      receivedMonotonicNano: 1n,
    })
    if (failures.length > 0) throw failures[0]
    const groups = parcels.flatMap(({ to, body }) =>
      (decodeRequest(body).resourceLogs ?? []).map((group) => ({ to, group })),
    )
    const records = groups.flatMap(({ group }) => group.scopeLogs?.flatMap((scope) => scope.logRecords ?? []) ?? [])
    return { answer, records, group: groups[0]?.group, to: parcels.map((parcel) => parcel.to) }
  }
  const open = async (token: string | undefined, field: string, stated: Stated = { tenant: 'acme' }) =>
    openToken(token ?? '', stated, [field], await openKeyRing({ dir }))
  return { send, open, sealer, clock, log, counts, account }
}
