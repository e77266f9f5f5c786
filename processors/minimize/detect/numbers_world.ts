/**
 * Numbers of digits only from outside Europe, and those of no country: cards, bank routing, devices.
 * See numbers_europe.ts for what the fields mean.
 */
import {
  type Check,
  elevenMinusZero,
  isYymmdd,
  luhn,
  luhnAfter,
  number,
  tenMinus,
  verhoeff,
  weighted,
  zeroMod,
} from './checks.ts'
import type { NumberRule } from './numbers_europe.ts'

/** ISO/IEC 7812 issuer ranges with the lengths that the networks issue: first digits low, high, lengths. */
const issuers: readonly (readonly [low: number, high: number, lengths: readonly number[]])[] = [
  [4, 4, [13, 16, 19]], // Visa
  [51, 55, [16]], // Mastercard
  [2221, 2720, [16]], // Mastercard
  [34, 34, [15]], // American Express
  [37, 37, [15]],
  [300, 305, [14]], // Diners
  [3095, 3095, [14]],
  [36, 36, [14]],
  [38, 39, [14, 16]],
  [6011, 6011, [16, 19]], // Discover
  [644, 649, [16, 19]],
  [65, 65, [16, 19]],
  [3528, 3589, [16, 17, 18, 19]], // JCB
  [62, 62, [16, 17, 18, 19]], // UnionPay
  [5018, 5018, [12, 13, 14, 15, 16, 17, 18, 19]], // Maestro
  [5020, 5020, [12, 13, 14, 15, 16, 17, 18, 19]],
  [5038, 5038, [12, 13, 14, 15, 16, 17, 18, 19]],
  [5893, 5893, [12, 13, 14, 15, 16, 17, 18, 19]],
  [6304, 6304, [12, 13, 14, 15, 16, 17, 18, 19]],
  [6759, 6763, [12, 13, 14, 15, 16, 17, 18, 19]],
  [5067, 5067, [16]], // Elo
  [5090, 5090, [16]],
  [6363, 6363, [16]],
  [6370, 6370, [16]], // Hiper
  [6062, 6062, [16]], // Hipercard
  [60, 60, [16]], // RuPay
  [81, 82, [16]],
  [2200, 2204, [16]], // Mir
  [9792, 9792, [16]], // Troy
  [1800, 1800, [15]], // JCB, old
  [2131, 2131, [15]],
  [5019, 5019, [16]], // Dankort
]
export const isCard: Check = (c, at, length) => {
  for (const [low, high, lengths] of issuers) {
    const digits = low < 10 ? 1 : low < 100 ? 2 : low < 1000 ? 3 : 4
    const prefix = number(c, at, at + digits)
    if (prefix >= low && prefix <= high && lengths.includes(length)) return luhn(c, at, length)
  }
  return false
}
/** Of 2,023 runs of 13–19 digits in real system logs, one passes this. */
const commonCard: Check = (c, at, length) => (length === 15 || length === 16) && c[at] !== 49 && isCard(c, at, length)

const ssnArea = (c: Uint8Array, at: number): boolean => {
  const area = number(c, at, at + 3)
  return area !== 0 && area !== 666 && area < 900 && number(c, at + 3, at + 5) !== 0 && number(c, at + 5, at + 9) !== 0
}
/** IRS: 9xx with group 50–65, 70–88, 90–92, 94–99. */
const itin: Check = (c, at) => {
  const group = number(c, at + 3, at + 5)
  return c[at] === 57 && ((group >= 50 && group <= 65) || (group >= 70 && group <= 88) || (group >= 90 && group !== 93))
}
const cpf: Check = (c, at) =>
  elevenMinusZero([10, 9, 8, 7, 6, 5, 4, 3, 2])(c, at, 10) &&
  elevenMinusZero([11, 10, 9, 8, 7, 6, 5, 4, 3, 2])(c, at, 11)
const cnpj: Check = (c, at) =>
  elevenMinusZero([5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])(c, at, 13) &&
  elevenMinusZero([6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])(c, at, 14)
const krDate: Check = (c, at) => isYymmdd(c, at)
const krRrn: Check = (c, at) => krDate(c, at, 13) && c[at + 6]! >= 49 && c[at + 6]! <= 52
const krFrn: Check = (c, at) => krDate(c, at, 13) && c[at + 6]! >= 53 && c[at + 6]! <= 56
const krBrn: Check = (c, at) => {
  const sum = weighted(c, at, [1, 3, 7, 1, 3, 7, 1, 3, 5]) + Math.floor(((c[at + 8]! - 48) * 5) / 10)
  return (10 - (sum % 10)) % 10 === c[at + 9]! - 48
}
const thTnin: Check = (c, at) => {
  const sum = weighted(c, at, [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2])
  return c[at]! > 48 && (11 - (sum % 11)) % 10 === c[at + 12]! - 48
}
const trId: Check = (c, at) => {
  if (c[at] === 48) return false
  const odd = weighted(c, at, [1, 0, 1, 0, 1, 0, 1, 0, 1])
  const even = weighted(c, at, [0, 1, 0, 1, 0, 1, 0, 1])
  const tenth = (((odd * 7 - even) % 10) + 10) % 10
  return tenth === c[at + 9]! - 48 && (odd + even + tenth) % 10 === c[at + 10]! - 48
}
const abn: Check = (c, at) => (weighted(c, at, [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) - 10) % 89 === 0 && c[at] !== 48
const zaId: Check = (c, at) => isYymmdd(c, at) && c[at + 10]! <= 50 && luhn(c, at, 13)
const auMedicare: Check = (c, at) =>
  c[at]! >= 50 && c[at]! <= 54 && weighted(c, at, [1, 3, 7, 9, 1, 3, 7, 9]) % 10 === c[at + 8]! - 48
const aba: Check = (c, at) => {
  const prefix = number(c, at, at + 2)
  const isIssued = prefix <= 12 || (prefix >= 21 && prefix <= 32) || (prefix >= 61 && prefix <= 72) || prefix === 80
  return isIssued && weighted(c, at, [3, 7, 1, 3, 7, 1, 3, 7, 1]) % 10 === 0
}
const any: Check = () => true

// biome-ignore format: one identifier a line, to be read as a table
export const world: readonly NumberRule[] = [
  { type: 'credit_card', lengths: [15, 16], check: commonCard, topics: ['credit_card'], alone: 'written', written: ['16', '15', '4~4~4~4', '4~6~5', '4~4~4~3'] },
  { type: 'credit_card', lengths: [12, 13, 14, 15, 16, 17, 18, 19], check: isCard, topics: ['credit_card'], alone: 'written', written: ['4~6~4', '4~4~4~4~3'] },
  { type: 'credit_card', lengths: [12, 13, 14, 15, 16, 17, 18, 19], check: luhn, topics: ['credit_card'], alone: 'never' },
  { type: 'be_id_card', lengths: [12], check: (c, at) => (number(c, at, at + 10) % 97 || 97) === number(c, at + 10, at + 12), topics: ['id_card', 'national_id'], alone: 'written', written: ['3-7-2'] },
  { type: 'imei', lengths: [15], check: luhn, topics: ['imei'], alone: 'never' },
  { type: 'us_ssn', lengths: [9], check: ssnArea, topics: ['us_ssn', 'social_security'], alone: 'written', written: ['3-2-4'] },
  { type: 'us_itin', lengths: [9], check: itin, topics: ['us_itin', 'tax_id'], alone: 'written', written: ['3-2-4'] },
  { type: 'us_npi', lengths: [10], check: (c, at) => c[at]! <= 50 && luhnAfter(24)(c, at, 10), topics: ['us_npi'], alone: 'never' },
  { type: 'aba_routing_number', lengths: [9], check: aba, topics: ['aba_routing_number'], alone: 'never' },
  { type: 'ca_sin', lengths: [9], check: (c, at) => c[at]! > 48 && c[at] !== 56 && luhn(c, at, 9), topics: ['ca_sin', 'social_security'], alone: 'never' },
  { type: 'br_cpf', lengths: [11], check: cpf, topics: ['br_cpf', 'social_security'], alone: 'written', written: ['3.3.3-2'] },
  { type: 'br_cnpj', lengths: [14], check: cnpj, topics: ['br_cnpj'], alone: 'written', written: ['2.3.3/4-2'] },
  { type: 'in_aadhaar', lengths: [12], check: (c, at) => c[at]! > 49 && verhoeff(c, at, 12), topics: ['in_aadhaar', 'national_id'], alone: 'never' },
  { type: 'kr_rrn', lengths: [13], check: krRrn, topics: ['kr_rrn'], alone: 'written', written: ['6-7'] },
  { type: 'kr_frn', lengths: [13], check: krFrn, topics: ['kr_frn'], alone: 'written', written: ['6-7'] },
  { type: 'kr_brn', lengths: [10], check: krBrn, topics: ['kr_brn', 'company_id'], alone: 'written', written: ['3-2-5'] },
  { type: 'th_tnin', lengths: [13], check: thTnin, topics: ['th_tnin', 'national_id'], alone: 'written', written: ['1-4-5-2-1'] },
  { type: 'tr_national_id', lengths: [11], check: trId, topics: ['tr_national_id', 'national_id', 'social_security'], alone: 'never' },
  { type: 'ng_nin', lengths: [11], check: any, topics: ['ng_nin'], alone: 'never' },
  { type: 'ph_tin', lengths: [9, 12], check: any, topics: ['ph_tin'], alone: 'never' },
  { type: 'ph_umid', lengths: [12], check: any, topics: ['ph_umid'], alone: 'never' },
  { type: 'au_abn', lengths: [11], check: abn, topics: ['au_abn', 'company_id'], alone: 'written', written: ['2 3 3 3'] },
  { type: 'au_acn', lengths: [9], check: tenMinus([8, 7, 6, 5, 4, 3, 2, 1]), topics: ['au_acn', 'company_id'], alone: 'never' },
  { type: 'au_tfn', lengths: [9], check: zeroMod(11, [1, 4, 3, 7, 5, 8, 6, 9, 10]), topics: ['au_tfn', 'tax_id'], alone: 'never' },
  { type: 'au_medicare', lengths: [10, 11], check: auMedicare, topics: ['au_medicare', 'health_id'], alone: 'never' },
  { type: 'za_id_number', lengths: [13], check: zaId, topics: ['za_id_number', 'national_id'], alone: 'never' },
]
