/** Backups in a folder: a local disk, or a mounted one. Folders 0700, files 0600. */
import { open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { DependencyError } from '../errors.ts'
import { makeFolders } from '../folders.ts'
import type { BackupPlace } from './place.ts'

/** What is being written ends like this; it is no object yet. */
const unfinished = '.new'

export class FolderPlace implements BackupPlace {
  readonly name: string

  constructor(folder: string) {
    this.name = folder
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#told('write', name, async (path) => {
      makeFolders(dirname(path))
      const aside = `${path}.${process.pid}${unfinished}`
      const file = await open(aside, 'w', 0o600)
      try {
        await file.writeFile(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(aside, path)
      const folder = await open(dirname(path), 'r')
      try {
        await folder.sync()
      } finally {
        await folder.close()
      }
    })
  }

  get(name: string): Promise<Buffer | undefined> {
    return this.#told('read', name, (path) => orNothing(readFile(path)))
  }

  list(prefix: string): Promise<string[]> {
    return this.#told('list', '', async () => {
      const found = (await orNothing(readdir(this.name, { recursive: true, withFileTypes: true }))) ?? []
      return found
        .filter((entry) => entry.isFile() && !entry.name.endsWith(unfinished))
        .map((entry) => relative(this.name, join(entry.parentPath, entry.name)).split(sep).join('/'))
        .filter((name) => name.startsWith(prefix))
        .toSorted()
    })
  }

  remove(name: string): Promise<void> {
    return this.#told('delete', name, async (path) => {
      await rm(path, { force: true })
      // The last object of a backup takes its folder along.
      await rmdir(dirname(path)).catch(() => {})
    })
  }

  async close(): Promise<void> {}

  async #told<Result>(doing: string, name: string, work: (path: string) => Promise<Result>): Promise<Result> {
    try {
      return await work(join(this.name, name))
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
      throw new DependencyError(
        `cannot ${doing} ${join(this.name, name)} (${code})`,
        code === 'ENOSPC' ? 'Free some space there, or shorten `keep`.' : 'Check the folder and the rights there.',
      )
    }
  }
}

async function orNothing<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
