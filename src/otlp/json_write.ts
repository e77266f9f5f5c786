/**
 * Protobuf bytes → OTLP/JSON text on one line: for file exporters and for people. Members with their default value are
 * left out (but not the kind of a value), 64-bit numbers are decimal strings, ids lower-case hex, bytes base64.
 *
 * A message whose fields come once, or in one run, is written as it is read. Others (fields twice, runs interrupted)
 * are read as protobuf says: of a scalar the last one counts, lists are joined, singular messages are merged, which
 * is what reading their contents one after the other does. Which one it is, its tags tell before anything is written.
 *
 * Throws `WireError` where the bytes are no request, `RangeError` where the text would be longer than
 * `jsonBytesMax`. Text that is not UTF-8 is made so.
 */
import { WireError } from '../errors.ts'
import { limits } from '../limits.ts'
import { Form, type JsonField, type JsonMessage, requestMessage } from './json_fields.ts'
import { readLength, readTag, readVarint64, skipValue, WireType, wire } from './wire.ts'

/** The OTLP/JSON text of an ExportLogsServiceRequest. */
export const wireToJson = (body: Uint8Array): string => {
  const text = wireToJsonBytes(body)
  return text.toString('utf8', 0, text.length)
}

/** The same as UTF-8 bytes of their own, with `end` behind them (a line's end). */
export function wireToJsonBytes(body: Uint8Array, end = ''): Buffer {
  const source = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const writer = new Writer(source)
  writer.message(source, requestMessage, 0, source.length, 0)
  return writer.take(end)
}

/** Pairs of start and end: where a field's occurrences are; the content of those that have a length. */
type Ranges = number[]

const QUOTE = 0x22
const COMMA = 0x2c
const digits = Buffer.from('0123456789abcdef')

/** 1 for a byte that stands for itself in a JSON string: printable ASCII but for " and \. */
const plain = new Uint8Array(256).fill(1, 0x20, 0x80)
plain[QUOTE] = 0
plain['\\'.charCodeAt(0)] = 0

/** `"name":` of each field. */
const names = new Map<JsonField, Buffer>()
function nameOf(field: JsonField): Buffer {
  const known = names.get(field)
  if (known !== undefined) return known
  const name = Buffer.from(`"${field.name}":`)
  names.set(field, name)
  return name
}

/** Where a field's content is: behind its length, where it has one. Leaves `wire.at` at its start; returns its end. */
function contentEnd(source: Buffer, field: JsonField, tag: number, at: number, end: number): number {
  if (tag !== field.tag) throw new WireError(`${field.name} has wire type ${tag & 7}`, at)
  const from = wire.at
  if ((tag & 7) === WireType.Bytes) return readLength(source, from, end)
  const stop = skipValue(source, tag, from, end)
  wire.at = from
  return stop
}

/** True where every known field of the message comes once, or in one run; of a oneof, one field once. */
function isRegular(source: Buffer, message: JsonMessage, start: number, end: number): boolean {
  let seen = 0
  let last: JsonField | undefined
  let at = start
  while (at < end) {
    const tag = readTag(source, at, end)
    const field = message.byNumber[tag >>> 3]
    if (field === undefined) {
      at = skipValue(source, tag, wire.at, end)
      continue
    }
    if ((message.isValue && seen !== 0) || ((seen & field.bit) !== 0 && !(field.repeated && field === last)))
      return false
    seen |= field.bit
    last = field
    at = contentEnd(source, field, tag, at, end)
  }
  return true
}

function findFields(source: Buffer, message: JsonMessage, start: number, end: number): (Ranges | undefined)[] {
  const found: (Ranges | undefined)[] = []
  let at = start
  while (at < end) {
    const tag = readTag(source, at, end)
    const field = message.byNumber[tag >>> 3]
    if (field === undefined) {
      at = skipValue(source, tag, wire.at, end)
      continue
    }
    at = contentEnd(source, field, tag, at, end)
    // Of a oneof only the last one is kept; one more of the same kind may have to be merged with it.
    if (message.isValue && found[field.index] === undefined) found.length = 0
    const ranges = found[field.index]
    if (ranges === undefined || (field.form !== Form.Message && !field.repeated)) found[field.index] = [wire.at, at]
    else ranges.push(wire.at, at)
  }
  return found
}

function join(source: Buffer, ranges: Ranges): Buffer {
  const parts: Buffer[] = []
  for (let index = 0; index < ranges.length; index += 2) parts.push(source.subarray(ranges[index], ranges[index + 1]))
  return Buffer.concat(parts)
}

class Writer {
  #out: Buffer
  #pos = 0

  constructor(source: Buffer) {
    this.#out = Buffer.allocUnsafeSlow(Math.min(source.length * 3 + 1024, limits.jsonBytesMax))
  }

  take(end: string): Buffer {
    this.#ascii(end)
    return this.#out.subarray(0, this.#pos)
  }

  /** Makes room for `size` more bytes. */
  #room(size: number): void {
    const needed = this.#pos + size
    if (needed <= this.#out.length) return
    if (needed > limits.jsonBytesMax) throw new RangeError(`more than ${limits.jsonBytesMax} bytes of JSON`)
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(this.#out.length * 2, needed), limits.jsonBytesMax))
    this.#out.copy(larger, 0, 0, this.#pos)
    this.#out = larger
  }

  #ascii(text: string): void {
    this.#room(text.length)
    this.#pos += this.#out.latin1Write(text, this.#pos, text.length)
  }

  message(source: Buffer, message: JsonMessage, start: number, end: number, values: number): void {
    const level = message.isValue ? values + 1 : values
    if (level > limits.valueDepthMax) throw new WireError(`values nest deeper than ${limits.valueDepthMax}`, start)
    const opened = this.#pos
    this.#ascii('{')
    if (isRegular(source, message, start, end)) this.#inOrder(source, message, start, end, level)
    else this.#merged(source, message, start, end, level)
    // Each member leaves a comma behind it; the last one gives way to the closing brace.
    if (this.#pos > opened + 1) this.#pos--
    this.#ascii('}')
  }

  #inOrder(source: Buffer, message: JsonMessage, start: number, end: number, level: number): void {
    let list: JsonField | undefined
    let at = start
    while (at < end) {
      const tag = readTag(source, at, end)
      const field = message.byNumber[tag >>> 3]
      if (field === undefined) {
        at = skipValue(source, tag, wire.at, end)
        continue
      }
      at = contentEnd(source, field, tag, at, end)
      const from = wire.at
      if (list !== undefined && list !== field) this.#closeList()
      if (field.repeated) {
        if (list !== field) this.#openList(field)
        this.message(source, field.message!, from, at, level)
        this.#byte(COMMA)
      } else this.#member(source, message, field, from, at, level)
      list = field.repeated ? field : undefined
    }
    if (list !== undefined) this.#closeList()
  }

  #merged(source: Buffer, message: JsonMessage, start: number, end: number, level: number): void {
    for (const [index, ranges] of findFields(source, message, start, end).entries()) {
      if (ranges === undefined) continue
      const field = message.fields[index]!
      if (field.repeated) {
        this.#openList(field)
        for (let each = 0; each < ranges.length; each += 2) {
          this.message(source, field.message!, ranges[each]!, ranges[each + 1]!, level)
          this.#byte(COMMA)
        }
        this.#closeList()
      } else if (ranges.length === 2) this.#member(source, message, field, ranges[0]!, ranges[1]!, level)
      else {
        const whole = join(source, ranges)
        this.#member(whole, message, field, 0, whole.length, level)
      }
    }
  }

  #openList(field: JsonField): void {
    this.#name(field)
    this.#byte(0x5b)
  }

  /** The comma after the last item becomes the closing bracket. */
  #closeList(): void {
    this.#out[this.#pos - 1] = 0x5d
    this.#byte(COMMA)
  }

  #byte(byte: number): void {
    this.#room(1)
    this.#out[this.#pos++] = byte
  }

  #name(field: JsonField): void {
    const name = nameOf(field)
    this.#room(name.length)
    for (let index = 0; index < name.length; index++) this.#out[this.#pos++] = name[index]!
  }

  /** One member with a comma behind it; nothing for a default value that nobody needs to see. */
  #member(source: Buffer, message: JsonMessage, field: JsonField, start: number, end: number, level: number): void {
    const before = this.#pos
    this.#name(field)
    if (field.form === Form.Message) this.message(source, field.message!, start, end, level)
    else if (field.form === Form.Text && (start < end || message.isValue)) this.#text(source, start, end)
    else if (field.form === Form.Id && start < end) this.#hex(source, start, end)
    else {
      const text = scalarText(source, field.form, start, end)
      if (text === '') {
        this.#pos = before
        return
      }
      this.#ascii(text)
    }
    this.#byte(COMMA)
  }

  #text(source: Buffer, start: number, end: number): void {
    this.#room(end - start + 2)
    const out = this.#out
    let pos = this.#pos
    out[pos++] = QUOTE
    for (let at = start; at < end; at++) {
      const byte = source[at]!
      if (plain[byte] === 0) {
        this.#unusualText(source, start, end)
        return
      }
      out[pos++] = byte
    }
    out[pos++] = QUOTE
    this.#pos = pos
  }

  /** With something to escape, or more than ASCII. */
  #unusualText(source: Buffer, start: number, end: number): void {
    const text = JSON.stringify(source.toString('utf8', start, end))
    this.#room(Buffer.byteLength(text))
    this.#pos += this.#out.write(text, this.#pos, 'utf8')
  }

  #hex(source: Buffer, start: number, end: number): void {
    this.#room((end - start) * 2 + 2)
    this.#out[this.#pos++] = QUOTE
    for (let at = start; at < end; at++) {
      this.#out[this.#pos++] = digits[source[at]! >>> 4]!
      this.#out[this.#pos++] = digits[source[at]! & 15]!
    }
    this.#out[this.#pos++] = QUOTE
  }
}

/** A scalar as JSON; '' for a default value of a field that is in no oneof. */
function scalarText(source: Buffer, form: Form, start: number, end: number): string {
  switch (form) {
    case Form.Bytes:
      return `"${source.toString('base64', start, end)}"`
    case Form.Double:
      return doubleText(source.readDoubleLE(start))
    case Form.Fixed32: {
      const flags = source.readUInt32LE(start)
      return flags === 0 ? '' : String(flags)
    }
    case Form.Fixed64: {
      const nanos = unsigned64(source.readUInt32LE(start), source.readUInt32LE(start + 4))
      return nanos === '0' ? '' : `"${nanos}"`
    }
    case Form.Text:
    case Form.Id:
      return ''
    default:
      return varintText(form, readVarint64(source, start, end), wire.hi)
  }
}

function varintText(form: Form, lo: number, hi: number): string {
  switch (form) {
    case Form.Bool:
      return lo !== 0 || hi !== 0 ? 'true' : 'false'
    case Form.Int64:
      return hi < 2 ** 31 ? `"${unsigned64(lo, hi)}"` : `"${BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo))}"`
    default: {
      const number = form === Form.Enum ? lo | 0 : lo
      return number === 0 ? '' : String(number)
    }
  }
}

/** Long division by 10⁹, sixteen bits at a time: every step fits in a double. */
function unsigned64(lo: number, hi: number): string {
  if (hi < 2 ** 21) return String(hi * 2 ** 32 + lo)
  const middle = (hi % 1e9) * 65536 + (lo >>> 16)
  const low = (middle % 1e9) * 65536 + (lo & 0xffff)
  const top = (Math.floor(hi / 1e9) * 65536 + Math.floor(middle / 1e9)) * 65536 + Math.floor(low / 1e9)
  return `${top}${String(low % 1e9).padStart(9, '0')}`
}

function doubleText(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value)
  return `"${value}"`
}
