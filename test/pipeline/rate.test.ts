/** Rates: the mean of the last ten seconds, whatever the clock does. */
import { expect, test } from 'vitest'
import { Rate } from '../../src/pipeline/rate.ts'

test('what was counted in the last ten seconds, and nothing older', () => {
  let nowMs = 1_800_000_000_500
  const rate = new Rate(() => nowMs)
  rate.add(50)
  expect(rate.perSecond).toBe(5)
  nowMs += 9000
  rate.add(30)
  expect(rate.perSecond).toBe(8)
  nowMs += 1000
  expect(rate.perSecond).toBe(3)
  nowMs += 3_600_000
  expect(rate.perSecond).toBe(0)
  nowMs -= 60_000
  rate.add(10)
  expect(rate.perSecond).toBe(1)
})
