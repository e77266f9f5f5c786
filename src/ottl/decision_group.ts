/**
 * Groups of leaves that look at the same field (decision.ts): each puts the field's value into a class, two bits a leaf,
 * and each class has a symbol, a small number of its own among all groups.
 *
 * Here all leaves are asked. What symbol came out is written down where wasm/decide.ts finds it without asking, as far
 * as it follows from less than the whole value. value_group.ts has the fields with values of any kind.
 */
import type { Call, Typed } from './checker.ts'
import type { Test } from './compiler.ts'
import { literalSetOf } from './literal_set.ts'
import type { Path } from './paths.ts'
import { isShared } from './quick_tests.ts'
import { RecentTexts } from './recent_texts.ts'
import { OttlError } from './values.ts'
import type { View } from './view.ts'
import { NO_SYMBOL, type Walk } from './walk.ts'

/** Leaves of a group: two bits each in a signed 32-bit integer. */
const leavesMax = 15
const severities = 32

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
      return path.keys.length === 0 && !isCostly(leaf) ? { kind: 'body', name: path.field } : undefined
    case 'attributes': {
      const [attribute] = path.keys
      const isPlain = path.keys.length === 1 && typeof attribute === 'string' && !isCostly(leaf)
      return isPlain ? { kind: 'attribute', name: `attributes ${attribute}`, attribute } : undefined
    }
    default:
      return undefined
  }
}

/**
 * A pattern may take microseconds: not to be matched unless the parts before it ask for it. One that needs one of a few
 * texts is searched for these.
 */
const isCostly = (leaf: Typed): boolean =>
  leaf.is === 'call' && leaf.name === 'IsMatch' && literalSetOf(leaf) === undefined

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

  /** The next leaf's number. */
  protected get leafCount(): number {
    return this.#leaves.length
  }

  get hasRoom(): boolean {
    return this.#leaves.length < leavesMax
  }

  /** Takes room for what is known of its field: to be called once, when all leaves are there. */
  layOut(_walk: Walk): void {}

  /** Adds a leaf, and returns where its two bits stand in a class. */
  add(leaf: Test<View>, _node: Typed): number {
    return 2 * (this.#leaves.push(leaf) - 1)
  }

  /** The symbol of the field's class in the record that the view shows. */
  symbol(view: View): number {
    return this.symbolOf(this.ask(view))
  }

  /** The field's class, two bits a leaf: 0 false, 1 true, 2 fails, 3 open. */
  ask(view: View): number {
    const leaves = this.#leaves
    let bits = 0
    for (let i = 0; i < leaves.length; i++) bits |= this.answer(i, leaves[i]!, view) << (2 * i)
    return bits
  }

  protected answer(_index: number, leaf: Test<View>, view: View): number {
    return answerOf(leaf, view)
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

export function answerOf(leaf: Test<View>, view: View): number {
  try {
    return leaf(view) ? 1 : 0
  } catch (error) {
    if (error instanceof OttlError) return 2
    throw error
  }
}

/** SeverityNumber is 0 to 24 by the specification; what else comes is asked for each time. */
export class SeverityGroup extends Group {
  #walk!: Walk
  block = 0

  override layOut(walk: Walk): void {
    this.#walk = walk
    this.block = walk.take(severities, NO_SYMBOL)
  }

  of(view: View, number: number): number {
    const symbol = this.symbol(view)
    if (number >>> 0 < severities) this.#walk.set(this.block + number, symbol)
    return symbol
  }
}

/**
 * A text field with few values, such as event_name: the same text has the same symbol, whatever the leaves ask of it.
 */
export class TextGroup extends Group {
  #recent!: RecentTexts

  override layOut(walk: Walk): void {
    this.#recent = new RecentTexts(walk)
  }
  get block(): number {
    return this.#recent.block
  }

  of(view: View, slot: number): number {
    const symbol = this.symbol(view)
    this.#recent.learn(view, slot, symbol)
    return symbol
  }
}
