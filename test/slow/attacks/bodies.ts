/** Bodies that no SDK sends: mutated ones, and such as cost the reader as much as their size allows. */
import { record, request } from '../../e2e/requests.ts'
import { encodeRequest } from '../../oracle/otlp.ts'

const good = encodeRequest(
  request(
    'loud',
    Array.from({ length: 5 }, (_, n) =>
      record(`line ${n}`, { traceId: Buffer.alloc(16, n + 1), with: { a: 'b', n: BigInt(n), f: 0.5, ok: true } }),
    ),
  ),
)
const json = Buffer.from(
  '{"resourceLogs":[{"resource":{"attributes":[{"key":"k","value":{"stringValue":"v"}}]},"scopeLogs":[{"logRecords":[' +
    '{"timeUnixNano":"1","severityNumber":9,"body":{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"7"}}]}}}]}]}]}',
)

/** `random`: [0, 1). Up to four edits: a byte set, a piece cut, repeated or put elsewhere. */
export function mutated(random: () => number, kind: 'protobuf' | 'json'): Buffer {
  let bytes = kind === 'json' ? json : good
  const edits = 1 + Math.floor(random() * 4)
  for (let i = 0; i < edits; i++) {
    const at = Math.floor(random() * bytes.length)
    const length = Math.floor(random() * 40)
    const before = bytes.subarray(0, at)
    const piece = bytes.subarray(at, at + length)
    const after = bytes.subarray(at + length)
    const choice = random()
    if (choice < 0.4) bytes = Buffer.concat([before, Buffer.from([Math.floor(random() * 256)]), bytes.subarray(at + 1)])
    else if (choice < 0.6) bytes = Buffer.concat([before, after])
    else if (choice < 0.8) bytes = Buffer.concat([before, piece, piece, after])
    else bytes = Buffer.concat([piece, before, after])
  }
  return bytes
}

const varint = (n: number): Buffer => Buffer.from(n < 128 ? [n] : [(n & 127) | 128, ...varint(n >>> 7)])
const field = (tag: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([tag]), varint(content.length), content])
const [inRequest, inResource, inScope] = [0x0a, 0x12, 0x12]
const nested = (content: Buffer): Buffer => field(inRequest, field(inResource, field(inScope, content)))
const times = (bytes: number[], size: number): Buffer => Buffer.alloc(size - (size % bytes.length), Buffer.from(bytes))

/** By name: a body of about `size` bytes. Irregular ones have to be made regular first, which costs most. */
export const costly: Record<string, (size: number) => Buffer> = {
  'empty resources': (size) => times([0x0a, 0], size),
  'a resource that comes again and again': (size) => field(inRequest, times([0x0a, 0], size)),
  'empty records': (size) => field(inRequest, field(inResource, times([0x12, 0], size))),
  'a severity that comes again and again': (size) => nested(times([0x10, 9], size)),
  'a body that comes again and again': (size) => nested(times([0x2a, 0], size)),
  'empty attributes': (size) => nested(times([0x32, 0], size)),
  'unknown fields': (size) => times([0x78, 1], size),
  'a value of empty parts': (size) =>
    nested(Buffer.concat([times([0x10, 9], 4), field(0x2a, field(0x2a, times([0x0a, 0], size)))])),
  'regular small records': (size) => {
    const one = field(inScope, Buffer.concat([field(0x2a, field(0x0a, Buffer.from('a line')))]))
    return field(inRequest, field(inResource, times([...one], Math.min(size, 450_000 * one.length))))
  },
  'large records': (size) =>
    encodeRequest(
      request(
        'loud',
        Array.from({ length: Math.ceil(size / 500) }, (_, n) => record(`line ${n} `.repeat(45))),
      ),
    ),
  'large JSON': (size) => {
    const one =
      '{"timeUnixNano":"1","severityNumber":9,"body":{"stringValue":"line"},"attributes":[{"key":"a","value":{"intValue":"7"}}]}'
    const records = Array.from({ length: Math.floor(size / (one.length + 1)) }, () => one)
    return Buffer.from(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[${records.join(',')}]}]}]}`)
  },
  'JSON of empty records': (size) =>
    Buffer.from(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[${'{},'.repeat(Math.min(450_000, size / 3))}{}]}]}]}`),
  'irregular small records': (size) => {
    const attribute = field(
      0x32,
      Buffer.concat([field(0x0a, Buffer.from('key')), field(0x12, field(0x0a, Buffer.from('v')))]),
    )
    const one = Buffer.concat([times([0x10, 9], 4), attribute, attribute, attribute, attribute])
    const records = Math.min(49_000, Math.floor(size / (one.length + 2)))
    return field(inRequest, field(inResource, Buffer.alloc(records * (one.length + 2), field(inScope, one))))
  },
}
