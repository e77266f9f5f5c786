/**
 * Merkle trees as in RFC 6962 (section 2): hashes, roots, inclusion and consistency proofs. Pure.
 *
 * A tree over n leaves splits at the largest power of two below n. Every left part is therefore a complete subtree
 * whose hash never changes again: `ReadHash(level, index)` gives the hash over leaves [index·2^level, (index+1)·2^level).
 * Sizes are plain numbers: up to 2^53 leaves.
 */
import { createHash } from 'node:crypto'

export type ReadHash = (level: number, index: number) => Buffer

export const hashBytes = 32
const LEAF = Buffer.from([0])
const NODE = Buffer.from([1])

export function leafHash(leaf: Uint8Array): Buffer {
  return createHash('sha256').update(LEAF).update(leaf).digest()
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(NODE).update(left).update(right).digest()
}

/** The largest power of two below n (n > 1). */
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** The hash over leaves [start, end). `start` is a multiple of a power of two that is no smaller than the part. */
function rangeHash(start: number, end: number, read: ReadHash): Buffer {
  const size = end - start
  const level = Math.round(Math.log2(size))
  if (2 ** level === size) return read(level, start / size)
  const k = split(size)
  return nodeHash(rangeHash(start, start + k, read), rangeHash(start + k, end, read))
}

/** The root of the first `size` leaves. */
export function rootOf(size: number, read: ReadHash): Buffer {
  return size === 0 ? createHash('sha256').digest() : rangeHash(0, size, read)
}

/** RFC 6962, 2.1.1: that leaf `index` is in the tree of `size` leaves. */
export function inclusionProof(index: number, size: number, read: ReadHash): Buffer[] {
  if (!(index >= 0 && index < size)) throw new RangeError(`no leaf ${index} in a tree of ${size}`)
  const path = (start: number, end: number): Buffer[] => {
    if (end - start === 1) return []
    const middle = start + split(end - start)
    if (index < middle) return [...path(start, middle), rangeHash(middle, end, read)]
    return [...path(middle, end), rangeHash(start, middle, read)]
  }
  return path(0, size)
}

/** RFC 6962, 2.1.2: that the tree of `oldSize` leaves is the beginning of the tree of `newSize`. */
export function consistencyProof(oldSize: number, newSize: number, read: ReadHash): Buffer[] {
  if (!(oldSize > 0 && oldSize <= newSize)) throw new RangeError(`no proof from ${oldSize} to ${newSize} leaves`)
  const part = (start: number, end: number, isWhole: boolean): Buffer[] => {
    if (oldSize === end) return isWhole ? [] : [rangeHash(start, end, read)]
    const middle = start + split(end - start)
    if (oldSize <= middle) return [...part(start, middle, isWhole), rangeHash(middle, end, read)]
    return [...part(middle, end, false), rangeHash(start, middle, read)]
  }
  return part(0, newSize, true)
}

/** RFC 9162, 2.1.3.2. */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!(index >= 0 && index < size)) return false
  let [at, last] = [index, size - 1]
  let hash: Buffer = Buffer.from(leaf)
  for (const sibling of proof) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash)
      while (at % 2 === 0 && at !== 0) {
        at = at / 2
        last = Math.floor(last / 2)
      }
    } else hash = nodeHash(hash, sibling)
    at = Math.floor(at / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && hash.equals(root)
}

/** RFC 9162, 2.1.4.2. */
export function verifyConsistency(
  oldSize: number,
  oldRoot: Uint8Array,
  newSize: number,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!(oldSize > 0 && oldSize <= newSize)) return false
  if (oldSize === newSize) return proof.length === 0 && Buffer.from(oldRoot).equals(newRoot)
  const isComplete = 2 ** Math.round(Math.log2(oldSize)) === oldSize
  const path = isComplete ? [oldRoot, ...proof] : [...proof]
  if (path.length === 0) return false
  let [at, last] = [oldSize - 1, newSize - 1]
  while (at % 2 === 1) {
    at = Math.floor(at / 2)
    last = Math.floor(last / 2)
  }
  let old: Buffer = Buffer.from(path[0]!)
  let fresh: Buffer = old
  for (const sibling of path.slice(1)) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      old = nodeHash(sibling, old)
      fresh = nodeHash(sibling, fresh)
      while (at % 2 === 0 && at !== 0) {
        at = at / 2
        last = Math.floor(last / 2)
      }
    } else fresh = nodeHash(fresh, sibling)
    at = Math.floor(at / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && old.equals(oldRoot) && fresh.equals(newRoot)
}
