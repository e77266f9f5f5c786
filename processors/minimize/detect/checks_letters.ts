/**
 * Checks of identifiers that mix letters and digits, over compact upper-case text.
 * The shape was tested before: positions and alphabets can be relied on.
 */
import { isMonthDay } from './checks.ts'

export type TextCheck = (text: string) => boolean

const at = (text: string, i: number): number => text.charCodeAt(i)
export const valueAt = (text: string, i: number): number => (at(text, i) <= 57 ? at(text, i) - 48 : at(text, i) - 55)
export const digits = (text: string, from: number, to: number): number => Number(text.slice(from, to))

export function remainder97(text: string, rest = 0): number {
  for (let i = 0; i < text.length; i++) {
    const v = valueAt(text, i)
    rest = (v > 9 ? rest * 100 + v : rest * 10 + v) % 97
  }
  return rest
}
const sum = (text: string, weights: readonly number[], from = 0): number =>
  weights.reduce((total, weight, i) => total + weight * valueAt(text, from + i), 0)

/** Real Decreto 1553/2005: TRWAGMYFPDXBNJZSQVHLCKE[n mod 23]. */
export const esLetter: TextCheck = (t) => {
  const body = t.slice(0, -1).replace(/^[XYZ]/, (c) => String('XYZ'.indexOf(c)))
  return 'TRWAGMYFPDXBNJZSQVHLCKE'[Number(body) % 23] === t.at(-1)
}
/** Orden EHA/451/2008: Luhn-like over seven digits, as digit or letter. */
export const esCif: TextCheck = (t) => {
  let total = 0
  for (let i = 1; i < 8; i++) {
    const d = valueAt(t, i)
    total += i % 2 === 1 ? Math.floor((d * 2) / 10) + ((d * 2) % 10) : d
  }
  const control = (10 - (total % 10)) % 10
  return t[8] === String(control) || t[8] === 'JABCDEFGHI'[control]
}

const cfOdd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
/** Decreto 12 marzo 1974: odd and even tables, mod 26; letters LMNPQRSTUV stand for digits (omocodia). */
export const itCf: TextCheck = (t) => {
  const day = Number(t.slice(9, 11).replace(/[LMNP-V]/g, (c) => String('LMNPQRSTUV'.indexOf(c)))) % 40
  if (day < 1 || day > 31) return false
  let total = 0
  for (let i = 0; i < 15; i++) {
    const v = at(t, i) <= 57 ? at(t, i) - 48 : at(t, i) - 65
    total += i % 2 === 0 ? cfOdd[v]! : v
  }
  return total % 26 === at(t, 15) - 65
}
/** Digital and Population Data Services Agency: nine digits mod 31. The century sign may be there or be taken out. */
export const fiHetu: TextCheck = (t) => {
  const serial = t.slice(-4, -1)
  if (!isMonthDay(digits(t, 2, 4), digits(t, 0, 2))) return false
  return '0123456789ABCDEFHJKLMNPRSTUVWXY'[Number(t.slice(0, 6) + serial) % 31] === t.at(-1)
}
export const frNirCorsica: TextCheck = (t) =>
  97 - remainder97(t.slice(0, 13).replace('2A', '19').replace('2B', '18')) === digits(t, 13, 15)
/** VKVV § 2: letters as two digits; weights 2,1,2,5,7,1,2,1,2,1,2,1 with digit sums. */
export const deSvnr: TextCheck = (t) => {
  const day = digits(t, 2, 4) % 50
  if (!isMonthDay(digits(t, 4, 6), day)) return false
  const expanded = t.slice(0, 8) + String(at(t, 8) - 64).padStart(2, '0') + t.slice(9, 11)
  let total = 0
  for (const [i, weight] of [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1].entries()) {
    const product = Number(expanded[i]) * weight
    total += Math.floor(product / 10) + (product % 10)
  }
  return total % 10 === digits(t, 11, 12)
}
/** S.I. 2012/… Irish PPSN: weights 8..2 and 9 for the second letter, mod 23. */
export const iePpsn: TextCheck = (t) => {
  let total = sum(t, [8, 7, 6, 5, 4, 3, 2])
  if (t.length === 9 && t[8]! < 'J') total += 9 * (at(t, 8) - 64)
  return 'WABCDEFGHIJKLMNOPQRSTUV'[total % 23] === t[7]
}
/** HMRC NIM39110. */
export const ukNino: TextCheck = (t) => !/^(?:BG|GB|KN|NK|NT|TN|ZZ)/.test(t)
/** ISO 7064 weights 7,3,1 over letters and digits, with the check digit at `check`. */
export const weights731 =
  (check: number): TextCheck =>
  (t) => {
    let total = 0
    let position = 0
    for (let i = 0; i < t.length; i++) if (i !== check) total += valueAt(t, i) * [7, 3, 1][position++ % 3]!
    return total % 10 === valueAt(t, check)
  }
export const sgNric: TextCheck = (t) => {
  const total = sum(t, [2, 7, 6, 5, 4, 3, 2], 1) + ('TG'.includes(t[0]!) ? 4 : t[0] === 'M' ? 3 : 0)
  if (t[0] === 'M') return 'KLJNPQRTUWX'[10 - (total % 11)] === t[8]
  return ('ST'.includes(t[0]!) ? 'JZIHGFEDCBA' : 'XWUTRQPNMLK')[total % 11] === t[8]
}
/** GSTN: base-36 digit sums. */
export const inGstin: TextCheck = (t) => {
  let total = 0
  for (let i = 0; i < 14; i++) {
    const product = valueAt(t, i) * (i % 2 === 0 ? 1 : 2)
    total += Math.floor(product / 36) + (product % 36)
  }
  return (36 - (total % 36)) % 36 === valueAt(t, 14)
}
const vinValues = [1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 0, 7, 0, 9, 2, 3, 4, 5, 6, 7, 8, 9]
/** 49 CFR 565.15: weights and the check digit at position 9. */
export const vin: TextCheck = (t) => {
  let total = 0
  for (const [i, weight] of [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2].entries())
    total += weight * (at(t, i) <= 57 ? at(t, i) - 48 : vinValues[at(t, i) - 65]!)
  return (total % 11 === 10 ? 'X' : String(total % 11)) === t[8]
}
/** ISO 17442: MOD 97-10 over the whole. */
export const lei: TextCheck = (t) => remainder97(t) === 1

const mod11of = (t: string, weights: readonly number[], from: number): number => sum(t, weights, from) % 11
/** European VAT numbers: their own check each (EU Commission, VIES FAQ Q11 and the member states' notices). */
const vatChecks: Record<string, TextCheck> = {
  BE: (t) => t[2]! < '2' && 97 - (digits(t, 2, 10) % 97) === digits(t, 10, 12),
  DE: (t) => {
    let product = 10
    for (let i = 2; i < 10; i++) product = (((valueAt(t, i) + product) % 10 || 10) * 2) % 11
    return (11 - product) % 10 === valueAt(t, 10)
  },
  FR: (t) => !/^\d{2}/.test(t.slice(2)) || (digits(t, 4, 13) * 100 + 12) % 97 === digits(t, 2, 4),
  NL: (t) => mod11of(t, [9, 8, 7, 6, 5, 4, 3, 2], 2) === valueAt(t, 10) || remainder97(t) === 1,
  IT: (t) => luhnText(t.slice(2)),
  PT: (t) => {
    const rest = 11 - mod11of(t, [9, 8, 7, 6, 5, 4, 3, 2], 2)
    return (rest > 9 ? 0 : rest) === valueAt(t, 10)
  },
  PL: (t) => mod11of(t, [6, 5, 7, 2, 3, 4, 5, 6, 7], 2) === valueAt(t, 11),
  ES: (t) => (/^[XYZ\d]/.test(t.slice(2)) ? /[A-Z]$/.test(t) && esLetter(t.slice(2)) : esCif(t.slice(2))),
  AT: (t) => {
    let total = 4
    for (let i = 3; i < 10; i++) {
      const product = valueAt(t, i) * (i % 2 === 1 ? 1 : 2)
      total += Math.floor(product / 10) + (product % 10)
    }
    return (10 - (total % 10)) % 10 === valueAt(t, 10)
  },
  SE: (t) => luhnText(t.slice(2, 12)),
  FI: (t) => (11 - mod11of(t, [7, 9, 10, 5, 8, 4, 2], 2)) % 11 === valueAt(t, 9),
  DK: (t) => mod11of(t, [2, 7, 6, 5, 4, 3, 2, 1], 2) === 0,
  LU: (t) => digits(t, 2, 8) % 89 === digits(t, 8, 10),
  IE: (t) => (/^\d{7}[A-W][A-I]?$/.test(t.slice(2)) ? iePpsn(t.slice(2)) : false),
  CH: (t) => (11 - mod11of(t, [5, 4, 3, 2, 7, 6, 5, 4], 3)) % 11 === valueAt(t, 11),
}
export const vat: TextCheck = (t) => vatChecks[t.slice(0, 2)]!(t)

export function luhnText(t: string): boolean {
  let total = 0
  for (let i = t.length - 1, twice = false; i >= 0; i--, twice = !twice) {
    const d = valueAt(t, i)
    total += twice ? (d > 4 ? d * 2 - 9 : d * 2) : d
  }
  return total % 10 === 0
}

/** Countries of the IBAN registry (SWIFT, release 99) with the length of their IBAN. */
const ibanLengths =
  'AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30'
export const ibanLength = new Map(
  [...ibanLengths.matchAll(/([A-Z]{2})(\d{2})/g)].map((m) => [m[1]!, Number(m[2])] as const),
)
/** ISO 3166 of the countries whose banks have codes: `DOCUMENT` and `SHIPMENT` are none. */
const bankCountries = new Set(
  'AD AE AL AM AO AR AT AU AZ BA BB BD BE BG BH BR BY CA CH CL CM CN CO CR CY CZ DE DK DO DZ EC EE EG ES ET FI FR GB GE GH GI GR GT HK HR HU ID IE IL IM IN IQ IR IS IT JE JO JP KE KH KR KW KZ LB LI LK LT LU LV LY MA MC MD MG MK MM MN MO MT MU MV MX MY MZ NA NG NL NO NP NZ OM PA PE PH PK PL PR PS PT PY QA RO RS RU RW SA SE SG SI SK SM SN SV SY TH TJ TM TN TR TT TW TZ UA UG US UY UZ VA VE VN XK YE ZA ZM ZW'.split(
    ' ',
  ),
)
/** ISO 9362: the country behind the four letters of the bank. */
export const isBic: TextCheck = (t) => bankCountries.has(t.slice(4, 6))

/** The same of any country and length: beside a word that says so. */
export const isIbanAnywhere: TextCheck = (t) =>
  /^[A-Z]{2}\d{2}[A-Z0-9]{10,30}$/.test(t) && remainder97(t.slice(0, 4), remainder97(t.slice(4))) === 1
/** Countries whose account numbers are digits only: `be2255c0d5d81f5b` is the id of a span. */
const digitsOnly = new Set(
  'AE AT BA BE CZ DE DK EE ES FI FO GL HR HU IL IS LT LY ME MN NO PL PT RS SD SE SI SK TN VA XK'.split(' '),
)
/** ISO 13616: length of the country, check digits 02–98, MOD 97-10 of the rotated text. */
export const iban: TextCheck = (t) =>
  ibanLength.get(t.slice(0, 2)) === t.length &&
  !(digitsOnly.has(t.slice(0, 2)) && /[A-Z]/.test(t.slice(4))) &&
  /^..(?:0[2-9]|[1-8]\d|9[0-8])/.test(t) &&
  remainder97(t.slice(0, 4), remainder97(t.slice(4))) === 1
