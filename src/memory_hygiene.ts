/**
 * Keeps keys and plaintext out of files that a crash, a signal or a habit makes of a process's memory.
 *
 * Diagnostic reports are turned off, and would leave out the environment. Flags of Node that write memory to a file or
 * open it to a debugger are refused. A signal does not open the inspector, and there is no core file: both can be said
 * only when a process starts, so the entry point replaces it (main.ts). What Node does not let us do: lock memory
 * (`mlock`), and keep this user's other processes from reading it (`prctl`); docs/keys.md says what helps.
 */
import { existsSync } from 'node:fs'

/** Verbs that hold keys for content, or content. */
const holding: ReadonlySet<string> = new Set(['run', 'decrypt', 'keys', 'subject', 'backup'])
export const holdsKeys = (verb: string | undefined): boolean => verb !== undefined && holding.has(verb)

/** For who knows what he does: a debugger on a machine without anybody's data. */
const allowed = 'DOUANE_ALLOW_DUMPS'

const revealing =
  /^--(report-on-\w+|report-uncaught-exception|heapsnapshot-|heap-prof|inspect|abort-on-uncaught-exception)/

/** The flags of this process that would show its memory. */
export function revealingFlags(
  flags: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  if (env[allowed] === '1') return []
  const fromEnvironment = (env['NODE_OPTIONS'] ?? '').split(/\s+/)
  return [...flags, ...fromEnvironment].filter((flag) => revealing.test(flag.replaceAll('_', '-')))
}

export function refusal(flags: readonly string[]): string {
  return (
    `${flags.join(', ')} would write keys and people's data to a file, or show them to a debugger.\n` +
    `Leave it out, or set ${allowed}=1 on a machine that holds nobody's data.`
  )
}

/** Turns off what can be turned off in a running process. */
export function withoutReports(): void {
  const { report } = process
  report.reportOnFatalError = false
  report.reportOnSignal = false
  report.reportOnUncaughtException = false
  report.excludeEnv = true
}

/** A signal does not start the inspector. */
export const closedFlag = '--disable-sigusr1'

/** A command that starts another one without core files; the same one where there is no shell to say it with. */
export function withoutCores(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  const shell = '/bin/sh'
  return existsSync(shell) ? [shell, '-c', 'ulimit -c 0 2>/dev/null; exec "$@"', 'sh', ...command] : command
}
