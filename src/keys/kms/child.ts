/**
 * A helper process that works on a few kilobytes: gets them on stdin, gives its answer on stdout.
 *
 * Used where the work belongs outside: a vendor's PKCS#11 module, whose calls block and may crash, and the command
 * lines of clouds. What passes through is secret, so nothing of it goes into an error, an argument or a file.
 */
import { spawn } from 'node:child_process'
import { KeyError } from '../../errors.ts'
import { limits } from '../../limits.ts'

export interface Helper {
  readonly program: string
  readonly args: readonly string[]
  /** Besides the environment of this process. */
  readonly env: Readonly<Record<string, string>>
  readonly input: Uint8Array
  readonly signal: AbortSignal
  /** Where its words go: kept for the caller to look for codes in, or on to our own stderr. */
  readonly stderr: 'keep' | 'pass'
}

export interface HelperEnd {
  readonly code: number
  readonly output: Buffer
  /** Its first words; they may hold anything and are not to be told. */
  readonly stderr: string
}

/** What a helper has no business to know. */
const ours = ['DOUANE_KEYS_PASSPHRASE']

/** Rejects with `KeyError` when the program cannot be started or is killed. */
export function runHelper({ program, args, env, input, signal, stderr }: Helper): Promise<HelperEnd> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.includes(name)))
  return new Promise((resolve, reject) => {
    // A group of its own: what a script has started ends with it, and does not hold the answer's pipe open.
    const child = spawn(program, args, {
      env: { ...inherited, ...env },
      stdio: ['pipe', 'pipe', stderr === 'pass' ? 'inherit' : 'pipe'],
      detached: true,
    })
    const end = (): void => killGroup(child.pid)
    signal.addEventListener('abort', end)
    const output: Buffer[] = []
    let size = 0
    let words = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= limits.kmsAnswerBytesMax) output.push(chunk)
      else end()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      if (words.length < limits.kmsAnswerBytesMax) words += chunk.toString('latin1')
    })
    // A helper that ends before it has read everything is told by how it ends.
    child.stdin!.on('error', () => {})
    child.stdin!.end(input)
    child.on('error', (error) => {
      signal.removeEventListener('abort', end)
      const { code } = error as NodeJS.ErrnoException
      reject(
        new KeyError(
          `${program} cannot be started (${code ?? 'unknown error'})`,
          `Install ${program}, or name its full path.`,
        ),
      )
    })
    child.on('close', (code, killedBy) => {
      signal.removeEventListener('abort', end)
      if (code === null) reject(new KeyError(`${program} was ended by ${killedBy}`))
      else resolve({ code, output: takeAll(output), stderr: words })
    })
  })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

function takeAll(chunks: readonly Buffer[]): Buffer {
  const all = Buffer.concat(chunks)
  for (const chunk of chunks) chunk.fill(0)
  return all
}
