/**
 * The way of one record through the states of a set of conditions (src/ottl/decision.ts), in AssemblyScript: every
 * field that a condition looks at takes one step. It only follows what is known; where something was not met before it
 * ends with 0, and decision.ts goes the slow way and writes down what it learnt (src/ottl/walk.ts says where).
 *
 * Why not TypeScript: a step reads five or six numbers out of tables. There each costs a check of the table's bounds and
 * a look at the object that holds it: three times the time of the whole.
 *
 * All addresses within the tables count in bytes from `base`; lists of blocks hold them too.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

import { body, slots } from './scan'

const SLOT: i32 = 44
const KEY_ID: i32 = 16
const KIND: i32 = 20
const VALUE_FROM: i32 = 24
const VALUE_TO: i32 = 28
const EDIT: i32 = 32

const KIND_REMOVED: i32 = 8
const KIND_STRING: i32 = 1
const KIND_BOOL: i32 = 2
const KIND_INT: i32 = 3
const KIND_DOUBLE: i32 = 4

// Of the header. Each list: how many, and where.
const STRIDE: i32 = 0
const CELLS: i32 = 4
const TABLE: i32 = 8
const SEVERITY: i32 = 12
const EVENT_NAME: i32 = 20
const SEVERITY_TEXT: i32 = 28
const BODY: i32 = 36
const SHAPES: i32 = 44
const ASKS_ATTRIBUTES: i32 = 48

/** No symbol is known. */
const NONE: i32 = -1

function step(base: i32, state: i32, symbol: i32): i32 {
  const stride = load<i32>(base, STRIDE)
  const cell = state * stride + symbol
  if (symbol >= stride || cell >= load<i32>(base, CELLS)) return 0
  return load<i32>(base + load<i32>(base, TABLE) + (cell << 2))
}

/** `record`: where its row is in memory. */
export function decide(base: i32, record: i32, start: i32): i32 {
  let state = start
  const severity = load<i32>(record, 44)
  let count = load<i32>(base, SEVERITY)
  let list = base + load<i32>(base, SEVERITY + 4)
  for (; count > 0; count--, list += 4) {
    const symbol = <u32>severity < 32 ? load<i32>(base + load<i32>(list) + (severity << 2)) : NONE
    if (symbol < 0) return 0
    state = step(base, state, symbol)
    if (state == 0) return 0
  }
  count = load<i32>(base, EVENT_NAME)
  list = base + load<i32>(base, EVENT_NAME + 4)
  for (; count > 0; count--, list += 4) {
    const symbol = textSymbol(base + load<i32>(list), load<i32>(record, 36))
    if (symbol < 0) return 0
    state = step(base, state, symbol)
    if (state == 0) return 0
  }
  count = load<i32>(base, SEVERITY_TEXT)
  list = base + load<i32>(base, SEVERITY_TEXT + 4)
  for (; count > 0; count--, list += 4) {
    const symbol = textSymbol(base + load<i32>(list), load<i32>(record, 40))
    if (symbol < 0) return 0
    state = step(base, state, symbol)
    if (state == 0) return 0
  }
  count = load<i32>(base, BODY)
  list = base + load<i32>(base, BODY + 4)
  for (; count > 0; count--, list += 4) {
    const slot = load<i32>(record, 32)
    const block = base + load<i32>(list)
    const symbol = slot < 0 ? load<i32>(block, ABSENT) : valueSymbol(base, block, slots + slot * SLOT)
    if (symbol < 0) return 0
    state = step(base, state, symbol)
    if (state == 0) return 0
  }
  if (load<i32>(base, ASKS_ATTRIBUTES) == 0) return state
  return attributes(base, state, load<i32>(record, 12), load<i32>(record, 16))
}

// A shape's place: how many ids, the ids, how many steps, and each step's slot and block.
const SHAPE: i32 = 4 * (2 + 64 + 128)

function attributes(base: i32, start: i32, first: i32, end: i32): i32 {
  const count = end - first
  if (count == 0) return start
  const firstRow = slots + first * SLOT
  let sum = count
  for (let i = 0, row = firstRow; i < count; i++, row += SLOT) sum += load<i32>(row, KEY_ID) * (2 * i + 1)
  const shape = base + load<i32>(base, SHAPES) + <i32>(<u32>(sum * 0x9e3779b1) >> 25) * SHAPE
  if (load<i32>(shape) != count) return 0
  let row = firstRow
  let id = shape + 4
  const idsEnd = id + (count << 2)
  for (; id < idsEnd; id += 4, row += SLOT) if (load<i32>(row, KEY_ID) != load<i32>(id)) return 0
  let state = start
  let next = shape + 4 + 64 * 4
  const stepsEnd = next + 4 + (load<i32>(next) << 3)
  for (next += 4; next < stepsEnd; next += 8) {
    const at = firstRow + load<i32>(next) * SLOT
    if (load<i32>(at, KIND) == KIND_REMOVED) return 0
    const symbol = valueSymbol(base, base + load<i32>(next, 4), at)
    if (symbol < 0) return 0
    state = step(base, state, symbol)
    if (state == 0) return 0
  }
  return state
}

// A place of a text field: length, four words that overlap, symbol, and the text.
const TEXT_ROW: i32 = 152
const TEXT: i32 = 24

function textSymbol(block: i32, slot: i32): i32 {
  if (slot < 0) return load<i32>(block)
  const row = slots + slot * SLOT
  if (load<i32>(row, EDIT) >= 0) return NONE
  const from = body + load<i32>(row, VALUE_FROM)
  const length = body + load<i32>(row, VALUE_TO) - from
  if (length < 4 || length > 128) return NONE
  const word0 = load<i32>(from)
  const word3 = load<i32>(from + length - 4)
  const isShort = length < 8
  const word1 = isShort ? word0 : load<i32>(from, 4)
  const word2 = isShort ? word3 : load<i32>(from + length - 8)
  const hash = <u32>((word0 ^ ((word3 ^ length) * 0x85ebca6b) ^ (word1 << 5) ^ (word2 << 3)) * 0x9e3779b1) >> 24
  const at = block + 4 + <i32>hash * TEXT_ROW
  if (
    load<i32>(at) != length ||
    load<i32>(at, 4) != word0 ||
    load<i32>(at, 8) != word1 ||
    load<i32>(at, 12) != word2 ||
    load<i32>(at, 16) != word3
  ) {
    return NONE
  }
  if (length > 16 && !isSame(from, at + TEXT, length)) return NONE
  return load<i32>(at, 20)
}

/** Whether two texts of more than 16 bytes are the same. */
@inline function isSame(a: i32, b: i32, length: i32): bool {
  for (let i = 0; i < length - 16; i += 16) {
    if (v128.any_true(v128.xor(v128.load(a + i), v128.load(b + i)))) return false
  }
  return !v128.any_true(v128.xor(v128.load(a + length - 16), v128.load(b + length - 16)))
}

// Of a block of a field with a value of any kind.
const ABSENT: i32 = 0
const BY_KIND: i32 = 4
const OF_BOOL: i32 = 68
const TESTS: i32 = 76
const NUMBERS: i32 = 84
const OF_INT: i32 = 92
const OF_DOUBLE: i32 = 96
const OF_TEXT: i32 = 100
const OF_SMALL_INT: i32 = 612
const SMALL_INTS: i32 = 1024
/** In place of a symbol: the value decides. */
const BY_VALUE: i32 = -2

function valueSymbol(base: i32, block: i32, row: i32): i32 {
  const kind = load<i32>(row, KIND)
  const known = load<i32>(block + (kind << 2), BY_KIND)
  if (known != BY_VALUE || load<i32>(row, EDIT) >= 0) return known < 0 ? NONE : known
  const from = body + load<i32>(row, VALUE_FROM)
  switch (kind) {
    case KIND_STRING:
      return textBitsSymbol(base, block, from, body + load<i32>(row, VALUE_TO))
    case KIND_BOOL:
      return load<i32>(block + (load<u8>(from) == 1 ? 4 : 0), OF_BOOL)
    case KIND_INT: {
      const int = varint(from, body + load<i32>(row, VALUE_TO))
      if (<u64>int < <u64>SMALL_INTS) {
        const symbol = load<i32>(block + (<i32>int << 2), OF_SMALL_INT)
        if (symbol >= 0) return symbol
      }
      return load<i32>(base + load<i32>(block, OF_INT) + (place(base, block, <f64>int) << 2))
    }
    case KIND_DOUBLE:
      return load<i32>(base + load<i32>(block, OF_DOUBLE) + (place(base, block, load<f64>(from)) << 2))
    default:
      return NONE
  }
}

function varint(from: i32, end: i32): i64 {
  let value: u64 = 0
  let shift: u64 = 0
  for (let at = from; at < end; at++, shift += 7) {
    const byte = load<u8>(at)
    value |= (<u64>byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  return <i64>value
}

/** Where a number stands among the literals: 2i before literal i, 2i + 1 on it; NaN apart. */
function place(base: i32, block: i32, number: f64): i32 {
  const count = load<i32>(block, NUMBERS)
  const numbers = base + load<i32>(block, NUMBERS + 4)
  for (let i = 0; i < count; i++) {
    const literal = load<f64>(numbers + (i << 3))
    if (number < literal) return 2 * i
    if (number == literal) return 2 * i + 1
  }
  return 2 * count + (isNaN(number) ? 1 : 0)
}

// Of a test of text: what is asked, how many bytes, and where these are.
const TEST: i32 = 12
const EQUALS: i32 = 0
const BEGINS: i32 = 1
const ENDS: i32 = 2
const HOLDS: i32 = 3

/** The symbol of the tests' answers: a bit each. The table has 64 places of answers and symbol. */
function textBitsSymbol(base: i32, block: i32, from: i32, to: i32): i32 {
  const count = load<i32>(block, TESTS)
  let test = base + load<i32>(block, TESTS + 4)
  let bits = 0
  for (let i = 0; i < count; i++, test += TEST) {
    const bytes = base + load<i32>(test, 8)
    const length = load<i32>(test, 4)
    const what = load<i32>(test)
    if (what == HOLDS) {
      const answer = holds(bytes, from, to)
      if (answer < 0) return NONE
      bits |= answer << i
    } else if (to - from >= length && (what != EQUALS || to - from == length)) {
      bits |= <i32>isAt(what == ENDS ? to - length : from, bytes, length) << i
    }
  }
  let at = <i32>(<u32>(bits * 0x9e3779b1) >> 26)
  for (let tries = 0; tries < 64; tries++, at = (at + 1) & 63) {
    const row = block + OF_TEXT + (at << 3)
    const symbol = load<i32>(row, 4)
    if (symbol < 0 || load<i32>(row) == bits) return symbol
  }
  return NONE
}

@inline function isAt(a: i32, b: i32, length: i32): bool {
  for (let i = 0; i < length; i++) if (load<u8>(a + i) != load<u8>(b + i)) return false
  return true
}

// Of a set of literals: four tables of sixteen bytes, how many, whether letters fold, whether some fold beyond ASCII.
const COUNT: i32 = 64
const FOLDS: i32 = 68
const FOLDS_FAR: i32 = 72
const LITERALS: i32 = 76
/** Length, and up to 64 bytes. */
const LITERAL: i32 = 68

/**
 * Whether text holds one of a few literals; -1: it cannot be said from bytes alone. Sixteen places at a time: two tables,
 * by the halves of a byte, say which of eight groups of literals may begin with it, two more go by the byte behind it.
 */
function holds(set: i32, from: i32, to: i32): i32 {
  const low0 = v128.load(set)
  const high0 = v128.load(set, 16)
  const low1 = v128.load(set, 32)
  const high1 = v128.load(set, 48)
  const nibble = i8x16.splat(15)
  let far = i8x16.splat(0)
  for (let at = from; at < to; at += 16) {
    const here = v128.load(at)
    const behind = v128.load(at, 1)
    const groups = v128.and(
      v128.and(i8x16.swizzle(low0, v128.and(here, nibble)), i8x16.swizzle(high0, i8x16.shr_u(here, 4))),
      v128.and(i8x16.swizzle(low1, v128.and(behind, nibble)), i8x16.swizzle(high1, i8x16.shr_u(behind, 4))),
    )
    far = v128.or(far, v128.or(i8x16.eq(here, i8x16.splat(<i8>0xe2)), i8x16.eq(here, i8x16.splat(<i8>0xc5))))
    if (!v128.any_true(groups)) continue
    let places = ~i8x16.bitmask(i8x16.eq(groups, i8x16.splat(0))) & 0xffff
    for (; places != 0; places &= places - 1) if (isLiteral(set, at + ctz(places), to)) return 1
  }
  return load<i32>(set, FOLDS_FAR) != 0 && v128.any_true(far) ? -1 : 0
}

function isLiteral(set: i32, at: i32, to: i32): bool {
  const folds = load<i32>(set, FOLDS)
  let literal = set + LITERALS
  for (let i = load<i32>(set, COUNT); i > 0; i--, literal += LITERAL) {
    const length = load<i32>(literal)
    if (at + length > to) continue
    let same = 0
    while (same < length) {
      let byte = <i32>load<u8>(at + same)
      if (folds != 0 && byte >= 65 && byte <= 90) byte |= 32
      if (byte != load<u8>(literal + same, 4)) break
      same++
    }
    if (same == length) return true
  }
  return false
}
