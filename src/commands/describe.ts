/** Verbs that only look: `validate`, `components`, `print-config`, `schema`. */
import type { Command } from 'commander'
import { stringify } from 'yaml'
import { builtIn } from '../../config/built_in.ts'
import { dryRun } from '../../config/dry_run.ts'
import { builtInComponents, effectiveConfig } from '../../config/print.ts'
import { ConfigRefused, formatProblem } from '../../config/problem.ts'
import { configJsonSchema, policyJsonSchema } from '../../config/schema.ts'
import { ConfigError, exitCodes } from '../errors.ts'
import { buildOffline } from '../offline.ts'
import { filesOf, load, withConfig, withFormat } from './common.ts'

interface ConfigOption {
  readonly config?: string[]
}

export function describeCommands(program: Command): void {
  withConfig(
    program.command('validate').description('check a configuration and its policy; tells every problem at once'),
  ).action(validate)
  const components = program
    .command('components')
    .description('list what is built in: receivers, processors, connectors, exporters, extensions')
  withFormat(components, ['yaml', 'json'], 'yaml').action(({ format }: { format: string }) => {
    const built = builtInComponents(builtIn)
    process.stdout.write(format === 'json' ? `${JSON.stringify(built)}\n` : stringify(built))
  })
  withConfig(
    program
      .command('print-config')
      .description(
        'print the effective configuration: files merged, variables and defaults filled in, secrets redacted',
      ),
  ).action((options: ConfigOption) => {
    const loaded = load(filesOf(options.config))
    if (loaded.config === undefined) throw new ConfigRefused(loaded.problems)
    process.stdout.write(effectiveConfig(loaded.tree, builtIn))
  })
  program
    .command('schema')
    .description('print the JSON schema of the configuration (or of residency.yaml), for editors')
    .option('--policy', 'the schema of the residency policy')
    .action(({ policy }: { policy?: boolean }) => {
      const schema = policy === true ? policyJsonSchema() : configJsonSchema(builtIn)
      process.stdout.write(`${JSON.stringify(schema, undefined, 2)}\n`)
    })
}

async function validate(options: ConfigOption): Promise<void> {
  const loaded = load(filesOf(options.config))
  for (const warning of loaded.warnings) process.stderr.write(`warning: ${formatProblem(warning)}\n`)
  if (loaded.config === undefined) throw new ConfigRefused(loaded.problems)
  const problems = await dryRun(loaded, loaded.config)
  if (problems.length > 0) throw new ConfigRefused(problems)
  try {
    buildOffline(loaded.config, () => {}, Date.now)
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigRefused([loaded.problemOf(error, [])])
    throw error
  }
  process.stdout.write('the configuration is valid\n')
  process.exitCode = exitCodes.done
}
