/**
 * The sections that hold components: each entry `type[/name]` is checked by the schema of its type.
 *
 * An exporter's section holds two things: the options of delivery and the region, which are the pipeline's, and the
 * exporter's own. The first are taken off before the exporter's schema sees the rest.
 */
import { z } from 'zod'
import type { ExporterComponent } from '../src/contract.ts'
import { deliveryOptions } from '../src/pipeline/queue_config.ts'
import { type ReceiverConfig, receiverSchema } from '../src/receive/config.ts'
import type { ExporterSection, ExtensionSection, ProcessorSection, Registries, Section } from './gateway_config.ts'
import { type Complaint, type ConfigPath, listed, type Problem, problemAt, suggestion } from './problem.ts'
import { checkTree, type Place } from './sentences.ts'
import { ownExtensions, type ResidencyOptions, residencySchema } from './service.ts'
import { isEmpty, type MapNode, nodeAt, resolveFile, type Spot, spotOf, type Tree } from './tree.ts'

export interface Sections {
  readonly receivers: Map<string, Section<ReceiverConfig>>
  readonly processors: Map<string, ProcessorSection>
  readonly connectors: Map<string, Section<ResidencyOptions>>
  readonly exporters: Map<string, ExporterSection>
  readonly extensions: Map<string, ExtensionSection>
}

/** What the pipeline takes off an exporter's section. */
export const pipelineOptions = z.strictObject({
  ...deliveryOptions,
  region: z.string().min(1).optional().describe('The region in which this destination lies.'),
})

interface Named {
  readonly name: string
  readonly aliases?: readonly string[]
}

interface Entry extends Place {
  readonly id: string
  readonly node: Tree
}

export class SectionReader {
  readonly problems: Problem[] = []
  readonly #tree: Tree
  readonly #registries: Registries

  constructor(tree: Tree, registries: Registries) {
    this.#tree = tree
    this.#registries = registries
  }

  read(): Sections {
    const { processors, exporters, extensions = [] } = this.#registries
    return {
      receivers: this.#each('receivers', [{ name: 'otlp' }], (_type, entry) => this.#section(receiverSchema, entry)),
      processors: this.#each('processors', processors, (component, entry) => {
        const section = this.#section(component.config, entry)
        return section && { ...section, component }
      }),
      connectors: this.#each('connectors', [{ name: 'residency' }], (_type, entry) =>
        this.#section(residencySchema, entry),
      ),
      exporters: this.#each('exporters', exporters, (component, entry) => this.#exporter(component, entry)),
      extensions: this.#each('extensions', [...ownExtensions, ...extensions], ({ name, config }, entry) => {
        const section = this.#section(config, entry)
        return section && { ...section, name }
      }),
    }
  }

  #each<T extends Named, S extends Section>(
    name: string,
    types: readonly T[],
    read: (type: T, entry: Entry) => S | undefined,
  ): Map<string, S> {
    const found = new Map<string, S>()
    const section = nodeAt(this.#tree, [name])
    if (!section || isEmpty(section)) return found
    if (section.kind !== 'map') {
      this.#problem(spotOf(this.#tree, [name]), [name], { what: 'is not a map', allowed: 'type[/name]: { … } entries' })
      return found
    }
    for (const [id, { key, node }] of section.entries) {
      const entry = { id, node, key, path: [name, id] }
      const type = this.#typeOf(name, types, entry)
      const options = type && read(type, entry)
      if (options) found.set(id, options)
    }
    return found
  }

  #typeOf<T extends Named>(section: string, types: readonly T[], { id, key, path }: Entry): T | undefined {
    const [typeName = ''] = id.split('/')
    const type = types.find((each) => each.name === typeName || each.aliases?.includes(typeName))
    if (!type) {
      const known = types.flatMap((each) => [each.name, ...(each.aliases ?? [])])
      const what = `no ${section.slice(0, -1)} of type ${JSON.stringify(typeName)}`
      this.#problem(key, path, { what, allowed: listed(known), ...suggestion(typeName, known) })
      return undefined
    }
    if (/^[a-z][a-z0-9_]*(?:\/[\w.-]+)?$/.test(id)) return type
    this.#problem(key, path, { what: 'is no id', allowed: `${typeName}, ${typeName}/name (letters, digits, _ - .)` })
    return undefined
  }

  #section<S extends z.ZodType>(schema: S, entry: Entry): Section<z.output<S>> | undefined {
    const checked = checkTree(schema, entry.node, entry)
    if (checked.problems) {
      this.problems.push(...checked.problems)
      return undefined
    }
    return { id: entry.id, options: checked.output as z.output<S>, resolve: (file) => resolveFile(entry.node, file) }
  }

  #exporter(component: ExporterComponent, entry: Entry): ExporterSection | undefined {
    const { own, taken } = apart(entry.node)
    const section = this.#section(component.config, {
      ...entry,
      node: own,
      siblings: Object.keys(pipelineOptions.shape),
    })
    const delivery = checkTree(pipelineOptions, taken, entry)
    if (delivery.problems) {
      this.problems.push(...delivery.problems)
      return undefined
    }
    const { sending_queue: queue, retry_on_failure: retry, timeout: timeoutMs, region } = delivery.output
    return section && { ...section, component, queue, retry, timeoutMs, ...(region !== undefined && { region }) }
  }

  #problem(spot: Spot, path: ConfigPath, complaint: Complaint): void {
    this.problems.push(problemAt(spot, path, complaint))
  }
}

/** The exporter's own options, and the pipeline's. An empty one (`sending_queue:`) is left out: its defaults hold. */
function apart(node: Tree): { own: Tree; taken: MapNode } {
  const taken: MapNode = { kind: 'map', spot: node.spot, entries: new Map() }
  if (node.kind !== 'map') return { own: node, taken }
  const own: MapNode = { kind: 'map', spot: node.spot, entries: new Map(node.entries) }
  for (const key of Object.keys(pipelineOptions.shape)) {
    const entry = own.entries.get(key)
    own.entries.delete(key)
    if (entry && !isEmpty(entry.node)) taken.entries.set(key, entry)
  }
  return { own, taken }
}
