/**
 * The command line: verbs, exit codes, and the last word on every error. The only file that knows everything.
 */
import { Command, CommanderError } from 'commander'
import { ConfigRefused } from '../config/problem.ts'
import { apiKeysCommand } from './commands/api_keys.ts'
import { clocksCommand } from './commands/clocks.ts'
import { version } from './commands/common.ts'
import { decryptCommand } from './commands/decrypt.ts'
import { describeCommands } from './commands/describe.ts'
import { explainCommand } from './commands/explain.ts'
import { keysCommand } from './commands/keys.ts'
import { queryCommand } from './commands/query.ts'
import { replayCommand } from './commands/replay.ts'
import { residencyCommand } from './commands/residency.ts'
import { retentionCommand } from './commands/retention.ts'
import { runCommand } from './commands/run.ts'
import { scanCommand } from './commands/scan.ts'
import { setAsideCommands } from './commands/set_aside.ts'
import { statusCommand } from './commands/status.ts'
import { DependencyError, DouaneError, exitCodes } from './errors.ts'

const program = new Command('douane')
  .description(
    'A log gateway for OTLP: takes out what nobody needs, seals what few may read, and keeps each record where its ' +
      "customer's residency policy says.",
  )
  .version(version)
  .showHelpAfterError('(douane --help lists the verbs; douane VERB --help explains one)')
  .exitOverride()

for (const mount of [
  runCommand,
  describeCommands,
  explainCommand,
  scanCommand,
  replayCommand,
  queryCommand,
  retentionCommand,
  statusCommand,
  clocksCommand,
  decryptCommand,
  keysCommand,
  apiKeysCommand,
  setAsideCommands,
  residencyCommand,
])
  mount(program)

// Who reads our output may go before we are done, as in `query | head`. A gateway goes on without a reader.
process.stdout.on('error', () => process.argv[2] === 'run' || process.exit(exitCodes.done))
process.stderr.on('error', () => {})

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = explain(error)
}

function explain(error: unknown): number {
  // --help and --version end here too, with 0; commander has said what there is to say.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  if (error instanceof ConfigRefused) {
    process.stderr.write(`${error.message}\n`)
    return exitCodes.input
  }
  if (error instanceof DouaneError && error.code !== 'defect') {
    process.stderr.write(`douane: ${error.message}\n${error.fix === undefined ? '' : `${error.fix}\n`}`)
    return error instanceof DependencyError || error.code === 'key' ? exitCodes.dependency : exitCodes.input
  }
  // A defect of ours: the stack says where, and never what was in a record.
  process.stderr.write(`douane: a defect: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return exitCodes.defect
}
