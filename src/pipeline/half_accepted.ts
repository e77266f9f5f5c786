/**
 * Remembers requests that only some of their destinations took.
 *
 * Such a request is refused as a whole, and its sender sends the same bytes again. Those destinations that took their
 * copy would get it a second time, under another batch id. So for a while it is known by the digest of the bytes which
 * destinations have which records of it; the second time only the others are asked.
 *
 * A copy counts as there only if the very same records are meant for the same destination in the same forms: should
 * the choice have changed in between (a rule that looks at times), the destination gets it again. Better twice than
 * not at all. Bounded in number and age; without entries nothing is digested.
 */
import { createHash } from 'node:crypto'
import { limits } from '../limits.ts'

/** By target's id, the selection that it has (`OpenPlan.selection`). */
export type Held = ReadonlyMap<string, number>

export class HalfAccepted {
  /** Oldest first. Equal requests that were sent several times have an entry each. */
  readonly #entries = new Map<string, { atNano: bigint; helds: Held[] }>()

  /** The digest to look a request up with; undefined: there is nothing to look up. */
  keyOf(incoming: Sent): string | undefined {
    this.#expire(incoming.receivedMonotonicNano)
    return this.#entries.size === 0 ? undefined : digest(incoming)
  }

  /** Takes one entry out. Whoever takes it puts back what still counts. */
  take(key: string | undefined): Held | undefined {
    const entry = key === undefined ? undefined : this.#entries.get(key)
    const held = entry?.helds.pop()
    if (entry?.helds.length === 0) this.#entries.delete(key!)
    return held
  }

  put(incoming: Sent, key: string | undefined, held: Held): void {
    const digested = key ?? digest(incoming)
    const helds = this.#entries.get(digested)?.helds ?? []
    if (helds.length < limits.halfAcceptedAlikeMax) helds.push(held)
    this.#entries.delete(digested)
    this.#entries.set(digested, { atNano: incoming.receivedMonotonicNano, helds })
    if (this.#entries.size > limits.halfAcceptedMax) this.#entries.delete(this.#entries.keys().next().value!)
  }

  #expire(nowNano: bigint): void {
    for (const [key, { atNano }] of this.#entries) {
      if (nowNano - atNano < BigInt(limits.halfAcceptedMsMax) * 1_000_000n) return
      this.#entries.delete(key)
    }
  }
}

interface Sent {
  readonly body: Buffer
  readonly sender: { readonly tenants?: readonly string[] }
  readonly receivedMonotonicNano: bigint
}

/** Of the bytes, and of whom the sender may speak for. */
function digest({ body, sender }: Sent): string {
  const hash = createHash('sha256').update(JSON.stringify(sender.tenants ?? null))
  return hash.update('\n').update(body).digest('base64')
}
