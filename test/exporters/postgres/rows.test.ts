/**
 * Rows as the program in WebAssembly makes them, against those of the encoder in TypeScript: a field that nobody knows
 * sends a record the slow way.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RowEncoder } from '../../../exporters/postgres/rows.ts'
import { logColumns } from '../../../exporters/postgres/schema.ts'
import { Shelves } from '../../../exporters/postgres/shelves.ts'
import { fromStoredJson } from '../../../exporters/postgres/stored_json.ts'
import { WireError } from '../../../src/errors.ts'
import { limits } from '../../../src/limits.ts'
import { type AnyValue, encodeRequest, type KeyValue, type LogRecord, type Request } from '../../oracle/otlp.ts'
import { randomRequest, seeded } from '../../oracle/random.ts'
import { nowMs, record, recordsOf, requestOf } from './fixture.ts'

const attributesAt = logColumns.indexOf('attributes')
const jsonAt = ['body_json', 'attributes', 'resource', 'scope'].map((name) => logColumns.indexOf(name as 'scope'))

/** The rows of a batch, by partition: columns as bytes, JSON as its text. */
function rowsOf(body: Buffer) {
  const encoder = new RowEncoder()
  encoder.encode(body, shelves(), nowMs * 1000)
  return written(encoder)
}

const shelves = () => new Shelves((purpose) => (purpose === 'support' ? '1mo' : '18mo'), nowMs)

function written(encoder: RowEncoder) {
  const { rows, refused, expired, counter } = encoder
  const sheets = encoder.sheets.map(({ shelf, rows, rowStarts }) => {
    const bytes = rows.bytes.subarray(0, rows.at)
    return [shelf.purpose, shelf.period, rowStarts.map((start) => columnsAt(bytes, start))] as const
  })
  return { rows, refused, expired, counts: counter.counts, sheets }
}

function columnsAt(bytes: Buffer, start: number): (string | null)[] {
  const columns: (string | null)[] = []
  let at = start + 2
  for (let i = 0; i < bytes.readInt16BE(start); i++) {
    const size = bytes.readInt32BE(at)
    at += 4
    columns.push(size < 0 ? null : bytes.latin1Slice(at, at + size))
    at += Math.max(size, 0)
  }
  return columns
}

/** The same with JSON read: the order of keys is another. */
const read = (found: ReturnType<typeof rowsOf>) => ({
  ...found,
  sheets: found.sheets.map(([purpose, period, rows]) => [
    purpose,
    period,
    rows.map((columns) =>
      columns.map((text, i) =>
        text !== null && jsonAt.includes(i) ? fromStoredJson(Buffer.from(text, 'latin1').toString().slice(1)) : text,
      ),
    ),
  ]),
})

/** Field 100 at the end of each record, which says nothing. */
const strange = (body: Buffer): Buffer => rewrite(body, [1, 2, 2])
function rewrite(body: Buffer, path: readonly number[]): Buffer {
  const [field, ...rest] = path
  if (field === undefined) return Buffer.concat([body, Buffer.from([0xa0, 0x06, 0x00])])
  const parts: Buffer[] = []
  let at = 0
  while (at < body.length) {
    const from = at
    const tag = body[at++]!
    let [size, shift] = [0, 0]
    for (let byte = 0x80; byte >= 0x80; shift += 7) {
      byte = body[at++]!
      size |= (byte & 0x7f) << shift
    }
    if ((tag & 7) !== 2) {
      parts.push(body.subarray(from, at))
      continue
    }
    const inner = body.subarray(at, at + size)
    at += size
    if (tag >> 3 !== field) parts.push(body.subarray(from, at))
    else {
      const anew = rewrite(inner, rest)
      const head = [tag]
      for (let n = anew.length; ; n >>>= 7) {
        head.push(n > 0x7f ? (n & 0x7f) | 0x80 : n)
        if (n <= 0x7f) break
      }
      parts.push(Buffer.from(head), anew)
    }
  }
  return Buffer.concat(parts)
}

function expectSame(request: Request): void {
  const body = encodeRequest(request)
  const quick = rowsOf(body)
  expect(read(quick)).toEqual(read(rowsOf(strange(body))))
}

const purposes = ['support', 'usage', 'security']
test('random requests become the same rows both ways', () => {
  let rows = 0
  for (let seed = 0; seed < 100; seed++) {
    const request = randomRequest(seeded(seed))
    for (const [i, each] of recordsOf(request).entries()) {
      each.attributes ??= []
      const value: AnyValue = { arrayValue: { values: [{ stringValue: purposes[(seed + i) % 3]! }] } }
      each.attributes.splice(i % 4, 0, { key: 'douane.purpose', value })
      each.attributes.push({ key: 'douane.tenant', value: { stringValue: `t${i % 5}` } })
      if (i % 3 === 0) each.attributes.push({ key: 'douane.subject_ref', value: { stringValue: `s\0${i}` } })
      if (i % 7 === 0) each.attributes.push({ key: 'douane.subject_ref', value: { intValue: 5n } })
      if (i % 2 === 0) each.timeUnixNano = BigInt(nowMs - i * 40_000_000) * 1_000_000n + BigInt(seed)
    }
    expectSame(request)
    rows += rowsOf(encodeRequest(request)).rows
  }
  expect(rows).toBeGreaterThan(150)
})

/** Texts around the sixteen bytes that are looked at together, with what needs care in them. */
const text = fc
  .array(
    fc.constantFrom(
      'a',
      'xyz',
      '"',
      '\\',
      '\n',
      '\t',
      '\b',
      '\f',
      '\r',
      '\x01',
      '\x1f',
      '\0',
      'é',
      '€',
      '😀',
      '\uE000',
      '\uE123',
      '\uEFFF',
    ),
    {
      maxLength: 40,
    },
  )
  .map((parts) => parts.join(''))
const value: fc.Arbitrary<AnyValue> = fc.oneof(
  text.map((stringValue) => ({ stringValue })),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((intValue) => ({ intValue })),
  fc.boolean().map((boolValue) => ({ boolValue })),
  fc.double().map((doubleValue) => ({ doubleValue })),
  fc.uint8Array({ maxLength: 20 }).map((bytesValue) => ({ bytesValue })),
  fc.constant({}),
  text.map((key) => ({
    kvlistValue: { values: [{ key, value: { arrayValue: { values: [{}, { intValue: 1n }] } } }] },
  })),
)
const key = fc.oneof(
  text,
  fc.constantFrom('$', '$bytes', 'a', 'aa', 'b', 'douane.other', 'douane.region', 'douane.tenants'),
)
const attributes: fc.Arbitrary<KeyValue[]> = fc.array(fc.record({ key, value }), { maxLength: 20 })
const logRecord: fc.Arbitrary<LogRecord> = fc.record(
  {
    timeUnixNano: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    observedTimeUnixNano: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    severityNumber: fc.integer({ min: 0, max: 24 }),
    severityText: text,
    eventName: text,
    body: value,
    attributes,
    flags: fc.nat(),
    droppedAttributesCount: fc.nat(),
    traceId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    spanId: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  },
  { requiredKeys: [] },
)
test('any texts, numbers and keys become the same rows both ways', () => {
  fc.assert(
    fc.property(fc.array(logRecord, { maxLength: 4 }), (records) =>
      expectSame(requestOf(records.map((each) => record('support', each)))),
    ),
    { seed: 9, numRuns: 300 },
  )
})

test('keys come in the order in which JSONB keeps them, and of equal ones the last counts', () => {
  const keys = ['bb', 'a', 'b', 'ab', 'a', 'é', 'aaa', 'B']
  const request = requestOf([
    record('support', { attributes: keys.map((key, i) => ({ key, value: { intValue: BigInt(i) } })) }),
  ])
  const [[, , [row]]] = rowsOf(encodeRequest(request)).sheets as [readonly [string, unknown, (string | null)[][]]]
  expect(Buffer.from(row![attributesAt]!, 'latin1').toString()).toBe(
    '\x01{"B":7,"a":1,"a":4,"b":2,"ab":3,"bb":0,"é":5,"aaa":6}',
  )
})

test('what is too large for the program is done without it', () => {
  const long = 'x'.repeat(limits.quickRecordBytesMax)
  const many = Array.from({ length: 600 }, (_, i) => ({ key: `k${i}`, value: { stringValue: long.slice(0, 9) } }))
  expectSame(requestOf([record('support', { body: { stringValue: long } }), record('support', { attributes: many })]))
  const large = Array.from({ length: 140 }, () => record('usage', { body: { stringValue: long.slice(0, 65_000) } }))
  const body = encodeRequest(requestOf(large))
  expect(body.length).toBeGreaterThan(limits.quickBatchBytesMax)
  expect(rowsOf(body)).toMatchObject({ rows: 140, refused: 0 })
  const resource = { attributes: [{ key: 'r', value: { stringValue: 'y'.repeat(300 * 1024) } }] }
  expectSame({ resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record('support')] }] }] })
  // More places than there is room for their columns.
  const places = Array.from({ length: 6000 }, (_, i) => record('support', {}, `tenant-${i}-${'z'.repeat(20)}`))
  expect(rowsOf(encodeRequest(requestOf(places)))).toMatchObject({ rows: 6000, refused: 0 })
})

test('a damaged batch does no harm to the next one', () => {
  const body = encodeRequest(requestOf([record('support', { severityText: 'INFO' }), record('usage')]))
  const whole = rowsOf(body)
  for (let at = 0; at < body.length; at++) {
    const damaged = Buffer.from(body)
    damaged[at]! ^= 1 << (at % 8)
    try {
      rowsOf(damaged)
    } catch (error) {
      expect(error).toBeInstanceOf(WireError)
    }
    expect(rowsOf(body)).toEqual(whole)
  }
})

test('encoders that take turns do not disturb each other', () => {
  const random = seeded(3)
  const bodies = Array.from({ length: 24 }, (_, i) => {
    const tenant = `tenant-${i % 5}`
    const records = Array.from({ length: 5 }, () => record(i % 3 ? 'support' : 'usage', {}, tenant))
    return encodeRequest(i % 2 ? randomRequest(random) : requestOf(records))
  })
  const alone = [0, 1, 2].map((first) => {
    const encoder = new RowEncoder()
    encoder.begin(shelves(), (nowMs + first) * 1000)
    for (let i = first; i < bodies.length; i += 3) encoder.add(bodies[i]!)
    return written(encoder)
  })
  const encoders = alone.map((_, first) => {
    const encoder = new RowEncoder()
    encoder.begin(shelves(), (nowMs + first) * 1000)
    return encoder
  })
  for (const [i, body] of bodies.entries()) encoders[i % 3]!.add(body)
  expect(encoders.map(written)).toEqual(alone)
  expect(alone.reduce((sum, { rows }) => sum + rows, 0)).toBeGreaterThan(40)
})
