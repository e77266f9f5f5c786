import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  byteSize,
  compareRetention,
  duration,
  parseBytes,
  parseDurationMs,
  parseRetention,
  retention,
  retentionEndMs,
} from '../src/units.ts'

describe('durations', () => {
  it.each([
    ['0', 0],
    ['0s', 0],
    ['500ms', 500],
    ['5s', 5000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
    ['250us', 0.25],
    ['250µs', 0.25],
    ['1000000ns', 1],
  ])('%s is %d ms', (text, ms) => expect(parseDurationMs(text)).toBeCloseTo(ms, 9))

  it.each(['', '5', '5 s', 's', '-5s', '1h30', '1mo', '5S', '1e3s', '٥s', '5s '])('%j is none', (text) => {
    expect(() => parseDurationMs(text)).toThrow(/not a duration.*500ms/)
  })
})

describe('sizes', () => {
  it.each([
    ['64MiB', 67_108_864],
    ['1.5KiB', 1536],
    ['1GB', 1_000_000_000],
    ['4096', 4096],
    ['4096B', 4096],
    ['2 kB', 2000],
    [0, 0],
    [123, 123],
  ])('%s is %d bytes', (size, bytes) => expect(parseBytes(size)).toBe(bytes))

  it.each(['', '-1', 'MiB', '1Mib', '1M', '0.3B', 1.5, -1, Number.NaN, 1e300, '9999999TiB'])('%j is none', (size) => {
    expect(() => parseBytes(size)).toThrow(/not a size.*64MiB/)
  })
})

describe('retentions', () => {
  it.each([
    ['18mo', 18, 0],
    ['7y', 84, 0],
    ['1y6mo', 18, 0],
    ['6d', 0, 6 * 86_400_000],
    ['2w', 0, 14 * 86_400_000],
    ['12h', 0, 43_200_000],
  ])('%s', (text, months, ms) => expect(parseRetention(text)).toEqual({ text, months, ms }))

  it.each(['18m', '0d', '', '18', '-1mo', '1.5y', '101y', '1mo 3d', '99999999d'])('%j is none', (text) => {
    expect(() => parseRetention(text)).toThrow(/not a retention/)
  })

  it.each([
    ['2024-01-31T10:00:00Z', '1mo', '2024-02-29T10:00:00.000Z'],
    ['2023-01-31T10:00:00Z', '1mo', '2023-02-28T10:00:00.000Z'],
    ['2024-02-29T00:00:00Z', '7y', '2031-02-28T00:00:00.000Z'],
    ['2026-11-21T00:00:00Z', '18mo', '2028-05-21T00:00:00.000Z'],
    ['2026-12-31T23:59:59Z', '6d', '2027-01-06T23:59:59.000Z'],
  ])('%s + %s', (from, text, end) => {
    expect(new Date(retentionEndMs(Date.parse(from), parseRetention(text))).toISOString()).toBe(end)
  })

  it('a longer one ends later, from any day, and the order agrees with the ends by a day or two', () => {
    const text = fc.tuple(fc.integer({ min: 1, max: 90 }), fc.constantFrom('d', 'w', 'mo', 'y')).map((p) => p.join(''))
    const day = fc.integer({ min: 0, max: 40_000 }).map((days) => days * 86_400_000)
    fc.assert(
      fc.property(text, text, day, (a, b, from) => {
        const [first, second] = [parseRetention(a), parseRetention(b)]
        const apart = retentionEndMs(from, first) - retentionEndMs(from, second)
        expect(Math.abs(apart - compareRetention(first, second))).toBeLessThan(5 * 86_400_000)
        expect(compareRetention(first, second)).toBe(-compareRetention(second, first) || 0)
      }),
      { seed: 2, numRuns: 500 },
    )
  })
})

it('as schemas they give numbers, name the path, and can be written as JSON schema', () => {
  const schema = z.strictObject({ timeout: duration().default(5000), size: byteSize(), keep: retention() })
  expect(schema.parse({ size: '1KiB', keep: '1y' })).toEqual({
    timeout: 5000,
    size: 1024,
    keep: { text: '1y', months: 12, ms: 0 },
  })
  const issues = schema.safeParse({ timeout: '5', size: 'x', keep: 'x' }).error!.issues
  expect(issues.map(({ path }) => path.join('.'))).toEqual(['timeout', 'size', 'keep'])
  expect(() => z.toJSONSchema(schema, { io: 'input' })).not.toThrow()
})
