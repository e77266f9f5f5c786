/**
 * What minimize does to most fields of most records, over the tables and the body of a scanned request: in one pass over
 * a run of slots it leaves alone what holds nothing to find, writes the hash or the /24 where a key asks for it, and makes a
 * list of what is left for TypeScript. processors/minimize/fast/ is the other side.
 *
 * It never decides that a value is clean unless the detectors would: see stops.ts. Whatever is out of the ordinary, by
 * its kind, size, bytes or key, goes on the list.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

import {
  cache,
  cacheRow,
  digest,
  hashPrefix,
  jobRow,
  jobs,
  keyClasses,
  keyClassesMax,
  labelRow,
  labels,
  roleClasses,
  wideDigests,
  work,
  workMax,
  workRow,
} from './layout'
import { hmac, writeHex } from './sha256'
import { hmacs, setLane, wideTextMax } from './sha256_wide'
import { nextStop } from './stops'

export {
  anchorBits,
  block,
  cache,
  cacheRow,
  classes,
  digest,
  guest,
  hashPrefix,
  hashPrefixMax,
  innerState,
  keyClasses,
  keyClassesMax,
  labelRow,
  labels,
  labelsMax,
  literalRow,
  literals,
  literalsMax,
  loudBits,
  outerState,
  roleClasses,
  roundConstants,
  tokenBits,
  tokenKeys,
  tokenKeysMask,
  work,
  workMax,
} from './layout'
export { nextStop } from './stops'

// Set by the host.
/** Where body, slots and arena begin, and where the arena ends. */
export let body: i32 = 0
export let slots: i32 = 0
export let arena: i32 = 0
export let arenaEnd: i32 = 0
/** The longest value that is looked at here. */
export let valueBytesMax: i32 = 0
/** Length of `hmac:<key id>:`; 0 = no key at hand. Its number; rows of the cache less one, -1 = no cache. */
export let prefixLength: i32 = 0
export let keyNumber: i32 = 0
export let cacheMask: i32 = -1

// Read by the host.
/** Where the arena's free room begins, after a call of `prepare`. */
export let arenaAt: i32 = 0

// Classes of keys: what their verdict asks for. `fast/key_classes.ts` gives them out.
const UNKNOWN: u32 = 0
const NOTHING: u32 = 1
const SCAN: u32 = 2
const SCAN_WITH_TOPICS: u32 = 3
const HASH: u32 = 4
const NETWORK: u32 = 5
const SCAN_ENCODED: u32 = 6
/** From here on: masked by the label of that number, less this one. */
const MASK: u32 = 16

// What the list says.
const LOOK: i32 = 0
const STOP: i32 = 1
const WRITTEN: i32 = 2

const SLOT: i32 = 44

let count: i32 = 0

/** Goes over slots [first, end), at most `workMax` of them. Returns how many rows the list has. */
export function prepare(first: i32, end: i32): i32 {
  count = 0
  for (let slot = first; slot < end; slot++) {
    const row = slots + slot * SLOT
    const id = load<i32>(row, 16)
    if (id < 0) {
      visit(slot, row, load<u8>(roleClasses - id))
      continue
    }
    visit(slot, row, id == 0 || id >= keyClassesMax ? UNKNOWN : load<u8>(keyClasses + id))
  }
  finishJobs()
  return count
}

@inline function put(slot: i32, what: i32, from: i32, to: i32, valueFrom: i32): void {
  const row = work + count * workRow
  store<i32>(row, slot)
  store<i32>(row, what, 4)
  store<i32>(row, from, 8)
  store<i32>(row, to, 12)
  store<i32>(row, valueFrom, 16)
  count++
}

@inline function visit(slot: i32, row: i32, keyClass: u32): void {
  if (load<i32>(row, 32) == -1 && keyClass != UNKNOWN) {
    const kind = load<i32>(row, 20)
    // Empty, and yes or no: nothing to find.
    if (kind == 0 || kind == 2 || (keyClass == NOTHING && kind <= 4)) return
    const from = body + load<i32>(row, 24)
    const to = body + load<i32>(row, 28)
    const length = to - from
    if (kind == 1) {
      if (keyClass <= SCAN_WITH_TOPICS || keyClass == SCAN_ENCODED) {
        if (length < 3) return
        if (length <= valueBytesMax && !isOdd(from, to) && !(keyClass == SCAN_ENCODED && has(37, from, to))) {
          const stop = nextStop(from, from, to)
          if (stop < to) put(slot, STOP, stop - body, 0, 0)
          return
        }
      } else if (length == 0 || (length == 1 && load<u8>(from) == 45)) return
      else if (keyClass == HASH) {
        if (hashed(slot, row, from, to)) return
      } else if (keyClass == NETWORK) {
        if (coarser(slot, row, from, to)) return
      } else if (keyClass >= MASK && masked(slot, row, from, to, keyClass - MASK)) return
    } else if (kind == 3 && (keyClass <= SCAN_WITH_TOPICS || keyClass == SCAN_ENCODED)) {
      // As in `#int` of index.ts: cards and national numbers have four bytes or more as a varint; negative ones have ten.
      if (length == 10 || length <= (keyClass == SCAN ? 5 : 2)) return
    } else if (kind == 4 && (keyClass <= SCAN_WITH_TOPICS || keyClass == SCAN_ENCODED)) return
  }
  put(slot, LOOK, 0, 0, 0)
}

/** Whether a value has bytes that are not ASCII, or may be JSON. */
@inline function isOdd(from: i32, to: i32): bool {
  let all = v128.splat<u8>(0)
  let i = from
  for (; i + 16 <= to; i += 16) all = v128.or(all, v128.load(i))
  const rest = (1 << (to - i)) - 1
  if (i8x16.bitmask(all) != 0 || (i8x16.bitmask(v128.load(i)) & rest) != 0) return true
  const first = load<u8>(from)
  return first == 123 || first == 91
}
function has(wanted: u32, from: i32, to: i32): bool {
  for (let i = from; i < to; i++) if (<u32>load<u8>(i) == wanted) return true
  return false
}

/** Writes the field with its hash as the value. False: left to the host. */
function hashed(slot: i32, row: i32, from: i32, to: i32): bool {
  if (prefixLength == 0 || mayBeDone(from, to)) return false
  const at = open(row, prefixLength + 64)
  if (at == 0) return false
  copy(at, hashPrefix, prefixLength)
  writeHash(from, to, at + prefixLength)
  close(slot, at, prefixLength + 64)
  return true
}

/** Whether the value may have been hashed or sealed before: `hmac:…`, `cose:…`. */
@inline function mayBeDone(from: i32, to: i32): bool {
  return to - from >= 5 && load<u8>(from + 4) == 58
}

/** Writes the field with a label as the value. False: left to the host. */
function masked(slot: i32, row: i32, from: i32, to: i32, label: u32): bool {
  if (mayBeDone(from, to)) return false
  const text = labels + <i32>label * labelRow
  const length = <i32>load<u8>(text)
  const at = open(row, length)
  if (at == 0) return false
  copy(at, text + 1, length)
  close(slot, at, length)
  return true
}

/** Writes the HMAC of memory[from, to) as 64 digits to `out`: from the cache, or later with others. */
function writeHash(from: i32, to: i32, out: i32): void {
  const length = to - from
  if (length > wideTextMax) {
    hmac(from, to)
    writeHex(digest, out)
    return
  }
  let row = 0
  if (cacheMask >= 0) {
    const place = placeOf(from, to)
    row = cache + place * cacheRow
    const other = cache + (place ^ 1) * cacheRow
    const known = holds(row, from, length) ? row : holds(other, from, length) ? other : 0
    if (known != 0) {
      writeHex(known + 64, out)
      return
    }
    // Two rows may hold it; a new one takes them in turn.
    turn ^= 1
    if (turn != 0) row = other
  }
  const job = jobs + jobCount * jobRow
  store<i32>(job, from)
  store<i32>(job, length, 4)
  store<i32>(job, out, 8)
  store<i32>(job, row, 12)
  setLane(jobCount, from, length)
  if (++jobCount == 4) finishJobs()
}

/** Carries out the jobs, four or fewer, and keeps what they found. */
function finishJobs(): void {
  if (jobCount == 0) return
  hmacs()
  for (let i = 0; i < jobCount; i++) {
    const job = jobs + i * jobRow
    const found = wideDigests + (i << 5)
    writeHex(found, load<i32>(job, 8))
    const row = load<i32>(job, 12)
    if (row == 0) continue
    const length = load<i32>(job, 4)
    store<i32>(row, keyNumber)
    store<u8>(row, length, 4)
    copy(row + 5, load<i32>(job), length)
    copy(row + 64, found, 32)
  }
  jobCount = 0
}

function placeOf(from: i32, to: i32): i32 {
  let mixed: u64 = <u64>keyNumber
  for (let i = from; i < to; i += 8) {
    const left = to - i
    const part = left >= 8 ? load<u64>(i) : load<u64>(i) & ((<u64>1 << (left << 3)) - 1)
    mixed = (mixed ^ part) * 0x9e3779b97f4a7c15
    mixed ^= mixed >> 29
  }
  return <i32>(mixed >> 24) & cacheMask
}
let jobCount: i32 = 0
let turn: i32 = 0

@inline function holds(row: i32, from: i32, length: i32): bool {
  return load<i32>(row) == keyNumber && load<u8>(row, 4) == length && isSame(row + 5, from, length)
}
function isSame(a: i32, b: i32, length: i32): bool {
  let i = 0
  for (; i + 8 <= length; i += 8) if (load<u64>(a + i) != load<u64>(b + i)) return false
  if (i == length) return true
  return ((load<u64>(a + i) ^ load<u64>(b + i)) & ((<u64>1 << ((length - i) << 3)) - 1)) == 0
}

/** Writes the field with the /24 of an IPv4 address as the value. False: it is none, and left to the host. */
function coarser(slot: i32, row: i32, from: i32, to: i32): bool {
  let dots = 0
  let octet = -1
  let last = 0
  for (let i = from; i < to; i++) {
    const c = <i32>load<u8>(i)
    if (c == 46) {
      if (octet < 0) return false
      dots++
      octet = -1
      last = i
    } else if (c < 48 || c > 57 || octet == 0) return false
    else {
      octet = (octet < 0 ? 0 : octet * 10) + c - 48
      if (octet > 255) return false
    }
  }
  if (dots != 3 || octet < 0) return false
  const kept = last + 1 - from
  const at = open(row, kept + 4)
  if (at == 0) return false
  copy(at, from, kept)
  // "0/24"
  store<i32>(at + kept, 0x34322f30)
  close(slot, at, kept + 4)
  return true
}

/** Sixteen bytes at a time: what lies up to fifteen bytes behind the target is written over. */
@inline function copy(to: i32, from: i32, length: i32): void {
  for (let i = 0; i < length; i += 16) v128.store(to + i, v128.load(from + i))
}

@inline function varintLength(value: i32): i32 {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4
}
@inline function writeVarint(at: i32, value: i32): i32 {
  let rest = value
  while (rest >= 0x80) {
    store<u8>(at++, (rest & 0x7f) | 0x80)
    rest >>= 7
  }
  store<u8>(at, rest)
  return at + 1
}

let opened: i32 = 0

/** Writes the slot's attribute up to the text of `length` bytes. Returns where the text goes; 0 = no room. */
function open(row: i32, length: i32): i32 {
  const keyFrom = body + load<i32>(row, 8)
  const keyLength = body + load<i32>(row, 12) - keyFrom
  const message = 1 + varintLength(length) + length
  const content = 1 + varintLength(keyLength) + keyLength + 1 + varintLength(message) + message
  if (arenaAt + content + 24 > arenaEnd) return 0
  opened = arenaAt
  store<u8>(arenaAt, load<i32>(row, 40))
  let next = writeVarint(arenaAt + 1, content)
  store<u8>(next, 0x0a)
  next = writeVarint(next + 1, keyLength)
  copy(next, keyFrom, keyLength)
  next += keyLength
  store<u8>(next, 0x12)
  next = writeVarint(next + 1, message)
  store<u8>(next, 0x0a)
  return writeVarint(next + 1, length)
}
function close(slot: i32, at: i32, length: i32): void {
  arenaAt = at + length
  put(slot, WRITTEN, opened - arena, arenaAt - arena, at - arena)
}
