/**
 * The parser of OTTL's boolean expressions, by recursive descent:
 *
 *   or      = and { "or" and }
 *   and     = boolean { "and" boolean }
 *   boolean = [ "not" ] compare
 *   compare = sum [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) sum ]
 *   sum     = product { ( "+" | "-" ) product }
 *   product = unary { ( "*" | "/" ) unary }
 *   unary   = [ "-" | "+" ] primary
 *   primary = "nil" | "true" | "false" | int | float | string | bytes | ENUM | path | call | list | map | "(" or ")"
 *
 * It takes a little more than OTTL does (parentheses hold a boolean or a number alike); the checker then asks that
 * each place holds what it needs. Nesting is bounded, so that no configuration can exhaust the stack.
 */
import { limits } from '../limits.ts'
import { type Token, tokenize } from './lexer.ts'
import {
  type Argument,
  type Arithmetic,
  type Comparison,
  ConditionError,
  type Key,
  type Node,
  type Segment,
} from './syntax.ts'

const comparisons = new Set(['==', '!=', '<', '<=', '>', '>='])
const int64Max = 2n ** 63n - 1n
const operand = 'a path, a literal, a function or ('

/** Parses a boolean expression. Throws `ConditionError` at the first token that cannot stand there. */
export function parseExpression(source: string): Node {
  if (source.length > limits.conditionLengthMax) {
    const span = { start: limits.conditionLengthMax, end: source.length }
    throw new ConditionError(source, span, `longer than ${limits.conditionLengthMax} characters`, 'split the rule')
  }
  const parser = new Parser(source)
  const node = parser.or()
  parser.expectEnd('and, or, an operator or the end')
  return node
}

/** Parses one path, such as `resource.attributes["tenant.id"]`, and nothing else. */
export function parsePathNode(source: string): Extract<Node, { is: 'path' }> {
  const parser = new Parser(source)
  const node = parser.path()
  parser.expectEnd('the end of the path')
  return node
}

class Parser {
  readonly #source: string
  readonly #tokens: Token[]
  #at = 0
  #depth = 0

  constructor(source: string) {
    this.#source = source
    this.#tokens = tokenize(source)
  }

  or(): Node {
    return this.#joined('or', () => this.#joined('and', () => this.#boolean()))
  }

  expectEnd(expected: string): void {
    if (this.#token.kind !== 'end') throw this.#unexpected(expected)
  }

  get #token(): Token {
    return this.#tokens[this.#at]!
  }

  #next(): Token {
    const token = this.#token
    if (token.kind !== 'end') this.#at++
    return token
  }

  #is(text: string): boolean {
    const token = this.#token
    return (token.kind === 'sign' || token.kind === 'word') && token.text === text
  }

  #expect(text: string, expected: string): Token {
    if (!this.#is(text)) throw this.#unexpected(expected)
    return this.#next()
  }

  #unexpected(expected: string): ConditionError {
    const token = this.#token
    const found =
      token.kind === 'end' ? 'the end' : this.#source.slice(token.start, Math.min(token.end, token.start + 40))
    const fix = token.text === '=' ? 'equality is written ==' : token.text === '&' ? 'write and' : undefined
    return new ConditionError(this.#source, token, `expected ${expected}, found ${found}`, fix)
  }

  #joined(word: 'or' | 'and', operandOf: () => Node): Node {
    const first = operandOf()
    if (!this.#is(word)) return first
    const terms = [first]
    while (this.#is(word)) {
      this.#next()
      terms.push(operandOf())
    }
    return { is: word, terms, start: first.start, end: terms.at(-1)!.end }
  }

  #boolean(): Node {
    if (!this.#is('not')) return this.#compare()
    const { start } = this.#next()
    const inner = this.#compare()
    return { is: 'not', operand: inner, start, end: inner.end }
  }

  #compare(): Node {
    const left = this.#sum()
    const token = this.#token
    if (token.kind !== 'sign' || !comparisons.has(token.text)) return left
    this.#next()
    const right = this.#sum()
    return { is: 'compare', op: token.text as Comparison, left, right, start: left.start, end: right.end }
  }

  #sum(): Node {
    return this.#math(['+', '-'], () => this.#math(['*', '/'], () => this.#unary()))
  }

  #math(signs: readonly Arithmetic[], operandOf: () => Node): Node {
    let left = operandOf()
    for (;;) {
      const op = signs.find((sign) => this.#is(sign))
      if (op === undefined) return left
      this.#next()
      const right = operandOf()
      left = { is: 'math', op, left, right, start: left.start, end: right.end }
    }
  }

  #unary(): Node {
    const token = this.#token
    if (!this.#is('-') && !this.#is('+')) return this.#primary()
    this.#next()
    const inner = this.#primary(token.text === '-')
    if (token.text === '+') return inner
    if (inner.is === 'literal' && (typeof inner.value === 'bigint' || typeof inner.value === 'number')) {
      return { is: 'literal', value: -inner.value, start: token.start, end: inner.end }
    }
    return { is: 'negate', operand: inner, start: token.start, end: inner.end }
  }

  #primary(isNegated = false): Node {
    const token = this.#token
    const { start, end } = token
    if (token.kind === 'sign') return this.#bracketed()
    switch (token.kind) {
      case 'word':
        if (token.text !== 'true' && token.text !== 'false' && token.text !== 'nil') break
        this.#next()
        return { is: 'literal', value: token.text === 'nil' ? null : token.text === 'true', start, end }
      case 'int':
        this.#next()
        return { is: 'literal', value: this.#int64(token, isNegated), start, end }
      case 'float':
        this.#next()
        return { is: 'literal', value: Number(token.text), start, end }
      case 'string':
        this.#next()
        return { is: 'literal', value: token.text, start, end }
      case 'bytes':
        this.#next()
        return { is: 'literal', value: new Uint8Array(Buffer.from(token.text.slice(2), 'hex')), start, end }
      case 'lower':
        return this.path()
      case 'upper':
      case 'mixed':
        return this.#callOrEnum()
      default:
    }
    throw this.#unexpected(operand)
  }

  #bracketed(): Node {
    if (++this.#depth > limits.conditionDepthMax) {
      throw new ConditionError(this.#source, this.#token, `nested deeper than ${limits.conditionDepthMax}`)
    }
    const node = this.#is('(') ? this.#parenthesised() : this.#is('[') ? this.#list() : this.#map()
    this.#depth--
    return node
  }

  #parenthesised(): Node {
    const { start } = this.#next()
    const inner = this.or()
    const { end } = this.#expect(')', ')')
    return { ...inner, start, end }
  }

  #list(): Node {
    const { start } = this.#next()
    const items: Node[] = []
    while (!this.#is(']')) {
      if (items.length > 0) this.#expect(',', ', or ]')
      items.push(this.#sum())
    }
    return { is: 'list', items, start, end: this.#next().end }
  }

  #map(): Node {
    const { start } = this.#expect('{', operand)
    const entries: { key: string; value: Node }[] = []
    while (!this.#is('}')) {
      if (entries.length > 0) this.#expect(',', ', or }')
      if (this.#token.kind !== 'string') throw this.#unexpected('a key in double quotes')
      const key = this.#next().text
      this.#expect(':', ':')
      entries.push({ key, value: this.#sum() })
    }
    return { is: 'map', entries, start, end: this.#next().end }
  }

  path(): Extract<Node, { is: 'path' }> {
    const segments: Segment[] = []
    do {
      if (segments.length > 0) this.#next()
      const { kind, text, start, end } = this.#token
      if (kind !== 'lower') throw this.#unexpected('a lower-case name')
      this.#next()
      const keys = this.#keys()
      segments.push({ name: text, keys, start, end: keys.at(-1)?.end ?? end })
    } while (this.#is('.'))
    if (this.#is('(')) {
      const fix = 'a condition only asks: functions that change something (set, delete_key …) cannot stand in it'
      throw new ConditionError(
        this.#source,
        segments[0]!,
        'a function in a condition starts with a capital letter',
        fix,
      )
    }
    return { is: 'path', segments, start: segments[0]!.start, end: segments.at(-1)!.end }
  }

  #keys(): Key[] {
    const keys: Key[] = []
    while (this.#is('[')) {
      const { start } = this.#next()
      const isNegative = this.#is('-')
      if (isNegative) this.#next()
      const token = this.#token
      if (token.kind !== 'int' && (token.kind !== 'string' || isNegative)) {
        throw this.#unexpected('a key in double quotes or a number')
      }
      if (isNegative) throw new ConditionError(this.#source, token, 'a list has no negative index', 'count from 0')
      this.#next()
      const { end } = this.#expect(']', ']')
      keys.push({ key: token.kind === 'int' ? this.#int64(token, false) : token.text, start, end })
    }
    return keys
  }

  #callOrEnum(): Node {
    const token = this.#next()
    const { start } = token
    if (!this.#is('(')) {
      if (token.kind === 'upper') return { is: 'enum', name: token.text, start, end: token.end }
      throw this.#unexpected('( after the name of a function')
    }
    if (++this.#depth > limits.conditionDepthMax) {
      throw new ConditionError(this.#source, token, `nested deeper than ${limits.conditionDepthMax}`)
    }
    this.#next()
    const args: Argument[] = []
    while (!this.#is(')')) {
      if (args.length > 0) this.#expect(',', ', or )')
      args.push(this.#argument())
    }
    const { end } = this.#next()
    this.#depth--
    const keys = this.#keys()
    return { is: 'call', name: token.text, args, keys, start, end: keys.at(-1)?.end ?? end }
  }

  #argument(): Argument {
    const token = this.#token
    const after = this.#tokens[this.#at + 1]
    const isNamed = token.kind === 'lower' && after?.kind === 'sign' && after.text === '='
    if (isNamed) this.#at += 2
    const value = this.#sum()
    return { name: isNamed ? token.text : undefined, value, start: token.start, end: value.end }
  }

  #int64(token: Token, isNegated: boolean): bigint {
    const value = BigInt(token.text)
    if (value > int64Max + (isNegated ? 1n : 0n)) {
      throw new ConditionError(
        this.#source,
        token,
        'a number that does not fit in 64 bits',
        'write it with a dot: 1e19 is 10000000000000000000.0',
      )
    }
    return value
  }
}
