/** Cutting requests on the wire, held against the oracle: no record lost, none twice, each under its own resource. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WireError } from '../../src/errors.ts'
import { countRecords, cutRecords } from '../../src/pipeline/split.ts'
import { request } from './queue/support.ts'

/** Length-delimited field. */
const field = (number: number, content: Buffer): Buffer => {
  const head: number[] = []
  for (let value of [(number << 3) | 2, content.length]) {
    for (; value > 127; value >>>= 7) head.push((value & 127) | 128)
    head.push(value)
  }
  return Buffer.concat([Buffer.from(head), content])
}
const text = (value: string) => field(1, Buffer.from(value))

/** resources → scopes → records; a record carries its own number, its resource and its scope carry theirs. */
const shape = fc.array(fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }), { maxLength: 4 })
function build(shape: number[][]): { body: Buffer; records: number } {
  let records = 0
  const resources = shape.map((scopes, r) => {
    const scopeLogs = scopes.map((count, s) => {
      const own = Array.from({ length: count }, () => field(2, text(`record ${records++}`)))
      return field(2, Buffer.concat([field(1, text(`scope ${r}.${s}`)), ...own, field(3, Buffer.from('schema'))]))
    })
    return field(1, Buffer.concat([field(1, text(`resource ${r}`)), ...scopeLogs]))
  })
  return { body: Buffer.concat(resources), records }
}

interface Placed {
  readonly record: string
  readonly scope: string
  readonly resource: string
}
/** A slow reader of the same requests. */
function read(body: Buffer): Placed[] {
  const fields = (bytes: Buffer): [number, Buffer][] => {
    const out: [number, Buffer][] = []
    for (let at = 0; at < bytes.length; ) {
      const varint = () => {
        let value = 0
        for (let shift = 0; ; shift += 7) {
          const byte = bytes[at++]!
          value |= (byte & 127) << shift
          if (byte < 128) return value
        }
      }
      const tag = varint()
      const length = varint()
      out.push([tag >> 3, bytes.subarray(at, at + length)])
      at += length
    }
    return out
  }
  const name = (bytes: [number, Buffer][], number: number) =>
    fields(bytes.find(([n]) => n === number)![1])[0]![1].toString()
  return fields(body).flatMap(([, resourceLogs]) => {
    const inResource = fields(resourceLogs)
    return inResource
      .filter(([n]) => n === 2)
      .flatMap(([, scopeLogs]) => {
        const inScope = fields(scopeLogs)
        return inScope
          .filter(([n]) => n === 2)
          .map(([, record]) => ({
            record: fields(record)[0]![1].toString(),
            scope: name(inScope, 1),
            resource: name(inResource, 1),
          }))
      })
  })
}

test('parts of a request hold its records, in order, each once, under its own resource and scope', () => {
  fc.assert(
    fc.property(shape, fc.array(fc.nat(40), { maxLength: 5 }), (shape, cuts) => {
      const { body, records } = build(shape)
      expect(countRecords(body)).toBe(records)
      const points = [...new Set([0, ...cuts.filter((cut) => cut < records), records])].sort((a, b) => a - b)
      const parts = points.slice(1).map((to, i) => Buffer.from(cutRecords(body, points[i]!, to)))
      expect(parts.flatMap(read)).toEqual(read(body))
      parts.forEach((part, i) => {
        expect(countRecords(part)).toBe(points[i + 1]! - points[i]!)
      })
    }),
    { seed: 42 },
  )
})

test('a part between merged requests is the bytes of that request', () => {
  const [a, b, c] = [request('a', 'aa'), request('b'), request('c')]
  expect(Buffer.from(cutRecords(Buffer.concat([a, b, c]), 2, 3)).equals(b)).toBe(true)
})

test('the end may be open', () => {
  expect(countRecords(cutRecords(request('a', 'b', 'c'), 1, Number.POSITIVE_INFINITY))).toBe(2)
})

test('bytes that are no request are refused, at any length', () => {
  const body = request('a', 'b')
  for (let length = 1; length < body.length; length++) {
    expect(() => countRecords(body.subarray(0, length))).toThrow(WireError)
  }
})
