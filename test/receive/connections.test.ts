/** The bound on connections where several workers share a port. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

test('connections beyond the bound of all workers are closed, and are not passed around between them', () => {
  const child = join(import.meta.dirname, 'connections_child.ts')
  const told = execFileSync(process.execPath, [child], { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
  const { closed, busyMs } = JSON.parse(told) as { closed: number; busyMs: number }
  expect(closed).toBe(4)
  // Passed around, they keep the process above busy nearly all the time.
  expect(busyMs).toBeLessThan(75)
})
