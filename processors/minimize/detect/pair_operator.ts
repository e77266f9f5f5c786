/**
 * What stands between a key and its value: `=`, `:`, `=>`, `->`, a bracket, a tab, a word such as `is`; or the places where
 * notations put the value elsewhere, such as `name:` and `value:` of Kubernetes. All look-ahead is bounded.
 */
import { alnum, classes, digit, joiner, lower, quote, space, token, upper } from './ascii.ts'
import { value } from './pair_value.ts'
import type { Scan } from './state.ts'

const headingMax = 64
/** Spaces that line values up: `define('AUTH_KEY',         'x')`. */
const gapMax = 24
/** How far into a block of Terraform its default is looked for. */
const defaultBytesMax = 120

/** Where the value begins behind the key in [from, to); -1 if nothing there binds one to it. */
export function operator(s: Scan, from: number, to: number): number {
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
  if (s.byte(at) === 10 || s.byte(at) === 13) return valueBelow(s, from, at)
  if (s.byte(from - 1) === 60 && s.byte(at) === 32) return elementOf(s, at)
  const spaceFrom = at
  while (at - spaceFrom < 8 && (s.byte(at) === 32 || s.byte(at) === 9)) at++
  // `password -> x`, `password|x`
  if (s.byte(at) === 45 && s.byte(at + 1) === 62) return s.byte(at + 2) === 32 ? at + 3 : at + 2
  if (s.byte(at) === 124 && at === spaceFrom && s.byte(at + 1) > 32) return at + 1
  // `?=`, `??=`, `||=`: unless it has one already.
  if ((s.byte(at) === 63 || s.byte(at) === 124) && s.byte(at + 1) === s.byte(at) && s.byte(at + 2) === 61) at += 2
  else if (s.byte(at) === 63 && s.byte(at + 1) === 61) at++
  const operatorFrom = at
  while (at - operatorFrom < 4 && (s.byte(at) === 61 || s.byte(at) === 58 || s.byte(at) === 33 || s.byte(at) === 62))
    at++
  if (at > operatorFrom) {
    if (s.byte(operatorFrom) === 58 && s.byte(operatorFrom + 1) === 58 && s.byte(at - 1) !== 61) return -1
    // `arn:aws:secretsmanager:eu-west-1:123456789012:secret:name`
    if (s.byte(from - 1) === 58 && (classes[s.byte(from - 2)]! & digit) !== 0) return -1
    if (s.byte(at - 1) === 33) return -1
    // `password != other`: names, unless it is in quotes.
    const isCompared = s.byte(at - 1) === 61 && (s.byte(at - 2) === 61 || s.byte(at - 2) === 33)
    const valueFrom = at
    while (at - valueFrom < 8 && (s.byte(at) === 32 || s.byte(at) === 9)) at++
    if (isCompared && (classes[s.byte(at)]! & quote) === 0) return -1
    return s.byte(at) === 64 && classes[s.byte(at + 1)]! & quote ? at + 1 : at
  }
  // `twilio token - 'x'`
  if (s.byte(at) === 45 && s.byte(at + 1) === 32 && at > spaceFrom && classes[s.byte(at + 2)]! & quote) return at + 2
  if (closed) return isListed(s, from) || (classes[s.byte(from - 1)]! & quote) === 0 ? -1 : besideQuoted(s, spaceFrom)
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
  for (; to < s.to && to - at < headingMax && s.bytes[to]! > 32; to++) {
    if (s.bytes[to] === 61 || s.bytes[to] === 91 || s.bytes[to] === 47) return false
    seen |= classes[s.bytes[to]!]! || joiner
  }
  s.hits.steps += to - at
  return (seen & (seen - 1)) !== 0 && seen !== (lower | upper) && seen !== (lower | joiner)
}

/** `"md5", "password", "scram"`, `["password", "code"]`: one of a list of words. */
function isListed(s: Scan, from: number): boolean {
  let at = from - 2
  if (s.byte(at) === 32) at--
  if (s.byte(at) === 91) return true
  return s.byte(at) === 44 && (classes[s.byte(at - 1)]! & quote) !== 0
}

/** After a key in quotes: `key="dbPassword" value="x"`, `get('SECRET_KEY', 'x')`. */
function besideQuoted(s: Scan, end: number): number {
  if (s.byte(end) === 32 && s.byte(end + 1) === 123) return defaultOf(s, end + 2)
  let at = s.byte(end) === 44 ? end + 1 : end
  while (at - end < gapMax && s.byte(at) === 32) at++
  if (s.byte(end) === 44 && isKey(s, at)) return -1
  if (s.byte(end) !== 44) {
    if (at === end || !isWord(s, at, 'value=')) return -1
    at += 6
  }
  return classes[s.byte(at)]! & quote ? at : -1
}
/** `"file":"/etc/passwd","port":7`: what is quoted at `at` is the next key, and the word before the comma a value. */
function isKey(s: Scan, at: number): boolean {
  const escaped = s.byte(at) === 92 ? 1 : 0
  const open = s.byte(at + escaped)
  if ((classes[open]! & quote) === 0) return false
  let to = at + escaped + 1
  while (to - at < keyNameMax && s.byte(to) !== open && s.byte(to) > 31) to++
  s.hits.steps += to - at
  if (s.byte(to) !== open) return false
  return s.byte(to + 1) === 58 || (s.byte(to + 1) === 32 && s.byte(to + 2) === 58)
}
const keyNameMax = 128

/** `<Pass encoding="base64">x</Pass>`: behind the attributes of an element. */
function elementOf(s: Scan, from: number): number {
  let at = from
  while (at - from < headingMax && s.byte(at) !== 62 && s.byte(at) !== 60 && s.byte(at) > 31) at++
  s.hits.steps += at - from
  return s.byte(at) === 62 && s.byte(at - 1) !== 47 && s.byte(at + 1) !== 60 ? at + 1 : -1
}

/** `variable "db_password" {` and in it `default = "x"`. */
function defaultOf(s: Scan, from: number): number {
  for (let at = from; at - from < defaultBytesMax && s.byte(at) !== 125; at++)
    if (isWord(s, at, 'default')) {
      let to = at + 7
      while (to - at < 24 && (s.byte(to) === 32 || s.byte(to) === 61)) to++
      s.hits.steps += to - from
      return classes[s.byte(to)]! & quote ? to : -1
    }
  return -1
}
/** `- name: DB_PASSWORD` and on the next line `value: x`. */
function valueBelow(s: Scan, from: number, to: number): number {
  let name = from - 1
  if (classes[s.byte(name)]! & quote) name--
  if (!isWord(s, name - 5, 'name:') && !isWord(s, name - 4, 'key:')) return -1
  let at = to
  while (at - to < 40 && (classes[s.byte(at)]! & (space | quote)) !== 0) at++
  if (!isWord(s, at, 'value:')) return -1
  at += 6
  while (s.byte(at) === 32) at++
  return at
}

/** Whether `word` stands at `at`. */
export function isWord(s: Scan, at: number, word: string): boolean {
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
  const far = isSaid(s, at)
  value.isBare = far === 0
  value.isNatural = far > 0
  return far > 0 ? far : at
}

/** `password for the admin account is hunter2`: up to six words, and the word that joins. Returns where the value begins; 0 = no. */
function isSaid(s: Scan, from: number): number {
  if (!isWord(s, from, 'for ') && !isWord(s, from, 'of ') && !isWord(s, from, 'to ') && !isWord(s, from, 'on '))
    return 0
  let at = from
  for (let words = 0; words < 7; words++) {
    if (isWord(s, at, 'is ') || isWord(s, at, 'was ')) {
      const to = at + (s.byte(at) === 105 ? 3 : 4)
      return classes[s.byte(to)]! & quote || hasDigitAhead(s, to) ? to : 0
    }
    const word = at
    while (at - word < 24 && (classes[s.byte(at)]! & token) !== 0) at++
    if (at === word || s.byte(at) !== 32) return 0
    at++
  }
  return 0
}
function hasDigitAhead(s: Scan, from: number): boolean {
  for (let at = from; at - from < 64 && s.byte(at) > 32; at++) if (classes[s.byte(at)]! & digit) return true
  return false
}
