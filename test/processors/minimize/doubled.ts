/** Twice as many formats of secrets: those there are, and as many that were made from them. For measurements. */
import { alnum, classes } from '../../../processors/minimize/detect/ascii.ts'
import type { tokenStarts } from '../../../processors/minimize/detect/vendor_tokens.ts'
import { type FastExports, fastProgram, fillTables } from '../../../processors/minimize/fast/memory.ts'

type Starts = typeof tokenStarts

/** The next letter of the alphabet for each, and the next digit; everything else stays. */
const turned = (c: number): number =>
  c === 57 ? 48 : c === 90 ? 65 : c === 122 ? 97 : (classes[c]! & alnum) !== 0 ? c + 1 : c

export function doubled(starts: Starts): Starts {
  const both: Starts = new Map(starts)
  for (const [key, formats] of starts) {
    const other = (turned(key >> 16) << 16) | (turned((key >> 8) & 255) << 8) | turned(key & 255)
    const made = formats.map(({ literal, lengthMin }) => ({ literal: literal.map(turned), lengthMin }))
    both.set(other, [...(both.get(other) ?? []), ...made])
  }
  return both
}

/** The prefilter over a text, with these formats: each call goes over all of it and counts where it stops. */
export function prefilter(text: Uint8Array, starts: Starts): () => number {
  const from = 1024 * 1024
  const end = from + text.length
  const memory = new WebAssembly.Memory({ initial: Math.ceil(end / 65536) + 1 })
  const bytes = Buffer.from(memory.buffer)
  const wasm = new WebAssembly.Instance(fastProgram, { env: { memory } }).exports as unknown as FastExports
  fillTables(bytes, new Int32Array(memory.buffer), starts)
  bytes.set(text, from)
  return () => {
    let stops = 0
    let at = from
    for (;;) {
      at = wasm.nextStop(at, from, end)
      if (at >= end) return stops
      stops++
      if ((classes[bytes[at]!]! & alnum) === 0) at++
      else while (at < end && (classes[bytes[at]!]! & alnum) !== 0) at++
    }
  }
}
