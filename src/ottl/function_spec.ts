/** What a converter is to the checker and the compiler: its parameters, its result, and how it is made. */
import { namesOf, typeOf, type Value } from './values.ts'

export interface Parameter {
  readonly name: string
  /** What it takes: a mask of `Type`. An argument that can never be one of these is an error at load. */
  readonly types: number
  /** Known at load: a literal, not a path. */
  readonly isLiteral?: boolean
  /** A list written out, `[a, b]`: its items are handed over as an array of values. */
  readonly isListLiteral?: boolean
  /** May be left out; only at the end. */
  readonly isOptional?: boolean
}

/** Runs per record. Arguments beyond the function's own are nil. */
export type Apply = (first: Value, second: Value, third: Value) => Value

export interface FunctionSpec {
  readonly params: readonly Parameter[]
  /** What it may give: a mask of `Type`. */
  readonly result: number
  /** For docs/ottl.md, which a test compares with this. */
  readonly summary: string
  /**
   * @param literals the arguments known at load; `undefined` where one is not. A list literal is an array of those.
   * @param fail throws the `OttlError` of this call
   * @param refuse throws the `ConditionError` of argument number `index`
   */
  readonly prepare: (
    literals: readonly (Value | readonly (Value | undefined)[] | undefined)[],
    fail: (reason: string) => never,
    refuse: (index: number, reason: string) => never,
  ) => Apply
}

export const param = (name: string, types: number, more: Omit<Parameter, 'name' | 'types'> = {}): Parameter => ({
  name,
  types,
  ...more,
})

/** `not text but an int`. */
export const notA = (wanted: string, value: Value): string => `not ${wanted} but ${namesOf(typeOf(value))}`
