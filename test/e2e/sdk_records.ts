/** What every SDK sends in these tests, whatever its language, and how it is to arrive. */
import { expect } from 'vitest'
import type { KeyValue } from '../oracle/otlp.ts'
import type { Flat } from './rules/pass_through.ts'

export const sdkBody = (n: number): string => `record ${n} ünïcode 🛃`
export const sdkAttributes = (n: number) => ({
  n,
  flag: true,
  ratio: 0.5,
  list: ['a', 'b'],
  nested: { deep: { n } },
})

/** Every record once, with all that it was sent with. */
export function expectRecords(got: readonly Flat[], count: number): void {
  const texts = got.map(({ record }) => record.body?.stringValue)
  expect(texts.toSorted()).toEqual(Array.from({ length: count }, (_, n) => sdkBody(n)).sort())
  for (const { record, scope } of got) {
    const n = Number(record.body!.stringValue!.split(' ')[1])
    expect(record).toMatchObject({ severityNumber: 9, severityText: 'INFO', eventName: 'document.opened' })
    expect(scope).toEqual({ name: 'scope', version: '1.2.3' })
    expect(record.attributes!.toSorted(byKey)).toEqual(asSent(BigInt(n)))
  }
}

const byKey = (a: KeyValue, b: KeyValue): number => (a.key! < b.key! ? -1 : 1)

const asSent = (n: bigint): KeyValue[] => [
  { key: 'flag', value: { boolValue: true } },
  { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a' }, { stringValue: 'b' }] } } },
  { key: 'n', value: { intValue: n } },
  {
    key: 'nested',
    value: {
      kvlistValue: {
        values: [{ key: 'deep', value: { kvlistValue: { values: [{ key: 'n', value: { intValue: n } }] } } }],
      },
    },
  },
  { key: 'ratio', value: { doubleValue: 0.5 } },
]
