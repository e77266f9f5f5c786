/**
 * Protobuf bytes → OTLP/JSON text on one line: for file exporters and for people. Members with their default value are
 * left out (but not the kind of a value), 64-bit numbers are decimal strings, ids lower-case hex, bytes base64.
 *
 * Fields that come in any order, twice, or mixed are read as protobuf says: of a scalar the last one counts, lists
 * are joined, singular messages are merged, which is what reading their contents one after the other does. Throws
 * `WireError` where the bytes are no request, `RangeError` where the text would be longer than a string can be.
 */
import { WireError } from '../errors.ts'
import { limits } from '../limits.ts'
import { Form, type JsonField, type JsonMessage, requestMessage } from './json_fields.ts'
import { readLength, readTag, readVarint64, skipValue, WireType, wire } from './wire.ts'

/** The OTLP/JSON text of an ExportLogsServiceRequest. */
export function wireToJson(body: Uint8Array): string {
  const source = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  return messageText(source, requestMessage, 0, source.length, 0)
}

/** What one field of a message holds: pairs of start and end, of the content where it has a length. */
type Ranges = number[]

function messageText(source: Buffer, message: JsonMessage, start: number, end: number, values: number): string {
  const level = message.isValue ? values + 1 : values
  if (level > limits.valueDepthMax) throw new WireError(`values nest deeper than ${limits.valueDepthMax}`, start)
  const found = findFields(source, message, start, end)
  let text = '{'
  for (let index = 0; index < found.length; index++) {
    const ranges = found[index]
    if (ranges === undefined) continue
    const member = memberText(source, message.fields[index]!, ranges, level, message.isValue)
    if (member !== '') text += text === '{' ? member : `,${member}`
  }
  return `${text}}`
}

function findFields(source: Buffer, message: JsonMessage, start: number, end: number): (Ranges | undefined)[] {
  const found: (Ranges | undefined)[] = []
  let at = start
  while (at < end) {
    const tag = readTag(source, at, end)
    const field = message.byNumber[tag >>> 3]
    const from = wire.at
    if (field === undefined) {
      at = skipValue(source, tag, from, end)
      continue
    }
    if (tag !== field.tag) throw new WireError(`${field.name} has wire type ${tag & 7}`, at)
    const hasLength = (tag & 7) === WireType.Bytes
    at = hasLength ? readLength(source, from, end) : skipValue(source, tag, from, end)
    const begin = hasLength ? wire.at : from
    // Of a oneof only the last one is kept; one more of the same kind may have to be merged with it.
    if (message.isValue && found[field.index] === undefined) found.length = 0
    const ranges = found[field.index]
    if (ranges === undefined || (field.form !== Form.Message && !field.repeated)) found[field.index] = [begin, at]
    else ranges.push(begin, at)
  }
  return found
}

function memberText(source: Buffer, field: JsonField, ranges: Ranges, values: number, present: boolean): string {
  if (field.form !== Form.Message) {
    const text = scalarText(source, field, ranges[0]!, ranges[1]!, present)
    return text === '' ? '' : `"${field.name}":${text}`
  }
  const inner = field.message!
  if (!field.repeated) {
    if (ranges.length === 2) return `"${field.name}":${messageText(source, inner, ranges[0]!, ranges[1]!, values)}`
    const merged = join(source, ranges)
    return `"${field.name}":${messageText(merged, inner, 0, merged.length, values)}`
  }
  let text = ''
  for (let index = 0; index < ranges.length; index += 2) {
    const item = messageText(source, inner, ranges[index]!, ranges[index + 1]!, values)
    text += index === 0 ? item : `,${item}`
  }
  return `"${field.name}":[${text}]`
}

function join(source: Buffer, ranges: Ranges): Buffer {
  const parts: Buffer[] = []
  for (let index = 0; index < ranges.length; index += 2) parts.push(source.subarray(ranges[index], ranges[index + 1]))
  return Buffer.concat(parts)
}

/** A scalar as JSON; '' for a default value that nobody needs to see. */
function scalarText(source: Buffer, field: JsonField, start: number, end: number, present: boolean): string {
  switch (field.form) {
    case Form.Text:
      return start === end && !present ? '' : JSON.stringify(source.toString('utf8', start, end))
    case Form.Bytes:
      return `"${source.toString('base64', start, end)}"`
    case Form.Id:
      return start === end ? '' : `"${source.toString('hex', start, end)}"`
    case Form.Double:
      return doubleText(source.readDoubleLE(start))
    case Form.Fixed32: {
      const flags = source.readUInt32LE(start)
      return flags === 0 ? '' : String(flags)
    }
    case Form.Fixed64: {
      const nanos = join64(source.readUInt32LE(start), source.readUInt32LE(start + 4))
      return nanos === '0' ? '' : `"${nanos}"`
    }
    default:
      return varintText(source, field.form, start, end)
  }
}

function varintText(source: Buffer, form: Form, start: number, end: number): string {
  const lo = readVarint64(source, start, end)
  const { hi } = wire
  switch (form) {
    case Form.Bool:
      return lo !== 0 || hi !== 0 ? 'true' : 'false'
    case Form.Int64:
      return hi < 2 ** 31 ? `"${join64(lo, hi)}"` : `"${BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo))}"`
    default: {
      const number = form === Form.Enum ? lo | 0 : lo
      return number === 0 ? '' : String(number)
    }
  }
}

const join64 = (lo: number, hi: number): string =>
  hi < 2 ** 21 ? String(hi * 2 ** 32 + lo) : String((BigInt(hi) << 32n) | BigInt(lo))

function doubleText(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value)
  return `"${value}"`
}
