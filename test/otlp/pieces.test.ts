/** A large request in pieces: the same records in the same order, each under its resource and scope, within bounds. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WireError } from '../../src/errors.ts'
import { KeyTable } from '../../src/otlp/keys.ts'
import { pieces } from '../../src/otlp/pieces.ts'
import { readRegular } from '../../src/otlp/read.ts'
import { LogsRequest } from '../../src/otlp/request.ts'
import { decodeRequest, encodeRequest, type Request } from '../oracle/otlp.ts'

/** Each record with all that it is under. */
function flat(bodies: readonly Buffer[]): string[] {
  return bodies.flatMap((body) =>
    (decodeRequest(body).resourceLogs ?? []).flatMap(({ scopeLogs = [], ...resource }) =>
      scopeLogs.flatMap(({ logRecords = [], ...scope }) =>
        logRecords.map((record) =>
          JSON.stringify([resource, scope, record], (_, v) => (typeof v === 'bigint' ? `${v}` : v)),
        ),
      ),
    ),
  )
}

const text = fc.string({ maxLength: 5 })
const attributes = fc.array(
  text.map((key) => ({ key, value: { stringValue: key } })),
  { maxLength: 3 },
)
const arbitrary: fc.Arbitrary<Request> = fc.record({
  resourceLogs: fc.array(
    fc.record({
      resource: fc.record({ attributes }),
      schemaUrl: text,
      scopeLogs: fc.array(
        fc.record({
          scope: fc.record({ name: text, attributes }),
          schemaUrl: text,
          // So many that a scope is cut several times.
          logRecords: fc
            .tuple(text, fc.nat(40))
            .map(([word, count]) =>
              Array.from({ length: count }, (_, n) => ({ body: { stringValue: `${word}${n}` } })),
            ),
        }),
        { maxLength: 3 },
      ),
    }),
    { maxLength: 3 },
  ),
})

test('all records, in order, under the same resource and scope; each piece is regular and within bounds', () => {
  const tables = new LogsRequest(new KeyTable())
  fc.assert(
    fc.property(
      arbitrary,
      fc.integer({ min: 3, max: 30 }),
      fc.integer({ min: 20, max: 400 }),
      (request, units, bytes) => {
        const body = encodeRequest(request)
        const cut = [...pieces(body, { units, bytes })]
        expect(flat(cut)).toEqual(flat([body]))
        for (const piece of cut) {
          expect(readRegular(tables, piece)).toBeDefined()
          const { records, scopes, resources } = tables
          expect(records.count + scopes.count + resources.count).toBeLessThanOrEqual(units + 4)
        }
      },
    ),
    { seed: 7, numRuns: 300 },
  )
})

test('what is without records comes once', () => {
  const empty = {
    resource: { attributes: [{ key: 'k', value: { stringValue: 'v' } }] },
    scopeLogs: [{ logRecords: [] }],
  }
  const body = encodeRequest({ resourceLogs: Array.from({ length: 70 }, () => empty) })
  const cut = [...pieces(body, { units: 20, bytes: 1000 })]
  expect(cut.length).toBeGreaterThan(3)
  expect(Buffer.concat(cut).equals(body)).toBe(true)
})

test('a large resource is not repeated in many pieces', () => {
  const resource = { attributes: [{ key: 'k', value: { stringValue: 'x'.repeat(8000) } }] }
  const logRecords = Array.from({ length: 8 }, () => ({ body: { stringValue: 'y'.repeat(1000) } }))
  const body = encodeRequest({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] })
  const cut = [...pieces(body, { units: 100, bytes: 1000 })]
  expect(cut.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(2.2 * body.length)
  expect(flat(cut)).toEqual(flat([body]))
})

test('bytes without framing are refused', () => {
  expect(() => [...pieces(Buffer.from([0x0a, 5, 1]))]).toThrow(WireError)
})
