/**
 * `douane decrypt` killed (-9) at random moments, again and again on the same keys: whatever it had shown by then is in
 * the access log, which stays whole. So an entry is on disk before what it tells of is released.
 */
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { AccessLog, verifyAccessLog } from '../../src/keys/audit.ts'
import { launch } from '../e2e/gateway.ts'
import { acme, freshFolder, testSealer, text } from '../keys/support.ts'

const rowsAtOnce = 3000

/** Lines that were shown with their value, complete, when the process was gone. */
async function shownUntilKilled(dataDir: string, rows: string, delayMs: number, run: number): Promise<number> {
  const args = ['decrypt', '--reason', `run ${run}`, '--data-dir', dataDir]
  const child = launch(args)
  child.stdin!.on('error', () => {})
  child.stdin!.end(rows)
  let shown = ''
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    shown += chunk
  })
  const closed = once(child, 'close')
  await Promise.race([once(child.stdout!, 'data'), closed])
  await sleep(delayMs)
  child.kill('SIGKILL')
  await closed
  return shown
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.includes('"plain ')).length
}

/** How many values the access log says were read, by run. */
async function readings(keys: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  const log = await AccessLog.open(keys)
  for await (const line of log.entries()) {
    const { reason, what } = JSON.parse(line) as { reason: string; what: unknown[] }
    counts.set(reason, (counts.get(reason) ?? 0) + what.length)
  }
  await log.close()
  return counts
}

test('25 kills: nothing was shown that is not in the access log', { timeout: 300_000 }, async () => {
  const dataDir = freshFolder()
  const keys = join(dataDir, 'keys')
  mkdirSync(keys, { mode: 0o700 })
  const { sealer } = await testSealer(keys)
  const rows = Array.from({ length: rowsAtOnce }, (_, n) => {
    return JSON.stringify({ tenant: 'acme', body: sealer.seal(text(`plain ${n}`), acme, 'log.body') })
  }).join('\n')
  let seed = 20261121
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 2 ** 32
  }
  const shown: number[] = []
  for (let run = 0; run < 25; run++) shown.push(await shownUntilKilled(dataDir, `${rows}\n`, random() * 60, run))
  const logged = await readings(keys)
  for (const [run, count] of shown.entries()) expect(logged.get(`run ${run}`) ?? 0).toBeGreaterThanOrEqual(count)
  // Most were killed in the middle: neither before the first line nor after the last.
  expect(shown.filter((count) => count > 0 && count < rowsAtOnce).length).toBeGreaterThan(10)
  expect(await verifyAccessLog(keys)).toMatchObject({ ok: true, problems: [] })
})
