/**
 * `key = value` pairs with a telling key, however they are written: logfmt, JSON (escaped too), YAML, INI, URL queries,
 * shell options, assignments and comparisons of the usual programming languages, HTTP headers.
 *
 * The scan stops at a word that may tell (secret_keys.ts); from there the key is completed, the operator read, and the
 * value taken: quoted to its quote, unquoted to what ends it in that notation. All look-ahead is bounded.
 */
import { limits } from '../../../src/limits.ts'
import { alnum, alpha, classes, digit, joiner, lower, lowered, quote, space, textOf, token, upper } from './ascii.ts'
import { commandLine } from './command_line.ts'
import { isExpression, isPlaceholder } from './placeholder.ts'
import { isDrawn, looksRandom } from './random.ts'
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

/** The value that was read last. */
const value = { from: 0, to: 0, isQuoted: false, isNatural: false, isBare: false, keyFrom: 0, keyTo: 0 }

/** A telling word lies in [start, end). Returns where to go on. */
export function pair(s: Scan, start: number, end: number): number {
  const b = s.bytes
  let from = start
  while (from > s.from && start - from < keyMax && isKeyByte(b[from - 1]!)) from--
  let to = end
  while (to < s.to && to - from < keyMax && isKeyByte(b[to]!)) to++
  s.hits.steps += to - from
  if (from < to && b[to - 1] === 46) to--
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
  readValue(s, at, from)
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

/** Where the value begins behind the key in [from, to); -1 if nothing there binds one to it. */
function operator(s: Scan, from: number, to: number): number {
  let at = to
  if (s.byte(at) === 92 && classes[s.byte(at + 1)]! & quote) at++ // \" inside a JSON string
  const closed = (classes[s.byte(at)]! & quote) !== 0
  if (closed) at++
  if (s.byte(at) === 91) {
    let close = at + 1
    while (close - at < 8 && classes[s.byte(close)]! & digit) close++
    // `worker[123]: …` is a process; `char secret[25] = …` an array.
    if (s.byte(close) !== 93 || (close > at + 1 && s.byte(close + 1) === 58)) return -1
    at = close + 1
  }
  // `env[password]=x`, `env["password"] = x`
  if (s.byte(at) === 93) at++
  if (s.byte(at) === 40) return classes[s.byte(at + 1)]! & quote ? at + 1 : -1
  const spaceFrom = at
  while (at - spaceFrom < 8 && (s.byte(at) === 32 || s.byte(at) === 9)) at++
  // `password -> x`, `password|x`
  if (s.byte(at) === 45 && s.byte(at + 1) === 62) return s.byte(at + 2) === 32 ? at + 3 : at + 2
  if (s.byte(at) === 124 && at === spaceFrom && s.byte(at + 1) > 32) return at + 1
  const operatorFrom = at
  while (at - operatorFrom < 3 && (s.byte(at) === 61 || s.byte(at) === 58 || s.byte(at) === 33 || s.byte(at) === 62))
    at++
  if (at > operatorFrom) {
    if (s.byte(operatorFrom) === 58 && s.byte(operatorFrom + 1) === 58) return -1
    if (s.byte(at - 1) === 33) return -1
    const valueFrom = at
    while (at - valueFrom < 8 && (s.byte(at) === 32 || s.byte(at) === 9)) at++
    return s.byte(at) === 64 && classes[s.byte(at + 1)]! & quote ? at + 1 : at
  }
  // `twilio token - 'x'`
  if (s.byte(at) === 45 && s.byte(at + 1) === 32 && at > spaceFrom && classes[s.byte(at + 2)]! & quote) return at + 2
  if (closed) return isListed(s, from) ? -1 : besideQuoted(s, spaceFrom)
  if (at === spaceFrom) return -1
  // A column of a table: no ports, options, or words of a heading.
  if (s.byte(spaceFrom) === 9) return isColumn(s, at) ? at : -1
  // Not after the verb: "Pass `context` through".
  if (classes[s.byte(at)]! & quote) return to - from === 4 ? -1 : at
  // `--password x`, `-Password x`
  if (s.byte(from) === 45 && (from === s.from || (classes[s.byte(from - 1)]! & alnum) === 0)) return at
  return isCopula(s, at, to - from === 4)
}

function isColumn(s: Scan, at: number): boolean {
  let seen = 0
  let to = at
  for (; to < s.to && to - at < keyMax && s.bytes[to]! > 32; to++) {
    if (s.bytes[to] === 61 || s.bytes[to] === 91 || s.bytes[to] === 47) return false
    seen |= classes[s.bytes[to]!]! || joiner
  }
  s.hits.steps += to - at
  return (seen & (seen - 1)) !== 0 && seen !== (lower | upper) && seen !== (lower | joiner)
}

/** `"md5", "password", "scram"`: one of a list of words. */
function isListed(s: Scan, from: number): boolean {
  let at = from - 2
  if (s.byte(at) === 32) at--
  return s.byte(at) === 44 && (classes[s.byte(at - 1)]! & quote) !== 0
}

/** After a key in quotes: `key="dbPassword" value="x"`, `get('SECRET_KEY', 'x')`. */
function besideQuoted(s: Scan, end: number): number {
  let at = s.byte(end) === 44 ? end + 1 : end
  while (at - end < 8 && s.byte(at) === 32) at++
  if (s.byte(end) !== 44) {
    if (at === end || !isWord(s, at, 'value=')) return -1
    at += 6
  }
  return classes[s.byte(at)]! & quote ? at : -1
}
function isWord(s: Scan, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if (s.byte(at + i) !== word.charCodeAt(i)) return false
  return true
}

/** `password is hunter2`, `mot de passe est …`: an `is` in between. `isVerb`: of `pass`, "pass to" means something else. */
function isCopula(s: Scan, at: number, isVerb: boolean): number {
  for (const word of ['is ', 'ist ', 'est ', 'es ', 'e ', 'to ', 'was ', 'op ', 'jest ']) {
    let i = 0
    while (i < word.length && s.byte(at + i) === word.charCodeAt(i)) i++
    if (i === word.length && !(word === 'to ' && isVerb)) {
      value.isNatural = true
      return at + i
    }
  }
  value.isBare = true
  return at
}

/** Reads the value at `at`. */
function readValue(s: Scan, at: number, keyFrom: number): void {
  const b = s.bytes
  const last = Math.min(s.to, at + limits.tokenBytesMax)
  const escaped = s.byte(at) === 92 && classes[s.byte(at + 1)]! & quote ? 1 : 0
  const open = s.byte(at + escaped)
  value.isQuoted = (classes[open]! & quote) !== 0
  value.isNatural = false
  if (value.isQuoted) {
    value.from = at + 1 + escaped
    let to = value.from
    while (to < last && !(b[to] === open && (escaped === 1 || b[to - 1] !== 92)) && b[to] !== 10) to++
    value.to = to - (escaped && b[to - 1] === 92 ? 1 : 0)
    if (b[to] !== open) value.to = to < s.to || escaped ? value.from : value.to
    // `'"x"'`: quotes in quotes.
    const inner = s.byte(value.from)
    if (value.to - value.from > 2 && classes[inner]! & quote && b[value.to - 1] === inner) {
      value.from++
      value.to--
    }
    s.hits.steps += to - at
    return
  }
  value.from = at
  const isQuery = s.byte(keyFrom - 1) === 63 || s.byte(keyFrom - 1) === 38
  const isYaml = keyFrom === s.from && s.byte(at - 1) === 32 && s.byte(at - 2) === 58
  let to = at
  while (to < last && !ends(s, to, isQuery, isYaml)) to++
  s.hits.steps += to - at
  while (to > at && ',;"\'`'.includes(String.fromCharCode(b[to - 1]!))) to--
  if (to > at && b[to - 1] === 41 && !b.subarray(at, to).includes(40)) to--
  value.to = to
  value.isNatural = s.byte(at - 1) === 32 && s.byte(at - 2) !== 61
}

/** What ends an unquoted value at `at`. */
function ends(s: Scan, at: number, isQuery: boolean, isYaml: boolean): boolean {
  const c = s.bytes[at]!
  if (c === 10 || c === 13) return true
  if (classes[c]! & space) return !isYaml
  if (c === 38) return isQuery || (classes[s.byte(at + 1)]! & alpha) !== 0
  if (c === 35) return isQuery
  if (c === 60) return s.byte(at + 1) === 47
  if (c === 124) return true
  if (c === 44 || c === 59) return (classes[s.byte(at + 1)]! & (alpha | quote)) !== 0
  if (c === 125 || c === 93) return at + 1 === s.to || s.byte(at + 1) === 44
  return c === 92 && (s.byte(at + 1) === 110 || s.byte(at + 1) === 34)
}

/** Whether the value read last is a secret of this kind; then it is a finding. */
function take(s: Scan, kind: SecretKey): boolean {
  const { from, to, isQuoted, isNatural } = value
  const length = to - from
  if (length < 3 || isPlaceholder(s.bytes, from, to)) return false
  if (!isQuoted && isExpression(s.bytes, from, to)) return false
  if (kind === SecretKey.Vendor || kind === SecretKey.Random || kind === SecretKey.Drawn) if (isOfVendor(s)) return true
  if (kind === SecretKey.Vendor) return false
  if (kind === SecretKey.Code) {
    if (length < 3 || length > 8 || !allDigits(s.bytes, from, to)) return false
    s.hits.add(from, to, generic, 85)
    return true
  }
  if (kind === SecretKey.Drawn) {
    if (!isDrawn(s.bytes, from, to)) return false
    s.hits.add(from, to, generic, 70)
    return true
  }
  if (kind === SecretKey.Random) {
    if (!looksRandom(s.bytes, from, to, 12) || isReference(s.bytes, from, to)) return false
    s.hits.add(from, to, generic, 80)
    return true
  }
  // No more than a space between them: `password 3fG9…`.
  if (value.isBare && !isQuoted && !isDrawn(s.bytes, from, to)) return false
  if (isNatural && !isQuoted && isPlainWord(s.bytes, from, to) && !hasSpace(s.bytes, from, to)) return false
  s.hits.add(from, to, password, 85)
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
  if (id === cookie && !s.bytes.subarray(from, Math.min(to, from + 256)).includes(61)) return at
  s.hits.add(from, to, id, 88)
  return to
}
