/** The options of delivery: the Collector's names, refusals that help, defaults that lose nothing. */
import { expect, test } from 'vitest'
import { z } from 'zod'
import { deliveryOptions, retryOnFailure, sendingQueue } from '../../src/pipeline/queue_config.ts'

test('defaults keep everything: a queue on disk, retries for ever', () => {
  const options = z.strictObject(deliveryOptions).parse({})
  expect(options.sending_queue).toEqual({
    enabled: true,
    num_consumers: 10,
    sizer: 'bytes',
    queue_size: 2 ** 30,
    tenant_share: 0.8,
    drop_when_full: [],
    batch: { flush_timeout: 0 },
  })
  expect(options.retry_on_failure).toMatchObject({
    enabled: true,
    initial_interval: 5000,
    max_interval: 30_000,
    max_elapsed_time: 0,
  })
  expect(options.timeout).toBe(5000)
})

test("a Collector's section is understood", () => {
  expect(
    sendingQueue.parse({
      enabled: true,
      num_consumers: 4,
      queue_size: 500,
      sizer: 'requests',
      storage: 'file_storage/q',
    }),
  ).toMatchObject({
    queue_size: 500,
    num_consumers: 4,
  })
  expect(retryOnFailure.parse({ initial_interval: '100ms', max_elapsed_time: '0s', max_interval: '1m' })).toMatchObject(
    { initial_interval: 100 },
  )
})

test.each([
  [sendingQueue, { queue_size: 0 }, 'queue_size'],
  [sendingQueue, { queue_size: 'much' }, 'queue_size'],
  [sendingQueue, { num_consumers: 0 }, 'num_consumers'],
  [sendingQueue, { sizer: 'lines' }, 'sizer'],
  [retryOnFailure, { initial_interval: '1m', max_interval: '1s' }, 'initial_interval'],
  [retryOnFailure, { randomization_factor: 2 }, 'randomization_factor'],
  [retryOnFailure, { multiplier: 0.5 }, 'multiplier'],
])('refuses %#', (schema: z.ZodType, value: object, path: string) => {
  expect(schema.safeParse(value).error?.issues[0]?.path).toEqual([path])
})

test('refuses what it does not know', () => {
  expect(sendingQueue.safeParse({ blocking: true }).success).toBe(false)
  expect(retryOnFailure.safeParse({ forever: true }).success).toBe(false)
})
