/** Rules data.* and downstream.*: what was sent is what arrives, over gRPC, JSON and protobuf, each record once. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AnyValue, decodeRequest, type KeyValue, type LogRecord, type Request } from '../../oracle/otlp.ts'
import { cleanUp } from '../gateway.ts'
import { keyValue } from '../requests.ts'
import { type Bench, flatten, inKvlist, ruled, startBench, toJson, wire } from './pass_through.ts'

let bench: Bench
const sent = new Map<string, number>()
beforeAll(async () => {
  bench = await startBench()
})
afterAll(async () => {
  await cleanUp()
})

const kinds: AnyValue[] = [
  { stringValue: 'text' },
  { stringValue: '' },
  { boolValue: true },
  { boolValue: false },
  { intValue: 0n },
  { intValue: -1n },
  { intValue: 2n ** 63n - 1n },
  { intValue: -(2n ** 63n) },
  { doubleValue: 0.1 },
  { bytesValue: Buffer.from([0, 255, 128]) },
  { bytesValue: Buffer.alloc(0) },
  { arrayValue: {} },
  {
    arrayValue: {
      values: [{ stringValue: 'a' }, {}, { intValue: 1n }, { arrayValue: { values: [{ boolValue: true }] } }],
    },
  },
  { kvlistValue: {} },
  {
    kvlistValue: {
      values: [{ key: 'k', value: { kvlistValue: { values: [{ key: '', value: {} }] } } }, { key: 'empty' }],
    },
  },
  {},
  inKvlist({ stringValue: 'deep' }, 20),
].map(normal)

const doubles = [
  0,
  -0,
  1,
  -1.5,
  5e-324,
  Number.MAX_VALUE,
  Number.EPSILON,
  Infinity,
  -Infinity,
  Number.NaN,
  1e21,
  0.1 + 0.2,
]
const strings = [
  '',
  ' ',
  '\u0000',
  '"\\/\b\f\n\r\t',
  'ünïcode',
  '漢字',
  '🛃🏴‍☠️',
  '\u2028\u2029',
  'a'.repeat(300),
  '\u007f',
  '<b>&amp;',
]

const all: LogRecord = {
  timeUnixNano: 1_700_000_000_123_456_789n,
  observedTimeUnixNano: 1_700_000_000_987_654_321n,
  severityNumber: 17,
  severityText: 'ERROR',
  body: { stringValue: 'text' },
  attributes: [keyValue('a', 'b'), keyValue('n', 7n)],
  droppedAttributesCount: 3,
  flags: 1,
  traceId: Buffer.from('5b8efff798038103d269b633813fc60c', 'hex'),
  spanId: Buffer.from('eee19b7ec3c1b174', 'hex'),
  eventName: 'device.app.lifecycle',
}

/** Every case as resource logs; the rule is added to each resource. */
const cases: Record<string, Request> = {
  'all-fields': {
    resourceLogs: [
      {
        resource: { attributes: [keyValue('service.name', 'x')], droppedAttributesCount: 2 },
        scopeLogs: [
          {
            scope: { name: 'scope', version: '1.2', attributes: [keyValue('s', true)], droppedAttributesCount: 1 },
            logRecords: [all],
            schemaUrl: 'https://opentelemetry.io/schemas/1.21.0',
          },
        ],
        schemaUrl: 'https://opentelemetry.io/schemas/1.20.0',
      },
    ],
  },
  'bare-record': ruled('', [{}]),
  doubles: ruled('', [{ attributes: doubles.map((value, n) => ({ key: `d${n}`, value: { doubleValue: value } })) }]),
  grouping: {
    resourceLogs: ['r1', 'r2', 'r3'].map((r) => ({
      resource: { attributes: [keyValue('r', r)] },
      scopeLogs: ['s1', 's2'].map((s) => ({
        scope: { name: `${r}${s}` },
        logRecords: [1, 2, 3].map((n) => ({ body: { stringValue: `${r} ${s} ${n}` } })),
      })),
    })),
  },
  'kinds.attributes': ruled('', [{ attributes: kinds.map((value, n): KeyValue => ({ key: `k${n}`, value })) }]),
  'kinds.body': ruled(
    '',
    kinds.map((body) => ({ body })),
  ),
  long: ruled('', [
    {
      attributes: [
        keyValue('long', 'x'.repeat(256 * 1024)),
        ...Array.from({ length: 500 }, (_, n) => keyValue(`a${n}`, BigInt(n))),
      ],
    },
  ]),
  strings: ruled('', [
    {
      body: { stringValue: strings.join('|') },
      attributes: strings.map((value, n) => keyValue(`${n}${value}`, value)),
    },
  ]),
}

/** bytes as Uint8Array, as the oracle reads them. */
function normal(value: AnyValue): AnyValue {
  return value.bytesValue === undefined ? value : { bytesValue: new Uint8Array(value.bytesValue) }
}

function marked(rule: string, { resourceLogs = [] }: Request): Request {
  return {
    resourceLogs: resourceLogs.map(({ resource, ...rest }) => ({
      resource: {
        ...resource,
        attributes: [...(resource?.attributes ?? []).filter(({ key }) => key !== 'rule'), keyValue('rule', rule)],
      },
      ...rest,
    })),
  }
}

const senders = {
  grpc: (request: Request) => bench.grpc(wire(request)),
  json: (request: Request) => bench.http(Buffer.from(toJson(request)), 'json'),
  protobuf: (request: Request) => bench.http(wire(request)),
}

describe.each(Object.keys(senders) as (keyof typeof senders)[])('over %s', (protocol) => {
  it.each(Object.keys(cases))('data.%s', async (name) => {
    const rule = `data.${name}.${protocol}`
    const request = marked(rule, cases[name]!)
    // Read back once, so that what protobuf cannot tell apart (absent, default) is alike on both sides.
    const expected = flatten(decodeRequest(wire(request))).map(([, flat]) => flat)
    sent.set(rule, expected.length)
    expect(await senders[protocol](request)).toEqual({ is: 'ok', rejected: 0 })
    expect(bits(await bench.arrived(rule, expected.length))).toEqual(bits(expected))
  })
})

/** Comparable: doubles by their bits, bytes as hex, absent as absent. */
const bits = (flats: unknown): unknown =>
  JSON.parse(
    JSON.stringify(flats, function (this: Record<string, unknown>, key) {
      const value = this[key]
      if (typeof value === 'bigint') return `int ${value}`
      if (value instanceof Uint8Array)
        return value.length === 0 && /Id$/.test(key) ? undefined : `bytes ${Buffer.from(value).toString('hex')}`
      if (key === 'doubleValue') {
        const buffer = Buffer.alloc(8)
        buffer.writeDoubleBE(value as number)
        return `double ${buffer.toString('hex')}`
      }
      if (Array.isArray(value) && value.length === 0) return undefined
      return value
    }),
  )

describe('more of data', () => {
  it('data.many-records: 10,000 in a request, each once', async () => {
    const rule = 'data.many-records'
    const records = Array.from({ length: 10_000 }, (_, n) => ({ body: { intValue: BigInt(n) } }))
    sent.set(rule, records.length)
    expect(await bench.http(wire(ruled(rule, records)))).toEqual({ is: 'ok', rejected: 0 })
    const got = (await bench.arrived(rule, records.length)).map(({ record }) => record.body?.intValue)
    expect(got).toEqual(records.map(({ body }) => body.intValue))
  })

  it('data.many-resources: 2,000 of one record each, each with its own', async () => {
    const rule = 'data.many-resources'
    const resourceLogs = Array.from({ length: 2_000 }, (_, n) => ({
      resource: { attributes: [keyValue('rule', rule), keyValue('n', BigInt(n))] },
      scopeLogs: [{ logRecords: [{ body: { intValue: BigInt(n) } }] }],
    }))
    sent.set(rule, resourceLogs.length)
    expect(await bench.http(wire({ resourceLogs }))).toEqual({ is: 'ok', rejected: 0 })
    for (const { record, resource } of await bench.arrived(rule, resourceLogs.length)) {
      const { attributes } = resource as { attributes: KeyValue[] }
      expect(attributes[1]!.value!.intValue).toBe(record.body!.intValue)
    }
  })

  it.each([
    ['span-4', { spanId: Buffer.alloc(4, 1) }],
    ['span-9', { spanId: Buffer.alloc(9, 1) }],
    ['trace-15', { traceId: Buffer.alloc(15, 1) }],
    ['trace-zero', { traceId: Buffer.alloc(16) }],
  ])('data.id-length.%s: counts as absent, and is no error', async (name, ids) => {
    for (const protocol of ['protobuf', 'json'] as const) {
      const rule = `data.id-length.${name}.${protocol}`
      sent.set(rule, 1)
      expect(
        await senders[protocol](ruled(rule, [{ ...all, spanId: undefined!, traceId: undefined!, ...ids }])),
      ).toEqual({ is: 'ok', rejected: 0 })
      const [one] = await bench.arrived(rule, 1)
      const { traceId, spanId, severityText } = one!.record
      expect([traceId, severityText]).toEqual([name === 'trace-zero' ? traceId : undefined, 'ERROR'])
      expect(spanId).toBeUndefined()
      if (name === 'trace-zero') expect(traceId === undefined || traceId.every((byte) => byte === 0)).toBe(true)
    }
  })
})

it('downstream.once: without a fault in the way nothing is delivered twice', async () => {
  expect(await bench.finish()).toEqual(sent)
})
