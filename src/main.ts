#!/usr/bin/env node
/**
 * The entry point: gives V8 the heap and the compiler that the gateway wants, then loads the command line (cli.ts).
 *
 * Bodies arrive in buffers outside V8's heap, a hundred megabytes a second of them, which live for a millisecond. A
 * young generation of 2 MB is collected often enough to free them at once; with V8's default of 16 MB their number
 * forces a collection of the whole heap first, many times a second (docs/decisions/020-small-young-generation.md).
 * V8 takes these flags only at the start of a process, so the process replaces itself: same id, same files, same arguments.
 * Verbs that hold keys do it too, so that their memory is not written to core files (memory_hygiene.ts).
 */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { closedFlag, holdsKeys, refusal, revealingFlags, withoutCores, withoutReports } from './memory_hygiene.ts'

// Code that is being compiled beside the main thread when the process ends may wait for a collection that the main thread,
// which waits for the compiler, never begins: once in thousands of stops the process stayed. So simple code is compiled
// where it runs.
const runFlags = ['--max-semi-space-size=2', '--single-threaded-gc', '--no-concurrent-sparkplug']

const [node, ...args] = process.argv as [string, ...string[]]
const verb = args[1]
if (holdsKeys(verb)) {
  const flags = revealingFlags(process.execArgv, process.env)
  if (flags.length > 0) {
    process.stderr.write(`${refusal(flags)}\n`)
    process.exit(2)
  }
  const wanted = [...(verb === 'run' ? runFlags : []), closedFlag]
  const isReady = wanted.every((flag) => process.execArgv.includes(flag))
  if (!isReady && process.execve !== undefined && process.platform !== 'win32') {
    const quiet = '--disable-warning=ExperimentalWarning'
    const [file, ...more] = withoutCores([node, ...process.execArgv, ...wanted, quiet, ...args])
    process.execve(file, [file, ...more], process.env as Record<string, string>)
  }
}
withoutReports()
// Reading the program's own files again and again costs more than most verbs: their compiled form is kept beside it,
// where only who installed it may write.
enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/douane'))
await import('./cli.ts')
