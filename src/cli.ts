/** Runs the command line. */
import { lastWord } from './commands/last_word.ts'
import { makeProgram } from './commands/program.ts'
import { exitCodes } from './errors.ts'

// Who reads our output may go before we are done, as in `query | head`. A gateway goes on without a reader.
process.stdout.on('error', () => process.argv[2] === 'run' || process.exit(exitCodes.done))
process.stderr.on('error', () => {})

try {
  await makeProgram().parseAsync()
} catch (error) {
  process.exitCode = lastWord(error)
}
