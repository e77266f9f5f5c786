/**
 * A source's envelope: the highest level (newest time less receive time) that several batches agree on.
 *
 * A level is the offset less a delay, so the highest one is the one with the least delay. Levels are kept as maxima
 * of 8 buckets of 30 seconds, longer for those who send rarely; maxima of several workers merge in any order.
 *
 * A sender's schedule and its relay's drift past each other, so that for ten minutes on end nothing may come in time:
 * a relayed source that was seen to be fast is remembered for three times as long.
 */
import { MINUTE, SECOND } from './instant.ts'
import { B, B_ROW, BUCKETS, F, F_ROW, Flag, G, G_ROW, I, I_ROW, type Sources, State, U_ROW } from './sources.ts'

const BUCKET = 30 * SECOND
const BUCKET_FAST_RELAYED = 90 * SECOND
const BUCKET_MAX = 10 * MINUTE
const BUCKET_BATCHES_MIN = 4
/** Batches that support a level are at most so much below it; more while a source is young. */
const SUPPORT = 2 * SECOND
const SUPPORT_YOUNG = 10 * SECOND
const YOUNG = 12
/** Further from the receive time than any batch in time. */
const FAR = 30 * SECOND
const ON_TIME_BELOW = 150e6

const scratch = new Float64Array(2 * BUCKETS + 8)

/** Milliseconds modulo 2^32: good for differences up to 49 days. */
export const stamp = (at: number): number => Math.floor(at / 1e6) % 2 ** 32

/** The level that came `back` batches ago, 0 = the last one. */
export function recent(sources: Sources, row: number, back: number): number {
  const n = sources.i32[row * I_ROW + I.Count]! - 1 - back
  return sources.f32[row * G_ROW + G.Recent + (n & 7)]! + sources.f64[row * F_ROW + F.Anchor]!
}
/** Nanoseconds between the batch `back` batches ago and the last one. */
export function recentAge(sources: Sources, row: number, back: number): number {
  const n = sources.i32[row * I_ROW + I.Count]! - 1
  const at = row * U_ROW
  return ((sources.u32[at + (n & 7)]! - sources.u32[at + ((n - back) & 7)]!) >>> 0) * 1e6
}
/** The highest of the last `count` levels. */
export function recentMax(sources: Sources, row: number, count: number): number {
  let max = Number.NEGATIVE_INFINITY
  for (let back = 0; back < count; back++) max = Math.max(max, recent(sources, row, back))
  return max
}

/** Takes a batch's level in. Tells whether a bucket was closed. */
export function takeLevel(sources: Sources, row: number, at: number, level: number): boolean {
  const { f64, f32, i32, u32, u16, u8 } = sources
  const f = row * F_ROW
  const g = row * G_ROW
  const i = row * I_ROW
  const b = row * B_ROW
  if (i32[i + I.Count] === 0) {
    f64[f + F.Anchor] = level
    f64[f + F.BucketStart] = at
  }
  const age = at - f64[f + F.BucketStart]!
  let isDirty = i32[i + I.Count]! < 16
  const isFastRelayed = u8[b + B.State] === State.fast && !sources.flag(row, Flag.Direct)
  const length = isFastRelayed ? BUCKET_FAST_RELAYED : BUCKET
  const isClosed = (age >= length && i32[i + I.BucketCount]! >= BUCKET_BATCHES_MIN) || age > BUCKET_MAX
  if (isClosed) {
    const next = (u8[b + B.Cursor]! + 1) & (BUCKETS - 1)
    u8[b + B.Cursor] = next
    f32[g + G.Top + next] = f32[g + G.Second + next] = Number.NEGATIVE_INFINITY
    f64[f + F.BucketStart] = at
    i32[i + I.WindowCount]! -= u16[row * BUCKETS + next]!
    u16[row * BUCKETS + next] = 0
    i32[i + I.BucketCount] = 0
    if (u8[b + B.Filled]! < BUCKETS) u8[b + B.Filled]!++
    isDirty = true
  }
  const cursor = u8[b + B.Cursor]!
  const relative = level - f64[f + F.Anchor]!
  if (relative > f32[g + G.Top + cursor]!) {
    f32[g + G.Second + cursor] = f32[g + G.Top + cursor]!
    f32[g + G.Top + cursor] = relative
    isDirty = true
  } else if (relative > f32[g + G.Second + cursor]!) {
    f32[g + G.Second + cursor] = relative
    isDirty = true
  }
  const n = i32[i + I.Count]!++
  f32[g + G.Recent + (n & 7)] = relative
  u32[row * U_ROW + (n & 7)] = stamp(at)
  i32[i + I.BucketCount]!++
  i32[i + I.WindowCount]!++
  if (u16[row * BUCKETS + cursor]! < 0xffff) u16[row * BUCKETS + cursor]!++
  else i32[i + I.WindowCount]!--
  if (isDirty) raise(sources, row)
  return isClosed
}

/** Forgets all levels but the last `keep`: the clock was set. */
export function restart(sources: Sources, row: number, at: number, keep: number): void {
  const { f64, f32, i32, u16, u8 } = sources
  const g = row * G_ROW
  const anchor = recent(sources, row, 0)
  const levels = Array.from({ length: keep }, (_, back) => recent(sources, row, back) - anchor).sort((a, b) => b - a)
  for (let back = 0; back < 8; back++) {
    const n = (i32[row * I_ROW + I.Count]! - 1 - back) & 7
    f32[g + G.Recent + n] = back < keep ? recent(sources, row, back) - anchor : Number.NEGATIVE_INFINITY
  }
  f32.fill(Number.NEGATIVE_INFINITY, g + G.Top, g + G.Recent)
  f64[row * F_ROW + F.Anchor] = anchor
  f64[row * F_ROW + F.BucketStart] = at
  f32[g + G.Top] = levels[0]!
  f32[g + G.Second] = levels[1] ?? Number.NEGATIVE_INFINITY
  f32[g + G.Drift] = Number.NaN
  f64[row * F_ROW + F.DriftAt] = 0
  u16.fill(0, row * BUCKETS, (row + 1) * BUCKETS)
  u16[row * BUCKETS] = keep
  u8[row * B_ROW + B.Cursor] = 0
  u8[row * B_ROW + B.Filled] = 1
  i32[row * I_ROW + I.BucketCount] = keep
  i32[row * I_ROW + I.WindowCount] = keep
  raise(sources, row)
}

/** Finds the envelope anew: the highest level with three batches within `SUPPORT` below it. */
function raise(sources: Sources, row: number): void {
  const { f64, f32, i32, u8 } = sources
  const g = row * G_ROW
  const count = i32[row * I_ROW + I.Count]!
  const filled = u8[row * B_ROW + B.Filled]!
  const known = Math.min(8, i32[row * I_ROW + I.WindowCount]!, count)
  let length = 0
  // Each level once: while the first bucket fills, the last 8 levels hold all that its two maxima hold.
  if (filled > 1 || known < i32[row * I_ROW + I.WindowCount]!) {
    for (let bucket = 0; bucket < filled; bucket++) {
      for (const at of [g + G.Top + bucket, g + G.Second + bucket]) if (f32[at]! > -1e300) scratch[length++] = f32[at]!
    }
  } else for (let k = 0; k < known; k++) scratch[length++] = f32[g + G.Recent + ((count - 1 - k) & 7)]!
  const sorted = scratch.subarray(0, length).sort()
  const gap = i32[row * I_ROW + I.WindowCount]! < YOUNG ? SUPPORT_YOUNG : SUPPORT
  let at = length - 1
  const isOnTime = u8[row * B_ROW + B.State] !== State.fast && isMostlyOnTime(sources, row, known)
  const anchor = f64[row * F_ROW + F.Anchor]!
  while (at >= 0 && !(isSupported(sources, row, sorted, at, gap, known) && !(isOnTime && sorted[at]! + anchor > FAR)))
    at--
  f64[row * F_ROW + F.Envelope] = sorted[at >= 0 ? at : length - 1]! + anchor
  sources.setFlag(row, Flag.Supported, at >= 0)
}

/** Half of the last batches came when they should: what others are far ahead by is an application's, not a clock's. */
function isMostlyOnTime(sources: Sources, row: number, known: number): boolean {
  let onTime = 0
  for (let back = 0; back < known; back++) {
    const level = recent(sources, row, back)
    if (level > -FAR && level < ON_TIME_BELOW) onTime++
  }
  return known >= 3 && 2 * onTime >= known
}

function isSupported(
  sources: Sources,
  row: number,
  sorted: Float64Array,
  at: number,
  gap: number,
  known: number,
): boolean {
  const level = sorted[at]!
  if (at >= 2 && sorted[at - 2]! >= level - gap) return true
  const count = sources.i32[row * I_ROW + I.Count]!
  let near = 0
  for (let k = 0; k < known; k++) {
    const other = sources.f32[row * G_ROW + G.Recent + ((count - 1 - k) & 7)]!
    if (other <= level && other >= level - gap) near++
  }
  return near >= 3
}

/** Whether the maxima of at least `buckets` buckets are all within `tolerance` below the envelope: the lag is flat. */
export function isFlat(sources: Sources, row: number, buckets: number, tolerance: number): boolean {
  const { f64, f32, u8, i32 } = sources
  const filled = u8[row * B_ROW + B.Filled]!
  if (filled < buckets) return false
  const low = f64[row * F_ROW + F.Envelope]! - f64[row * F_ROW + F.Anchor]! - tolerance
  const isYoung = i32[row * I_ROW + I.BucketCount]! < BUCKET_BATCHES_MIN
  for (let bucket = 0; bucket < filled; bucket++) {
    if (f32[row * G_ROW + G.Top + bucket]! >= low) continue
    if (bucket !== u8[row * B_ROW + B.Cursor] || !isYoung) return false
  }
  return true
}

/** How far the maxima of the newest two buckets are below the envelope: what drift and slews have done since. */
export function sag(sources: Sources, row: number): number {
  const { f64, f32, u8 } = sources
  const filled = u8[row * B_ROW + B.Filled]!
  if (filled < 3) return 0
  const cursor = u8[row * B_ROW + B.Cursor]!
  const g = row * G_ROW + G.Top
  const newest = Math.max(f32[g + cursor]!, f32[g + ((cursor - 1) & 7)]!)
  return Math.max(0, f64[row * F_ROW + F.Envelope]! - f64[row * F_ROW + F.Anchor]! - newest)
}
