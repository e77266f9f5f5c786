/**
 * Whether a value looks as if a machine had drawn it: long enough, of mixed classes, no word, no id of a known kind.
 */
import { alpha, classes, digit, lower, token, upper } from './ascii.ts'

/** UUIDs name things; they are no secrets by their looks. */
function isUuid(b: Uint8Array, from: number, to: number): boolean {
  return to - from === 36 && b[from + 8] === 45 && b[from + 13] === 45 && b[from + 18] === 45 && b[from + 23] === 45
}

/** `lengthMin` in bytes. Digits and letters in turn, or both cases; at least a quarter of the characters differ. */
export function looksRandom(b: Uint8Array, from: number, to: number, lengthMin: number): boolean {
  const length = to - from
  if (length < lengthMin || isUuid(b, from, to)) return false
  let seen = 0
  let turns = 0
  let last = 0
  let others = 0
  let low = 0
  let high = 0
  for (let i = from; i < to && i < from + 256; i++) {
    const c = b[i]!
    const kind = classes[c]! & (digit | upper | lower)
    if (c === 32) return false
    if (kind === 0) others++
    else if (last !== 0 && kind !== last) turns++
    if (kind !== 0) last = kind
    seen |= kind
    if (c < 64) low |= 1 << (c & 31)
    else high |= 1 << (c & 31)
  }
  const different = bits(low) + bits(high)
  if (others * 3 > length || different < 6) return false
  if ((seen & digit) === 0)
    return length >= 20 && others === 0 && (turns > 4 || isOneRun(b, from, to)) && !isCamelCase(b, from, to)
  if ((seen & alpha) === 0) return false
  return turns >= 2 && !(others === 0 && isNumberedName(b, from, to))
}

/** Keys and salts of printable characters: long, of all kinds, a fifth of them punctuation: `8V+&}@Nq 2:~k…`. */
export function isNoise(b: Uint8Array, from: number, to: number): boolean {
  const length = to - from
  if (length < 32 || length > 128) return false
  let seen = 0
  let marks = 0
  for (let i = from; i < to; i++) {
    const c = b[i]!
    if (c < 32) return false
    seen |= classes[c]!
    if ((classes[c]! & (alpha | digit)) === 0 && c !== 32) marks++
  }
  return (seen & upper) !== 0 && (seen & lower) !== 0 && (seen & digit) !== 0 && marks * 5 > length
}

/** One piece of at least 24 letters and digits (`_` and `-` too), drawn at random: no path, no list, no name with a number. */
export function isDrawn(b: Uint8Array, from: number, to: number): boolean {
  if (!looksRandom(b, from, to, 24)) return false
  let count = 0
  let turns = 0
  for (let i = from; i < to; i++) {
    if ((classes[b[i]!]! & token) === 0) return false
    if (classes[b[i]!]! & digit) count++
    if (i > from && (classes[b[i]!]! & digit) !== (classes[b[i - 1]!]! & digit)) turns++
  }
  return count * 10 >= to - from && turns >= 6
}

/** `VisualEditor0`, `Stmt1538161409`: words, each with a capital at most at its start, and a number. */
function isNumberedName(b: Uint8Array, from: number, to: number): boolean {
  let at = from
  for (; at < to && classes[b[at]!]! & alpha; at++)
    if (classes[b[at]!]! & upper && (at + 2 >= to || (classes[b[at + 1]!]! & classes[b[at + 2]!]! & lower) === 0))
      return false
  if (at - from < 4) return false
  while (at < to && classes[b[at]!]! & digit) at++
  return at === to
}

/** `AllowExecutionFromCloudWatch`: of letters of both cases more than half stand in runs of three small ones or more. */
function isCamelCase(b: Uint8Array, from: number, to: number): boolean {
  let count = 0
  let run = 0
  let capitals = 0
  for (let i = from; i <= to; i++) {
    if (i < to && classes[b[i]!]! & lower) {
      run++
      continue
    }
    if (run > 2) count += run
    run = 0
    capitals++
  }
  return capitals > 1 && count * 2 > to - from
}

/** One run of 20 letters or more without a vowel pattern of words: at least 8 different letters. */
function isOneRun(b: Uint8Array, from: number, to: number): boolean {
  const letters = new Set<number>()
  for (let i = from; i < to; i++) {
    if ((classes[b[i]!]! & alpha) === 0) return false
    letters.add(b[i]!)
  }
  return letters.size >= 8
}

function bits(n: number): number {
  let count = 0
  for (let rest = n; rest !== 0; rest &= rest - 1) count++
  return count
}
