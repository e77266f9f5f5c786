/**
 * Text as bytes, one byte for each UTF-16 unit, so that every detector is a loop over small integers.
 *
 * ASCII stays as it is. What people and attackers write instead of ASCII is folded onto it: accents (é → e), full-width
 * and Arabic-Indic digits, look-alike Cyrillic and Greek letters, dashes, spaces of all widths. Zero-width characters and
 * combining marks are taken out; `Projection.offsets` then says where each byte came from. Any other letter becomes
 * `letter`, any other character `symbol`: two control codes that carry no meaning in logs.
 *
 * A detector may also run directly over UTF-8 bytes. It gives up at the first byte >= 0x80, and the text is projected.
 */
export const digit = 1
export const upper = 2
export const lower = 4
/** `_` and `-`: part of a key or a token, not of a word. */
export const joiner = 8
export const space = 16
export const quote = 32
export const high = 64
export const alpha = upper | lower
export const alnum = digit | alpha
export const token = alnum | joiner

const letter = 0x1a
const symbol = 0x1f
const removed = 0xff

/** Byte → its class bits. */
export const classes = classTable()
/** Byte → the same in lower case. */
export const lowered = Uint8Array.from({ length: 256 }, (_, c) => (c >= 65 && c <= 90 ? c + 32 : c))

function classTable(): Uint8Array {
  const table = new Uint8Array(256)
  for (let c = 48; c <= 57; c++) table[c] = digit
  for (let c = 65; c <= 90; c++) table[c] = upper
  for (let c = 97; c <= 122; c++) table[c] = lower
  table[letter] = lower
  for (const c of '_-') table[c.charCodeAt(0)] = joiner
  for (const c of ' \t\n\r') table[c.charCodeAt(0)] = space
  for (const c of '"\'`') table[c.charCodeAt(0)] = quote
  for (let c = 0x80; c < 256; c++) table[c] = high
  return table
}

const folded = foldTable()

function foldTable(): Uint8Array {
  const table = new Uint8Array(65536)
  for (let c = 0; c < 0x80; c++) table[c] = c
  table.fill(symbol, 0x80, 0xc0)
  table.fill(letter, 0xc0, 0x2000)
  table.fill(symbol, 0x2000)
  for (const [from, to] of [
    [0xc0, 0x24f],
    [0x1e00, 0x1eff],
  ] as const)
    for (let c = from; c <= to; c++) foldAccent(table, c)
  const pairs: readonly (readonly [string, string])[] = [
    ['øØłŁđĐðÐßıæÆœŒþÞ', 'oOlLdDdDsiaAoOtT'],
    ['аеорсхуіјѕԁһАВЕКМНОРСТХУІЈЅ', 'aeopcxyijsdhABEKMHOPCTXYIJS'],
    ['αοντιΑΒΕΖΗΙΚΜΝΟΡΤΥΧ', 'aovtiABEZHIKMNOPTYX'],
    ['‐‑‒–—―−⁃﹣', '---------'],
    ['’‘“”«»′', '\'\'""""\''],
    ['․。｡·•‧∙⋅・∶', '.........:'],
  ]
  for (const [source, target] of pairs)
    for (let i = 0; i < source.length; i++) table[source.charCodeAt(i)] = target.charCodeAt(i)
  for (const c of [0xa0, 0x1680, 0x202f, 0x205f, 0x3000]) table[c] = 32
  for (let c = 0x2000; c <= 0x200a; c++) table[c] = 32
  for (const zero of [0x660, 0x6f0, 0x966, 0x9e6, 0xff10]) for (let n = 0; n < 10; n++) table[zero + n] = 48 + n
  for (let c = 0xff01; c <= 0xff5e; c++) table[c] = c - 0xfee0
  for (const c of [0xad, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2060, 0x2061, 0x2062, 0x2063, 0xfeff, 0x61c, 0x180e])
    table[c] = removed
  table.fill(removed, 0x300, 0x370)
  table.fill(removed, 0xfe00, 0xfe10)
  return table
}

function foldAccent(table: Uint8Array, c: number): void {
  const base = String.fromCharCode(c).normalize('NFD').charCodeAt(0)
  if (base < 0x80) table[c] = base
}

export interface Projection {
  bytes: Uint8Array
  length: number
  /** Byte index → UTF-16 offset, one more than `length`; undefined where they are equal. */
  offsets: Int32Array | undefined
}

const scratch: Projection = { bytes: new Uint8Array(4096), length: 0, offsets: undefined }

/** Projects `text`. The result is valid until the next call. */
export function project(text: string): Projection {
  if (scratch.bytes.length < text.length)
    scratch.bytes = new Uint8Array(Math.max(text.length, scratch.bytes.length * 2))
  else if (scratch.bytes.length > 1 << 20 && text.length < 4096) scratch.bytes = new Uint8Array(4096)
  const { bytes } = scratch
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c >= 0x80) {
      const byte = folded[c]!
      if (byte === removed || c === 0xd835) return projectWithGaps(text, i)
      bytes[i] = byte
    } else bytes[i] = c
  }
  scratch.length = text.length
  scratch.offsets = undefined
  return scratch
}

/** The slow way: some characters vanish, so every byte needs its own offset. */
function projectWithGaps(text: string, from: number): Projection {
  const { bytes } = scratch
  const offsets = new Int32Array(text.length + 1)
  for (let i = 0; i < from; i++) offsets[i] = i
  let at = from
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i)
    offsets[at] = i
    if (c === 0xd835) {
      bytes[at++] = mathematical(text.charCodeAt(i + 1))
      i++
    } else if (folded[c] !== removed) bytes[at++] = folded[c]!
  }
  offsets[at] = text.length
  scratch.length = at
  scratch.offsets = offsets
  return scratch
}

/** Mathematical letters and digits (U+1D400…1D7FF), by their low surrogate. */
function mathematical(low: number): number {
  if (low >= 0xdfce && low <= 0xdfff) return 48 + ((low - 0xdfce) % 10)
  if (low < 0xdc00 || low > 0xdea3) return symbol
  const n = (low - 0xdc00) % 52
  return n < 26 ? 65 + n : 71 + n
}

/** The bytes as text: only for short pieces, and for tests. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!)
  return text
}
