/**
 * The tree of sources as a test sees it: files, what each imports, how long its functions are.
 * Read with the parser that vitest brings, so that strings and comments are never mistaken for code.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { parseAst } from 'vitest/node'

export const root = join(import.meta.dirname, '..')
/** Folders whose files run in the product. */
export const productFolders = ['src', 'processors', 'exporters', 'config']
export const allFolders = [...productFolders, 'test', 'bench', 'demo']

export interface Import {
  /** A path from the root (`src/limits.ts`), or a package or `node:` name. */
  readonly target: string
  readonly isFile: boolean
  /** False where only types are imported: nothing is left of it at run time. */
  readonly runs: boolean
  /** Names that are taken; `*` for a whole module. */
  readonly names: readonly string[]
}
export interface Source {
  /** From the root, with `/`. */
  readonly path: string
  readonly text: string
  readonly lines: number
  readonly imports: readonly Import[]
  /** Names that the file exports itself. */
  readonly exports: readonly string[]
  /** Functions with their length in lines; callbacks of `describe` are left out. */
  readonly functions: readonly { line: number; lines: number }[]
}

/** What all nodes of an ESTree have in common. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

export function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posix.join(entry.parentPath.slice(root.length + 1), entry.name))
    .filter((path) => !path.includes('/fixtures/'))
    .toSorted()
}

export function readSources(folders: readonly string[]): Source[] {
  return folders
    .flatMap(filesBelow)
    .filter((path) => path.endsWith('.ts'))
    .map(readSource)
}

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const imports: Import[] = []
  const exports: string[] = []
  const functions: { line: number; lines: number }[] = []
  const lineAt = (offset: number): number => text.slice(0, offset).split('\n').length
  visit(parseAst(text, { lang: 'ts' }) as unknown as Node, undefined, (node, parent) => {
    imports.push(...importsOf(node, path))
    exports.push(...exportsOf(node))
    if (isFunction(node) && !isDescribe(parent)) {
      const line = lineAt(node.start)
      functions.push({ line, lines: lineAt(node.end) - line + 1 })
    }
  })
  return { path, text, lines: text.trimEnd().split('\n').length, imports, exports, functions }
}

function visit(node: Node, parent: Node | undefined, seen: (node: Node, parent: Node | undefined) => void): void {
  seen(node, parent)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) visit(child, node, seen)
    }
  }
}
const isNode = (value: unknown): value is Node => value instanceof Object && 'type' in value && 'start' in value

const isFunction = ({ type }: Node): boolean =>
  type === 'FunctionDeclaration' || type === 'FunctionExpression' || type === 'ArrowFunctionExpression'

/** `describe(…)`, `describe.each(…)(…)`: a list of tests, not a function that somebody has to understand whole. */
function isDescribe(node: Node | undefined): boolean {
  let callee = node?.['callee'] as Node | undefined
  while (callee?.['object'] ?? callee?.['callee']) callee = (callee?.['object'] ?? callee?.['callee']) as Node
  return callee?.['name'] === 'describe'
}

function importsOf(node: Node, path: string): Import[] {
  const source = node['source'] as Node | null | undefined
  const written = source?.['value'] ?? relativeUrl(node)
  if (typeof written !== 'string') return []
  const isFile = written.startsWith('.')
  const target = isFile ? posix.join(dirname(path), written) : written
  const specifiers = (node['specifiers'] as Node[] | undefined) ?? []
  const erased = (part: Node): boolean => part['importKind'] === 'type' || part['exportKind'] === 'type'
  const runs = !erased(node) && (specifiers.length === 0 || specifiers.some((part) => !erased(part)))
  const names = specifiers.map((part) => nameOf(part['imported'] ?? part['local'], part.type))
  return [{ target, isFile, runs, names: specifiers.length === 0 ? ['*'] : names }]
}
function nameOf(part: unknown, type: string): string {
  if (type === 'ImportDefaultSpecifier') return 'default'
  return type === 'ImportNamespaceSpecifier' ? '*' : String((part as Node)['name'])
}

/** `new URL('./worker.ts', import.meta.url)`: how a worker or a file beside the source is named. */
function relativeUrl(node: Node): string | undefined {
  const callee = node['callee'] as Node | undefined
  if (node.type !== 'NewExpression' || callee?.['name'] !== 'URL') return undefined
  const [first, second] = node['arguments'] as Node[]
  const value = first?.['value']
  if (second?.type !== 'MemberExpression' || typeof value !== 'string') return undefined
  return value.startsWith('.') ? value : `./${value}`
}

function exportsOf(node: Node): string[] {
  if (node.type === 'ExportDefaultDeclaration') return ['default']
  if (node.type !== 'ExportNamedDeclaration') return []
  const declaration = node['declaration'] as Node | null
  if (declaration === null)
    return (node['specifiers'] as Node[]).map((part) => String((part['exported'] as Node)['name']))
  const declared = (declaration['declarations'] as Node[] | undefined) ?? [declaration]
  return declared.map((part) => (part['id'] as Node)['name']).filter((name) => typeof name === 'string')
}
