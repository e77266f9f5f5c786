/**
 * kill -9 at random moments, over and over on the same keys: every token that was handed out opens, the first start
 * included. Proves the order of key and token on a system that keeps running; does not prove fsync against power loss.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { decryptRows, freshFolder, noonMs } from '../keys/support.ts'

const child = join(import.meta.dirname, 'keys_crash_child.ts')

/** `fromStart`: the delay counts from the start of the process, else from its first token. */
async function tokensUntilKilled(
  dir: string,
  firstMs: number,
  delayMs: number,
  fromStart: boolean,
): Promise<{ n: number; body: string }[]> {
  const process_ = spawn(process.execPath, [child, dir, String(firstMs)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const rows: { n: number; body: string }[] = []
  const read = (async () => {
    for await (const line of createInterface({ input: process_.stdout })) {
      // The last line may be cut.
      if (line.endsWith('}')) rows.push(JSON.parse(line))
    }
  })()
  if (!fromStart) await once(process_.stdout, 'data')
  await sleep(delayMs)
  process_.kill('SIGKILL')
  await read
  return rows
}

test('200 kills lose no key', { timeout: 900_000 }, async () => {
  let seed = 20261121
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 2 ** 32
  }
  let dir = freshFolder()
  let killedWhileSealing = 0
  for (let run = 0; run < 200; run++) {
    if (run % 10 === 0) dir = freshFolder()
    const rows = await tokensUntilKilled(dir, noonMs + run * 86_400_000, random() * (run % 4 ? 30 : 500), run % 4 === 0)
    if (rows.length === 0) continue
    const opened = await decryptRows(dir, rows)
    expect(
      opened.rows.map(({ body }) => body),
      `run ${run}`,
    ).toEqual(rows.map(({ n }) => `v${n}`))
    killedWhileSealing++
  }
  // Three runs in four are killed after their first token.
  expect(killedWhileSealing).toBeGreaterThanOrEqual(150)
})
