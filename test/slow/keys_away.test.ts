/**
 * Keys that are away for a while, at a whole gateway: content is refused and the sender told to come again, the log says
 * why and what to do, nothing of it lies anywhere in the clear; when the keys are back every record arrives once.
 */
import { readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { decrypted, decryptSide, environment, exported, gatewayOf, tell, written } from '../e2e/decrypt_side.ts'
import { cleanUp, later, run, until } from '../e2e/gateway.ts'

afterAll(cleanUp)

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

it('a bundle that ends, and is replaced later: senders that try again lose nothing', async () => {
  const side = await decryptSide()
  const short = `${side.bundle}.short`
  const args = ['keys', 'export-bundle', '--expires', '6s', '--out', short, '--data-dir', side.dir]
  expect((await run(args, { env: environment })).code).toBe(0)
  renameSync(short, side.bundle)
  const endsMs = Date.now() + 6000
  const { running, folder, out, keys } = await gatewayOf(side)
  expect((await tell(running, 'canary-0')).status).toBe(200)

  await later(endsMs - Date.now() + 100)
  const waiting = Array.from({ length: 20 }, (_, n) => `canary-${n + 1}`)
  for (const word of waiting) {
    const { status, headers } = await tell(running, word)
    expect(status).toBe(503)
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  }
  expect(running.told()).toMatch(/keys\.unavailable.*bundle\.json has expired.*douane keys export-bundle/s)
  const leaks = filesBelow(folder).filter((path) => readFileSync(path).includes('canary-'))
  expect(leaks).toEqual([])
  expect(running.told()).not.toContain('canary-')

  await exported(side.dir, side.bundle)
  for (const word of waiting) await until(async () => (await tell(running, word)).status === 200, 30_000)
  await running.stop()
  const { stdout } = await decrypted(side, await written(out), [keys])
  const arrived = [...stdout.matchAll(/canary-\d+/g)].map(([word]) => word)
  expect(arrived.toSorted()).toEqual(['canary-0', ...waiting].toSorted())
})
