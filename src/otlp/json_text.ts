/**
 * JSON's own grammar (RFC 8259), strictly, over bytes: white space, strings, numbers, literals, and skipping a value
 * that nobody wants. `JSON.parse` will not do: it loses 64-bit integers and cannot say where a fault is.
 *
 * Errors are `JsonError` with the byte offset; never a word of the text. Nesting is bounded by `jsonDepthMax`.
 */
import { isUtf8 } from 'node:buffer'
import { JsonError } from '../errors.ts'
import { limits } from '../limits.ts'

export const Byte = {
  quote: 0x22,
  plus: 0x2b,
  comma: 0x2c,
  minus: 0x2d,
  point: 0x2e,
  zero: 0x30,
  nine: 0x39,
  colon: 0x3a,
  openList: 0x5b,
  backslash: 0x5c,
  closeList: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
} as const

/** 1 for a byte that stands for itself in a string. */
const plain = new Uint8Array(256).fill(1, 0x20)
plain[Byte.quote] = 0
plain[Byte.backslash] = 0

/** What follows a backslash → what it stands for; 0 for what may not follow. `u` is apart. */
const escapes = new Uint8Array(256)
for (const [letter, meaning] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'])
  escapes[letter!.charCodeAt(0)] = meaning!.charCodeAt(0)
const LETTER_U = 0x75

/** Hex digit → its value; 255 for what is none. */
export const hexValue = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 16; digit++) {
  hexValue[digit.toString(16).charCodeAt(0)] = digit
  hexValue[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

/** 1 for what a number may be made of. */
const numeric = new Uint8Array(256)
for (const byte of Buffer.from('+-.0123456789Ee')) numeric[byte] = 1

const literals = { true: Buffer.from('true'), false: Buffer.from('false'), null: Buffer.from('null') }
const numberGrammar = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

/** True where `source[start, end)` is a number as JSON writes it. */
export const isNumber = (source: Buffer, start: number, end: number): boolean =>
  numberGrammar.test(source.latin1Slice(start, end))

export class JsonText {
  readonly text: Buffer
  /** Where the next byte to read stands. */
  at = 0
  /** How many objects and lists are open. */
  depth = 0

  /** Throws where the text is not UTF-8: so strings can be copied as they are. */
  constructor(text: Buffer) {
    this.text = text
    if (!isUtf8(text)) throw new JsonError('the text is not UTF-8', firstInvalid(text))
  }

  fail(reason: string, offset = this.at): never {
    throw new JsonError(reason, offset)
  }

  /** The next byte that is no white space, not yet taken; NaN at the end. */
  peek(): number {
    let byte = this.text[this.at]
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = this.text[++this.at]
    return byte ?? Number.NaN
  }

  expect(byte: number, what: string): void {
    if (this.peek() !== byte) this.fail(`expected ${what}`)
    this.at++
  }

  /** Takes an opening byte and counts the depth. */
  open(byte: number, what: string): void {
    this.expect(byte, what)
    if (++this.depth > limits.jsonDepthMax) this.fail(`nested deeper than ${limits.jsonDepthMax}`)
  }

  /** After an item: true if a comma says that another one follows, false if the closing byte ends them. */
  another(close: number): boolean {
    const byte = this.peek()
    if (byte !== Byte.comma && byte !== close) this.fail(`expected , or ${String.fromCharCode(close)}`)
    this.at++
    if (byte === close) this.depth--
    return byte === Byte.comma
  }

  /** True, and taken, if the list or object that was just opened has nothing in it. */
  emptied(close: number): boolean {
    if (this.peek() !== close) return false
    this.at++
    this.depth--
    return true
  }

  /** Takes `true`, `false` or `null` if it stands here. */
  literal(name: keyof typeof literals): boolean {
    const word = literals[name]
    for (let index = 0; index < word.length; index++) if (this.text[this.at + index] !== word[index]) return false
    this.at += word.length
    return true
  }

  /** Takes the opening quote, then goes over what needs no unescaping. Returns where the content began. */
  plainRun(): number {
    this.expect(Byte.quote, 'a string')
    const { text } = this
    const start = this.at
    let at = start
    while (plain[text[at] as number] === 1) at++
    this.at = at
    return start
  }

  /** After `plainRun`, at its end: true and the quote taken if the string ends here; false where it has escapes. */
  closed(): boolean {
    if (this.text[this.at] !== Byte.quote) return false
    this.at++
    return true
  }

  /**
   * Unescapes from `at` to the closing quote, takes that too, and returns where the writing into `out` ended. Never
   * writes more bytes than it reads. A lone surrogate becomes U+FFFD.
   */
  unescape(out: Buffer, start: number): number {
    const { text } = this
    let to = start
    for (;;) {
      const byte = text[this.at]
      if (byte === undefined) this.fail('a string without end')
      if (plain[byte] === 1) {
        out[to++] = byte
        this.at++
      } else if (byte === Byte.quote) {
        this.at++
        return to
      } else if (byte !== Byte.backslash) this.fail('a control character in a string')
      else if (text[this.at + 1] === LETTER_U) to = writeCodePoint(out, to, this.#codePoint())
      else {
        const meaning = escapes[text[this.at + 1] as number] ?? 0
        if (meaning === 0) this.fail('an unknown escape')
        out[to++] = meaning
        this.at += 2
      }
    }
  }

  /** Takes one `\uXXXX`, or two that make a pair. */
  #codePoint(): number {
    const first = this.#unit(this.at)
    this.at += 6
    if (first < 0xd800 || first > 0xdfff) return first
    if (first > 0xdbff || this.text[this.at] !== Byte.backslash || this.text[this.at + 1] !== LETTER_U) return 0xfffd
    const second = this.#unit(this.at)
    if (second < 0xdc00 || second > 0xdfff) return 0xfffd
    this.at += 6
    return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
  }

  #unit(at: number): number {
    let unit = 0
    for (let index = at + 2; index < at + 6; index++) {
      const digit = hexValue[this.text[index] as number] ?? 255
      if (digit === 255) this.fail('an escape without four hex digits', at)
      unit = unit * 16 + digit
    }
    return unit
  }

  /** Takes what looks like a number and returns where it began. Whether it is one, its reader says. */
  numberRun(): number {
    const start = this.at
    while (numeric[this.text[this.at] as number] === 1) this.at++
    return start
  }

  /** Skips one value of any kind. */
  skip(scratch: Buffer, from: number): void {
    switch (this.peek()) {
      case Byte.quote:
        this.plainRun()
        if (!this.closed()) this.unescape(scratch, from)
        break
      case Byte.openObject:
        this.#skipItems(Byte.openObject, Byte.closeObject, scratch, from)
        break
      case Byte.openList:
        this.#skipItems(Byte.openList, Byte.closeList, scratch, from)
        break
      default: {
        if (this.literal('true') || this.literal('false') || this.literal('null')) return
        const start = this.numberRun()
        if (!isNumber(this.text, start, this.at)) this.fail('expected a value', start)
      }
    }
  }

  #skipItems(open: number, close: number, scratch: Buffer, from: number): void {
    this.open(open, 'a value')
    if (this.emptied(close)) return
    do {
      if (close === Byte.closeObject) {
        this.plainRun()
        if (!this.closed()) this.unescape(scratch, from)
        this.expect(Byte.colon, ':')
      }
      this.skip(scratch, from)
    } while (this.another(close))
  }
}

function writeCodePoint(out: Buffer, at: number, point: number): number {
  let to = at
  if (point < 0x80) out[to++] = point
  else {
    if (point < 0x800) out[to++] = 0xc0 | (point >> 6)
    else {
      if (point < 0x10000) out[to++] = 0xe0 | (point >> 12)
      else {
        out[to++] = 0xf0 | (point >> 18)
        out[to++] = 0x80 | ((point >> 12) & 0x3f)
      }
      out[to++] = 0x80 | ((point >> 6) & 0x3f)
    }
    out[to++] = 0x80 | (point & 0x3f)
  }
  return to
}

/** Where text that is not UTF-8 first goes wrong, give or take one character. */
function firstInvalid(text: Buffer): number {
  let valid = 0
  let invalid = text.length
  while (invalid - valid > 4) {
    const middle = (valid + invalid) >>> 1
    const good = [0, 1, 2, 3].find((less) => middle - less > valid && isUtf8(text.subarray(valid, middle - less)))
    if (good === undefined) invalid = middle
    else valid = middle - good
  }
  return valid
}
