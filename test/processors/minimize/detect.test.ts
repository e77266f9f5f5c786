/** The detectors: cards, IBAN and phones against independent packages, secrets from their own tables, words in ten languages, work that grows linearly. */

import creditCardType from 'credit-card-type'
import { isValidIBAN } from 'ibantools'
import { type CountryCode, getExampleNumber } from 'libphonenumber-js'
import examples from 'libphonenumber-js/examples.mobile.json' with { type: 'json' }
import { describe, expect, test } from 'vitest'
import { cleanLines } from '../../../bench/detect_samples.ts'
import { detect, hintOf, lastScan, scanText } from '../../../processors/minimize/detect/index.ts'
import { vendorFormats } from '../../../processors/minimize/detect/vendor_tokens.ts'
import { limits } from '../../../src/limits.ts'
import { seeded } from '../../oracle/random.ts'

const random = seeded(7)
const below = (n: number): number => Math.floor(random() * n)
const draw = (alphabet: string, n: number): string =>
  Array.from({ length: n }, () => alphabet[below(alphabet.length)]).join('')
/** `type[text]` of each finding. */
const found = (text: string, key?: string): string[] =>
  detect(text, key === undefined ? {} : { key }).map((f) => `${f.type}[${text.slice(f.start, f.end)}]`)

function luhn(body: string): string {
  let sum = 0
  for (let i = body.length - 1, twice = true; i >= 0; i--, twice = !twice) {
    const d = Number(body[i]) * (twice ? 2 : 1)
    sum += d > 9 ? d - 9 : d
  }
  return body + ((10 - (sum % 10)) % 10)
}

describe('checked against other packages', () => {
  test('cards of every brand that credit-card-type knows, alone and in groups', () => {
    for (const prefix of ['4', '51', '55', '2221', '34', '37', '6011', '62', '3530', '6062', '5067'])
      for (let i = 0; i < 20; i++) {
        const length = prefix.startsWith('3') && prefix !== '3530' ? 15 : 16
        const card = luhn(prefix + draw('0123456789', length - 1 - prefix.length))
        expect(creditCardType(card).length).toBeGreaterThan(0)
        expect(found(`paid with ${card}.`)).toEqual([`credit_card[${card}]`])
        const grouped = card.replace(/(\d{4})(?=\d)/g, '$1 ')
        expect(found(`paid ${grouped} ok`)).toEqual([`credit_card[${grouped}]`])
        const wrong = card.slice(0, -1) + ((Number(card.at(-1)) + 1) % 10)
        expect(found(`paid with ${wrong}.`)).toEqual([])
      }
  })
  test('IBANs that ibantools accepts, and none that it refuses', () => {
    let valid = 0
    for (let i = 0; i < 3000; i++) {
      const iban = `DE${draw('0123456789', 20)}`
      if (isValidIBAN(iban)) valid++
      expect(found(`to ${iban} now`).includes(`iban[${iban}]`)).toBe(isValidIBAN(iban))
    }
    expect(valid).toBeGreaterThan(10)
    for (const iban of [
      'GB29 NWBK 6016 1331 9268 19',
      'NL91ABNA0417164300',
      'FR14 2004 1010 0505 0001 3M02 606',
      'MT84MALT011000012345MTLCAST001S',
    ])
      expect(found(`pay ${iban} please`)).toEqual([`iban[${iban}]`])
  })
  test("a mobile number of each country, in libphonenumber's international form", () => {
    const missed: string[] = []
    for (const country of Object.keys(examples) as CountryCode[]) {
      const number = getExampleNumber(country, examples)!
      for (const text of [number.number, number.formatInternational()])
        if (!found(`reached ${text} today`).includes(`phone[${text}]`)) missed.push(`${country} ${text}`)
    }
    expect(missed).toEqual([])
  })
})

describe('secrets', () => {
  test('at least 150 formats of vendors, each found by its own name or that of a twin', () => {
    expect(vendorFormats.filter(({ source }) => source !== undefined).length).toBeGreaterThanOrEqual(150)
    const missed: string[] = []
    for (const { name, format } of vendorFormats) {
      const token = format.replace(/\{([a-zHB])(\d+)(?:-\d+)?\}/g, (_, alphabet: string, n: string) =>
        draw(
          {
            d: '0123456789',
            h: '0123456789abcdef',
            H: '0123456789ABCDEF',
            l: 'abcdefgh01234567',
            u: 'ABCDEFGH01234567',
          }[alphabet] ?? 'ABCDEFGHJKMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz01234567890123456789',
          Number(n),
        ),
      )
      if (!found(`using ${token} now`).some((f) => f.startsWith('secret[') && f.includes(token)))
        missed.push(`${name} ${token.slice(0, 40)}`)
    }
    expect(missed).toEqual([])
  })
  test.each([
    ['password=hunter2', 'hunter2'],
    ['{"db_password": "a b\\"c"}', 'a b\\"c'],
    ['{\\"password\\":\\"s3cr3t\\"}', 's3cr3t'],
    ['https://x.y/?a=1&access_token=abc123def456ghi&b=2', 'abc123def456ghi'],
    ['postgres://app:p4ss@db:5432/x', 'app:p4ss'],
    ['Authorization: Basic dXNlcjpwYXNz', 'dXNlcjpwYXNz'],
    ['curl -H "Authorization: Bearer abcDEF123456xyz"', 'abcDEF123456xyz'],
    ['Cookie: sid=abc; theme=dark', 'sid=abc; theme=dark'],
    ['wachtwoord: Geheim123', 'Geheim123'],
    ['mot de passe = Azerty99', 'Azerty99'],
    ['Kennwort="geheim!1"', 'geheim!1'],
    ['contraseña=Clave2020', 'Clave2020'],
    ['hasło: Tajne!77', 'Tajne!77'],
    [
      '-----BEGIN PRIVATE KEY-----\\nMIIEvQ\\n-----END PRIVATE KEY-----',
      '-----BEGIN PRIVATE KEY-----\\nMIIEvQ\\n-----END PRIVATE KEY-----',
    ],
    ['<add key="DbPassword" value="Prestige99"/>', 'Prestige99'],
    ["os.environ.get('SECRET_KEY', 'wwf*2#86t64!fgh6yav')", 'wwf*2#86t64!fgh6yav'],
    ['psexec host -User admin -Password VMware1!', 'VMware1!'],
    ['acme_key=7f3Kq9ZtX2bN8vLw4RjYc6Ds', '7f3Kq9ZtX2bN8vLw4RjYc6Ds'],
    ['machine api.x.y login bot password 7f3Kq9ZtX2bN8vLw4RjYc6Ds', '7f3Kq9ZtX2bN8vLw4RjYc6Ds'],
    ['sshpass -p Tr0ub4dor ssh x', 'Tr0ub4dor'],
    ['mysql -u root -pTr0ub4dor shop', 'Tr0ub4dor'],
    ['curl -s -u "admin:Tr0ub4dor" https://x/', 'Tr0ub4dor'],
    ['env[DB_PASS]=Tr0ub4dor', 'Tr0ub4dor'],
    ['master_key -> Tr0ub4dor', 'Tr0ub4dor'],
    ['userPass|Tr0ub4dor|7', 'Tr0ub4dor'],
    ['Passwort\tTr0ub4dor', 'Tr0ub4dor'],
    ['<dbPassword>Tr0ub4dor</dbPassword>', 'Tr0ub4dor'],
    ['sent Bearer dewprYRJnnZvtrOsx7Jse8YRy9SerWPv', 'dewprYRJnnZvtrOsx7Jse8YRy9SerWPv'],
    ['PresharedKey = uRsfsZ2Ts1rach4Zv3hhwcx6wa5fuIo2=', 'uRsfsZ2Ts1rach4Zv3hhwcx6wa5fuIo2='],
    ['client abc8Q~QUuVGOCSXANpJcLA7xtRMf8cwIkdahHqq9', 'abc8Q~QUuVGOCSXANpJcLA7xtRMf8cwIkdahHqq9'],
    [`root:$6$x1y2z3$${'Ab3./'.repeat(17)}Z:19000`, `6$x1y2z3$${'Ab3./'.repeat(17)}Z`],
    ['-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBAD', '-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBAD'],
  ])('%s', (text, secret) => expect(found(text)).toEqual([`secret[${secret}]`]))
  test.each([
    'password=',
    'password=$' + '{DB_PASS}',
    'password: "<secret>"',
    'token_count=123456789012',
    'primary_key=abc123def456ghi789',
    'secret rotation complete',
    'max_tokens=4096',
    'Failed password for invalid user root',
    'eyJhbGciOi.x',
    'cache_key=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c',
    'idempotency_key=5f2a9b7c8d5f2a9b7c8d5f2a9b7c8d',
    '"pg-connection-string": "^2.14.1"',
    '- Pass `Context` through the export pipeline',
    'menu_key=arrow_down_2 primary_key=order_id_2024_11_21_0001',
  ])('no secret: %s', (text) => expect(found(text)).toEqual([]))
})

describe('words beside a value, in many languages, in text and as a key', () => {
  test.each([
    ['My BSN is 123456782', 'nl_bsn[123456782]'],
    ['mijn burgerservicenummer: 123456782', 'nl_bsn[123456782]'],
    ['pesel 44051401359', 'pl_pesel[44051401359]'],
    ['codice fiscale RSSMRA85T10A562S', 'it_cf[RSSMRA85T10A562S]'],
    ['Sozialversicherungsnummer 15 070649 C 103', 'de_svnr[15 070649 C 103]'],
    ['passport number C01X00T47', 'passport[C01X00T47]'],
    ['Reisepassnummer C01X00T47', 'de_passport[C01X00T47]'],
    ['kenteken 12-ABC-3', 'vehicle_plate[12-ABC-3]'],
    ["my driver's license number is A1253258", 'us_driving_licence[A1253258]'],
    ['nhs number 943 476 5919', 'uk_nhs[943 476 5919]'],
    ['NI number AB 12 34 56 C', 'uk_nino[AB 12 34 56 C]'],
    ['téléphone : 01 84 17 61 18', 'phone[01 84 17 61 18]'],
    ['geboren am 12.03.1985', 'birth_date[12.03.1985]'],
    ['swift: DEUTDEFF500', 'bic[DEUTDEFF500]'],
  ])('%s', (text, expected) => expect(found(text)).toEqual([expected]))
  test('the key of an attribute is context', () => {
    expect(found('123456782', 'citizen.bsn')).toEqual(['nl_bsn[123456782]'])
    expect(found('123456782', 'message.size')).toEqual([])
    expect(found('0470 12 34 56', 'customerPhone')).toEqual(['phone[0470 12 34 56]'])
    expect(found('correct horse', 'db.password')).toEqual(['secret[correct horse]'])
  })
  test('addresses', () => {
    expect(found('from 2001:db8::ff00:42:8329 to 10.2.3.4:80 via 00:1a:2b:3c:4d:5e')).toEqual([
      'ip[2001:db8::ff00:42:8329]',
      'ip[10.2.3.4]',
      'mac[00:1a:2b:3c:4d:5e]',
    ])
    expect(found('GET /x?mail=jane.doe%40example.com&b=1 dev BA-CF-5A-A6-E2-90')).toEqual([
      'email[jane.doe%40example.com]',
      'mac[BA-CF-5A-A6-E2-90]',
    ])
    expect(
      found('v1.2.3.4 127.0.0.1 256.1.1.1 1.2.3.4.5 ::1 12:30:59 std::string lodash@4.17.21 user@1000.service'),
    ).toEqual([])
  })
})

test('ordinary log lines: at most 2 false alarms in 10,000', () => {
  const lines = cleanLines(10_000, 99)
  expect(lines.flatMap((line) => detect(line)).length).toBeLessThanOrEqual(2)
})

describe('work grows linearly with the input', () => {
  const hostile = [
    'a@',
    'eyJ',
    'eyJhbGciOi.',
    '1',
    '1 ',
    '1.',
    '12-',
    '-----BEGIN PRIVATE KEY-----',
    '://a:',
    'password=',
    'password "',
    '"password":{',
    'a:',
    ':',
    '::1',
    '<<',
    'ghp_',
    'xoxb-1-',
    'AB12 ',
    'A1-',
    'bearer ',
    'cookie: a=',
    '+1',
    '(1) ',
    'card 4',
    'bsn ',
    '\u200b',
    'é@',
    'SG.a.',
    '0x',
    'AKIA',
    'curl ',
    'mysql -',
    'a8Q~',
    '%40x',
    'k v=1 ',
    '+1(0)2',
  ]
  test.each(hostile)('%j repeated', (piece) => {
    const steps = (bytes: number): number => {
      scanText(piece.repeat(Math.ceil(bytes / piece.length)), hintOf('message'))
      return lastScan().hits.steps
    }
    const [small, large] = [steps(20_000), steps(80_000)]
    expect(large).toBeLessThanOrEqual(small * 4.5 + 100_000)
    expect(large).toBeLessThanOrEqual(80_000 * 160)
  })
  test('beyond the bound the value is one finding', () => {
    expect(detect('x'.repeat(limits.scannedBytesMax + 1))).toMatchObject([{ detector: 'unscanned', start: 0 }])
  })
})
