/**
 * Runs the command line: exit codes, and the last word on every error.
 */
import { CommanderError } from 'commander'
import { ConfigRefused } from '../config/problem.ts'
import { makeProgram } from './commands/program.ts'
import { DependencyError, DouaneError, exitCodes } from './errors.ts'

// Who reads our output may go before we are done, as in `query | head`. A gateway goes on without a reader.
process.stdout.on('error', () => process.argv[2] === 'run' || process.exit(exitCodes.done))
process.stderr.on('error', () => {})

try {
  await makeProgram().parseAsync()
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
