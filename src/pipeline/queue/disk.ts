/**
 * File operations of the queue, behind a small interface: so that tests can record writes and drop those that were
 * never made durable, and can make any of them fail.
 *
 * What "durable" means here: `DiskFile.write` on a file opened with `create` or `reopen` returns when the bytes are on the disk
 * (O_DSYNC: one system call instead of write and fdatasync). A new name is durable after `syncDir`.
 * Every method rejects with the system's error (`code`: ENOSPC, EIO, EROFS …).
 */
import fs from 'node:fs'
import { dirname } from 'node:path'
import { makeFolders } from '../../folders.ts'

export interface DiskFile {
  /** Writes all of it, or rejects; after a rejection any part of it may be there. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>
  /** Reads up to `into.length` bytes; fewer at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  size(): Promise<number>
  truncate(length: number): Promise<void>
  /** Makes writes to a file opened with `append` durable. */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface Disk {
  /** A new file, 0600, each write durable. Rejects with EEXIST. */
  create(path: string): Promise<DiskFile>
  /** The same for a file that is there, whatever it holds. */
  reopen(path: string): Promise<DiskFile>
  /** A file for many small writes, made when missing; nothing is durable before `sync`. */
  append(path: string): Promise<DiskFile>
  read(path: string): Promise<DiskFile>
  /** Makes a folder, 0700, and its parents. */
  makeDir(path: string): Promise<void>
  list(dir: string): Promise<string[]>
  /** Gives a file a second name; its bytes are there until both are gone. Some file systems cannot: ENOTSUP, EPERM. */
  link(from: string, to: string): Promise<void>
  /** How many names a file has. */
  links(path: string): Promise<number>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  syncDir(path: string): Promise<void>
}

/** The code of a system error, safe to show. */
export function diskErrorCode(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return typeof code === 'string' ? code : 'unknown'
}

const { O_CREAT, O_EXCL, O_RDWR, O_DSYNC } = fs.constants
/** The most buffers that one writev takes (IOV_MAX). */
const buffersMax = 1024

function call<Value>(start: (done: (error: Error | null, value?: Value) => void) => void): Promise<Value> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value as Value)))
  })
}

class NodeFile implements DiskFile {
  readonly #fd: number
  constructor(fd: number) {
    this.#fd = fd
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let at = position
    for (let i = 0; i < buffers.length; i += buffersMax) {
      let rest = buffers.slice(i, i + buffersMax)
      while (rest.length > 0) {
        const written = await call<number>((done) => fs.writev(this.#fd, rest, at, done))
        if (written === 0) throw Object.assign(new Error('short write'), { code: 'EIO' })
        at += written
        rest = after(rest, written)
      }
    }
  }
  read(into: Uint8Array, position: number): Promise<number> {
    return call((done) => fs.read(this.#fd, into, 0, into.length, position, done))
  }
  async size(): Promise<number> {
    return (await call<fs.Stats>((done) => fs.fstat(this.#fd, done))).size
  }
  truncate(length: number): Promise<void> {
    return call((done) => fs.ftruncate(this.#fd, length, done))
  }
  sync(): Promise<void> {
    return call((done) => fs.fdatasync(this.#fd, done))
  }
  close(): Promise<void> {
    return call((done) => fs.close(this.#fd, done))
  }
}

/** What is left of `buffers` behind the first `written` bytes. */
function after(buffers: Uint8Array[], written: number): Uint8Array[] {
  let skip = written
  for (let i = 0; i < buffers.length; i++) {
    const buffer = buffers[i]!
    if (skip < buffer.length) return [buffer.subarray(skip), ...buffers.slice(i + 1)]
    skip -= buffer.length
  }
  return []
}

const openFile = async (path: string, flags: number | string): Promise<DiskFile> =>
  new NodeFile(await call<number>((done) => fs.open(path, flags, 0o600, done)))

export const nodeDisk: Disk = {
  create: (path) => openFile(path, O_CREAT | O_EXCL | O_RDWR | O_DSYNC),
  reopen: (path) => openFile(path, O_RDWR | O_DSYNC),
  append: (path) => openFile(path, O_CREAT | O_RDWR),
  read: (path) => openFile(path, 'r'),
  async makeDir(path) {
    // Each new name is made durable in its parent.
    for (const made of makeFolders(path)) await this.syncDir(dirname(made))
  },
  list: (dir) => call((done) => fs.readdir(dir, done)),
  link: (from, to) => call((done) => fs.link(from, to, done)),
  links: async (path) => (await call<fs.Stats>((done) => fs.stat(path, done))).nlink,
  rename: (from, to) => call((done) => fs.rename(from, to, done)),
  remove: (path) => call((done) => fs.unlink(path, done)),
  async syncDir(path) {
    const fd = await call<number>((done) => fs.open(path, 'r', done))
    try {
      await call<void>((done) => fs.fsync(fd, done))
    } finally {
      await call<void>((done) => fs.close(fd, done))
    }
  },
}
