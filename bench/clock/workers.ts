/**
 * normalize_clock as several workers run it: each delivery meets one of them, by chance, and they tell each other what
 * they saw as often as a gateway's workers do. What a worker is told it knows a moment later, as over a channel.
 */
import type { Processor } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'
import type { LogRecord } from '../../src/otlp/record.ts'
import type { LogsRequest } from '../../src/otlp/request.ts'
import { Chance } from './world.ts'

/** `make`: worker n, or the keeper of what they know together for `undefined`. */
export function severalWorkers(
  count: number,
  seed: number,
  make: (worker: number | undefined) => Processor,
): Processor {
  const chance = new Chance(seed * 31 + count)
  const keeper = make(undefined)
  const workers = Array.from({ length: count }, (_, index) => make(index + 1))
  let current = workers[0]!
  let told = 0n
  let onTheWay: Uint8Array[] = []
  const share = (): void => {
    for (const changes of onTheWay) for (const worker of workers) worker.shared!.follow(changes)
    for (const worker of workers) {
      const seen = worker.shared!.seen()
      if (seen !== undefined) keeper.shared!.learn(seen)
    }
    onTheWay = keeper.shared!.changes(false)
  }
  return {
    begin(request: LogsRequest) {
      const nowMs = request.receivedMonotonicNano / 1_000_000n
      if (nowMs - told >= limits.workerShareMs) {
        told = nowMs
        share()
      }
      current = workers[Math.floor(chance.next() * count)]!
      current.begin!(request)
    },
    record: (record: LogRecord) => current.record!(record),
    end: (request: LogsRequest) => current.end!(request),
  }
}
