/**
 * Reads and checks a residency policy: `residency.yaml` → `Policy`, or every problem with it at once.
 *
 * A policy is refused whole when anything in it is wrong: half a policy would be a guess about where records may go.
 * What is checked beyond the shape:
 *
 * - every region and purpose that a rule names exists; at most one region is central;
 * - `local` and `split` name a region; `central` and `split` need a central one;
 * - every region that a tenant's records may reach, the central one and those to fail over to included, lies inside
 *   the tenant's jurisdictions, when it names some;
 * - a tenant only shortens a retention and only tightens `content`;
 * - a purpose of `central_purposes` does not keep content in the clear. The central copy of a split tenant never holds
 *   content; `content: keep` beside it says that somebody expects otherwise, and so it is refused instead of guessed.
 *
 * Cost: 10,000 tenants take about 0.1 s; a running gateway reads them in another thread (policy_thread.ts).
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import { limits } from '../src/limits.ts'
import type { Policy, PurposeRule, Region, TenantPurpose, TenantRule } from '../src/policy.ts'
import { compareRetention } from '../src/units.ts'
import type { ReadText } from './gateway_config.ts'
import { type Complaint, type ConfigPath, listed, type Problem, problemAt, suggestion } from './problem.ts'
import { readYamlFast } from './read_sections.ts'
import { policySchema, purposeSchema, regionSchema, type TenantOptions, tenantSchema } from './residency_schema.ts'
import { check } from './sentences.ts'
import { isEmpty, type MapNode, plain, Source, spotOf, type Tree } from './tree.ts'

export interface LoadedPolicy {
  /** Absent when there are problems. */
  readonly policy?: Policy
  readonly problems: readonly Problem[]
}

const fromDisk: ReadText = (file) => readFileSync(file, 'utf8')

/** `name` is what problems call the file; by default its path. */
export function loadPolicy(file: string, name: string = file, read: ReadText = fromDisk): LoadedPolicy {
  let text: string
  try {
    text = read(file)
  } catch (error) {
    const what = `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`
    const spot = { source: new Source(name, ''), offset: 0 }
    return { problems: [problemAt(spot, [], { what, fix: 'check the path and its rights' })] }
  }
  return parsePolicy(new Source(name, text))
}

export function parsePolicy(source: Source): LoadedPolicy {
  const { tree, problems } = readYamlFast(source)
  if (problems.length > 0) return { problems }
  const reader = new PolicyReader(tree)
  const policy = reader.read()
  const found = reader.problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
  return found.length > 0 ? { problems: found } : { policy, problems: [] }
}

class PolicyReader {
  readonly problems: Problem[] = []
  readonly #tree: Tree
  readonly #regions = new Map<string, Region>()
  readonly #purposes = new Map<string, PurposeRule>()
  #central: string | undefined
  /** Names that stand in the file, right or wrong, so that one mistake is not told again by everyone who uses it. */
  #regionNames: string[] = []
  #purposeNames: string[] = []

  constructor(tree: Tree) {
    this.#tree = tree
  }

  read(): Policy {
    this.#sections()
    this.#readRegions()
    this.#readPurposes()
    const tenants = this.#readTenants()
    const standIn = this.#top('default')
    const fallback = standIn ? this.#tenant(standIn, ['default']) : quarantine
    const timeZone = this.#timeZone()
    const content = {
      regions: this.#regions,
      purposes: this.#purposes,
      tenants,
      default: fallback,
      ...(this.#central !== undefined && { central: this.#central }),
      ...(timeZone !== undefined && { timeZone }),
    }
    return { version: versionOf(content), ...content }
  }

  #sections(): void {
    if (this.#tree.kind !== 'map') {
      this.#problem([], { what: 'is not a map of options', allowed: listed(sectionNames) })
      return
    }
    for (const name of this.#tree.entries.keys()) {
      if (sectionNames.includes(name)) continue
      this.#problem(
        [name],
        { what: 'unknown section', allowed: listed(sectionNames), ...suggestion(name, sectionNames) },
        'key',
      )
    }
    for (const name of ['regions', 'purposes']) {
      if (!this.#top(name)) this.#problem([name], { what: 'is missing', fix: `add a section ${name}:` })
    }
  }

  #timeZone(): string | undefined {
    const node = this.#top('time_zone')
    return node && this.#checked(policySchema.shape.time_zone, node, ['time_zone'])
  }

  #readRegions(): void {
    this.#regionNames = this.#entries('regions').map(([name]) => name)
    for (const [name, node] of this.#entries('regions')) {
      const path = ['regions', name]
      const options = this.#checked(regionSchema, node, path)
      if (!options) continue
      const { jurisdiction, pipeline, central } = options
      this.#regions.set(name, { name, jurisdictions: jurisdiction, pipeline, central })
      if (!central) continue
      if (this.#central === undefined) this.#central = name
      else this.#problem([...path, 'central'], { what: `${this.#central} is central already; one region may be` })
    }
  }

  #readPurposes(): void {
    this.#purposeNames = this.#entries('purposes').map(([name]) => name)
    for (const [name, node] of this.#entries('purposes')) {
      const path = ['purposes', name]
      if (!/^[a-z][a-z0-9_]*$/.test(name)) {
        this.#problem(
          path,
          { what: 'is no purpose name', allowed: 'small letters, digits and _, a letter first' },
          'key',
        )
      }
      const options = this.#checked(purposeSchema, node, path)
      if (!options) continue
      const { allowed_keys: allowedKeys, counts, ...rule } = options
      this.#purposes.set(name, { name, ...rule, ...(allowedKeys && { allowedKeys }), ...(counts && { counts }) })
    }
    if (this.#purposeNames.length > limits.purposesMax) {
      this.#problem(['purposes'], {
        what: `${this.#purposeNames.length} purposes`,
        allowed: `up to ${limits.purposesMax}`,
      })
    }
  }

  /** Tenants whose rules read alike share one object: quick to check, and to hand over to another thread. */
  #readTenants(): Map<string, TenantRule> {
    const tenants = new Map<string, TenantRule>()
    const rules = new Map<string, TenantRule>()
    for (const [name, node] of this.#entries('tenants')) {
      const path = ['tenants', name]
      if (name === '') this.#problem(path, { what: 'a tenant needs a name' }, 'key')
      const written = isEmpty(node) ? {} : plain(node)
      const text = JSON.stringify(written)
      const problemsBefore = this.problems.length
      const rule = rules.get(text) ?? this.#tenant(node, path, written)
      if (this.problems.length === problemsBefore) rules.set(text, rule)
      tenants.set(name, rule)
    }
    return tenants
  }

  #tenant(node: Tree, path: ConfigPath, written?: unknown): TenantRule {
    const options = this.#checked(tenantSchema, node, path, written)
    if (!options) return quarantine
    const residencies = new Set([options.residency, ...Object.values(options.purposes ?? {}).flatMap(residencyOf)])
    const needsRegion = residencies.has('local') || residencies.has('split')
    const regions = this.#tenantRegions(options, needsRegion, path)
    const goesCentral = residencies.has('central') || residencies.has('split')
    if (goesCentral && this.#central === undefined && !this.#hasWrong('regions')) {
      const fix = 'mark one region with central: true'
      this.#problem([...path, 'residency'], { what: `${options.residency} needs a central region`, fix })
    }
    this.#jurisdictions(options, goesCentral ? [...regions, ...(this.#central ? [this.#central] : [])] : regions, path)
    const centralPurposes = this.#centralPurposes(options, residencies.has('split'), path)
    return {
      residency: options.residency,
      regions,
      centralPurposes,
      ...(options.jurisdictions && { jurisdictions: options.jurisdictions }),
      purposes: this.#overrides(options, path),
      ...(options.usage_limits && { usageLimits: options.usage_limits }),
    }
  }

  #tenantRegions({ residency, region, regions }: TenantOptions, needed: boolean, path: ConfigPath): string[] {
    if (region !== undefined && regions) {
      this.#problem([...path, 'region'], { what: 'region and regions exclude each other', fix: 'keep regions' })
    }
    const named = regions ?? (region === undefined ? [] : [region])
    const at = regions ? [...path, 'regions'] : [...path, 'region']
    for (const [index, name] of named.entries()) {
      const spot = regions ? [...at, index] : at
      if (named.indexOf(name) < index) this.#problem(spot, { what: `${name} is named twice` })
      this.#known('region', name, this.#regionNames, spot)
    }
    if (needed && named.length === 0) {
      const allowed = listed(this.#regionNames)
      this.#problem([...path, 'residency'], { what: `${residency} needs a region`, allowed, fix: 'add region:' })
    }
    const isCentralAgain = residency === 'central' && named.length === 1 && named[0] === this.#central
    if (!needed && named.length > 0 && !isCentralAgain) {
      this.#problem(at, { what: `a tenant that is ${residency} has no region of its own`, fix: 'remove it' })
    }
    return needed ? named : []
  }

  /** Each region that the tenant's records may reach must lie in one of its jurisdictions. */
  #jurisdictions({ jurisdictions }: TenantOptions, reached: readonly string[], path: ConfigPath): void {
    if (!jurisdictions) return
    for (const name of new Set(reached)) {
      const region = this.#regions.get(name)
      if (!region || region.jurisdictions.some((place) => jurisdictions.includes(place))) continue
      const what = `region ${name} lies in ${region.jurisdictions.join(', ')}, outside this tenant's jurisdictions`
      const fix = 'choose another region or residency, or allow a jurisdiction of the region'
      this.#problem([...path, 'jurisdictions'], { what, allowed: listed(jurisdictions), fix })
    }
  }

  #centralPurposes(options: TenantOptions, isSplit: boolean, path: ConfigPath): readonly string[] {
    const named = options.central_purposes ?? []
    const at = [...path, 'central_purposes']
    if (isSplit && named.length === 0) {
      const fix = 'add central_purposes, or make the tenant local'
      this.#problem(at, { what: 'split needs the purposes that go central', allowed: listed(this.#purposeNames), fix })
    }
    if (!isSplit && named.length > 0) {
      this.#problem(at, { what: `only a split tenant has central_purposes, this one is ${options.residency}` })
    }
    for (const [index, name] of named.entries()) {
      this.#known('purpose', name, this.#purposeNames, [...at, index])
      const content = options.purposes?.[name]?.content ?? this.#purposes.get(name)?.content
      if (content !== 'keep') continue
      const what = `${name} keeps content in the clear (content: keep), which may not go central`
      this.#problem([...at, index], { what, fix: 'make its content drop or encrypt, or take it off the list' })
    }
    return named
  }

  #overrides(options: TenantOptions, path: ConfigPath): ReadonlyMap<string, TenantPurpose> {
    const overrides = new Map<string, TenantPurpose>()
    for (const [name, override] of Object.entries(options.purposes ?? {})) {
      const at = [...path, 'purposes', name]
      this.#known('purpose', name, this.#purposeNames, at)
      const { residency, retention, content } = override
      overrides.set(name, {
        ...(residency && { residency }),
        ...(retention && { retention }),
        ...(content && { content }),
      })
      const purpose = this.#purposes.get(name)
      if (!purpose) continue
      if (retention && compareRetention(retention, purpose.retention) > 0) {
        const what = `${retention.text} is longer than the purpose allows`
        this.#problem([...at, 'retention'], { what, allowed: `up to ${purpose.retention.text}` })
      }
      if (content && contentLaxness[content] > contentLaxness[purpose.content]) {
        const allowed = Object.keys(contentLaxness).slice(0, contentLaxness[purpose.content] + 1)
        this.#problem([...at, 'content'], {
          what: `${content} is laxer than the purpose allows`,
          allowed: listed(allowed),
        })
      }
    }
    return overrides
  }

  #known(kind: string, name: string, names: readonly string[], path: ConfigPath): void {
    if (names.includes(name)) return
    this.#problem(path, {
      what: `no ${kind} ${JSON.stringify(name)}`,
      allowed: listed(names),
      ...suggestion(name, names),
    })
  }

  #hasWrong(section: string): boolean {
    return this.problems.some(({ path }) => path.startsWith(section))
  }

  #top(name: string): Tree | undefined {
    const node = this.#tree.kind === 'map' ? this.#tree.entries.get(name)?.node : undefined
    return node && !isEmpty(node) ? node : undefined
  }

  #entries(name: string): [string, Tree][] {
    const node = this.#top(name)
    if (!node) return []
    if (node.kind === 'map') return [...(node as MapNode).entries].map(([key, entry]) => [key, entry.node])
    if (!this.#hasWrong(name)) this.#problem([name], { what: 'is not a map', allowed: 'name: { … } entries' })
    return []
  }

  #checked<Output>(
    schema: z.ZodType<Output>,
    node: Tree,
    path: ConfigPath,
    written = isEmpty(node) ? {} : plain(node),
  ): Output | undefined {
    const checked = check(schema, written)
    if (!checked.told) return checked.output as Output
    for (const { path: inner, aboutKey, ...complaint } of checked.told) {
      this.#problem([...path, ...inner], complaint, aboutKey ? 'key' : 'value')
    }
    return undefined
  }

  #problem(path: ConfigPath, complaint: Complaint, prefer: 'value' | 'key' = 'value'): void {
    if (this.problems.length >= limits.configProblemsMax) return
    this.problems.push(problemAt(spotOf(this.#tree, path, prefer), path, complaint))
  }
}

const sectionNames = Object.keys(policySchema.shape)
const contentLaxness = { drop: 0, encrypt: 1, keep: 2 } as const
const quarantine: TenantRule = { residency: 'quarantine', regions: [], centralPurposes: [], purposes: new Map() }

const residencyOf = ({ residency }: { residency?: TenantRule['residency'] | undefined }) =>
  residency ? [residency] : []

function versionOf(content: Omit<Policy, 'version'>): string {
  return createHash('sha256').update(canonical(content, new Map())).digest('hex').slice(0, 16)
}

/** Equal content gives equal text: JSON with keys in order, maps as lists. `known`: rules that several tenants share. */
function canonical(value: unknown, known: Map<unknown, string>): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((one) => canonical(one, known)).join(',')}]`
  const parts: string[] = []
  if (value instanceof Map) {
    for (const key of [...(value as Map<string, unknown>).keys()].sort()) {
      const member = value.get(key)
      const text = known.get(member) ?? canonical(member, known)
      known.set(member, text)
      parts.push(`[${JSON.stringify(key)},${text}]`)
    }
    return `[${parts.join(',')}]`
  }
  for (const key of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[key]
    if (member !== undefined) parts.push(`${JSON.stringify(key)}:${canonical(member, known)}`)
  }
  return `{${parts.join(',')}}`
}
