/**
 * How much of a destination's queue each tenant takes, and which lane its requests go to.
 *
 * All tenants write into one lane, so that one write serves them all. A tenant that has piled up more than
 * `commonLaneBytesMax` in it goes on in a lane that it shares with few: then the others need not wait behind it. It stays
 * there until that is empty, so that its records keep their order.
 */
import { hash } from 'node:crypto'
import { limits } from '../../limits.ts'

/** Lane 0 is everybody's. */
export const commonSlot = 0

interface Owned {
  bytes: number
  /** Of these, in a lane of the busy. */
  busyBytes: number
}

export class Owners {
  readonly #owned = new Map<string, Owned>()

  /** The name to count a tenant under: beyond so many at once they are nobody together. */
  nameFor(tenant: string): string {
    return this.#owned.has(tenant) || this.#owned.size < limits.queueOwnersMax ? tenant : ''
  }

  add(owner: string, slot: number, bytes: number): void {
    const owned = this.#owned.get(owner) ?? { bytes: 0, busyBytes: 0 }
    owned.bytes += bytes
    if (slot !== commonSlot) owned.busyBytes += bytes
    if (owned.bytes > 0) this.#owned.set(owner, owned)
    else this.#owned.delete(owner)
  }

  bytesOf(owner: string): number {
    return this.#owned.get(owner)?.bytes ?? 0
  }

  /** Whether the owner's requests already go to its lane of the busy, or should from now on. */
  isBusy(owner: string): 'already' | 'now' | undefined {
    const owned = this.#owned.get(owner)
    if (owned === undefined) return undefined
    if (owned.busyBytes > 0) return 'already'
    return owned.bytes > limits.commonLaneBytesMax ? 'now' : undefined
  }
}

/** The lane of a busy tenant: the same on every start and for every destination. */
export const busySlotOf = (owner: string): number =>
  1 + (Number.parseInt(hash('sha256', owner, 'hex').slice(0, 8), 16) % limits.busyLanes)
