/**
 * A configuration file as a tree of values that know where they were written.
 *
 * Several files become one tree by merging: maps deeply, everything else replaced by the later file. Each node keeps
 * its own file, so that a problem points into the right one and a relative path starts from the right folder.
 */
import { dirname, resolve } from 'node:path'
import type { ConfigPath } from './problem.ts'

export class Source {
  /** As given on the command line: that is what people recognise. */
  readonly file: string
  readonly text: string
  #lineStarts: number[] | undefined

  constructor(file: string, text: string) {
    this.file = file
    this.text = text
  }

  position(offset: number): { file: string; line: number; column: number } {
    this.#lineStarts ??= lineStarts(this.text)
    let low = 0
    let high = this.#lineStarts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#lineStarts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return { file: this.file, line: low + 1, column: offset - this.#lineStarts[low]! + 1 }
  }

  /** The absolute path of a file that this source names. */
  resolve(path: string): string {
    return resolve(dirname(this.file), path)
  }
}

function lineStarts(text: string): number[] {
  const starts = [0]
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) starts.push(end + 1)
  return starts
}

export interface Spot {
  readonly source: Source
  /** UTF-16 units from the start of the text. */
  readonly offset: number
}

export type Scalar = string | number | boolean | null
export interface MapNode {
  readonly kind: 'map'
  readonly spot: Spot
  readonly entries: Map<string, { key: Spot; node: Tree }>
}
export interface ListNode {
  readonly kind: 'list'
  readonly spot: Spot
  readonly items: Tree[]
}
export interface ScalarNode {
  readonly kind: 'scalar'
  readonly spot: Spot
  value: Scalar
  /** Of an expanded `${env:…}`: the text before it was typed as YAML, since an option may want text. */
  text?: string
}
export type Tree = MapNode | ListNode | ScalarNode

export const isEmpty = (node: Tree): boolean => node.kind === 'scalar' && node.value === null

/** The plain value, as a schema wants it. Keys are never `__proto__`: reading refuses them. */
export function plain(node: Tree): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value
    case 'list':
      return node.items.map(plain)
    case 'map': {
      const value: Record<string, unknown> = {}
      for (const [key, entry] of node.entries) value[key] = plain(entry.node)
      return value
    }
  }
}

/** `over` on top of `under`. An empty section (`nop:`) over a map changes nothing. */
export function merge(under: Tree, over: Tree): Tree {
  if (under.kind === 'map' && isEmpty(over)) return under
  if (under.kind !== 'map' || over.kind !== 'map') return over
  const entries = new Map(under.entries)
  for (const [key, entry] of over.entries) {
    const lower = entries.get(key)
    entries.set(key, lower ? { key: entry.key, node: merge(lower.node, entry.node) } : entry)
  }
  return { kind: 'map', spot: over.spot, entries }
}

/** The node at a path, or undefined. */
export function nodeAt(root: Tree, path: ConfigPath): Tree | undefined {
  let node: Tree | undefined = root
  for (const step of path) node = node && child(node, step)?.node
  return node
}

/**
 * Where a path is written: its value, or the key of the deepest step that there is. `prefer` says which, where both
 * are there; `rootKey` is where `root` itself is named.
 */
export function spotOf(root: Tree, path: ConfigPath, prefer: 'value' | 'key' = 'value', rootKey = root.spot): Spot {
  let node = root
  let key = rootKey
  for (const step of path) {
    const found = child(node, step)
    if (!found) return key
    node = found.node
    key = found.key
  }
  return prefer === 'value' && !isEmpty(node) ? node.spot : key
}

function child(node: Tree, step: string | number): { key: Spot; node: Tree } | undefined {
  if (node.kind === 'map') return node.entries.get(String(step))
  if (node.kind !== 'list') return undefined
  const item = node.items[Number(step)]
  return item && { key: item.spot, node: item }
}

/** The absolute path of a file named somewhere below `node`: relative to the file in which the name stands. */
export function resolveFile(node: Tree, path: string): string {
  return (sourceOfText(node, path) ?? node.spot.source).resolve(path)
}

function sourceOfText(node: Tree, text: string): Source | undefined {
  if (node.kind === 'scalar') return node.value === text ? node.spot.source : undefined
  const below = node.kind === 'list' ? node.items : [...node.entries.values()].map((entry) => entry.node)
  for (const part of below) {
    const source = sourceOfText(part, text)
    if (source) return source
  }
  return undefined
}
