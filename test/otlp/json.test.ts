import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { jsonToWire, wireBytesMax, wireToJson } from '../../src/otlp/json.ts'
import { type AnyValue, decodeRequest, encodeRequest, type LogRecord, type Request } from '../oracle/otlp.ts'
import { encodeWildly, randomRequest, seeded } from '../oracle/random.ts'

const read = (text: string): Request => decodeRequest(jsonToWire(Buffer.from(text)))
const inRecord = (member: string): string => `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{${member}}]}]}]}`
const record = (member: string): LogRecord => read(inRecord(member)).resourceLogs![0]!.scopeLogs![0]!.logRecords![0]!
const value = (json: string): AnyValue => record(`"body":${json}`).body!

/** The error's code and offset; fails where the text is taken. */
function refused(text: string | Buffer): JsonError {
  try {
    jsonToWire(Buffer.from(text))
  } catch (error) {
    expect(error).toBeInstanceOf(JsonError)
    return error as JsonError
  }
  throw new Error('was not refused')
}

/** The ids that JSON cannot carry or need not: absent, as all zero. */
function withoutZeroIds(request: Request): Request {
  for (const { scopeLogs = [] } of request.resourceLogs ?? [])
    for (const { logRecords = [] } of scopeLogs)
      for (const each of logRecords)
        for (const id of ['traceId', 'spanId'] as const) if (each[id]?.every((byte) => byte === 0)) delete each[id]
  return request
}

describe('wire to JSON and back', () => {
  test('gives the same request, for all that a request can hold', () => {
    for (let seed = 0; seed < 400; seed++) {
      const request = withoutZeroIds(randomRequest(seeded(seed)))
      expect(read(wireToJson(encodeRequest(request))), `seed ${seed}`).toEqual(request)
    }
  })

  test('reads repeated, mixed and unknown fields as the oracle does', () => {
    for (let seed = 0; seed < 400; seed++) {
      const random = seeded(seed)
      const bytes = encodeWildly(randomRequest(random), random)
      // An id of another length is absent to the reader of JSON.
      const expected = decodeRequest(bytes)
      for (const { scopeLogs = [] } of expected.resourceLogs ?? [])
        for (const { logRecords = [] } of scopeLogs)
          for (const each of logRecords) {
            if (each.traceId?.length !== 16) delete each.traceId
            if (each.spanId?.length !== 8) delete each.spanId
          }
      expect(read(wireToJson(bytes)), `seed ${seed}`).toEqual(expected)
    }
  })

  test('is what JSON.parse reads too, on one line', () => {
    for (let seed = 0; seed < 300; seed++) {
      const text = wireToJson(encodeRequest(randomRequest(seeded(seed))))
      expect(text).not.toContain('\n')
      expect(() => JSON.parse(text), `seed ${seed}`).not.toThrow()
    }
  })

  test('never writes more than wireBytesMax, into a pooled buffer or its own', () => {
    const pool = Buffer.alloc(1 << 20)
    for (let seed = 0; seed < 400; seed++) {
      const text = Buffer.from(wireToJson(encodeRequest(randomRequest(seeded(seed)))))
      const pooled = jsonToWire(text, pool)
      expect(pooled.length).toBeLessThanOrEqual(wireBytesMax(text.length))
      expect(pooled.buffer).toBe(pool.buffer)
      expect(jsonToWire(text, Buffer.alloc(3)).equals(pooled)).toBe(true)
    }
    // What is densest in JSON: empty messages, in lists.
    for (const [open, item, close] of [
      ['{"resourceLogs":[', '{}', ']}'],
      ['{"resourceLogs":[{"scopeLogs":[', '{}', ']}]}'],
      ['{"resourceLogs":[{"scopeLogs":[{"logRecords":[', '{}', ']}]}]}'],
      ['{"resourceLogs":[{"resource":{"attributes":[', '{"key":"a"}', ']}}]}'],
      [inRecord('"body":{"arrayValue":{"values":[@]}}').split('@')[0]!, '{}', ']}}}]}]}]}'],
    ] as const) {
      const text = Buffer.from(`${open}${Array(500).fill(item).join(',')}${close}`)
      const bytes = jsonToWire(text)
      expect(bytes.length).toBeLessThan(text.length)
      expect(() => decodeRequest(bytes)).not.toThrow()
    }
  })
})

describe('OTLP/JSON', () => {
  test('takes the example of the specification', () => {
    const text = `{ "resourceLogs": [ { "resource": { "attributes": [ { "key": "service.name",
      "value": { "stringValue": "my.service" } } ] }, "scopeLogs": [ { "scope": { "name": "my.library",
      "version": "1.0.0", "attributes": [] }, "logRecords": [ { "timeUnixNano": "1544712660300000000",
      "observedTimeUnixNano": "1544712660300000000", "severityNumber": 10, "severityText": "Information",
      "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174",
      "body": { "stringValue": "Example log record" }, "attributes": [ { "key": "many.values",
      "value": { "arrayValue": { "values": [ { "stringValue": "many" }, { "stringValue": "values" } ] } } } ] } ] } ] } ] }`
    expect(read(text)).toEqual({
      resourceLogs: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'my.service' } }] },
          scopeLogs: [
            {
              scope: { name: 'my.library', version: '1.0.0' },
              logRecords: [
                {
                  timeUnixNano: 1544712660300000000n,
                  observedTimeUnixNano: 1544712660300000000n,
                  severityNumber: 10,
                  severityText: 'Information',
                  traceId: new Uint8Array(Buffer.from('5B8EFFF798038103D269B633813FC60C', 'hex')),
                  spanId: new Uint8Array(Buffer.from('EEE19B7EC3C1B174', 'hex')),
                  body: { stringValue: 'Example log record' },
                  attributes: [
                    {
                      key: 'many.values',
                      value: { arrayValue: { values: [{ stringValue: 'many' }, { stringValue: 'values' }] } },
                    },
                  ],
                },
              ],
            },
          ],
        },
      ],
    })
  })

  test.each([
    ['"0"', 0n],
    ['5', 5n],
    ['-7', -7n],
    ['"9223372036854775807"', 2n ** 63n - 1n],
    ['9223372036854775807', 2n ** 63n - 1n],
    ['"-9223372036854775808"', -(2n ** 63n)],
    ['-9223372036854775808', -(2n ** 63n)],
    ['9007199254740993', 2n ** 53n + 1n],
    ['1e3', 1000n],
    ['5.0', 5n],
    ['-12.50e2', -1250n],
    ['1200e-2', 12n],
    ['0e999999', 0n],
    ['-0', 0n],
    ['"\\u0031\\u0032"', 12n],
  ])('int64 %s', (json, expected) => {
    expect(value(`{"intValue":${json}}`)).toEqual({ intValue: expected })
  })

  test('every int64 and every uint64, as a string and as a number', () => {
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    fc.assert(
      fc.property(int64, (n) => {
        expect(value(`{"intValue":"${n}"}`).intValue).toBe(n)
        expect(value(`{"intValue":${n}}`).intValue).toBe(n)
      }),
      { seed: 1, numRuns: 500 },
    )
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), (n) => {
        expect(record(`"timeUnixNano":"${n}","observedTimeUnixNano":${n}`)).toEqual({
          timeUnixNano: n,
          observedTimeUnixNano: n,
        })
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  test.each([
    '5.5',
    '1e-1',
    '9223372036854775808',
    '"-9223372036854775809"',
    '18446744073709551616',
    '99999999999999999999',
    '100000000000000000000',
    '1e19',
    '1e999999999999',
    '"text"',
    '""',
    '" 5"',
    '"0x10"',
    '"+5"',
    '"007"',
    '05',
    'true',
    '{}',
    '-',
    '1.',
    '.5',
    `${'9'.repeat(40)}`,
  ])('is refused with intValue %s', (json) => {
    refused(inRecord(`"body":{"intValue":${json}}`))
  })

  test.each([
    ['1.5', 1.5],
    ['3', 3],
    ['-0', -0],
    ['-0.0', -0],
    ['0.1', 0.1],
    ['123456789012345', 123456789012345],
    ['1.7976931348623157e308', Number.MAX_VALUE],
    ['5e-324', 5e-324],
    ['1E+2', 100],
    ['"2.5"', 2.5],
    ['"NaN"', Number.NaN],
    ['"Infinity"', Infinity],
    ['"-Infinity"', -Infinity],
    ['0', 0],
  ])('double %s', (json, expected) => {
    expect(value(`{"doubleValue":${json}}`)).toEqual({ doubleValue: expected })
  })

  test('every double keeps its bits', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (n) => {
        const text = Object.is(n, -0) ? '-0' : String(n)
        expect(value(`{"doubleValue":${text}}`).doubleValue).toBe(n)
        expect(value(`{"doubleValue":${n.toFixed(3)}}`).doubleValue).toBe(Number(n.toFixed(3)))
      }),
      { seed: 1, numRuns: 1000 },
    )
  })

  test.each([
    '1e999',
    'NaN',
    'Infinity',
    '"nan"',
    '"1.5 "',
    '01',
    '00.5',
    '1.e1',
    '--1',
    '1.2.3',
    '.5',
    'null1',
    '"toString"',
  ])('is refused with doubleValue %s', (json) => {
    refused(inRecord(`"body":{"doubleValue":${json}}`))
  })

  test.each([
    ['"AQID"', [1, 2, 3]],
    ['"AQI="', [1, 2]],
    ['"AQI"', [1, 2]],
    ['"AQ=="', [1]],
    ['"AQ"', [1]],
    ['""', []],
    ['"-_-_"', [251, 255, 191]],
    ['"+/+/"', [251, 255, 191]],
    ['"+\\/+\\/"', [251, 255, 191]],
  ])('bytes %s', (json, expected) => {
    expect(value(`{"bytesValue":${json}}`)).toEqual({ bytesValue: Uint8Array.from(expected) })
  })

  test.each([
    '"A"',
    '"AQI=="',
    '"AQ="',
    '"A=QI"',
    '"AQ ID"',
    '"===="',
    '"=="',
    '"é"',
    '5',
    '[1]',
  ])('is refused with bytesValue %s', (json) => {
    refused(inRecord(`"body":{"bytesValue":${json}}`))
  })

  test('takes ids in either case; empty, all zero or of another length they are absent', () => {
    const traceId = Uint8Array.from([...Array(15).fill(0xab), 1])
    expect(record(`"traceId":"${'aB'.repeat(15)}01"`)).toEqual({ traceId })
    expect(record('"spanId":"00000000000000Ff"')).toEqual({ spanId: Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 255]) })
    for (const id of ['', '00', 'ab'.repeat(15), 'ab'.repeat(17), '00'.repeat(16)])
      expect(record(`"traceId":"${id}","spanId":"${id}"`)).toEqual({})
    for (const id of ['abc', 'zz'.repeat(16), `${'ab'.repeat(15)}g0`, 'AAAAAAAAAAAAAAAAAAAAAA==', ' '])
      refused(inRecord(`"traceId":"${id}"`))
    refused(inRecord('"traceId":5'))
  })

  test('takes enums as integers only; unknown ones are kept', () => {
    expect(record('"severityNumber":9')).toEqual({ severityNumber: 9 })
    expect(record('"severityNumber":9.0')).toEqual({ severityNumber: 9 })
    expect(record('"severityNumber":1000')).toEqual({ severityNumber: 1000 })
    expect(record('"severityNumber":-1')).toEqual({ severityNumber: -1 })
    for (const bad of ['"SEVERITY_NUMBER_INFO"', '"9"', '2147483648', '9.5', 'true'])
      refused(inRecord(`"severityNumber":${bad}`))
  })

  test('keeps counts and flags within 32 bits, times above zero', () => {
    expect(record('"flags":4294967295,"droppedAttributesCount":"7"')).toEqual({
      flags: 2 ** 32 - 1,
      droppedAttributesCount: 7,
    })
    for (const bad of ['"flags":4294967296', '"flags":-1', '"droppedAttributesCount":-1', '"timeUnixNano":-1'])
      refused(inRecord(bad))
    for (const bad of ['"-1"', '"18446744073709551616"', '"2024-01-01T00:00:00Z"', '1.5', 'true'])
      refused(inRecord(`"timeUnixNano":${bad}`))
  })

  test('takes null for any field as absent', () => {
    const all = Object.keys(allFields).map((name) => `"${name}":null`)
    expect(record(all.join(','))).toEqual({})
    expect(read('{"resourceLogs":null}')).toEqual({})
    expect(value('{"stringValue":null}')).toEqual({})
    expect(value('{"stringValue":null,"intValue":"5"}')).toEqual({ intValue: 5n })
    expect(value('{"arrayValue":{"values":null}}')).toEqual({ arrayValue: {} })
    refused('{"resourceLogs":[null]}')
    refused('null')
  })

  test('ignores unknown members at every level, whatever they hold', () => {
    const junk = String.raw`"x":{"a":[1,-2.5e3,"\u00e9\ud83d\ude00\ud800",true,false,null,{},[]],"resourceLogs":5}`
    const text = `{${junk},"resourceLogs":[{${junk},"resource":{${junk}},"scopeLogs":[{${junk},"scope":{${junk}},"logRecords":[
      {${junk},"body":{${junk},"stringValue":"b"},"attributes":[{${junk},"key":"k","value":{${junk}}}],"x":1,"x":2}]}]}]}`
    expect(read(text)).toEqual({
      resourceLogs: [
        {
          resource: {},
          scopeLogs: [
            { scope: {}, logRecords: [{ body: { stringValue: 'b' }, attributes: [{ key: 'k', value: {} }] }] },
          ],
        },
      ],
    })
  })

  test('knows no snake_case', () => {
    expect(read('{"resource_logs":[{}]}')).toEqual({})
    expect(record('"severity_text":"x","time_unix_nano":"5","trace_id":"zz","body":{"string_value":"x"}')).toEqual({
      body: {},
    })
  })

  test('reads a name that is written with escapes', () => {
    expect(record(String.raw`"\u0073everityText":"x","severityText\u0000":"y"`)).toEqual({ severityText: 'x' })
  })

  test('refuses a member that comes twice and a value of two kinds', () => {
    refused(inRecord('"severityText":"a","severityText":"b"'))
    refused(inRecord('"body":{"stringValue":"a","intValue":"1"}'))
    refused(inRecord('"body":{"stringValue":"a","stringValue":"a"}'))
  })

  test('reads every escape, and any text as JSON.stringify writes it', () => {
    expect(value(String.raw`{"stringValue":"\"\\\/\b\f\n\r\t\u00e9\u20AC\uD83D\uDE00"}`)).toEqual({
      stringValue: '"\\/\b\f\n\r\té€😀',
    })
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(value(`{"stringValue":${JSON.stringify(text)}}`).stringValue).toBe(text.toWellFormed())
      }),
      { seed: 1, numRuns: 1000 },
    )
  })

  test.each([
    [String.raw`\ud800`, '\ufffd'],
    [String.raw`a\udc00b`, 'a\ufffdb'],
    [String.raw`\ud800\ud83d\ude00`, '\ufffd😀'],
    [String.raw`\ud800\u0041`, '\ufffdA'],
    [String.raw`\ud800x`, '\ufffdx'],
  ])('makes the lone surrogate in %s valid', (json, expected) => {
    expect(value(`{"stringValue":"${json}"}`)).toEqual({ stringValue: expected })
  })

  test.each([
    '',
    ' ',
    '[]',
    '"x"',
    '5',
    'true',
    'nonsense',
    '{',
    '{}x',
    '{}{}',
    '{} {}',
    '{},',
    '{"resourceLogs":{}}',
    '{"resourceLogs":[{},]}',
    '{"resourceLogs":[],}',
    '{"resourceLogs":[,]}',
    "{'resourceLogs':[]}",
    '{resourceLogs:[]}',
    '{"resourceLogs":[}',
    '{"resourceLogs" []}',
    '{"x":NaN}',
    '{"x":+1}',
    '{"x":01}',
    '{"x":tru}',
    '{"x":"\\x41"}',
    '{"x":"\\u12g4"}',
    '{"x":"a\nb"}',
    '{"x":[1 2]}',
    '{"x":{"a":1,}}',
    '{"x":[}',
    '/* comment */ {}',
    '\ufeff{}',
    inRecord('"body":"text"'),
    inRecord('"body":{"boolValue":"true"}'),
    inRecord('"body":{"boolValue":1}'),
    inRecord('"body":{"stringValue":5}'),
    inRecord('"attributes":{"k":"v"}'),
    inRecord('"severityText":"tab\there"'),
  ])('refuses %j', (text) => {
    refused(text)
  })

  test('refuses text that is cut off anywhere', () => {
    const text = Buffer.from(wireToJson(encodeRequest(randomRequest(seeded(3)))))
    // Every cut near the start and the end, and one in seven between.
    for (let end = 0; end < text.length; end += end < 1000 || end > text.length - 100 ? 1 : 7)
      expect(() => jsonToWire(text.subarray(0, end))).toThrow(JsonError)
  })

  test('refuses text that is not UTF-8, and tells where', () => {
    const head = inRecord('"severityText":"grüße@"').split('@')[0]!
    for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80]]) {
      const error = refused(Buffer.concat([Buffer.from(head), Buffer.from(bad), Buffer.from('"}]}]}]}')]))
      expect(Math.abs(error.offset - Buffer.byteLength(head))).toBeLessThanOrEqual(4)
    }
  })

  test('tells the offset and never a word of the text', () => {
    const error = refused('{"resourceLogs":[{"secretName":"secret value"},oops]}')
    expect(error.code).toBe('json')
    expect(error.offset).toBe(47)
    for (const text of [
      '{"resourceLogs":[{"resource":{"attributes":[{"key":"secret"} secret',
      inRecord('"traceId":"secret"'),
    ])
      expect(refused(text).message).not.toContain('secret')
  })

  test('nests valueDepthMax values, and no more; 100,000 levels are refused at once', () => {
    const nested = (depth: number) =>
      `${'{"arrayValue":{"values":['.repeat(depth - 1)}{"intValue":"1"}${']}}'.repeat(depth - 1)}`
    const lists = (depth: number) =>
      `${'{"kvlistValue":{"values":[{"value":'.repeat(depth - 1)}{}${'}]}}'.repeat(depth - 1)}`
    for (const nest of [nested, lists]) {
      expect(() => value(nest(limits.valueDepthMax))).not.toThrow()
      refused(inRecord(`"body":${nest(limits.valueDepthMax + 1)}`))
      refused(inRecord(`"body":${nest(100_000)}`))
    }
    for (const text of [`{"x":${'['.repeat(100_000)}`, `{"x":${'{"x":'.repeat(100_000)}`, '['.repeat(100_000)])
      refused(text)
  })

  test('moves a large nested value once a level near the top only: 8 MiB, 60 deep, in a second', () => {
    const text = inRecord(
      `"body":${'{"arrayValue":{"values":['.repeat(60)}{"stringValue":"${'x'.repeat(8 << 20)}"}${']}}'.repeat(60)}`,
    )
    const before = performance.now()
    const bytes = jsonToWire(Buffer.from(text))
    expect(performance.now() - before).toBeLessThan(1000)
    expect(wireToJson(bytes)).toBe(text)
  })

  test('mutations of a valid text are read or refused, never anything else', () => {
    const random = seeded(7)
    const text = Buffer.from(wireToJson(encodeRequest(randomRequest(seeded(3)))))
    let refusals = 0
    for (let run = 0; run < 1500; run++) {
      const mutant = Buffer.from(text)
      mutant[Math.floor(random() * mutant.length)] = Math.floor(random() * 256)
      let bytes: Buffer
      try {
        bytes = jsonToWire(mutant)
      } catch (error) {
        expect(error).toBeInstanceOf(JsonError)
        refusals++
        continue
      }
      decodeRequest(bytes)
    }
    expect(refusals).toBeGreaterThan(500)
  })
})

const allFields: Record<keyof LogRecord, true> = {
  timeUnixNano: true,
  observedTimeUnixNano: true,
  severityNumber: true,
  severityText: true,
  body: true,
  attributes: true,
  droppedAttributesCount: true,
  flags: true,
  traceId: true,
  spanId: true,
  eventName: true,
}
