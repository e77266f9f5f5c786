import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { jsonToWire, jsonToWireSteps, wireBytesMax, wireToJson } from '../../src/otlp/json.ts'
import { decodeRequest, encodeRequest, type LogRecord } from '../oracle/otlp.ts'
import { randomRequest, seeded } from '../oracle/random.ts'
import { inRecord, read, record, refused, value } from './json_reading.ts'

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
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
        expect(value(`{"stringValue":${JSON.stringify(text)}}`).stringValue).toBe(text.toWellFormed())
      }),
      { seed: 1, numRuns: 300 },
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

  test('in steps comes out what comes out at once, and the same complaint', () => {
    const told = (read: () => Buffer): string => {
      try {
        return read().toString('hex')
      } catch (error) {
        return (error as Error).message
      }
    }
    const before = limits.jsonBytesPerStep
    Object.assign(limits, { jsonBytesPerStep: 64 })
    let steps = 0
    const inSteps = (text: Buffer): Buffer => {
      const reading = jsonToWireSteps(text, Buffer.alloc(wireBytesMax(text.length)))
      for (;;) {
        const { done, value } = reading.next()
        if (done) return value
        steps++
      }
    }
    try {
      const random = seeded(8)
      for (let run = 0; run < 300; run++) {
        const text = Buffer.from(wireToJson(encodeRequest(randomRequest(random))))
        if (run % 3 === 0 && text.length > 0) text[Math.floor(random() * text.length)] = Math.floor(random() * 128)
        expect(told(() => inSteps(text))).toBe(told(() => jsonToWire(text)))
      }
    } finally {
      Object.assign(limits, { jsonBytesPerStep: before })
    }
    expect(steps).toBeGreaterThan(1000)
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
