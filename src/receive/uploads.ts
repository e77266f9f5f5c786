/**
 * Ends bodies that come too slowly, so that clients that drip a byte a second cannot hold memory and connections.
 *
 * One timer for all; a request in progress costs an entry in a set. A body is given up when it was silent for the
 * grace, or when after the grace its average is below the smallest rate.
 */
import { limits } from '../limits.ts'

export interface Upload {
  /** Bytes so far, as they came over the wire. */
  receivedBytes: number
  /** Called once when it is given up. */
  tooSlow(): void
}

interface Progress {
  seconds: number
  silentSeconds: number
  bytes: number
}

const sweepMs = 1000
const graceSeconds = limits.bodyGraceMs / sweepMs

export class Uploads {
  readonly #progress = new Map<Upload, Progress | undefined>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.sweep(), sweepMs)
    this.#timer.unref()
  }

  add(upload: Upload): void {
    this.#progress.set(upload, undefined)
  }

  remove(upload: Upload): void {
    this.#progress.delete(upload)
  }

  /** Called each second. */
  sweep(): void {
    for (const [upload, before] of this.#progress) {
      const progress = before ?? { seconds: 0, silentSeconds: 0, bytes: -1 }
      progress.seconds++
      progress.silentSeconds = upload.receivedBytes === progress.bytes ? progress.silentSeconds + 1 : 0
      progress.bytes = upload.receivedBytes
      const dripping =
        progress.seconds > graceSeconds && progress.bytes < progress.seconds * limits.bodyBytesPerSecondMin
      if (dripping || progress.silentSeconds >= graceSeconds) {
        this.#progress.delete(upload)
        upload.tooSlow()
      } else {
        this.#progress.set(upload, progress)
      }
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
