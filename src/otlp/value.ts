/**
 * AnyValue as a tree: the slow, readable form of a value. The hot path works on byte ranges (slots.ts); nested
 * values, sealing, JSON and tests work on this.
 *
 *   message AnyValue { oneof value {
 *     string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
 *     ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7; } }
 *   message ArrayValue { repeated AnyValue values = 1; }
 *   message KeyValueList { repeated KeyValue values = 1; }
 *   message KeyValue { string key = 1; AnyValue value = 2; }
 *
 * Reading follows protobuf where a field comes twice: the last one wins, but an array after an array, a list after a
 * list and a KeyValue's second `value` are merged into the first. Unknown fields and groups are skipped. A known field
 * with another wire type, a cut, a length past its parent or a depth over `valueDepthMax` throws `WireError`. Invalid
 * UTF-8 is made valid (U+FFFD). Writing is canonical: fields in order, shortest varints.
 */
import { WireError } from '../errors.ts'
import { limits } from '../limits.ts'
import { Kind, Tag } from './fields.ts'
import {
  readLength,
  readTag,
  readVarint64,
  skipValue,
  varintLength,
  WireType,
  wire,
  writeVarint,
  writeVarint64,
} from './wire.ts'

export type AnyValue =
  | { kind: 'empty' }
  | { kind: 'string'; value: string }
  | { kind: 'bool'; value: boolean }
  | { kind: 'int'; value: bigint }
  | { kind: 'double'; value: number }
  | { kind: 'bytes'; value: Uint8Array }
  | { kind: 'array'; values: AnyValue[] }
  | { kind: 'kvlist'; entries: KeyValue[] }

export interface KeyValue {
  key: string
  value: AnyValue
}

/** The value of the AnyValue message whose content is `bytes[start, end)`. Strings and bytes are copies. */
export function decodeValue(bytes: Uint8Array, start: number, end: number): AnyValue {
  const source = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  nodes = 0
  return readValue(source, { kind: 'empty' }, start, end, 1)
}

/** Nodes of the tree that is being read: a few bytes on the wire can be a hundred in memory. */
let nodes = 0

function expectType(tag: number, expected: number, start: number): void {
  const type = tag & 7
  if (type !== expected) throw new WireError(`field ${tag >>> 3} has wire type ${type}, not ${expected}`, start)
}

function readText(source: Buffer, start: number, end: number): string {
  const stop = readLength(source, start, end)
  const text = source.toString('utf8', wire.at, stop)
  wire.at = stop
  return text
}

/** Reads fields up to `end` on top of `value`, which an earlier occurrence of the same field gave. Leaves `wire.at` at `end`. */
function readValue(source: Buffer, value: AnyValue, start: number, end: number, depth: number): AnyValue {
  if (++nodes > limits.valueNodesMax) throw new WireError(`a value has more than ${limits.valueNodesMax} parts`, start)
  if (depth > limits.valueDepthMax) throw new WireError(`values nest deeper than ${limits.valueDepthMax}`, start)
  let result = value
  let at = start
  while (at < end) {
    const tag = readTag(source, at, end)
    const expected = wireTypes[tag >>> 3]
    if (expected === undefined) at = skipValue(source, tag, wire.at, end)
    else {
      expectType(tag, expected, at)
      result = readKind(source, result, tag >>> 3, wire.at, end, depth)
      at = wire.at
    }
  }
  wire.at = end
  return result
}

/** The wire type of each field of AnyValue, by number. */
const wireTypes: readonly (number | undefined)[] = [
  undefined,
  WireType.Bytes,
  WireType.Varint,
  WireType.Varint,
  WireType.Fixed64,
  WireType.Bytes,
  WireType.Bytes,
  WireType.Bytes,
]

function readKind(source: Buffer, before: AnyValue, field: number, at: number, end: number, depth: number): AnyValue {
  switch (field) {
    case Kind.String:
      return { kind: 'string', value: readText(source, at, end) }
    case Kind.Bool: {
      const low = readVarint64(source, at, end)
      return { kind: 'bool', value: low !== 0 || wire.hi !== 0 }
    }
    case Kind.Int: {
      const low = readVarint64(source, at, end)
      return { kind: 'int', value: BigInt.asIntN(64, (BigInt(wire.hi) << 32n) | BigInt(low)) }
    }
    case Kind.Double:
      if (end - at < 8) throw new WireError('truncated field', at)
      wire.at = at + 8
      return { kind: 'double', value: source.readDoubleLE(at) }
    case Kind.Array:
      return readArray(source, before.kind === 'array' ? before.values : [], at, end, depth)
    case Kind.KvList:
      return readKvlist(source, before.kind === 'kvlist' ? before.entries : [], at, end, depth)
    default: {
      const stop = readLength(source, at, end)
      const value = new Uint8Array(source.subarray(wire.at, stop))
      wire.at = stop
      return { kind: 'bytes', value }
    }
  }
}

function readArray(source: Buffer, values: AnyValue[], start: number, end: number, depth: number): AnyValue {
  const stop = readLength(source, start, end)
  let at = wire.at
  while (at < stop) {
    const tag = readTag(source, at, stop)
    if (tag >>> 3 !== 1) at = skipValue(source, tag, wire.at, stop)
    else {
      expectType(tag, WireType.Bytes, at)
      at = readLength(source, wire.at, stop)
      values.push(readValue(source, { kind: 'empty' }, wire.at, at, depth + 1))
    }
  }
  wire.at = stop
  return { kind: 'array', values }
}

function readKvlist(source: Buffer, entries: KeyValue[], start: number, end: number, depth: number): AnyValue {
  const stop = readLength(source, start, end)
  let at = wire.at
  while (at < stop) {
    const tag = readTag(source, at, stop)
    if (tag >>> 3 !== 1) at = skipValue(source, tag, wire.at, stop)
    else {
      expectType(tag, WireType.Bytes, at)
      at = readLength(source, wire.at, stop)
      entries.push(readEntry(source, wire.at, at, depth))
    }
  }
  wire.at = stop
  return { kind: 'kvlist', entries }
}

function readEntry(source: Buffer, start: number, end: number, depth: number): KeyValue {
  const entry: KeyValue = { key: '', value: { kind: 'empty' } }
  let at = start
  while (at < end) {
    const tag = readTag(source, at, end)
    const field = tag >>> 3
    if (field !== 1 && field !== 2) {
      at = skipValue(source, tag, wire.at, end)
      continue
    }
    expectType(tag, WireType.Bytes, at)
    if (field === 1) {
      entry.key = readText(source, wire.at, end)
      at = wire.at
    } else {
      at = readLength(source, wire.at, end)
      entry.value = readValue(source, entry.value, wire.at, at, depth + 1)
    }
  }
  return entry
}

/**
 * Where the writer stands. It writes from the back to the front, so that a length is known before it is written:
 * no second pass, no table of sizes. `scratch[head, scratch.length)` is written.
 */
let scratch = Buffer.allocUnsafeSlow(16 * 1024)
let head = 0

/** The content of an AnyValue message, in bytes of its own. Throws `RangeError` for an int that is no int64. */
export function encodeValue(value: AnyValue): Uint8Array {
  head = scratch.length
  writeValue(value, 1)
  const bytes = new Uint8Array(scratch.subarray(head))
  if (scratch.length > limits.valueScratchBytesMax) scratch = Buffer.allocUnsafeSlow(16 * 1024)
  return bytes
}

function room(size: number): void {
  if (head >= size) return
  const used = scratch.length - head
  const larger = Buffer.allocUnsafeSlow(Math.max(scratch.length * 2, used + size))
  scratch.copy(larger, larger.length - used, head)
  head = larger.length - used
  scratch = larger
}

function writeTag(tag: number): void {
  room(1)
  scratch[--head] = tag
}

/** A length below 2^32, and the tag before it. */
function writeLength(length: number, tag: number): void {
  room(5)
  head -= varintLength(length)
  writeVarint(scratch, head, length)
  writeTag(tag)
}

function writeInt(value: bigint): void {
  if (BigInt.asIntN(64, value) !== value) throw new RangeError('an int value must fit in 64 bits')
  const low = Number(BigInt.asUintN(32, value))
  const high = Number(BigInt.asUintN(32, value >> 32n))
  const size = writeVarint64(varint, 0, low, high)
  room(size)
  head -= size
  varint.copy(scratch, head, 0, size)
}
const varint = Buffer.alloc(10)

function writeText(text: string, tag: number): void {
  const size = Buffer.byteLength(text)
  room(size)
  head -= size
  scratch.write(text, head, size, 'utf8')
  writeLength(size, tag)
}

function writeValue(value: AnyValue, depth: number): void {
  if (depth > limits.valueDepthMax) throw new RangeError(`a value nests deeper than ${limits.valueDepthMax}`)
  switch (value.kind) {
    case 'empty':
      break
    case 'string':
      writeText(value.value, Tag.value.string)
      break
    case 'bool':
      room(2)
      scratch[--head] = value.value ? 1 : 0
      writeTag(Tag.value.bool)
      break
    case 'int':
      writeInt(value.value)
      writeTag(Tag.value.int)
      break
    case 'double':
      room(8)
      head -= 8
      scratch.writeDoubleLE(value.value, head)
      writeTag(Tag.value.double)
      break
    case 'bytes':
      room(value.value.length)
      head -= value.value.length
      scratch.set(value.value, head)
      writeLength(value.value.length, Tag.value.bytes)
      break
    case 'array':
      writeItems(value.values, Tag.value.array, (item) => writeValue(item, depth + 1))
      break
    case 'kvlist':
      writeItems(value.entries, Tag.value.kvlist, (entry) => writeEntry(entry, depth))
  }
}

const written = (): number => scratch.length - head

function writeItems<Item>(items: readonly Item[], tag: number, write: (item: Item) => void): void {
  const before = written()
  for (let index = items.length - 1; index >= 0; index--) {
    const itemBefore = written()
    write(items[index] as Item)
    writeLength(written() - itemBefore, Tag.list.values)
  }
  writeLength(written() - before, tag)
}

/** `value` is written even when it is empty, as SDKs do. */
function writeEntry(entry: KeyValue, depth: number): void {
  const before = written()
  writeValue(entry.value, depth + 1)
  writeLength(written() - before, Tag.keyValue.value)
  if (entry.key !== '') writeText(entry.key, Tag.keyValue.key)
}
