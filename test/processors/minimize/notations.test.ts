/**
 * Notations and neighbours that other people's corpora brought: whole values under a key, words behind a value, encoded
 * groups, keys of JSON behind a telling word, samples and fingerprints that are no secrets.
 */
import { describe, expect, it } from 'vitest'
import { detect } from '../../../processors/minimize/detect/index.ts'

const types = (text: string, key?: string): string[] =>
  detect(text, key === undefined ? {} : { key }).map(({ type, start, end }) => `${type}:${text.slice(start, end)}`)

describe('a key says what its whole value is', () => {
  it.each([
    ['licensePlate', 'ab51 abc', 'vehicle_plate'],
    ['license_plate', '34 ABC 1234', 'vehicle_plate'],
    ['uk_vehicle_plate', 'AB51 ABC', 'uk_vehicle_plate'],
    ['de_vehicle_plate', 'HH-AB 1234', 'de_vehicle_plate'],
    ['bic', 'DEUTDEFF', 'bic'],
    ['dob', 'June 19, 1952', 'birth_date'],
    ['passportNo', 'ab1234567', 'passport'],
    ['governmentId', 'ab1234567', 'gov_id'],
    ['de_passport', 'C01X00T44', 'de_passport'],
    ['it_id_card', '1234567ab', 'it_id_card'],
  ])('%s', (key, value, type) => expect(types(value, key)).toEqual([`${type}:${value}`]))

  it.each([
    ['bic', 'SHIPMENT'],
    ['license_plate', 'unknown'],
    ['dob', 'June 19'],
    ['passport', 'not given'],
    ['status', 'ok12'],
  ])('not %s: %s', (key, value) => expect(types(value, key)).toEqual([]))
})

it.each([
  ['"MWP509" is not a valid number plate', 'vehicle_plate:MWP509'],
  ['"DEUTDEFF500" is not a valid SWIFT code', 'bic:DEUTDEFF500'],
  ['June 19, 1952 is her date of birth', 'birth_date:June 19, 1952'],
  ['"218119300841307" is not a valid numéro de sécurité sociale', 'fr_nir:218119300841307'],
  ['TIN 000-123-456', 'ph_tin:000-123-456'],
  ['Turkish ID 10000000146', 'tr_national_id:10000000146'],
  ['GET /p?nino=AB%2012%2034%2056%20C', 'uk_nino:AB%2012%2034%2056%20C'],
  ['tel 532.123.45.67', 'phone:532.123.45.67'],
  ['call +90(207)417-8816x9577', 'phone:+90(207)417-8816x9577'],
  ['mac=001122aabbcc up', 'mac:001122aabbcc'],
  ['za_id_number=8001015009087', 'za_id_number:8001015009087'],
  ['driving licence morga657054sm9ij', 'uk_driving_licence:morga657054sm9ij'],
  ['IBAN TH644835988293', 'iban:TH644835988293'],
])('%s', (text, finding) => expect(types(text)).toEqual([finding]))

describe('no personal data', () => {
  it.each([
    'IBAN TH644835988294',
    'at 131052.308T',
    'resident registration 960303-0021413',
    'kms:CallerAccount=123456789012',
    'Acct-Input-Octets=653293631, Acct-Output-Octets=1497972244',
    '"hashed_token":"l4q/mZnBHhCoEqslbnTousw/LhjZ30seQHDJ0ZujyKk="',
    'at Client.call(Client.java:1475)2020-08-21T15:49:48',
    'balancer default/instance8 0/51536/1/48082/+99627 200 83285 -',
    'POST /?cb=1801835823 444',
    'build 001122aabbcc done',
  ])('%s', (text) => expect(types(text)).toEqual([]))
})

describe('what stands behind a telling word is a secret', () => {
  it.each([
    "define('NONCE_KEY',          '}Fi>>0a{> akEdJ1K3c}([(:x;K[)ZQ3F3cttcpd EFORd.%R|*|rdRs#-L-&)P1');",
    '<Pass encoding="base64">NjllNWU5ZWMwZDU0MmU5Y2Q</Pass>',
    `admin:$apr1$tp8glkbm$${'fjg65tI1eipoBh62aEjIy0'}`,
    'SNYK_TOKEN ?= "12345678-ABCD-ABCD-ABCD-1234567890AB"',
    'ENV["APP_SECRET"] ||= "hunter22x"',
    'machine host.example login bob password Hunter',
    `APP_KEY=base64:${Buffer.from('0123456789abcdefABCDEFGHIJ+/zyxw').toString('base64')}`,
    `token sha256~${'e4N3lZrymJbmJ6xvZFG2c_1RRfNhRlIiH3wP5Z7fqj0'}`,
    `key-data: ${Buffer.from(`-----BEGIN OPENSSH PRIVATE KEY-----\n${'b3BlbnNzaC1rZXktdjE'.repeat(3)}`).toString('base64')}`,
    'PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: 6730c52e',
  ])('%s', (text) => expect(types(text).some((found) => found.startsWith('secret:'))).toBe(true))
})

describe('what stands behind a telling word is none', () => {
  it.each([
    '{"path":"/etc/passwd","RequestPort":"-"}',
    '{"app":"stages_password", "model_name": "stage"}',
    '"host_key":"20:7c:e5:96:b0:4e:ce:a4:db:e4:aa:29:e8:90:98:07"',
    'fingerprint of the secret key: SHA256:0Kx0bF3xZb5l0mTq7rVJ3n5q0n4T7cZJx5kqM9o2v8A',
    'password: ENC[AES256_GCM,data:p673w==,iv:YY=,aad:UQ=,tag:A=]',
    'clientSecret: HIDDEN_DUE_TO_SECURITY_REASONS',
    '"sessionToken": "SampleSessionToken"',
    '"Sid":"AllowExecutionFromCloudWatch"',
    'password=00000000-0000-0000-0000-000000000000',
    'connection refused [session: 3e5a9212b91f]',
    '{"Action":["iam:ChangePassword","iam:CreateLoginProfile"]}',
    '"riskEventTypes": ["leakedCredentials", "anomalousToken"]',
    'arn:aws:secretsmanager:us-west-2:123456789012:secret:paloma/example-secret-1b2c3d',
    'secrets "nonexistent-credential" not found',
    '"Sid":"Stmt1538161409"',
    '"full_hash_pass":2128,"closed":1',
    'Invalid username or password: {"id":7}',
    '"user":"anonymous","password":"anonymous@"',
    '<Data Name="csCookie">-</Data> <Data Name="csReferer">-</Data>',
  ])('%s', (text) => expect(types(text)).toEqual([]))
})
