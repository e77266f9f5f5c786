/**
 * Reads a large policy in a thread of its own, so that a reload does not make requests wait: 10,000 tenants take a
 * tenth of a second to read, or a second where no two rules read alike. What is read is handed over in pieces, between
 * which others get their turn.
 */
import { statSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { limits } from '../src/limits.ts'
import type { Policy, TenantRule } from '../src/policy.ts'
import type { ReadText } from './gateway_config.ts'
import type { Problem } from './problem.ts'
import { type LoadedPolicy, loadPolicy } from './residency.ts'

/** A piece of what the thread hands over: rules in any number of pieces, then all the rest. */
export type Handover =
  | { readonly is: 'refused'; readonly problems: readonly Problem[] }
  | { readonly is: 'rules'; readonly rules: readonly TenantRule[] }
  | {
      readonly is: 'policy'
      readonly rest: Omit<Policy, 'tenants'>
      readonly names: readonly string[]
      /** The number of each tenant's rule. */
      readonly ruleOf: Uint32Array
    }

/** Same result as `loadPolicy`. A small policy is read at once: a thread would cost more. */
export async function loadPolicyApart(file: string, name: string = file, read?: ReadText): Promise<LoadedPolicy> {
  if (!isLarge(file)) return loadPolicy(file, name, read)
  const workerData = { file, name, text: read?.(file) }
  const worker = new Worker(new URL('./policy_worker.ts', import.meta.url), { workerData })
  const rules: TenantRule[] = []
  try {
    for (;;) {
      const piece = await nextOf(worker)
      if (piece.is === 'refused') return { problems: piece.problems }
      if (piece.is === 'policy') return { policy: joined(piece, rules), problems: [] }
      rules.push(...piece.rules)
      // Others get their turn.
      await setImmediate()
    }
  } finally {
    await worker.terminate()
  }
}

function nextOf(worker: Worker): Promise<Handover> {
  worker.removeAllListeners()
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`the thread that reads policies ended with ${code}`)))
    worker.postMessage('next')
  })
}

function joined({ rest, names, ruleOf }: Extract<Handover, { is: 'policy' }>, rules: readonly TenantRule[]): Policy {
  return { ...rest, tenants: new Map(names.map((name, i) => [name, rules[ruleOf[i]!]!])) }
}

const isLarge = (file: string): boolean =>
  (statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= limits.configFastReadBytesMin
