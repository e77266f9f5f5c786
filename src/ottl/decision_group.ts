/**
 * Groups of leaves that look at the same field (decision.ts): each puts the field's value into a class, two bits a leaf,
 * and each class has a symbol, a small number of its own among all groups.
 *
 * The subclasses know a quicker way to the same symbol than asking all leaves.
 */
import { Kind } from '../otlp/fields.ts'
import { Col, ROW } from '../otlp/slots.ts'
import type { Call, Typed } from './checker.ts'
import type { Test } from './compiler.ts'
import type { Path } from './paths.ts'
import { isShared } from './quick_tests.ts'
import { RecentTexts, UNKNOWN } from './recent_texts.ts'
import { OttlError, type Value } from './values.ts'
import type { View } from './view.ts'

/** Leaves of a group: two bits each in a signed 32-bit integer. */
const leavesMax = 15
export const NO_SYMBOL = -1
const kindsMax = 16
/** Ints below are statuses and counts: each one's symbol is kept. */
const smallInts = 1024
const exactMax = 2 ** 52

/** The field that a leaf looks at. */
export type Field =
  | { readonly kind: 'shared'; readonly name: 'shared' }
  | { readonly kind: 'severity'; readonly name: string }
  | { readonly kind: 'text'; readonly name: 'event_name' | 'severity_text' }
  | { readonly kind: 'body'; readonly name: string }
  | { readonly kind: 'attribute'; readonly name: string; readonly attribute: string }

/** The one field that a leaf looks at, if it looks at one only and that is cheap; else it stays open. */
export function fieldOf(leaf: Typed): Field | undefined {
  if (isShared(leaf)) return { kind: 'shared', name: 'shared' }
  const path = leaf.is === 'compare' ? comparedPath(leaf) : leaf.is === 'call' ? calledPath(leaf) : undefined
  if (path === undefined || path.of !== 'log') return undefined
  switch (path.field) {
    case 'severity_number':
      return { kind: 'severity', name: path.field }
    case 'event_name':
    case 'severity_text':
      return { kind: 'text', name: path.field }
    case 'body':
      return path.keys.length === 0 && !isPattern(leaf) ? { kind: 'body', name: path.field } : undefined
    case 'attributes': {
      const [attribute] = path.keys
      const isPlain = path.keys.length === 1 && typeof attribute === 'string' && !isPattern(leaf)
      return isPlain ? { kind: 'attribute', name: `attributes ${attribute}`, attribute } : undefined
    }
    default:
      return undefined
  }
}

/** A pattern may take microseconds: not to be matched unless the parts before it ask for it. */
const isPattern = (leaf: Typed): boolean => leaf.is === 'call' && leaf.name === 'IsMatch'

function comparedPath({ left, right }: Extract<Typed, { is: 'compare' }>): Path | undefined {
  if (left.is === 'path' && right.is === 'literal') return left.path
  return left.is === 'literal' && right.is === 'path' ? right.path : undefined
}

const testsOfOne = new Set([
  'IsMatch',
  'HasPrefix',
  'HasSuffix',
  'IsString',
  'IsInt',
  'IsDouble',
  'IsBool',
  'IsMap',
  'IsList',
])
function calledPath({ name, args, keys }: Call): Path | undefined {
  const [target, literal] = args
  const isOne = testsOfOne.has(name) && keys.length === 0 && target?.is === 'path'
  return isOne && (literal === undefined || literal.is === 'literal') ? target.path : undefined
}

/** The plain group: asks its leaves. */
export class Group {
  readonly field: Field
  readonly index: number
  readonly #leaves: Test<View>[] = []
  readonly #newSymbol: () => number
  readonly #symbols = new Map<number, number>()
  /** Symbols of classes below 64, which are those of up to three leaves. */
  readonly #few = new Int32Array(64).fill(NO_SYMBOL)
  readonly #bits = new Map<number, number>()

  constructor(field: Field, index: number, newSymbol: () => number) {
    this.field = field
    this.index = index
    this.#newSymbol = newSymbol
  }

  get hasRoom(): boolean {
    return this.#leaves.length < leavesMax
  }

  /** Adds a leaf, and returns where its two bits stand in a class. */
  add(leaf: Test<View>, _node: Typed): number {
    return 2 * (this.#leaves.push(leaf) - 1)
  }

  /** The symbol of the field's class in the record that the view shows. */
  symbol(view: View): number {
    return this.symbolOf(this.ask(view))
  }

  /** The field's class, two bits a leaf: 0 false, 1 true, 2 fails. */
  ask(view: View): number {
    const leaves = this.#leaves
    let bits = 0
    for (let i = 0; i < leaves.length; i++) bits |= answerOf(leaves[i]!, view) << (2 * i)
    return bits
  }

  protected symbolOf(bits: number): number {
    if (bits >= 0 && bits < 64) {
      const known = this.#few[bits]!
      return known !== NO_SYMBOL ? known : this.#learn(bits)
    }
    return this.#symbols.get(bits) ?? this.#learn(bits)
  }

  #learn(bits: number): number {
    const symbol = this.#newSymbol()
    this.#bits.set(symbol, bits)
    if (bits >= 0 && bits < 64) this.#few[bits] = symbol
    else this.#symbols.set(bits, symbol)
    return symbol
  }

  /** The class of a symbol. */
  bits(symbol: number): number {
    return this.#bits.get(symbol)!
  }
}

function answerOf(leaf: Test<View>, view: View): number {
  try {
    return leaf(view) ? 1 : 0
  } catch (error) {
    if (error instanceof OttlError) return 2
    throw error
  }
}

/** SeverityNumber is 0 to 24 by the specification; what else comes is asked for each time. */
export class SeverityGroup extends Group {
  readonly #known = new Int32Array(32).fill(NO_SYMBOL)

  of(view: View, number: number): number {
    if (number >>> 0 >= 32) return this.symbol(view)
    const known = this.#known[number]!
    if (known !== NO_SYMBOL) return known
    const symbol = this.symbol(view)
    this.#known[number] = symbol
    return symbol
  }
}

/**
 * A field with a value of any kind: an attribute, the body. Where its leaves are all of the plain kind (compared with a
 * literal, or asked for their type), the class follows from little: of text, which literal it equals; of a number, where
 * it stands among the literals; of a bool, its value; of all others, the kind. So it is asked once and remembered.
 */
export class ValueGroup extends Group {
  readonly #texts: Buffer[] = []
  #numbers: number[] = []
  /** A leaf looks into text otherwise: HasPrefix. */
  #looksIntoText = false
  /** A leaf of another kind: nothing is remembered. */
  #isPlain = true
  /** Symbols of the kinds whose value does not matter. */
  readonly byKind = new Int32Array(kindsMax).fill(NO_SYMBOL)
  readonly #ofOther = new Int32Array(kindsMax).fill(NO_SYMBOL)
  readonly #ofText: number[] = []
  readonly #ofInt: number[] = []
  readonly #ofSmallInt = new Int32Array(smallInts).fill(NO_SYMBOL)
  readonly #ofDouble: number[] = []
  readonly #ofBool: number[] = []

  override add(leaf: Test<View>, node: Typed): number {
    const literal = node.is === 'compare' ? literalOf(node) : undefined
    if (node.is === 'call') this.#looksIntoText ||= node.name === 'HasPrefix' || node.name === 'HasSuffix'
    else if (node.is !== 'compare') this.#isPlain = false
    else if (typeof literal === 'string') {
      if (node.op === '==' || node.op === '!=') this.#texts.push(Buffer.from(literal))
      else this.#looksIntoText = true
    } else if (typeof literal === 'number' || typeof literal === 'bigint') this.#addNumber(literal)
    else if (literal !== null && typeof literal !== 'boolean') this.#isPlain = false
    return super.add(leaf, node)
  }

  #addNumber(literal: number | bigint): void {
    const number = Number(literal)
    if (!Number.isFinite(number) || Math.abs(number) >= exactMax) this.#isPlain = false
    else this.#numbers = [...new Set([...this.#numbers, number])].sort((a, b) => a - b)
  }

  of(view: View, slot: number): number {
    if (!this.#isPlain || slot < 0) return this.symbol(view)
    const { rows } = view
    const row = slot * ROW
    const kind = rows[row + Col.Kind]!
    if (kind === Kind.String) {
      if (this.#looksIntoText) return this.symbol(view)
      const length = rows[row + Col.ValueTo]! - rows[row + Col.ValueFrom]!
      const texts = this.#texts
      for (let i = 0; i < texts.length; i++) {
        if (texts[i]!.length === length && view.equals(slot, texts[i]!)) return this.#told(view, this.#ofText, i)
      }
    } else if (kind === Kind.Int || kind === Kind.Double) {
      if (this.#numbers.length > 0) return kind === Kind.Int ? this.#int(view, slot) : this.#double(view, slot)
    } else if (kind === Kind.Bool) return this.#told(view, this.#ofBool, view.slots.bool(slot) ? 1 : 0)
    const matters = kind === Kind.String && this.#texts.length > 0
    const symbols = matters ? this.#ofOther : this.byKind
    const known = symbols[kind]!
    if (known !== NO_SYMBOL) return known
    const symbol = this.symbol(view)
    symbols[kind] = symbol
    return symbol
  }

  #int(view: View, slot: number): number {
    const int = view.intNumber(slot)
    if (int < 0 || int >= smallInts) return this.#told(view, this.#ofInt, this.#place(int))
    const known = this.#ofSmallInt[int]!
    if (known !== NO_SYMBOL) return known
    const symbol = this.#told(view, this.#ofInt, this.#place(int))
    this.#ofSmallInt[int] = symbol
    return symbol
  }

  #double(view: View, slot: number): number {
    return this.#told(view, this.#ofDouble, this.#place(view.slots.double(slot)))
  }

  /** The symbol of case `which` of a kind. */
  #told(view: View, known: number[], which: number): number {
    const symbol = known[which]
    if (symbol !== undefined && symbol !== NO_SYMBOL) return symbol
    const learnt = this.symbol(view)
    // Cases come in any order: no holes, so that the array stays a plain one.
    while (known.length <= which) known.push(NO_SYMBOL)
    known[which] = learnt
    return learnt
  }

  /** Where a number stands among the literals: 2i before literal i, 2i + 1 on it; NaN apart. */
  #place(number: number): number {
    const numbers = this.#numbers
    for (let i = 0; i < numbers.length; i++) {
      if (number < numbers[i]!) return 2 * i
      if (number === numbers[i]!) return 2 * i + 1
    }
    return 2 * numbers.length + (Number.isNaN(number) ? 1 : 0)
  }
}

function literalOf({ left, right }: Extract<Typed, { is: 'compare' }>): Value | undefined {
  return left.is === 'literal' ? left.value : right.is === 'literal' ? right.value : undefined
}

/**
 * A text field with few values, such as event_name: the same text has the same symbol, whatever the leaves ask of it.
 */
export class TextGroup extends Group {
  readonly #recent = new RecentTexts()
  #absent = NO_SYMBOL

  of(view: View, slot: number): number {
    if (slot < 0) {
      if (this.#absent === NO_SYMBOL) this.#absent = this.symbol(view)
      return this.#absent
    }
    const known = this.#recent.find(view, slot)
    if (known !== UNKNOWN) return known
    const symbol = this.symbol(view)
    this.#recent.learn(view, symbol)
    return symbol
  }
}
