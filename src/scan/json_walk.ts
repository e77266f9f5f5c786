/**
 * Where values stand in JSON, line by line: a document on one line, one a line, or one over many lines (pretty-printed).
 * Nothing is kept of it but the names that lead to the place at hand. OTLP/JSON is told by its `resourceLogs`: there a
 * value's path is OTTL's, `log.attributes["user.id"]`; anywhere else it is the names, `user.address.city`.
 */
import { limits } from '../limits.ts'

export interface JsonValue {
  /** The string without escapes, or the number as it is written. */
  readonly text: string
  /** Where it begins and ends in the line, without quotes. */
  readonly start: number
  readonly end: number
  /** The name that it is the value of, which is context to the detectors; of a name: empty. */
  readonly key: string
  readonly path: string
  /** A name is looked at too: it may be personal itself. */
  readonly isName: boolean
}

interface Frame {
  readonly isObject: boolean
  /** The name under which the object or array stands. */
  readonly name: string
  /** The last name in this object. */
  last: string
  /** OTLP's KeyValue: what its `key` says. */
  key: string | undefined
}

/** White space, then a string, a number or word, or one of `{}[]:,`. */
const token = /[ \t]*(?:"((?:[^"\\\u0000-\u001f]|\\.)*)"|(-?\d[\d.eE+-]*|true|false|null)|([{}[\]:,]))/y

export class JsonWalk {
  #frames: Frame[] = []
  #isName = false

  /** The values of a line; undefined = it is no JSON, or no part of it. */
  line(line: string): JsonValue[] | undefined {
    const values: JsonValue[] = []
    if (this.#frames.length === 0 && !/^\s*[{[]/.test(line)) return undefined
    let at = 0
    while (at < line.length) {
      token.lastIndex = at
      const match = token.exec(line)
      if (!match) {
        if (/^\s*$/.test(line.slice(at))) break
        return this.#fail()
      }
      at = token.lastIndex
      const [, string, other, mark] = match
      if (mark !== undefined) {
        if (!this.#mark(mark)) return this.#fail()
      } else if (this.#frames.length === 0) return this.#fail()
      else if (string !== undefined) this.#string(values, string, at - 1 - string.length)
      else if (other !== undefined && other.length > 3) this.#value(values, other, at - other.length, at)
    }
    return values
  }

  #fail(): undefined {
    this.#frames = []
    this.#isName = false
    return undefined
  }

  #mark(mark: string): boolean {
    const top = this.#frames.at(-1)
    if (mark === '{' || mark === '[') {
      if (this.#frames.length >= limits.scannedJsonDepthMax) return false
      const name = top === undefined ? '' : top.isObject ? top.last : ''
      this.#frames.push({ isObject: mark === '{', name, last: '', key: undefined })
      this.#isName = mark === '{'
    } else if (mark === '}' || mark === ']') {
      if (top === undefined || top.isObject !== (mark === '}')) return false
      this.#frames.pop()
      this.#isName = false
    } else if (mark === ':') this.#isName = false
    else this.#isName = top?.isObject ?? false
    return true
  }

  #string(values: JsonValue[], raw: string, start: number): void {
    const top = this.#frames.at(-1)!
    const text = raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw
    if (this.#isName && top.isObject) {
      top.last = text
      this.#isName = false
      if (!isOtlpName(text))
        values.push({ text, start, end: start + raw.length, key: '', path: this.#path(), isName: true })
      return
    }
    if (top.isObject && top.last === 'key' && this.#isOtlp) top.key = text
    this.#value(values, text, start, start + raw.length)
  }

  #value(values: JsonValue[], text: string, start: number, end: number): void {
    values.push({ text, start, end, key: this.#key(), path: this.#path(), isName: false })
  }

  get #isOtlp(): boolean {
    return this.#frames[1]?.name === 'resourceLogs'
  }

  /** The nearest name: OTLP's wrappers (`value`, `stringValue`, `arrayValue` …) are none. */
  #key(): string {
    for (let i = this.#frames.length - 1; i >= 0; i--) {
      const frame = this.#frames[i]!
      if (!frame.isObject) continue
      if (this.#isOtlp) {
        if (frame.key !== undefined) return frame.last === 'key' ? '' : frame.key
        if (isOtlpName(frame.last)) continue
      }
      return frame.last
    }
    return ''
  }

  #path(): string {
    const names = this.#frames.flatMap(({ isObject, last, key }) =>
      !isObject ? [] : key === undefined ? [last] : [`\0${key}`],
    )
    if (!this.#isOtlp) return names.join('.')
    const keys = names.filter((name) => name.startsWith('\0')).map((name) => name.slice(1))
    const level = names.includes('logRecords') ? 'log' : names.includes('scopeLogs') ? 'scope' : 'resource'
    const nested = keys.slice(1).map((key) => `.${key}`)
    if (names.includes('attributes') && keys.length > 0)
      return `${level}.attributes[${JSON.stringify(keys[0])}]${nested.join('')}`
    if (names.includes('body')) return `log.body${keys.map((key) => `.${key}`).join('')}`
    return `${level}.${snake(names.at(-1) ?? '')}`
  }
}

const otlpNames = new Set(
  'resourceLogs resource scopeLogs scope logRecords attributes key value values stringValue intValue doubleValue boolValue bytesValue arrayValue kvlistValue body'.split(
    ' ',
  ),
)
const isOtlpName = (name: string): boolean => otlpNames.has(name)
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** For a raw JSON string without its quotes: the offset in it of each character of its text, and of its end. */
export function rawOffsets(raw: string): Int32Array {
  const offsets = new Int32Array(raw.length + 1)
  let count = 0
  for (let i = 0; i < raw.length; count++) {
    offsets[count] = i
    i += raw[i] !== '\\' ? 1 : raw[i + 1] === 'u' ? 6 : 2
  }
  offsets[count] = raw.length
  return offsets
}
