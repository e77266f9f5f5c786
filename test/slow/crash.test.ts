/** The long form of test/pipeline/queue/crash.test.ts: `KILLS` killed processes (60 without it, 1,000 with `FAULTS=long`). */
import { expect, test } from 'vitest'
import { crashes } from '../pipeline/queue/crash.ts'
import { seeded } from '../pipeline/queue/support.ts'

test('many killed processes lose nothing that was acknowledged', async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 100_000)
  const kills = Number(process.env['KILLS'] ?? (process.env['FAULTS'] === 'long' ? 1000 : 60))
  const result = await crashes(kills, 450, seeded(seed))
  console.log(`seed ${seed}, ${kills} kills:`, JSON.stringify({ ...result, lost: result.lost.length }))
  expect(result.lost).toEqual([])
  expect(result.contradictions).toEqual([])
  expect(result.inTheClear).toEqual([])
}, 7_200_000)
