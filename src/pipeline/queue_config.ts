/**
 * The options of delivery that every exporter shares, under the Collector's names: `sending_queue`,
 * `retry_on_failure`, `timeout`. Where the Collector loses records by default (a memory queue, giving up after 300 s),
 * the default here keeps them: the queue is on disk, and a batch is retried for ever.
 */
import { z } from 'zod'
import { limits } from '../limits.ts'
import { byteSize, duration } from '../units.ts'

const queueSize = {
  bytes: 1024 ** 3,
  items: 10_000_000,
  requests: 100_000,
} as const

/** `sending_queue`: what waits for a destination. */
export const sendingQueue = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('false: no queue; a sender gets its answer when the destination has given its own.'),
    num_consumers: z
      .int()
      .min(1)
      .max(limits.consumersMax)
      .default(10)
      .describe('Batches that are being sent at the same time.'),
    sizer: z
      .enum(['bytes', 'items', 'requests'])
      .default('bytes')
      .describe('What queue_size counts: bytes on disk, records (items) or requests.'),
    queue_size: byteSize()
      .optional()
      .describe('The bound of the queue, such as 1GiB. When it is reached, senders are told to wait (429/503).'),
    tenant_share: z
      .number()
      .min(0.01)
      .max(1)
      .default(0.8)
      .describe('How much of the queue a tenant alone may fill; with others in it, less. 1: all. Beyond it: 429.'),
    drop_when_full: z
      .array(
        z.strictObject({
          tenants: z.array(z.string()).min(1).optional().describe('Of these tenants; left out: of all.'),
          purposes: z
            .array(z.string())
            .min(1)
            .optional()
            .describe('That are kept for no other purposes than these; left out: whatever for.'),
        }),
      )
      .default([])
      .describe('Copies that are dropped, and counted, where the queue has no room, so that senders need not wait.'),
    batch: z
      .strictObject({
        flush_timeout: duration()
          .refine((ms) => ms <= limits.batchLingerMsMax, { message: 'must not be longer than 1m' })
          .default(0)
          .describe('How long a small batch waits in the queue for more of its tenant, such as 200ms; 0s: not at all.'),
      })
      .prefault({})
      .describe('How small requests are merged on their way out.'),
    storage: z
      .string()
      .optional()
      .describe("Accepted so that a Collector's configuration loads. The queue is always on disk."),
  })
  .transform((queue) => ({ ...queue, queue_size: queue.queue_size ?? queueSize[queue.sizer] }))
  .refine((queue) => queue.queue_size > 0, { path: ['queue_size'], message: 'must be greater than 0' })

/** `retry_on_failure`: what happens when a destination cannot take a batch now. */
export const retryOnFailure = z
  .strictObject({
    enabled: z.boolean().default(true).describe('false: a batch that fails once becomes a dead letter.'),
    initial_interval: duration().default(5000).describe('The wait after the first failure, such as 5s.'),
    max_interval: duration().default(30_000).describe('The longest wait between two attempts.'),
    multiplier: z.number().min(1).max(100).default(1.5).describe('How much longer each wait is than the one before.'),
    randomization_factor: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe('How far a wait is moved at random: 0.5 = between half and one and a half of it.'),
    max_elapsed_time: duration()
      .default(0)
      .describe('How long one batch is tried before it becomes a dead letter; 0s = for ever.'),
  })
  .refine((retry) => retry.initial_interval <= retry.max_interval, {
    path: ['initial_interval'],
    message: 'must not be longer than max_interval',
  })

/** `timeout`: one attempt. */
export const sendTimeout = duration()
  .refine((ms) => ms >= 1, { message: 'must be at least 1ms' })
  .default(5000)
  .describe('How long one attempt to send a batch may take, such as 5s.')

/** The output of `sendingQueue`; sizes in bytes (or records, or requests, by `sizer`). */
export type QueueConfig = z.output<typeof sendingQueue>
/** Which copies may be dropped where the queue is full; undefined: none. */
export function mayDrop({
  drop_when_full: rules,
}: QueueConfig): ((tenant: string, purposes: readonly string[]) => boolean) | undefined {
  if (rules.length === 0) return undefined
  return (tenant, purposes) =>
    rules.some(
      (rule) =>
        (rule.tenants === undefined || rule.tenants.includes(tenant)) &&
        (rule.purposes === undefined ||
          (purposes.length > 0 && purposes.every((purpose) => rule.purposes!.includes(purpose)))),
    )
}

/** The output of `retryOnFailure`; durations in milliseconds. */
export type RetryConfig = z.output<typeof retryOnFailure>

/** What every exporter's options are extended with. */
export const deliveryOptions = {
  sending_queue: sendingQueue.prefault({}).describe('What waits for the destination, on disk.'),
  retry_on_failure: retryOnFailure.prefault({}).describe('What happens when the destination cannot take a batch now.'),
  timeout: sendTimeout,
}
