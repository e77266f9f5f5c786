/**
 * Reads the plain part of YAML that large files are made of, without the YAML library: at a hundredth of its cost.
 *
 *     acme:
 *       residency: local                 block maps of keys in \w.-
 *       regions: [eu-de, eu-nl]          flow lists and maps on one line
 *       purposes:
 *         usage: { retention: 30d }      words, short ints, "text" and 'text' without escapes
 *
 * Whatever else stands there (comments after values, lists of lines, floats, text over lines, a key that comes twice, a
 * mistake) makes it give up: `undefined`, and the ordinary reader looks. So it never has to be right about the rest of
 * YAML, only about when to give up: test/config/plain_yaml.test.ts holds both readers equal. Offsets count UTF-16 units
 * from the start of the source.
 */
import type { ListNode, MapNode, Scalar, ScalarNode, Source, Tree } from './tree.ts'

/** A line of the source, without its newline. */
export interface Line {
  readonly start: number
  readonly end: number
  /** Spaces before the first other character; -1 for blank lines and comments. */
  readonly indent: number
}

const depthMax = 8
const word = /[\w./+-]+(?: +[\w./+-]+)*/y
const key = /(?:([A-Za-z_][\w.-]*)|"([^"\\\n]*)"|'([^'\n]*)'):(?= |$)/my
const quoted = /"([^"\\\n]*)"|'([^'\n]*)'/y
/** What YAML 1.2 reads as null, a boolean or a number begins like this, or is one of these words. */
const reserved = /^(?:null|true|false)$/i
const text = /^(?:[A-Za-z_][\w./+ -]*|[1-9]\d*[a-z]+)$/
const int = /^(?:0|[1-9]\d{0,14})$/

export class PlainYaml {
  readonly #source: Source
  readonly #lines: readonly Line[]
  #at = 0

  constructor(source: Source, lines: readonly Line[]) {
    this.#source = source
    this.#lines = lines
  }

  /** The value of a key whose text begins at `from`, on line `line`, and ends before line `end`. */
  value(from: number, line: number, end: number, depth = 0): Tree | undefined {
    const { text: whole } = this.#source
    const lineEnd = this.#lines[line]!.end
    let at = from
    while (at < lineEnd && whole[at] === ' ') at++
    const below = this.#next(line + 1, end)
    if (at === lineEnd) return below === end ? undefined : this.#blockMap(below, end, depth + 1)
    if (below !== end) return undefined
    this.#at = at
    const node = this.#flow(depth + 1, lineEnd)
    return node !== undefined && this.#skip() === lineEnd ? node : undefined
  }

  /** The first line in [from, end) that is not blank. */
  #next(from: number, end: number): number {
    let line = from
    while (line < end && this.#lines[line]!.indent < 0) line++
    return line
  }

  #blockMap(first: number, end: number, depth: number): MapNode | undefined {
    const { indent, start } = this.#lines[first]!
    if (depth > depthMax) return undefined
    const entries: MapNode['entries'] = new Map()
    for (let line = first; line < end; ) {
      const own = this.#lines[line]!
      if (own.indent !== indent) return undefined
      let after = line + 1
      while (after < end && (this.#lines[after]!.indent > indent || this.#lines[after]!.indent < 0)) after++
      const name = this.#key(own.start + indent)
      if (name === undefined || entries.has(name)) return undefined
      const node = this.value(this.#at, line, after, depth)
      if (node === undefined) return undefined
      entries.set(name, { key: this.#spot(own.start + indent), node })
      line = this.#next(after, end)
    }
    return { kind: 'map', spot: this.#spot(start + indent), entries }
  }

  /** The key at `from`; leaves `#at` behind its colon. */
  #key(from: number): string | undefined {
    key.lastIndex = from
    const found = key.exec(this.#source.text)
    if (found === null) return undefined
    this.#at = key.lastIndex
    const name = found[1] ?? found[2] ?? found[3]
    return name === '__proto__' || (found[1] !== undefined && reserved.test(found[1])) ? undefined : name
  }

  #flow(depth: number, end: number): Tree | undefined {
    const from = this.#at
    if (depth > depthMax || from >= end) return undefined
    switch (this.#source.text[from]) {
      case '{':
        return this.#flowMap(depth, end)
      case '[':
        return this.#flowList(depth, end)
      case '"':
      case "'": {
        quoted.lastIndex = from
        const found = quoted.exec(this.#source.text)
        return found === null ? undefined : this.#scalar(from, quoted.lastIndex, found[1] ?? found[2]!)
      }
      default: {
        word.lastIndex = from
        const found = word.exec(this.#source.text)?.[0]
        if (found === undefined || reserved.test(found)) return undefined
        if (text.test(found)) return this.#scalar(from, from + found.length, found)
        return int.test(found) ? this.#scalar(from, from + found.length, Number(found)) : undefined
      }
    }
  }

  #flowMap(depth: number, end: number): MapNode | undefined {
    const entries: MapNode['entries'] = new Map()
    const spot = this.#spot(this.#at++)
    do {
      const from = this.#skip()
      const name = this.#key(from)
      if (name === undefined || entries.has(name)) return undefined
      this.#skip()
      const node = this.#flow(depth + 1, end)
      if (node === undefined) return undefined
      entries.set(name, { key: this.#spot(from), node })
    } while (this.#takes(','))
    return this.#takes('}') ? { kind: 'map', spot, entries } : undefined
  }

  #flowList(depth: number, end: number): ListNode | undefined {
    const items: Tree[] = []
    const spot = this.#spot(this.#at++)
    do {
      this.#skip()
      const item = this.#flow(depth + 1, end)
      if (item === undefined) return undefined
      items.push(item)
    } while (this.#takes(','))
    return this.#takes(']') ? { kind: 'list', spot, items } : undefined
  }

  #takes(mark: string): boolean {
    if (this.#source.text[this.#skip()] !== mark) return false
    this.#at++
    return true
  }

  /** Goes on behind spaces. */
  #skip(): number {
    while (this.#source.text[this.#at] === ' ') this.#at++
    return this.#at
  }

  #scalar(from: number, to: number, value: Scalar): ScalarNode {
    this.#at = to
    return { kind: 'scalar', spot: this.#spot(from), value }
  }

  #spot(offset: number): { source: Source; offset: number } {
    return { source: this.#source, offset }
  }
}
