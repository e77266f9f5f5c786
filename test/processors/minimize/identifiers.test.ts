/**
 * National identifiers against an independent oracle (the npm package stdnum): seeded random candidates of the right shape;
 * what the oracle accepts must be found beside a telling key, what it refuses must not be taken for that type.
 * Where the oracle is known to be laxer or stricter than the issuer's rule, only the direction that holds is tested.
 */
import { stdnum } from 'stdnum'
import { describe, expect, test } from 'vitest'
import { detect } from '../../../processors/minimize/detect/index.ts'
import { seeded } from '../../oracle/random.ts'

interface Case {
  type: string
  oracle: [country: string, name: string]
  key: string
  /** `#` digit, `@` letter, `^` YYMMDD, `~` DDMMYY; the rest stands for itself. */
  shapes: string[]
  /** Also: what the oracle refuses is not found. */
  isStrict?: boolean
  /** What the oracle accepts although the issuer does not give it out. */
  lax?: (candidate: string) => boolean
}

/** Of a German tax id's first ten digits exactly one repeats, two or three times (BZSt). */
function oneDigitRepeats(n: string): boolean {
  const counts = [...'0123456789'].map((d) => n.slice(0, 10).split(d).length - 1)
  return n[0] !== '0' && counts.filter((count) => count > 1).length === 1 && Math.max(...counts) <= 3
}

const cases: Case[] = [
  {
    type: 'be_nrn',
    oracle: ['BE', 'nn'],
    key: 'rijksregisternummer',
    shapes: ['^#####'],
    isStrict: true,
    lax: (n) => /(?:00|9[789])$/.test(n),
  },
  { type: 'be_enterprise', oracle: ['BE', 'vat'], key: 'ondernemingsnummer', shapes: ['0#########'], isStrict: true },
  { type: 'nl_bsn', oracle: ['NL', 'bsn'], key: 'bsn', shapes: ['#########'], isStrict: true },
  {
    type: 'de_tax_id',
    oracle: ['DE', 'idnr'],
    key: 'steuerId',
    shapes: ['###########'],
    lax: (n) => !oneDigitRepeats(n),
  },
  {
    type: 'fr_nir',
    oracle: ['FR', 'nir'],
    key: 'numero_secu',
    shapes: ['1##0175########', '2##1033########'],
  },
  { type: 'fr_siren', oracle: ['FR', 'siren'], key: 'siren', shapes: ['#########'], isStrict: true },
  { type: 'fr_siret', oracle: ['FR', 'siret'], key: 'siret', shapes: ['##############'] },
  { type: 'es_dni', oracle: ['ES', 'dni'], key: 'dni', shapes: ['########@'], isStrict: true },
  { type: 'es_nie', oracle: ['ES', 'nie'], key: 'nie', shapes: ['X#######@', 'Y#######@'], isStrict: true },
  {
    type: 'it_cf',
    oracle: ['IT', 'codicefiscale'],
    key: 'codice_fiscale',
    shapes: ['RSSMRA85T10A###@', 'VRDLGU70H55F###@'],
  },
  { type: 'pt_nif', oracle: ['PT', 'nif'], key: 'contribuinte', shapes: ['#########'] },
  { type: 'pl_pesel', oracle: ['PL', 'pesel'], key: 'pesel', shapes: ['^#####'], isStrict: true },
  { type: 'pl_nip', oracle: ['PL', 'nip'], key: 'nip', shapes: ['##########'], isStrict: true },
  { type: 'pl_regon', oracle: ['PL', 'regon'], key: 'regon', shapes: ['#########'], isStrict: true },
  { type: 'se_personnummer', oracle: ['SE', 'personnummer'], key: 'personnummer', shapes: ['^-####'] },
  { type: 'fi_hetu', oracle: ['FI', 'hetu'], key: 'hetu', shapes: ['~-###@', '~-####', '~-###X'] },
  { type: 'no_fnr', oracle: ['NO', 'fodselsnummer'], key: 'fodselsnummer', shapes: ['~#####'] },
  { type: 'ie_ppsn', oracle: ['IE', 'pps'], key: 'ppsn', shapes: ['#######@', '#######@@'] },
  { type: 'ch_ahv', oracle: ['CH', 'ssn'], key: 'ahv', shapes: ['756##########'], isStrict: true },
  { type: 'br_cpf', oracle: ['BR', 'cpf'], key: 'cpf', shapes: ['###########'] },
  { type: 'in_aadhaar', oracle: ['IN', 'aadhaar'], key: 'aadhaar', shapes: ['2###########'] },
  { type: 'tr_national_id', oracle: ['TR', 'tckimlik'], key: 'tckn', shapes: ['1##########'] },
  { type: 'au_abn', oracle: ['AU', 'abn'], key: 'abn', shapes: ['5##########'], isStrict: true },
  { type: 'au_acn', oracle: ['AU', 'acn'], key: 'acn', shapes: ['#########'], isStrict: true },
  { type: 'au_tfn', oracle: ['AU', 'tfn'], key: 'tfn', shapes: ['#########'], isStrict: true },
  { type: 'ca_sin', oracle: ['CA', 'sin'], key: 'sin', shapes: ['1########'], isStrict: true },
  { type: 'za_id_number', oracle: ['ZA', 'idnr'], key: 'za_id', shapes: ['^####08#', '^####18#'] },
  { type: 'ro_cnp', oracle: ['RO', 'cnp'], key: 'cnp', shapes: ['1^40####'] },
  { type: 'bg_egn', oracle: ['BG', 'egn'], key: 'egn', shapes: ['^####'] },
  { type: 'ee_ik', oracle: ['EE', 'ik'], key: 'isikukood', shapes: ['3^####'] },
  { type: 'lt_ak', oracle: ['LT', 'asmens'], key: 'asmens_kodas', shapes: ['3^####'] },
  { type: 'hr_oib', oracle: ['HR', 'oib'], key: 'oib', shapes: ['###########'], isStrict: true },
  { type: 'sg_uen', oracle: ['SG', 'uen'], key: 'uen', shapes: ['1########@'] },
  { type: 'kr_brn', oracle: ['KR', 'brn'], key: 'brn', shapes: ['1#########'] },
  { type: 'th_tnin', oracle: ['TH', 'idnr'], key: 'thai_id', shapes: ['1############'] },
]

const random = seeded(20260)
const below = (n: number): number => Math.floor(random() * n)
const two = (n: number): string => String(n).padStart(2, '0')

function drawn(shape: string): string {
  let out = ''
  for (const c of shape) {
    const [y, m, d] = [two(below(52) + 40), two(1 + below(12)), two(1 + below(28))]
    if (c === '#') out += below(10)
    else if (c === '@') out += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[below(26)]
    else if (c === '^') out += y + m + d
    else if (c === '~') out += d + m + y
    else out += c
  }
  return out
}

type Validator = { validate: (value: string) => { isValid: boolean } }
const found = (type: string, text: string): boolean => detect(text).some((f) => f.type === type)

describe('identifiers: what stdnum accepts is found, what it refuses is not', () => {
  test.each(cases)('$type', ({ type, oracle: [country, name], key, shapes, isStrict, lax }) => {
    const validator = (stdnum as unknown as Record<string, Record<string, Validator>>)[country]?.[name]
    if (!validator) throw new Error(`the oracle has no ${country}.${name}`)
    const valid: string[] = []
    const missed: string[] = []
    const taken: string[] = []
    for (let i = 0; i < 20_000 && valid.length < 40; i++) {
      const candidate = drawn(shapes[i % shapes.length]!)
      if (lax?.(candidate)) continue
      const text = `${key}=${candidate} ok`
      if (validator.validate(candidate).isValid) {
        valid.push(candidate)
        if (!found(type, text)) missed.push(candidate)
      } else if (isStrict && i < 400 && found(type, text)) taken.push(candidate)
    }
    expect({ missed, taken }).toEqual({ missed: [], taken: [] })
    expect(valid.length).toBeGreaterThan(5)
  })
})
