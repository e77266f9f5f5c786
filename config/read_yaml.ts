/**
 * YAML 1.2 text → a tree with positions, and every problem with it.
 *
 * Bounded: bytes, depth, and nodes counted after aliases are followed, so that nested aliases (a "billion laughs"
 * bomb) end as a problem instead of filling memory. Duplicate keys are found here with a map: the `yaml` package's own
 * check compares each key with all earlier ones, which takes seconds for 10,000 tenants.
 *
 * Merge keys (`<<: *base`) work as in the Collector's YAML library: explicit keys win over merged ones.
 */
import { isAlias, isMap, isNode, isScalar, isSeq, type Node, parseDocument } from 'yaml'
import { limits } from '../src/limits.ts'
import { type ConfigPath, type Problem, problemAt } from './problem.ts'
import type { ListNode, MapNode, Scalar, Source, Spot, Tree } from './tree.ts'

export function readYaml(source: Source): { tree: Tree; problems: Problem[] } {
  const reader = new Reader(source, 0)
  return { tree: reader.read(source.text), problems: reader.problems }
}

/** Reads a part of a source whose text starts at `base`. */
export function readFragment(source: Source, text: string, base: number): { tree: Tree; problems: Problem[] } {
  const reader = new Reader(source, base)
  return { tree: reader.read(text), problems: reader.problems }
}

class Reader {
  readonly problems: Problem[] = []
  readonly #source: Source
  readonly #base: number
  readonly #anchors = new Map<string, Node>()
  #nodes = 0
  #depth = 0

  constructor(source: Source, base: number) {
    this.#source = source
    this.#base = base
  }

  read(text: string): Tree {
    const root = this.#spot(0)
    if (text.length > limits.configBytesMax) {
      this.#problem(root, [], `larger than ${limits.configBytesMax} bytes`, 'split it into several files')
      return { kind: 'scalar', spot: root, value: null }
    }
    const document = parseDocument(text, {
      prettyErrors: false,
      uniqueKeys: false,
      stringKeys: true,
      keepSourceTokens: false,
      logLevel: 'error',
    })
    for (const fault of [...document.errors, ...document.warnings]) {
      const at = this.#spot(fault.pos[0])
      if (fault.code === 'MULTIPLE_DOCS')
        this.#problem(at, [], 'a second document', 'give each file one, with --config')
      else this.#problem(at, [], `not YAML 1.2: ${fault.message}`, this.#hint(text, fault.pos[0]))
    }
    return this.#tree(document.contents, root, [])
  }

  /** A common slip: `{ url: ${env:X} }` without quotes is not what it looks like. */
  #hint(text: string, offset: number): string | undefined {
    const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset + 200).split('\n', 1)[0]!
    return line.includes('$' + '{') ? 'put an expansion in quotes inside { } and [ ]' : undefined
  }

  #spot(offset: number): Spot {
    return { source: this.#source, offset: this.#base + offset }
  }

  #problem(spot: Spot, path: ConfigPath, what: string, fix?: string): void {
    if (this.problems.length < limits.configProblemsMax) {
      this.problems.push(problemAt(spot, path, fix ? { what, fix } : { what }))
    }
  }

  #tree(node: unknown, parent: Spot, path: ConfigPath): Tree {
    const spot = this.#spotOf(node) ?? parent
    const none: Tree = { kind: 'scalar', spot, value: null }
    if (++this.#nodes > limits.configNodesMax) {
      if (this.#nodes === limits.configNodesMax + 1) {
        this.#problem(spot, path, `more than ${limits.configNodesMax} values, aliases counted each time`)
      }
      return none
    }
    if (this.#depth >= limits.configDepthMax) {
      this.#problem(spot, path, `nested deeper than ${limits.configDepthMax}`)
      return none
    }
    this.#depth++
    try {
      if (isAlias(node)) return this.#alias(node.source, spot, path)
      if (isNode(node) && node.anchor !== undefined) this.#anchors.set(node.anchor, node)
      if (isMap(node)) return this.#map(node.items, spot, path)
      if (isSeq(node)) return this.#list(node.items, spot, path)
      if (isScalar(node)) return { kind: 'scalar', spot, value: scalar(node.value) }
      return none
    } finally {
      this.#depth--
    }
  }

  /** The node that had this anchor last: `Alias.resolve` would search the whole document for each alias. */
  #alias(name: string, spot: Spot, path: ConfigPath): Tree {
    const target = this.#anchors.get(name)
    if (target !== undefined) return this.#tree(target, spot, path)
    this.#problem(spot, path, `no anchor &${name} before this alias`)
    return { kind: 'scalar', spot, value: null }
  }

  #list(items: unknown[], spot: Spot, path: ConfigPath): ListNode {
    return { kind: 'list', spot, items: items.map((item, index) => this.#tree(item, spot, [...path, index])) }
  }

  #map(items: readonly { key: unknown; value: unknown }[], spot: Spot, path: ConfigPath): MapNode {
    const entries: MapNode['entries'] = new Map()
    const merged: MapNode[] = []
    for (const { key, value } of items) {
      if (!isScalar(key)) {
        this.#problem(this.#spotOf(key) ?? spot, path, 'a key must be text')
        continue
      }
      const name = String(key.value)
      const at = this.#spotOf(key) ?? spot
      if (name === '<<' && (isAlias(value) || isMap(value) || isSeq(value))) {
        merged.push(...this.#mergedMaps(value, at, path))
        continue
      }
      const node = this.#tree(value, at, [...path, name])
      this.#put(entries, name, at, node, path)
    }
    for (const map of merged) {
      for (const [name, entry] of map.entries) if (!entries.has(name)) entries.set(name, entry)
    }
    return { kind: 'map', spot, entries }
  }

  #put(entries: MapNode['entries'], name: string, at: Spot, node: Tree, path: ConfigPath): void {
    const earlier = entries.get(name)
    if (name === '__proto__') {
      this.#problem(at, path, 'the key __proto__ is not allowed')
    } else if (earlier) {
      const { line } = earlier.key.source.position(earlier.key.offset)
      this.#problem(at, [...path, name], `written twice, first on line ${line}`, 'keep one of them')
    } else {
      entries.set(name, { key: at, node })
    }
  }

  #mergedMaps(value: unknown, at: Spot, path: ConfigPath): MapNode[] {
    const tree = this.#tree(value, at, path)
    const maps = tree.kind === 'list' ? tree.items : [tree]
    const found = maps.filter((map) => map.kind === 'map')
    if (found.length < maps.length) this.#problem(at, path, '<< takes a map, or a list of maps')
    return found
  }

  #spotOf(node: unknown): Spot | undefined {
    const offset = (node as { range?: [number, number, number] | null } | null)?.range?.[0]
    return offset === undefined ? undefined : this.#spot(offset)
  }
}

const scalar = (value: unknown): Scalar =>
  value === null || typeof value === 'number' || typeof value === 'boolean' ? value : String(value)
