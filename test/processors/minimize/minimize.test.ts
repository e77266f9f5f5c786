/** What minimize does with whole records: where it looks, what it leaves, what it counts. Chain and splice are real. */
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import minimize from '../../../processors/minimize/index.ts'
import { ConfigError } from '../../../src/errors.ts'
import { limits } from '../../../src/limits.ts'
import { encodeRequest } from '../../oracle/otlp.ts'
import { attribute, hashKey, minimizeRecord, runOnce, testHost, text } from './support.ts'

const email = 'jane.doe@example.com'
const hmac = (tenant: string, value: string): string =>
  `hmac:0badcafe:${createHmac('sha256', hashKey(tenant)).update(value).digest('hex')}`

test('the first example of docs/minimize.md', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/minimize.md'), 'utf8')
  const [, block] = /A record before and after[^`]*```\n([\s\S]*?)```/.exec(page)!
  const lines = block!
    .trim()
    .split('\n')
    .map((line) => /^(\S+) +(.*)$/.exec(line)!.slice(1) as [string, string])
  expect(lines.length).toBeGreaterThan(6)
  for (let i = 0; i < lines.length; i += 2) {
    const [key, before] = lines[i]!
    const [other, after] = lines[i + 1]!
    expect(other).toBe(key)
    const left = key === 'body' ? minimizeRecord({ body: text(before) }).body : attribute(key, text(before))
    // Of a hash the page shows its form.
    if (after.startsWith('hmac:')) expect(left).toMatch(/^hmac:[0-9a-f]{8}:[0-9a-f]{64}$/)
    else expect(left).toBe(after)
  }
})

describe('where it looks', () => {
  test('a body, with several findings', () => {
    const sent = `User ${email} logged in from 192.168.7.9 with card 4111 1111 1111 1111 ok`
    const { body, attributes, counts } = minimizeRecord({ body: text(sent) })
    expect(body).toBe('User <email> logged in from 192.168.7.0/24 with card <credit_card> ok')
    expect(attributes).toEqual({ 'douane.minimized.mask.count': 2n, 'douane.minimized.generalize.count': 1n })
    expect(counts.get('mask email acme email')).toBe(1)
  })
  test('event_name, severity_text, resource attributes', () => {
    const { record, request } = minimizeRecord(
      { eventName: `mail.${email}`, severityText: email },
      { resource: { 'service.owner': text(email) } },
    )
    expect(record.eventName).toBe('<email>')
    expect(record.severityText).toBe('<email>')
    expect(request.resourceLogs?.[0]?.resource?.attributes?.[0]?.value?.stringValue).toBe('<email>')
  })
  test('nested values, numbers, bytes', () => {
    const { body } = minimizeRecord({
      body: {
        kvlistValue: {
          values: [
            { key: 'who', value: { arrayValue: { values: [text('x'), text(`to ${email}`)] } } },
            { key: 'card', value: { intValue: 4111111111111111n } },
            { key: 'password', value: text('hunter2') },
            { key: 'n', value: { intValue: 7n } },
          ],
        },
      },
    })
    expect(body).toEqual({ who: ['x', 'to <email>'], card: '<credit_card>', password: '<secret>', n: 7n })
    expect(attribute('raw', { bytesValue: Buffer.from(`mail ${email}`) })).toEqual(
      new Uint8Array(Buffer.from('mail <email>')),
    )
    expect(attribute('raw', { bytesValue: Buffer.from(`\xff${email}`, 'latin1') })).toBe('<bytes>')
  })
  test('numbers by their key; other numbers stay', () => {
    expect(attribute('bsn', { intValue: 123456782n })).toBe('<nl_bsn>')
    expect(attribute('request.size', { intValue: 123456782n })).toBe(123456782n)
    expect(attribute('pin', { intValue: 4711n })).toBe('<secret>')
    expect(attribute('at', { intValue: 1763640000000n })).toBe(1763640000000n)
  })
  test('an attribute key that is personal itself', () => {
    const { attributes } = minimizeRecord(
      { attributes: [{ key: email, value: text('seen') }] },
      { config: { annotations: 'silent' } },
    )
    expect(attributes).toEqual({ '<email>': 'seen' })
  })
  test('what another processor wrote before is looked at too, and invalid or folded text', () => {
    expect(attribute('note', text('to ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ'))).toBe('to <email>')
    expect(attribute('note', text('carte 4111\u200b1111\u200b1111\u200b1111'))).toBe('carte <credit_card>')
    expect(attribute('note', text('№ ４１１１１１１１１１１１１１１１'))).toBe('№ <credit_card>')
  })
})

describe('JSON inside strings', () => {
  test('stays valid, and keeps what it does not change byte for byte', () => {
    const sent = `{ "user":"${email}", "n": 1.50, "pan":4111111111111111, "inner":"{\\"password\\":\\"a\\\\\\"b3\\"}" }`
    const left = attribute('payload', text(sent)) as string
    expect(JSON.parse(left)).toEqual({
      user: '<email>',
      n: 1.5,
      pan: '<credit_card>',
      inner: '{"password":"<secret>"}',
    })
    expect(left.startsWith('{ "user":"<email>", "n": 1.50, ')).toBe(true)
  })
  test('names that decide, where the detectors find nothing', () => {
    expect(attribute('payload', text('{"lastName":"Peeters","n":1,"user.id" : "u1"}'))).toBe(
      `{"lastName":"<person_name>","n":1,"user.id" : "${hmac('acme', 'u1')}"}`,
    )
    expect(attribute('payload', text('{"a":{"b":["x",{"city":"y"}]},"n":null}'))).toBe(
      '{"a":{"b":["x",{"city":"y"}]},"n":null}',
    )
  })
  test('escapes hide nothing', () => {
    expect(attribute('payload', text('{"a":"jane\\u0040example.com"}'))).toBe('{"a":"<email>"}')
  })
  test('valid JSON in, valid JSON out: 150 random documents with findings anywhere', () => {
    const leaf = fc.oneof(
      fc.string(),
      fc.constantFrom(email, 'password=x9!k2', '"', '4111111111111111', '10.2.3.4'),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constant(4111111111111111),
      fc.boolean(),
      fc.constant(null),
    )
    const { json } = fc.letrec<{ json: unknown }>((tie) => ({
      json: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('json'), { maxLength: 4 }),
        fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('password', 'pin', 'email')), tie('json'), { maxKeys: 4 }),
      ),
    }))
    fc.assert(
      fc.property(json, (document) => {
        const sent = JSON.stringify([document])
        const left = attribute('payload', text(sent)) as string
        JSON.parse(left)
        expect(left).not.toContain(email)
      }),
      { seed: 42, numRuns: 150 },
    )
  })
})

describe('what it does', () => {
  test('hash: HMAC-SHA-256 with the key id; equal values join within a tenant and not across', () => {
    const config = { keys: { 'enduser.email': 'hash' } }
    expect(attribute('enduser.email', text(email), { config })).toBe(hmac('acme', email))
    expect(attribute('enduser.email', text(email), { config, tenant: 'globex' })).toBe(hmac('globex', email))
    expect(attribute('enduser.email', text('-'), { config })).toBe('-')
  })
  test('well-known keys', () => {
    expect(attribute('user.id', text('u1'))).toBe(hmac('acme', 'u1'))
    expect(attribute('client.address', text('10.1.2.3'))).toBe('10.1.2.0/24')
    expect(attribute('client.address', text('2001:db8:1:2::7'))).toBe('2001:db8:1::/48')
    expect(attribute('http.request.header.cookie', { arrayValue: { values: [text('a=b')] } })).toEqual(['<secret>'])
    expect(attribute('customer.lastName', text('Peeters'))).toBe('<person_name>')
    expect(attribute('url.full', text('https://a.b/x?sig=abc123DEF456ghi789&v=2'))).toBe(
      'https://a.b/x?sig=<secret>&v=2',
    )
  })
  test('drop by glob; an exact key and a glob: the strictest wins', () => {
    const config = { keys: { 'http.request.header.*': 'drop', 'http.request.header.x': 'keep' } }
    expect(attribute('http.request.header.x', text('y'), { config })).toBeUndefined()
    expect(attribute('http.route', text('/y'), { config })).toBe('/y')
  })
  test('detectors: by type, by name; the override of a tenant or a purpose only makes it stricter', () => {
    expect(attribute('m', text(email), { config: { detectors: { email: 'generalize' } } })).toBe('@example.com')
    expect(attribute('m', text(email), { config: { detectors: { email: 'drop' } } })).toBeUndefined()
    const config = {
      detectors: { email: 'hash' },
      tenants: { acme: { detectors: { email: 'keep' } } },
      purposes: { billing: { detectors: { email: 'mask' } } },
    }
    expect(attribute('m', text(email), { config })).toBe(hmac('acme', email))
    expect(attribute('m', text(email), { config, purposes: 1 })).toBe('<email>')
  })
  test('metadata only: what is not allowed is dropped; the body too; what is allowed is still looked at', () => {
    const config = { metadata: { allowed_keys: ['http.*'], otherwise: 'drop' }, annotations: 'silent' }
    const record = {
      body: text('free text'),
      attributes: [
        { key: 'http.route', value: text(`/u/${email}`) },
        { key: 'note', value: text('x') },
      ],
    }
    const { attributes, body } = minimizeRecord(record, { config })
    expect(attributes).toEqual({ 'http.route': '/u/<email>' })
    expect(body).toBeUndefined()
  })
  test('annotations: silent says nothing, debug says which types under which keys, never what', () => {
    const record = { body: text(email) }
    expect(minimizeRecord(record, { config: { annotations: 'silent' } }).attributes).toEqual({})
    const { attributes, bytes } = minimizeRecord(record, { config: { annotations: 'debug' } })
    expect(attributes['douane.minimized.changes']).toEqual(['mask email log.body'])
    expect(bytes.includes(email)).toBe(false)
  })
  test('own detectors', () => {
    const config = { custom_detectors: [{ name: 'ticket', pattern: 'TCK-[0-9]+', action: 'mask' }] }
    expect(attribute('m', text('see TCK-123 now'), { config })).toBe('see <ticket> now')
  })
})

describe('what was found clean', () => {
  test('is known for one request only, even when the next one lies in the same buffer', () => {
    const processor = minimize.create(minimize.config.parse({ annotations: 'silent' }), testHost())
    const bytes = Buffer.alloc(400)
    const left = ['aaaaaaaaaaaaa', 'aaaaaaaaaaaaa', 'j@example.com', 'aaaaaaaaaaaaa'].map((value) => {
      const sent = encodeRequest({
        resourceLogs: [
          { scopeLogs: [{ logRecords: [1, 2].map(() => ({ attributes: [{ key: 'm', value: text(value) }] })) }] },
        ],
      })
      sent.copy(bytes)
      return runOnce(processor, bytes.subarray(0, sent.length))
    })
    expect(left).toEqual([
      ['aaaaaaaaaaaaa', 'aaaaaaaaaaaaa'],
      ['aaaaaaaaaaaaa', 'aaaaaaaaaaaaa'],
      ['<email>', '<email>'],
      ['aaaaaaaaaaaaa', 'aaaaaaaaaaaaa'],
    ])
  })
})

describe('fails closed', () => {
  test('beyond the bound a value is masked whole, and counted', () => {
    const { attributes, counts } = minimizeRecord({
      attributes: [{ key: 'm', value: text('x'.repeat(limits.scannedBytesMax + 1)) }],
    })
    expect(attributes['m']).toBe('<unscanned>')
    expect(counts.get('mask unscanned acme unscanned')).toBe(1)
    const many = `${'a@b.example '.repeat(limits.findingsMax + 1)}`
    expect(attribute('m', text(many))).toBe('<unscanned>')
  })
  test('a pattern that cannot be matched in linear time is refused with the reason', () => {
    const config = minimize.config.parse({ custom_detectors: [{ name: 'x', pattern: '(a)\\1' }] })
    expect(() => minimize.create(config, testHost())).toThrow(ConfigError)
  })
  test('an unknown detector is refused, the nearest names first', () => {
    const config = minimize.config.parse({ detectors: { emial: 'mask' } })
    try {
      minimize.create(config, testHost())
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError)
      expect((error as ConfigError).path).toEqual(['detectors', 'emial'])
      expect((error as ConfigError).fix).toMatch(/nearest first: [^…]*\bemail\b/)
    }
  })
})
