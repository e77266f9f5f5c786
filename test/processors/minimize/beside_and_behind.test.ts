/** What stands around a value: words behind a number, vendors' names, notations of passwords and what only looks like one, odd addresses. */
import { expect, test } from 'vitest'
import { detect } from '../../../processors/minimize/detect/index.ts'
import { vendorNames } from '../../../processors/minimize/detect/vendor_names.ts'
import { seeded } from '../../oracle/random.ts'

const found = (text: string, key?: string): string[] =>
  detect(text, key === undefined ? {} : { key }).map((f) => `${f.type}[${text.slice(f.start, f.end)}]`)
const random = seeded(11)
const draw = (alphabet: string, n: number): string =>
  Array.from({ length: n }, () => alphabet[Math.floor(random() * alphabet.length)]).join('')
const uuid = '1c73ff35-2415-4c58-8712-3d24f00cbe2a'

test.each([
  ['123456782 is my BSN', 'nl_bsn[123456782]'],
  ['AB1234567 is the passport number of the applicant', 'passport[AB1234567]'],
  ['85073003328 est mon numéro de registre national', 'be_nrn[85073003328]'],
  ['199109242397 är mitt personnummer', 'se_personnummer[199109242397]'],
  ['44051401359 to mój numer PESEL', 'pl_pesel[44051401359]'],
  ['please check 335147153 (SIN)', 'ca_sin[335147153]'],
  ['{"value":"123456782","type":"bsn"}', 'nl_bsn[123456782]'],
  ['12/03/1985 is my date of birth', 'birth_date[12/03/1985]'],
  ['18 October 1950 is my date of birth', 'birth_date[18 October 1950]'],
  ['DEUTDEFF is our BIC', 'bic[DEUTDEFF]'],
])('words behind: %s', (text, finding) => expect(found(text)).toEqual([finding]))

test.each([
  '123456782 is the order id',
  '123456782 bytes is my BSN',
  'SHIPMENT is the SWIFT word',
  '18 October 1950 was a Wednesday',
  '123456782. My BSN is secret',
])('words behind that say nothing: %s', (text) => expect(found(text)).toEqual([]))

test.each([
  ['born on June 19, 1952 in Gent', 'June 19, 1952'],
  ['date de naissance : 12 mars 1985', '12 mars 1985'],
  ['DOB 19850312', '19850312'],
])('dates of birth: %s', (text, date) => expect(found(text)).toEqual([`birth_date[${date}]`]))

test.each([
  ['ip:2001:db8::1', 'ip[2001:db8::1]'],
  ['client:2001:db8:0:0:0:0:2:1 ok', 'ip[2001:db8:0:0:0:0:2:1]'],
  ['src=2a02:1810::1:dst=x', 'ip[2a02:1810::1]'],
  ['from ::ffff:203.0.113.9', 'ip[::ffff:203.0.113.9]'],
  ['ip=0:0:0:0:0:ffff:203.0.113.9', 'ip[0:0:0:0:0:ffff:203.0.113.9]'],
  ['peer 2001:DB8::FF00:42:8329.', 'ip[2001:DB8::FF00:42:8329]'],
  ['mac:00:1B:44:11:3A:B7 up', 'mac[00:1B:44:11:3A:B7]'],
  ['at badd.15f8.ffe9.', 'mac[badd.15f8.ffe9]'],
  ['to "jane doe"@example.com', 'email["jane doe"@example.com]'],
  ['GET /x?phone=%2B32470123456&y=1', 'phone[%2B32470123456]'],
  ['GET /x?ssn=605%2028%207875', 'us_ssn[605%2028%207875]'],
  ['cf=rssmra85t10a562s', 'it_cf[rssmra85t10a562s]'],
])('odd writing: %s', (text, finding) => expect(found(text)).toEqual([finding]))

test.each([
  'Mozilla/5.0 (Linux; Android 8.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/66.0.3359.158 Mobile Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148',
  '"GET /static/footer-mobile.png HTTP/1.1" 200 62894',
  'prod_http_in~ phone_api/node 0/0/1/37/38 200 306 - - ---- 2/1/0',
  'from ::ffff:127.0.0.1',
  'cloned git@github.com:acme/shop.git',
  'GET /pixel.png?hash=e962d119a7ff69901bb4ceaa7f3ba1224fd704b7',
  'datadog trace 0a1b2c3d4e5f60718293a4b5c6d7e8f9',
])('ordinary lines: %s', (line) => expect(found(line)).toEqual([]))

test.each([
  'password = getpass.getpass()',
  'password=os.getenv("DB_PASSWORD")',
  'String password = request.getParameter("password");',
  'password: Optional[str] = None',
  'password: SecretStr',
  '{ sharedSecret: (Uint8Array) }',
  "const privateKey = new Symbol('x')",
  'password: !vault |',
  'password: [FILTERED]',
  'password: vault:secret/data/db#pw',
  'password=/run/secrets/db',
  'secret: "kubernetes.io/tls"',
  'PWD=/srv/jane/app',
  'PASS_MAX_DAYS\t99999',
  'username\tpassword\tproxied',
  'kpasswd\t464/tcp',
  "console.log('password:', password)",
  '"md5", "password", "scram-sha-256"',
  'if password != confirm:',
  'passwd: files sss',
  'docker run -p 80:80 nginx',
])('no password: %s', (text) => expect(found(text)).toEqual([]))

test.each([
  ['- name: DB_PASSWORD\n  value: "hunter2!"', 'hunter2!'],
  ['variable "db_password" {\n  default = "hunter2!"\n}', 'hunter2!'],
  ['let api_key: &str = "hunter2!";', 'hunter2!'],
  ['password : String = "hunter2!"', 'hunter2!'],
  ['ENV DB_PASSWORD hunter2!', 'hunter2!'],
  ['-Ddb.password=hunter2!', 'hunter2!'],
  ['const encryptionKey = "hunter2!";', 'hunter2!'],
  ["'password': '\"hunter2!\"'", 'hunter2!'],
  ['the password for the staging account is hunter2!', 'hunter2!'],
  ["CREATE USER jane IDENTIFIED BY 'hunter2!'", 'hunter2!'],
  ['redis-cli -h cache -a hunter2! ping', 'hunter2!'],
  ['docker login -u jane -p hunter2! registry', 'hunter2!'],
])('a password: %s', (text, secret) => expect(found(text)).toEqual([`secret[${secret}]`]))

test('a secret behind the name of its vendor, in the form of its keys only', () => {
  const key = draw('0123456789abcdef', 32)
  for (const text of [`datadog: ${key}`, `DATADOG=${key}`, `{"datadog":"${key}"}`])
    expect(found(text)).toEqual([`secret[${key}]`])
  expect(found(key, 'app.datadog')).toEqual([`secret[${key}]`])
  expect(found(`X-Postmark-Server-Token: ${uuid}`)).toEqual([`secret[${uuid}]`])
  expect(found(`opsgenie token = '${uuid}'`)).toEqual([`secret[${uuid}]`])
  for (const text of [`token=${uuid}`, `datadog.trace_id=${key}`, `datadog: ${key.slice(1)}`, `datadog: agent`])
    expect(found(text)).toEqual([])
})

test('hundreds of vendors have a published rule each, and forms that are long enough', () => {
  expect(vendorNames.length).toBeGreaterThan(500)
  expect(vendorNames.filter(({ source }) => source === undefined).length).toBeLessThan(10)
  for (const { forms } of vendorNames) for (const { min } of forms) expect(min).toBeGreaterThanOrEqual(20)
})
