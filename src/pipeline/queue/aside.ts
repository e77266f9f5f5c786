/**
 * Bytes of a queue that cannot be read any more: copied to `aside/` as they are (encrypted), for whoever wants to look
 * into it, up to a bound. Nothing here ever stops a delivery: a copy that fails is told and left.
 */
import { basename, join } from 'node:path'
import type { Log } from '../../contract.ts'
import { limits } from '../../limits.ts'
import { type Disk, diskErrorCode } from './disk.ts'
import type { FrameReader, Segment } from './segment.ts'

export class Aside {
  readonly #disk: Disk
  readonly #dir: string
  readonly #log: Log
  #used: number | undefined

  constructor(disk: Disk, queueDir: string, log: Log) {
    this.#disk = disk
    this.#dir = join(queueDir, 'aside')
    this.#log = log
  }

  /** Copies [from, to) of a segment. */
  async keep(reader: FrameReader, segment: Segment, from: number, to: number): Promise<void> {
    const name = `${basename(segment.path, '.seg')}-${from}.bin`
    try {
      const used = await this.#space()
      if (used + to - from > limits.asideBytesMax) {
        this.#log.warn('queue.aside_full', { bytes: to - from })
        return
      }
      const file = await this.#disk.create(join(this.#dir, name))
      try {
        for (let at = from; at < to; ) {
          const bytes = await reader.rawAt(segment, at, to)
          if (bytes.length === 0) break
          await file.write([bytes], at - from)
          at += bytes.length
        }
      } finally {
        await file.close()
      }
      this.#used = used + to - from
    } catch (error) {
      // A restart finds the same damage again, and the copy is there already.
      const code = diskErrorCode(error)
      if (code !== 'EEXIST') this.#log.warn('queue.aside_failed', { code, bytes: to - from })
    }
  }

  /** Moves a whole file of the queue. */
  async move(path: string): Promise<void> {
    try {
      await this.#space()
      await this.#disk.rename(path, join(this.#dir, basename(path)))
    } catch (error) {
      this.#log.warn('queue.aside_failed', { code: diskErrorCode(error) })
    }
  }

  async #space(): Promise<number> {
    if (this.#used !== undefined) return this.#used
    await this.#disk.makeDir(this.#dir)
    let used = 0
    for (const name of await this.#disk.list(this.#dir)) {
      const file = await this.#disk.read(join(this.#dir, name))
      used += await file.size().finally(() => file.close())
    }
    this.#used = used
    return used
  }
}
