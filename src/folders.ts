/**
 * Makes folders. Not by Node's `recursive`: where a file system answers ENOENT for a new folder in one that is there
 * (/proc does), that tries again for ever.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** The folder and those above it, 0700. Gives those that were made, outermost first. Throws the system's error. */
export function makeFolders(path: string): string[] {
  try {
    mkdirSync(path, { mode: 0o700 })
    return [path]
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(path).isDirectory()) return []
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw error
  }
  return [...makeFolders(dirname(path)), ...makeFolders(path)]
}
