/**
 * What the gateway lends a component: its log, its counters, its folder, the clock, purposes and keys.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Counter, HashKeys, Host, LabelledCounter, Log, Purposes, Subjects } from './contract.ts'
import { ConfigError, DependencyError } from './errors.ts'
import { makeFolders } from './folders.ts'
import { logWith } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics.ts'

export interface HostParts {
  readonly kind: 'processor' | 'exporter'
  /** The component's name (not an alias), and its id in the configuration. */
  readonly name: string
  readonly id: string
  readonly log: Log
  readonly metrics: Metrics
  readonly purposes: Purposes
  readonly hashKeys: HashKeys
  readonly subjects?: Subjects
  /** The data directory. A component's folder in it is named after the component; all its instances share it. */
  readonly dataDir: string
  readonly resolve: (path: string) => string
  readonly nowMs: () => number
  /** See `Host`. */
  readonly worker?: number | undefined
  /** See `ProcessorComponent`. */
  readonly merges?: boolean | undefined
  /** What the policy in force says, for those that store records. */
  readonly retention?: RetentionRules
}

/** A function each, so that a component always hears of the policy in force. */
export type RetentionRules = Required<
  Pick<Host, 'retention' | 'countsRetention' | 'policyVersion' | 'keepReceipts' | 'retentionRan'>
>

export interface OwnedHost extends Host {
  /** Takes back what the component registered for sampling. Call it when the component is closed. */
  release(): void
}

/** Metrics are called `douane_<component>_<name>` (the component is not said twice) and carry the id as the label `processor` or `exporter`. */
export function createHost(parts: HostParts): OwnedHost {
  const { kind, name, id, metrics, dataDir } = parts
  const removers: (() => void)[] = []
  const metricName = (own: string): string => (own.startsWith(`${name}_`) ? `douane_${own}` : `douane_${name}_${own}`)
  function counter(own: string, help: string): Counter
  function counter<Label extends string>(own: string, help: string, labels: readonly Label[]): LabelledCounter
  function counter(own: string, help: string, labels?: readonly string[]): Counter | LabelledCounter {
    const all = metrics.counter(metricName(own), help, [kind, ...(labels ?? [])])
    return labels ? { with: (...values) => all.with(id, ...values) } : all.with(id)
  }
  return {
    id,
    log: logWith(parts.log, { [kind]: id }),
    purposes: parts.purposes,
    hashKeys: parts.hashKeys,
    ...(parts.subjects && { subjects: parts.subjects }),
    resolve: parts.resolve,
    readText: (path) => readText(parts.resolve(path)),
    dataDir: () => ownFolder(join(dataDir, name)),
    nowMs: parts.nowMs,
    ...(parts.worker !== undefined && { worker: parts.worker }),
    ...parts.retention,
    counter,
    gauge: (own, help, read) => {
      // What workers know together, the process above them says.
      const together = parts.merges === true ? 'first' : 'sum'
      removers.push(metrics.gauge(metricName(own), help, { [kind]: id }, read, together))
    },
    release: () => {
      for (const remove of removers.splice(0)) remove()
    },
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new ConfigError(`the file ${path} cannot be read (${code})`)
  }
}

function ownFolder(folder: string): string {
  try {
    makeFolders(folder)
    return folder
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    const fix = 'Give this user the right to write there, or name another folder with --data-dir.'
    throw new DependencyError(`The folder ${folder} cannot be made (${code}).`, fix)
  }
}
