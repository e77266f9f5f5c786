/**
 * A whole configuration as plain, checked values: what `load.ts` makes and the gateway is built from.
 */
import type { ExporterComponent, ProcessorComponent } from '../src/contract.ts'
import type { QueueConfig, RetryConfig } from '../src/pipeline/queue_config.ts'
import type { Policy } from '../src/policy.ts'
import type { ReceiverConfig } from '../src/receive/config.ts'
import type { Environment } from './expand.ts'
import type { KeysConfig } from './keys.ts'
import type { ExtensionComponent, ResidencyOptions, ServiceOptions } from './service.ts'

/** Everything that may stand in a configuration. Tests bring their own. */
export interface Registries {
  readonly processors: readonly ProcessorComponent[]
  readonly exporters: readonly ExporterComponent[]
  /** Besides `health_check` and `admin`: the authenticators. */
  readonly extensions?: readonly ExtensionComponent[]
}

/** Gives the text of a file; throws what Node throws. */
export type ReadText = (file: string) => string

export interface LoadOptions {
  readonly env: Environment
  /** Left out: from the disk. */
  readonly read?: ReadText
  readonly registries: Registries
}

/** What every section of a component has. */
export interface Section<Options = unknown> {
  /** `type[/name]`, as written. */
  readonly id: string
  readonly options: Options
  /** The absolute path of a file that this section names: relative to the file in which the name stands. */
  resolve(path: string): string
}
export interface ProcessorSection extends Section {
  readonly component: ProcessorComponent
}
export interface ExporterSection extends Section {
  readonly component: ExporterComponent
  readonly region?: string
  readonly queue: QueueConfig
  readonly retry: RetryConfig
  readonly timeoutMs: number
}
export interface ExtensionSection extends Section {
  readonly name: string
}
export interface ConnectorSection extends Section<ResidencyOptions> {
  /** The absolute path of the policy, and what it says. */
  readonly policyFile: string
  readonly policy: Policy
}

export interface PipelineConfig {
  /** `logs[/name]` */
  readonly id: string
  /** Ids of receivers or connectors. */
  readonly receivers: readonly string[]
  readonly processors: readonly string[]
  /** Ids of exporters or connectors. */
  readonly exporters: readonly string[]
}

export interface GatewayConfig {
  readonly receivers: ReadonlyMap<string, Section<ReceiverConfig>>
  readonly processors: ReadonlyMap<string, ProcessorSection>
  readonly connectors: ReadonlyMap<string, ConnectorSection>
  readonly exporters: ReadonlyMap<string, ExporterSection>
  /** Those that `service.extensions` starts. */
  readonly extensions: ReadonlyMap<string, ExtensionSection>
  readonly pipelines: readonly PipelineConfig[]
  readonly service: ServiceOptions
  /** `service.keys`, with absolute paths. */
  readonly keys: KeysConfig
}

/** Files that a configuration names and that are read again when they change: policies, the bundle of keys. */
export const filesBeside = ({ connectors, keys }: GatewayConfig): string[] => [
  ...[...connectors.values()].map(({ policyFile }) => policyFile),
  ...(keys.bundle ? [keys.bundle.path] : []),
]
