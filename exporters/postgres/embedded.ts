/**
 * The embedded PostgreSQL of a data directory: started when somebody needs it, stopped when nobody does.
 *
 * Several processes may use it: a gateway, `query`, a second gateway that takes over. None of them owns the server.
 * Whoever finds it down starts it; the last one out stops it. Who is "in" is known to the server itself: each process
 * keeps one connection that holds a shared advisory lock for as long as it uses the server. On leaving it lets go and
 * tries to get the same lock exclusively; where it can, nobody else is in, and it stops the server under that lock.
 * A process that was killed takes its lock along, so nothing has to be cleaned up; the server that it left running
 * is simply used by the next one.
 *
 * The server is a process group of its own, so that Ctrl-C in a terminal reaches the gateway only, which drains first.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { open, readFile, readlink, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { DependencyError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { type Cluster, dataArgument, environment, isAlive, openCluster, ownerRole } from './cluster.ts'
import { serverArguments, socketPort } from './settings.ts'

/** The advisory lock of everybody who uses the server, in the database `postgres`. */
const usersLock = 0x646f7561

/** A user's hold on the server. */
export interface Embedded {
  /** How to connect as the owner of everything. */
  connection(database: string): pg.ClientConfig
  /** Resolves once the server accepts connections; starts it again if it is down. */
  ready(): Promise<void>
  /** Makes a database that is not there yet. */
  makeDatabase(name: string): Promise<void>
  /** Lets go. The last user's `close` stops the server. */
  close(): Promise<void>
}

const servers = new Map<string, Promise<Server>>()

/**
 * Takes a hold on the server whose files are in `folder` (`<data-dir>/postgres`), made and started if need be. `programs` is
 * the folder of another build of it than npm's. A server that runs already is used as it is.
 */
export async function openEmbedded(folder: string, programs?: string): Promise<Embedded> {
  let opening = servers.get(folder)
  if (!opening) {
    opening = openCluster(folder, programs).then((cluster) => new Server(cluster, programs))
    servers.set(folder, opening)
    opening.catch(() => servers.delete(folder))
  }
  const server = await opening
  if (server.programs !== programs) {
    throw new DependencyError(
      'exporters that share the embedded PostgreSQL name different `programs`',
      'Give all exporters with `url: embedded` the same `programs`.',
    )
  }
  server.users++
  let open = true
  const close = async () => {
    if (!open) return
    open = false
    if (--server.users > 0) return
    if (servers.get(folder) === opening) servers.delete(folder)
    await server.close()
  }
  try {
    await server.ready()
  } catch (error) {
    await close()
    throw error
  }
  return {
    connection: (database) => server.connection(database),
    ready: () => server.ready(),
    makeDatabase: (name) => server.makeDatabase(name),
    close,
  }
}

class Server {
  users = 0
  readonly programs: string | undefined
  readonly #cluster: Cluster
  readonly #socketFolder: { path: string; close(): void }
  #child: ChildProcess | undefined
  #hold: pg.Client | undefined
  #starting: Promise<void> | undefined

  constructor(cluster: Cluster, programs: string | undefined) {
    this.programs = programs
    this.#cluster = cluster
    this.#socketFolder = shortPath(cluster.data)
  }

  connection(database: string): pg.ClientConfig {
    return {
      host: this.#socketFolder.path,
      port: socketPort,
      user: ownerRole,
      password: this.#cluster.password,
      database,
      connectionTimeoutMillis: limits.storeConnectMsMax,
    }
  }

  ready(): Promise<void> {
    if (this.#hold) return Promise.resolve()
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  async makeDatabase(name: string): Promise<void> {
    await this.ready()
    const found = await this.#hold?.query('SELECT FROM pg_database WHERE datname = $1', [name])
    if (found?.rowCount) return
    await this.#hold?.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`).catch((error: pg.DatabaseError) => {
      // Another process was faster: "already exists", seen before or after the insert into the catalog.
      if (error.code !== '42P04' && error.code !== '23505') throw error
    })
  }

  async close(): Promise<void> {
    await this.#starting?.catch(() => {})
    const hold = this.#hold
    this.#hold = undefined
    try {
      if (hold && (await isLastOut(hold))) await this.#stop()
      await hold?.end()
    } finally {
      this.#socketFolder.close()
    }
  }

  /** Connects, starting the server as often as it takes: another process may be starting or stopping it right now. */
  async #start(): Promise<void> {
    const startedMs = Date.now()
    let busyMs = startedMs
    for (;;) {
      const reason = await this.#tryHold()
      if (reason === undefined) return
      const nowMs = Date.now()
      if (reason === 'busy') busyMs = nowMs
      if (nowMs - startedMs > limits.embeddedStartMsMax || nowMs - busyMs > limits.embeddedDownMsMax) {
        throw new DependencyError(
          `the embedded PostgreSQL does not start (${reason})`,
          `Its log ${this.#cluster.log} says why.`,
        )
      }
      if (reason === 'down' && !this.#isStarting()) await this.#spawn()
      await sleep(20)
    }
  }

  #isStarting(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Undefined: we are in. Otherwise why not. */
  async #tryHold(): Promise<'down' | 'busy' | undefined> {
    const client = new pg.Client({ ...this.connection('postgres'), application_name: 'douane' })
    client.on('error', () => {})
    client.once('end', () => {
      if (this.#hold === client) this.#hold = undefined
    })
    try {
      await client.connect()
      await client.query('SELECT pg_advisory_lock_shared($1)', [usersLock])
      this.#hold = client
      return undefined
    } catch (error) {
      await client.end().catch(() => {})
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ECONNREFUSED') return 'down'
      // 57P01 to 57P03: shutting down or starting up; a connection without a code was cut by a server going down.
      if (code === undefined || code.startsWith('57P') || code === 'ECONNRESET' || code === 'EPIPE') return 'busy'
      throw new DependencyError(`the embedded PostgreSQL refuses its owner (${code})`)
    }
  }

  async #spawn(): Promise<void> {
    const { data, user, binaries, log } = this.#cluster
    await removeForeignLock(join(data, 'postmaster.pid'))
    const output = await open(log, 'w', 0o600)
    try {
      this.#child = spawn(binaries.postgres, ['-D', dataArgument(data, user), ...serverArguments], {
        cwd: data,
        env: environment,
        stdio: ['ignore', output.fd, output.fd],
        detached: true,
        ...user,
      })
      this.#child.unref()
      // A program that cannot be started shows as a server that stays down until the deadline.
      this.#child.once('error', () => {})
    } finally {
      await output.close()
    }
  }

  /** Fast shutdown: connections are cut, everything is written, and the next start needs no recovery. */
  async #stop(): Promise<void> {
    const pid = await serverPid(this.#cluster.data)
    if (pid === undefined) return
    const deadline = Date.now() + limits.embeddedStopMsMax
    signal(pid, 'SIGINT')
    // The lock file is the last thing that it removes. The process itself may stay visible until somebody collects it.
    while (isAlive(pid) && (await serverPid(this.#cluster.data)) === pid) {
      if (Date.now() > deadline) {
        // Immediate shutdown loses nothing: the next start recovers from the log of changes.
        signal(pid, 'SIGQUIT')
        return
      }
      await sleep(5)
    }
  }
}

/** Lets go of the shared lock and takes it exclusively, if nobody else has it. */
async function isLastOut(hold: pg.Client): Promise<boolean> {
  try {
    await hold.query('SELECT pg_advisory_unlock_shared($1)', [usersLock])
    const { rows } = await hold.query('SELECT pg_try_advisory_lock($1) AS last', [usersLock])
    return rows[0].last === true
  } catch {
    return false
  }
}

async function serverPid(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number.parseInt(text, 10)
  return pid > 0 ? pid : undefined
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It is gone: what we wanted.
  }
}

/**
 * After a crash, the process id in a left-over lock file may belong to somebody else by now, and PostgreSQL would
 * refuse to start for ever. The file goes if that process is no PostgreSQL.
 */
async function removeForeignLock(lock: string): Promise<void> {
  const pid = Number.parseInt(await readFile(lock, 'utf8').catch(() => ''), 10)
  if (!(pid > 0) || !isAlive(pid)) return
  const program = await readlink(`/proc/${pid}/exe`).catch(() => undefined)
  if (program !== undefined && !basename(program).startsWith('postgres')) await rm(lock, { force: true })
}

/** A socket's path has at most 107 bytes (103 on macOS). A longer one is reached through an open folder. */
function shortPath(folder: string): { path: string; close(): void } {
  const socketBytesMax = 103 - '/.s.PGSQL.5432'.length
  if (Buffer.byteLength(folder) <= socketBytesMax) return { path: folder, close: () => {} }
  if (process.platform !== 'linux') {
    throw new DependencyError(`the data directory's path is too long for a socket: ${folder}`, 'Use a shorter path.')
  }
  const descriptor = openSync(folder, 'r')
  return { path: `/proc/self/fd/${descriptor}`, close: () => closeSync(descriptor) }
}
