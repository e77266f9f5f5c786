/** Rules json.*: OTLP/JSON as senders write it, right and wrong, and what arrives of it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AnyValue, LogRecord } from '../../oracle/otlp.ts'
import { seeded } from '../../oracle/random.ts'
import { cleanUp } from '../gateway.ts'
import { keyValue } from '../requests.ts'
import { type Bench, inKvlist, startBench } from './pass_through.ts'

let bench: Bench
const refused: string[] = []
beforeAll(async () => {
  bench = await startBench()
})
afterAll(cleanUp)

/** A request whose record has these members. */
const around = (rule: string, members: string): string =>
  `{"resourceLogs":[{"resource":{"attributes":[{"key":"rule","value":{"stringValue":"${rule}"}}]},"scopeLogs":[{"logRecords":[{${members}}]}]}]}`
const body = (value: string): string => `"body":${value}`
const send = (json: string | Buffer) => bench.http(Buffer.from(json as string), 'json')

const bodyOf = (value: AnyValue): LogRecord => ({ body: value })
const traceId = new Uint8Array(Buffer.from('5b8efff798038103d269b633813fc60c', 'hex'))
const spanId = new Uint8Array(Buffer.from('eee19b7ec3c1b174', 'hex'))
const ids = { traceId, spanId }
const deepJson = (depth: number): string =>
  `${'{"kvlistValue":{"values":[{"key":"k","value":'.repeat(depth)}{"stringValue":"x"}${'}]}}'.repeat(depth)}`

const good: Record<string, [members: string, expected: LogRecord]> = {
  'json.array.empty': [body('{"arrayValue":{"values":[]}}'), bodyOf({ arrayValue: {} })],
  'json.bool': [body('{"boolValue":false}'), bodyOf({ boolValue: false })],
  'json.bytes': [body('{"bytesValue":"AP+A"}'), bodyOf({ bytesValue: new Uint8Array([0, 255, 128]) })],
  'json.bytes.empty': [body('{"bytesValue":""}'), bodyOf({ bytesValue: new Uint8Array() })],
  'json.depth': [body(deepJson(20)), bodyOf(inKvlist({ stringValue: 'x' }, 20))],
  'json.double.exponent': [body('{"doubleValue":1.5e-7}'), bodyOf({ doubleValue: 1.5e-7 })],
  'json.double.integer': [body('{"doubleValue":3}'), bodyOf({ doubleValue: 3 })],
  'json.double.special': [
    body('{"arrayValue":{"values":[{"doubleValue":"NaN"},{"doubleValue":"Infinity"},{"doubleValue":"-Infinity"}]}}'),
    bodyOf({ arrayValue: { values: [NaN, Infinity, -Infinity].map((doubleValue) => ({ doubleValue })) } }),
  ],
  'json.empty-value': [body('{}'), bodyOf({})],
  'json.enum-integer': ['"severityNumber":17', { severityNumber: 17 }],
  'json.escapes': [
    body(String.raw`{"stringValue":"\"\\\/\b\f\n\r\t\u00fc\ud83d\udec3"}`),
    bodyOf({ stringValue: '"\\/\b\f\n\r\tü🛃' }),
  ],
  'json.ids.empty': ['"traceId":"","spanId":"","severityNumber":1', { severityNumber: 1 }],
  'json.ids.lower': ['"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"', ids],
  'json.ids.mixed': ['"traceId":"5B8EfFf798038103d269b633813fc60C","spanId":"eEE19b7ec3c1B174"', ids],
  'json.ids.upper': ['"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174"', ids],
  'json.int64.max-number': [body('{"intValue":9223372036854775807}'), bodyOf({ intValue: 2n ** 63n - 1n })],
  'json.int64.max-string': [body('{"intValue":"9223372036854775807"}'), bodyOf({ intValue: 2n ** 63n - 1n })],
  'json.int64.min-number': [body('{"intValue":-9223372036854775808}'), bodyOf({ intValue: -(2n ** 63n) })],
  'json.int64.min-string': [body('{"intValue":"-9223372036854775808"}'), bodyOf({ intValue: -(2n ** 63n) })],
  'json.int64.number': [body('{"intValue":9007199254740993}'), bodyOf({ intValue: 9007199254740993n })],
  'json.int64.string': [body('{"intValue":"9007199254740993"}'), bodyOf({ intValue: 9007199254740993n })],
  'json.int64.zero': [body('{"intValue":"0"}'), bodyOf({ intValue: 0n })],
  'json.kvlist.empty': [body('{"kvlistValue":{"values":[]}}'), bodyOf({ kvlistValue: {} })],
  'json.nested': [
    body(
      '{"arrayValue":{"values":[{"kvlistValue":{"values":[{"key":"b","value":{"bytesValue":"AA=="}},{"key":"e","value":{}}]}},{"arrayValue":{}}]}}',
    ),
    bodyOf({
      arrayValue: {
        values: [
          {
            kvlistValue: {
              values: [
                { key: 'b', value: { bytesValue: new Uint8Array(1) } },
                { key: 'e', value: {} },
              ],
            },
          },
          { arrayValue: {} },
        ],
      },
    }),
  ],
  'json.null': [
    '"body":null,"attributes":null,"severityText":null,"timeUnixNano":null,"severityNumber":3',
    { severityNumber: 3 },
  ],
  'json.order': [
    '"eventName":"e","body":{"stringValue":"b"},"severityNumber":1,"timeUnixNano":"1"',
    { eventName: 'e', severityNumber: 1, timeUnixNano: 1n, body: { stringValue: 'b' } },
  ],
  'json.snake-case': ['"severity_text":"x","time_unix_nano":"1","severityNumber":1', { severityNumber: 1 }],
  'json.time.number': ['"timeUnixNano":1700000000123456789', { timeUnixNano: 1_700_000_000_123_456_789n }],
  'json.time.string': ['"timeUnixNano":"1700000000123456789"', { timeUnixNano: 1_700_000_000_123_456_789n }],
  'json.unescaped-unicode': [body('{"stringValue":"ünïcode 漢字 🛃"}'), bodyOf({ stringValue: 'ünïcode 漢字 🛃' })],
  'json.unknown-fields': [
    '"unknown":{"a":[1,{"b":null}]},"x":"y","attributes":[{"key":"k","value":{"stringValue":"v","other":1},"z":[]}]',
    { attributes: [keyValue('k', 'v')] },
  ],
  'json.white-space': [' \n\t"body" : \r\n { "stringValue" : "x" } ', bodyOf({ stringValue: 'x' })],
}

describe('right', () => {
  it.each(Object.keys(good))('%s', async (rule) => {
    const [members, expected] = good[rule]!
    expect(await send(around(rule, members))).toEqual({ is: 'ok', rejected: 0 })
    const [one] = await bench.arrived(rule, 1)
    expect(one!.record).toEqual(expected)
  })

  it('json.snake-case-request: resource_logs is no key; it is an empty request', async () => {
    refused.push('json.snake-case-request')
    expect(await send(around('json.snake-case-request', '').replace('resourceLogs', 'resource_logs'))).toEqual({
      is: 'ok',
      rejected: 0,
    })
  })
})

const record = (members: string) => (rule: string) => around(rule, members)
const bad: Record<string, (rule: string) => string | Buffer> = {
  'json.bad.array-on-top': () => '[]',
  'json.bad.attributes-object': record('"attributes":{"k":"v"}'),
  'json.bad.base64': record(body('{"bytesValue":"!!!"}')),
  'json.bad.body-string': record('"body":"text"'),
  'json.bad.bool-text': record(body('{"boolValue":"yes"}')),
  'json.bad.depth': record(body(deepJson(100_000))),
  'json.bad.int-fraction': record(body('{"intValue":1.5}')),
  'json.bad.int-overflow': record(body('{"intValue":"9223372036854775808"}')),
  'json.bad.int-text': record(body('{"intValue":"seven"}')),
  'json.bad.nan-literal': record(body('{"doubleValue":NaN}')),
  'json.bad.not-json': () => 'hello',
  'json.bad.number-on-top': () => '7',
  'json.bad.resource-logs-object': () => '{"resourceLogs":{}}',
  'json.bad.single-quotes': (rule) => around(rule, '').replaceAll('"', "'"),
  'json.bad.string-number': record(body('{"stringValue":7}')),
  'json.bad.string-on-top': () => '"resourceLogs"',
  'json.bad.time-negative': record('"timeUnixNano":"-1"'),
  'json.bad.time-text': record('"timeUnixNano":"yesterday"'),
  'json.bad.trace-id-odd': record('"traceId":"5b8"'),
  'json.bad.trace-id-text': record('"traceId":"zz8efff798038103d269b633813fc60c"'),
  'json.bad.trailing': (rule) => `${around(rule, '')} x`,
  'json.bad.trailing-comma': record('"severityNumber":1,'),
  'json.bad.truncated': (rule) => around(rule, '').slice(0, -5),
  'json.bad.two-values': (rule) => around(rule, '').repeat(2),
}

describe('wrong', () => {
  it.each(Object.keys(bad))('%s: 400, and nothing of it arrives', async (rule) => {
    refused.push(rule)
    expect(await send(bad[rule]!(rule))).toEqual({ is: 'bad', rejected: 0 })
  })

  it('json.bad.invalid-utf8: refused, or made valid', async () => {
    const rule = 'json.bad.invalid-utf8'
    const [before, after] = around(rule, body('{"stringValue":"a@b"}')).split('@')
    const { is } = await send(Buffer.concat([Buffer.from(before!), Buffer.from([0xc3, 0x28]), Buffer.from(after!)]))
    if (is === 'ok') await bench.arrived(rule, 1)
    else expect(is).toBe('bad')
  })

  it('json.fuzz: 400 seeded mutations are taken or refused, in time, and the server lives on', async () => {
    const random = seeded(41)
    const whole = Buffer.from(
      around(
        'json.fuzz',
        '"body":{"stringValue":"x"},"timeUnixNano":"17","attributes":[{"key":"k","value":{"intValue":"7"}}]',
      ),
    )
    for (let n = 0; n < 400; n++) {
      const mutated = Buffer.from(whole)
      for (let m = 0; m <= random() * 3; m++)
        mutated[Math.floor(random() * mutated.length)] = Math.floor(random() * 256)
      expect(['ok', 'bad'], `mutation ${n}`).toContain((await send(mutated)).is)
    }
    expect(await send(around('json.fuzz.after', ''))).toEqual({ is: 'ok', rejected: 0 })
    await bench.arrived('json.fuzz.after', 1)
  })
})

it('downstream.refused-stays-out: of what was refused nothing was delivered', async () => {
  const arrived = await bench.finish()
  expect(refused.filter((rule) => arrived.has(rule))).toEqual([])
})
