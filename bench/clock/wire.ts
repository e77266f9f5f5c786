/** A batch as an ExportLogsServiceRequest: the few fields that clocks are about. Written anew, for speed. */
import type { Delivery } from './world.ts'

const NANOS = 1_000_000n
let out = Buffer.alloc(1 << 16)
let at = 0

function room(bytes: number): void {
  if (at + bytes > out.length) out = Buffer.concat([out], out.length * 2)
}
function varint(value: number): void {
  let rest = value
  while (rest > 127) {
    out[at++] = (rest & 127) | 128
    rest >>>= 7
  }
  out[at++] = rest
}
const varintLength = (value: number): number => (value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4)

/** Milliseconds as nanoseconds, to the microsecond. */
export const nanos = (ms: number): bigint => BigInt(Math.round(ms * 1000)) * (NANOS / 1000n)
/** What a machine writes: times in other units are whole ones. */
const written = (ms: number): bigint => (ms < 1e10 ? BigInt(Math.floor(ms * 1e6)) : nanos(ms))

const FIXED = 9
const TRACE = 18

type Encodable = Pick<Delivery, 'source' | 'events'>

/** The bytes are valid until the next call. */
export function encode({ source, events }: Encodable): Buffer {
  at = 0
  room(256 + events.length * 64)
  const key = 'host.id'
  const value = 2 + source.length
  const pair = 2 + key.length + 2 + value
  const resource = 2 + pair
  let records = 0
  const sizes = events.map((event) => sizeOf(event))
  for (const size of sizes) records += 1 + varintLength(size) + size
  const scopes = records
  const group = 2 + resource + 1 + varintLength(scopes) + scopes
  field(0x0a, group)
  field(0x0a, resource)
  field(0x0a, pair)
  text(0x0a, key)
  field(0x12, value)
  text(0x0a, source)
  field(0x12, scopes)
  for (const [i, event] of events.entries()) {
    field(0x12, sizes[i]!)
    if (event.stamped !== 0) instant(0x09, event.stamped)
    if (event.trace !== 0) {
      field(0x4a, 16)
      out.fill(0x5a, at, at + 16)
      out.writeUInt32LE(event.trace, at + 8)
      out.writeUInt32LE(Math.imul(event.trace, 0x9e3779b1) >>> 0, at + 12)
      at += 16
    }
    if (event.observed !== 0) instant(0x59, event.observed)
  }
  return out.subarray(0, at)
}

const sizeOf = ({ stamped, observed, trace }: Delivery['events'][number]): number =>
  (stamped === 0 ? 0 : FIXED) + (observed === 0 ? 0 : FIXED) + (trace === 0 ? 0 : TRACE)

function field(tag: number, length: number): void {
  out[at++] = tag
  varint(length)
}
function text(tag: number, value: string): void {
  field(tag, value.length)
  at += out.latin1Write(value, at, value.length)
}
function instant(tag: number, ms: number): void {
  out[at++] = tag
  out.writeBigUInt64LE(BigInt.asUintN(64, written(ms)), at)
  at += 8
}
