/** Attributes that were prepared leave the gateway as the same bytes as those that are written anew each time. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { prepareAttribute } from '../../src/otlp/attribute.ts'
import { Tag } from '../../src/otlp/fields.ts'
import { readRequest } from '../../src/otlp/read.ts'
import { LogRecord } from '../../src/otlp/record.ts'
import { LogsRequest } from '../../src/otlp/request.ts'
import { Splicer } from '../../src/otlp/splice.ts'
import { encodeRequest } from '../oracle/otlp.ts'

const body = encodeRequest({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' } }] }] }] })
const request = new LogsRequest()
const form = { content: 'as_marked' as const, appendix: Buffer.alloc(0), seal: () => '' }
const plan = { records: Int32Array.of(0), formOf: Int32Array.of(0), count: 1, forms: [form] }
const zero = prepareAttribute(Tag.record.attributes, 'douane.clock.offset', { kind: 'int', value: 0n })

function after(change: (record: LogRecord) => void): { hex: string; read: bigint[] } {
  readRequest(request, body)
  const record = new LogRecord(request).visit(0)
  change(record)
  const read: bigint[] = []
  for (let slot = record.firstAdded; slot < record.endAdded; slot++) read.push(request.slots.int(slot))
  return { hex: Buffer.from(new Splicer().splice(request, plan)).toString('hex'), read }
}

it('ints of every length, several on one record', () => {
  const int = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -300n, max: 300n }))
  fc.assert(
    fc.property(fc.array(int, { minLength: 1, maxLength: 5 }), (values) => {
      const plain = after((record) => {
        for (const value of values) record.add('douane.clock.offset', { kind: 'int', value })
      })
      const prepared = after((record) => {
        for (const value of values) {
          const bits = BigInt.asUintN(64, value)
          record.addPreparedInt(zero, Number(bits >> 32n), Number(bits & 0xffffffffn))
        }
      })
      expect(prepared).toEqual(plain)
      expect(prepared.read).toEqual(values)
    }),
    { seed: 4318, numRuns: 500 },
  )
})
