/**
 * The program as users start it: a child process with a configuration and a data directory of its own, on free ports.
 *
 * `start` waits for the line `ready`; `run` is any other verb, to its end. Everything made here is stopped and removed
 * by `cleanUp`, kill -9 included.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const main = join(root, 'src/main.ts')

export interface Endpoints {
  readonly grpc: string
  readonly http: string
  readonly health: string
  readonly metrics: string
  readonly admin: string
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Gateway {
  readonly endpoints: Endpoints
  readonly pid: number
  readonly dataDir: string
  /** What it said so far on stdout, line by line, parsed; and on stderr, as text. */
  said(): { msg: string }[]
  told(): string
  /** Waits for another line `msg` on stdout. */
  hears(msg: string, waitMs?: number): Promise<void>
  signal(name: NodeJS.Signals): void
  /** SIGTERM, and the end; rejects when it takes longer than 20 s, as it may not. */
  stop(): Promise<Ended>
  /** kill -9, and the end. */
  kill(): Promise<void>
}

/** Compiled code is kept between starts, which are many here: a start then takes a third of the time. */
const compileCache = join(tmpdir(), `douane-e2e-compile-${process.getuid?.() ?? ''}`)

const running = new Set<ChildProcess>()
const folders: string[] = []

/** A folder that `cleanUp` removes. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'douane-e2e-'))
  folders.push(folder)
  return folder
}

/** Writes files into a folder; gives the path of the first one. */
export function files(folder: string, texts: Record<string, string>): string {
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text)
  return join(folder, Object.keys(texts)[0]!)
}

/** Call it after the last test of a file. */
export async function cleanUp(): Promise<void> {
  const ended = [...running].map((child) => (child.exitCode ?? child.signalCode) === null && once(child, 'exit'))
  for (const child of running) child.kill('SIGKILL')
  await Promise.all(ended)
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

export interface StartOptions {
  readonly env?: Record<string, string>
  readonly waitMs?: number
}

/** Starts the gateway and waits until it is ready. Rejects with what it said when it ends before that. */
export async function start(
  config: string | readonly string[],
  dataDir: string,
  options: StartOptions = {},
): Promise<Gateway> {
  const configs = [config].flat().flatMap((file) => ['--config', file])
  const child = launch(['run', ...configs, '--data-dir', dataDir], options.env)
  const output = collect(child)
  const lines = () =>
    output.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
  let heard = 0
  const hears = async (msg: string, waitMs = 10_000): Promise<void> => {
    const endMs = performance.now() + waitMs
    for (;;) {
      for (const line of lines().slice(heard)) {
        heard++
        if (line.msg === msg) return
      }
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`ended with ${child.exitCode ?? child.signalCode} before "${msg}"\n${output.stderr}`)
      }
      if (performance.now() > endMs)
        throw new Error(`no "${msg}" within ${waitMs} ms\n${output.stdout}${output.stderr}`)
      await later(10)
    }
  }
  await hears('ready', options.waitMs ?? 30_000)
  return {
    endpoints: lines().find(({ msg }) => msg === 'ready').endpoints,
    pid: child.pid!,
    dataDir,
    said: lines,
    told: () => output.stderr,
    hears,
    signal: (name) => child.kill(name),
    stop: async () => {
      const ended = endOf(child, output)
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
      const end = await ended
      clearTimeout(timer)
      if (end.code === null) throw new Error(`was not done 20 s after SIGTERM\n${end.stderr}`)
      return end
    },
    kill: async () => {
      const ended = endOf(child, output)
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Runs a verb to its end. */
export async function run(
  args: readonly string[],
  { input = '', env = {}, cwd }: { input?: string; env?: Record<string, string>; cwd?: string } = {},
): Promise<Ended> {
  const child = launch(args, env, cwd)
  const output = collect(child)
  child.stdin!.on('error', () => {})
  child.stdin!.end(input)
  return endOf(child, output)
}

/** The rows of `query`, or any other verb that prints one JSON object a line. */
export async function runJson<T = Record<string, unknown>>(args: readonly string[], input = ''): Promise<T[]> {
  const { code, stdout, stderr } = await run(args, { input })
  if (code !== 0) throw new Error(`${args[0]} ended with ${code}\n${stderr}`)
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

export const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

type Truthy<T> = Exclude<T, false | undefined | null>

/** Waits until `holds` gives something true, and gives that. */
export async function until<T>(holds: () => T | Promise<T>, waitMs = 10_000): Promise<Truthy<T>> {
  const endMs = performance.now() + waitMs
  for (;;) {
    const held = await holds()
    if (held) return held as Truthy<T>
    if (performance.now() > endMs) throw new Error(`did not come true within ${waitMs} ms: ${holds}`)
    await later(25)
  }
}

interface Output {
  stdout: string
  stderr: string
}

export function launch(args: readonly string[], env: Record<string, string> = {}, cwd = tmpdir()): ChildProcess {
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { ...process.env, NODE_OPTIONS: '', NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

function collect(child: ChildProcess): Output {
  const output: Output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  return output
}

async function endOf(child: ChildProcess, output: Output): Promise<Ended> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  return { code: child.exitCode, ...output }
}
