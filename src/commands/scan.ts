/** `douane scan`: what personal data and secrets a log file holds. */
import { type Command, Option } from 'commander'
import { exitCodes } from '../errors.ts'
import { type ScanOptions, scanFile } from '../scan_command.ts'

interface Options {
  readonly format: ScanOptions['format']
  readonly jsonlText?: boolean
  readonly urls?: boolean
  readonly failOnFindings?: boolean
}

export function scanCommand(program: Command): void {
  program
    .command('scan [file]')
    .description(
      'what personal data and secrets a log file holds: plain text, JSON lines, OTLP/JSON, gzip; sends nothing',
    )
    .addOption(new Option('--format <format>', 'what is printed').choices(['jsonl', 'table', 'sarif']).default('jsonl'))
    .option('--jsonl-text', 'each line is {"text": "…"}; offsets count in the text')
    .option('--urls', 'report URLs too')
    .option('--fail-on-findings', 'end with 1 when something was found, for CI')
    .addHelpText('after', '\nWithout FILE, or with -, standard input is read. The summary goes to standard error.')
    .action(async (file: string | undefined, options: Options) => {
      const { format, jsonlText = false, urls = false } = options
      const summary = await scanFile(file, { format, jsonlText, urls }, process.stdout, process.stderr)
      if (options.failOnFindings && summary.linesWithFindings > 0) process.exitCode = exitCodes.input
    })
}
