/**
 * Addresses: e-mail (RFC 5321 lengths), user info in URLs (RFC 3986), IPv6 (RFC 4291) and MAC addresses.
 * IPv4 is in digits.ts. Each loop runs over byte classes and stops after the longest legal length.
 */
import { alnum, alpha, classes, digit, joiner, lowered, quote, space } from './ascii.ts'
import { isTemplate } from './placeholder.ts'
import { looksRandom } from './random.ts'
import { detector } from './registry.ts'
import type { Scan } from './state.ts'
import { topicIds } from './topics.ts'

const email = detector('email')
const ip = detector('ip')
const mac = detector('mac')
const url = detector('url')
const urlCredentials = detector('url_credentials', 'secret')
const connectionString = detector('connection_string', 'secret')

/** Characters of a local part that occur in practice. */
const local = new Uint8Array(256)
for (let c = 0; c < 256; c++) if (classes[c]! & (alnum | joiner)) local[c] = 1
for (const c of ".%+&~!#$*'") local[c.charCodeAt(0)] = 1
const hexadecimal = new Uint8Array(256)
for (const c of '0123456789abcdefABCDEF') hexadecimal[c.charCodeAt(0)] = 1

/** Last labels that are file names and systemd units, not domains. */
const noDomains = new Set(
  'service socket target timer mount slice scope swap path automount device js ts css png jpg jpeg gif svg webp map json yaml yml html txt log conf gz tgz zip jar lock local localdomain internal lan intranet invalid so dll exe cpp hpp rs go rb php class'.split(
    ' ',
  ),
)

/** An e-mail address around the `@` at `at`, or around `%40` (`width` 3). Returns where to go on. */
export function mail(s: Scan, at: number, width = 1): number {
  const b = s.bytes
  let start = at
  const first = Math.max(s.from, at - 64)
  while (start > first && local[b[start - 1]!]) start--
  s.hits.steps += at - start
  while (start < at && (classes[b[start]!]! & alnum) === 0) start++
  if (b[at - 1] === 34 && start === at) start = quotedLocal(s, at)
  if (start === at || b[at - 1] === 46) return at + 1
  let end = at + width
  let label = end
  let dots = 0
  const last = Math.min(s.to, at + 254)
  for (; end < last; end++) {
    const c = b[end]!
    if (classes[c]! & alnum || c === 45) continue
    if (c !== 46 || end === label || end + 1 >= s.to || (classes[b[end + 1]!]! & alnum) === 0) break
    dots++
    label = end + 1
  }
  s.hits.steps += end - at
  while (end > label && b[end - 1] === 45) end--
  if (s.byte(end) === 64 || s.byte(start - 1) === 64) return at + 1
  // `git@github.com:acme/x.git` names a repository.
  if (at - start === 3 && s.byte(end) === 58 && b[start] === 103 && b[start + 1] === 105 && b[start + 2] === 116)
    return end
  if (dots === 0 || end - label < 2 || !isTopDomain(b, label, end)) return at + 1
  s.hits.add(start, end, email, 95)
  return end
}

/** `"jane doe"@example.com` (RFC 5321): where the quoted name before the `@` at `at` begins; `at` if there is none. */
function quotedLocal(s: Scan, at: number): number {
  let open = at - 2
  while (open >= s.from && at - open < 64 && s.bytes[open] !== 34 && s.bytes[open] !== 10) open--
  s.hits.steps += at - open
  const isWhole = s.byte(open) === 34 && at - open > 2 && !'=:,{['.includes(String.fromCharCode(s.byte(open + 1)))
  return isWhole ? open : at
}

function isTopDomain(b: Uint8Array, start: number, end: number): boolean {
  if (lowered[b[start]!] === 120 && b[start + 2] === 45 && b[start + 3] === 45) return true
  let label = ''
  for (let i = start; i < end; i++) {
    if ((classes[b[i]!]! & alpha) === 0) return false
    label += String.fromCharCode(lowered[b[i]!]!)
  }
  return !noDomains.has(label)
}

/** What follows `://` at `colon`: user info before an `@`, and the URL itself where URLs are wanted. */
export function authority(s: Scan, colon: number): number {
  const b = s.bytes
  const start = colon + 3
  let at = -1
  let end = start
  const last = Math.min(s.to, start + 1024)
  for (; end < last; end++) {
    const c = b[end]!
    if (c === 47 || c === 63 || c === 35 || c === 60 || c === 62 || classes[c]! & (space | quote)) break
    if (c === 64) at = end
  }
  s.hits.steps += end - start
  if (s.withUrls) wholeUrl(s, colon, end)
  if (at < 0) return start
  let split = start
  while (split < at && b[split] !== 58) split++
  const hasPassword = split < at - 1 && !isTemplate(b, split + 1, at)
  // A user without a password is a name, unless it looks like a token.
  if (!hasPassword && (split < at || !hasDigit(b, start, at) || !looksRandom(b, start, at, 16))) return at + 1
  s.hits.add(start, at, isDatabase(b, colon, s.from) ? connectionString : urlCredentials, 95)
  return at + 1
}

function hasDigit(b: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (classes[b[i]!]! & digit) return true
  return false
}

/** Whether the scheme that ends at `colon` is a browser's; all others are databases and brokers. */
function isDatabase(b: Uint8Array, colon: number, from: number): boolean {
  const scheme = String.fromCharCode(...b.subarray(Math.max(from, colon - 5), colon)).toLowerCase()
  return !/(?:https?|ftps?|sftp|ssh|git|wss?)$/.test(scheme)
}

function wholeUrl(s: Scan, colon: number, from: number): void {
  let start = colon
  while (start > s.from && colon - start < 12 && classes[s.bytes[start - 1]!]! & alpha) start--
  let end = from
  while (
    end < s.to &&
    end - from < 2048 &&
    s.bytes[end]! > 32 &&
    (classes[s.bytes[end]!]! & quote) === 0 &&
    s.bytes[end] !== 62
  )
    end++
  while (end > from && (s.bytes[end - 1] === 46 || s.bytes[end - 1] === 44 || s.bytes[end - 1] === 41)) end--
  if (start < colon && end > colon + 4) s.hits.add(start, end, url, 60)
}

/** An IPv6 or MAC address whose first `:` is at `from`. Returns where to go on. */
export function colons(s: Scan, from: number): number {
  const b = s.bytes
  let colon = from
  let start = colon
  while (start > s.from && colon - start < 4 && hexadecimal[b[start - 1]!]) start--
  if (s.byte(start - 1) === 58) {
    if (start === colon) return colon + 1
    // `ip:2001:db8::1`: what stands before the groups is a name, and not a group.
    const first = firstGroup(s, start)
    if (first < start && s.byte(colon + 1) !== 58) return colon + 1
    start = first
    colon = b.indexOf(58, start)
  }
  if (classes[s.byte(start - 1)]! & alnum || (start === colon && s.byte(colon + 1) !== 58)) return from + 1
  let groups = start < colon ? 1 : 0
  let short = colon - start === 2
  let hasDigit = false
  let gaps = 0
  let at = colon
  for (let i = start; i < colon; i++) if (classes[b[i]!]! & digit) hasDigit = true
  while (s.byte(at) === 58 && groups <= 8) {
    if (s.byte(at + 1) === 58) {
      if (++gaps > 1) break
      at++
    }
    let next = at + 1
    while (next < s.to && next - at <= 4 && hexadecimal[b[next]!]) if (classes[b[next++]!]! & digit) hasDigit = true
    if (next === at + 1) {
      if (gaps > 0 && s.byte(at - 1) === 58) at++
      break
    }
    // `…::1:dst=x`: a name follows, not a group.
    if (gaps === 1 && isWordAt(s, at + 1)) break
    if (next - at !== 3) short = false
    groups++
    at = next
  }
  s.hits.steps += at - start
  if (at === colon) return colon + 1
  const hasDot = s.byte(at) === 46 && (classes[s.byte(at + 1)]! & alnum) !== 0
  if (hasDot && (gaps > 0 ? groups < 8 : groups === 7)) return embedded(s, start, at)
  const isFollowed = s.byte(at) === 58 && classes[s.byte(at + 1)]! & alnum
  if (classes[s.byte(at)]! & alnum || (isFollowed && !(gaps === 1 && isWordAt(s, at + 1)))) return at
  if (short && groups === 6 && gaps === 0) return macHit(s, start, at)
  const isWhole = gaps === 0 ? groups === 8 : groups >= 2 && groups < 8 && (hasDigit || groups >= 6)
  if (!isWhole || (gaps === 1 && at - start <= 3) || hasDot) return at
  if (isLinkUp(b, start, at)) s.hits.add(start, at, ip, 90)
  return at
}
/** Where the groups begin that end before `start`, over at most six of them. */
function firstGroup(s: Scan, start: number): number {
  let first = start
  for (let group = 0; group < 6 && s.byte(first - 1) === 58; group++) {
    let at = first - 1
    while (at > s.from && first - at < 6 && hexadecimal[s.bytes[at - 1]!]) at--
    if (at === first - 1 || first - at > 5 || (classes[s.byte(at - 1)]! & alnum) !== 0) break
    first = at
  }
  s.hits.steps += start - first
  return first
}
function isWordAt(s: Scan, at: number): boolean {
  for (let i = at; i < at + 5; i++) {
    if ((classes[s.byte(i)]! & alnum) === 0) return false
    if (!hexadecimal[s.byte(i)]) return true
  }
  return false
}

/** `::ffff:203.0.113.9`: the last group, which ends at `dot`, begins an IPv4 address. Returns where to go on. */
function embedded(s: Scan, start: number, dot: number): number {
  let from = dot
  while (from > start && s.bytes[from - 1] !== 58) from--
  let at = from
  for (let part = 0; part < 4; part++) {
    let value = 0
    const first = at
    while (at - first < 3 && classes[s.byte(at)]! & digit) value = value * 10 + s.byte(at++) - 48
    if (at === first || value > 255 || (part === 0 && value === 127)) return from
    if (part < 3 && s.byte(at++) !== 46) return from
  }
  if (classes[s.byte(at)]! & alnum || (s.byte(at) === 46 && classes[s.byte(at + 1)]! & digit)) return from
  s.hits.add(start, at, ip, 90)
  return at
}
/** `::1` and `::` are this machine. */
const isLinkUp = (b: Uint8Array, start: number, end: number): boolean => !(b[start] === 58 && end - start <= 3)

/** `00-1A-2B-3C-4D-5E` from `start`. Returns where to go on, or 0. */
export function dashedMac(s: Scan, start: number): number {
  for (let group = 0; group < 6; group++) {
    const at = start + group * 3
    if (!hexadecimal[s.byte(at)] || !hexadecimal[s.byte(at + 1)] || (group < 5 && s.byte(at + 2) !== 45)) return 0
  }
  const end = start + 17
  if (classes[s.byte(end)]! & (alnum | joiner) || classes[s.byte(start - 1)]! & (alnum | joiner)) return 0
  return macHit(s, start, end)
}

/** `001a.2b3c.4d5e` from `start`. Returns where to go on, or 0. */
export function dottedMac(s: Scan, start: number): number {
  for (let i = 0; i < 14; i++)
    if (i === 4 || i === 9 ? s.byte(start + i) !== 46 : !hexadecimal[s.byte(start + i)]) return 0
  if (
    classes[s.byte(start + 14)]! & alnum ||
    (s.byte(start + 14) === 46 && classes[s.byte(start + 15)]! & alnum) ||
    classes[s.byte(start - 1)]! & (alnum | joiner)
  )
    return 0
  // `|cddf.cebe.cbeb|`: the text beside a hex dump.
  let hasDigit = false
  for (let i = 0; i < 14; i++) hasDigit ||= (classes[s.byte(start + i)]! & digit) !== 0
  return s.byte(start - 1) === 46 || !hasDigit ? 0 : macHit(s, start, start + 14)
}

/** `001122aabbcc` right behind a word such as `mac`. */
export function plainMac(s: Scan, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (!hexadecimal[s.bytes[i]!]) return false
  if (classes[s.byte(start - 1)]! & joiner || classes[s.byte(end)]! & joiner) return false
  if (s.look(start).distance[topicIds.mac]! > plainMacBytesMax) return false
  macHit(s, start, end)
  return true
}
/** `mac_address": "`, `hwaddr=`. */
const plainMacBytesMax = 6

/** All zeros and all ones are no device. */
function macHit(s: Scan, start: number, end: number): number {
  let ones = true
  let zeros = true
  for (let i = start; i < end; i++) {
    const c = lowered[s.bytes[i]!]!
    if (!hexadecimal[c]) continue
    if (c !== 102) ones = false
    if (c !== 48) zeros = false
  }
  if (!ones && !zeros) s.hits.add(start, end, mac, 90)
  return end
}
