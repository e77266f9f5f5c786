/**
 * The words at which the scan stops, as a table hashed from their first and their last four letters: an ordinary word is
 * passed with two loads, however many words there are.
 */
import { forwardWords } from './forward.ts'
import { anchorWords, endingWords, gluedEndings, loudWords } from './secret_keys.ts'

/** 16 KiB: stays in the first-level cache; about one in thirty other words hits by chance, and is then looked up. */
export const anchors = new Uint8Array(16384)
/** The same by the last four letters alone, of the words that need no operator behind them. */
export const loudAnchors = new Uint8Array(16384)

/** Four letters in lower case, packed, to a place in `anchors`; `| 0x20202020` makes them lower case. */
export const anchorHash = (packed: number): number => Math.imul(packed, 0x9e3779b1) >>> 18

const pack = (text: string): number => {
  let packed = 0
  for (const c of text) packed = (packed << 8) | (c.charCodeAt(0) | 0x20)
  return packed
}
const mark = (table: Uint8Array, text: string): void => {
  table[anchorHash(pack(text))] = 1
}

for (const word of [...anchorWords, ...forwardWords]) {
  mark(anchors, word.slice(0, 4))
  mark(anchors, word.slice(-4))
}
for (const word of endingWords) mark(anchors, word.slice(-4))
for (const word of [...loudWords, ...forwardWords]) mark(loudAnchors, word.slice(-4))
for (const ending of gluedEndings)
  for (const c of 'abcdefghijklmnopqrstuvwxyz')
    for (const table of [anchors, loudAnchors]) mark(table, `${c}${ending}`.slice(-4))

/** Whether the word in bytes[start, end) may be one to stop at. */
export function isAnchor(b: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  if (length >= 4) {
    const first = (b[start]! << 24) | (b[start + 1]! << 16) | (b[start + 2]! << 8) | b[start + 3]!
    if (anchors[anchorHash(first | 0x20202020)] === 1) return true
    const last = (b[end - 4]! << 24) | (b[end - 3]! << 16) | (b[end - 2]! << 8) | b[end - 1]!
    return anchors[anchorHash(last | 0x20202020)] === 1
  }
  if (length === 3)
    return anchors[anchorHash((b[start]! << 16) | (b[start + 1]! << 8) | b[start + 2]! | 0x202020)] === 1
  return length === 2 && anchors[anchorHash((b[start]! << 8) | b[start + 1]! | 0x2020)] === 1
}
