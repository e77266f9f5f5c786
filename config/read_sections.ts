/**
 * A faster reader for large files that are mostly long lists of like entries: a policy of 10,000 tenants.
 *
 * The YAML library takes about 0.1 ms a line. So the entries of a top-level section are cut apart by their indentation:
 *
 *     tenants:
 *       acme:   { residency: local, region: eu-de }     ┐ one entry: its key, and its value's text
 *       globex: { residency: central }                  ┘
 *
 * What is plain (plain_yaml.ts) is read without the library; of what is not, each *distinct* text is parsed once. Only
 * entries that stand by themselves are taken this way. Anything unusual in a section (anchors, tags, block scalars, tabs, quotes
 * over lines, a fragment that does not parse by itself) sends the whole file to the ordinary reader, which also tells
 * the problems. test/config/read_sections.test.ts holds both readers equal.
 */
import { limits } from '../src/limits.ts'
import { type Line, PlainYaml } from './plain_yaml.ts'
import type { Problem } from './problem.ts'
import { readFragment, readYaml } from './read_yaml.ts'
import type { MapNode, Source, Tree } from './tree.ts'

/** Same result as `readYaml`. */
export function readYamlFast(source: Source): { tree: Tree; problems: Problem[] } {
  if (source.text.length < limits.configFastReadBytesMin || source.text.length > limits.configBytesMax)
    return readYaml(source)
  const tree = readSections(source)
  return tree ? { tree, problems: [] } : readYaml(source)
}

/** Tabs, document marks, and whatever makes the start of a value special: anchors, aliases, tags, block scalars. */
const unusual = /[\t\r]|^(?:---|\.\.\.|%)|(?:^ *|[:,[{-] *)[&*!|>@`?]/m

/** Undefined: this file is not plain enough. Exported for its test. */
export function readSections(source: Source): Tree | undefined {
  const { text } = source
  if (unusual.test(text)) return undefined
  const lines = linesOf(text)
  const root: MapNode = { kind: 'map', spot: { source, offset: 0 }, entries: new Map() }
  for (const [first, end] of blocks(lines, 0, lines.length, 0) ?? []) {
    const key = keyOf(text, lines[first]!)
    if (!key || root.entries.has(key.name)) return undefined
    const entries = key.rest === '' ? section(source, lines, first + 1, end) : undefined
    const node = entries ?? value(source, lines, key, [first, end], undefined)
    if (!node) return undefined
    root.entries.set(key.name, { key: { source, offset: key.start }, node })
  }
  const firstKey = root.entries.values().next().value?.key
  return firstKey ? { ...root, spot: firstKey } : undefined
}

/** The entries of one section. Undefined where the ordinary reader has to look. */
function section(source: Source, lines: readonly Line[], from: number, to: number): MapNode | undefined {
  const first = lines.slice(from, to).find((line) => line.indent > 0)
  if (!first) return undefined
  const found = blocks(lines, from, to, first.indent)
  if (!found) return undefined
  const entries: MapNode['entries'] = new Map()
  const seen = new Map<string, Tree>()
  for (const [start, end] of found) {
    const key = keyOf(source.text, lines[start]!)
    if (!key || entries.has(key.name)) return undefined
    const node = value(source, lines, key, [start, end], seen)
    if (!node) return undefined
    entries.set(key.name, { key: { source, offset: key.start }, node })
  }
  return { kind: 'map', spot: { source, offset: first.start + first.indent }, entries }
}

/** The value of an entry that stands in the lines [line, end). By the library: once for each distinct text. */
function value(
  source: Source,
  lines: readonly Line[],
  key: Key,
  [line, end]: readonly [number, number],
  seen: Map<string, Tree> | undefined,
): Tree | undefined {
  if (key.rest !== '' && key.rest[0] !== '{') return undefined
  const plain = new PlainYaml(source, lines).value(key.valueStart, line, end)
  if (plain !== undefined) return plain
  const fragment = source.text.slice(key.valueStart, lines[end - 1]!.end)
  let relative = seen?.get(fragment)
  if (!relative) {
    const { tree, problems } = readFragment(source, fragment, 0)
    if (problems.length > 0 || tree.kind !== 'map') return undefined
    relative = tree
    seen?.set(fragment, tree)
  }
  return moved(relative, source, key.valueStart)
}

function moved(node: Tree, source: Source, by: number): Tree {
  const spot = { source, offset: node.spot.offset + by }
  if (node.kind === 'scalar') return { ...node, spot }
  if (node.kind === 'list') return { kind: 'list', spot, items: node.items.map((item) => moved(item, source, by)) }
  const entries: MapNode['entries'] = new Map()
  for (const [name, entry] of node.entries) {
    const key = { source, offset: entry.key.offset + by }
    entries.set(name, { key, node: moved(entry.node, source, by) })
  }
  return { kind: 'map', spot, entries }
}

function linesOf(text: string): Line[] {
  const lines: Line[] = []
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    let at = start
    while (at < end && text[at] === ' ') at++
    lines.push({ start, end, indent: at === end || text[at] === '#' ? -1 : at - start })
    start = end + 1
  }
  return lines
}

/**
 * [first line, line after the last] of each entry at `indent`. Undefined when a line stands before the first entry or
 * less deep than it.
 */
function blocks(lines: readonly Line[], from: number, to: number, indent: number): [number, number][] | undefined {
  const starts: number[] = []
  for (let index = from; index < to; index++) {
    const own = lines[index]!.indent
    if (own < 0) continue
    if (own < indent || (own > indent && starts.length === 0)) return undefined
    if (own === indent) starts.push(index)
  }
  return starts.map((start, index) => [start, starts[index + 1] ?? to])
}

interface Key {
  readonly name: string
  readonly start: number
  /** What follows on the same line, without a comment. */
  readonly rest: string
  readonly valueStart: number
}

const keyLine = /^( *)(?:"([^"\\]*)"|(\w[\w.-]*)):(?: +(.*))?$/

function keyOf(text: string, line: Line): Key | undefined {
  const found = keyLine.exec(text.slice(line.start, line.end))
  if (!found) return undefined
  const [whole, indent, quoted, bare, after = ''] = found
  const rest = after.startsWith('#') ? '' : after.trimEnd()
  const valueStart = line.start + whole.length - after.length
  return { name: (quoted ?? bare)!, start: line.start + indent!.length, rest, valueStart }
}
