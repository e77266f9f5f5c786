/**
 * OTLP/JSON → protobuf bytes, in one pass: once at the edge, so that everything behind it knows one format.
 *
 * The length of a message is known only at its end, so room for it is kept at its start, as much as such a message
 * usually needs (`lengthBytes`). At the end the length goes in, and the content moves where the room does not fit.
 * A large text is read in steps, between which others get their turn: a step ends with a resource's, scope's or record's
 * end. Deep in nested values room for the largest length is kept, and filled up with a longer varint than it needs, which
 * protobuf allows: else one large string, nested 64 deep, would be moved once a level. What is written is never longer
 * than what was read, but for `SLACK`.
 *
 * Rules of OTLP/JSON: unknown members are ignored whatever they hold, snake_case names are unknown, `null` is absent,
 * enums are integers, ids are hex and absent where they are all zero or of another length, 64-bit numbers come as strings or as
 * numbers. A member that comes twice, and two kinds in one value, are refused: which one was meant, nobody can say.
 */
import { JsonError } from '../errors.ts'
import { limits } from '../limits.ts'
import { Form, type JsonField, type JsonMessage, requestMessage } from './json_fields.ts'
import { integer, readDouble, readInteger } from './json_numbers.ts'
import { Byte, hexValue, JsonText } from './json_text.ts'
import { varintLength, writeVarint, writeVarint64 } from './wire.ts'

/** How far the output may be ahead of the input, in bytes. */
const SLACK = 64
/** Messages in values that nest deeper than this keep room for the largest length. */
const DEEP = 4
const DEEP_LENGTH_BYTES = 4
/** Strings shorter than this are copied byte by byte: cheaper than a call. */
const SHORT = 32

/** A buffer that has room for what `jsonToWire` writes. */
export const wireBytesMax = (textBytes: number): number => textBytes + SLACK

/**
 * The protobuf bytes of an ExportLogsServiceRequest in OTLP/JSON. They are written into `into` where it is given and
 * has `wireBytesMax` bytes (a pooled buffer). Throws `JsonError`.
 */
export function jsonToWire(text: Uint8Array, into?: Buffer): Buffer {
  const source = Buffer.isBuffer(text) ? text : Buffer.from(text.buffer, text.byteOffset, text.byteLength)
  const room = wireBytesMax(source.length)
  const out = into !== undefined && into.length >= room ? into : Buffer.allocUnsafeSlow(room)
  return new Parser(source, out).request()
}

/** The same in steps of about `jsonBytesPerStep`, each run by `next`; the last one gives the bytes. Throws `JsonError`. */
export function jsonToWireSteps(text: Buffer, into: Buffer): Generator<void, Buffer> {
  return new Parser(text, into).requestSteps()
}

const specialDoubles = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
])

/** Base64 letter, of either alphabet → its value; 255 for what is none. */
const base64Value = new Uint8Array(256).fill(255)
for (const [index, byte] of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/').entries())
  base64Value[byte] = index
base64Value['-'.charCodeAt(0)] = 62
base64Value['_'.charCodeAt(0)] = 63

/** The resource logs of a request, and the scope logs of those. */
const holdsRecords = ({ name }: JsonField): boolean => name === 'resourceLogs' || name === 'scopeLogs'

class Parser extends JsonText {
  readonly #out: Buffer
  #pos = 0
  /** The string or number that was read last: where it is, unescaped. */
  #source: Buffer
  #from = 0
  #to = 0
  /** Where the last step ended. */
  #pausedAt = 0

  constructor(text: Buffer, out: Buffer) {
    super(text)
    this.#out = out
    this.#source = text
  }

  request(): Buffer {
    this.#message(requestMessage, 0)
    return this.#ended()
  }

  *requestSteps(): Generator<void, Buffer> {
    yield* this.#messageSteps(requestMessage)
    return this.#ended()
  }

  #ended(): Buffer {
    if (!Number.isNaN(this.peek())) this.fail('text after the request')
    return this.#out.subarray(0, this.#pos)
  }

  /** Reads an object as the fields of `message`. `values` counts the AnyValues around it. */
  #message(message: JsonMessage, values: number): void {
    const level = message.isValue ? values + 1 : values
    if (level > limits.valueDepthMax) this.fail(`values nest deeper than ${limits.valueDepthMax}`)
    this.open(Byte.openObject, '{')
    if (this.emptied(Byte.closeObject)) return
    let seen = 0
    do {
      const field = this.#member(message, seen)
      if (field === undefined) continue
      seen |= field.bit
      if (field.repeated) this.#list(field, level)
      else this.#field(field, level, message.isValue)
    } while (this.another(Byte.closeObject))
  }

  /** The same for the messages around records. */
  *#messageSteps(message: JsonMessage): Generator<void> {
    this.open(Byte.openObject, '{')
    if (this.emptied(Byte.closeObject)) return
    let seen = 0
    do {
      const field = this.#member(message, seen)
      if (field === undefined) continue
      seen |= field.bit
      if (field.repeated) yield* this.#listSteps(field)
      else this.#field(field, 0, false)
    } while (this.another(Byte.closeObject))
  }

  /** Reads a member's name; gives its field where it has a value that counts. `seen`: the fields before it. */
  #member(message: JsonMessage, seen: number): JsonField | undefined {
    const nameAt = this.at
    const field = this.#name(message)
    this.expect(Byte.colon, ':')
    const next = this.peek()
    if (field === undefined) {
      this.skip(this.#out, this.#pos)
      return undefined
    }
    if (next === 0x6e && this.literal('null')) return undefined
    if ((seen & field.bit) !== 0 || (message.isValue && seen !== 0))
      throw new JsonError(message.isValue ? 'a value of two kinds' : `${field.name} comes twice`, nameAt)
    return field
  }

  #name(message: JsonMessage): JsonField | undefined {
    let source = this.text
    let start = this.plainRun()
    let end = this.at
    if (!this.closed()) {
      this.at = start
      source = this.#out
      start = this.#pos
      end = this.unescape(source, start)
    }
    const candidates = message.byLength[end - start]
    if (candidates === undefined) return undefined
    for (let index = 0; index < candidates.length; index++) {
      const { nameBytes } = candidates[index]!
      let same = 0
      while (same < nameBytes.length && nameBytes[same] === source[start + same]) same++
      if (same === nameBytes.length) return candidates[index]
    }
    return undefined
  }

  #list(field: JsonField, values: number): void {
    this.open(Byte.openList, '[')
    if (this.emptied(Byte.closeList)) return
    do this.#field(field, values, false)
    while (this.another(Byte.closeList))
  }

  *#listSteps(field: JsonField): Generator<void> {
    this.open(Byte.openList, '[')
    if (this.emptied(Byte.closeList)) return
    do {
      if (holdsRecords(field)) {
        const start = this.#begin(field, field.message!.lengthBytes)
        yield* this.#messageSteps(field.message!)
        this.#end(start, field.message!.lengthBytes, false)
      } else this.#field(field, 0, false)
      if (this.at - this.#pausedAt < limits.jsonBytesPerStep) continue
      this.#pausedAt = this.at
      yield
    } while (this.another(Byte.closeList))
  }

  /** Reads one value. `present` says that the default value is written too. */
  #field(field: JsonField, values: number, present: boolean): void {
    switch (field.form) {
      case Form.Message:
        this.#submessage(field, values)
        break
      case Form.Text:
        this.#text(field, present)
        break
      case Form.Bool:
        this.#bool(field)
        break
      case Form.Double:
        this.#double(field)
        break
      case Form.Bytes:
        this.#bytes(field)
        break
      case Form.Id:
        this.#id(field)
        break
      default:
        this.#integer(field, present)
    }
  }

  #submessage(field: JsonField, values: number): void {
    const message = field.message!
    const deep = values > DEEP
    const reserved = deep ? DEEP_LENGTH_BYTES : message.lengthBytes
    const start = this.#begin(field, reserved)
    this.#message(message, values)
    this.#end(start, reserved, deep)
  }

  /** Writes a message's tag, and keeps room for its length. Gives where its content starts. */
  #begin(field: JsonField, reserved: number): number {
    this.#out[this.#pos] = field.tag
    this.#pos += 1 + reserved
    return this.#pos
  }

  #end(start: number, reserved: number, deep: boolean): void {
    const length = this.#pos - start
    const needed = varintLength(length)
    const size = deep && length >= 0x80 ? reserved : needed
    if (size !== reserved) {
      this.#out.copyWithin(start - reserved + size, start, this.#pos)
      this.#pos += size - reserved
    }
    this.#writeLength(start - reserved, length, size)
  }

  #writeLength(at: number, length: number, size: number): void {
    let rest = length
    for (let index = 0; index < size - 1; index++) {
      this.#out[at + index] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#out[at + size - 1] = rest
  }

  #text(field: JsonField, present: boolean): void {
    const start = this.plainRun()
    const end = this.at
    if (!this.closed()) {
      this.#escapedText(field, start)
      return
    }
    const length = end - start
    if (length === 0 && !present) return
    const out = this.#out
    out[this.#pos] = field.tag
    let pos = writeVarint(out, this.#pos + 1, length)
    if (length > SHORT) pos += this.text.copy(out, pos, start, end)
    else for (let at = start; at < end; at++) out[pos++] = this.text[at]!
    this.#pos = pos
  }

  #escapedText(field: JsonField, start: number): void {
    this.at = start
    const content = this.#pos + 6
    const end = this.unescape(this.#out, content)
    this.#out[this.#pos] = field.tag
    const to = writeVarint(this.#out, this.#pos + 1, end - content)
    this.#out.copyWithin(to, content, end)
    this.#pos = to + end - content
  }

  #bool(field: JsonField): void {
    const value = this.literal('true')
    if (!value && !this.literal('false')) this.fail('expected true or false')
    this.#out[this.#pos++] = field.tag
    this.#out[this.#pos++] = value ? 1 : 0
  }

  /** Takes a string and leaves its content in `#source[#from, #to)`: in the text, or unescaped behind the output. */
  #quoted(): void {
    this.#source = this.text
    this.#from = this.plainRun()
    this.#to = this.at
    if (this.closed()) return
    this.at = this.#from
    this.#source = this.#out
    this.#from = this.#pos + SLACK / 2
    this.#to = this.unescape(this.#out, this.#from)
  }

  #number(): void {
    this.#source = this.text
    this.#from = this.numberRun()
    this.#to = this.at
  }

  #double(field: JsonField): void {
    const start = this.at
    const quoted = this.peek() === Byte.quote
    if (quoted) this.#quoted()
    else this.#number()
    let value = readDouble(this.#source, this.#from, this.#to)
    if (value === undefined && quoted && this.#to - this.#from <= 9)
      value = specialDoubles.get(this.#source.latin1Slice(this.#from, this.#to))
    if (value === undefined) this.fail(`${field.name} is no double`, start)
    this.#out[this.#pos] = field.tag
    this.#pos = this.#out.writeDoubleLE(value, this.#pos + 1)
  }

  #integer(field: JsonField, present: boolean): void {
    const start = this.at
    if (this.peek() === Byte.quote && field.form !== Form.Enum) this.#quoted()
    else this.#number()
    if (!readInteger(this.#source, this.#from, this.#to)) this.fail(`${field.name} is no integer that fits`, start)
    if (!fits(field.form)) this.fail(`${field.name} is out of range`, start)
    let { lo, hi } = integer
    if (lo === 0 && hi === 0 && !present) return
    if (integer.negative) {
      hi = (~hi + (lo === 0 ? 1 : 0)) >>> 0
      lo = -lo >>> 0
    }
    const out = this.#out
    out[this.#pos] = field.tag
    if (field.form === Form.Fixed64) this.#pos = out.writeUInt32LE(hi, out.writeUInt32LE(lo, this.#pos + 1))
    else if (field.form === Form.Fixed32) this.#pos = out.writeUInt32LE(lo, this.#pos + 1)
    else this.#pos = writeVarint64(out, this.#pos + 1, lo, hi)
  }

  #id(field: JsonField): void {
    const start = this.at
    this.#quoted()
    const source = this.#source
    const length = (this.#to - this.#from) / 2
    let bits = 0
    for (let at = this.#from; at < this.#to; at++) bits |= hexValue[source[at]!]!
    if (bits > 15 || !Number.isInteger(length)) this.fail(`${field.name} is no hex`, start)
    if (length !== field.size || bits === 0) return
    this.#out[this.#pos++] = field.tag
    this.#out[this.#pos++] = length
    for (let at = this.#from; at < this.#to; at += 2)
      this.#out[this.#pos++] = (hexValue[source[at]!]! << 4) | hexValue[source[at + 1]!]!
  }

  #bytes(field: JsonField): void {
    const start = this.at
    this.#quoted()
    const source = this.#source
    let end = this.#to
    while (end > this.#from && end > this.#to - 2 && source[end - 1] === 0x3d) end--
    const letters = end - this.#from
    if (letters % 4 === 1 || (end !== this.#to && (this.#to - this.#from) % 4 !== 0))
      this.fail(`${field.name} is no base64`, start)
    const out = this.#out
    out[this.#pos] = field.tag
    let pos = writeVarint(out, this.#pos + 1, Math.floor((letters * 3) / 4))
    let bits = 0
    let count = 0
    for (let at = this.#from; at < end; at++) {
      const six = base64Value[source[at]!]!
      if (six === 255) this.fail(`${field.name} is no base64`, start)
      bits = ((bits << 6) | six) & 0xffffff
      count += 6
      if (count >= 8) {
        count -= 8
        out[pos++] = (bits >>> count) & 0xff
      }
    }
    this.#pos = pos
  }
}

/** Whether the integer read last is one of this form's. */
function fits(form: Form): boolean {
  const { lo, hi, negative } = integer
  switch (form) {
    case Form.Int64:
      return hi < 2 ** 31 || (negative && hi === 2 ** 31 && lo === 0)
    case Form.Enum:
      return hi === 0 && (lo < 2 ** 31 || (negative && lo === 2 ** 31))
    case Form.Fixed64:
      return !negative || (lo === 0 && hi === 0)
    default:
      return hi === 0 && (!negative || lo === 0)
  }
}
