/**
 * The writer from end to beginning against plain concatenation: pieces of the body and of other buffers, of all sizes,
 * with headers in between; with the memory of the scan, and without.
 */
import { expect, test } from 'vitest'
import { Prepender } from '../../src/otlp/prepend.ts'
import { LogsRequest } from '../../src/otlp/request.ts'
import { scan } from '../../src/otlp/scan.ts'
import { writeVarint } from '../../src/otlp/wire.ts'
import { encodeRequest } from '../oracle/otlp.ts'
import { seeded } from '../oracle/random.ts'

const SEED = Number(process.env['SEED'] ?? 20261121)

function requestOf(bytes: number): LogsRequest {
  const request = new LogsRequest()
  const stringValue = Array.from({ length: bytes }, (_, i) => String.fromCharCode(33 + ((i * 7 + (i >> 8)) % 90))).join(
    '',
  )
  expect(
    scan(request, encodeRequest({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue } }] }] }] })),
  ).toBe(true)
  return request
}

function header(tag: number, length: number): Buffer {
  const bytes = Buffer.alloc(6)
  bytes[0] = tag
  return bytes.subarray(0, writeVarint(bytes, 1, length))
}

test.each([
  ['in the memory of the scan', true],
  ['elsewhere', false],
])('random pieces and headers, %s', (_, hasPress) => {
  const request = requestOf(600_000)
  const { body } = request
  const out = new Prepender(Buffer.allocUnsafeSlow(64))
  const others = [3, 40, 300, 7_000, 9_000, 90_000].map((size, i) => Buffer.alloc(size, 97 + i))
  for (let run = 0; run < 16; run++) {
    const random = seeded(SEED + run)
    const below = (n: number): number => Math.floor(random() * n)
    const largest = [20, 600, 20_000, 300_000][run % 4]!
    let expected: Buffer = Buffer.alloc(0)
    const marks = [0]
    out.begin(body, hasPress ? request.scanner?.press : undefined)
    let last = body.length
    for (let step = 0; step < [4_500, 200, 40, 8][run % 4]!; step++) {
      const chance = random()
      if (chance < 0.7) {
        // Often what stands right before the last piece, as in an unedited record.
        const to = chance < 0.3 && last > 0 ? last : below(body.length + 1)
        const from = Math.max(0, to - below(largest + 1))
        out.body(from, to)
        expected = Buffer.concat([body.subarray(from, to), expected])
        last = from
      } else if (chance < 0.85) {
        const other = others[below(largest > 600 ? others.length : 3)]!
        const from = random() < 0.7 ? 0 : below(other.length)
        out.bytes(other, from, other.length)
        expected = Buffer.concat([other.subarray(from), expected])
      } else {
        const mark = random() < 0.5 ? marks.at(-1)! : marks[below(marks.length)]!
        expected = Buffer.concat([header(10, out.written - mark), expected])
        out.header(10, mark)
        marks.push(out.written)
      }
      if (out.written !== expected.length) expect(out.written, `seed ${SEED + run}`).toBe(expected.length)
    }
    expect(out.finish().equals(expected), `seed ${SEED + run}`).toBe(true)
  }
})
