/**
 * Checksums and dates, as integer arithmetic over compact characters: upper-case ASCII, separators taken out.
 *
 * `Check` gets the characters and where the candidate begins; the rule has made sure of length and alphabet.
 * Each is named after the algorithm, or the identifier that invented it, with its source.
 */
export type Check = (c: Uint8Array, at: number, length: number) => boolean

const value = (c: number): number => (c <= 57 ? c - 48 : c - 55)
export const number = (c: Uint8Array, from: number, to: number): number => {
  let n = 0
  for (let i = from; i < to; i++) n = n * 10 + c[i]! - 48
  return n
}

/** ISO/IEC 7812-1 annex B (payment cards, IMEI, SIREN, CA SIN, ZA id, SE numbers). */
export const luhn: Check = (c, at, length) => luhnSum(c, at, length) % 10 === 0
function luhnSum(c: Uint8Array, at: number, length: number): number {
  let sum = 0
  for (let i = at + length - 1, twice = false; i >= at; i--, twice = !twice) {
    const d = c[i]! - 48
    sum += twice ? (d > 4 ? d * 2 - 9 : d * 2) : d
  }
  return sum
}

/** Luhn with a prefix before it, such as 80840 for a US NPI. */
export const luhnAfter =
  (prefixSum: number): Check =>
  (c, at, length) =>
    (luhnSum(c, at, length) + prefixSum) % 10 === 0

/** ISO 7064 MOD 97-10 over digits and letters (IBAN after its rotation, LEI): the remainder. */
export function mod97(c: Uint8Array, from: number, to: number, start = 0): number {
  let rest = start
  for (let i = from; i < to; i++) {
    const v = value(c[i]!)
    rest = (v > 9 ? rest * 100 + v : rest * 10 + v) % 97
  }
  return rest
}

/** ISO 7064 MOD 11,10 (German tax id, Croatian OIB). */
export const mod11_10: Check = (c, at, length) => {
  let product = 10
  for (let i = at; i < at + length - 1; i++) {
    const sum = (c[i]! - 48 + product) % 10 || 10
    product = (sum * 2) % 11
  }
  return (11 - product) % 10 === c[at + length - 1]! - 48
}

/** Σ weight × digit. */
export function weighted(c: Uint8Array, at: number, weights: readonly number[]): number {
  let sum = 0
  for (let i = 0; i < weights.length; i++) sum += weights[i]! * (c[at + i]! - 48)
  return sum
}
/** The weighted sum must leave no rest. */
export const zeroMod =
  (modulus: number, weights: readonly number[]): Check =>
  (c, at) =>
    weighted(c, at, weights) % modulus === 0
/** The digit after the weighted ones must be (sum mod 11) mod 10. */
export const digitMod11 =
  (weights: readonly number[]): Check =>
  (c, at) =>
    (weighted(c, at, weights) % 11) % 10 === c[at + weights.length]! - 48
/** The digit after the weighted ones must be 11 − (sum mod 11), where 11 becomes 0 and 10 is never issued. */
export const elevenMinus =
  (weights: readonly number[]): Check =>
  (c, at) => {
    const rest = 11 - (weighted(c, at, weights) % 11)
    return rest !== 10 && rest % 11 === c[at + weights.length]! - 48
  }
/** As above, where 10 becomes 0 too (PT NIF, BR CPF, ZA …). */
export const elevenMinusZero =
  (weights: readonly number[]): Check =>
  (c, at) => {
    const rest = 11 - (weighted(c, at, weights) % 11)
    return (rest > 9 ? 0 : rest) === c[at + weights.length]! - 48
  }
/** The digit after the weighted ones must be (10 − sum mod 10) mod 10 (PESEL, EAN, Aadhaar-like). */
export const tenMinus =
  (weights: readonly number[]): Check =>
  (c, at) =>
    (10 - (weighted(c, at, weights) % 10)) % 10 === c[at + weights.length]! - 48

const verhoeffD = tableOf(
  '0123456789123406789523401789563401289567401239567859876043216598710432765982104387659321049876543210',
)
const verhoeffP = tableOf('01234567891576283094580379614289160435279453126870428657390127938064157046913258')
function tableOf(digits: string): Uint8Array {
  return Uint8Array.from(digits, Number)
}
/** Verhoeff 1969 (Aadhaar). */
export const verhoeff: Check = (c, at, length) => {
  let sum = 0
  for (let i = 0; i < length; i++) sum = verhoeffD[sum * 10 + verhoeffP[(i % 8) * 10 + c[at + length - 1 - i]! - 48]!]!
  return sum === 0
}

/** ICAO 9303 part 3: weights 7, 3, 1; letters from A = 10; `<` = 0. */
export function icaoDigit(c: Uint8Array, from: number, to: number): number {
  let sum = 0
  for (let i = from; i < to; i++) sum += (c[i] === 60 ? 0 : value(c[i]!)) * [7, 3, 1][(i - from) % 3]!
  return sum % 10
}

const monthDays = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
export const isMonthDay = (month: number, day: number): boolean =>
  month >= 1 && month <= 12 && day >= 1 && day <= monthDays[month]!
/** YYMMDD at `at`. */
export const isYymmdd = (c: Uint8Array, at: number): boolean =>
  isMonthDay(number(c, at + 2, at + 4), number(c, at + 4, at + 6))
/** DDMMYY at `at`. */
export const isDdmmyy = (c: Uint8Array, at: number): boolean =>
  isMonthDay(number(c, at + 2, at + 4), number(c, at, at + 2))
