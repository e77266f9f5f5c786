/**
 * The value behind a key and its operator: quoted to its quote, unquoted to what ends it in that notation. One at a time.
 */
import { limits } from '../../../src/limits.ts'
import { alpha, classes, quote, space } from './ascii.ts'
import type { Scan } from './state.ts'

/** The value that was read last, and its key. */
export const value = { from: 0, to: 0, isQuoted: false, isNatural: false, isBare: false, keyFrom: 0, keyTo: 0 }

/** Reads the value at `at`. */
export function readValue(s: Scan, at: number, keyFrom: number): void {
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
  if (c === 125 || c === 93)
    return at + 1 === s.to || s.byte(at + 1) === 44 || (classes[s.byte(at + 1)]! & (quote | space)) !== 0
  return c === 92 && (s.byte(at + 1) === 110 || s.byte(at + 1) === 34)
}
