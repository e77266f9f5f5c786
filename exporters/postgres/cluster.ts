/**
 * The files of the embedded PostgreSQL, and how they come to be.
 *
 *   <data-dir>/postgres/            0700, ours
 *     18/                           0700, the server's user
 *       data/                       the cluster: `initdb` made it; the server works here and its socket is here
 *       password                    0600, ours: the password of the owner `douane`
 *       log                         what the server says (never a statement nor a value: see settings.ts)
 *     new-<pid>-<random>/           a cluster in the making
 *
 * The cluster is made in a folder of its own, written through to the disk and then renamed in one step: whoever kills
 * us at any point leaves either no cluster or a whole one. Two processes may make one at the same time: the first
 * rename wins, the other uses it.
 *
 * The server's user may not be allowed to pass the folders above (root's home, a data directory of mode 0700). So for
 * root the programs are started inside `data/` before they change their user, and find it as /proc/self/cwd.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DependencyError } from '../../src/errors.ts'
import { makeFolders } from '../../src/folders.ts'
import { type Binaries, findBinaries, givenBinaries, makePrivate, type RunAs, runAs } from './binaries.ts'

export const serverMajor = 18
export const ownerRole = 'douane'

export interface Cluster {
  readonly folder: string
  readonly data: string
  readonly log: string
  readonly password: string
  readonly user: RunAs | undefined
  readonly binaries: Binaries
}

/** The environment of the server's programs: none of ours, which could hold PG… settings and secrets. */
export const environment = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' }

/** How a program that runs in `data` as `user` names its folder. */
export const dataArgument = (data: string, user: RunAs | undefined) => (user ? '/proc/self/cwd' : data)

/** Whether `folder` (`<data-dir>/postgres`) holds a cluster. */
export const hasCluster = (folder: string) => existsSync(join(folder, String(serverMajor)))

/** The cluster in `folder`, made if there is none, with npm's programs or those in the folder `programs`. */
export async function openCluster(folder: string, programs?: string): Promise<Cluster> {
  const home = join(folder, String(serverMajor))
  makeFolders(folder)
  const user = await runAs(join(home, 'data'))
  const binaries = programs === undefined ? await findBinaries(user) : await givenBinaries(programs, serverMajor, user)
  if (!existsSync(home)) {
    await removeLeftovers(folder)
    await makeCluster(folder, home, binaries, user)
  }
  const password = await readFile(join(home, 'password'), 'utf8')
  return { folder: home, data: join(home, 'data'), log: join(home, 'log'), password, user, binaries }
}

/** Removes what an interrupted `makeCluster` of a process that is gone left behind. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^new-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) {
      await rm(join(folder, name), { recursive: true, force: true, maxRetries: 5 })
    }
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function makeCluster(folder: string, home: string, binaries: Binaries, user: RunAs | undefined): Promise<void> {
  const making = join(folder, `new-${process.pid}-${randomBytes(6).toString('hex')}`)
  try {
    await makePrivate(making, user)
    await makePrivate(join(making, 'data'), user)
    const password = randomBytes(24).toString('base64url')
    await writeThrough(join(making, 'password'), password)
    await writeThrough(join(making, 'initial'), password)
    if (user) await chown(join(making, 'initial'), user.uid, user.gid)
    await initdb(join(making, 'data'), binaries, user)
    await rm(join(making, 'initial'))
    await syncFolder(making)
    await rename(making, home).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
    await syncFolder(folder)
  } finally {
    await rm(making, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function initdb(data: string, binaries: Binaries, user: RunAs | undefined): Promise<void> {
  const folder = dataArgument(data, user)
  const options = [
    `--pgdata=${folder}`,
    `--pwfile=${folder}/../initial`,
    `--username=${ownerRole}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--data-checksums',
    '--no-instructions',
  ]
  try {
    await promisify(execFile)(binaries.initdb, options, { cwd: data, env: environment, ...user })
  } catch (error) {
    const { stderr, code } = error as { stderr?: string; code?: string | number }
    const reason = stderr?.trim().split('\n').at(-1) ?? String(code)
    throw new DependencyError(
      `the embedded PostgreSQL cannot be initialised: ${reason}`,
      'Check the free space and the rights of the data directory, or give the exporter the `url` of a server.',
    )
  }
}

async function writeThrough(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
