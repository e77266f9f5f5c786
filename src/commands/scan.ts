/** `douane scan`: what personal data and secrets log files hold. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { detectors } from '../../processors/minimize/detect/registry.ts'
import { exitCodes } from '../errors.ts'
import { nearestName } from '../nearest_name.ts'
import type { ScanSummary } from '../scan/report.ts'
import { type ScanOptions, scanFiles } from '../scan_command.ts'

interface Options {
  readonly format: ScanOptions['format']
  readonly jsonlText?: boolean
  readonly urls?: boolean
  /** True: any finding. */
  readonly failOnFindings?: true | readonly string[]
}

export function scanCommand(program: Command): void {
  program
    .command('scan [file...]')
    .description(
      'what personal data and secrets log files hold: plain text, JSON lines, OTLP/JSON, gzip, zstd; sends nothing',
    )
    .addOption(new Option('--format <format>', 'what is printed').choices(['jsonl', 'table', 'sarif']).default('jsonl'))
    .option('--jsonl-text', 'each line is {"text": "…"}; offsets count in the text')
    .option('--urls', 'report URLs too')
    .option(
      '--fail-on-findings [types]',
      'end with 1 when something was found, for CI; with types (secret,iban): only of these',
      listed,
    )
    .addHelpText('after', '\nWithout FILE, or with -, standard input is read. The summary goes to standard error.')
    .action(async (files: string[], options: Options) => {
      const { format, jsonlText = false, urls = false } = options
      const summary = await scanFiles(files, { format, jsonlText, urls }, process.stdout, process.stderr)
      if (fails(summary, options.failOnFindings)) process.exitCode = exitCodes.input
    })
}

function listed(text: string): readonly string[] {
  const types = text.split(',').map((type) => type.trim())
  // A type that nothing finds would let everything pass, for ever.
  const unknown = types.find((type) => !typesFound.includes(type))
  if (unknown === undefined) return types
  const near = nearestName(unknown, typesFound)
  const hint = near === undefined ? 'A file goes before the option, or behind --.' : `Did you mean ${near}?`
  throw new InvalidArgumentError(`There is no type ${unknown}. ${hint}`)
}

const typesFound = [...new Set(detectors.map(({ type }) => type))]

const fails = (summary: ScanSummary, on: Options['failOnFindings']): boolean =>
  on === undefined ? false : on === true ? summary.findings > 0 : on.some((type) => summary.byType.has(type))
