/**
 * The data directory: everything durable of one gateway, and the lock that keeps a second one out.
 *
 *   lock                the gateway; of one with workers, the process that looks after them
 *   queue, quarantine   of a gateway alone, and of its first worker
 *   workers/<n>/lock    worker n; from 2 on its queue and quarantine lie beside it
 *
 * A lock is a file with the process id and the time at which that process started. A lock whose process is gone, or
 * whose id now belongs to another process, is stale and taken over: a kill -9 or a power loss needs no cleaning up.
 * Workers end with the process that looks after them, a moment later: for so long the next gateway waits.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { DependencyError } from './errors.ts'
import { makeFolders } from './folders.ts'
import { limits } from './limits.ts'

export interface DataDir {
  readonly path: string
  /** A folder in it, made on first use, 0700. */
  folder(...names: string[]): string
  /** The same, in what this process alone may write: all of it, or a worker's part. */
  own(...names: string[]): string
  /** Gives the lock back. */
  release(): void
}

/** Opens and locks the directory, which is made when missing. Throws `DependencyError` (exit code 3). */
export function openDataDir(path: string, orphanWaitMs: number = limits.orphanWaitMsMax): DataDir {
  const { root, folder } = foldersOf(path)
  folder()
  const release = takeLock(root, join(root, 'lock'))
  try {
    // Those of a gateway that was killed.
    for (const n of workersIn(root)) waitForEnd(root, join(partOf(root, n), 'lock'), orphanWaitMs)
  } catch (error) {
    release()
    throw error
  }
  return { path: root, folder, own: folder, release }
}

/** A worker's part of a directory that the process above it has locked. Throws `DependencyError`. */
export function openWorkerPart(path: string, worker: number): DataDir {
  const { root, folder } = foldersOf(path)
  const part = folder('workers', String(worker))
  const lock = join(part, 'lock')
  waitForEnd(root, lock, limits.orphanWaitMsMax)
  const own = worker === 1 ? folder : (...names: string[]) => folder('workers', String(worker), ...names)
  return { path: root, folder, own, release: takeLock(root, lock) }
}

/** The numbers of workers that this directory has had. */
export function workersIn(root: string): number[] {
  const folder = join(resolve(root), 'workers')
  const names = existsSync(folder) ? readdirSync(folder) : []
  return names.filter((name) => /^[1-9]\d{0,3}$/.test(name)).map(Number)
}

/** Where worker n's own files lie. */
export const partOf = (root: string, worker: number): string => join(resolve(root), 'workers', String(worker))

function foldersOf(path: string) {
  const root = resolve(path)
  const folder = (...names: string[]): string => {
    const full = join(root, ...names)
    try {
      makeFolders(full)
    } catch (error) {
      throw unusable(full, error)
    }
    return full
  }
  return { root, folder }
}

interface Holder {
  readonly pid: number
  /** When the process started, in clock ticks since boot; '' where the system does not tell. */
  readonly started: string
}

/** Throws `DependencyError` while its holder lives, unless that ends soon. */
function waitForEnd(root: string, lock: string, longestMs: number): void {
  for (let waitedMs = 0; ; waitedMs += 20) {
    const holder = holderOf(lock)
    if (holder === undefined || !isAlive(holder)) return
    if (waitedMs >= longestMs) throw taken(root, holder)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
  }
}

/** Gives what gives it back. */
function takeLock(root: string, lock: string): () => void {
  // The lock appears complete or not at all: written beside it, then linked, which fails if somebody was first.
  const own = `${lock}.${process.pid}`
  try {
    const file = openSync(own, 'w', 0o600)
    writeSync(file, JSON.stringify({ pid: process.pid, started: startOf(process.pid) }))
    fsyncSync(file)
    closeSync(file)
    for (;;) {
      try {
        linkSync(own, lock)
        return () => {
          if (holderOf(lock)?.pid === process.pid) unlinkSync(lock)
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const holder = holderOf(lock)
      if (holder !== undefined && isAlive(holder)) throw taken(root, holder)
      unlinkSync(lock)
    }
  } catch (error) {
    if (error instanceof DependencyError) throw error
    throw unusable(root, error)
  } finally {
    removeQuietly(own)
  }
}

const taken = (root: string, { pid }: Holder): DependencyError =>
  new DependencyError(
    `The data directory ${root} belongs to a running gateway (process ${pid}).`,
    'Stop that gateway, or give this one a directory of its own with --data-dir.',
  )

function holderOf(lock: string): Holder | undefined {
  try {
    const holder = JSON.parse(readFileSync(lock, 'utf8')) as Holder
    return typeof holder.pid === 'number' ? holder : undefined
  } catch {
    return undefined
  }
}

function isAlive({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return startOf(pid) === started
}

/** Field 22 of /proc/PID/stat (proc_pid_stat(5)); the command's name before it may hold spaces and brackets. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function unusable(path: string, error: unknown): DependencyError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
  return new DependencyError(
    `The data directory ${path} cannot be used (${code}).`,
    'Give this user the right to write there, or name another directory with --data-dir or DOUANE_DATA_DIR.',
  )
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Gone already.
  }
}
