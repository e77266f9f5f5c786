/**
 * OTLP values as PostgreSQL's JSONB, and back. Every value comes back as it was, its kind included:
 *
 *   string         a string. PostgreSQL refuses U+0000, so U+E000 is an escape character: U+0000 is stored as
 *                  U+E000 `0`, and U+E000 itself as U+E000 `1`. The same goes for keys and for text columns
 *   bool, int      true, 42 (JSONB numbers are exact, beyond 2^53 too)
 *   double         with a fraction or an exponent, so that 1.0 is not the int 1; NaN, the infinities and -0, which JSON
 *                  does not have, are {"$double": "NaN"}
 *   bytes          {"$bytes": "<base64>"}
 *   array, kvlist  an array, an object. Keys that start with `$` get one more `$`. Of equal keys the last one counts
 *   empty          null
 *
 * Ordinary values are copied from the wire without making a JavaScript value of them; the rest goes through the tree.
 */
import { Tag } from '../../src/otlp/fields.ts'
import { type AnyValue, decodeValue } from '../../src/otlp/value.ts'
import { readLength, readTag, readVarint64, wire } from '../../src/otlp/wire.ts'
import type { RowBuffer } from './row_buffer.ts'

const quote = 0x22
const backslash = 0x5c
/** The first byte of U+E000 in UTF-8 (EE 80 80), and of other characters. */
const escapeLead = 0xee

/** 1 for bytes that cannot stand in a JSON string as they are. */
const special = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte < 0x20 || byte === quote || byte === backslash || byte === escapeLead),
)

const needsEscape = /[\0\uE000]/
export const escapeText = (text: string): string =>
  needsEscape.test(text) ? text.replace(/[\0\uE000]/g, (c) => (c === '\0' ? '\uE0000' : '\uE0001')) : text
export const unescapeText = (text: string): string =>
  text.includes('\uE000') ? text.replace(/\uE000([01])/g, (_, which) => (which === '0' ? '\0' : '\uE000')) : text

/** Writes source[start, end), valid UTF-8, as the content of a text column. */
export function writeText(out: RowBuffer, source: Buffer, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    const byte = source[i]!
    if (byte === 0 || byte === escapeLead) {
      out.appendText(escapeText(source.utf8Slice(start, end)))
      return
    }
  }
  out.append(source, start, end)
}

/** Writes source[start, end), valid UTF-8, as a JSON string. */
export function writeJsonString(out: RowBuffer, source: Buffer, start: number, end: number): void {
  out.reserve(end - start + 2)
  const { bytes } = out
  let to = out.at
  bytes[to++] = quote
  for (let from = start; from < end; from++) {
    const byte = source[from]!
    if (special[byte] === 1) {
      out.appendText(JSON.stringify(escapeText(source.utf8Slice(start, end))))
      return
    }
    bytes[to++] = byte
  }
  bytes[to++] = quote
  out.at = to
}

/** Writes the AnyValue message source[start, end) as JSON. */
export function writeJsonValue(out: RowBuffer, source: Buffer, start: number, end: number): void {
  // A message of exactly one field is what everybody sends. Anything else is for the tree, which knows the rules.
  const isText = start < end && source[start] === Tag.value.string && readLength(source, start + 1, end) === end
  if (isText) writeJsonString(out, source, wire.at, end)
  else out.appendText(numberText(source, start, end) ?? toStoredJson(decodeValue(source, start, end)))
}

/** A number or a bool, if that is all there is in source[start, end). */
function numberText(source: Buffer, start: number, end: number): string | undefined {
  const tag = start < end ? source[start] : undefined
  if (tag === Tag.value.double) return end === start + 9 ? doubleText(source.readDoubleLE(start + 1)) : undefined
  if (tag !== Tag.value.int && tag !== Tag.value.bool) return undefined
  const low = readVarint64(source, start + 1, end)
  if (wire.at !== end) return undefined
  return tag === Tag.value.int ? intText(low, wire.hi) : String(low !== 0 || wire.hi !== 0)
}

function intText(low: number, high: number): string {
  if (high === 0) return String(low)
  return String(BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low)))
}

function doubleText(value: number): string {
  if (!Number.isFinite(value) || Object.is(value, -0)) {
    return `{"$double":"${Object.is(value, -0) ? '-0' : value}"}`
  }
  const text = String(value)
  return /[.e]/.test(text) ? text : `${text}.0`
}

const keyText = (key: string): string => JSON.stringify(escapeText(key.startsWith('$') ? `$${key}` : key))

export function toStoredJson(value: AnyValue): string {
  switch (value.kind) {
    case 'empty':
      return 'null'
    case 'string':
      return JSON.stringify(escapeText(value.value))
    case 'bool':
      return String(value.value)
    case 'int':
      return String(value.value)
    case 'double':
      return doubleText(value.value)
    case 'bytes':
      return `{"$bytes":"${Buffer.from(value.value).toString('base64')}"}`
    case 'array':
      return `[${value.values.map(toStoredJson).join(',')}]`
    case 'kvlist':
      return `{${value.entries.map(({ key, value }) => `${keyText(key)}:${toStoredJson(value)}`).join(',')}}`
  }
}

/**
 * Writes one KeyValue message source[start, end) as `"key":value` into an open object, and says where the value is.
 * A KeyValue whose fields come twice goes through the tree, as the only entry of a list.
 */
export function writeJsonEntry(out: RowBuffer, source: Buffer, start: number, end: number): void {
  if (start < end && readTag(source, start, end) === Tag.keyValue.key) {
    const keyEnd = readLength(source, wire.at, end)
    const keyStart = wire.at
    const valueStart = keyEnd < end && readTag(source, keyEnd, end) === Tag.keyValue.value
    if (keyEnd === end || (valueStart && readLength(source, wire.at, end) === end)) {
      const from = keyEnd === end ? end : wire.at
      if (source[keyStart] === 0x24 && keyStart < keyEnd) out.appendText(keyText(source.utf8Slice(keyStart, keyEnd)))
      else writeJsonString(out, source, keyStart, keyEnd)
      out.appendByte(0x3a)
      writeJsonValue(out, source, from, end)
      return
    }
  }
  const list = Buffer.concat([listHead(end - start), source.subarray(start, end)])
  out.appendText(toStoredJson(decodeValue(list, 0, list.length)).slice(1, -1))
}

/** The bytes in front of a KeyValue that make it an AnyValue with a list of one. */
function listHead(size: number): Buffer {
  const inner = varint(size)
  return Buffer.from([Tag.value.kvlist, ...varint(1 + inner.length + size), Tag.list.values, ...inner])
}
function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}

/** A stored value as plain JSON: bytes as base64, ints beyond 2^53 as bigint, doubles that JSON lacks by their name. */
export type PlainValue = null | boolean | number | bigint | string | PlainValue[] | { [key: string]: PlainValue }

/** Values that `JSON.parse` alone would not give back right: long numbers, markers, escapes. */
const needsReview = /\d{16}|"\$|\uE000/
const wholeNumber = /^-?\d{1,19}$/

/** The text of a JSONB column → what the sender sent. */
export function fromStoredJson(text: string): PlainValue {
  if (!needsReview.test(text)) return JSON.parse(text) as PlainValue
  return plain(
    JSON.parse(text, function (this: unknown, _key: string, value: unknown, context?: { source?: string }) {
      // The third argument (the number as written) is in V8 since 11.4, and not yet in TypeScript's library.
      const source = context?.source
      if (typeof value !== 'number' || source === undefined) return value
      return !Number.isSafeInteger(value) && wholeNumber.test(source) ? BigInt(source) : value
    } as (this: unknown, key: string, value: unknown) => unknown) as PlainValue,
  )
}

function plain(value: PlainValue): PlainValue {
  if (typeof value === 'string') return unescapeText(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
  const [first] = entries
  if (entries.length === 1 && first && typeof first[1] === 'string') {
    if (first[0] === '$bytes') return first[1]
    if (first[0] === '$double') return first[1] === '-0' ? 0 : first[1]
  }
  return Object.fromEntries(entries.map(([key, item]) => [unescapeText(key.replace(/^\$\$/, '$')), plain(item)]))
}
