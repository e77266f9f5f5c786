import { describe, expect, test } from 'vitest'
import { jsonToWire, wireBytesMax, wireToJson } from '../../src/otlp/json.ts'
import { LogsRequest } from '../../src/otlp/request.ts'
import { scan } from '../../src/otlp/scan.ts'
import { decodeRequest, encodeRequest, type Request } from '../oracle/otlp.ts'
import { encodeWildly, randomRequest, seeded } from '../oracle/random.ts'
import { inRecord, read } from './json_reading.ts'

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
    for (let seed = 0; seed < 250; seed++) {
      const request = withoutZeroIds(randomRequest(seeded(seed)))
      expect(read(wireToJson(encodeRequest(request))), `seed ${seed}`).toEqual(request)
    }
  })

  test('reads repeated, mixed and unknown fields as the oracle does', () => {
    for (let seed = 0; seed < 250; seed++) {
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
    for (let seed = 0; seed < 250; seed++) {
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

  test('what comes from JSON takes the quick way through the scan', () => {
    const request = new LogsRequest()
    const deep = `${'{"arrayValue":{"values":['.repeat(20)}{"stringValue":"${'x'.repeat(300)}"}${']}}'.repeat(20)}`
    const texts = Array.from({ length: 100 }, (_, seed) => wireToJson(encodeRequest(randomRequest(seeded(seed)))))
    for (const text of [...texts, inRecord(`"body":${deep}`)])
      expect(scan(request, jsonToWire(Buffer.from(text)))).toBe(true)
  })
})
