/**
 * Identifiers that mix letters and digits, as one table: shape, check, context.
 *
 * A shape is an anchored pattern over the compact upper-case text (separators taken out), of fixed structure: it cannot
 * backtrack. `alone` as in numbers_europe.ts: `always` where shape and check are rare enough in ordinary logs,
 * `whole` the same if it is written in one piece. How many runs in ordinary logs fit each row: docs/detectors.md, measured
 * by bench/base_rates.ts.
 */
import {
  deSvnr,
  esCif,
  esLetter,
  fiHetu,
  frNirCorsica,
  iePpsn,
  inGstin,
  isBic,
  itCf,
  lei,
  sgNric,
  type TextCheck,
  ukNino,
  vat,
  vin,
  weights731,
} from './checks_letters.ts'
import type { Topic } from './topics.ts'

export interface CodeRule {
  readonly type: string
  readonly lengths: readonly number[]
  readonly shape: RegExp
  readonly check?: TextCheck
  readonly topics: readonly Topic[]
  /** Of several that fit, the one whose country is named wins. */
  readonly country?: Topic
  readonly alone: 'never' | 'always' | 'whole'
  /** What may stand between its groups; left out: a space, `-`, `.`, `/`. */
  readonly joints?: string
  /** Only under a key that says so, or before words that do; what stands behind such words is found by forward.ts. */
  readonly isNamedAfter?: true
  /** Never written in groups. */
  readonly isWhole?: true
}

const vatShapes =
  /^(?:BE[01]\d{9}|DE[1-9]\d{8}|FR[A-HJ-NP-Z0-9]{2}\d{9}|NL\d{9}B\d{2}|IT\d{11}|PT\d{9}|PL\d{10}|ES[A-Z0-9]\d{7}[A-Z0-9]|ATU\d{8}|SE\d{10}01|FI\d{8}|DK[1-9]\d{7}|LU\d{8}|IE\d{7}[A-W][A-I]?|CHE\d{9}(?:MWST|TVA|IVA)?)$/

// biome-ignore format: one identifier a line, to be read as a table
const plates: readonly CodeRule[] = [
  { type: 'uk_vehicle_plate', lengths: [5, 6, 7], shape: /^(?:[A-Z]{2}\d{2}[A-Z]{3}|[A-Z]\d{1,3}[A-Z]{3}|[A-Z]{3}\d{1,3}[A-Z])$/, topics: ['vehicle_plate'], country: 'c_uk', alone: 'never', isNamedAfter: true },
  { type: 'pl_vehicle_plate', lengths: [7, 8], shape: /^(?=.*\d)[A-Z]{2,3}[A-Z0-9]{4,5}$/, topics: ['vehicle_plate'], country: 'c_pl', alone: 'never', isNamedAfter: true },
  { type: 'tr_vehicle_plate', lengths: [5, 6, 7, 8, 9], shape: /^(?:0[1-9]|[1-7]\d|8[01])[A-Z]{1,3}\d{2,4}$/, topics: ['vehicle_plate'], country: 'c_tr', alone: 'never', isNamedAfter: true },
  { type: 'in_vehicle_plate', lengths: [6, 7, 8, 9, 10, 11], shape: /^(?:[A-Z]{2}\d{1,2}[A-Z]{1,3}\d{4}|[A-Z]{2,3}\d{4})$/, topics: ['vehicle_plate'], country: 'c_in', alone: 'never', isNamedAfter: true },
  { type: 'ng_vehicle_plate', lengths: [8], shape: /^[A-Z]{3}\d{3}[A-Z]{2}$/, topics: ['vehicle_plate'], country: 'c_ng', alone: 'never', isNamedAfter: true },
  { type: 'de_vehicle_plate', lengths: [3, 4, 5, 6, 7, 8, 9], shape: /^[A-Z]{2,5}\d{1,4}[EH]?$/, topics: ['vehicle_plate'], country: 'c_de', alone: 'never', isNamedAfter: true },
  { type: 'za_vehicle_plate', lengths: [8], shape: /^(?:[A-Z]{2}\d{2}[A-Z]{2}|[A-Z]{3}\d{3})[A-Z]{2}$/, topics: ['vehicle_plate'], country: 'c_za', alone: 'never', isNamedAfter: true },
  { type: 'vehicle_plate', lengths: [4, 5, 6, 7, 8, 9, 10], shape: /^(?=.*[A-Z])(?=.*\d)[A-Z0-9]{4,10}$/, topics: ['vehicle_plate'], alone: 'never', isNamedAfter: true },
]

// biome-ignore format: one identifier a line, to be read as a table
export const codes: readonly CodeRule[] = [
  ...plates,
  { type: 'bic', lengths: [8, 11], shape: /^[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$/, check: isBic, topics: ['bic'], alone: 'never', isNamedAfter: true },
  { type: 'it_cf', lengths: [16], shape: /^[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]$/, check: itCf, topics: ['it_cf', 'tax_id', 'national_id'], alone: 'always' },
  { type: 'es_nie', lengths: [9], shape: /^[XYZ]\d{7}[A-Z]$/, check: esLetter, topics: ['es_nie', 'es_dni', 'national_id', 'tax_id', 'id_card'], alone: 'always' },
  { type: 'es_dni', lengths: [9], shape: /^\d{8}[A-Z]$/, check: esLetter, topics: ['es_dni', 'national_id', 'tax_id', 'id_card'], alone: 'always' },
  { type: 'es_dni', lengths: [8], shape: /^\d{7}[A-Z]$/, check: esLetter, topics: ['es_dni'], alone: 'never' },
  { type: 'es_cif', lengths: [9], shape: /^[A-HJNP-SUVW]\d{7}[0-9A-J]$/, check: esCif, topics: ['es_cif', 'es_dni', 'vat', 'tax_id', 'company_id'], alone: 'never' },
  { type: 'uk_nino', lengths: [9], shape: /^[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]$/, check: ukNino, topics: ['uk_nino', 'social_security', 'national_id'], alone: 'always' },
  { type: 'uk_nino', lengths: [9], shape: /^ZZ\d{6}[A-DT]$/, topics: ['uk_nino'], alone: 'never' },
  { type: 'fi_hetu', lengths: [10, 11], shape: /^\d{6}[A-FU-Y]?\d{3}[0-9A-FHJ-NPR-Y]$/, check: fiHetu, topics: ['fi_hetu', 'national_id', 'social_security'], joints: '-+', alone: 'always' },
  { type: 'fr_nir', lengths: [15], shape: /^[12478]\d{4}2[AB]\d{8}$/, check: frNirCorsica, topics: ['fr_nir', 'social_security'], alone: 'always' },
  { type: 'de_svnr', lengths: [12], shape: /^\d{8}[A-Z]\d{3}$/, check: deSvnr, topics: ['de_svnr', 'social_security'], alone: 'always' },
  { type: 'ie_ppsn', lengths: [8, 9], shape: /^\d{7}[A-W][A-ITWX]?$/, check: iePpsn, topics: ['ie_ppsn', 'social_security', 'tax_id', 'national_id'], alone: 'never' },
  { type: 'sg_nric_fin', lengths: [9], shape: /^[STFGM]\d{7}[A-Z]$/, check: sgNric, topics: ['sg_nric_fin', 'national_id'], alone: 'whole' },
  { type: 'sg_uen', lengths: [9, 10], shape: /^(?:\d{8,9}[A-Z]|[TSR]\d{2}[A-Z]{2}\d{4}[A-Z])$/, topics: ['sg_uen', 'company_id'], alone: 'never' },
  { type: 'in_pan', lengths: [10], shape: /^[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]$/, topics: ['in_pan', 'tax_id'], alone: 'whole' },
  { type: 'in_pan', lengths: [10], shape: /^[A-Z]{5}\d{4}[A-Z]$/, topics: ['in_pan'], alone: 'never' },
  { type: 'in_gstin', lengths: [15], shape: /^[0-3]\d[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]$/, check: inGstin, topics: ['in_gstin', 'vat', 'tax_id'], alone: 'whole' },
  { type: 'in_gstin', lengths: [15], shape: /^(?:0[1-9]|[12]\d|3[0-8]|9[79])[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]$/, topics: ['in_gstin'], alone: 'never' },
  { type: 'in_voter', lengths: [10], shape: /^[A-Z]{3}\d{7}$/, topics: ['in_voter'], alone: 'never' },
  { type: 'us_mbi', lengths: [11], shape: /^[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d[AC-HJKMNP-RT-Y]{2}\d{2}$/, topics: ['us_mbi', 'health_id'], alone: 'always' },
  { type: 'vin', lengths: [17], shape: /^[1-9A-HJ-NPR-Z][A-HJ-NPR-Z0-9]{7}[0-9X][A-HJ-NPR-Z0-9]{4}\d{4}$/, check: vin, topics: ['vin'], isWhole: true, alone: 'whole' },
  { type: 'vin', lengths: [17], shape: /^[A-HJ-NPR-Z0-9]{13}\d{4}$/, topics: ['vin'], isWhole: true, alone: 'never' },
  { type: 'lei', lengths: [20], shape: /^\d{4}[0-9A-Z]{14}\d{2}$/, check: lei, topics: ['lei'], isWhole: true, alone: 'whole' },
  { type: 'lei', lengths: [20], shape: /^[0-9A-Z]{18}\d{2}$/, check: lei, topics: ['lei'], isWhole: true, alone: 'never' },
  { type: 'vat', lengths: [9, 10, 11, 12, 13, 14, 15, 16], shape: vatShapes, check: vat, topics: ['vat', 'tax_id', 'company_id', 'be_enterprise'], alone: 'always' },
  { type: 'vat', lengths: [9, 10, 11, 12, 13, 14, 15], shape: /^(?:BG\d{9,10}|CY\d{8}[A-Z]|CZ\d{8,10}|EE\d{9}|EL\d{9}|GB\d{9}(?:\d{3})?|HR\d{11}|HU\d{8}|LT\d{9}(?:\d{3})?|LV\d{11}|MT\d{8}|RO\d{7,10}|SI\d{8}|SK\d{10}|XI\d{9}|NO\d{9}(?:MVA)?)$/, topics: ['vat', 'tax_id', 'company_id'], alone: 'never' },
  { type: 'vat', lengths: [9, 10, 11, 12, 13, 14, 15, 16], shape: vatShapes, topics: ['vat'], alone: 'never' },
  { type: 'pt_cc', lengths: [12], shape: /^\d{9}[A-Z0-9]{2}\d$/, topics: ['pt_cc'], alone: 'never' },

  { type: 'uk_driving_licence', lengths: [16], shape: /^[A-Z]{1,5}9{0,4}\d[0156]\d[0-3]\d\d[A-Z9]{2}[A-Z0-9]{3}$/, topics: ['driving_licence'], alone: 'whole' },
  { type: 'it_driving_licence', lengths: [10], shape: /^(?:[A-Z]{2}\d{7}[A-Z]|U1[A-Z0-9]{7}[A-Z])$/, topics: ['driving_licence'], country: 'c_it', alone: 'never' },
  { type: 'de_driving_licence', lengths: [11], shape: /^[A-Z0-9]\d{2}[A-Z0-9]{6}\d[A-Z0-9]$/, topics: ['driving_licence'], country: 'c_de', alone: 'never' },
  { type: 'za_driving_licence', lengths: [12], shape: /^\d{8,10}[A-Z0-9]{2,4}$/, topics: ['driving_licence'], country: 'c_za', alone: 'never' },
  { type: 'pl_driving_licence', lengths: [11], shape: /^\d{11}$/, topics: ['driving_licence'], country: 'c_pl', alone: 'never' },
  { type: 'kr_driving_licence', lengths: [12], shape: /^\d{12}$/, topics: ['driving_licence'], country: 'c_kr', alone: 'never' },
  { type: 'us_driving_licence', lengths: [6, 7, 8, 9, 10, 11, 12, 13, 14], shape: /^[A-Z]{0,2}\d{5,13}[A-Z]?$/, topics: ['driving_licence'], country: 'c_us', alone: 'never' },
  { type: 'driving_licence', lengths: [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], shape: /^(?=(?:[A-Z]*\d){4})[A-Z0-9]{6,16}$/, topics: ['driving_licence'], alone: 'never' },

  { type: 'de_passport', lengths: [10], shape: /^[CFGHJK][CFGHJKLMNPRTVWXYZ0-9]{8}\d$/, check: weights731(9), topics: ['passport'], country: 'c_de', alone: 'never' },
  { type: 'de_passport', lengths: [9], shape: /^[CFGHJKL][CFGHJKLMNPRTVWXYZ0-9]{8}$/, topics: ['passport'], country: 'c_de', alone: 'never' },
  { type: 'fr_passport', lengths: [9], shape: /^\d{2}[A-Z]{2}\d{5}$/, topics: ['passport'], country: 'c_fr', alone: 'never' },
  { type: 'es_passport', lengths: [8, 9], shape: /^[A-Z]{2,3}\d{6}$/, topics: ['passport'], country: 'c_es', alone: 'never' },
  { type: 'it_passport', lengths: [9], shape: /^[A-Z]{2}\d{7}$/, topics: ['passport'], country: 'c_it', alone: 'never' },
  { type: 'pl_passport', lengths: [9], shape: /^[A-Z]{2}\d{7}$/, check: weights731(2), topics: ['passport'], country: 'c_pl', alone: 'never' },
  { type: 'be_passport', lengths: [8], shape: /^[A-Z]{2}\d{6}$/, topics: ['passport'], country: 'c_be', alone: 'never' },
  { type: 'nl_passport', lengths: [9], shape: /^[A-NP-Z]{2}[A-NP-Z0-9]{6}\d$/, topics: ['passport'], country: 'c_nl', alone: 'never' },
  { type: 'kr_passport', lengths: [9], shape: /^[MSRODG]\d{3}(?:\d{5}|[A-Z]\d{4})$/, topics: ['passport'], country: 'c_kr', alone: 'never' },
  { type: 'in_passport', lengths: [8], shape: /^[A-PR-WY]\d{7}$/, topics: ['passport'], country: 'c_in', alone: 'never' },
  { type: 'ph_passport', lengths: [9], shape: /^(?:[A-Z]\d{7}[A-Z]|[A-Z]{2}\d{7})$/, topics: ['passport'], country: 'c_ph', alone: 'never' },
  { type: 'za_passport', lengths: [9], shape: /^[ADMT]\d{8}$/, topics: ['passport'], country: 'c_za', alone: 'never' },
  { type: 'us_passport', lengths: [9], shape: /^[A-Z]?\d{8,9}$/, topics: ['passport'], country: 'c_us', alone: 'never' },
  { type: 'uk_passport', lengths: [9], shape: /^(?:[A-Z]{2}\d{7}|\d{9})$/, topics: ['passport'], country: 'c_uk', alone: 'never' },
  { type: 'passport', lengths: [7, 8, 9, 10, 11, 12], shape: /^(?=(?:[A-Z]*\d){3})[A-Z0-9]{7,12}$/, topics: ['passport'], alone: 'never' },

  { type: 'pl_id_card', lengths: [9], shape: /^[A-Z]{3}\d{6}$/, check: weights731(3), topics: ['id_card'], country: 'c_pl', alone: 'never' },
  { type: 'de_id_card', lengths: [10], shape: /^[CFGHJKLMNPRTVWXYZ0-9]{9}\d$/, check: weights731(9), topics: ['id_card'], country: 'c_de', alone: 'never' },
  { type: 'de_id_card', lengths: [9], shape: /^[CFGHJKLMNPRTVWXYZ0-9]{9}$/, topics: ['id_card'], country: 'c_de', alone: 'never' },
  { type: 'it_id_card', lengths: [9], shape: /^(?:[A-Z]{2}\d{5}[A-Z]{2}|[A-Z]{2}\d{7}|\d{7}[A-Z]{2})$/, topics: ['id_card'], country: 'c_it', alone: 'never' },
  { type: 'nl_id_card', lengths: [9], shape: /^[A-NP-Z]{2}[A-NP-Z0-9]{6}\d$/, topics: ['id_card'], country: 'c_nl', alone: 'never' },
  { type: 'id_card', lengths: [7, 8, 9, 10, 11, 12, 13], shape: /^(?=(?:[A-Z]*\d){3})[A-Z0-9]{7,13}$/, topics: ['id_card'], alone: 'never' },

  { type: 'national_id', lengths: [8, 9, 10, 11, 12, 13], shape: /^(?=(?:[A-Z]*\d){6})[A-Z0-9]{8,13}$/, topics: ['national_id'], alone: 'never' },
  { type: 'gov_id', lengths: [8, 9, 10, 11, 12, 13], shape: /^(?=(?:[A-Z]*\d){6})[A-Z0-9]{8,13}$/, topics: ['gov_id'], alone: 'never' },
  { type: 'tax_id', lengths: [8, 9, 10, 11, 12, 13], shape: /^(?=(?:[A-Z]*\d){6})[A-Z0-9]{8,13}$/, topics: ['tax_id'], alone: 'never' },
  { type: 'social_security', lengths: [9, 10, 11, 12, 13, 14, 15], shape: /^(?=(?:[A-Z]*\d){7})[A-Z0-9]{9,15}$/, topics: ['social_security'], alone: 'never' },
  { type: 'company_id', lengths: [8, 9, 10, 11, 12, 13, 14], shape: /^(?=(?:[A-Z]*\d){6})[A-Z0-9]{8,14}$/, topics: ['company_id'], alone: 'never' },
  { type: 'us_bank_number', lengths: [8, 9, 10, 11, 12, 13, 14, 15, 16, 17], shape: /^\d{8,17}$/, topics: ['us_bank_number'], country: 'c_us', alone: 'never' },
  { type: 'bank_account', lengths: [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26], shape: /^(?=(?:[A-Z]*\d){6})[A-Z0-9]{7,26}$/, topics: ['bank_account'], alone: 'never' },
  { type: 'health_id', lengths: [6, 7, 8, 9, 10, 11, 12], shape: /^(?=(?:[A-Z]*\d){5})[A-Z0-9]{6,12}$/, topics: ['health_id'], alone: 'never' },
]
