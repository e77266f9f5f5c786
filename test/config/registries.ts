/** Components for tests of the configuration: the names of the real ones, with small schemas of their own. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Registries } from '../../config/gateway_config.ts'
import { type LoadedConfig, loadConfig } from '../../config/load.ts'
import { formatProblem } from '../../config/problem.ts'
import { type ExporterComponent, exporter, type ProcessorComponent, processor } from '../../src/contract.ts'
import { duration } from '../../src/units.ts'

const refuse = (): never => {
  throw new Error('loading a configuration builds nothing')
}

const minimize = processor({
  name: 'minimize',
  config: z.strictObject({
    keys: z
      .record(z.string(), z.enum(['drop', 'mask', 'hash']))
      .default({})
      .describe('By key.'),
    salt: z.string().optional().describe('A secret.'),
    rules: z.array(z.strictObject({ when: z.string(), share: z.number().min(0).max(1).optional() })).optional(),
    form: z.union([z.enum(['short', 'long']), z.strictObject({ width: z.int().min(1) })]).optional(),
    window: duration().default(5000).describe('A duration.'),
  }),
  create: refuse,
}) as unknown as ProcessorComponent

const otlpHttp = exporter({
  name: 'otlp_http',
  aliases: ['otlphttp'],
  purposes: 'merged',
  config: z.strictObject({
    endpoint: z.string().describe('Where to.'),
    compression: z.enum(['none', 'gzip', 'zstd']).default('gzip').describe('How.'),
    headers: z.record(z.string(), z.string()).optional().describe('With what.'),
  }),
  create: refuse,
}) as unknown as ExporterComponent

const debug = exporter({
  name: 'debug',
  purposes: 'merged',
  local: true,
  config: z.strictObject({}),
  create: refuse,
}) as unknown as ExporterComponent

export const registries: Registries = {
  processors: [minimize],
  exporters: [otlpHttp, debug],
  extensions: [
    { kind: 'extension', name: 'api_keys', config: z.strictObject({ file: z.string().describe('Hashed keys.') }) },
  ],
}

/** A new folder with these files; gives their paths. */
export function written(files: Readonly<Record<string, string>>): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'douane-config-'))
  const paths: Record<string, string> = { folder }
  for (const [name, text] of Object.entries(files)) {
    paths[name] = join(folder, name)
    writeFileSync(paths[name], text)
  }
  return paths
}

/** Loads the files in order; `env` is the environment. */
export function load(files: Readonly<Record<string, string>>, env: Record<string, string> = {}): LoadedConfig {
  const paths = written(files)
  const configs = Object.keys(files).filter((name) => !name.startsWith('policy'))
  return loadConfig(
    configs.map((name) => paths[name]!),
    { env, registries },
  )
}

/** The problems of a configuration as they are printed, without the folder. */
export const told = ({ problems }: Pick<LoadedConfig, 'problems'>): string[] =>
  problems.map((problem) => formatProblem({ ...problem, file: problem.file.slice(problem.file.lastIndexOf('/') + 1) }))
