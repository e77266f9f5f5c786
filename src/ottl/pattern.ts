/**
 * Patterns of IsMatch: RE2's syntax, as in the Collector, and a time that grows only linearly with the text.
 *
 * V8's own engine backtracks: a pattern like `(a+)+$` would let one log record stop the gateway. RE2JS, a port of
 * RE2, cannot do that, and takes some 20 ns a character. So RE2JS reads every pattern (what it refuses is an error at
 * load, with its reason) and matches most; but the plain patterns that people write most (words, alternatives,
 * classes, a prefix) are given to V8 too, where a small parser proves that it needs at most a fixed number of steps at
 * each place of the text. The proof, for a pattern in the subset below:
 *
 *   - alternatives, `?` and `{n,m}` make a bounded number of ways through the pattern (`waysMax`), each of a bounded
 *     length (`stepsMax`): at each place the engine takes at most ways × steps;
 *   - `*` and `+` stand on one character or class only, and either end the pattern (nothing after them can fail), or
 *     the pattern begins with `^` and the character after the repeat is not one that it repeats: then there is one
 *     way only.
 *
 * Both engines say the same; a test holds them equal.
 */
import { RE2JS, RE2JSException } from 're2js'
import { limits } from '../limits.ts'

export type Matches = (text: string) => boolean

const waysMax = 64
const stepsMax = 128

/** The test for a pattern, or what is wrong with it. */
export function compilePattern(pattern: string): Matches | string {
  if (pattern.length > limits.patternLengthMax) return `a pattern longer than ${limits.patternLengthMax} characters`
  const linear = compileLinear(pattern)
  if (typeof linear === 'string') return linear
  const native = toNative(pattern)
  return native === undefined ? linear : (text) => native.test(text)
}

/** The test by RE2JS alone. */
export function compileLinear(pattern: string): Matches | string {
  try {
    const compiled = RE2JS.compile(pattern)
    if (compiled.programSize() > limits.patternProgramMax)
      return 'a pattern that is too large; use fewer or smaller repeats'
    return (text) => compiled.test(text)
  } catch (error) {
    if (error instanceof RE2JSException) return `not a pattern in RE2 syntax: ${error.message}`
    throw error
  }
}

/** What stands in a pattern at one place: one character of a set, written for V8, or a group of alternatives. */
interface Piece {
  readonly text: string
  readonly ways: number
  readonly steps: number
  /** The set of ASCII characters that it takes, of a single character; `undefined` of a group or anchor. */
  readonly takes: ReadonlySet<string> | undefined
  readonly isRepeat: boolean
  readonly isOptional: boolean
}

/** V8's pattern for a pattern in the subset, or `undefined`. */
export function toNative(pattern: string): RegExp | undefined {
  const folds = pattern.startsWith('(?i)')
  const reader = new Reader(folds ? pattern.slice(4) : pattern, folds)
  const read = reader.alternatives(true)
  if (read === undefined || !reader.isAtEnd || read.ways > waysMax || read.steps > stepsMax) return undefined
  return new RegExp(read.text, folds ? 'iu' : 'u')
}

const digits = '0123456789'
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const classes: Record<string, { text: string; takes: string }> = {
  d: { text: '0-9', takes: digits },
  w: { text: '0-9A-Za-z_', takes: `${digits}${letters}_` },
  s: { text: '\\t\\n\\f\\r ', takes: '\t\n\f\r ' },
}
const ascii = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))
const special = new Set('\\^$.|?*+()[]{}/-')

class Reader {
  readonly #pattern: string
  readonly #folds: boolean
  #at = 0
  #groups = 0

  constructor(pattern: string, folds: boolean) {
    this.#pattern = pattern
    this.#folds = folds
  }

  get isAtEnd(): boolean {
    return this.#at === this.#pattern.length
  }

  alternatives(isTop = false): { text: string; ways: number; steps: number } | undefined {
    const texts: string[] = []
    let ways = 0
    let steps = 0
    do {
      if (texts.length > 0) this.#at++
      const sequence = this.#sequence(isTop)
      if (sequence === undefined) return undefined
      texts.push(sequence.text)
      ways += sequence.ways
      steps = Math.max(steps, sequence.steps)
    } while (this.#pattern[this.#at] === '|')
    return { text: texts.join('|'), ways, steps }
  }

  #sequence(isTop: boolean): { text: string; ways: number; steps: number } | undefined {
    const isAnchored = isTop && this.#pattern[this.#at] === '^'
    let text = ''
    let ways = 1
    let steps = 0
    let before: Piece | undefined
    while (!this.isAtEnd && !'|)'.includes(this.#pattern[this.#at]!)) {
      const piece = this.#piece(isTop)
      if (piece === undefined) return undefined
      if (before?.isRepeat && !isOneWay(isAnchored, before, piece)) return undefined
      text += piece.text
      ways *= piece.ways
      steps += piece.steps
      if (ways > waysMax || steps > stepsMax) return undefined
      before = piece
    }
    // A repeat inside a group would be followed by what stands after the group.
    return before?.isRepeat && !isTop ? undefined : { text, ways, steps }
  }

  #piece(isTop: boolean): Piece | undefined {
    const character = this.#pattern[this.#at]!
    if (character === '^' || character === '$') {
      this.#at++
      const isPlaced = isTop && (character === '^') === (this.#at === 1 || this.#pattern[this.#at - 2] === '|')
      const isQuantified = '*+?{'.includes(this.#pattern[this.#at] ?? ' ')
      if (!isPlaced || isQuantified) return undefined
      return { text: character, ways: 1, steps: 1, takes: new Set(), isRepeat: false, isOptional: false }
    }
    if (character === '(') return this.#group()
    const one = character === '[' ? this.#class() : this.#character()
    return one === undefined ? undefined : this.#quantified(one)
  }

  #group(): Piece | undefined {
    if (++this.#groups > 16) return undefined
    this.#at++
    if (this.#pattern[this.#at] === '?') {
      if (this.#pattern.slice(this.#at, this.#at + 2) !== '?:') return undefined
      this.#at += 2
    }
    const inner = this.alternatives()
    if (inner === undefined || this.#pattern[this.#at] !== ')') return undefined
    this.#at++
    const isOptional = this.#pattern[this.#at] === '?'
    if (isOptional) this.#at++
    if ('*+?{'.includes(this.#pattern[this.#at] ?? ' ')) return undefined
    const ways = inner.ways + (isOptional ? 1 : 0)
    const text = `(?:${inner.text})${isOptional ? '?' : ''}`
    return { text, ways, steps: inner.steps, takes: undefined, isRepeat: false, isOptional }
  }

  #quantified(one: { text: string; takes: ReadonlySet<string> }): Piece | undefined {
    const rest = this.#pattern.slice(this.#at)
    const quantifier = /^(?:[*+?]|\{(\d{1,3})(?:,(\d{1,3}))?\})/.exec(rest)
    if (quantifier === null) {
      return rest.startsWith('{') ? undefined : { ...one, ways: 1, steps: 1, isRepeat: false, isOptional: false }
    }
    this.#at += quantifier[0].length
    if ('*+?{'.includes(this.#pattern[this.#at] ?? ' ')) return undefined
    const text = one.text + quantifier[0]
    const sign = quantifier[0][0]
    if (sign === '*' || sign === '+') {
      return { text, takes: one.takes, ways: 1, steps: 1, isRepeat: true, isOptional: sign === '*' }
    }
    const least = sign === '?' ? 0 : Number(quantifier[1])
    const most = sign === '?' ? 1 : Number(quantifier[2] ?? quantifier[1])
    return { text, takes: one.takes, ways: most - least + 1, steps: most, isRepeat: false, isOptional: least === 0 }
  }

  #character(): { text: string; takes: ReadonlySet<string> } | undefined {
    const character = this.#pattern[this.#at++]!
    if (character === '.') return { text: '[^\\n]', takes: new Set(ascii.filter((other) => other !== '\n')) }
    if (character === '\\') {
      const next = this.#pattern[this.#at++] ?? ''
      const known = this.#knownClass(next)
      if (known !== undefined) return { text: `[${known.text}]`, takes: new Set(known.takes) }
      return special.has(next) ? this.#literal(next) : undefined
    }
    return special.has(character) && character !== '/' && character !== '-' ? undefined : this.#literal(character)
  }

  #knownClass(name: string): { text: string; takes: string } | undefined {
    // With (?i) the engines differ in what \w and \s fold to.
    return Object.hasOwn(classes, name) && (!this.#folds || name === 'd') ? classes[name] : undefined
  }

  /** ASCII only: what else a letter folds to is then known to be the same in both engines. */
  #literal(character: string): { text: string; takes: ReadonlySet<string> } | undefined {
    if (character > '\x7e' || character < ' ') return undefined
    const takes = this.#folds ? [character.toLowerCase(), character.toUpperCase()] : [character]
    return { text: character === '-' ? character : escaped(character), takes: new Set(takes) }
  }

  /** `[a-z0-9_]`, ASCII, without names of classes; negated ones take all other ASCII characters too. */
  #class(): { text: string; takes: ReadonlySet<string> } | undefined {
    const match = /^\[(\^?)((?:[A-Za-z0-9_.:/@ =,;-]|\\[\\\].^$|?*+(){}/-])+)\]/.exec(this.#pattern.slice(this.#at))
    if (match === null || this.#folds) return undefined
    this.#at += match[0].length
    const [, negation, content] = match
    const members = [...content!.matchAll(/\\(.)|(.)/g)].map(([, quoted, plain]) => ({
      letter: (quoted ?? plain)!,
      plain,
    }))
    const takes = new Set<string>()
    let text = ''
    for (let i = 0; i < members.length; i++) {
      const from = members[i]!.letter
      const isRange = members[i + 1]?.plain === '-' && i + 2 < members.length
      const to = isRange ? members[i + 2]!.letter : from
      if (from > to || (members[i]!.plain === '-' && isRange)) return undefined
      for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code++) takes.add(String.fromCharCode(code))
      text += isRange ? `${escaped(from)}-${escaped(to)}` : escaped(from)
      if (isRange) i += 2
    }
    const all = negation === '^' ? new Set(ascii.filter((letter) => !takes.has(letter))) : takes
    return { text: `[${negation}${text}]`, takes: all }
  }
}

/** Whether what follows a repeat can begin in one way only, so that the engine has nowhere to go back to. */
const isOneWay = (isAnchored: boolean, repeat: Piece, next: Piece): boolean =>
  isAnchored &&
  next.takes !== undefined &&
  !next.isOptional &&
  ![...next.takes].some((letter) => repeat.takes!.has(letter))

const escaped = (character: string): string => (special.has(character) ? `\\${character}` : character)
