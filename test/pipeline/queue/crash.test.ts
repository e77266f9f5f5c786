/**
 * kill -9 on a real disk, at random moments: what was acknowledged is delivered, every record under one id only, the
 * same records under the same id. The long run is test/slow/crash.test.ts.
 */
import { expect, test } from 'vitest'
import { crashes } from './crash.ts'
import { seeded } from './support.ts'

test('nothing that was acknowledged is lost by a killed process, and a batch stays one batch', async () => {
  const result = await crashes(6, 200, seeded(7))
  expect(result.lost).toEqual([])
  expect(result.contradictions).toEqual([])
  expect(result.inTheClear).toEqual([])
  expect(result.acknowledged).toBeGreaterThan(100)
}, 60_000)
