/**
 * `key = value` pairs with a telling key, however they are written: logfmt, JSON (escaped too), YAML, INI, URL queries,
 * shell options, assignments and comparisons of the usual programming languages, HTTP headers.
 *
 * The scan stops at a word that may tell (secret_keys.ts); from there the key is completed, the operator read, and the
 * value taken: quoted to its quote, unquoted to what ends it in that notation. All look-ahead is bounded.
 */
import { limits } from '../../../src/limits.ts'
import { alpha, classes, digit, lowered, quote, space, textOf, token } from './ascii.ts'
import { commandLine } from './command_line.ts'
import { isWord, operator } from './pair_operator.ts'
import { readValue, value } from './pair_value.ts'
import { isExpression, isPlaceholder } from './placeholder.ts'
import { isDrawn, isNoise, looksRandom } from './random.ts'
import { detector } from './registry.ts'
import { SecretKey, secretKeyIn, vendorOfKey } from './secret_keys.ts'
import type { Scan } from './state.ts'
import { hasForm } from './vendor_names.ts'

const password = detector('password', 'secret')
const generic = detector('generic_secret', 'secret')
const authorization = detector('authorization', 'secret')
const cookie = detector('cookie', 'secret')
const keyMax = 64
/** Keys of vendors that have no prefix, in bytes. */
const vendorKeyMin = 20
const vendorKeyMax = 128
const typeBytesMax = 40
const indentMax = 12

/** A telling word lies in [start, end). Returns where to go on. */
export function pair(s: Scan, start: number, end: number): number {
  const b = s.bytes
  let from = start
  while (from > s.from && start - from < keyMax && isKeyByte(b[from - 1]!)) from--
  let to = end
  while (to < s.to && to - from < keyMax && isKeyByte(b[to]!)) to++
  s.hits.steps += to - from
  if (from < to && b[to - 1] === 46) to--
  // `-Ddb.password=x`
  if (b[from] === 45 && b[from + 1] === 68 && from + 1 < start) from += 2
  if (from === start) {
    if (to === end && schemeOf(b, start, end)) return credentials(s, end)
    const next = commandLine(s, start, to)
    if (next > 0) return next
  }
  const kind = secretKeyIn(b, from, to)
  if (kind === SecretKey.None) return end
  if (comparedBefore(s, from, kind)) return to
  value.isBare = false
  value.keyFrom = from
  value.keyTo = to
  const at = operator(s, from, to)
  if (at < 0 || isPrompt(s, from, to, at)) return to
  if (value.isBare && kind !== SecretKey.Strong) return to
  if (kind === SecretKey.Authorization) return header(s, at, authorization)
  if (kind === SecretKey.Cookie) return header(s, at, cookie)
  // `password: {"email":…`
  if (s.byte(at) === 123 && (s.byte(at + 1) === 34 || s.byte(at + 1) === 92)) return at
  readValue(s, behindType(s, at), from)
  return take(s, kind) ? value.to : Math.max(to, at)
}

/** `print('password:', x)`: the quote behind the colon closes the one before the key. */
function isPrompt(s: Scan, from: number, to: number, at: number): boolean {
  const open = s.byte(from - 1)
  if ((classes[open]! & quote) === 0)
    return ',);+'.includes(String.fromCharCode(s.byte(at + 1))) && (classes[s.byte(at)]! & quote) !== 0
  return s.byte(to) === 58 && s.byte(at) === open
}

const isKeyByte = (c: number): boolean => (classes[c]! & token) !== 0 || c === 46

/** `Bearer` and `Basic` are words on their own. */
const schemeOf = (b: Uint8Array, start: number, end: number): boolean =>
  lowered[b[start]!] === 98 &&
  (end - start === 5 || end - start === 6) &&
  /^(?:bearer|basic)$/i.test(textOf(b, start, end))

/** The word `Bearer` or `Basic` ends at `end`: what follows is a token of some length. */
export function credentials(s: Scan, end: number): number {
  let from = end
  while (from < s.to && from - end < 4 && (s.bytes[from] === 32 || s.bytes[from] === 58)) from++
  if (from === end) return end
  const to = tokenEnd(s, from)
  if (to - from < 8 || isPlaceholder(s.bytes, from, to)) return end
  if (!looksRandom(s.bytes, from, to, 8)) return end
  s.hits.add(from, to, authorization, 90)
  return to
}
function tokenEnd(s: Scan, from: number): number {
  let to = from
  const last = Math.min(s.to, from + limits.tokenBytesMax)
  while (to < last && (classes[s.bytes[to]!]! & token || '.~+/='.includes(String.fromCharCode(s.bytes[to]!)))) to++
  s.hits.steps += to - from
  return to
}

/** `password: &str = "x"`, `password : String = 'x'`: a type and a value in quotes. Where the value begins. */
function behindType(s: Scan, at: number): number {
  for (let to = at; to - at < typeBytesMax; to++) {
    const c = s.byte(to)
    if (c === 32 && s.byte(to + 1) === 61 && s.byte(to + 2) === 32)
      return to > at && classes[s.byte(to + 3)]! & quote ? to + 3 : at
    if ((classes[c]! & alpha) === 0 && !'<>[]?&*|., _'.includes(String.fromCharCode(c))) return at
  }
  return at
}

/** Whether the value read last is a secret of this kind; then it is a finding. */
function take(s: Scan, kind: SecretKey): boolean {
  const { from, to, isQuoted, isNatural } = value
  const length = to - from
  if (length < 3 || isPlaceholder(s.bytes, from, to)) return false
  if (!isQuoted && (isExpression(s.bytes, from, to) || isOpened(s, from, to))) return false
  if (kind === SecretKey.Vendor || kind === SecretKey.Random || kind === SecretKey.Drawn) if (isOfVendor(s)) return true
  if (kind === SecretKey.Vendor) return false
  if (kind === SecretKey.Code) {
    if (length < 3 || length > 8 || !allDigits(s.bytes, from, to)) return false
    s.hits.add(from, to, generic, 85)
    return true
  }
  if (isQuoted && (kind === SecretKey.Drawn || kind === SecretKey.Random) && isNoise(s.bytes, from, to)) {
    s.hits.add(from, to, generic, 85)
    return true
  }
  if (kind === SecretKey.Drawn) {
    if (!isLaravel(s, from, to) && !isDrawn(s.bytes, from, to)) return false
    s.hits.add(from, to, generic, 70)
    return true
  }
  if (kind === SecretKey.Random) {
    if (!looksRandom(s.bytes, from, to, 12) || isReference(s.bytes, from, to) || isShortHex(s.bytes, from, to))
      return false
    s.hits.add(from, to, generic, 80)
    return true
  }
  // No more than a space between them: `password 3fG9…`.
  if (isQuoted && s.byte(value.keyTo) === 32 && isObject(s)) return false
  const isNoted = value.isBare && isBareOf(s)
  if (value.isBare && !isQuoted && !isNoted && !isDrawn(s.bytes, from, to)) return false
  if (isNatural && !isNoted && !isQuoted && isPlainWord(s.bytes, from, to) && !hasSpace(s.bytes, from, to)) return false
  s.hits.add(from, to, password, 85)
  return true
}

/** `(2048 bit)`, and the count of `"hash_pass":2128`: no value of its own. */
function isOpened(s: Scan, from: number, to: number): boolean {
  if (s.bytes[from] === 40) return true
  return to - from < 6 && (classes[s.byte(value.keyTo)]! & quote) !== 0 && allDigits(s.bytes, from, to)
}

/** `secrets "db-credentials" not found`: the name of an object of Kubernetes. */
function isObject(s: Scan): boolean {
  if (!/^secrets?$/i.test(textOf(s.bytes, value.keyFrom, value.keyTo))) return false
  const at = value.to + (s.byte(value.to) === 92 ? 3 : 2)
  return ['not ', 'is ', 'already', 'does ', 'was ', 'in '].some((word) => isWord(s, at, word))
}

/** Notations that put nothing but a space between: `ENV DB_PASSWORD x`, `machine h login u password x` of netrc. */
function isBareOf(s: Scan): boolean {
  if (isWord(s, value.keyFrom - 4, 'ENV ')) return true
  let at = value.keyFrom - 1
  while (value.keyFrom - at < indentMax && classes[s.byte(at)]! & space && classes[s.byte(at - 1)]! & space) at--
  if ((classes[s.byte(at)]! & space) === 0) return false
  const end = at
  while (at > s.from && end - at < keyMax && s.bytes[at - 1]! > 32) at--
  s.hits.steps += end - at
  return at < end && isWord(s, at - 6, 'login ')
}

/** `APP_KEY=base64:…` of Laravel. */
const isLaravel = (s: Scan, from: number, to: number): boolean =>
  to - from > 46 && isWord(s, from, 'base64:') && looksRandom(s.bytes, from + 7, to, 40)

/** Names of sessions, not keys to them: `[session: 2a5e755afa79]`. */
function isShortHex(b: Uint8Array, from: number, to: number): boolean {
  if (to - from > 15) return false
  for (let i = from; i < to; i++) if ((classes[b[i]!]! & digit) === 0 && !(b[i]! >= 97 && b[i]! <= 102)) return false
  return true
}

/** Whether the value read last has the form of the keys of the vendor that its key, or the word before it, names. */
function isOfVendor(s: Scan): boolean {
  const { from, to } = value
  if (to - from < vendorKeyMin || to - from > vendorKeyMax) return false
  let { keyFrom } = value
  if (s.byte(keyFrom - 1) === 32) {
    // `opsgenie token = …`
    keyFrom--
    while (keyFrom > s.from && value.keyTo - keyFrom < keyMax && isKeyByte(s.bytes[keyFrom - 1]!)) keyFrom--
  }
  const vendor = vendorOfKey(textOf(s.bytes, keyFrom, value.keyTo))
  if (vendor === undefined || !hasForm(s.bytes, from, to, vendor)) return false
  s.hits.add(from, to, vendor.detector, 90)
  return true
}

/** `Token{a64f992`, `BinderProxy@2bd79ce`, `0x14f05578bd80006`: names of objects in a program. */
function isReference(b: Uint8Array, from: number, to: number): boolean {
  if (b[from] === 48 && (b[from + 1]! | 32) === 120 && to - from < 34) return true
  for (let i = from; i < to; i++) {
    const c = b[i]!
    if (c === 123 || c === 40 || c === 64 || c === 60 || c === 91) return true
  }
  return false
}

function allDigits(b: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if ((classes[b[i]!]! & digit) === 0) return false
  return true
}
/** A word of a sentence: letters of one case, perhaps with a full stop. */
function isPlainWord(b: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to - 1; i++) if ((classes[b[i]!]! & alpha) === 0) return false
  return (classes[b[to - 1]!]! & digit) === 0
}
function hasSpace(b: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (b[i] === 32) return true
  return false
}

/** `"value" == password`: the value stands before the key. */
function comparedBefore(s: Scan, from: number, kind: SecretKey): boolean {
  let at = from - 1
  if (s.byte(at) !== 32) return false
  at--
  const operatorEnd = at
  while (operatorEnd - at < 3 && (s.byte(at) === 61 || s.byte(at) === 33)) at--
  if (operatorEnd - at < 2 || s.byte(at) !== 32 || (classes[s.byte(at - 1)]! & quote) === 0) return false
  const close = at - 1
  let open = close - 1
  while (open >= s.from && close - open < 256 && s.bytes[open] !== s.bytes[close]) open--
  s.hits.steps += close - open
  if (s.byte(open) !== s.bytes[close]) return false
  value.from = open + 1
  value.to = close
  value.isQuoted = true
  value.isNatural = false
  return take(s, kind)
}

/** A header's value: up to its quote, or the end of the line. A scheme such as `Bearer` stays. */
function header(s: Scan, at: number, id: number): number {
  let from = at
  const escaped = s.byte(from) === 92 ? 1 : 0
  const open = s.byte(from + escaped)
  const isQuoted = (classes[open]! & quote) !== 0
  if (isQuoted) from += 1 + escaped
  while (s.byte(from) === 91 || s.byte(from) === 34) from++
  let to = from
  const last = Math.min(s.to, from + limits.tokenBytesMax)
  while (to < last && s.bytes[to] !== 10 && s.bytes[to] !== 13 && !(isQuoted && s.bytes[to] === open)) {
    if (!isQuoted && classes[s.bytes[to]!]! & quote) break
    to++
  }
  s.hits.steps += to - from
  if (escaped && s.bytes[to - 1] === 92) to--
  if (id === authorization) {
    let word = from
    while (word < to && classes[s.bytes[word]!]! & alpha) word++
    if (s.byte(word) === 32 && word > from && word - from < 20) from = word + 1
    if (!isQuoted) {
      const end = tokenEnd(s, from)
      if (end > from) to = end
    }
  }
  if (to - from < 4 || isPlaceholder(s.bytes, from, to)) return Math.max(at, from)
  // `['authorization', 'cookie']`
  if (s.byte(at - 1) === 44 || (s.byte(at - 1) === 32 && s.byte(at - 2) === 44)) return at
  if (id === cookie && !isNamed(s, from, to)) return at
  s.hits.add(from, to, id, 88)
  return to
}

/** A cookie has a name, of the letters of RFC 6265, before its `=`. */
function isNamed(s: Scan, from: number, to: number): boolean {
  let at = from
  while (
    at < to &&
    at - from < 256 &&
    (isKeyByte(s.bytes[at]!) || "!#$%&'*+^`|~:[] ".includes(String.fromCharCode(s.bytes[at]!)))
  )
    at++
  s.hits.steps += at - from
  return at > from && at < to && s.bytes[at] === 61
}
