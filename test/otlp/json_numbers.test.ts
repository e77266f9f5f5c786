import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inRecord, record, refused, value } from './json_reading.ts'

describe('numbers, bytes and ids in OTLP/JSON', () => {
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
      { seed: 1, numRuns: 300 },
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
})
