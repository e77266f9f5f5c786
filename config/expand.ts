/**
 * `${env:NAME}`, `${NAME}` and `${env:NAME:-default}` in a configuration's values; `$$` is a dollar sign.
 *
 * A value that is nothing but one expansion is typed as YAML would type it, as in the Collector: `true` becomes a
 * boolean, `4317` a number. Its text is kept, for options that want text (a password of digits). An expansion inside a
 * longer text is text. Keys are not expanded, and what a variable holds is not expanded again.
 *
 * A variable that is not set and has no default is a problem: an empty secret is worse than a gateway that does not
 * start. As in a shell, `:-` also stands in for a variable that is empty.
 */
import { isScalar, parseDocument } from 'yaml'
import { limits } from '../src/limits.ts'
import { type ConfigPath, type Problem, problemAt } from './problem.ts'
import type { Scalar, ScalarNode, Tree } from './tree.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Changes the tree in place. */
export function expandAll(tree: Tree, env: Environment): Problem[] {
  const problems: Problem[] = []
  walk(tree, [], (node, path) => {
    if (typeof node.value !== 'string' || !node.value.includes('$')) return
    const { text, whole, faults } = expand(node.value, env, 0)
    for (const fault of faults) problems.push(problemAt(node.spot, path, fault))
    if (faults.length > 0) return
    node.value = whole ? typed(text) : text
    node.text = text
  })
  return problems
}

function walk(node: Tree, path: ConfigPath, visit: (node: ScalarNode, path: ConfigPath) => void): void {
  if (node.kind === 'scalar') visit(node, path)
  else if (node.kind === 'list') for (const [index, item] of node.items.entries()) walk(item, [...path, index], visit)
  else for (const [key, entry] of node.entries) walk(entry.node, [...path, key], visit)
}

interface Fault {
  what: string
  allowed?: string
  fix?: string
}
interface Expansion {
  text: string
  /** The value is one expansion and nothing else. */
  whole: boolean
  faults: Fault[]
}

function expand(value: string, env: Environment, depth: number): Expansion {
  const faults: Fault[] = []
  let text = ''
  let expansions = 0
  let plainLength = 0
  for (let at = 0; at < value.length; ) {
    if (value.startsWith('$$', at)) {
      text += '$'
      plainLength++
      at += 2
    } else if (value.startsWith('${', at)) {
      const end = closingBrace(value, at + 2)
      if (end < 0) {
        faults.push({ what: `"\${" without "}"`, fix: `close it, or write $\${ for a plain "\${"` })
        break
      }
      text += variable(value.slice(at + 2, end), env, depth, faults)
      expansions++
      at = end + 1
    } else {
      text += value[at]
      plainLength++
      at++
    }
  }
  return { text, whole: expansions === 1 && plainLength === 0, faults }
}

function closingBrace(value: string, start: number): number {
  let open = 1
  for (let at = start; at < value.length; at++) {
    if (value.startsWith('${', at)) open++
    else if (value[at] === '}' && --open === 0) return at
  }
  return -1
}

function variable(expression: string, env: Environment, depth: number, faults: Fault[]): string {
  const parts = /^(?:([a-z]+):(?!-))?([^:]*)(?::-(.*))?$/s.exec(expression)
  const [, scheme = 'env', name = '', standIn] = parts ?? []
  if (!parts || scheme !== 'env' || !/^[A-Za-z_]\w*$/.test(name)) {
    faults.push({ what: 'not a variable', allowed: `\${env:NAME}, \${NAME}, \${env:NAME:-default}` })
    return ''
  }
  const value = env[name]
  if (value) return value
  if (standIn !== undefined) {
    if (depth >= limits.configExpansionDepthMax) {
      faults.push({ what: `defaults nested deeper than ${limits.configExpansionDepthMax}` })
      return ''
    }
    const inner = expand(standIn, env, depth + 1)
    faults.push(...inner.faults)
    return inner.text
  }
  if (value === undefined) {
    const fix = `set it, or give a default: \${env:${name}:-default}`
    faults.push({ what: `the environment variable ${name} is not set`, fix })
  }
  return ''
}

/** What YAML makes of a text: a number, true, false, null, or the text itself. */
function typed(text: string): Scalar {
  const { contents, errors } = parseDocument(text, { prettyErrors: false, logLevel: 'silent' })
  if (text === '') return null
  if (errors.length > 0 || !isScalar(contents) || contents.type !== 'PLAIN') return text
  const value = contents.value
  return value === null || typeof value === 'number' || typeof value === 'boolean' ? value : text
}
