/** Text in URLs, forms and base64, under keys that say so; schema URLs. What comes out can be decoded like what went in. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { noHint } from '../../../processors/minimize/detect/index.ts'
import { Hasher } from '../../../processors/minimize/hasher.ts'
import minimize from '../../../processors/minimize/index.ts'
import { Policies } from '../../../processors/minimize/policies.ts'
import { Rewriter } from '../../../processors/minimize/rewrite.ts'
import { attribute, minimizeRecord, testHost, text } from './support.ts'

const base64 = (value: string): string => Buffer.from(value).toString('base64')
const config = { annotations: 'silent' }
const left = (key: string, value: string): string => attribute(key, text(value), { config }) as string

describe('percent-encoding', () => {
  test.each([
    ['url.full', 'https://a.b/u/jane%40example.com/x?q=1', 'https://a.b/u/%3Cemail%3E/x?q=1'],
    ['url.query', 'mail=jane%40example.com&page=2', 'mail=%3Cemail%3E&page=2'],
    ['url.query', 'password=p%C3%A4ss+w%21&page=2', 'password=%3Csecret%3E&page=2'],
    ['http.request.body.form', 'card=4111+1111+1111+1111%20&n=2', 'card=%3Ccredit_card%3E%20&n=2'],
    [
      'redirect_uri',
      'https%3A%2F%2Fx.y%2F%3Fmail%3Djane%2540example.com',
      'https%3A%2F%2Fx.y%2F%3Fmail%3D%253Cemail%253E',
    ],
    ['url.path', '/plain/%7Euser/100%', '/plain/%7Euser/100%'],
    ['url.query', 'x=%ff%fe&mail=%FFjane%40example.com', 'x=%ff%fe&mail=%EF%BF%BD%3Cemail%3E'],
  ])('%s %s', (key, value, expected) => expect(left(key, value)).toBe(expected))
  test('other keys are not opened', () => expect(left('note', '100%25 sure')).toBe('100%25 sure'))
})

describe('base64', () => {
  test('under a key that says so: standard, URL-safe, without padding, in lines, as a data URL', () => {
    const secret = 'mail jane@example.com, password=hunter22'
    const masked = 'mail <email>, password=<secret>'
    const plain = base64(secret)
    for (const value of [
      plain,
      plain.replace(/=+$/, ''),
      `data:text/plain;base64,${plain}`,
      plain.replace(/(.{20})/g, '$1\n'),
    ]) {
      const out = left('payload_base64', value).replace(/^data:[^,]*,/, '')
      expect(Buffer.from(out, 'base64').toString()).toBe(masked)
    }
    const url = Buffer.from(`${secret} ok ??>>`).toString('base64url')
    expect(Buffer.from(left('body.b64', url), 'base64url').toString()).toBe(`${masked} ok ??>>`)
  })
  test('JSON in it stays JSON; wrapped twice; too deep is left to the detectors of text', () => {
    const json = base64('{"user":"jane@example.com"}')
    expect(Buffer.from(left('event_b64', json), 'base64').toString()).toBe('{"user":"<email>"}')
    const twice = left('event_b64', base64(json))
    expect(Buffer.from(Buffer.from(twice, 'base64').toString(), 'base64').toString()).toBe('{"user":"<email>"}')
  })
  test('bytes that are no text and hold something are replaced', () => {
    const bytes = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(' jane@example.com ')]).toString('base64')
    expect(Buffer.from(left('blob_base64', bytes), 'base64').toString()).toBe('<bytes>')
    const image = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8]).toString('base64')
    expect(left('image_base64', image)).toBe(image)
  })
  test('in JSON inside a string, by the name there', () => {
    const out = JSON.parse(left('m', JSON.stringify({ data_base64: base64('to jane@example.com') })))
    expect(Buffer.from(out.data_base64, 'base64').toString()).toBe('to <email>')
  })
})

test('whatever stands around it, an address does not pass, and what comes out can be decoded', () => {
  const policies = new Policies(minimize.config.parse({}), testHost().purposes)
  const hasher = new Hasher(testHost().hashKeys, false)
  const rewriter = new Rewriter(policies.of('', 0), hasher, policies.custom, () => {})
  const around = fc.string({ unit: 'binary', maxLength: 20 }).map((value) => value.toWellFormed())
  fc.assert(
    fc.property(around, around, (before, after) => {
      const sent = `${before} jane@example.com ${after}`
      const query = rewriter.text(`a=${encodeURIComponent(sent)}`, noHint, 0, 'percent')!
      expect(decodeURIComponent(query)).not.toContain('jane@example.com')
      const wrapped = rewriter.text(base64(sent), noHint, 0, 'base64')!
      expect(Buffer.from(wrapped, 'base64').toString()).not.toContain('jane@example.com')
    }),
    { seed: 5, numRuns: 300 },
  )
})

describe('schema URLs', () => {
  const schemas = (schemaUrl: string) => {
    const { request, counts } = minimizeRecord({ body: text('x') }, { schemaUrl })
    const { schemaUrl: outer, scopeLogs } = request.resourceLogs![0]!
    return {
      urls: [outer ?? '', scopeLogs![0]!.schemaUrl ?? ''],
      dropped: counts.get('drop schema_url acme schema_url') ?? 0,
    }
  }
  test('plain ones stay; whatever says more goes, and is counted', () => {
    const plain = 'https://opentelemetry.io/schemas/1.30.0'
    expect(schemas(plain)).toEqual({ urls: [plain, plain], dropped: 0 })
    for (const url of [
      'https://x.y/jane@example.com',
      'https://x.y/?token=1',
      'jane',
      'https://user:pass@x.y/1',
      'https://x.y/4111111111111111',
      'https://x.y/BE71096123456769',
    ])
      expect(schemas(url)).toEqual({ urls: ['', ''], dropped: 2 })
  })
})
