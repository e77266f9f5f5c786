/**
 * A condition as PostgreSQL SQL, for `query --where`: the same answer from a stored row as from the record itself.
 *
 *   false / true   as in the evaluator
 *   NULL           the evaluator would fail; such a row is not found, as it would not be with any other answer
 *
 * All that comes from the condition goes into parameters, never into the text. `and` and `or` short-circuit: where a
 * part may be NULL, a CASE keeps a later part from deciding. What a store cannot answer exactly is refused with its
 * place: arithmetic, conversions, patterns beyond the plain ones whose meaning PostgreSQL shares.
 *
 * How values lie in columns is the caller's to say (`Columns`). JSONB columns hold OTLP values as the postgres exporter
 * writes them: doubles with a fraction or an exponent, `{"$double": "NaN"}`, `{"$bytes": "…"}`, other keys that start
 * with `$` with one more.
 */
import type { AnyValue } from '../otlp/value.ts'
import type { Call, Condition, Typed } from './checker.ts'
import type { Path } from './paths.ts'
import { toNative } from './pattern.ts'
import { type Comparison, ConditionError } from './syntax.ts'
import { compareValues, type Id, numeric, Type, toAnyValue, typeOf, type Value } from './values.ts'

/** SQL expressions for what a record holds. Text columns may be NULL: then the text is empty. */
export interface Columns {
  /** JSONB objects, by the name of an attribute. May be NULL. */
  readonly attributes: Readonly<Record<Path['of'], string>>
  /** A body that is text, and any other body as JSONB; both NULL: none. */
  readonly bodyText: string
  readonly bodyJson: string
  /** By the field's full name, `log.event_name`, `scope.name` … */
  readonly text: Readonly<Record<string, string>>
  /** By the field's full name; integers or numeric, never NULL. */
  readonly numbers: Readonly<Record<string, string>>
  /** `log.trace_id`, `log.span_id` as bytea; NULL: all zeros. */
  readonly ids: Readonly<Record<string, string>>
  /** How text is written in columns and JSONB: what PostgreSQL cannot hold is escaped. */
  readonly escape: (text: string) => string
  /** How a value is written in JSONB. */
  readonly json: (value: AnyValue) => string
}

export interface Sql {
  readonly text: string
  readonly params: readonly unknown[]
}

/** Throws `ConditionError` for what a store cannot answer. Parameters are `$1`, `$2` … */
export function toSql(condition: Condition, columns: Columns): Sql {
  const writer = new Writer(condition.source, columns)
  const { sql } = writer.test(condition.root)
  return { text: sql, params: writer.params }
}

/** `canFail`: may be NULL. */
interface Answer {
  readonly sql: string
  readonly canFail: boolean
}
/** JSONB, SQL NULL where it is absent; `fails`: SQL that is true where the evaluator fails. */
interface Json {
  readonly sql: string
  readonly fails?: string
}

const sqlOps: Record<Comparison, string> = { '==': '=', '!=': '<>', '<': '<', '<=': '<=', '>': '>', '>=': '>=' }
const mirrored: Record<Comparison, Comparison> = { '==': '==', '!=': '!=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' }
const kindTests: Record<string, (json: string) => string> = {
  IsString: (json) => `jsonb_typeof(${json}) = 'string'`,
  IsBool: (json) => `jsonb_typeof(${json}) = 'boolean'`,
  IsList: (json) => `jsonb_typeof(${json}) = 'array'`,
  IsMap: (json) => isMap(json),
  IsInt: (json) => isInt(json),
  IsDouble: (json) => `(jsonb_typeof(${json}) = 'number' AND NOT ${isInt(json)} OR ${isMarker(json, '$double')})`,
}
/** A number without a fraction in the range of int64: a float that large is written with a fraction. */
const isInt = (json: string): string =>
  `(CASE WHEN jsonb_typeof(${json}) = 'number' THEN (${json})::text !~ '[.e]' AND (${json} #>> '{}')::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 ELSE FALSE END)`
/** An object with one key that is a marker, and no map. */
const isMarker = (json: string, key: string): string => `(jsonb_typeof(${json}) = 'object' AND (${json}) ? '${key}')`
const isMap = (json: string): string =>
  `(jsonb_typeof(${json}) = 'object' AND NOT (${json}) ? '$double' AND NOT (${json}) ? '$bytes')`

class Writer {
  readonly params: unknown[] = []
  readonly #source: string
  readonly #columns: Columns

  constructor(source: string, columns: Columns) {
    this.#source = source
    this.#columns = columns
  }

  test(node: Typed): Answer {
    switch (node.is) {
      case 'or':
      case 'and':
        return joined(
          node.is,
          node.terms.map((term) => this.test(term)),
        )
      case 'not': {
        const { sql, canFail } = this.test(node.operand)
        return { sql: `NOT (${sql})`, canFail }
      }
      case 'compare':
        return this.#compare(node)
      case 'literal':
        return { sql: node.value === true ? 'TRUE' : 'FALSE', canFail: false }
      case 'call':
        return this.#call(node)
      default:
        throw this.#refuse(node)
    }
  }

  #refuse(node: Typed, what = 'this'): ConditionError {
    const fix = 'ask for fields compared with literals, HasPrefix, HasSuffix, IsMatch, IsString …, ContainsValue'
    return new ConditionError(this.#source, node, `${what} cannot be asked of a store`, fix)
  }

  #param(value: unknown, type: string): string {
    this.params.push(value)
    return `$${this.params.length}::${type}`
  }
  #text(value: string): string {
    return this.#param(this.#columns.escape(value), 'text')
  }

  #compare(node: Extract<Typed, { is: 'compare' }>): Answer {
    const { left, right, op } = node
    if (left.is === 'path' && right.is === 'path') return this.#comparePaths(left, op, right)
    if (left.is === 'path') return this.#compareWith(left, op, this.#constant(right))
    if (right.is === 'path') return this.#compareWith(right, mirrored[op], this.#constant(left))
    return { sql: compareValues(this.#constant(left), op, this.#constant(right)) ? 'TRUE' : 'FALSE', canFail: false }
  }

  /** What a part without paths is. */
  #constant(node: Typed): Value {
    if (node.is === 'literal') return node.value
    if (node.is === 'list') return { kind: 'array', values: node.items.map((item) => toAnyValue(this.#constant(item))) }
    if (node.is === 'map') {
      const entries = node.entries.map(({ key, value }) => ({ key, value: toAnyValue(this.#constant(value)) }))
      return { kind: 'kvlist', entries }
    }
    if (node.is !== 'call' || (node.name !== 'TraceID' && node.name !== 'SpanID')) throw this.#refuse(node)
    const literal = node.args[0]?.is === 'literal' ? node.args[0].value : null
    const hex = typeof literal === 'string' ? literal.toLowerCase() : Buffer.from(literal as Uint8Array).toString('hex')
    return { kind: node.name === 'TraceID' ? 'trace_id' : 'span_id', hex }
  }

  #compareWith(node: Extract<Typed, { is: 'path' }>, op: Comparison, literal: Value): Answer {
    const { path } = node
    const name = `${path.of}.${path.field}`
    const text = this.#columns.text[name]
    if (text !== undefined && typeof literal === 'string') {
      return { sql: `COALESCE(${text}, '') COLLATE "C" ${sqlOps[op]} ${this.#text(literal)}`, canFail: false }
    }
    const number = this.#columns.numbers[name]
    if (number !== undefined && typeof literal === 'bigint') {
      return { sql: `${number} ${sqlOps[op]} ${this.#param(String(literal), 'numeric')}`, canFail: false }
    }
    if (number !== undefined && typeof literal === 'number' && !Number.isNaN(literal)) {
      return { sql: `(${number})::float8 ${sqlOps[op]} ${this.#param(literal, 'float8')}`, canFail: false }
    }
    const id = this.#columns.ids[name]
    if (id !== undefined && literal !== null) {
      const { hex } = literal as Id
      const zeros = `decode('${'00'.repeat(hex.length / 2)}', 'hex')`
      const bytes = this.#param(Buffer.from(hex, 'hex'), 'bytea')
      return { sql: `COALESCE(${id}, ${zeros}) ${sqlOps[op]} ${bytes}`, canFail: false }
    }
    const json = this.#json(node)
    return guarded(json, this.#compareJson(json.sql, op, literal, node))
  }

  /** A path as JSONB: attributes, the body, and what lies in them. */
  #json(node: Extract<Typed, { is: 'path' }>): Json {
    const { of, field, keys } = node.path
    const { attributes, bodyText, bodyJson } = this.#columns
    if (field === 'attributes' && keys.length > 0) {
      const first = `(${attributes[of]} -> ${this.#key(keys[0] as string)})`
      return this.#descend({ sql: first }, keys.slice(1))
    }
    if (field !== 'body') throw this.#refuse(node, 'this field')
    const body = `COALESCE(to_jsonb(${bodyText}), ${bodyJson})`
    if (keys.length === 0) return { sql: body }
    // Only a map or a list has keys: any other body fails, an absent one too.
    return this.#descend({ sql: bodyJson, fails: `${bodyJson} IS NULL` }, keys)
  }

  #key(key: string): string {
    return this.#text(key.startsWith('$') ? `$${key}` : key)
  }

  #descend(from: Json, keys: readonly (string | bigint)[]): Json {
    let { sql } = from
    const fails = from.fails === undefined ? [] : [from.fails]
    for (const key of keys) {
      if (typeof key === 'string') {
        fails.push(`(${sql} IS NOT NULL AND NOT ${isMap(sql)})`)
        sql = `(${sql} -> ${this.#key(key)})`
      } else {
        const past = `jsonb_array_length(CASE WHEN jsonb_typeof(${sql}) = 'array' THEN ${sql} ELSE '[]' END) <= ${this.#param(String(key), 'numeric')}`
        fails.push(`(${sql} IS NOT NULL AND ${past})`)
        sql = `(${sql} -> ${this.#param(String(key > 2147483647n ? 2147483647n : key), 'int4')})`
      }
    }
    return fails.length === 0 ? { sql } : { sql, fails: `COALESCE(${fails.join(' OR ')}, FALSE)` }
  }

  /** Never NULL: what does not compare is unequal. */
  #compareJson(json: string, op: Comparison, literal: Value, node: Typed): string {
    const type = typeOf(literal)
    if (type === Type.Nil) return op === '!=' ? `NOT ${isNil(json)}` : isNil(json)
    if ((type & numeric) !== 0) return this.#compareNumber(json, op, literal as bigint | number)
    const otherwise = op === '!='
    const when = (test: string, then: string): string => `COALESCE(CASE WHEN ${test} THEN ${then} END, ${otherwise})`
    const plain = `(${json} #>> '{}')`
    switch (type) {
      case Type.String:
        return when(
          `jsonb_typeof(${json}) = 'string'`,
          `${plain} COLLATE "C" ${sqlOps[op]} ${this.#text(literal as string)}`,
        )
      case Type.Bool:
        return when(
          `jsonb_typeof(${json}) = 'boolean'`,
          `${plain}::boolean ${sqlOps[op]} ${this.#param(literal, 'boolean')}`,
        )
      case Type.Bytes: {
        const bytes = this.#param(Buffer.from(literal as Uint8Array), 'bytea')
        return when(isMarker(json, '$bytes'), `decode(${json} ->> '$bytes', 'base64') ${sqlOps[op]} ${bytes}`)
      }
      case Type.List:
      case Type.Map: {
        // As text, so that 1 and 1.0 differ in here as they do for the evaluator.
        const stored = `${this.#param(this.#columns.json(literal as AnyValue), 'jsonb')}::text`
        const isKind = type === Type.List ? `jsonb_typeof(${json}) = 'array'` : isMap(json)
        return when(isKind, `(${json})::text ${sqlOps[op]} ${stored}`)
      }
      default:
        throw this.#refuse(node)
    }
  }

  #compareNumber(json: string, op: Comparison, literal: bigint | number): string {
    const number = `(${json} #>> '{}')`
    const float = this.#param(Number(literal), 'float8')
    const asFloat = `${number}::numeric::float8 ${sqlOps[op]} ${float}`
    const asInt =
      typeof literal === 'bigint'
        ? `CASE WHEN ${number} ~ '[.e]' THEN ${asFloat} ELSE ${number}::numeric ${sqlOps[op]} ${this.#param(String(literal), 'numeric')} END`
        : asFloat
    const marked = `CASE WHEN ${json} ->> '$double' = 'NaN' THEN ${op === '!='} ELSE (${json} ->> '$double')::float8 ${sqlOps[op]} ${float} END`
    return `COALESCE(CASE WHEN jsonb_typeof(${json}) = 'number' THEN ${asInt} WHEN ${isMarker(json, '$double')} THEN ${marked} END, ${op === '!='})`
  }

  #comparePaths(left: Extract<Typed, { is: 'path' }>, op: Comparison, right: Extract<Typed, { is: 'path' }>): Answer {
    const numbers = [left, right].map(({ path }) => this.#columns.numbers[`${path.of}.${path.field}`])
    if (numbers[0] !== undefined && numbers[1] !== undefined) {
      return { sql: `${numbers[0]} ${sqlOps[op]} ${numbers[1]}`, canFail: false }
    }
    const texts = [left, right].map(({ path }) => this.#columns.text[`${path.of}.${path.field}`])
    if (texts[0] !== undefined && texts[1] !== undefined) {
      return { sql: `COALESCE(${texts[0]}, '') COLLATE "C" ${sqlOps[op]} COALESCE(${texts[1]}, '')`, canFail: false }
    }
    throw this.#refuse(left, 'a comparison of two attributes')
  }

  #call(node: Call): Answer {
    const [target, literal] = node.args
    if (target?.is !== 'path' || node.keys.length > 0) throw this.#refuse(node, `${node.name} of this`)
    const text = this.#columns.text[`${target.path.of}.${target.path.field}`]
    const kindTest = kindTests[node.name]
    if (kindTest !== undefined) {
      if (text !== undefined) return { sql: node.name === 'IsString' ? 'TRUE' : 'FALSE', canFail: false }
      const json = this.#json(target)
      return guarded(json, `COALESCE(${kindTest(json.sql)}, FALSE)`)
    }
    if (literal?.is !== 'literal') throw this.#refuse(node, node.name)
    if (node.name === 'ContainsValue') return this.#contains(target, literal.value, node)
    if (typeof literal.value !== 'string') throw this.#refuse(node, node.name)
    const holds = this.#textTest(node, literal.value)
    if (text !== undefined) return { sql: holds(`COALESCE(${text}, '')`), canFail: false }
    const json = this.#json(target)
    const isText = `jsonb_typeof(${json.sql}) = 'string'`
    const ofNil = node.name === 'IsMatch' ? 'FALSE' : 'NULL'
    const onText = holds(`(${json.sql} #>> '{}')`)
    const answer = `CASE WHEN ${isText} THEN ${onText} WHEN ${isNil(json.sql)} THEN ${ofNil} END`
    return { sql: json.fails === undefined ? answer : `CASE WHEN NOT ${json.fails} THEN ${answer} END`, canFail: true }
  }

  #textTest(node: Call, literal: string): (text: string) => string {
    switch (node.name) {
      case 'HasPrefix':
        return (text) => `starts_with(${text}, ${this.#text(literal)})`
      case 'HasSuffix':
        return (text) => `starts_with(reverse(${text}), reverse(${this.#text(literal)}))`
      case 'IsMatch': {
        const native = toNative(literal)
        if (native === undefined) throw this.#refuse(node.args[1]!, 'this pattern')
        const pattern = this.#param(native.source, 'text')
        return (text) => `${text} COLLATE "C" ${native.flags.includes('i') ? '~*' : '~'} ${pattern}`
      }
      default:
        throw this.#refuse(node, node.name)
    }
  }

  #contains(target: Extract<Typed, { is: 'path' }>, item: Value, node: Typed): Answer {
    const json = this.#json(target)
    const isEqual = this.#compareJson('item', '==', item, node)
    const found = `EXISTS (SELECT FROM jsonb_array_elements(${json.sql}) AS items(item) WHERE ${isEqual})`
    const answer = `CASE WHEN jsonb_typeof(${json.sql}) = 'array' THEN ${found} END`
    return { sql: json.fails === undefined ? answer : `CASE WHEN NOT ${json.fails} THEN ${answer} END`, canFail: true }
  }
}

const isNil = (json: string): string => `(${json} IS NULL OR jsonb_typeof(${json}) = 'null')`

const guarded = (json: Json, sql: string): Answer =>
  json.fails === undefined
    ? { sql, canFail: false }
    : { sql: `CASE WHEN NOT ${json.fails} THEN ${sql} END`, canFail: true }

/** Left to right: a part that fails ends the whole, unless an earlier one decided it. */
function joined(word: 'or' | 'and', answers: readonly Answer[]): Answer {
  const canFail = answers.some((answer) => answer.canFail)
  if (!canFail) return { sql: `(${answers.map(({ sql }) => sql).join(` ${word.toUpperCase()} `)})`, canFail }
  const sql = answers.reduceRight<string | undefined>((rest, answer) => {
    if (rest === undefined) return answer.sql
    return word === 'or'
      ? `CASE ${answer.sql} WHEN TRUE THEN TRUE WHEN FALSE THEN ${rest} END`
      : `CASE ${answer.sql} WHEN TRUE THEN ${rest} WHEN FALSE THEN FALSE END`
  }, undefined)
  return { sql: `(${sql})`, canFail }
}
