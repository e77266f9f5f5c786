/**
 * Rules wire.*, partial.* and utf8: bytes that no library writes. Bad ones are refused, 400 or as a partial success,
 * and leave nothing behind; odd but legal ones arrive as protobuf says they are to be read.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LogRecord } from '../../oracle/otlp.ts'
import { seeded } from '../../oracle/random.ts'
import { cleanUp, until } from '../gateway.ts'
import { keyValue } from '../requests.ts'
import {
  around,
  type Bench,
  field,
  fixed64,
  inKvlist,
  pair,
  ruled,
  startBench,
  tag,
  text,
  varint,
  wire,
} from './pass_through.ts'

let bench: Bench
/** Rules of which nothing may arrive. */
const refused: string[] = []
beforeAll(async () => {
  bench = await startBench()
})
afterAll(cleanUp)

const cat = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts)
const attribute = (value: Uint8Array): Buffer => field(6, pair('k', value))
/** KeyValueLists in each other, in time linear in their depth. */
function deep(depth: number): Buffer {
  const parts: Buffer[] = [text('x')]
  let length = parts[0]!.length
  const wrap = (...head: Buffer[]): void => {
    const whole = cat(...head)
    parts.push(whole)
    length += whole.length
  }
  for (let n = 0; n < depth; n++) {
    wrap(field(1, 'k'), tag(2, 2), varint(length))
    wrap(tag(1, 2), varint(length))
    wrap(tag(6, 2), varint(length))
  }
  return cat(...parts.toReversed())
}

/** Every case: what stands in the record, or beside it. */
const bad: Record<string, (rule: string) => Buffer> = {
  'wire.bad.fixed.cut': (rule) => around(rule, cat(tag(1, 1), Buffer.alloc(4))),
  'wire.bad.garbage': () => Buffer.from('ff'.repeat(64), 'hex'),
  'wire.bad.length.-1': (rule) => around(rule, cat(tag(3, 2), varint(-1n))),
  'wire.bad.length.2^31': (rule) => around(rule, cat(tag(3, 2), varint(2 ** 31))),
  'wire.bad.length.2^63': (rule) => around(rule, cat(tag(3, 2), varint(2n ** 63n))),
  'wire.bad.length.past-end': (rule) => cat(around(rule, Buffer.alloc(0)), tag(1, 2), varint(100)),
  'wire.bad.length.past-parent': (rule) => around(rule, cat(tag(3, 2), varint(5))),
  'wire.bad.tag.end-group': (rule) => around(rule, tag(20, 4)),
  'wire.bad.tag.open-group': (rule) => around(rule, tag(20, 3)),
  'wire.bad.tag.wire-6': (rule) => around(rule, tag(20, 6)),
  'wire.bad.tag.wire-7': (rule) => around(rule, tag(20, 7)),
  'wire.bad.tag.zero': (rule) => around(rule, cat(tag(0, 0), varint(1))),
  'wire.bad.text': () => Buffer.from('{"resourceLogs":[]} is not protobuf'),
  'wire.bad.type.attributes': (rule) => around(rule, cat(tag(6, 0), varint(1))),
  'wire.bad.type.body': (rule) => around(rule, cat(tag(5, 0), varint(1))),
  'wire.bad.type.key': (rule) => around(rule, field(6, tag(1, 0), varint(1))),
  'wire.bad.type.log-records': (rule) => around(rule, Buffer.alloc(0), { scopeLogs: cat(tag(2, 0), varint(1)) }),
  'wire.bad.type.resource': (rule) => around(rule, Buffer.alloc(0), { resourceLogs: cat(tag(1, 0), varint(1)) }),
  'wire.bad.type.resource-logs': (rule) => around(rule, Buffer.alloc(0), { request: cat(tag(1, 0), varint(1)) }),
  'wire.bad.type.severity-text': (rule) => around(rule, cat(tag(3, 0), varint(1))),
  'wire.bad.type.string-value': (rule) => around(rule, field(5, tag(1, 0), varint(1))),
  'wire.bad.type.time': (rule) => around(rule, cat(tag(1, 0), varint(1))),
  'wire.bad.varint.11-bytes': (rule) => around(rule, cat(tag(2, 0), Buffer.from(`${'ff'.repeat(10)}01`, 'hex'))),
  'wire.depth': (rule) => around(rule, field(5, deep(20_000))),
}

describe('bad data', () => {
  it.each(Object.keys(bad))('%s: refused, and nothing of it arrives', async (rule) => {
    refused.push(rule)
    for (const send of [bench.http, bench.grpc]) {
      const told = await send(bad[rule]!(rule))
      expect(told.is === 'bad' || (told.is === 'ok' && told.rejected > 0), JSON.stringify(told)).toBe(true)
    }
  })

  it('wire.truncated.every: cut after each of its bytes, it is bad data or a whole request that is shorter', async () => {
    const rule = 'wire.truncated'
    refused.push(rule)
    const whole = wire(
      ruled(rule, [{ body: { stringValue: 'cut' }, attributes: [keyValue('k', 'v')], timeUnixNano: 1n }]),
    )
    for (let end = 1; end < whole.length; end++)
      expect(await bench.http(whole.subarray(0, end)), `${end}`).toEqual({ is: 'bad', rejected: 0 })
  })

  it('wire.fuzz: 400 seeded mutations are taken or refused, in time, and the server lives on', async () => {
    const random = seeded(20_261_121)
    const whole = wire(
      ruled('wire.fuzz', [{ body: { stringValue: 'fuzz' }, attributes: [keyValue('k', 7n)], severityText: 'INFO' }]),
    )
    for (let n = 0; n < 400; n++) {
      const body = Buffer.from(whole)
      for (let m = 0; m <= random() * 3; m++) body[Math.floor(random() * body.length)] = Math.floor(random() * 256)
      const { is } = await bench.http(
        body.subarray(0, random() < 0.2 ? Math.floor(random() * body.length) : body.length),
      )
      expect(['ok', 'bad'], `mutation ${n}`).toContain(is)
    }
    expect(await bench.http(wire(ruled('wire.fuzz.after', [{}])))).toEqual({ is: 'ok', rejected: 0 })
    await bench.arrived('wire.fuzz.after', 1)
  })
})

describe('partial success', () => {
  it.each([
    'http',
    'grpc',
  ] as const)('partial.account over %s: rejected + delivered = sent, and neighbours are spared', async (protocol) => {
    const rule = `partial.account.${protocol}`
    const good = (n: number): Buffer => field(2, field(5, text(`good ${n}`)))
    const body = around(rule, field(5, tag(1, 0), varint(1)), { scopeLogs: cat(good(1), good(2), good(3)) })
    expect(await bench[protocol](body)).toEqual({ is: 'ok', rejected: 1 })
    const got = await bench.arrived(rule, 3)
    expect(got.map(({ record }) => record.body?.stringValue)).toEqual(['good 1', 'good 2', 'good 3'])
  })
})

const invalid = Buffer.from([0x61, 0xc3, 0x28, 0xff])
describe('strings that are not UTF-8', () => {
  it.each([
    ['wire.utf8.value', attribute(text(invalid))],
    ['wire.utf8.key', field(6, pair(invalid, text('v')))],
    ['wire.utf8.nested', field(5, field(6, field(1, pair('k', text(invalid)))))],
    ['wire.utf8.severity-text', field(3, invalid)],
    ['wire.utf8.event-name', field(12, invalid)],
  ])('%s: refused, or made valid', async (rule, content) => {
    for (const protocol of ['http', 'grpc'] as const) {
      const told = await bench[protocol](around(`${rule}.${protocol}`, content))
      // The destination's reader is strict: what is passed on as it came makes it throw.
      if (told.is === 'ok' && told.rejected === 0) await bench.arrived(`${rule}.${protocol}`, 1)
      else expect(told.is === 'bad' || told.rejected === 1).toBe(true)
    }
  })
})

const int = (n: bigint): Buffer => cat(tag(3, 0), varint(n))
const legal: Record<string, [content: Buffer, expected: LogRecord]> = {
  'wire.field-order': [
    cat(field(12, 'event'), attribute(text('v')), field(5, text('body')), field(3, 'INFO'), cat(tag(2, 0), varint(9))),
    {
      eventName: 'event',
      attributes: [keyValue('k', 'v')],
      body: { stringValue: 'body' },
      severityText: 'INFO',
      severityNumber: 9,
    },
  ],
  'wire.last-wins.body-oneof': [cat(field(5, text('first')), field(5, int(7n))), { body: { intValue: 7n } }],
  'wire.last-wins.flags': [
    cat(tag(8, 5), Buffer.from([1, 0, 0, 0]), tag(8, 5), Buffer.from([2, 0, 0, 0])),
    { flags: 2 },
  ],
  'wire.last-wins.key': [
    field(6, field(1, 'a'), field(1, 'b'), field(2, text('v'))),
    { attributes: [keyValue('b', 'v')] },
  ],
  'wire.last-wins.number': [cat(tag(2, 0), varint(9), tag(2, 0), varint(17)), { severityNumber: 17 }],
  'wire.last-wins.text': [cat(field(3, 'INFO'), field(3, 'WARN')), { severityText: 'WARN' }],
  'wire.last-wins.text-emptied': [cat(field(3, 'INFO'), field(3, '')), {}],
  'wire.last-wins.time': [cat(fixed64(1, 5n), fixed64(1, 9n)), { timeUnixNano: 9n }],
  'wire.last-wins.trace-id': [
    cat(field(9, Buffer.alloc(16, 1)), field(9, Buffer.alloc(16, 2))),
    { traceId: new Uint8Array(16).fill(2) },
  ],
  'wire.last-wins.value-oneof': [attribute(cat(text('first'), int(7n))), { attributes: [keyValue('k', 7n)] }],
  'wire.nested-20': [field(5, deep(20)), { body: inKvlist({ stringValue: 'x' }, 20) }],
  'wire.unknown-fields': [
    cat(
      field(99, 'unknown'),
      cat(tag(98, 0), varint(1)),
      fixed64(97, 1n),
      attribute(cat(text('v'), field(50, 'x'))),
      field(5, text('b')),
    ),
    { attributes: [keyValue('k', 'v')], body: { stringValue: 'b' } },
  ],
}

describe('odd but legal', () => {
  it.each(Object.keys(legal))('%s: arrives as protobuf says it is read', async (rule) => {
    const [content, expected] = legal[rule]!
    for (const protocol of ['http', 'grpc'] as const) {
      const body = around(`${rule}.${protocol}`, content, {
        request: field(90, 'unknown'),
        resourceLogs: field(90, 'unknown'),
        resource: field(90, 'unknown'),
        scopeLogs: field(90, 'unknown'),
      })
      expect(await bench[protocol](body)).toEqual({ is: 'ok', rejected: 0 })
      const [one] = await bench.arrived(`${rule}.${protocol}`, 1)
      expect(one!.record).toEqual(expected)
    }
  })

  it('wire.unknown-fields: counted, since nobody inspects them and they are left out', async () => {
    const { gateway } = bench
    const metrics = await until(async () => (await fetch(`http://${gateway.endpoints.metrics}/metrics`)).text())
    expect(metrics).toMatch(/^douane_dropped_parts(_total)?\{what="unknown_fields"\} \d+$/m)
  })
})

it('downstream.refused-stays-out: of what was refused nothing was delivered', async () => {
  const arrived = await bench.finish()
  expect(refused.filter((rule) => arrived.has(rule))).toEqual([])
})
