/**
 * The words of an OTTL condition. The same lexical rules as the Collector's: lower-case names are paths, names with
 * capitals are converters or enums, `0x…` are bytes, text stands in double quotes with Go's escapes.
 */
import { ConditionError, type Span } from './syntax.ts'

export type TokenKind = 'bytes' | 'float' | 'int' | 'string' | 'word' | 'lower' | 'upper' | 'mixed' | 'sign' | 'end'

export interface Token extends Span {
  readonly kind: TokenKind
  /** As written; of a string, what it stands for. */
  readonly text: string
}

const words = new Set(['and', 'or', 'not', 'true', 'false', 'nil'])
const rules: readonly [TokenKind, RegExp][] = [
  ['bytes', /0x[0-9a-fA-F]*/y],
  ['float', /(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?/y],
  ['int', /\d+/y],
  ['lower', /[a-z][a-z0-9_]*(?![A-Za-z0-9_])/y],
  ['upper', /[A-Z][A-Z0-9_]*(?![A-Za-z0-9_])/y],
  ['mixed', /[A-Za-z_][A-Za-z0-9_]*/y],
  ['sign', /==|!=|>=|<=|[<>=+\-*/(){}[\],.:]/y],
]

/** Splits a condition into tokens; the last one has kind `end`. Throws `ConditionError`. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  for (;;) {
    while (at < source.length && /\s/.test(source[at]!)) at++
    if (at >= source.length) break
    const token = source[at] === '"' ? readString(source, at) : readOther(source, at)
    tokens.push(token)
    at = token.end
  }
  tokens.push({ kind: 'end', text: '', start: source.length, end: source.length })
  return tokens
}

function readOther(source: string, at: number): Token {
  for (const [kind, pattern] of rules) {
    pattern.lastIndex = at
    const text = pattern.exec(source)?.[0]
    if (text === undefined) continue
    const span = { start: at, end: at + text.length }
    if (kind === 'bytes' && (text.length === 2 || text.length % 2 === 1)) {
      throw new ConditionError(source, span, 'bytes need an even number of hex digits', 'write two digits a byte: 0x0f')
    }
    return { kind: words.has(text) ? 'word' : kind, text, ...span }
  }
  const character = String.fromCodePoint(source.codePointAt(at)!)
  const fix = unknownCharacterFixes[character]
  throw new ConditionError(source, { start: at, end: at + character.length }, `unexpected character ${character}`, fix)
}

const unknownCharacterFixes: Record<string, string> = {
  "'": 'write text in double quotes',
  '&': 'write and',
  '|': 'write or',
  '!': 'write not, or != to compare',
  '~': 'write IsMatch(value, "pattern")',
}

const simpleEscapes: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
}

function readString(source: string, start: number): Token {
  let text = ''
  let at = start + 1
  for (;;) {
    const character = source[at]
    if (character === undefined || character === '\n') {
      throw new ConditionError(source, { start, end: at }, 'text without its closing quote', 'end it with "')
    }
    if (character === '"') return { kind: 'string', text, start, end: at + 1 }
    if (character === '\\') {
      const escaped = readEscape(source, at)
      text += escaped.text
      at = escaped.end
    } else {
      text += character
      at++
    }
  }
}

/** Go's escapes. `\x` and octal ones above 0x7f would make text that is not UTF-8, and are refused. */
function readEscape(source: string, start: number): { text: string; end: number } {
  const next = source[start + 1] ?? ''
  const simple = simpleEscapes[next]
  if (simple !== undefined) return { text: simple, end: start + 2 }
  const numeric = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))/y
  numeric.lastIndex = start
  const match = numeric.exec(source)
  if (match) {
    const [whole, x, u, long, octal] = match
    const code = octal === undefined ? Number.parseInt((x ?? u ?? long)!, 16) : Number.parseInt(octal, 8)
    const isByte = x !== undefined || octal !== undefined
    const isSurrogate = code >= 0xd800 && code <= 0xdfff
    if (!(isByte && code > 0x7f) && code <= 0x10ffff && !isSurrogate) {
      return { text: String.fromCodePoint(code), end: start + whole.length }
    }
  }
  const span = { start, end: Math.min(start + 2, source.length) }
  throw new ConditionError(source, span, `unknown escape \\${next}`, 'a backslash in text is written twice: "\\\\d"')
}
