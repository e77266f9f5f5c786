/**
 * Reads, merges, expands and checks configuration files: either a `GatewayConfig`, or every problem at once.
 *
 * The order: YAML of each file → merged tree → `${env:…}` → each section by its schema → checks across sections.
 * Nothing is started, connected or written, so `validate` may run anywhere, as any user.
 */
import { readFileSync } from 'node:fs'
import type { ConfigError } from '../src/errors.ts'
import { limits } from '../src/limits.ts'
import { crossCheck, startedExtensions } from './cross_checks.ts'
import { expandAll } from './expand.ts'
import type { ConnectorSection, GatewayConfig, LoadOptions, PipelineConfig, ReadText } from './gateway_config.ts'
import { keysOf } from './keys.ts'
import { loadPolicyApart } from './policy_thread.ts'
import { type Complaint, type ConfigPath, listed, type Problem, problemAt, suggestion } from './problem.ts'
import { readYaml } from './read_yaml.ts'
import { type LoadedPolicy, loadPolicy } from './residency.ts'
import { SectionReader, type Sections } from './sections.ts'
import { checkTree } from './sentences.ts'
import { type ServiceOptions, serviceSchema } from './service.ts'
import { isEmpty, merge, nodeAt, plain, Source, type Spot, spotOf, type Tree } from './tree.ts'

export const sectionNames = ['receivers', 'processors', 'connectors', 'exporters', 'extensions', 'service'] as const

export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

export interface LoadedConfig {
  /** Absent when there are problems. */
  readonly config?: GatewayConfig
  readonly problems: readonly Problem[]
  /** Nothing that is wrong; something that was hardly meant. */
  readonly warnings: readonly Problem[]
  /** The merged, expanded configuration. */
  readonly tree: Tree
  /** Where an option is written, or the nearest thing above it. */
  locate(path: ConfigPath): Position
  /** What a component's `create` threw about its options at `path`, told like any other problem. */
  problemOf(error: ConfigError, path: ConfigPath): Problem
}

/** Never throws for what is in the files, or for files that are not there. */
export function loadConfig(files: readonly string[], options: LoadOptions): LoadedConfig {
  const draft = readFiles(files, options)
  return finish(
    draft,
    draft.policies.map(({ file, name }) => loadPolicy(file, name, options.read)),
  )
}

/** The same, with large policies read in another thread: a running gateway does not stand still meanwhile. */
export async function loadConfigApart(files: readonly string[], options: LoadOptions): Promise<LoadedConfig> {
  const draft = readFiles(files, options)
  return finish(
    draft,
    await Promise.all(draft.policies.map(({ file, name }) => loadPolicyApart(file, name, options.read))),
  )
}

/** What the configuration files say, before the policies that they name are read. */
interface Draft {
  readonly tree: Tree
  readonly problems: readonly Problem[]
  /** Absent when the files could not even be read: anything else would only be a consequence. */
  readonly sections?: Sections
  readonly service?: ServiceOptions | undefined
  readonly policies: readonly NamedPolicy[]
}
interface NamedPolicy {
  readonly connector: string
  /** The absolute path, and how problems call the file. */
  readonly file: string
  readonly name: string
}

function readFiles(files: readonly string[], { env, registries, read = readText }: LoadOptions): Draft {
  const problems: Problem[] = []
  const tree = readAll(files, read, problems)
  problems.push(...expandAll(tree, env))
  if (problems.length > 0) return { tree, problems, policies: [] }
  problems.push(...unknownSections(tree))
  const reader = new SectionReader(tree, registries)
  const sections = reader.read()
  const service = readService(tree, problems)
  problems.push(...reader.problems)
  return { tree, problems, sections, service, policies: policiesOf(sections, tree) }
}

/** `loaded` are the policies of the draft, in its order. */
function finish({ tree, problems, sections, service, policies }: Draft, loaded: readonly LoadedPolicy[]): LoadedConfig {
  const result = {
    tree,
    locate: (path: ConfigPath) => positionOf(spotOf(tree, path)),
    problemOf: (error: ConfigError, path: ConfigPath) => problemOfError(tree, error, path),
  }
  if (!sections) return { ...result, problems: sorted(problems), warnings: [] }
  const connectors = new Map<string, ConnectorSection>()
  for (const [index, { connector, file }] of policies.entries()) {
    const policy = loaded[index]?.policy
    if (policy) connectors.set(connector, { ...sections.connectors.get(connector)!, policyFile: file, policy })
  }
  const found = {
    ...sections,
    connectors,
    pipelines: pipelinesOf(tree),
    service: service ?? { pipelines: {}, workers: 1 },
  }
  const { problems: crossed, warnings } = crossCheck(found, tree)
  const all = [...problems, ...loaded.flatMap((policy) => policy.problems), ...crossed]
  if (all.length > 0) return { ...result, problems: sorted(all), warnings: sorted(warnings) }
  const started = startedExtensions(found)
  const extensions = new Map([...found.extensions].filter(([id]) => started.has(id)))
  const keys = keysOf(found.service.keys ?? {}, nodeAt(tree, ['service', 'keys']) ?? tree)
  return { ...result, config: { ...found, extensions, keys }, problems: [], warnings: sorted(warnings) }
}

const readText: ReadText = (file) => readFileSync(file, 'utf8')

function readAll(files: readonly string[], read: ReadText, problems: Problem[]): Tree {
  let tree: Tree | undefined
  for (const file of files) {
    const source = readSource(file, read, problems)
    if (!source) continue
    const yaml = readYaml(source)
    problems.push(...yaml.problems)
    tree = tree ? merge(tree, yaml.tree) : yaml.tree
  }
  return tree ?? { kind: 'map', spot: { source: new Source(files[0] ?? 'config', ''), offset: 0 }, entries: new Map() }
}

function readSource(file: string, read: ReadText, problems: Problem[]): Source | undefined {
  try {
    return new Source(file, read(file))
  } catch (error) {
    const what = `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`
    const spot = { source: new Source(file, ''), offset: 0 }
    problems.push(problemAt(spot, [], { what, fix: 'check the path and its rights' }))
    return undefined
  }
}

function unknownSections(tree: Tree): Problem[] {
  if (tree.kind !== 'map') return [problemAt(tree.spot, [], { what: 'is not a map', allowed: listed(sectionNames) })]
  const known: readonly string[] = sectionNames
  return [...tree.entries]
    .filter(([name]) => !known.includes(name))
    .map(([name, { key }]) => {
      return problemAt(key, [name], { what: 'unknown section', allowed: listed(known), ...suggestion(name, known) })
    })
}

function readService(tree: Tree, problems: Problem[]): ServiceOptions | undefined {
  const path = ['service']
  const node = nodeAt(tree, path)
  if (!node || isEmpty(node)) {
    const fix = 'add service: { pipelines: { logs: { receivers: [otlp], exporters: [debug] } } }'
    problems.push(problemAt(spotOf(tree, path), path, { what: 'is missing', fix }))
    return undefined
  }
  const checked = checkTree(serviceSchema, node, { path, key: spotOf(tree, path, 'key') })
  problems.push(...(checked.problems ?? []))
  return checked.output
}

/** Read from the tree, so that what is wrong elsewhere in `service` hides nothing. */
function pipelinesOf(tree: Tree): PipelineConfig[] {
  const node = nodeAt(tree, ['service', 'pipelines'])
  if (node?.kind !== 'map') return []
  return [...node.entries].map(([id, entry]) => ({
    id,
    receivers: idsAt(entry.node, 'receivers'),
    processors: idsAt(entry.node, 'processors'),
    exporters: idsAt(entry.node, 'exporters'),
  }))
}

function idsAt(pipeline: Tree, role: string): string[] {
  const list = nodeAt(pipeline, [role])
  return list?.kind === 'list' ? list.items.map((item) => String(plain(item))) : []
}

function policiesOf({ connectors }: Sections, tree: Tree): NamedPolicy[] {
  return [...connectors].map(([connector, section]) => {
    const spot = spotOf(tree, ['connectors', connector, 'policy'])
    const { policy } = section.options
    return { connector, file: section.resolve(policy), name: besides(spot, policy) }
  })
}

/** How problems call a file that a configuration names: as people would from where they named the configuration. */
function besides({ source }: Spot, file: string): string {
  const folder = source.file.slice(0, source.file.lastIndexOf('/') + 1)
  return file.startsWith('/') ? file : folder + file
}

const positionOf = ({ source, offset }: Spot): Position => source.position(offset)

function problemOfError(tree: Tree, error: ConfigError, path: ConfigPath): Problem {
  const full = [...path, ...error.path]
  const complaint: Complaint = { what: error.message, ...(error.fix !== undefined && { fix: error.fix }) }
  return problemAt(spotOf(tree, full), full, complaint)
}

const sorted = (problems: readonly Problem[]): Problem[] =>
  problems
    .toSorted((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line || a.column - b.column))
    .slice(0, limits.configProblemsMax)
