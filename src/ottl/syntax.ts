/**
 * What an OTTL condition is made of, as written: the tree that the parser makes, and the error that says where a
 * condition is wrong. Offsets count UTF-16 units from the start of the condition; lines and columns start at 1.
 */
import { ConfigError } from '../errors.ts'

/** The part of the text that something stands for: `[start, end)`. */
export interface Span {
  readonly start: number
  readonly end: number
}

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>='
export type Arithmetic = '+' | '-' | '*' | '/'
/** What a literal may be: nil, text, int64, float64, bool, bytes. */
export type Literal = null | string | bigint | number | boolean | Uint8Array

export interface Segment extends Span {
  readonly name: string
  readonly keys: readonly Key[]
}
export interface Key extends Span {
  readonly key: string | bigint
}
export interface Argument extends Span {
  readonly name: string | undefined
  readonly value: Node
}

export type Node = Span &
  (
    | { readonly is: 'or' | 'and'; readonly terms: readonly Node[] }
    | { readonly is: 'not' | 'negate'; readonly operand: Node }
    | { readonly is: 'compare'; readonly op: Comparison; readonly left: Node; readonly right: Node }
    | { readonly is: 'math'; readonly op: Arithmetic; readonly left: Node; readonly right: Node }
    | { readonly is: 'literal'; readonly value: Literal }
    | { readonly is: 'enum'; readonly name: string }
    | { readonly is: 'path'; readonly segments: readonly Segment[] }
    | { readonly is: 'call'; readonly name: string; readonly args: readonly Argument[]; readonly keys: readonly Key[] }
    | { readonly is: 'list'; readonly items: readonly Node[] }
    | { readonly is: 'map'; readonly entries: readonly { readonly key: string; readonly value: Node }[] }
  )

/** A condition that cannot be used. It tells where in the condition, what is wrong, and what to write instead. */
export class ConditionError extends ConfigError {
  /** UTF-16 units from the start of the condition. */
  readonly offset: number
  readonly length: number
  readonly line: number
  readonly column: number
  /** What is wrong, without the place. */
  readonly reason: string

  constructor(source: string, span: Span, reason: string, fix?: string) {
    const before = source.slice(0, span.start)
    const line = before.split('\n').length
    const column = span.start - (before.lastIndexOf('\n') + 1) + 1
    super(`condition, line ${line}, column ${column}: ${reason}`, [], fix)
    this.name = 'ConditionError'
    this.offset = span.start
    this.length = Math.max(0, span.end - span.start)
    this.line = line
    this.column = column
    this.reason = reason
  }
}
