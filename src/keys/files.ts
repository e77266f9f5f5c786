/**
 * Files that hold keys and what belongs to them: folders 0700, files 0600, durable before the call returns.
 *
 * All synchronous: they are written once an hour per tenant at most, inside the path of a request that must not go on
 * before the key is on disk. Errors are `KeyError` and name the file and what to do, never its content.
 */
import {
  closeSync,
  existsSync,
  fchmodSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { KeyError } from '../errors.ts'
import { makeFolders } from '../folders.ts'

const privateFile = 0o600

/** What a failed file operation tells: its code, never a payload. */
export function fileError(doing: string, path: string, error: unknown): KeyError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
  const fix =
    code === 'ENOSPC'
      ? 'Free some space on that disk.'
      : code === 'EACCES' || code === 'EPERM'
        ? `Let the user of this process read and write ${dirname(path)}.`
        : code === 'ENOENT'
          ? 'Make keys with `douane keys init`, or name the right folder with --data-dir.'
          : undefined
  return new KeyError(`cannot ${doing} ${path} (${code})`, fix)
}

export function makeFolder(path: string): void {
  try {
    makeFolders(path)
  } catch (error) {
    throw fileError('make the folder', path, error)
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

function writeWhole(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
}

function writeTemporary(path: string, content: Uint8Array): string {
  makeFolder(dirname(path))
  const temporary = `${path}.${process.pid}.new`
  const file = openSync(temporary, 'w', privateFile)
  try {
    fchmodSync(file, privateFile)
    writeWhole(file, content)
    fsyncSync(file)
  } catch (error) {
    unlinkSync(temporary)
    throw error
  } finally {
    closeSync(file)
  }
  return temporary
}

const asBytes = (content: string | Uint8Array): Uint8Array =>
  typeof content === 'string' ? Buffer.from(content, 'utf8') : content

/** Writes or replaces a file, whole or not at all. */
export function replaceFile(path: string, content: string | Uint8Array): void {
  try {
    renameSync(writeTemporary(path, asBytes(content)), path)
    syncFolder(dirname(path))
  } catch (error) {
    throw fileError('write', path, error)
  }
}

/** Writes a new file, whole or not at all. False when there is one already, which stays as it is. */
export function createFile(path: string, content: string | Uint8Array): boolean {
  let temporary: string | undefined
  try {
    temporary = writeTemporary(path, asBytes(content))
    const isNew = linked(temporary, path)
    unlinkSync(temporary)
    syncFolder(dirname(path))
    return isNew
  } catch (error) {
    if (temporary !== undefined) rmSync(temporary, { force: true })
    throw fileError('write', path, error)
  }
}

function linked(temporary: string, path: string): boolean {
  try {
    linkSync(temporary, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Overwrites a file with zeros, then removes it. Copies that a disk or a snapshot keeps are out of our reach. */
export function eraseFile(path: string): void {
  try {
    const file = openSync(path, 'r+')
    try {
      writeWhole(file, Buffer.alloc(fstatSync(file).size))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    unlinkSync(path)
    syncFolder(dirname(path))
  } catch (error) {
    throw fileError('erase', path, error)
  }
}

/** The text of a file that only its owner may read; `undefined` when there is none. */
export function readPrivate(path: string): string | undefined {
  try {
    const { mode } = statSync(path)
    if ((mode & 0o077) !== 0) {
      throw new KeyError(`${path} can be read by others (mode ${(mode & 0o777).toString(8)})`, `Run: chmod 600 ${path}`)
    }
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof KeyError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw fileError('read', path, error)
  }
}

/** A JSON object of the given format; `undefined` when there is no such file. */
export function readDocument<Document extends { format: string }>(
  path: string,
  format: Document['format'],
): Document | undefined {
  const text = readPrivate(path)
  return text === undefined ? undefined : parseDocument<Document>(text, format, path)
}

export function parseDocument<Document extends { format: string }>(
  text: string,
  format: Document['format'],
  path: string,
  fix = 'Restore it from a backup.',
): Document {
  let document: Document | undefined
  try {
    document = JSON.parse(text) as Document
  } catch {
    document = undefined
  }
  if (document?.format !== format) {
    throw new KeyError(`${path} is damaged or is no ${format} file`, fix)
  }
  return document
}

/** Which file stood under a name: to see later whether it still does. */
export interface Placed {
  readonly path: string
  readonly ino: number
  readonly dev: number
}

/** Throws `KeyError` where there is none. */
export function placed(path: string): Placed {
  try {
    const { ino, dev } = statSync(path)
    return { path, ino, dev }
  } catch (error) {
    throw fileError('find', path, error)
  }
}

/** Throws `KeyError` unless the same file still stands under its name. */
export function checkPlaced({ path, ino, dev }: Placed): void {
  const named = statSync(path, { throwIfNoEntry: false })
  if (named?.ino === ino && named.dev === dev) return
  throw new KeyError(
    `${path} was removed or replaced under the running gateway`,
    'Put the folder of keys back as it was, or restart the gateway with the one that stands there now.',
  )
}

/** Whether an open file is the one that stands under its name: not removed, not replaced. */
function sameFile(file: number, path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false })
  const opened = fstatSync(file)
  return named !== undefined && opened.nlink > 0 && named.ino === opened.ino && named.dev === opened.dev
}

/** Takes back what a failed append left. */
export function undoAppend(file: number, size: number): void {
  try {
    if (fstatSync(file).size !== size) ftruncateSync(file, size)
  } catch {
    // The next opening removes what is cut.
  }
}

/** A file of lines that only grows. A line is on disk when `append` returns; a cut last line is removed at opening. */
export class LineFile {
  readonly path: string
  #file: number | undefined
  #size = 0

  constructor(path: string) {
    this.path = path
  }

  #open(): number {
    makeFolder(dirname(this.path))
    const isNew = !existsSync(this.path)
    if (!isNew) {
      const bytes = readFileSync(this.path)
      this.#size = bytes.lastIndexOf(10) + 1
      if (this.#size !== bytes.length) truncateSync(this.path, this.#size)
    }
    const file = openSync(this.path, 'a', privateFile)
    if (isNew) syncFolder(dirname(this.path))
    return file
  }

  /**
   * Throws `KeyError`; the file is then as it was before. A file that was removed or replaced since it was opened is
   * opened anew under its name: what was in it is gone, but nothing is written where nobody finds it.
   */
  append(...lines: readonly string[]): void {
    try {
      if (this.#file !== undefined && !sameFile(this.#file, this.path)) this.close()
      this.#file ??= this.#open()
      const bytes = Buffer.from(`${lines.join('\n')}\n`, 'utf8')
      writeWhole(this.#file, bytes)
      fdatasyncSync(this.#file)
      this.#size += bytes.length
      if (!sameFile(this.#file, this.path)) throw new KeyError(`${this.path} was removed while it was written`)
    } catch (error) {
      this.#undo()
      throw error instanceof KeyError ? error : fileError('write', this.path, error)
    }
  }

  #undo(): void {
    this.close()
    try {
      truncateSync(this.path, this.#size)
    } catch {
      // The next opening removes a cut line itself.
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }
}
