/** What is said about an error that ends a verb, on stderr, and the exit code that it ends with. */
import { CommanderError } from 'commander'
import { ConfigRefused } from '../../config/problem.ts'
import { DependencyError, DouaneError, exitCodes } from '../errors.ts'

export function lastWord(error: unknown): number {
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
