/** A log and counts that tell nobody: for benches of one part, where a gateway would listen. */
import type { Log } from '../src/contract.ts'
import type { DeliveryCounts } from '../src/pipeline/parcel.ts'

const none = () => {}
export const log: Log = { debug: none, info: none, warn: none, error: none }
export const counts: DeliveryCounts = {
  recovered: none,
  enqueued: none,
  stored: none,
  refused: none,
  deadLettered: none,
  revived: none,
  corrupted: none,
  attempted: none,
}
