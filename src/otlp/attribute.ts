/** Attribute fields as bytes: written once, and added to many records. */
import { Arena } from './arena.ts'
import { Kind, Tag } from './fields.ts'
import { type AnyValue, encodeValue } from './value.ts'
import { readVarint64, varintLength, wire, writeVarint } from './wire.ts'

/** An attribute field, and where its parts are in it. */
export interface PreparedAttribute {
  readonly field: Uint8Array
  readonly keyFrom: number
  readonly keyTo: number
  readonly valueFrom: number
  readonly kind: Kind
}

/** An attribute that is added often: its bytes, once. */
export function prepareAttribute(tag: number, key: string, value: AnyValue): PreparedAttribute {
  const arena = new Arena()
  const encoded = encodeValue(value).slice()
  const from = writeAttribute(arena, tag, key, encoded)
  const valueAt = arena.used - encoded.length
  const [kind, valueFrom] = innerValue(arena.bytes, valueAt, arena.used)
  const keyTo = valueAt - 1 - varintLength(encoded.length) - from
  const field = Uint8Array.from(arena.bytes.subarray(from, arena.used))
  return { field, keyFrom: keyTo - Buffer.byteLength(key), keyTo, valueFrom: valueFrom - from, kind }
}

/** Writes an attribute field into the arena and returns where it begins; it ends at `arena.used`. */
export function writeAttribute(arena: Arena, tag: number, key: string, value: Uint8Array): number {
  const keyLength = Buffer.byteLength(key)
  const content = 1 + varintLength(keyLength) + keyLength + 1 + varintLength(value.length) + value.length
  const from = arena.reserve(1 + varintLength(content) + content)
  const out = arena.bytes
  out[from] = tag
  let next = writeVarint(out, from + 1, content)
  out[next] = Tag.keyValue.key
  next = writeVarint(out, next + 1, keyLength)
  next += out.utf8Write(key, next, keyLength)
  out[next] = Tag.keyValue.value
  next = writeVarint(out, next + 1, value.length)
  out.set(value, next)
  arena.used = next + value.length
  return from
}

/** The kind of a canonical AnyValue message and where its inner value begins; it ends with the message. */
export function innerValue(bytes: Buffer, from: number, to: number): [kind: Kind, valueFrom: number] {
  if (from === to) return [Kind.Empty, to]
  const tag = bytes[from]!
  const kind = (tag >>> 3) as Kind
  if ((tag & 7) !== 2) return [kind, from + 1]
  readVarint64(bytes, from + 1, to)
  return [kind, wire.at]
}

/** The AnyValue message inside a regular KeyValue field: empty where it has none. */
export function anyValueOf(bytes: Buffer, from: number, to: number): [from: number, to: number] {
  readVarint64(bytes, from + 1, to)
  let at = wire.at
  while (at < to) {
    const tag = bytes[at]!
    const length = readVarint64(bytes, at + 1, to)
    if (tag === Tag.keyValue.value) return [wire.at, wire.at + length]
    at = wire.at + length
  }
  return [to, to]
}
