/** A sender with many requests on their way does not hold up one with few; without load nobody waits at all. */
import { expect, test } from 'vitest'
import { limits } from '../../src/limits.ts'
import { IntakeTurns } from '../../src/pipeline/intake_turns.ts'

/** A gateway where each request takes `costMs` of a clock that nothing else moves. */
function gateway(costMs: number) {
  let nowMs = 0
  const turns = new IntakeTurns(() => nowMs)
  const order: string[] = []
  const send = (sender: string, bytes = 1000) =>
    turns.take(sender, bytes, async () => {
      nowMs += costMs
      order.push(sender)
      return sender
    })
  return { send, order }
}

test('without load a request begins at once', () => {
  const { send, order } = gateway(0)
  for (let i = 0; i < 50; i++) void send('one')
  expect(order.length).toBe(50)
})

test('behind a flood that is there already, a quiet sender is served after a few', async () => {
  const { send, order } = gateway(limits.intakeSliceMs / 2)
  const flood = Array.from({ length: 500 }, () => send('noisy', limits.intakeQuantumBytes))
  const quiet = Array.from({ length: 5 }, () => send('quiet', 100))
  expect(await Promise.all(quiet)).toEqual(Array.from({ length: 5 }, () => 'quiet'))
  expect(order.lastIndexOf('quiet')).toBeLessThan(10)
  await Promise.all(flood)
  expect(order.length).toBe(505)
})

test('senders of large and of small requests get the same bytes', async () => {
  const { send, order } = gateway(limits.intakeSliceMs)
  const size = { large: limits.intakeQuantumBytes * 2, small: limits.intakeQuantumBytes / 4 }
  const all = (['large', 'small'] as const).flatMap((sender) =>
    Array.from({ length: 400 }, () => send(sender, size[sender])),
  )
  await Promise.all(all)
  const first = order.slice(0, 360)
  const bytes = (sender: 'large' | 'small') => first.filter((one) => one === sender).length * size[sender]
  expect(bytes('large') / bytes('small')).toBeGreaterThan(0.8)
  expect(bytes('large') / bytes('small')).toBeLessThan(1.25)
})

test('what a request throws is its own affair', async () => {
  const { send } = gateway(limits.intakeSliceMs)
  const turns = new IntakeTurns(() => 0)
  await expect(turns.take('a', 1, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await send('b')).toBe('b')
})
