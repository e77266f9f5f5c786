/**
 * Reads a large policy in a thread of its own, so that a reload does not make requests wait: 10,000 tenants take a
 * tenth of a second to read, and a few milliseconds to be handed over.
 */
import { statSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { limits } from '../src/limits.ts'
import type { ReadText } from './gateway_config.ts'
import { type LoadedPolicy, loadPolicy } from './residency.ts'

/** Same result as `loadPolicy`. A small policy is read at once: a thread would cost more. */
export function loadPolicyApart(file: string, name: string = file, read?: ReadText): Promise<LoadedPolicy> {
  if (!isLarge(file)) return Promise.resolve(loadPolicy(file, name, read))
  return new Promise((resolve, reject) => {
    const workerData = { file, name, text: read?.(file) }
    const worker = new Worker(new URL('./policy_worker.ts', import.meta.url), { workerData })
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`the thread that reads policies ended with ${code}`)))
  })
}

const isLarge = (file: string): boolean =>
  (statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= limits.configFastReadBytesMin
