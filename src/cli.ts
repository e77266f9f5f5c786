/** Runs the command line. */
import { lastWord } from './commands/last_word.ts'
import { makeProgram } from './commands/program.ts'
import { exitCodes } from './errors.ts'

// Who reads our output may go before we are done, as in `query | head`: that is no error. A full disk is one: half a
// result that ends with 0 would be taken for a whole one. A gateway goes on without a reader.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (process.argv[2] === 'run') return
  if (code === 'EPIPE') process.exit(exitCodes.done)
  process.stderr.write(`douane: the output cannot be written (${code ?? 'unknown error'}), and is not whole\n`)
  process.exit(exitCodes.dependency)
})
process.stderr.on('error', () => {})

try {
  await makeProgram().parseAsync()
} catch (error) {
  process.exitCode = lastWord(error)
}
