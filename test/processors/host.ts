/** A host for processors under test: counts by name, and keys and a clock that are the same in every run. */
import { createHash } from 'node:crypto'
import type { Host } from '../../src/contract.ts'
import { createPurposes } from '../../src/purposes.ts'

export interface CountingHost extends Host {
  readonly counts: Map<string, number>
}

/** `keyError`: what asking for a hash key throws. */
export function countingHost(id: string, keyError?: Error): CountingHost {
  const counts = new Map<string, number>()
  const counter = (name: string) => ({ add: (n: number) => void counts.set(name, (counts.get(name) ?? 0) + n) })
  const silent = () => {}
  return {
    id,
    counts,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    purposes: createPurposes(['billing', 'security', 'support', 'usage']),
    hashKeys: {
      current: (tenant) => {
        if (keyError !== undefined) throw keyError
        return { id: '0badcafe', key: createHash('sha256').update(`key of ${tenant}`).digest() }
      },
    },
    resolve: (path) => path,
    dataDir: () => {
      throw new Error('a processor does no I/O')
    },
    nowMs: () => 1_795_226_587_000,
    counter: ((name: string, _help: string, labels?: readonly string[]) =>
      labels === undefined ? counter(name) : { with: () => counter(name) }) as Host['counter'],
    gauge: silent,
  }
}
