/** Something between processes went wrong that is no sender's fault: told, and nothing more comes of it. */
import type { Log } from '../contract.ts'

export function tellDefect(log: Log, what: string, error: unknown): void {
  log.error('worker_defect', { what, error: error instanceof Error ? error.name : typeof error })
}
