/**
 * Files of segments that are done, kept for the next ones of the same queue.
 *
 * Deleting 32 MiB many times a second, and asking the file system for as many new blocks, makes the writes beside it
 * wait: their 99th percentile is four times as long. Into a file that has its blocks nothing but the bytes themselves
 * is written. Before a file is kept its head is overwritten, durably: without the wrapped key in there nobody can read
 * what follows, and a start takes it for a segment that never began. What a new segment does not overwrite stays behind its
 * last frame, and belongs to no frame of it (each is bound to its segment's id).
 *
 * Only for queues that have their files alone: shared ones go on in other folders. A file that has another name, such as
 * in a copy that somebody made of the folder with hard links, is left to that.
 */
import { limits } from '../../limits.ts'
import type { Disk, DiskFile } from './disk.ts'
import { segmentHeaderBytes } from './frame.ts'
import type { Segment } from './segment.ts'

export const isSpare = (name: string): boolean => name.endsWith('.spare')

export class Spares {
  readonly #disk: Disk
  readonly #paths: string[] = []
  #coming = 0
  #isOn = false

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** From now on files are kept: nobody else has a name for them. */
  forOne(): this {
    this.#isOn = true
    return this
  }

  /** Keeps the file of a whole segment that nobody reads any more. False: it is still there. */
  async keep(segment: Segment): Promise<boolean> {
    const isWanted = this.#isOn && this.#paths.length + this.#coming < limits.spareSegmentsMax
    if (!isWanted || segment.bytes < limits.segmentBytes) return false
    this.#coming++
    try {
      if ((await this.#disk.links(segment.path)) !== 1) return false
      const file = await this.#disk.reopen(segment.path)
      await file.write([Buffer.alloc(segmentHeaderBytes)], 0).finally(() => file.close())
      if (!this.#isOn) return false
      const path = segment.path.replace(/\.seg$/, '.spare')
      await this.#disk.rename(segment.path, path)
      this.#paths.push(path)
      return true
    } catch {
      return false
    } finally {
      this.#coming--
    }
  }

  /** A file for a new segment of that path, whose content is yet to be overwritten. Rejects with the disk's error. */
  async take(path: string): Promise<DiskFile | undefined> {
    const spare = this.#paths.pop()
    if (spare === undefined) return undefined
    await this.#disk.rename(spare, path)
    return this.#disk.reopen(path)
  }

  /** Gives their space back. */
  async drop(): Promise<void> {
    for (const path of this.#paths.splice(0)) await this.#disk.remove(path).catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#isOn = false
    await this.drop()
  }
}
