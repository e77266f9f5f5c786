/**
 * file: appends batches to a file as OTLP/JSON, one line a batch, and rotates it. docs/exporters.md
 *
 * `accepted` is answered after fdatasync. Batches that come while the disk is busy are written and synced together.
 * A write that fails half-way (a full disk) is cut off again, so that the file holds whole lines only; a line that a
 * crash left unfinished is cut off at the next start: nobody was told that it was stored.
 *
 * Rotation follows the Collector: `audit.jsonl` becomes `audit-2026-01-31T09-30-00.000.jsonl` (UTC). Nothing but such
 * files is ever removed.
 */
import { type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { z } from 'zod'
import { type Batch, type Exporter, exporter, type Host, type Outcome } from '../src/contract.ts'
import { DependencyError, WireError } from '../src/errors.ts'
import { makeFolders } from '../src/folders.ts'
import { wireToJsonBytes } from '../src/otlp/json.ts'

const options = z.strictObject({
  path: z.string().min(1).describe('The file; a relative one is relative to the config file. Made with mode 0600.'),
  rotation: z
    .strictObject({
      max_megabytes: z
        .number()
        .positive()
        .default(100)
        .describe('The file is rotated before it grows beyond this (MiB).'),
      max_days: z.int().min(0).default(0).describe('Rotated files older than this are removed; 0 = none for its age.'),
      max_backups: z.int().min(0).default(100).describe('The newest so many rotated files are kept; 0 = all.'),
    })
    .optional()
    .describe('Left out: the file grows without end.'),
})
type Options = z.output<typeof options>

export const file = exporter({
  name: 'file',
  purposes: 'merged',
  config: options,
  create: (given, host) => new LineFile(given, host),
})

interface Waiting {
  readonly line: Buffer
  readonly signal: AbortSignal
  readonly answer: (outcome: Outcome) => void
}

const MiB = 1024 * 1024
const dayMs = 86_400_000

class LineFile implements Exporter {
  readonly #path: string
  readonly #rotation: Options['rotation']
  readonly #host: Host
  #handle: FileHandle | undefined
  #size = 0
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  #closed = false

  constructor(given: Options, host: Host) {
    this.#path = ofWorker(host.resolve(given.path), host.worker)
    this.#rotation = given.rotation
    this.#host = host
  }

  async start(): Promise<void> {
    try {
      makeFolders(dirname(this.#path))
      await this.#open()
      await this.#prune()
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
      throw new DependencyError(
        `${this.#host.id}: its file cannot be written (${code})`,
        'name a path that can be written',
      )
    }
  }

  send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    return new Promise((answer) => {
      let line: Buffer
      try {
        line = wireToJsonBytes(batch.body, '\n')
      } catch (error) {
        if (!(error instanceof WireError || error instanceof RangeError)) throw error
        answer({
          is: 'rejected',
          reason: error instanceof WireError ? error.message : 'too large for one line of text',
        })
        return
      }
      this.#waiting.push({ line, signal, answer })
      this.#writing ??= this.#drain()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#writing
    await this.#handle?.close()
    this.#handle = undefined
  }

  /** Writes what waits, until nothing does. One at a time. */
  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup()
      const outcome = group.length === 0 ? undefined : await this.#write(group)
      for (const { answer } of group) answer(outcome!)
    }
    this.#writing = undefined
  }

  /** What goes into the file before the next rotation. Those that were aborted while they waited are told so. */
  #takeGroup(): Waiting[] {
    const limit = (this.#rotation?.max_megabytes ?? Infinity) * MiB
    const group: Waiting[] = []
    let size = this.#size
    while (this.#waiting.length > 0) {
      const [next] = this.#waiting as [Waiting]
      if (group.length > 0 && size + next.line.length > limit) break
      this.#waiting.shift()
      if (next.signal.aborted || this.#closed)
        next.answer({ is: 'unavailable', reason: this.#closed ? 'closed' : 'aborted' })
      else {
        if (size + next.line.length > limit) size = 0
        size += next.line.length
        group.push(next)
      }
    }
    return group
  }

  async #write(group: readonly Waiting[]): Promise<Outcome> {
    try {
      const [first] = group as [Waiting]
      const limit = (this.#rotation?.max_megabytes ?? Infinity) * MiB
      if (this.#handle === undefined) await this.#open()
      if (this.#size > 0 && this.#size + first.line.length > limit) await this.#rotate()
      const handle = this.#handle!
      const bytes = group.length === 1 ? first.line : Buffer.concat(group.map(({ line }) => line))
      let written = 0
      while (written < bytes.length) {
        const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, this.#size + written)
        written += bytesWritten
      }
      await handle.datasync()
      this.#size += bytes.length
      return { is: 'accepted' }
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
      await this.#undo()
      return { is: 'unavailable', reason: `the file cannot be written (${code})` }
    }
  }

  /** Back to the last whole line; the file is opened anew for the next try. */
  async #undo(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    try {
      await handle?.truncate(this.#size)
    } catch {
      // The next open cuts what is unfinished.
    }
    await handle?.close().catch(() => {})
  }

  async #open(): Promise<void> {
    const handle = await open(this.#path, (await this.#exists()) ? 'r+' : 'wx+', 0o600)
    try {
      const { size } = await handle.stat()
      const whole = await wholeLines(handle, size)
      if (whole !== size) {
        await handle.truncate(whole)
        this.#host.log.warn('file_unfinished_line_removed', { exporter: this.#host.id, bytes: size - whole })
      }
      await handle.sync()
      await syncFolder(dirname(this.#path))
      this.#size = whole
      this.#handle = handle
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async #exists(): Promise<boolean> {
    return stat(this.#path).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false
        throw error
      },
    )
  }

  async #rotate(): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
    let atMs = this.#host.nowMs()
    // Two rotations in one millisecond must not overwrite each other.
    const taken = new Set(await readdir(dirname(this.#path)))
    while (taken.has(this.#backup(atMs))) atMs++
    await rename(this.#path, join(dirname(this.#path), this.#backup(atMs)))
    await this.#open()
    await this.#prune()
  }

  #backup(atMs: number): string {
    const extension = extname(this.#path)
    const time = new Date(atMs).toISOString().replaceAll(':', '-').replace('Z', '')
    return `${basename(this.#path, extension)}-${time}${extension}`
  }

  /** Removes rotated files that are too old or too many. */
  async #prune(): Promise<void> {
    if (this.#rotation === undefined) return
    const { max_days: daysMax, max_backups: backupsMax } = this.#rotation
    const folder = dirname(this.#path)
    const backups = (await readdir(folder)).flatMap((name) => {
      const atMs = this.#rotatedAtMs(name)
      return atMs === undefined ? [] : [{ name, atMs }]
    })
    backups.sort((a, b) => b.atMs - a.atMs)
    const oldestMs = daysMax === 0 ? -Infinity : this.#host.nowMs() - daysMax * dayMs
    for (const [index, { name, atMs }] of backups.entries())
      if (atMs < oldestMs || (backupsMax > 0 && index >= backupsMax)) await unlink(join(folder, name))
  }

  /** When a file of ours was rotated, by its name; undefined for any other file. */
  #rotatedAtMs(name: string): number | undefined {
    const time = /(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)-(\d\d\.\d{3})/.exec(name)
    if (time === null) return undefined
    const atMs = Date.parse(`${time[1]}${time[2]}:${time[3]}:${time[4]}Z`)
    return !Number.isNaN(atMs) && this.#backup(atMs) === name ? atMs : undefined
  }
}

/** A file has one writer: of several workers the first writes the file that is named, worker 2 `audit.worker2.jsonl`. */
function ofWorker(path: string, worker = 1): string {
  if (worker === 1) return path
  const extension = extname(path)
  return join(dirname(path), `${basename(path, extension)}.worker${worker}${extension}`)
}

/** How many bytes from the start are whole lines. */
async function wholeLines(handle: FileHandle, size: number): Promise<number> {
  const piece = Buffer.alloc(64 * 1024)
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - piece.length)
    const { bytesRead } = await handle.read(piece, 0, end - start, start)
    const last = piece.subarray(0, bytesRead).lastIndexOf(0x0a)
    if (last >= 0) return start + last + 1
    end = start
  }
  return 0
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
