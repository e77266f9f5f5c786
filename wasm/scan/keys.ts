/**
 * The names of attributes, by number: a key that was met before is compared with bytes that lie at hand, and mostly at
 * once with the key that stood at the same place of the record before. A new one is told to the host.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

import { body, keyBytesMax, keyStore } from '../scan'

/** Adds the key in body[from, to) to the table of names: its id, 0 = not interned, -1 = not UTF-8. */
@external('host', 'intern')
declare function intern(from: i32, to: i32): i32

// The key table: buckets of ids, then a row (offset, length, reserved) per id, then the bytes.
const BUCKETS: i32 = 1 << 16
const KEYS_MAX: i32 = 16384
const EXPECTED: i32 = 256
let keysUsed: i32 = 0

export const keyStoreBytes: i32 = BUCKETS * 4 + (KEYS_MAX + 2) * 12 + EXPECTED * 4 + KEYS_MAX * 128 + 16

@inline function bucketAt(bucket: i32): i32 {
  return keyStore + (bucket << 2)
}
@inline export function keyRow(id: i32): i32 {
  return keyStore + BUCKETS * 4 + id * 12
}
@inline function expectedAt(position: i32): i32 {
  return keyStore + BUCKETS * 4 + (KEYS_MAX + 2) * 12 + (position << 2)
}
@inline function keyBytes(): i32 {
  return keyStore + BUCKETS * 4 + (KEYS_MAX + 2) * 12 + EXPECTED * 4
}

/** Forgets all keys: the host's table was cleared. */
export function forgetKeys(): void {
  memory.fill(keyStore, 0, keyBytes() - keyStore)
  keysUsed = 0
}

@inline function equalKey(id: i32, from: i32, length: i32): bool {
  const row = keyRow(id)
  if (load<i32>(row, 4) != length) return false
  const known = load<i32>(row)
  if (length <= 16) {
    const mask = (1 << length) - 1
    return (i8x16.bitmask(i8x16.eq(v128.load(known), v128.load(from))) & mask) == mask
  }
  for (let i = 0; i + 16 <= length; i += 16) {
    if (!i8x16.all_true(i8x16.eq(v128.load(known + i), v128.load(from + i)))) return false
  }
  return i8x16.all_true(i8x16.eq(v128.load(known + length - 16), v128.load(from + length - 16)))
}

/** The id of a key: mostly the key that stood at this place in the record before. */
export function keyId(from: i32, to: i32, position: i32): i32 {
  const length = to - from
  if (position < 0 || position >= EXPECTED) return lookUp(from, to, length)
  const guess = load<i32>(expectedAt(position))
  if (guess > 0 && equalKey(guess, from, length)) return guess
  const id = lookUp(from, to, length)
  store<i32>(expectedAt(position), id)
  return id
}

function lookUp(from: i32, to: i32, length: i32): i32 {
  if (length > keyBytesMax) return intern(from - body, to - body)
  let hash = length
  for (let i = from; i < to; i++) hash = hash * 31 + <i32>load<u8>(i)
  let bucket = (hash ^ (hash >>> 15)) & (BUCKETS - 1)
  for (;;) {
    const id = load<i32>(bucketAt(bucket))
    if (id == 0) break
    if (equalKey(id, from, length)) return id
    bucket = (bucket + 1) & (BUCKETS - 1)
  }
  const id = intern(from - body, to - body)
  if (id > 0 && id <= KEYS_MAX) {
    const row = keyRow(id)
    store<i32>(row, keyBytes() + keysUsed)
    store<i32>(row, length, 4)
    store<i32>(row, isReserved(from, to) ? 1 : 0, 8)
    memory.copy(keyBytes() + keysUsed, from, length)
    keysUsed += length
    store<i32>(bucketAt(bucket), id)
  }
  return id
}

/** Whether a key begins with `douane.`. */
export function isReserved(from: i32, to: i32): bool {
  return to - from >= 7 && (load<i64>(from) & 0x00ffffffffffffff) == 0x2e656e61756f64
}
