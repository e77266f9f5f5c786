/**
 * What no section can see alone: names that must exist, pipelines that must connect, regions that must not be left.
 *
 * The residency rules fail closed. Where a residency connector is used,
 * - every exporter that sends must have a region, and stand only in pipelines of that region;
 * - no exporter that sends may be reached around the connector.
 */

import type { ReceiverConfig } from '../src/receive/config.ts'
import { checkBackups } from './backup_checks.ts'
import type {
  ConnectorSection,
  ExporterSection,
  ExtensionSection,
  PipelineConfig,
  ProcessorSection,
  Section,
} from './gateway_config.ts'
import { checkListeners } from './listener_checks.ts'
import { plainTextWarnings, uselessCertificates } from './plain_text_checks.ts'
import { type Complaint, type ConfigPath, listed, type Problem, problemAt, suggestion } from './problem.ts'
import type { ServiceOptions } from './service.ts'
import { spotOf, type Tree } from './tree.ts'

export interface Found {
  readonly receivers: ReadonlyMap<string, Section<ReceiverConfig>>
  readonly processors: ReadonlyMap<string, ProcessorSection>
  readonly connectors: ReadonlyMap<string, ConnectorSection>
  readonly exporters: ReadonlyMap<string, ExporterSection>
  readonly extensions: ReadonlyMap<string, ExtensionSection>
  readonly pipelines: readonly PipelineConfig[]
  readonly service: ServiceOptions
}

export function crossCheck(found: Found, tree: Tree): { problems: Problem[]; warnings: Problem[] } {
  const checks = new CrossChecks(found, tree)
  checks.run()
  return checks
}

/** Those that the service names, and the authenticators that receivers name. */
export function startedExtensions({ service, receivers }: Pick<Found, 'service' | 'receivers'>): Set<string> {
  const authenticators = [...receivers.values()].map(({ options }) => options.auth?.authenticator)
  return new Set([...(service.extensions ?? []), ...authenticators.filter((id) => id !== undefined)])
}

type Role = 'receivers' | 'processors' | 'exporters'
const roles: readonly Role[] = ['receivers', 'processors', 'exporters']

class CrossChecks {
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []
  readonly #found: Found
  readonly #tree: Tree

  constructor(found: Found, tree: Tree) {
    this.#found = found
    this.#tree = tree
  }

  run(): void {
    this.#pipelineNames()
    this.#references()
    this.#extensions()
    this.#connectors()
    this.#unused()
    checkBackups(this.#found, (path, complaint) => this.#problem(path, complaint))
    this.problems.push(...checkListeners(this.#found, this.#tree), ...uselessCertificates(this.#found, this.#tree))
    this.warnings.push(...plainTextWarnings(this.#found, this.#tree))
    const cycle = this.#cycle()
    if (cycle) return
    for (const connector of this.#found.connectors.values()) this.#regions(connector)
    if (this.#found.connectors.size > 0) this.#aroundResidency()
  }

  #pipelineNames(): void {
    const ids = this.#found.pipelines.map(({ id }) => id)
    for (const id of ids) {
      const [signal, ...name] = id.split('/')
      const path = ['service', 'pipelines', id]
      if (signal === 'traces' || signal === 'metrics' || signal === 'profiles') {
        this.#problem(
          path,
          { what: `${signal} are not handled`, allowed: 'logs, logs/name', fix: 'send them elsewhere' },
          'key',
        )
      } else if (signal !== 'logs' || name.length > 1 || name[0] === '') {
        this.#problem(path, { what: 'is no pipeline', allowed: 'logs, logs/name' }, 'key')
      }
    }
    if (ids.length === 0 && this.#has(['service', 'pipelines'])) {
      this.#problem(['service', 'pipelines'], {
        what: 'no pipeline is defined',
        fix: 'add logs: { receivers: […], exporters: […] }',
      })
    }
  }

  /** Every name in a pipeline is defined, and stands there once. */
  #references(): void {
    for (const pipeline of this.#found.pipelines) {
      for (const role of roles) {
        const known = this.#written(role)
        if (role !== 'processors') known.push(...this.#written('connectors'))
        for (const [index, id] of pipeline[role].entries()) {
          const path = ['service', 'pipelines', pipeline.id, role, index]
          if (!known.includes(id)) {
            const what = `no ${role.slice(0, -1)} ${JSON.stringify(id)} is defined`
            this.#problem(path, { what, allowed: listed(known), ...suggestion(id, known) })
          } else if (pipeline[role].indexOf(id) < index) {
            this.#problem(path, { what: `${id} stands here twice`, fix: 'keep one of them' })
          }
        }
      }
    }
  }

  #extensions(): void {
    const known = this.#written('extensions')
    for (const [index, id] of (this.#found.service.extensions ?? []).entries()) {
      if (known.includes(id)) continue
      const complaint = {
        what: `no extension ${JSON.stringify(id)} is defined`,
        allowed: listed(known),
        ...suggestion(id, known),
      }
      this.#problem(['service', 'extensions', index], complaint)
    }
  }

  /** A connector ends one pipeline and starts another. */
  #connectors(): void {
    for (const id of this.#written('connectors')) {
      const ends = this.#found.pipelines.some(({ exporters }) => exporters.includes(id))
      const starts = this.#found.pipelines.some(({ receivers }) => receivers.includes(id))
      const path = ['connectors', id]
      if (ends && !starts) {
        this.#problem(
          path,
          { what: 'feeds no pipeline', fix: `name ${id} under receivers of the pipelines behind it` },
          'key',
        )
      } else if (starts && !ends) {
        this.#problem(
          path,
          { what: 'gets nothing', fix: `name ${id} under exporters of the pipeline before it` },
          'key',
        )
      }
    }
  }

  #unused(): void {
    const { pipelines } = this.#found
    const started = startedExtensions(this.#found)
    const used = new Set(pipelines.flatMap((pipeline) => roles.flatMap((role) => pipeline[role])))
    for (const section of [...roles, 'connectors'] as const) {
      for (const id of this.#written(section)) {
        if (!used.has(id))
          this.#warn([section, id], { what: 'is defined but no pipeline uses it', fix: 'use or remove it' })
      }
    }
    for (const id of this.#written('extensions')) {
      if (!started.has(id))
        this.#warn(['extensions', id], { what: 'is defined but not started', fix: 'name it under service.extensions' })
    }
  }

  #cycle(): boolean {
    const open: string[] = []
    const done = new Set<string>()
    const visit = (pipeline: PipelineConfig): boolean => {
      if (done.has(pipeline.id)) return false
      const start = open.indexOf(pipeline.id)
      if (start >= 0) {
        const path = ['service', 'pipelines', pipeline.id]
        const way = [...open.slice(start), pipeline.id].join(' → ')
        this.#problem(
          path,
          { what: `records would go round for ever: ${way}`, fix: 'take the connector off one of them' },
          'key',
        )
        return true
      }
      open.push(pipeline.id)
      const isCyclic = this.#next(pipeline).some(visit)
      open.pop()
      done.add(pipeline.id)
      return isCyclic
    }
    return this.#found.pipelines.filter(visit).length > 0
  }

  /** The pipelines behind a pipeline's connectors. */
  #next({ exporters }: PipelineConfig): PipelineConfig[] {
    const connectors = exporters.filter((id) => this.#found.connectors.has(id))
    return this.#found.pipelines.filter(({ receivers }) => receivers.some((id) => connectors.includes(id)))
  }

  /** Each region's pipeline exists, is fed by the connector, and ends in that region only. */
  #regions({ id, policy, policyFile }: ConnectorSection): void {
    const fed = this.#found.pipelines.filter(({ receivers }) => receivers.includes(id))
    const at = ['connectors', id, 'policy']
    for (const { name, pipeline } of policy.regions.values()) {
      const target = this.#found.pipelines.find((each) => each.id === pipeline)
      const known = fed.map((each) => each.id)
      if (!target) {
        const what = `region ${name} names the pipeline ${JSON.stringify(pipeline)}, which is not defined`
        this.#problem(at, { what, allowed: listed(known), ...suggestion(pipeline, known) })
      } else if (!fed.includes(target)) {
        const what = `region ${name} names the pipeline ${pipeline}, which does not receive from ${id}`
        this.#problem(at, { what, fix: `put ${id} under its receivers` })
      } else {
        this.#exportersOf(target, name, new Set(policy.regions.keys()))
      }
    }
    const named = new Set([...policy.regions.values()].map(({ pipeline }) => pipeline))
    for (const pipeline of fed) {
      if (named.has(pipeline.id)) continue
      const what = `receives from ${id}, but no region of ${policyFile.split('/').at(-1)} names it: nothing will arrive`
      this.#warn(['service', 'pipelines', pipeline.id], { what })
    }
  }

  #exportersOf(pipeline: PipelineConfig, region: string, regions: ReadonlySet<string>): void {
    if (pipeline.processors.length > 0) {
      const what = 'processors would change records after the policy was applied to them'
      const fix = 'move them to the pipeline before the connector'
      this.#problem(['service', 'pipelines', pipeline.id, 'processors'], { what, fix })
    }
    for (const [index, id] of pipeline.exporters.entries()) {
      const exporter = this.#found.exporters.get(id)
      const path = ['service', 'pipelines', pipeline.id, 'exporters', index]
      if (this.#found.connectors.has(id)) {
        const what = `a pipeline of region ${region} may not route on`
        this.#problem(path, { what, fix: 'end it in exporters of the region' })
      }
      if (!exporter || exporter.component.local) continue
      if (exporter.region === undefined) {
        const fix = `add region: ${region} to exporters.${id}`
        this.#problem(
          ['exporters', id],
          { what: 'needs a region, since residency is used', allowed: listed(regions), fix },
          'key',
        )
      } else if (exporter.region !== region) {
        const what = `${id} lies in region ${exporter.region}, but this pipeline is for region ${region}`
        this.#problem(path, {
          what,
          allowed: `exporters of region ${region}`,
          ...suggestion(exporter.region, [region]),
        })
      }
    }
  }

  /** A sending exporter that a receiver reaches without the connector would see every tenant's records. */
  #aroundResidency(): void {
    for (const pipeline of this.#found.pipelines) {
      const around = pipeline.receivers.find((id) => !this.#found.connectors.has(id))
      if (around === undefined) continue
      const connectors = pipeline.exporters.filter((id) => this.#found.connectors.has(id))
      if (connectors.length > 1) {
        const what = `${connectors.join(' and ')} could contradict each other`
        this.#problem(['service', 'pipelines', pipeline.id, 'exporters'], { what, fix: 'keep one of them' })
      }
      for (const [index, id] of pipeline.exporters.entries()) {
        const exporter = this.#found.exporters.get(id)
        if (!exporter || exporter.component.local) continue
        const what = `records would go around residency: ${around} → ${pipeline.id} → ${id}`
        const path = ['service', 'pipelines', pipeline.id, 'exporters', index]
        this.#problem(path, { what, fix: `export to ${[...this.#found.connectors.keys()][0]} instead` })
      }
    }
  }

  /** Ids as written: a component whose options are wrong is defined all the same. */
  #written(section: string): string[] {
    const node = this.#tree.kind === 'map' ? this.#tree.entries.get(section)?.node : undefined
    return node?.kind === 'map' ? [...node.entries.keys()] : []
  }

  #has(path: ConfigPath): boolean {
    return spotOf(this.#tree, path, 'key') !== spotOf(this.#tree, path.slice(0, -1), 'key')
  }

  #problem(path: ConfigPath, complaint: Complaint, prefer: 'value' | 'key' = 'value'): void {
    this.problems.push(problemAt(spotOf(this.#tree, path, prefer), path, complaint))
  }

  #warn(path: ConfigPath, complaint: Complaint): void {
    this.warnings.push(problemAt(spotOf(this.#tree, path, 'key'), path, complaint))
  }
}
