/**
 * The leaves of a field with a value of any kind: an attribute, the body.
 *
 * Where they are of the plain kinds, the class follows from little: of text, what each test of it says (is it this, does
 * it begin with that, does it hold one of those); of a number, where it stands among the literals; of a bool, its value;
 * of all others, the kind. So all leaves are asked once for each of these, and the symbol is written down.
 */
import { Kind } from '../otlp/fields.ts'
import { Col, ROW } from '../otlp/slots.ts'
import type { Typed } from './checker.ts'
import type { Test } from './compiler.ts'
import { answerOf, Group } from './decision_group.ts'
import { encode, literalSetOf, testOf } from './literal_set.ts'
import type { Value } from './values.ts'
import type { View } from './view.ts'
import { BY_VALUE, NO_SYMBOL, type Walk } from './walk.ts'

const kindsMax = 16
/** Ints below are statuses and counts: each one's symbol is kept. */
const smallInts = 1024
const exactMax = 2 ** 52
/** Tests of text: one bit each. */
const testsMax = 30
const answersLog2 = 6

/** Words of a block. */
const Block = {
  Absent: 0,
  ByKind: 1,
  OfBool: 17,
  Tests: 19,
  Numbers: 21,
  OfInt: 23,
  OfDouble: 24,
  OfText: 25,
  OfSmallInt: 25 + (2 << answersLog2),
} as const
const blockWords = Block.OfSmallInt + smallInts

const Asks = { equals: 0, begins: 1, ends: 2, holds: 3 } as const

interface TextTest {
  readonly asks: (typeof Asks)[keyof typeof Asks]
  readonly bytes: Uint8Array
  /** Of how many bytes the text is; of `holds`, 0. */
  readonly length: number
  readonly says: (view: View, slot: number) => boolean
}

export class ValueGroup extends Group {
  readonly #tests: TextTest[] = []
  #numbers: number[] = []
  /** A leaf of another kind: nothing is remembered. */
  #isPlain = true
  /** A pattern writes what is no text as text first: of other values nothing is remembered. */
  #hasPattern = false
  /** By leaf: what decides where the value is text, and whether it decides alone. */
  readonly #patterns = new Map<number, { holds: (text: string) => boolean; isExact: boolean }>()
  #walk!: Walk
  block = 0

  override add(leaf: Test<View>, node: Typed): number {
    const literal = node.is === 'compare' ? literalOf(node) : undefined
    if (node.is === 'call') this.#addCall(node)
    else if (node.is !== 'compare') this.#isPlain = false
    else if (typeof literal === 'string') {
      if (node.op === '==' || node.op === '!=') this.#addText(Asks.equals, literal)
      else this.#isPlain = false
    } else if (typeof literal === 'number' || typeof literal === 'bigint') this.#addNumber(literal)
    else if (literal !== null && typeof literal !== 'boolean') this.#isPlain = false
    return super.add(leaf, node)
  }

  #addCall(node: Extract<Typed, { is: 'call' }>): void {
    const literals = literalSetOf(node)
    const [, text] = node.args
    if (literals !== undefined) {
      const holds = testOf(literals)
      this.#patterns.set(this.leafCount, { holds, isExact: literals.isExact })
      this.#hasPattern = true
      const says = (view: View, slot: number): boolean => holds(view.text(slot))
      this.#tests.push({ asks: Asks.holds, bytes: encode(literals), length: 0, says })
    } else if (node.name === 'HasPrefix' || node.name === 'HasSuffix') {
      const literal = text?.is === 'literal' && typeof text.value === 'string' ? text.value : undefined
      if (literal === undefined) this.#isPlain = false
      else this.#addText(node.name === 'HasPrefix' ? Asks.begins : Asks.ends, literal)
    } else if (node.name === 'IsMatch') this.#isPlain = false
  }

  #addText(asks: 0 | 1 | 2, text: string): void {
    const bytes = Buffer.from(text)
    if (this.#tests.some((test) => test.asks === asks && bytes.equals(test.bytes))) return
    const says = {
      [Asks.equals]: (view: View, slot: number) => view.equals(slot, bytes),
      [Asks.begins]: (view: View, slot: number) => view.startsWith(slot, bytes),
      [Asks.ends]: (view: View, slot: number) => view.endsWith(slot, bytes),
    }[asks]
    this.#tests.push({ asks, bytes, length: bytes.length, says })
  }

  #addNumber(literal: number | bigint): void {
    const number = Number(literal)
    if (!Number.isFinite(number) || Math.abs(number) >= exactMax) this.#isPlain = false
    else this.#numbers = [...new Set([...this.#numbers, number])].sort((a, b) => a - b)
  }

  /** A pattern over text: no where none of its texts is there, open where they do not say all. */
  protected override answer(index: number, leaf: Test<View>, view: View): number {
    const pattern = this.#patterns.get(index)
    const slot = pattern === undefined ? -1 : this.#slotOf(view)
    if (pattern === undefined || slot < 0 || view.slots.kind(slot) !== Kind.String) return answerOf(leaf, view)
    return pattern.holds(view.text(slot)) ? (pattern.isExact ? 1 : 3) : 0
  }

  #slotOf(view: View): number {
    if (this.field.kind === 'body') return view.record.body
    return this.field.kind === 'attribute' ? view.attribute(view.log.index(this.field.attribute)) : -1
  }

  override layOut(walk: Walk): void {
    this.#walk = walk
    this.#isPlain &&= this.#tests.length <= testsMax
    this.block = walk.take(blockWords, NO_SYMBOL)
    const tests = this.#tests.flatMap(({ asks, bytes, length }) => [asks, length, walk.bytes(bytes)])
    const at = walk.take(tests.length, 0)
    const numbers = walk.bytes(new Uint8Array(Float64Array.from(this.#numbers).buffer))
    const places = 2 * this.#numbers.length + 2
    const [ofInt, ofDouble] = [walk.take(places, NO_SYMBOL), walk.take(places, NO_SYMBOL)]
    const { words } = walk
    words.set(tests, at)
    words.set(
      [this.#tests.length, at * 4, this.#numbers.length, numbers, ofInt * 4, ofDouble * 4],
      this.block + Block.Tests,
    )
    if (!this.#isPlain) return
    const byKind = this.block + Block.ByKind
    words[byKind + Kind.String] = this.#tests.length > 0 ? BY_VALUE : NO_SYMBOL
    if (this.#hasPattern) return
    words[byKind + Kind.Bool] = BY_VALUE
    if (this.#numbers.length > 0) words.fill(BY_VALUE, byKind + Kind.Int, byKind + Kind.Double + 1)
  }

  of(view: View, slot: number): number {
    const place = this.#isPlain ? this.#place(view, slot) : -1
    const known = place < 0 ? NO_SYMBOL : this.#walk.words[place]!
    if (known !== NO_SYMBOL) return known
    const symbol = this.symbol(view)
    if (place >= 0) this.#walk.set(place, symbol)
    return symbol
  }

  /** Where the symbol of a value is written down; -1: nowhere, it has to be asked for. */
  #place(view: View, slot: number): number {
    const { block } = this
    if (slot < 0) return block + Block.Absent
    const kind = view.rows[slot * ROW + Col.Kind]!
    if (this.#walk.words[block + Block.ByKind + kind] !== BY_VALUE) {
      const isAsked = this.#hasPattern && kind !== Kind.String && kind !== Kind.Empty
      return isAsked || kind >= kindsMax ? -1 : block + Block.ByKind + kind
    }
    if (kind === Kind.String) return this.#placeOfText(view, slot)
    if (kind === Kind.Bool) return block + Block.OfBool + (view.slots.bool(slot) ? 1 : 0)
    const { words } = this.#walk
    if (kind === Kind.Double) return words[block + Block.OfDouble]! / 4 + this.#among(view.slots.double(slot))
    const int = view.intNumber(slot)
    return int >= 0 && int < smallInts
      ? block + Block.OfSmallInt + int
      : words[block + Block.OfInt]! / 4 + this.#among(int)
  }

  /** The place of what the tests say of a text. Where all are taken there is none. */
  #placeOfText(view: View, slot: number): number {
    let bits = 0
    for (const [i, { says }] of this.#tests.entries()) if (says(view, slot)) bits |= 1 << i
    const { words } = this.#walk
    let place = Math.imul(bits, 0x9e3779b1) >>> (32 - answersLog2)
    for (let tries = 0; tries < 1 << answersLog2; tries++, place = (place + 1) & ((1 << answersLog2) - 1)) {
      const row = this.block + Block.OfText + 2 * place
      if (words[row + 1] !== NO_SYMBOL && words[row] !== bits) continue
      this.#walk.set(row, bits)
      return row + 1
    }
    return -1
  }

  /** Where a number stands among the literals: 2i before literal i, 2i + 1 on it; NaN apart. */
  #among(number: number): number {
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
