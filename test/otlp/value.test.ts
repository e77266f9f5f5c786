import { describe, expect, test } from 'vitest'
import { WireError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { type AnyValue, decodeValue, encodeValue } from '../../src/otlp/value.ts'
import { decodeRequest, encodeRequest, type AnyValue as OracleValue } from '../oracle/otlp.ts'
import { damage, encodeWildly, randomValue, seeded } from '../oracle/random.ts'

/** The value in the oracle's form. */
function toOracle(value: AnyValue): OracleValue {
  switch (value.kind) {
    case 'empty':
      return {}
    case 'array':
      return { arrayValue: value.values.length === 0 ? {} : { values: value.values.map(toOracle) } }
    case 'kvlist': {
      const values = value.entries.map(({ key, value }) => ({ ...(key === '' ? {} : { key }), value: toOracle(value) }))
      return { kvlistValue: values.length === 0 ? {} : { values } }
    }
    default:
      return { [`${value.kind}Value`]: value.value }
  }
}

/** The oracle's form says whether an entry's value is there; the tree does not: both are an empty value. */
function withValues(value: OracleValue): OracleValue {
  if (value.arrayValue?.values) return { arrayValue: { values: value.arrayValue.values.map(withValues) } }
  if (value.kvlistValue?.values) {
    const values = value.kvlistValue.values.map((entry) => ({ ...entry, value: withValues(entry.value ?? {}) }))
    return { kvlistValue: { values } }
  }
  return value
}

const requestOf = (body: OracleValue) => ({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ body }] }] }] })

/** The content of the one body in a request of nothing else: found from the back, since all ends there. */
function bodyRange(bytes: Buffer, content: Buffer): [number, number] {
  return [bytes.length - content.length, bytes.length]
}

/** The bytes of a request that holds `content` as a body, for the oracle to read. */
function wrap(content: Uint8Array): Buffer {
  let bytes = Buffer.from(content)
  for (const tag of [0x2a, 0x12, 0x12, 0x0a]) bytes = Buffer.concat([Buffer.from([tag]), length(bytes.length), bytes])
  return bytes
}
function length(n: number): Buffer {
  const bytes: number[] = []
  let rest = n
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}
const oracleRead = (content: Uint8Array): OracleValue => {
  const body = decodeRequest(wrap(content)).resourceLogs?.[0]?.scopeLogs?.[0]?.logRecords?.[0]?.body
  return withValues(body ?? {})
}

/** The wire content of a value as `encodeWildly` writes it: cut out of a request that has one entry. */
function wild(value: OracleValue, seed: number): Buffer {
  const random = seeded(seed)
  for (let tries = 0; tries < 50; tries++) {
    const bytes = encodeWildly(requestOf(value), random)
    const inner = contents(bytes)
    if (inner !== undefined) return inner
  }
  return Buffer.from(encodeValue({ kind: 'empty' }))
}

/** Follows the chain of single fields down to the body; undefined where something else stands beside them. */
function contents(bytes: Buffer): Buffer | undefined {
  let rest = bytes
  for (const tag of [0x0a, 0x12, 0x12, 0x2a]) {
    if (rest[0] !== tag) return undefined
    let at = 1
    let size = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = rest[at++] ?? 0
      size += (byte & 0x7f) * shift
      if (byte < 128) break
    }
    if (at + size !== rest.length) return undefined
    rest = rest.subarray(at)
  }
  return rest
}

describe('values as a tree', () => {
  test('are read as the oracle reads them, and written as protobufjs writes them', () => {
    for (let seed = 0; seed < 3000; seed++) {
      const value = randomValue(seeded(seed))
      const bytes = encodeRequest(requestOf(value))
      const content = contents(bytes)!
      const [start, end] = bodyRange(bytes, content)
      const tree = decodeValue(bytes, start, end)
      expect(toOracle(tree), `seed ${seed}`).toEqual(withValues(value))
      expect(Buffer.from(encodeValue(tree)), `seed ${seed}`).toEqual(
        contents(encodeRequest(requestOf(withValues(value)))),
      )
    }
  })

  test('merge, overrule and skip as the oracle does, whatever a sender writes', () => {
    let unusual = 0
    for (let seed = 0; seed < 3000; seed++) {
      const value = randomValue(seeded(seed))
      const content = wild(value, seed)
      const tree = decodeValue(content, 0, content.length)
      expect(toOracle(tree), `seed ${seed}`).toEqual(oracleRead(content))
      if (!Buffer.from(encodeValue(tree)).equals(content)) unusual++
    }
    expect(unusual).toBeGreaterThan(300)
  })

  test('of damaged bytes are refused, or read as the oracle does', () => {
    let refused = 0
    let read = 0
    for (let seed = 0; seed < 5000; seed++) {
      const random = seeded(seed)
      const content = damage(contents(encodeRequest(requestOf(randomValue(random))))!, random)
      let expected: OracleValue
      try {
        expected = oracleRead(content)
      } catch {
        refused++
        // The oracle refuses invalid UTF-8; this reader makes it valid.
        try {
          decodeValue(content, 0, content.length)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
        continue
      }
      read++
      expect(toOracle(decodeValue(content, 0, content.length)), `seed ${seed}`).toEqual(expected)
    }
    expect(Math.min(refused, read)).toBeGreaterThan(500)
  })

  test.each([
    ['a string as a varint', [0x08, 1]],
    ['a bool as a string', [0x12, 1, 0x61]],
    ['a double as a fixed32', [0x25, 0, 0, 0, 0]],
    ['an array as a group', [0x2b, 0x2c]],
    ['a list item as a varint', [0x2a, 2, 0x08, 1]],
    ['a key as a varint', [0x32, 4, 0x0a, 2, 0x08, 1]],
    ['field number zero', [0x02, 0]],
    ['wire type 6', [0x7e]],
    ['the end of a group that is not open', [0x7c]],
    ['a group without end', [0x7b, 0x08, 1]],
    ['the end of another group', [0x7b, 0x74]],
    ['a cut varint', [0x18, 0x80]],
    ['a varint of eleven bytes', [0x18, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1]],
    ['a cut double', [0x21, 0, 0, 0]],
    ['a string past the end', [0x0a, 5, 0x61]],
    ['a list past its end', [0x2a, 5, 0x0a, 0]],
    ['an item past its list', [0x2a, 2, 0x0a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['an unknown fixed64 that is cut', [0x79, 0, 0]],
    ['a length of 2^63', [0x0a, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1]],
  ])('refuse %s', (_, bytes) => {
    expect(() => decodeValue(Uint8Array.from(bytes), 0, bytes.length)).toThrow(WireError)
  })

  test('make invalid UTF-8 valid', () => {
    const value = decodeValue(Uint8Array.from([0x0a, 3, 0x61, 0xff, 0x62]), 0, 5)
    expect(value).toEqual({ kind: 'string', value: 'a\ufffdb' })
  })

  test('may nest valueDepthMax deep, and no deeper: 100,000 levels neither kill nor stall', () => {
    const nest = (depth: number): AnyValue => {
      let value: AnyValue = { kind: 'int', value: 1n }
      for (let level = 1; level < depth; level++) value = { kind: 'array', values: [value] }
      return value
    }
    const deepest = nest(limits.valueDepthMax)
    const bytes = encodeValue(deepest)
    expect(decodeValue(bytes, 0, bytes.length)).toEqual(deepest)
    expect(() => encodeValue(nest(limits.valueDepthMax + 1))).toThrow(RangeError)
    let deep = Buffer.alloc(0)
    const parts: Buffer[] = []
    let size = 0
    for (let level = 0; level < 100_000; level++) {
      const inner = Buffer.concat([Buffer.from([0x0a]), length(size)])
      const outer = Buffer.concat([Buffer.from([0x2a]), length(size + inner.length)])
      parts.push(inner, outer)
      size += inner.length + outer.length
    }
    deep = Buffer.concat(parts.reverse())
    expect(() => decodeValue(deep, 0, deep.length)).toThrow(WireError)
  })

  test('are copies: the bytes they came from may change', () => {
    const bytes = Uint8Array.from([0x3a, 2, 1, 2])
    const value = decodeValue(bytes, 0, 4)
    bytes.fill(9)
    expect(value).toEqual({ kind: 'bytes', value: Uint8Array.of(1, 2) })
  })

  test('that hold an int of more than 64 bits are not written', () => {
    expect(() => encodeValue({ kind: 'int', value: 2n ** 63n })).toThrow(RangeError)
  })

  test('larger than the writer keeps room for are written whole', () => {
    const value: AnyValue = { kind: 'string', value: 'x'.repeat(limits.valueScratchBytesMax + 1) }
    const bytes = encodeValue(value)
    expect(decodeValue(bytes, 0, bytes.length)).toEqual(value)
  })
})
