/**
 * `backup run` and `backup restore` killed (kill -9) at random moments: what looks whole is whole, what is not is no
 * backup, and the next run works. The moments come from a seed, which is printed.
 */
import { once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Row } from '../backup/fixture.ts'
import { fill } from '../backup/fixture.ts'
import { later, launch } from '../e2e/gateway.ts'
import { jsonHere, runHere } from '../e2e/here.ts'
import { makeWorld, type World } from '../subjects/fixture.ts'

const kills = 12
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
process.stdout.write(`SEED=${seed}\n`)
let state = seed
/** 0 to 1, the same for the same seed. */
function random(): number {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
  return state / 2_147_483_648
}

let world: World
beforeAll(async () => {
  world = await makeWorld()
  const nowMs = Date.now()
  const rows = Array.from({ length: 20_000 }, (_, i): Row => {
    return { purpose: 'security', atMs: nowMs - i * 1000, text: `record ${i}`, ref: `ref-${i % 2000}` }
  })
  for (let from = 0; from < rows.length; from += 4000)
    await fill(world.server, 'de', rows.slice(from, from + 4000), nowMs)
})
afterAll(() => world.close())

/** How long the command takes when nobody disturbs it. */
async function timed(args: readonly string[]): Promise<number> {
  const startMs = performance.now()
  const [code] = (await once(launch(args), 'exit')) as [number]
  expect(code).toBe(0)
  return performance.now() - startMs
}

async function killed(args: readonly string[], afterMs: number): Promise<boolean> {
  const child = launch(args)
  const ended = once(child, 'exit')
  await later(afterMs)
  child.kill('SIGKILL')
  const [, signal] = await ended
  return signal === 'SIGKILL'
}

const list = () => jsonHere<{ backup: string; state: string }>(['backup', 'list', '--format', 'json', ...world.shared])

it('leaves whole backups and unfinished ones, and nothing between', async () => {
  const args = ['backup', 'run', '--job', 'backup/de', ...world.shared]
  const wholeMs = await timed(args)
  let cut = 0
  for (let i = 0; i < kills; i++) if (await killed(args, wholeMs * (0.3 + 0.7 * random()))) cut++
  expect(cut).toBeGreaterThan(0)
  const found = await list()
  expect(found.some(({ state }) => state === 'unfinished')).toBe(true)
  for (const { backup, state } of found) {
    const { code, stdout } = await runHere(['backup', 'verify', backup, '--job', 'backup/de', ...world.shared])
    expect([state, code]).toEqual(state === 'whole' ? ['whole', 0] : ['unfinished', 1])
    if (state === 'whole') expect(stdout).toContain('"erased":0')
  }
})

it('restores, whatever a restore that was killed left behind', async () => {
  const args = ['backup', 'restore', '--store', 'postgres/de', '--reason', 'drill', ...world.shared]
  const wholeMs = await timed([...args, '--database', 'first'])
  const again = [...args, '--database', 'again']
  for (let i = 0; i < 5; i++) {
    if (!(await killed(again, wholeMs * (0.3 + 0.5 * random())))) break
  }
  await runHere(again)
  const rows = 'SELECT count(*)::int AS n, count(DISTINCT body)::int AS texts FROM logs'
  expect(await world.server.sql('again', rows)).toEqual([{ n: 20_000, texts: 20_000 }])
})
