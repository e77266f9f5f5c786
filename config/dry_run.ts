/**
 * Builds every component of a configuration once, for what only its `create` can see (a condition's syntax, a header
 * that is not the user's to set), and collects all that is refused. Nothing is started: no connection, no file.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Host, Log } from '../src/contract.ts'
import { ConfigError } from '../src/errors.ts'
import { createHost } from '../src/host.ts'
import { createPurposes } from '../src/purposes.ts'
import { Metrics } from '../src/telemetry/metrics.ts'
import type { ExporterSection, GatewayConfig, ProcessorSection } from './gateway_config.ts'
import type { LoadedConfig } from './load.ts'
import type { Problem } from './problem.ts'

/** The problems of `config`'s components, which `loaded` places in the files. */
export async function dryRun(loaded: LoadedConfig, config: GatewayConfig): Promise<Problem[]> {
  const problems: Problem[] = []
  const hostOf = hosts(config)
  const attempt = async (section: 'processors' | 'exporters', id: string, make: () => unknown): Promise<void> => {
    try {
      await make()
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      problems.push(loaded.problemOf(error, [section, id]))
    }
  }
  for (const processor of config.processors.values()) {
    const { component, options } = processor
    await attempt('processors', processor.id, () => component.create(options, hostOf('processor', processor)))
  }
  for (const exporter of config.exporters.values()) {
    const { component, options } = exporter
    await attempt('exporters', exporter.id, () => component.create(options, hostOf('exporter', exporter)).close())
  }
  return problems
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
const noKey = { id: '00000000', key: new Uint8Array(32) }
const nobody = { state: 'live', ref: '' } as const

function hosts({ connectors }: GatewayConfig) {
  const policies = [...connectors.values()].map(({ policy }) => policy)
  const known = policies.flatMap((policy) => [...policy.purposes.keys()])
  const shared = {
    log: silent,
    metrics: new Metrics(),
    purposes: createPurposes(policies.length > 0 ? known : undefined),
    hashKeys: { current: () => noKey },
    subjects: { of: () => nobody },
    nowMs: Date.now,
    dataDir: tmpdir(),
  }
  return (kind: 'processor' | 'exporter', section: ProcessorSection | ExporterSection): Host => {
    const { id, component } = section
    const host = createHost({ ...shared, kind, id, name: component.name, resolve: (path) => section.resolve(path) })
    return { ...host, dataDir: () => join(tmpdir(), 'douane', component.name) }
  }
}
