/**
 * Secrets known by their structure: PEM private keys (RFC 7468; on one line with `\n`, truncated too), JWT (RFC 7519),
 * and tokens without a prefix: Mailchimp, Discord, Telegram, Azure; MRZ lines (ICAO 9303), which are no secret but as structured.
 */
import { limits } from '../../../src/limits.ts'
import { alnum, classes, digit, lower, token, upper } from './ascii.ts'
import { icaoDigit } from './checks.ts'
import { detector } from './registry.ts'
import type { Scan } from './state.ts'

const privateKey = detector('private_key', 'secret')
const jwt = detector('jwt', 'secret')
const puttyPrivateKey = detector('putty_private_key', 'secret')
const mailchimp = detector('mailchimp_key', 'secret')
const discord = detector('discord_bot_token', 'secret')
const telegram = detector('telegram_bot_token', 'secret')
const azureSecret = detector('azure_client_secret', 'secret')
const azure = detector('azure_key', 'secret')
const mrz = detector('mrz')

const starts = (s: Scan, at: number, text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (s.byte(at + i) !== text.charCodeAt(i)) return false
  return true
}
const isBase64 = (c: number): boolean => (classes[c]! & token) !== 0 || c === 43 || c === 47 || c === 61 || c === 46

/** Five dashes begin at `start`. Returns where to go on, or 0. */
export function pem(s: Scan, start: number): number {
  if (!starts(s, start, '-----BEGIN ')) return 0
  let at = start + 11
  const label = at
  while (
    at < s.to &&
    at - label < 48 &&
    (classes[s.bytes[at]!]! & upper || s.bytes[at] === 32 || classes[s.bytes[at]!]! & digit)
  )
    at++
  let hasPrivate = false
  for (let i = label; i < at - 6; i++) if (starts(s, i, 'PRIVATE')) hasPrivate = true
  if (!hasPrivate) return 0
  while (s.byte(at) === 45) at++
  const last = Math.min(s.to, at + limits.tokenBytesMax * 4)
  // Base64, line ends (also as \n or \r\n written out), and the headers of old encrypted keys.
  while (at < last && !starts(s, at, '-----END')) {
    const c = s.bytes[at]!
    if (!(isBase64(c) || c === 10 || c === 13 || c === 32 || c === 92 || c === 58 || c === 44 || c === 9)) break
    at++
  }
  s.hits.steps += at - start
  if (starts(s, at, '-----END')) {
    at += 8
    while (at < s.to && at - last < 64 && (classes[s.bytes[at]!]! & upper || s.bytes[at] === 32)) at++
    while (s.byte(at) === 45) at++
  }
  s.hits.add(start, at, privateKey, 99)
  return at
}

/** `PuTTY-User-Key-File-2: …` begins at `start`: all lines up to `Private-MAC`, or to the end of the value. */
export function puttyKey(s: Scan, start: number): number {
  if (!starts(s, start, 'PuTTY-User-Key-File-')) return 0
  const last = Math.min(s.to, start + limits.tokenBytesMax * 4)
  let at = start
  while (at < last && !starts(s, at, 'Private-MAC')) at++
  while (at < last && s.bytes[at] !== 10) at++
  s.hits.steps += at - start
  s.hits.add(start, at, puttyPrivateKey, 97)
  return at
}

/** Bytes [from, to) of the scan of that number that may be a token's header. */
const dotless = { scan: 0, from: 0, to: 0 }

/** `eyJ` begins at `start`: header.payload[.signature], where the header is JSON with an algorithm or a type. */
export function jsonWebToken(s: Scan, start: number): number {
  const last = Math.min(s.to, start + limits.tokenBytesMax * 2)
  // What was read before, for a token that began further left: nothing but its alphabet, and no dot.
  const isRead = dotless.scan === s.number && start >= dotless.from && start < dotless.to
  let at = isRead ? dotless.to : start
  const readFrom = at
  let dots = 0
  let firstDot = 0
  for (; at < last; at++) {
    const c = s.bytes[at]!
    if (c === 46) {
      if (++dots > 4) break
      if (dots === 1) firstDot = at
    } else if ((classes[c]! & token) === 0 && c !== 61) break
  }
  s.hits.steps += at - readFrom
  if (!isRead) {
    dotless.scan = s.number
    dotless.from = start
  }
  dotless.to = dots === 0 ? at : firstDot
  while (at > start && s.bytes[at - 1] === 46) at--
  if (dots === 0 || firstDot === 0 || at - firstDot < 5 || !isHeader(s, start, firstDot)) return 0
  s.hits.add(start, at, jwt, 97)
  return at
}

function isHeader(s: Scan, start: number, end: number): boolean {
  const text = Buffer.from(s.bytes.subarray(start, Math.min(end, start + 1024))).toString('latin1')
  const json = Buffer.from(text, 'base64url').toString('utf8')
  if (!/^\s*\{[\s\S]*"(?:alg|typ|enc|kid|cty)"\s*:/.test(json)) return false
  try {
    return end - start > 1024 || typeof JSON.parse(json) === 'object'
  } catch {
    return false
  }
}

/** `343ea…-us30`: 32 hex digits that end at `end`, a dash and a data centre. */
export function mailchimpKey(s: Scan, start: number, end: number): number {
  if (end - start !== 32 || !starts(s, end, '-us')) return 0
  for (let i = start; i < end; i++)
    if (classes[s.bytes[i]!]! & upper || (classes[s.bytes[i]!]! & lower && s.bytes[i]! > 102)) return 0
  let at = end + 3
  while (at - end < 5 && classes[s.byte(at)]! & digit) at++
  if (at === end + 3 || classes[s.byte(at)]! & alnum) return 0
  s.hits.add(start, at, mailchimp, 95)
  return at
}

/** A bot's id in base64, a time and a signature: 24–26 . 6 . 27–38 characters, of which the first is M, N or O. */
export function discordToken(s: Scan, start: number): number {
  const lengths = [
    [23, 26],
    [6, 6],
    [27, 38],
  ] as const
  let at = start
  for (const [i, [min, max]] of lengths.entries()) {
    const from = at
    while (at - from <= max && classes[s.byte(at)]! & token) at++
    s.hits.steps += at - from
    if (at - from < min || at - from > max) return 0
    if (i < 2) {
      if (s.byte(at) !== 46) return 0
      at++
    }
  }
  s.hits.add(start, at, discord, 90)
  return at
}

/** `110201543:AAHdqTcvCH1vGWJxfSe1ofSAs0K5PALDsaw`: digits that end at `colon`, then AA and 32 or 33 more. */
export function telegramToken(s: Scan, start: number, colon: number): number {
  if (colon - start < 8 || colon - start > 10 || !starts(s, colon, ':AA')) return 0
  let at = colon + 1
  while (at - colon < 40 && classes[s.byte(at)]! & token) at++
  if (at - colon < 35 || at - colon > 36 || classes[s.byte(start - 1)]! & alnum) return 0
  s.hits.add(start, at, telegram, 96)
  return at
}

/** Microsoft Entra: three characters, a digit, `Q~`, and 31–34 more. The `~` is at `tilde`. */
export function azureClientSecret(s: Scan, tilde: number): number {
  const isOne = (c: number): boolean => (classes[c]! & token) !== 0 || c === 126 || c === 46
  const start = tilde - 5
  if (start < s.from || (classes[s.byte(tilde - 2)]! & digit) === 0) return 0
  for (let i = start; i < tilde - 2; i++) if (!isOne(s.bytes[i]!)) return 0
  let at = tilde + 1
  while (at - tilde <= 35 && at < s.to && isOne(s.bytes[at]!)) at++
  s.hits.steps += at - start
  if (at - tilde < 32 || at - tilde > 35) return 0
  s.hits.add(start, at, azureSecret, 94)
  return at
}

/** Keys of Azure's services since 2024 hold `JQQJ99` after 52 characters: DevOps, OpenAI, Search and others. */
export const azureKeyLength = 84
export function azureKey(s: Scan, start: number): boolean {
  if (!starts(s, start + 52, 'JQQJ99')) return false
  s.hits.add(start, start + azureKeyLength, azure, 98)
  return true
}

/** `<<` at `at` in a line of 30, 36 or 44 of the MRZ alphabet: taken when a check digit in it holds or it names somebody. */
export function machineReadable(s: Scan, at: number): number {
  const isMrz = (c: number): boolean => c === 60 || (classes[c]! & (upper | digit)) !== 0
  let start = at
  while (start > s.from && at - start < 44 && isMrz(s.bytes[start - 1]!)) start--
  let end = at
  while (end < s.to && end - start < 50 && isMrz(s.bytes[end]!)) end++
  s.hits.steps += end - start
  // `<mrz>P<NLD…<<<</mrz>`
  if (s.byte(end) === 47) end--
  const length = end - start
  if (length !== 30 && length !== 36 && length !== 44) return at + 1
  const b = s.bytes
  const isName = 'PIACV'.includes(String.fromCharCode(b[start]!)) && (classes[b[start + 2]!]! & upper) !== 0
  const isNumber =
    b[start + 9]! - 48 === icaoDigit(b, start, start + 9) || b[start + 6]! - 48 === icaoDigit(b, start, start + 6)
  const isNames = length === 30 && (classes[b[start]!]! & upper) !== 0
  if (!isName && !isNumber && !isNames) return end
  s.hits.add(start, end, mrz, 92)
  return end
}
