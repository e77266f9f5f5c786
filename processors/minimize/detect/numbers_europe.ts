/**
 * National numbers of Europe that consist of digits only: structure, checksum, context.
 *
 * `alone` says how a number counts when nothing near it says what it is: `never`, only when `written` in its official
 * groups, or `always` (its check is strong enough). How many random numbers pass each check,
 * and how many runs of digits in ordinary logs would: docs/detectors.md, measured by bench/base_rates.ts. With `never` no
 * ordinary number is taken whatever the rate.
 */
import {
  type Check,
  digitMod11,
  elevenMinus,
  elevenMinusZero,
  isDdmmyy,
  isMonthDay,
  isYymmdd,
  luhn,
  mod11_10,
  mod97,
  number,
  tenMinus,
  weighted,
  zeroMod,
} from './checks.ts'
import type { Topic } from './topics.ts'

export interface NumberRule {
  readonly type: string
  readonly lengths: readonly number[]
  readonly check: Check
  readonly topics: readonly Topic[]
  readonly alone: 'never' | 'written' | 'always'
  /** Official groups of digits, such as `2.2.2-3.2`: digits stand for lengths; `~` = any separator. */
  readonly written?: readonly string[]
}

const number97 = (c: Uint8Array, from: number, to: number): number => mod97(c, from, to)

/** Royal Decree of 25 November 1997; BIS numbers: month + 20 or + 40. Rate 1 in 900. */
const beNrn: Check = (c, at) => {
  const month = number(c, at + 2, at + 4) % 20
  const day = number(c, at + 4, at + 6)
  const check = number(c, at + 9, at + 11)
  if (number(c, at + 2, at + 4) > 52 || month > 12 || day > 31) return false
  if (month > 0 && day > 0 && !isMonthDay(month, day)) return false
  if (month === 0 && day === 0 && number(c, at, at + 2) === 0) return false
  // Born since 2000: a 2 before the nine digits. Nobody is born after 2049 yet.
  return 97 - number97(c, at, at + 9) === check || (c[at]! < 53 && 97 - mod97(c, at, at + 9, 2) === check)
}

/** INSEE: sex, year, month (20–42 and 50–99 = unknown), department, commune, order; key = 97 − n mod 97. Rate 1 in 2,000. */
const frNir: Check = (c, at) => {
  const month = number(c, at + 3, at + 5)
  const sex = c[at]! - 48
  if (
    sex === 0 ||
    sex === 5 ||
    sex === 6 ||
    sex === 9 ||
    month === 0 ||
    (month > 12 && month < 20) ||
    (month > 42 && month < 50)
  )
    return false
  return 97 - number97(c, at, at + 13) === number(c, at + 13, at + 15)
}

/** Bundeszentralamt für Steuern: ISO 7064 MOD 11,10; of the first ten digits exactly one repeats, 2 or 3 times. */
const deTaxId: Check = (c, at) => {
  if (c[at] === 48) return false
  const counts = new Uint8Array(10)
  for (let i = 0; i < 10; i++) counts[c[at + i]! - 48]!++
  let repeated = 0
  for (const n of counts) {
    if (n > 3) return false
    if (n > 1) repeated++
  }
  return repeated === 1 && mod11_10(c, at, 11)
}

const pesel: Check = (c, at) => {
  const month = number(c, at + 2, at + 4) % 20
  return isMonthDay(month, number(c, at + 4, at + 6)) && tenMinus([1, 3, 7, 9, 1, 3, 7, 9, 1, 3])(c, at, 11)
}

const regon9 = digitMod11([8, 9, 2, 3, 4, 5, 6, 7])
const regon14 = digitMod11([2, 4, 8, 5, 0, 9, 7, 3, 6, 1, 2, 4, 8])

/** Skatteverket: Luhn over ten digits, a date, + 60 on the day for coordination numbers. */
const sePersonnummer: Check = (c, at, length) => {
  const from = at + length - 10
  if (length === 12 && (number(c, at, at + 2) < 18 || number(c, at, at + 2) > 20)) return false
  const day = number(c, from + 4, from + 6)
  return isMonthDay(number(c, from + 2, from + 4), day > 60 ? day - 60 : day) && luhn(c, from, 10)
}
const seOrgnr: Check = (c, at) => c[at + 2]! >= 50 && c[at]! !== 48 && luhn(c, at, 10)

/** CPR-kontoret: the date; its mod 11 is not guaranteed since 2007. */
const dkCpr: Check = (c, at) => isDdmmyy(c, at)

/** Skatteetaten: two mod-11 digits; day + 40 = D number, month + 40 or + 80 = synthetic. */
const noFnr: Check = (c, at) => {
  const day = number(c, at, at + 2)
  const month = number(c, at + 2, at + 4) % 40
  if (!isMonthDay(month, day > 40 ? day - 40 : day)) return false
  const first = elevenMinus([3, 7, 6, 1, 8, 9, 4, 5, 2])
  return first(c, at, 10) && elevenMinus([5, 4, 3, 2, 7, 6, 5, 4, 3, 2])(c, at, 11)
}

/** Dachverband der Sozialversicherungsträger: weights 3,7,9,-,5,8,4,2,1,6 mod 11, then DDMMYY (month 13–15 = unknown). */
const atSvnr: Check = (c, at) => {
  const month = number(c, at + 6, at + 8)
  const day = number(c, at + 4, at + 6)
  if (c[at] === 48 || month < 1 || month > 15 || day < 1 || day > 31) return false
  return weighted(c, at, [3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 === c[at + 3]! - 48
}

/** Bundesamt für Sozialversicherungen: 756 and EAN-13. */
const chAhv: Check = (c, at) =>
  number(c, at, at + 3) === 756 && tenMinus([1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3])(c, at, 13)

/** Act 133/2000: month + 50 for women, + 20 since 2004; ten digits are a multiple of 11 (rest 10 counts as 0). */
const czRc: Check = (c, at, length) => {
  const month = number(c, at + 2, at + 4)
  if (!isMonthDay(month % 50 > 20 ? (month % 50) - 20 : month % 50, number(c, at + 4, at + 6))) return false
  if (length === 9) return number(c, at, at + 2) < 54
  return (number(c, at, at + 9) % 11) % 10 === c[at + 9]! - 48
}

/** Romania: weights 2,7,9,1,4,6,3,5,8,2,7,9 mod 11, where 10 counts as 1. */
const roCnp: Check = (c, at) => {
  const rest = weighted(c, at, [2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11
  return c[at] !== 48 && isYymmdd(c, at + 1) && (rest === 10 ? 1 : rest) === c[at + 12]! - 48
}
const bgEgn: Check = (c, at) => {
  const month = number(c, at + 2, at + 4)
  return (
    isMonthDay(month > 40 ? month - 40 : month > 20 ? month - 20 : month, number(c, at + 4, at + 6)) &&
    digitMod11([2, 4, 8, 5, 10, 9, 7, 3, 6])(c, at, 10)
  )
}
/** Estonia and Lithuania share their personal code. */
const balticCode: Check = (c, at) => {
  if (c[at]! < 49 || c[at]! > 56 || !isYymmdd(c, at + 1)) return false
  let rest = weighted(c, at, [1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11
  if (rest === 10) rest = (weighted(c, at, [3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11) % 10
  return rest === c[at + 10]! - 48
}
const siEmso: Check = (c, at) =>
  isMonthDay(number(c, at + 2, at + 4), number(c, at, at + 2)) &&
  elevenMinusZero([7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2])(c, at, 13)
/** Luxembourg: YYYYMMDD, then Luhn over twelve digits. */
const luId: Check = (c, at) => {
  const year = number(c, at, at + 4)
  return (
    year > 1880 && year < 2100 && isMonthDay(number(c, at + 4, at + 6), number(c, at + 6, at + 8)) && luhn(c, at, 12)
  )
}
/** A personal identity code whose check character is a digit; the sign of the century is taken out. */
const fiHetuDigits: Check = (c, at) =>
  isDdmmyy(c, at) && (number(c, at, at + 6) * 1000 + number(c, at + 6, at + 9)) % 31 === c[at + 9]! - 48
const ukNhs = elevenMinus([10, 9, 8, 7, 6, 5, 4, 3, 2])
const esNuss: Check = (c, at) => {
  const serial = number(c, at + 2, at + 10)
  const base = serial < 10_000_000 ? serial + number(c, at, at + 2) * 10_000_000 : number(c, at, at + 10)
  return number(c, at, at + 2) > 0 && base % 97 === number(c, at + 10, at + 12)
}
const beEnterprise: Check = (c, at) => c[at]! < 50 && 97 - (number(c, at, at + 8) % 97) === number(c, at + 8, at + 10)

// biome-ignore format: one identifier a line, to be read as a table
export const europe: readonly NumberRule[] = [
  { type: 'be_nrn', lengths: [11], check: beNrn, topics: ['be_nrn', 'national_id', 'social_security'], alone: 'written', written: ['2.2.2-3.2', '2.2.2-3-2', '2.2.2.3.2', '6-3-2'] },
  { type: 'be_enterprise', lengths: [10], check: beEnterprise, topics: ['be_enterprise', 'vat', 'company_id', 'tax_id'], alone: 'written', written: ['4.3.3'] },
  { type: 'nl_bsn', lengths: [9], check: zeroMod(11, [9, 8, 7, 6, 5, 4, 3, 2, -1]), topics: ['nl_bsn', 'national_id'], alone: 'never' },
  { type: 'de_tax_id', lengths: [11], check: deTaxId, topics: ['de_tax_id', 'tax_id'], alone: 'never' },
  { type: 'fr_nir', lengths: [15], check: frNir, topics: ['fr_nir', 'social_security', 'national_id'], alone: 'written', written: ['1 2 2 2 3 3 2', '1 2 2 2 3 3-2', '1-2-2-2-3-3-2', '1.2.2.2.3.3.2', '13 2', '13-2'] },
  { type: 'fr_siret', lengths: [14], check: luhn, topics: ['fr_siret', 'company_id'], alone: 'never' },
  { type: 'fr_siren', lengths: [9], check: luhn, topics: ['fr_siren', 'company_id'], alone: 'never' },
  { type: 'fr_tax_id', lengths: [13], check: (c, at) => c[at]! < 52 && number(c, at, at + 10) % 511 === number(c, at + 10, at + 13), topics: ['fr_tax_id', 'tax_id'], alone: 'never' },
  { type: 'es_nuss', lengths: [12], check: esNuss, topics: ['es_nuss', 'social_security'], alone: 'never' },
  { type: 'it_vat', lengths: [11], check: luhn, topics: ['it_vat', 'vat'], alone: 'never' },
  { type: 'pt_nif', lengths: [9], check: elevenMinusZero([9, 8, 7, 6, 5, 4, 3, 2]), topics: ['pt_nif', 'tax_id', 'vat'], alone: 'never' },
  { type: 'pl_pesel', lengths: [11], check: pesel, topics: ['pl_pesel', 'national_id', 'social_security'], alone: 'never' },
  { type: 'pl_nip', lengths: [10], check: (c, at) => weighted(c, at, [6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 === c[at + 9]! - 48, topics: ['pl_nip', 'tax_id', 'vat'], alone: 'written', written: ['3-3-2-2', '3-2-2-3'] },
  { type: 'pl_regon', lengths: [9], check: regon9, topics: ['pl_regon', 'company_id'], alone: 'never' },
  { type: 'pl_regon', lengths: [14], check: (c, at) => regon9(c, at, 9) && regon14(c, at, 14), topics: ['pl_regon'], alone: 'never' },
  { type: 'fi_hetu', lengths: [10], check: fiHetuDigits, topics: ['fi_hetu'], alone: 'never' },
  { type: 'se_personnummer', lengths: [10, 12], check: sePersonnummer, topics: ['se_personnummer', 'national_id', 'social_security'], alone: 'never' },
  { type: 'se_orgnr', lengths: [10], check: seOrgnr, topics: ['se_orgnr', 'company_id'], alone: 'never' },
  { type: 'dk_cpr', lengths: [10], check: dkCpr, topics: ['dk_cpr', 'social_security'], alone: 'never' },
  { type: 'no_fnr', lengths: [11], check: noFnr, topics: ['no_fnr', 'national_id', 'social_security'], alone: 'never' },
  { type: 'at_svnr', lengths: [10], check: atSvnr, topics: ['at_svnr', 'social_security'], alone: 'never' },
  { type: 'ch_ahv', lengths: [13], check: chAhv, topics: ['ch_ahv', 'social_security'], alone: 'always' },
  { type: 'cz_rc', lengths: [9, 10], check: czRc, topics: ['cz_rc', 'national_id'], alone: 'written', written: ['6/4'] },
  { type: 'uk_nhs', lengths: [10], check: ukNhs, topics: ['uk_nhs', 'health_id'], alone: 'never' },
  { type: 'ro_cnp', lengths: [13], check: roCnp, topics: ['ro_cnp', 'national_id', 'social_security'], alone: 'never' },
  { type: 'bg_egn', lengths: [10], check: bgEgn, topics: ['bg_egn', 'national_id', 'social_security'], alone: 'never' },
  { type: 'ee_ik', lengths: [11], check: balticCode, topics: ['ee_ik', 'social_security'], alone: 'never' },
  { type: 'lt_ak', lengths: [11], check: balticCode, topics: ['lt_ak', 'national_id', 'social_security'], alone: 'never' },
  { type: 'hr_oib', lengths: [11], check: mod11_10, topics: ['hr_oib', 'social_security'], alone: 'never' },
  { type: 'si_emso', lengths: [13], check: siEmso, topics: ['si_emso', 'national_id', 'social_security'], alone: 'never' },
  { type: 'lu_id', lengths: [13], check: luId, topics: ['lu_id', 'national_id', 'social_security'], alone: 'never' },
  { type: 'gr_amka', lengths: [11], check: (c, at) => isDdmmyy(c, at) && luhn(c, at, 11), topics: ['gr_amka', 'social_security'], alone: 'never' },
]
