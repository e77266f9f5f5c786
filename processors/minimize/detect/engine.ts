/**
 * The scan: one pass over the bytes of a value, which stops only where something may begin.
 *
 * A value is a row of runs of letters and digits with punctuation between them. A run is passed at the cost of a few
 * loads unless it consists of digits, mixes digits and letters, begins like a vendor's token, or is a word that may tell
 * (anchors.ts). Of the punctuation only `@`, `:`, `<` and `-----` matter. Everything else is the verifiers' work, and they
 * look at a bounded number of bytes each: the whole is linear in the value's length.
 */
import { isAnchor } from './anchors.ts'
import { alnum, alpha, classes, digit, high, lower, lowered, space, upper } from './ascii.ts'
import { digits } from './digits.ts'
import { forward } from './forward.ts'
import { mixed } from './mixed.ts'
import { authority, colons, dashedMac, dottedMac, mail, plainMac } from './network.ts'
import { pair } from './pairs.ts'
import type { Scan } from './state.ts'
import {
  azureClientSecret,
  azureKey,
  azureKeyLength,
  discordToken,
  jsonWebToken,
  machineReadable,
  mailchimpKey,
  pem,
  puttyKey,
  telegramToken,
} from './structured_secrets.ts'
import { mayBeToken, vendorToken } from './vendor_tokens.ts'
import { wallet } from './wallets.ts'

/** Scans bytes[from, to). False at the first byte >= 0x80: the text must be projected, and scanned again. */
export function scan(s: Scan): boolean {
  const b = s.bytes
  const to = s.to
  let i = s.from
  while (i < to) {
    let seen = classes[b[i]!]!
    if (seen & alnum) {
      const start = i++
      while (i < to) {
        const kind = classes[b[i]!]!
        if ((kind & alnum) === 0) break
        seen |= kind
        i++
      }
      if ((seen & digit) === 0 ? mayBegin(b, start, i, seen) : seen !== digit || mayBeNumber(b, start, i))
        i = run(s, start, i, seen)
    } else if (seen === space) i++
    else if (seen === high) return false
    else i = mark(s, i)
  }
  return true
}

/** Tells where to look next in a value, at or after `at`; `s.to` = nowhere. */
export interface Stops {
  nextStop(at: number, s: Scan): number
}

/**
 * The same over ASCII, where a prefilter tells the places: `first`, and what comes next. It may stop too often, never too
 * seldom (wasm/minimize/stops.ts).
 */
export function scanStops(s: Scan, first: number, stops: Stops): void {
  const b = s.bytes
  for (let at = first; at < s.to; ) {
    let seen = classes[b[at]!]!
    if (seen & alnum) {
      let end = at + 1
      for (; end < s.to && (classes[b[end]!]! & alnum) !== 0; end++) seen |= classes[b[end]!]!
      at = run(s, at, end, seen)
    } else at = mark(s, at)
    if (at < s.to) at = stops.nextStop(at, s)
  }
}

/** Punctuation at `at`. Returns where to go on. */
function mark(s: Scan, at: number): number {
  const c = s.bytes[at]!
  if (c === 64) return mail(s, at)
  if (c === 58) return colon(s, at)
  if (c === 60 && s.byte(at + 1) === 60) return machineReadable(s, at)
  return c === 45 && s.byte(at + 1) === 45 ? dashes(s, at) : at + 1
}

/** Whether letters are a word to stop at, the start of a token, or of a code in capitals (`AB 12 34 56 C`). */
function mayBegin(b: Uint8Array, start: number, end: number, seen: number): boolean {
  if (isAnchor(b, start, end) || mayBeToken(b, start)) return true
  // `BA-CF-5A-A6-E2-90`
  if (end - start === 2 && b[end] === 45 && b[end + 3] === 45) return true
  // `badd.15f8.ffe9`
  if (end - start === 4 && b[end] === 46 && b[end + 5] === 46) return true
  return (seen & lower) === 0 && end - start < 5 && end + 1 < b.length && (classes[b[end + 1]!]! & digit) !== 0
}

/** Whether digits are more than one small number with a space behind it: what logs are full of. */
function mayBeNumber(b: Uint8Array, start: number, end: number): boolean {
  // `%40` is an `@`.
  if (end - start > 5 || (b[start] === 52 && b[start + 1] === 48 && b[start - 1] === 37)) return true
  const next = end < b.length ? b[end]! : 0
  if (next === 58 || next === 45 || next === 37 || (next === 46 && b[end + 5] === 46)) return true
  if (end + 2 >= b.length) return end - start > 3
  return ((classes[b[end + 1]!]! | classes[b[end + 2]!]!) & (digit | upper)) !== 0 || mayBeToken(b, start)
}

const colon = (s: Scan, at: number): number =>
  s.byte(at + 1) === 47 && s.byte(at + 2) === 47 ? authority(s, at) : colons(s, at)

/** Two dashes or more: a PEM block, or nothing. */
function dashes(s: Scan, at: number): number {
  if (s.byte(at + 4) === 45) {
    const next = pem(s, at)
    if (next > 0) return next
  }
  let end = at + 2
  while (end < s.to && s.bytes[end] === 45) end++
  return end
}

/** A run of letters and digits lies in [start, end). Returns where to go on. */
function run(s: Scan, start: number, end: number, seen: number): number {
  const b = s.bytes
  const length = end - start
  if (mayBeToken(b, start)) {
    const next = prefixed(s, start, end)
    if (next > 0) return next
  }
  if (b[start] === 52 && b[start + 1] === 48 && s.byte(start - 1) === 37) {
    // `jane%40example.com`
    const next = mail(s, start - 1, 3)
    if (next > end) return next
  }
  if (length === 2 && b[end] === 45) {
    const next = s.byte(end + 3) === 45 && s.byte(end + 6) === 45 ? dashedMac(s, start) : 0
    if (next > 0) return next
  } else if (length === 4 && b[end] === 46 && s.byte(end + 5) === 46) {
    const next = dottedMac(s, start)
    if (next > 0) return next
  }
  if ((seen & digit) === 0) return letters(s, start, end, seen)
  if ((seen & alpha) !== 0) return lettersAndDigits(s, start, end)
  return onlyDigits(s, start, end)
}

function prefixed(s: Scan, start: number, end: number): number {
  const b = s.bytes
  if (b[start] === 101 && b[start + 1] === 121 && b[start + 2] === 74) {
    const next = jsonWebToken(s, start)
    if (next > 0) return next
  }
  if (b[start] === 80 && b[start + 1] === 117 && b[start + 2] === 84) return puttyKey(s, start)
  return Math.max(vendorToken(s, start), end - start >= 25 ? wallet(s, start, end) : 0)
}

function letters(s: Scan, start: number, end: number, seen: number): number {
  // "AB 12 34 56 C", "X-1234567-L", "BE 0123.456.789"
  if (end - start < 5 && (seen & lower) === 0 && classes[s.byte(end + 1)]! & digit) {
    const next = isCodeJoin(s.bytes[end]!) ? mixed(s, start, end) : end
    if (next > end) return next
  }
  if (!isAnchor(s.bytes, start, end)) return end
  const next = pair(s, start, end)
  return next > end ? next : Math.max(end, forward(s, start, end))
}
const isCodeJoin = (c: number): boolean => c === 32 || c === 45 || c === 46 || c === 37

function lettersAndDigits(s: Scan, start: number, end: number): number {
  const b = s.bytes
  const length = end - start
  if (b[end] === 126 && b[end - 1] === 81) {
    const next = azureClientSecret(s, end)
    if (next > 0) return next
  }
  if (length >= 22) {
    const first = b[start]!
    if (length === azureKeyLength && azureKey(s, start)) return end
    if (length === 32 && b[end] === 45) {
      const next = mailchimpKey(s, start, end)
      if (next > 0) return next
    }
    if (first >= 77 && first <= 79) {
      const next = discordToken(s, start)
      if (next > 0) return next
    }
    const next = wallet(s, start, end)
    if (next > 0) return next
  }
  if (length < 5 && !isCodeJoin(s.byte(end))) return end
  // `%2B32470123456`: a plus, and digits.
  if (
    b[start - 1] === 37 &&
    b[start] === 50 &&
    lowered[b[start + 1]!] === 98 &&
    length < 20 &&
    isDigits(b, start + 2, end)
  )
    return Math.max(end, digits(s, start + 2, end))
  if (isTime(s, start, end)) return end
  if (length === 12 && plainMac(s, start, end)) return end
  // A telling word may end in digits, or begin a key: `pass2=`, `key1`.
  if (length > 34) return end
  const next = mixed(s, start, end)
  if (next > end) return next
  const word = wordBefore(b, start, end)
  return word > start + 2 && isAnchor(b, start, word) ? Math.max(end, pair(s, start, word)) : end
}
/** `16T01`, `.634123Z`, `0x1f`: parts of times and numbers. */
function isTime(s: Scan, start: number, end: number): boolean {
  const b = s.bytes
  if (end - start === 5 && b[start + 2] === 84) return true
  if (b[start] === 48 && b[start + 1] === 120) return true
  const before = s.byte(start - 1)
  return (before === 46 || before === 58) && (classes[s.byte(start - 2)]! & digit) !== 0
}
function isDigits(b: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((classes[b[i]!]! & digit) === 0) return false
  return start < end
}
function wordBefore(b: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && classes[b[at]!]! & alpha) at++
  return at
}

function onlyDigits(s: Scan, start: number, end: number): number {
  const b = s.bytes
  if (b[end] === 58) {
    const next = telegramToken(s, start, end)
    if (next > 0) return next
  }
  // One number of few digits, with no digit behind its separator: what logs are full of.
  if (end - start < 6) {
    const after = classes[s.byte(end + 1)]!
    const second = classes[s.byte(end + 2)]!
    if ((after & digit) === 0 && (second & digit) === 0 && !((after & upper) !== 0 && isCodeJoin(s.byte(end))))
      return end
  }
  const next = digits(s, start, end)
  if (s.hits.count > 0 && s.hits.end[s.hits.count - 1]! > start) return next
  const total = next - start
  if (total < 5 || total > 40) return next
  // A letter behind the digits: "12345678-Z", "131052-308T"; or a word before them that names a document.
  const c = s.byte(next)
  const hasTail = (isCodeJoin(c) || c === 43) && classes[s.byte(next + 1)]! & alnum
  if (!hasTail && s.look(start).isSilent) return next
  return Math.max(next, mixed(s, start, end))
}
