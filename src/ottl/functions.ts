/**
 * The converters that a condition may call: names, parameters and semantics of the Collector's ottlfuncs 0.149.
 *
 * Each is pure over values. `prepare` runs once, at load: it sees the arguments that are literals, may refuse them,
 * and returns the function that runs per record. What a function cannot take at run time it refuses through `fail`,
 * which throws an `OttlError`; it never answers something instead.
 */
import { limits } from '../limits.ts'
import { type Apply, type FunctionSpec, notA, type Parameter, param } from './function_spec.ts'
import { collectionFunctions } from './functions_collection.ts'
import { timeFunctions } from './functions_time.ts'
import { compilePattern } from './pattern.ts'
import { anyType, numeric, Type, textOf, typeOf, type Value } from './values.ts'

const text = (name: string): Parameter => param(name, Type.String)
const primitive = Type.Nil | Type.String | numeric | Type.Bool
const wantText = (value: Value, fail: (reason: string) => never): string =>
  typeof value === 'string' ? value : fail(notA('text', value))

/** A function of one text to another value. */
const ofText = (summary: string, result: number, apply: (value: string) => Value): FunctionSpec => ({
  params: [text('target')],
  result,
  summary,
  prepare: (_, fail) => (value) => apply(wantText(value, fail)),
})

/** A test of two texts. */
const ofTwoTexts = (
  names: readonly [string, string],
  summary: string,
  result: number,
  apply: (value: string, other: string) => Value,
): FunctionSpec => ({
  params: [text(names[0]), text(names[1])],
  result,
  summary,
  prepare: (_, fail) => (value, other) => apply(wantText(value, fail), wantText(other, fail)),
})

/** Whether a value has a type. Never fails. */
const isType = (type: number, what: string): FunctionSpec => ({
  params: [param('target', anyType)],
  result: Type.Bool,
  summary: `true when the value is ${what}; false for nil and every other type`,
  prepare: () => (value) => (typeOf(value) & type) !== 0,
})

const isMatch: FunctionSpec = {
  params: [param('target', anyType), param('pattern', Type.String, { isLiteral: true })],
  result: Type.Bool,
  summary:
    'whether the pattern (RE2) is found anywhere in the target; other types than text are matched as `String` writes them; nil gives false',
  prepare: ([, pattern], fail, refuse) => {
    const compiled = compilePattern(pattern as string)
    if (typeof compiled === 'string') return refuse(1, compiled)
    return (value) => (value === null ? false : compiled(toText(value, fail)))
  },
}

function toText(value: Value, fail: (reason: string) => never): string {
  try {
    return textOf(value)
  } catch (error) {
    if (error instanceof RangeError) return fail('NaN and infinity have no text')
    throw error
  }
}

const toInt =
  (fail: (reason: string) => never): Apply =>
  (value) => {
    switch (typeof value) {
      case 'bigint':
        return value
      case 'boolean':
        return value ? 1n : 0n
      case 'number':
        // Go leaves the conversion of what does not fit to the processor; a condition must not depend on that.
        if (!(Math.abs(value) < 2 ** 63)) return fail('a float that does not fit in an int')
        return BigInt(Math.trunc(value))
      case 'string':
        return parseInt64(value)
      default:
        return value === null ? null : fail(notA('a number, a bool or text', value))
    }
  }

function parseInt64(digits: string): bigint | null {
  if (!/^[+-]?\d{1,40}$/.test(digits)) return null
  const value = BigInt(digits[0] === '+' ? digits.slice(1) : digits)
  return BigInt.asIntN(64, value) === value ? value : null
}

const toDouble =
  (fail: (reason: string) => never): Apply =>
  (value) => {
    switch (typeof value) {
      case 'number':
        return value
      case 'bigint':
        return Number(value)
      case 'boolean':
        return value ? 1 : 0
      case 'string': {
        const isNumber =
          value.length <= limits.conditionNumberLengthMax && /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value)
        const parsed = isNumber ? Number(value) : Number.NaN
        return Number.isFinite(parsed) ? parsed : fail('text that is no number')
      }
      default:
        return value === null ? null : fail(notA('a number, a bool or text', value))
    }
  }

const truths = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const falsehoods = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])
const toBool =
  (fail: (reason: string) => never): Apply =>
  (value) => {
    switch (typeof value) {
      case 'boolean':
        return value
      case 'number':
        return value !== 0
      case 'bigint':
        return value !== 0n
      case 'string':
        if (truths.has(value)) return true
        return falsehoods.has(value) ? false : fail('text that is no bool')
      default:
        return value === null ? null : fail(notA('a bool, a number or text', value))
    }
  }

/** Letter by letter, as Go does: a letter whose other case is several letters stays as it is. */
const mapLetters = (value: string, map: (letter: string) => string): string => {
  if (!/[^\x00-\x7f]/.test(value)) return map(value)
  let mapped = ''
  for (const letter of value) {
    const other = map(letter)
    mapped += letter === '\u0130' && other !== letter ? 'i' : [...other].length === 1 ? other : letter
  }
  return mapped
}
const lower = (value: string): string => mapLetters(value, (letter) => letter.toLowerCase())
const upper = (value: string): string => mapLetters(value, (letter) => letter.toUpperCase())

const convertCase: FunctionSpec = {
  params: [text('target'), param('to_case', Type.String, { isLiteral: true })],
  result: Type.String,
  summary: '`"lower"` or `"upper"`: the target in that case; fails for what is not text',
  prepare: ([, toCase], fail, refuse) => {
    if (toCase !== 'lower' && toCase !== 'upper') return refuse(1, 'only "lower" and "upper" are supported')
    return (value) => (toCase === 'lower' ? lower : upper)(wantText(value, fail))
  },
}

const substring: FunctionSpec = {
  params: [text('target'), param('start', Type.Int), param('length', Type.Int)],
  result: Type.String,
  summary:
    'the part of a text, counted in bytes; fails for what is not text, a range outside of it, or one that cuts a character',
  prepare: (_, fail) => (value, start, length) => {
    const bytes = Buffer.from(wantText(value, fail))
    if (typeof start !== 'bigint') return fail(notA('an int', start))
    if (typeof length !== 'bigint') return fail(notA('an int', length))
    if (start < 0n || length <= 0n || start + length > BigInt(bytes.length)) return fail('a range outside of the text')
    const from = Number(start)
    const to = from + Number(length)
    const cuts = (at: number): boolean => at < bytes.length && (bytes[at]! & 0xc0) === 0x80
    if (cuts(from) || cuts(to)) return fail('a range that cuts a character')
    return bytes.toString('utf8', from, to)
  },
}

/** Takes every leading and trailing character that is in `cutset`. */
function trim(value: string, cutset: string): string {
  const cut = new Set(cutset)
  const letters = [...value]
  let from = 0
  let to = letters.length
  while (from < to && cut.has(letters[from]!)) from++
  while (to > from && cut.has(letters[to - 1]!)) to--
  return letters.slice(from, to).join('')
}

const concat: FunctionSpec = {
  params: [param('vals', Type.List, { isListLiteral: true }), text('delimiter')],
  result: Type.String,
  summary: 'the values as `String` writes them, joined by the delimiter; nil is written `<nil>`',
  prepare: (_, fail) => (values, delimiter) => {
    const joiner = wantText(delimiter, fail)
    return (values as unknown as readonly Value[])
      .map((value) => (value === null ? '<nil>' : toText(value, fail)))
      .join(joiner)
  },
}

export const functions: Readonly<Record<string, FunctionSpec>> = {
  IsMatch: isMatch,
  HasPrefix: ofTwoTexts(
    ['target', 'prefix'],
    'whether a text begins with the prefix; fails for what is not text, nil too',
    Type.Bool,
    (value, prefix) => value.startsWith(prefix),
  ),
  HasSuffix: ofTwoTexts(
    ['target', 'suffix'],
    'whether a text ends with the suffix; fails for what is not text, nil too',
    Type.Bool,
    (value, suffix) => value.endsWith(suffix),
  ),
  IsString: isType(Type.String, 'text'),
  IsInt: isType(Type.Int, 'an int'),
  IsDouble: isType(Type.Float, 'a float'),
  IsBool: isType(Type.Bool, 'a bool'),
  IsMap: isType(Type.Map, 'a map'),
  IsList: isType(Type.List, 'a list'),
  Int: {
    params: [param('target', primitive)],
    result: Type.Int | Type.Nil,
    summary:
      'as an int: floats are cut towards zero, bools are 0 and 1; text that is no int gives nil, nil gives nil; fails for other types and for floats that do not fit',
    prepare: (_, fail) => toInt(fail),
  },
  Double: {
    params: [param('target', primitive)],
    result: Type.Float | Type.Nil,
    summary: 'as a float; nil gives nil; fails for text that is no number and for other types',
    prepare: (_, fail) => toDouble(fail),
  },
  Bool: {
    params: [param('target', primitive)],
    result: Type.Bool | Type.Nil,
    summary:
      'as a bool: numbers are true unless 0; text may be 1, t, T, true, TRUE, True, 0, f, F, false, FALSE, False; nil gives nil; fails for other text and types',
    prepare: (_, fail) => toBool(fail),
  },
  String: {
    params: [param('target', anyType)],
    result: Type.String | Type.Nil,
    summary: 'as text: numbers as in JSON, bytes in hex, lists and maps as JSON; nil gives nil',
    prepare: (_, fail) => (value) => (value === null ? null : toText(value, fail)),
  },
  ConvertCase: convertCase,
  ToLowerCase: ofText('a text in lower case; fails for what is not text, nil too', Type.String, lower),
  ToUpperCase: ofText('a text in upper case; fails for what is not text, nil too', Type.String, upper),
  Concat: concat,
  Substring: substring,
  Split: ofTwoTexts(
    ['target', 'delimiter'],
    'a list of the parts between the delimiters; fails for what is not text',
    Type.List,
    (value, delimiter) => ({
      kind: 'array',
      values: (delimiter === '' ? [...value] : value.split(delimiter)).map((part) => ({ kind: 'string', value: part })),
    }),
  ),
  Trim: {
    params: [text('target'), param('replacement', Type.String, { isLiteral: true, isOptional: true })],
    result: Type.String,
    summary: 'a text without the characters of the second argument (a space) at both ends; fails for what is not text',
    prepare:
      ([, cutset], fail) =>
      (value) =>
        trim(wantText(value, fail), (cutset as string | undefined) ?? ' '),
  },
  TrimPrefix: ofTwoTexts(
    ['target', 'prefix'],
    'a text without that prefix; fails for what is not text',
    Type.String,
    (value, prefix) => (prefix !== '' && value.startsWith(prefix) ? value.slice(prefix.length) : value),
  ),
  TrimSuffix: ofTwoTexts(
    ['target', 'suffix'],
    'a text without that suffix; fails for what is not text',
    Type.String,
    (value, suffix) => (suffix !== '' && value.endsWith(suffix) ? value.slice(0, -suffix.length) : value),
  ),
  ...collectionFunctions,
  ...timeFunctions,
}
