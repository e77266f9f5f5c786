/** What every verifier of a scan shares: the bytes of one value, where it begins and ends, what was found so far. */
import { lookBehind } from './after.ts'
import { Context } from './context.ts'
import { Hits } from './hits.ts'

export class Scan {
  /** Tells this scan from those before it. */
  number = 0
  bytes: Uint8Array = new Uint8Array(0)
  from = 0
  to = 0
  readonly hits = new Hits()
  readonly context = new Context()
  /** Whether the attribute's key names a topic. */
  isKeyed = false
  /** Whether URLs are reported too (they are no personal data as such). */
  withUrls = false

  byte(at: number): number {
    return at >= this.from && at < this.to ? this.bytes[at]! : 0
  }
  /** Reads the words before `at`, and counts the work. */
  look(at: number): Context {
    this.hits.steps += this.context.look(this.bytes, this.from, at)
    return this.context
  }
  /** The same, with the words behind a candidate that ends at `end`. */
  lookAround(at: number, end: number): Context {
    this.look(at)
    lookBehind(this, end)
    return this.context
  }
}
