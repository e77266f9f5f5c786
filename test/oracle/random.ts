/**
 * Seeded random requests and seeded damage to their bytes, for every fast path to be held against the oracle.
 *
 * `randomRequest` makes what is valid; `encodeWildly` writes it as few senders do but protobuf allows (fields out of
 * order and twice, long varints, unknown fields and groups); `damage` makes it invalid, mostly.
 */
import protobuf from 'protobufjs'
import { type AnyValue, type KeyValue, type LogRecord, type Request, requestType, wireTypeOf } from './otlp.ts'

/** A number in [0, 1), as `Math.random`. */
export type Random = () => number

/** mulberry32: small, fast, the same on every machine. */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const below = (random: Random, n: number): number => Math.floor(random() * n)
const pick = <T>(random: Random, from: readonly T[]): T => from[below(random, from.length)] as T
const chance = (random: Random, share: number): boolean => random() < share
const times = <T>(n: number, make: () => T): T[] => Array.from({ length: n }, make)

const keys = [
  '',
  'k',
  'tenant.id',
  'user.email',
  'http.request.header.x',
  'ключ',
  '🔑',
  'a b"c\\d',
  '__proto__',
  'constructor',
]
const texts = [
  '',
  'a',
  'plain text',
  'line\nbreak\t"quoted" \\',
  'Grüße an José',
  '日本語のログ',
  '🙂🙃',
  'nul\u0000 and \u007f',
  'a@b.example',
]
const ints = [0n, 1n, -1n, 127n, 128n, 2n ** 31n, -(2n ** 31n), 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]
const doubles = [0, -0, 1, -1.5, 1e-320, Number.MAX_VALUE, 5e-324, Number.NaN, Infinity, -Infinity, 0.1, 2 ** 53]
const nanos = [0n, 1n, 1_700_000_000_000_000_000n, 2n ** 63n, 2n ** 64n - 1n]

function text(random: Random): string {
  if (chance(random, 0.01)) return pick(random, texts).repeat(below(random, 3000))
  return chance(random, 0.6) ? pick(random, texts) : times(below(random, 40), () => pick(random, texts)).join(' ')
}

const bytes = (random: Random, length: number): Uint8Array => Uint8Array.from(times(length, () => below(random, 256)))

export function randomValue(random: Random, depth = 0): AnyValue {
  const kind = below(random, depth > 6 ? 6 : 8)
  switch (kind) {
    case 0:
      return {}
    case 1:
      return { boolValue: chance(random, 0.5) }
    case 2:
      return { intValue: pick(random, ints) }
    case 3:
      return { doubleValue: pick(random, doubles) }
    case 4:
      return { bytesValue: bytes(random, below(random, 20)) }
    case 5:
      return { stringValue: text(random) }
    case 6:
      return { arrayValue: { values: times(1 + below(random, 4), () => randomValue(random, depth + 1)) } }
    default:
      return { kvlistValue: { values: times(1 + below(random, 4), () => randomEntry(random, depth + 1)) } }
  }
}

export function randomEntry(random: Random, depth = 0): KeyValue {
  const key = chance(random, 0.7) ? pick(random, keys) : `key.${below(random, 1000)}`
  const value = chance(random, 0.5) ? { stringValue: text(random) } : randomValue(random, depth)
  return { ...(key === '' ? {} : { key }), ...(chance(random, 0.02) ? {} : { value }) }
}

/** Drops members that are absent or default, as the oracle's reader does. */
function present<T extends object>(message: T): T {
  const kept = Object.entries(message).filter(([, value]) => {
    if (value === undefined || value === 0 || value === 0n || value === '') return false
    return !((Array.isArray(value) || value instanceof Uint8Array) && value.length === 0)
  })
  return Object.fromEntries(kept) as T
}

const attributes = (random: Random): KeyValue[] => times(below(random, 6), () => randomEntry(random))

export function randomRecord(random: Random): LogRecord {
  const maybe = <T>(make: () => T): T | undefined => (chance(random, 0.6) ? make() : undefined)
  return present({
    timeUnixNano: maybe(() => pick(random, nanos)),
    severityNumber: maybe(() => pick(random, [0, 1, 9, 17, 24, 25, -1, 1000])),
    severityText: maybe(() => text(random)),
    body: maybe(() => randomValue(random)),
    attributes: attributes(random),
    droppedAttributesCount: maybe(() => pick(random, [0, 1, 2 ** 32 - 1])),
    flags: maybe(() => pick(random, [0, 1, 2 ** 32 - 1])),
    traceId: maybe(() => bytes(random, pick(random, [16, 16, 16, 0]))),
    spanId: maybe(() => bytes(random, pick(random, [8, 8, 8, 0]))),
    observedTimeUnixNano: maybe(() => pick(random, nanos)),
    eventName: maybe(() => pick(random, ['auth.login', 'export.docx', ''])),
  } as LogRecord)
}

/** A valid request: all kinds of values, nested, empty and long ones. */
export function randomRequest(random: Random): Request {
  const dropped = () => pick(random, [0, 0, 3])
  const scopeLogs = () =>
    present({
      ...(chance(random, 0.8) && {
        scope: present({
          name: pick(random, ['', 'lib', 'ßcope']),
          version: pick(random, ['', '1.2.3']),
          attributes: attributes(random),
          droppedAttributesCount: dropped(),
        }),
      }),
      logRecords: times(below(random, 6), () => randomRecord(random)),
      schemaUrl: pick(random, ['', 'https://opentelemetry.io/schemas/1.30.0']),
    })
  const resourceLogs = () =>
    present({
      ...(chance(random, 0.8) && {
        resource: present({ attributes: attributes(random), droppedAttributesCount: dropped() }),
      }),
      scopeLogs: times(below(random, 4), scopeLogs),
      schemaUrl: pick(random, ['', 'https://opentelemetry.io/schemas/1.30.0']),
    })
  return present({ resourceLogs: times(below(random, 4), resourceLogs) })
}

/**
 * Writes a request as protobuf allows but few senders do. It reads back as the same request, except that a singular
 * message which comes twice is merged: what came first is what `decodeRequest` says it is.
 */
export function encodeWildly(request: Request, random: Random): Buffer {
  return encodeMessage(requestType, request as Record<string, unknown>, random)
}

function encodeMessage(type: protobuf.Type, message: Record<string, unknown>, random: Random): Buffer {
  const fields: Buffer[][] = []
  for (const field of type.fieldsArray) {
    const value = message[field.name]
    if (value === undefined) continue
    const items = field.repeated ? (value as unknown[]) : [value]
    const run = items.map((item) => encodeField(field, item, random))
    if (!field.repeated && chance(random, 0.1)) {
      const loser = chance(random, 0.5) ? pick(random, type.fieldsArray) : field
      if (field.partOf !== null || loser === field) run.unshift(encodeLoser(loser, random))
    }
    fields.push(run)
  }
  if (chance(random, 0.3)) shuffle(fields, random)
  const out: Buffer[] = fields.flat()
  while (chance(random, 0.15)) out.splice(below(random, out.length + 1), 0, unknownField(random))
  return Buffer.concat(out)
}

/** An earlier occurrence of a field, to be overruled by the real one (or merged with it). */
function encodeLoser(field: protobuf.Field, random: Random): Buffer {
  const losers: Record<string, unknown> = {
    string: 'loser',
    bytes: bytes(random, 5),
    bool: true,
    double: 7.5,
    int64: 99n,
    fixed64: 99n,
  }
  if (field.resolvedType instanceof protobuf.Type) {
    const values = field.type === 'ArrayValue' ? { values: [{ intValue: 3n }] } : {}
    return encodeField(field, field.type === 'AnyValue' ? randomValue(random, 6) : values, random)
  }
  return encodeField(field, losers[field.type] ?? 99, random)
}

function encodeField(field: protobuf.Field, value: unknown, random: Random): Buffer {
  const tag = varint(BigInt((field.id << 3) | (wireTypeOf[field.type] ?? 2)), random)
  if (field.resolvedType instanceof protobuf.Type) {
    const content = encodeMessage(field.resolvedType, value as Record<string, unknown>, random)
    return Buffer.concat([tag, varint(BigInt(content.length), random), content])
  }
  return Buffer.concat([tag, scalar(field.type, value, random)])
}

function scalar(type: string, value: unknown, random: Random): Buffer {
  const out = Buffer.alloc(8)
  switch (type) {
    case 'string':
    case 'bytes': {
      const content = type === 'string' ? Buffer.from(value as string) : Buffer.from(value as Uint8Array)
      return Buffer.concat([varint(BigInt(content.length), random), content])
    }
    case 'fixed64':
      out.writeBigUInt64LE(value as bigint)
      return out
    case 'double':
      out.writeDoubleLE(value as number)
      return out
    case 'fixed32':
      out.writeUInt32LE(value as number)
      return out.subarray(0, 4)
    case 'bool':
      return varint(value === true ? 1n : 0n, random)
    default:
      return varint(BigInt.asUintN(64, BigInt(value as number | bigint)), random)
  }
}

/** A varint, now and then longer than it needs to be (but at most five bytes where it would have fitted there). */
export function varint(value: bigint, random: Random = () => 1): Buffer {
  const groups: number[] = []
  let rest = value
  do {
    groups.push(Number(rest & 0x7fn))
    rest >>= 7n
  } while (rest !== 0n)
  if (groups.length < 5 && chance(random, 0.05)) while (groups.length < 5 && chance(random, 0.7)) groups.push(0)
  return Buffer.from(groups.map((group, index) => (index === groups.length - 1 ? group : group | 0x80)))
}

function unknownField(random: Random, depth = 0): Buffer {
  const number = pick(random, [13, 15, 100, 2047, 2 ** 29 - 1])
  const kind = pick(random, depth > 3 ? [0, 1, 2, 5] : [0, 1, 2, 5, 3])
  const tag = varint((BigInt(number) << 3n) | BigInt(kind))
  if (kind === 0) return Buffer.concat([tag, varint(BigInt(below(random, 2 ** 31)))])
  if (kind === 1) return Buffer.concat([tag, bytes(random, 8)])
  if (kind === 5) return Buffer.concat([tag, bytes(random, 4)])
  if (kind === 2) {
    const content = bytes(random, below(random, 200))
    return Buffer.concat([tag, varint(BigInt(content.length)), content])
  }
  const inside = times(below(random, 3), () => unknownField(random, depth + 1))
  return Buffer.concat([tag, ...inside, varint((BigInt(number) << 3n) | 4n)])
}

function shuffle(items: unknown[], random: Random): void {
  for (let index = items.length - 1; index > 0; index--) {
    const other = below(random, index + 1)
    ;[items[index], items[other]] = [items[other], items[index]]
  }
}

/** Damages bytes: cuts, flips, removes, doubles or inserts some. The result may still be valid. */
export function damage(valid: Uint8Array, random: Random): Buffer {
  const at = below(random, valid.length + 1)
  const length = below(random, Math.min(16, valid.length - at + 1))
  const head = valid.subarray(0, at)
  const tail = valid.subarray(at)
  switch (below(random, 5)) {
    case 0:
      return Buffer.from(head)
    case 1: {
      const flipped = Buffer.from(valid)
      if (at < flipped.length) flipped[at] = (flipped[at] as number) ^ (1 << below(random, 8))
      return flipped
    }
    case 2:
      return Buffer.concat([head, valid.subarray(at + length)])
    case 3:
      return Buffer.concat([head, tail.subarray(0, length), tail])
    default:
      return Buffer.concat([head, bytes(random, 1 + length), tail])
  }
}
