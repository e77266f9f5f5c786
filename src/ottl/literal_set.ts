/** Searching a field for the texts that a pattern needs: in a string here, in bytes in wasm/decide.ts. */
import type { Call } from './checker.ts'
import { type Literals, literalsOf } from './literals.ts'

/** The texts that a call of IsMatch needs. Undefined: none are known, or it is another call. */
export function literalSetOf({ name, args }: Call): Literals | undefined {
  const pattern = args[1]
  if (name !== 'IsMatch' || pattern?.is !== 'literal' || typeof pattern.value !== 'string') return undefined
  return literalsOf(pattern.value)
}

/** Whether a text holds one of them. */
export function testOf({ texts, folds }: Literals): (text: string) => boolean {
  const pattern = texts.map((text) =>
    text.replace(/[\\^$.*+?()[\]{}|/-]/g, (letter) => (letter === '-' ? '-' : `\\${letter}`)),
  )
  const compiled = new RegExp(pattern.join('|'), folds ? 'iu' : 'u')
  return (text) => compiled.test(text)
}

const TABLES = 64
const HEADER = TABLES + 12
const LITERAL = 68
const groups = 8
/** Letters that stand for others outside ASCII too: the sign of Kelvin, the long s. */
const foldFar = /[ks]/

/** As the program reads them: see `holds` in wasm/decide.ts. */
export function encode({ texts, folds }: Literals): Uint8Array {
  const bytes = Buffer.alloc(HEADER + texts.length * LITERAL)
  bytes.writeInt32LE(texts.length, TABLES)
  bytes.writeInt32LE(folds ? 1 : 0, TABLES + 4)
  bytes.writeInt32LE(folds && texts.some((text) => foldFar.test(text)) ? 1 : 0, TABLES + 8)
  for (const [i, text] of texts.entries()) {
    for (const place of [0, 1]) {
      const letter = text[place]!
      for (const each of folds ? [letter, letter.toUpperCase()] : [letter]) {
        const code = each.charCodeAt(0)
        bytes[place * 32 + (code & 15)]! |= 1 << (i % groups)
        bytes[place * 32 + 16 + (code >> 4)]! |= 1 << (i % groups)
      }
    }
    const at = HEADER + i * LITERAL
    bytes.writeInt32LE(text.length, at)
    bytes.write(text, at + 4, 'latin1')
  }
  return bytes
}
