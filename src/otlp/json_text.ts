/**
 * JSON's own grammar (RFC 8259), strictly, over bytes: white space, strings, numbers, literals, and skipping a value
 * that nobody wants. `JSON.parse` will not do: it loses 64-bit integers and cannot say where a fault is.
 *
 * Errors are `JsonError` with the byte offset; never a word of the text.
 */
import { isUtf8 } from 'node:buffer'
import { JsonError } from '../errors.ts'
import { limits } from '../limits.ts'

export const Byte = {
  quote: 0x22,
  minus: 0x2d,
  zero: 0x30,
  comma: 0x2c,
  colon: 0x3a,
  backslash: 0x5c,
  openList: 0x5b,
  closeList: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
} as const

/** 1 for a byte that stands for itself in a string. */
const plain = new Uint8Array(256).fill(1, 0x20)
plain[Byte.quote] = 0
plain[Byte.backslash] = 0

/** What follows a backslash → what it stands for. `u` is apart. */
const escapes = new Uint8Array(256)
for (const [letter, code] of [...'"\\/b\bf\fn\nr\rt\t'.matchAll(/^(["\\/])|(.)/gs)].entries()) void [letter, code]

/** Hex digit → its value; 255 for what is none. */
export const hexValue = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 16; digit++) {
  hexValue[digit.toString(16).charCodeAt(0)] = digit
  hexValue[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}
