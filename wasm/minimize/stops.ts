/**
 * Where the detectors have to look: the prefilter of processors/minimize/detect/engine.ts.
 *
 * `nextStop` passes over everything that `scan` of engine.ts would pass over without finding anything, and goes on at the
 * same place. It may stop where that scan would not; it never passes what that scan looks at and finds. A test holds the
 * findings of both equal on random and on adversarial text.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

import { anchorBits, classes, literalRow, literals, loudBits, tokenBits, tokenKeys, tokenKeysMask } from './layout'

const digit: i32 = 1
const upper: i32 = 2
const lower: i32 = 4
const joiner: i32 = 8
const space: i32 = 16
const quote: i32 = 32
const alpha: i32 = upper | lower
const alnum: i32 = digit | alpha
const token: i32 = alnum | joiner

@inline function classAt(at: i32): i32 {
  return <i32>load<u8>(classes + <i32>load<u8>(at))
}
/** The byte at `at`, 0 outside of the value. */
@inline function byte(at: i32, from: i32, to: i32): i32 {
  return at >= from && at < to ? <i32>load<u8>(at) : 0
}
@inline function classIn(at: i32, from: i32, to: i32): i32 {
  return <i32>load<u8>(classes + byte(at, from, to))
}

/** The first place in [start, to) where a detector must look; `to` if there is none. The value is all of [from, to). */
export function nextStop(start: i32, from: i32, to: i32): i32 {
  let i = start
  while (i < to) {
    let seen = classAt(i)
    if ((seen & alnum) != 0) {
      const run = i++
      while (i < to) {
        const kind = classAt(i)
        if ((kind & alnum) == 0) break
        seen |= kind
        i++
      }
      if (mayBeToken(run, to)) return run
      if ((seen & digit) == 0) {
        if (stopsAtLetters(run, i, seen, from, to)) return run
      } else if ((seen & alpha) == 0) {
        if (stopsAtDigits(run, i, from, to)) return run
      } else if (stopsAtMixed(run, i, from, to)) return run
      continue
    }
    const c = <i32>load<u8>(i)
    if (c == 64) return i
    if (c == 58) {
      const next = byte(i + 1, from, to) == 47 && byte(i + 2, from, to) == 47 ? afterAuthority(i, to) : afterColons(i, from, to)
      if (next < 0) return i
      i = next
    } else if (c == 60) {
      if (byte(i + 1, from, to) == 60) return i
      i++
    } else if (c == 45 && byte(i + 1, from, to) == 45) {
      if (isPem(i, to)) return i
      i += 2
      while (i < to && load<u8>(i) == 45) i++
    } else i++
  }
  return to
}

/** Four letters in lower case, packed as in anchors.ts, that begin or end a word to stop at. */
@inline function isMarked(bits: i32, packed: i32): bool {
  const place = <u32>(packed * <i32>0x9e3779b1) >>> 18
  return ((<i32>load<u8>(bits + <i32>(place >>> 3)) >>> <i32>(place & 7)) & 1) != 0
}
@inline function firstOf(start: i32): i32 {
  return bswap<i32>(load<i32>(start)) | 0x20202020
}
@inline function endIsMarked(bits: i32, start: i32, end: i32): bool {
  const length = end - start
  if (length >= 4) return isMarked(bits, firstOf(end - 4))
  // Shorter words are packed without what follows them.
  return length == 3 ? isMarked(bits, firstOf(start) >>> 8) : length == 2 && isMarked(bits, firstOf(start) >>> 16)
}
@inline function isAnchor(start: i32, end: i32): bool {
  return (end - start >= 4 && isMarked(anchorBits, firstOf(start))) || endIsMarked(anchorBits, start, end)
}

/**
 * Whether an anchor in [run, end) is a key with something to bind a value to it, or needs none. As `pair` of pairs.ts: a
 * word that is the whole key, with neither an operator nor a value in quotes behind it, tells nothing unless it is loud.
 * `session ok`, `user logged in` and the like are what logs are full of.
 */
function mayTell(run: i32, end: i32, seen: i32, from: i32, to: i32): bool {
  if (endIsMarked(loudBits, run, end)) return true
  // Capitals inside: several words.
  if ((seen & upper) != 0 && (seen & lower) != 0 && hasHump(run, end)) return true
  const before = byte(run - 1, from, to)
  if (isKeyByte(before)) return true
  // `"x" == session`
  const second = byte(run - 2, from, to)
  if (before == 32 && (second == 61 || second == 33)) return true
  return mayBind(end, from, to)
}
@inline function isKeyByte(c: i32): bool {
  return (<i32>load<u8>(classes + c) & token) != 0 || c == 46
}
function hasHump(run: i32, end: i32): bool {
  for (let i = run + 1; i < end; i++) if ((classAt(i) & upper) != 0) return true
  return false
}

/** Whether what stands at `end`, behind a key, may bind a value to it: `operator` of pairs.ts. */
function mayBind(end: i32, from: i32, to: i32): bool {
  const c = byte(end, from, to)
  // The key goes on: `session.id`, `session-id`.
  if (isKeyByte(c)) return c != 46 || isKeyByte(byte(end + 1, from, to))
  if (c == 9 || c == 92 || c == 40 || c == 91 || c == 93 || isOperator(c)) return true
  if (c != 32) return false
  let at = end + 1
  while (at - end < 8 && (byte(at, from, to) == 32 || byte(at, from, to) == 9)) at++
  const d = byte(at, from, to)
  return isOperator(d) || d == 45 || mayBeCopula(d, byte(at + 1, from, to))
}
/** `=`, `:`, `!`, `>`, `|`, and quotes. */
@inline function isOperator(c: i32): bool {
  return c == 61 || c == 58 || c == 33 || c == 62 || c == 124 || (<i32>load<u8>(classes + c) & quote) != 0
}
/** The first two letters of `is`, `ist`, `est`, `es`, `e`, `to`, `was`, `op`, `jest`. */
@inline function mayBeCopula(c: i32, next: i32): bool {
  if (c == 105) return next == 115
  if (c == 101) return next == 115 || next == 32
  if (c == 116) return next == 111
  if (c == 119) return next == 97
  return (c == 111 && next == 112) || (c == 106 && next == 101)
}

/** Whether a vendor's token or a JWT may begin here: all literal bytes of a format, up to eight, and room for the rest. */
function mayBeToken(at: i32, to: i32): bool {
  const a = <i32>load<u8>(at)
  const b = <i32>load<u8>(at + 1)
  const c = <i32>load<u8>(at + 2)
  const place = ((a << 10) ^ (b << 5) ^ c) & 32767
  if (((<i32>load<u8>(tokenBits + (place >>> 3)) >>> (place & 7)) & 1) == 0) return false
  if (a == 101 && b == 121 && c == 74) return true
  return fitsLiteral(at, to, (a << 16) | (b << 8) | c)
}
function fitsLiteral(at: i32, to: i32, key: i32): bool {
  let bucket = (key * <i32>0x9e3779b1) >>> 20
  let row = tokenKeys + (bucket << 3)
  while (load<i32>(row) != 0 && load<i32>(row) != key + 1) row = tokenKeys + ((++bucket & tokenKeysMask) << 3)
  if (load<i32>(row) == 0) return false
  const first = <i32>load<u16>(row, 4)
  const end = first + <i32>load<u16>(row, 6)
  const bytes = load<u64>(at)
  for (let i = first; i < end; i++) {
    const literal = literals + i * literalRow
    if ((bytes & load<u64>(literal, 8)) == load<u64>(literal) && at + load<i32>(literal, 16) <= to) return true
  }
  return false
}

/** What joins the groups of a code. */
@inline function isCodeJoin(c: i32): bool {
  return c == 32 || c == 45 || c == 46
}

/** Letters: a word to stop at, or the capitals of a code with digits behind them. */
@inline function stopsAtLetters(run: i32, end: i32, seen: i32, from: i32, to: i32): bool {
  if (isAnchor(run, end) && mayTell(run, end, seen, from, to)) return true
  if (end - run == 2 && byte(end, from, to) == 45 && byte(end + 3, from, to) == 45) return true
  if (end - run == 4 && byte(end, from, to) == 46 && byte(end + 5, from, to) == 46) return true
  return (
    (seen & lower) == 0 &&
    end - run < 5 &&
    (classIn(end + 1, from, to) & digit) != 0 &&
    isCodeJoin(byte(end, from, to))
  )
}

/** Whether the groups of a MAC address may begin with a run of two, or of four. */
@inline function mayBeMac(run: i32, end: i32, from: i32, to: i32): bool {
  const length = end - run
  if (length == 2)
    return byte(end, from, to) == 45 && byte(end + 3, from, to) == 45 && byte(end + 6, from, to) == 45
  return length == 4 && byte(end, from, to) == 46 && byte(end + 5, from, to) == 46
}

/** Whether a run begins with the digits of `%40`, which is an `@`. */
@inline function isEncodedAt(run: i32, from: i32): bool {
  return run > from && load<u8>(run - 1) == 37 && load<u8>(run) == 52 && load<u8>(run + 1) == 48
}

/** Digits: many of them, or few that others follow. */
@inline function stopsAtDigits(run: i32, end: i32, from: i32, to: i32): bool {
  const length = end - run
  if (length > 5 || isEncodedAt(run, from)) return true
  const c = byte(end, from, to)
  const after = classIn(end + 1, from, to)
  const second = classIn(end + 2, from, to)
  if (((after | second) & digit) != 0)
    if (isCodeJoin(c) || c == 47 || c == 41 || c == 43) return true
  // `85%2007%2030`
  if (c == 37 && byte(end + 1, from, to) == 50 && byte(end + 2, from, to) == 48) return (classIn(end + 3, from, to) & digit) != 0
  return ((after & upper) != 0 && isCodeJoin(c)) || mayBeMac(run, end, from, to)
}

/** Letters and digits: what no identifier is, as in `lettersAndDigits` of engine.ts and `isHopeless` of mixed.ts. */
function stopsAtMixed(run: i32, end: i32, from: i32, to: i32): bool {
  if (mayBeMac(run, end, from, to)) return true
  const length = end - run
  const first = <i32>load<u8>(run)
  // `jane%40example.com`, and what ends in `8Q~` or is as long as a key of Azure.
  if (first == 52 && load<u8>(run + 1) == 48 && byte(run - 1, from, to) == 37) return true
  if (length == 84 || (byte(end, from, to) == 126 && load<u8>(end - 1) == 81)) return true
  if (length >= 22) {
    if (length == 32 && byte(end, from, to) == 45) return true
    if (first >= 77 && first <= 79) return true
    if (mayBeWallet(run, end, first, length)) return true
  }
  if (length < 5 && !isCodeJoin(byte(end, from, to))) return false
  if (isTime(run, end, from, to)) return false
  if (length > 34) return false
  return !isHopeless(run, end, from, to) || (length == 16 && isTaxCode(run)) || startsWithAnchor(run, end)
}
/** As in wallets.ts: hexadecimal, base58 or bech32. */
function mayBeWallet(run: i32, end: i32, first: i32, length: i32): bool {
  const second = <i32>load<u8>(run + 1)
  if (first == 48) return second == 120 && length == 42
  if ((first | 32) == 98) return (second | 32) == 99 && load<u8>(run + 2) == 49
  if ((first != 49 && first != 51) || length < 26 || length > 35) return false
  for (let i = run; i < end; i++) if (load<u8>(i) == 48) return false
  return true
}
function isTime(run: i32, end: i32, from: i32, to: i32): bool {
  if (end - run == 5 && load<u8>(run + 2) == 84) return true
  if (load<u8>(run) == 48 && load<u8>(run + 1) == 120) return true
  const before = byte(run - 1, from, to)
  return (before == 46 || before == 58) && (classIn(run - 2, from, to) & digit) != 0
}
/** The letters and digits of an Italian tax code, as in `isTaxCode` of mixed.ts. */
function isTaxCode(run: i32): bool {
  return (
    (classAt(run + 5) & classAt(run + 8) & classAt(run + 11) & classAt(run + 15) & lower) != 0 &&
    (classAt(run + 6) & classAt(run + 7) & classAt(run + 9) & classAt(run + 10) & classAt(run + 12) & digit) != 0
  )
}
function isHopeless(run: i32, end: i32, from: i32, to: i32): bool {
  let lowers = 0
  let uppers = 0
  let count = 0
  for (let i = run; i < end; i++) {
    const kind = classAt(i)
    if ((kind & digit) != 0) count++
    else if ((kind & lower) != 0) lowers++
    else uppers++
  }
  if (lowers == 0) return false
  if (uppers > 0) return true
  const mayBeIban =
    (classAt(run) & classAt(run + 1) & lower) != 0 &&
    (classIn(run + 2, from, to) & classIn(run + 3, from, to) & digit) != 0
  return !mayBeIban && (lowers > 4 || count < 5 || count < lowers)
}
function startsWithAnchor(run: i32, end: i32): bool {
  let word = run
  while (word < end && (classAt(word) & alpha) != 0) word++
  return word > run + 2 && isAnchor(run, word)
}

/** `://` at `colon`: -1 where user info may follow, else where to go on. */
function afterAuthority(colon: i32, to: i32): i32 {
  const start = colon + 3
  const last = min(to, start + 1024)
  for (let i = start; i < last; i++) {
    const c = <i32>load<u8>(i)
    if (c == 64) return -1
    if (c == 47 || c == 63 || c == 35 || c == 60 || c == 62 || (classAt(i) & (space | quote)) != 0) break
  }
  return start
}

@inline function isHex(c: i32): bool {
  return (c >= 48 && c <= 57) || ((c | 32) >= 97 && (c | 32) <= 102)
}

/** `:` at `colon`: -1 where an IPv6 or MAC address may be, else where to go on: `colons` of network.ts. */
function afterColons(colon: i32, from: i32, to: i32): i32 {
  const next = byte(colon + 1, from, to)
  if (next == 58) return -1
  if (!isHex(next)) return colon + 1
  let start = colon
  while (start > from && colon - start < 4 && isHex(load<u8>(start - 1))) start--
  if (start == colon) return colon + 1
  const before = start > from ? <i32>load<u8>(start - 1) : 0
  if ((<i32>load<u8>(classes + before) & alnum) != 0) return colon + 1
  if (before == 58 && isGroup(start - 1, from)) return colon + 1
  let groups = 1
  let at = colon
  while (byte(at, from, to) == 58 && groups <= 8) {
    if (byte(at + 1, from, to) == 58) return -1
    let end = at + 1
    while (end < to && end - at <= 4 && isHex(load<u8>(end))) end++
    if (end == at + 1) break
    groups++
    at = end
  }
  // `0:0:0:0:0:ffff:203.0.113.9`
  return groups == 6 || groups == 8 || (groups == 7 && byte(at, from, to) == 46) ? -1 : at
}

/** Whether up to four hexadecimal digits end at `end`, and no name: `db8` in `2001:db8:`, not `ip` in `ip:2001:`. */
function isGroup(end: i32, from: i32): bool {
  let at = end
  while (at > from && end - at < 5 && isHex(load<u8>(at - 1))) at--
  return end > at && end - at < 5 && (at == from || (classAt(at - 1) & alnum) == 0)
}

/** Whether `-----BEGIN ` stands here. */
function isPem(at: i32, to: i32): bool {
  return at + 11 <= to && load<u64>(at) == 0x4745422d2d2d2d2d && load<u16>(at, 8) == 0x4e49 && load<u8>(at, 10) == 32
}
