/** `douane run`: the gateway, until SIGINT or SIGTERM. */
import cluster from 'node:cluster'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { formatProblem } from '../../config/problem.ts'
import { administered, startAdmin } from '../admin.ts'
import { type Endpoints, Gateway } from '../gateway.ts'
import { limits } from '../limits.ts'
import { type Watch, watchFiles } from '../receive/watch.ts'
import { type ReadConfig, WorkerGroup } from '../workers/group.ts'
import { runWorker } from '../workers/worker.ts'
import { filesOf, loadApart, version, withConfig, withDataDir } from './common.ts'
import { storesOf } from './stores.ts'

interface RunOptions {
  readonly config?: string[]
  readonly dataDir: string
}

export function runCommand(program: Command): void {
  const command = program
    .command('run')
    .description('run the gateway until SIGINT or SIGTERM, then drain and end; SIGHUP reloads the configuration')
  withDataDir(withConfig(command)).action(run)
}

async function run(options: RunOptions): Promise<void> {
  if (cluster.isWorker) return runWorker({ version, load: loadApart })
  const stopped = nextSignal('SIGINT', 'SIGTERM')
  const files = filesOf(options.config)
  // Heard from here on, since a SIGHUP that nobody hears ends the process: one during the start reloads after it.
  let early = false
  let hangUp = (): void => {
    early = true
  }
  process.on('SIGHUP', () => hangUp())
  const gateway = await start(files, options.dataDir)
  let left = 0
  try {
    const told = gateway instanceof Gateway ? administered(gateway) : gateway.administered
    const admin = await startAdmin(told, () => storesOf(told.config(), options.dataDir))
    const endpoints: Endpoints = { ...gateway.endpoints, ...(admin && { admin: admin.endpoint }) }
    writeFileSync(join(options.dataDir, 'gateway.json'), JSON.stringify({ pid: process.pid, endpoints }), {
      mode: 0o600,
    })
    const reloader = new Reloader(gateway, files)
    await reloader.watch()
    say('ready', { endpoints })
    hangUp = () => reloader.request()
    if (early) hangUp()
    await stopped
    hangUp = () => {}
    reloader.close()
    await admin?.close()
  } finally {
    left = (await gateway.stop()).left
  }
  if (left > 0) process.stderr.write(`${left} records are left in the queues; the next start delivers them\n`)
}

/** The gateway in this process, or in as many workers as the configuration asks for. */
async function start(files: readonly string[], dataDir: string): Promise<Gateway | WorkerGroup> {
  const { identity, env } = {
    identity: { stream: process.stderr, nowMs: () => Date.now(), version, instance: randomUUID() },
    env: process.env,
  }
  const read = () => readConfig(files)
  // Read once: the start takes what says how many workers there are.
  let first: ReadConfig | undefined = await read()
  const load = async (): Promise<ReadConfig> => {
    const found = first ?? (await read())
    first = undefined
    for (const warning of found.loaded.warnings) process.stderr.write(`warning: ${formatProblem(warning)}\n`)
    return found
  }
  const workers = first.loaded.config?.service.workers ?? 1
  return workers === 1
    ? Gateway.start({ dataDir, identity, env, load: async () => (await load()).loaded })
    : WorkerGroup.start({ workers, dataDir, files, identity, env, load })
}

async function readConfig(files: readonly string[]): Promise<ReadConfig> {
  const texts = new Map<string, string>()
  const loaded = await loadApart(files, (file) => {
    const text = readFileSync(file, 'utf8')
    texts.set(file, text)
    return text
  })
  return { loaded, texts }
}

/** Reloads on SIGHUP and when a configuration or policy file changes; one at a time, the last request wins. */
class Reloader {
  readonly #gateway: Gateway | WorkerGroup
  readonly #files: readonly string[]
  #watch: Watch | undefined
  #running: Promise<void> | undefined
  #again = false

  constructor(gateway: Gateway | WorkerGroup, files: readonly string[]) {
    this.#gateway = gateway
    this.#files = files
  }

  request(): Promise<void> {
    this.#again = this.#running !== undefined
    this.#running ??= this.#reload().finally(() => {
      this.#running = undefined
      if (this.#again) this.request()
    })
    return this.#running
  }

  /** Watches the files of the configuration that is in force. */
  async watch(): Promise<void> {
    this.#watch?.close()
    this.#watch = await watchFiles([...this.#files, ...this.#gateway.watchedFiles], limits.configWatchIntervalMs, () =>
      this.request(),
    )
  }

  close(): void {
    this.#watch?.close()
  }

  async #reload(): Promise<void> {
    try {
      // Before anything is read: a change that comes while it is read is seen, and reloads once more.
      const watched = this.#gateway.watchedFiles
      await this.watch()
      await this.#gateway.reload()
      if (this.#gateway.watchedFiles.join() !== watched.join()) await this.watch()
      say('reloaded', {})
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown error'
      this.#gateway.telemetry.metrics.counter('douane_reloads_refused', 'Reloads that were refused.').with().add(1)
      this.#gateway.log.error('reload_refused', { reason })
    }
  }
}

function nextSignal(...names: NodeJS.Signals[]): Promise<void> {
  return new Promise((resolve) => {
    for (const name of names) process.once(name, () => resolve())
  })
}

/** One line on stdout: JSON for programs, words for people. */
function say(msg: 'ready' | 'reloaded', fields: { endpoints?: Endpoints }): void {
  if (!process.stdout.isTTY) {
    process.stdout.write(`${JSON.stringify({ msg, ...fields })}\n`)
    return
  }
  process.stdout.write(`${msg}\n`)
  for (const [name, endpoint] of Object.entries(fields.endpoints ?? {})) {
    process.stdout.write(`  ${name.padEnd(8)}${endpoint}\n`)
  }
}
