import { expect, test } from 'vitest'
import { wireToJson } from '../../src/otlp/json.ts'
import type { Released } from '../../src/pipeline/quarantine.ts'
import { withoutErased } from '../../src/subjects/quarantined.ts'
import { encodeRequest, type LogRecord } from '../oracle/otlp.ts'

const attribute = (key: string, value: string | bigint) =>
  typeof value === 'string' ? { key, value: { stringValue: value } } : { key, value: { intValue: value } }
const record = (text: string, ...attributes: ReturnType<typeof attribute>[]): LogRecord => ({
  body: { stringValue: text },
  attributes,
})

function parcelOf(resources: [string, LogRecord[]][], tenants: Released['tenants']): Released {
  const resourceLogs = resources.map(([id, logRecords]) => ({
    resource: { attributes: [attribute('session.user', id)] },
    scopeLogs: [{ scope: { name: 'lib' }, logRecords }],
  }))
  const records = resources.reduce((sum, [, of]) => sum + of.length, 0)
  return { body: encodeRequest({ resourceLogs }), records, tenants, group: 'logs/in', quarantinedMs: 0 }
}
const isErased = (tenant: string, value: string) => tenant === 'acme' && (value === 'jane' || value === '42')

test('records of an erased person go, by whatever attribute names him; all others stay as they were', () => {
  const parcel = parcelOf(
    [
      [
        'nobody',
        [record('of jane', attribute('enduser.id', 'jane')), record('of john', attribute('enduser.id', 'john'))],
      ],
      ['nobody', [record('of 42', attribute('user', 42n)), record('other', attribute('user', 'Jane'))]],
      ['jane', [record('her session a'), record('her session b')]],
    ],
    [['acme', 6]],
  )
  const rest = withoutErased(parcel, isErased)!
  expect(rest).toMatchObject({ records: 2, tenants: [['acme', 2]] })
  const text = wireToJson(rest.body)
  for (const kept of ['of john', 'other']) expect(text).toContain(kept)
  for (const gone of ['of jane', 'of 42', 'her session']) expect(text).not.toContain(gone)
})

test('a parcel without erased people is left alone, and one of nobody else is nothing', () => {
  const one = (id: string, tenant = 'acme') =>
    parcelOf([['x', [record('text', attribute('enduser.id', id))]]], [[tenant, 1]])
  expect(withoutErased(one('john'), isErased)).toBeUndefined()
  expect(withoutErased(one('jane', 'globex'), isErased)).toBeUndefined()
  expect(withoutErased(one('jane'), isErased)).toMatchObject({ records: 0, tenants: [] })
})
