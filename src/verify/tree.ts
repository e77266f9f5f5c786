/**
 * Merkle trees as RFC 6962, section 2.1 defines them, word for word. This folder is a verifier: it shares no code with
 * what writes the ledger, so that a mistake there does not hide itself here. node:crypto is all that both use.
 */
import { createHash } from 'node:crypto'

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** MTH({d}) = SHA-256(0x00 ‖ d) */
export const hashLeaf = (leaf: Uint8Array): Buffer => sha256(Uint8Array.of(0), leaf)
/** MTH(D[n]) = SHA-256(0x01 ‖ MTH(D[0:k]) ‖ MTH(D[k:n])) */
const hashNode = (left: Uint8Array, right: Uint8Array): Buffer => sha256(Uint8Array.of(1), left, right)

/** The largest power of two smaller than n. */
function largestPowerBelow(n: number): number {
  let power = 1
  while (power * 2 < n) power *= 2
  return power
}

/** The root that leaf `m` of `n` has with this audit path (2.1.1, read backwards); undefined: the path does not fit. */
export function rootFrom(leaf: Buffer, m: number, n: number, path: readonly Buffer[]): Buffer | undefined {
  if (!Number.isSafeInteger(m) || !Number.isSafeInteger(n) || m < 0 || m >= n) return undefined
  if (n === 1) return path.length === 0 ? leaf : undefined
  const last = path.at(-1)
  if (last === undefined || last.length !== 32) return undefined
  const rest = path.slice(0, -1)
  const k = largestPowerBelow(n)
  if (m < k) {
    const left = rootFrom(leaf, m, k, rest)
    return left && hashNode(left, last)
  }
  const right = rootFrom(leaf, m - k, n - k, rest)
  return right && hashNode(last, right)
}

/** Roots of a log that grows leaf by leaf. */
export class GrowingTree {
  size = 0
  /** Hashes of complete subtrees, from the largest to the smallest: one for each binary digit of `size` that is 1. */
  readonly #subtrees: Buffer[] = []

  add(leaf: Uint8Array): void {
    this.#subtrees.push(hashLeaf(leaf))
    this.size++
    for (let n = this.size; n % 2 === 0; n /= 2) {
      const right = this.#subtrees.pop()!
      const left = this.#subtrees.pop()!
      this.#subtrees.push(hashNode(left, right))
    }
  }

  root(): Buffer {
    if (this.size === 0) return sha256()
    let root = this.#subtrees.at(-1)!
    for (const left of this.#subtrees.slice(0, -1).toReversed()) root = hashNode(left, root)
    return root
  }
}
