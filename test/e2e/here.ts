/**
 * A verb run in this process instead of one of its own: the same program, arguments, output and exit code, at a twentieth
 * of the processor time. What a process of its own adds (signals, pipes, its start) is shown by tests that use `run`.
 */
import { lastWord } from '../../src/commands/last_word.ts'
import { makeProgram } from '../../src/commands/program.ts'
import type { Ended } from './gateway.ts'

type Write = typeof process.stdout.write

/** One at a time: the process has one standard output, one environment and one exit code. */
export async function runHere(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const output = { stdout: '', stderr: '' }
  const before = { env: { ...process.env }, code: process.exitCode }
  const writes = (['stdout', 'stderr'] as const).map((name) => {
    const { write } = process[name]
    process[name].write = ((text: string) => {
      output[name] += text
      return true
    }) as Write
    return () => {
      process[name].write = write
    }
  })
  Object.assign(process.env, env)
  process.exitCode = undefined
  try {
    await makeProgram().parseAsync(['node', 'douane', ...args])
  } catch (error) {
    process.exitCode = lastWord(error)
  } finally {
    for (const restore of writes) restore()
    process.env = before.env
  }
  const code = Number(process.exitCode ?? 0)
  process.exitCode = before.code
  return { code, ...output }
}

/** The lines of JSON that a verb prints. */
export async function jsonHere<T = Record<string, unknown>>(args: readonly string[]): Promise<T[]> {
  const { code, stdout, stderr } = await runHere(args)
  if (code !== 0) throw new Error(`${args[0]} ended with ${code}\n${stderr}`)
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
