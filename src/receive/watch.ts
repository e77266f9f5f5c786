/**
 * Tells when files change: keys and certificates are replaced while the gateway runs.
 *
 * Files are looked at in an interval, not watched: that sees a rewrite, an atomic rename and a swapped symbolic link
 * alike, on every file system. A file that is away for a moment is no change; its return is.
 */
import { stat } from 'node:fs/promises'

export interface Watch {
  /** Looks now; resolves when `changed` has settled, if there was a change. */
  look(): Promise<void>
  close(): void
}

/** Calls `changed` after one of `files` changed. It must not reject. */
export async function watchFiles(
  files: readonly string[],
  intervalMs: number,
  changed: () => void | Promise<void>,
): Promise<Watch> {
  let seen = await stampOf(files)
  let looking: Promise<void> | undefined
  const lookOnce = async (): Promise<void> => {
    const stamp = await stampOf(files)
    if (stamp === undefined || stamp === seen) return
    seen = stamp
    await changed()
  }
  const look = (): Promise<void> => {
    looking ??= lookOnce().finally(() => {
      looking = undefined
    })
    return looking
  }
  const timer = setInterval(look, intervalMs)
  timer.unref()
  return { look, close: () => clearInterval(timer) }
}

/** Changes when a file does; undefined while one is away. */
async function stampOf(files: readonly string[]): Promise<string | undefined> {
  try {
    const stats = await Promise.all(files.map((file) => stat(file, { bigint: true })))
    return stats.map((s) => `${s.ino}:${s.size}:${s.mtimeNs}:${s.ctimeNs}`).join(' ')
  } catch {
    return undefined
  }
}
