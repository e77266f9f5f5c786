/** Checksums that users' own detectors may ask for by name, over the letters and digits of a finding. */
import { digitMod11, elevenMinus, luhn, mod11_10, mod97, verhoeff } from './checks.ts'

const asBytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))
const isDigits = (text: string): boolean => /^\d+$/.test(text)

/** Every weight from `count + 1` down to 2. */
const falling = (count: number): number[] => Array.from({ length: count }, (_, i) => count + 1 - i)

const checks = {
  /** ISO/IEC 7812-1: the last digit. */
  luhn: (text) => isDigits(text) && luhn(asBytes(text), 0, text.length),
  /** Verhoeff: the last digit. */
  verhoeff: (text) => isDigits(text) && verhoeff(asBytes(text), 0, text.length),
  /** ISO 7064 MOD 97-10: letters are 10–35, the remainder is 1. */
  mod97: (text) => mod97(asBytes(text), 0, text.length) === 1,
  /** ISO 7064 MOD 11,10: the last digit. */
  mod11_10: (text) => isDigits(text) && mod11_10(asBytes(text), 0, text.length),
  /** Weights n … 2, eleven minus the rest; the last digit. */
  mod11: (text) => isDigits(text) && elevenMinus(falling(text.length - 1))(asBytes(text), 0, text.length),
  /** Weights 1 … n, the rest; the last digit. */
  mod11_rising: (text) =>
    isDigits(text) &&
    digitMod11(
      falling(text.length - 1)
        .reverse()
        .map((w) => w - 1),
    )(asBytes(text), 0, text.length),
  /** EAN-13, GTIN, ISBN-13: weights 3 and 1 from the right; the last digit. */
  ean: (text) => {
    if (!isDigits(text)) return false
    let sum = 0
    for (let i = text.length - 1, weight = 1; i >= 0; i--, weight = 4 - weight) sum += Number(text[i]) * weight
    return sum % 10 === 0
  },
} satisfies Record<string, (text: string) => boolean>

export type ChecksumName = keyof typeof checks
export const checksumNames = Object.keys(checks) as [ChecksumName, ...ChecksumName[]]

/** Whether the checksum holds over the letters and digits of `text`. */
export function checksumHolds(name: ChecksumName, text: string): boolean {
  const compact = text.replace(/[^0-9A-Za-z]/g, '').toUpperCase()
  return compact.length > 1 && checks[name](compact)
}
