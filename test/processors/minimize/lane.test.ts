/**
 * The quick way through a record (processors/minimize/fast/) against the ordinary one: the same bytes leave, the same is
 * counted, for random and hostile values under all kinds of keys. The ordinary way is taken where a request was scanned
 * by the readable twin of the scan, whose tables lie in no memory that a program could work in.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { forwardWords } from '../../../processors/minimize/detect/forward.ts'
import { anchorWords } from '../../../processors/minimize/detect/secret_keys.ts'
import { vendorFormats } from '../../../processors/minimize/detect/vendor_tokens.ts'
import minimize from '../../../processors/minimize/index.ts'
import type { Processor } from '../../../src/contract.ts'
import { LogsRequest } from '../../../src/otlp/request.ts'
import { scan } from '../../../src/otlp/scan.ts'
import { Splicer } from '../../../src/otlp/splice.ts'
import { Chain } from '../../../src/pipeline/chain.ts'
import { type AnyValue, encodeRequest, type LogRecord } from '../../oracle/otlp.ts'
import { seeded } from '../../oracle/random.ts'
import { scan as twin } from '../../oracle/scan/scan.ts'
import { testHost } from './support.ts'

const SEED = Number(process.env['SEED'] ?? 20261121)
type Random = () => number
const pick = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random() * of.length)]!

const vocabulary =
  'jane.doe@example.com|a@b|@|192.168.7.9|10.0.0.1|1.2.3.4.5|2001:db8::17|fe80::1|::1|12:34:56|10:20:30.123|4111 1111 1111 1111|4111111111111111|5500-0000-0000-0004|GB29 NWBK 6016 1331 9268 19|NL91ABNA0417164300|BE68539007547034|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl|eyJ|-----BEGIN RSA PRIVATE KEY-----|-----|--|----BEGIN |password=hunter2|password: |token=|api_key="9f8e7d6c5b4a39281706"|secret|Bearer abcDEF123456789|Authorization: Basic dXNlcjpwYXNz|cookie: a=b1c2d3|https://user:secret@host/x|https://example.com/a?b=c|postgres://u:p@db:5432/x|http://|AB-12-CD|00-1A-2B-3C-4D-5E|00:1a:2b:3c:4d:5e|001a.2b3c.4d5e|85.07.30-033.28|078-05-1120|+32 470 12 34 56|(212) 555-0123|phone|call|bsn|111222333|rijksregisternummer|passport|X1234567|born|1985-07-30|2026-11-21T10:20:30Z|2026-11-21 10:20:30|v1.2.3.4|version|bytes=123456|id=1763640000000|in 12 ms|12345|0x1f|deadbeefdeadbeefdeadbeefdeadbeef|550e8400-e29b-41d4-a716-446655440000|1BoatSLRHtKNngkdXEeobR76b53LETtpyT|0x52908400098527886E0F7030069857D2E4169EE7|bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4|P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<|<<|343ea45721923ed956e2b38c31db76aa-us30|110201543:AAHdqTcvCH1vGWJxfSe1ofSAs0K5PALDsaw|MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs|Request|GET|/api/v1/projects/17|handled|by|worker|INFO|user|pass|key|the|is|=|: |, |; |{|}|"|\\|%40|jane%40example.com|aB3Q~1234567890abcdefghijklmnopqrstuvwx|BA-CF-5A-A6-E2-90|x%401.example.org|<email>|hmac:0badcafe:00|ä|日本|\u200b|\t|\n|.|-|_|/|(|)|[|]|+|#|&|?'.split(
    '|',
  )
const runs = ['a@', '%40', 'Q~', 'eyJ', '1', '12 ', 'A1-', ':', '::', 'ab:', '-', '<<', '1.', 'aA', '0x', '://', 'pw=']

/** A token of a vendor's format, whole or cut. */
function vendorToken(random: Random): string {
  const text = pick(random, vendorFormats).format.replace(/\{(.)(\d+)(?:-\d+)?\}/g, (_, alphabet: string, n: string) =>
    Array.from({ length: Number(n) }, () =>
      pick(random, [...(alphabet === 'd' ? '0123456789' : 'abcdef0123456789')]),
    ).join(''),
  )
  return random() < 0.8 ? text : text.slice(0, Math.floor(random() * text.length))
}

function words(random: Random): string {
  const parts = Array.from({ length: Math.floor(random() ** 2 * 14) }, () => {
    const chance = random()
    if (chance < 0.06) return vendorToken(random)
    if (chance < 0.1) return pick(random, runs).repeat(1 + Math.floor(random() * 40))
    if (chance < 0.2)
      return String.fromCharCode(...Array.from({ length: 1 + Math.floor(random() * 8) }, () => 32 + random() * 95))
    return pick(random, vocabulary)
  })
  return parts.join(pick(random, [' ', ' ', ' ', '', '=', ':', '-', ',', '/', '\n']))
}

const keys =
  'message|http.route|user.id|session.id|client.address|net.peer.ip|url.query|http.url|customerPhone|bsn|card.number|db.password|pin|payload_base64|enduser.email|http.request.header.cookie|jane@example.com|douane.x|note|tags'.split(
    '|',
  )

function anyValue(random: Random, key: string): AnyValue {
  const chance = random()
  if (chance < 0.08) return { intValue: BigInt(Math.floor(random() * 10 ** Math.floor(random() * 17))) }
  if (chance < 0.1) return { doubleValue: random() * 1e6 }
  if (chance < 0.12) return { boolValue: true }
  if (chance < 0.14) return { arrayValue: { values: [{ stringValue: words(random) }] } }
  if (chance < 0.16) return { kvlistValue: { values: [{ key: 'phone', value: { stringValue: words(random) } }] } }
  if (chance < 0.18) return { bytesValue: Buffer.from(words(random)) }
  if (chance < 0.2) return { stringValue: JSON.stringify({ note: words(random), n: 4111111111111111 }) }
  if (chance < 0.22) return {}
  if (key.endsWith('.id') || key.endsWith('address') || key.endsWith('.ip')) {
    const octets = Array.from({ length: 4 }, () => Math.floor(random() * 300)).join('.')
    return { stringValue: pick(random, [octets, octets, '-', '', `usr_${Math.floor(random() * 50)}`, words(random)]) }
  }
  return { stringValue: words(random) }
}

function record(random: Random): LogRecord {
  const chosen = keys.filter(() => random() < 0.4)
  return {
    ...(random() < 0.9 && { body: anyValue(random, 'body') }),
    ...(random() < 0.3 && { eventName: words(random) }),
    ...(random() < 0.5 && { severityText: 'INFO' }),
    attributes: chosen.map((key) => ({ key, value: anyValue(random, key) })),
  }
}

function body(random: Random): Buffer {
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] }
  return encodeRequest({
    resourceLogs: Array.from({ length: 2 }, () => ({
      resource,
      scopeLogs: [{ logRecords: Array.from({ length: 12 }, () => record(random)) }, { logRecords: [record(random)] }],
    })),
  })
}

/** Runs a chain over scanned requests, in two memories by turns, and gives what leaves. */
class Way {
  readonly counts = new Map<string, number>()
  readonly #read: (request: LogsRequest, bytes: Buffer) => boolean
  readonly #chains: { request: LogsRequest; chain: Chain }[]
  #turn = 0
  readonly #splicer = new Splicer()

  constructor(read: (request: LogsRequest, bytes: Buffer) => boolean, config: object, before: Processor) {
    this.#read = read
    const processor = minimize.create(minimize.config.parse(config), testHost(this.counts))
    const counter = { add: () => {} }
    const chain = [before, processor].map((each, i) => ({
      id: `${i}`,
      processor: each,
      incoming: counter,
      outgoing: counter,
    }))
    const fail = (_id: string, error: unknown): void => {
      throw error
    }
    this.#chains = [new LogsRequest(), new LogsRequest()].map((request) => ({
      request,
      chain: new Chain(request, chain, fail),
    }))
  }

  run(bytes: Buffer): Buffer {
    const { request, chain } = this.#chains[this.#turn++ % 3 === 0 ? 1 : 0]!
    expect(this.#read(request, bytes)).toBe(true)
    request.tenants.push('acme', 'globex')
    chain.run(new Uint8Array(request.resources.count))
    const { count } = request.records
    const records = Int32Array.from({ length: count }, (_, i) => i)
    const forms = [{ content: 'keep' as const, appendix: Buffer.alloc(0), seal: () => 'cose:sealed' }]
    return Buffer.from(this.#splicer.splice(request, { records, formOf: new Uint16Array(count), count, forms }))
  }
}

const configs = [
  {},
  {
    hash_cache: false,
    annotations: 'debug',
    detectors: { email: 'hash', credit_card: 'drop' },
    keys: { 'note*': 'mask' },
  },
  { purposes: { billing: { keys: { message: 'hash' } } }, tenants: { globex: { keys: { message: 'drop' } } } },
  { metadata: { allowed_keys: ['http.*', 'user.*'], otherwise: 'encrypt' } },
]

/** Stands before minimize: gives purposes, and edits a field now and then. */
const before = (): Processor => {
  let n = 0
  return {
    begin: () => {
      n = 0
    },
    record: (view) => {
      n++
      view.purposes = n % 5 === 0 ? 1 : 0
      if (n % 7 === 0 && view.body >= 0) view.slots.setText(view.body, `edited for jane@example.com ${n}`)
      return n % 11 === 0 ? 'drop' : 'keep'
    },
  }
}

test.each(configs.map((config, i) => [i, config] as const))('both ways come to the same, config %i', (i, config) => {
  const quick = new Way(scan, config, before())
  const ordinary = new Way(twin, config, before())
  for (let run = 0; run < 30; run++) {
    const bytes = body(seeded(SEED + i * 1000 + run))
    const expected = ordinary.run(bytes)
    const actual = quick.run(bytes)
    if (!actual.equals(expected))
      expect(actual.toString('latin1'), `seed ${SEED + i * 1000 + run}`).toBe(expected.toString('latin1'))
  }
  expect(Object.fromEntries(quick.counts)).toEqual(Object.fromEntries(ordinary.counts))
})

/** What may stand before a telling word, between it and a value, and the values. */
const leads = ['', 'a ', 'the ', '"hunter2secret" == ', 'x != ', 'db_', 'x.', '/', '--', 'my', '"', '\n', '9']
const joins =
  ' |  |=|: |:| = | == | != |!|::| -> |->|||.|. |..|.b |_|-|- |/|,|\t|\n|"| "|": "|\\": \\"|(|(\'|[0]=|] = | is | ist | est | es | e | to | was | op | jest | in | ok |  to |         |[12]: |> | > |;|1=|Key=|Hash '.split(
    '|',
  )
const values = [
  '',
  'hunter2!x',
  'aB3xQ9zL7mK2pW8vT4',
  '"aB3xQ9zL7mK2"',
  '4821',
  'AB-12-CD',
  'DEUTDEFF500',
  'logged',
  '=b',
]

test('a telling word with anything around it is seen by both ways', () => {
  const random = seeded(SEED)
  const words = [...new Set([...anchorWords, ...forwardWords, 'user', 'session', 'com'])]
  const cased = (word: string): string =>
    pick(random, [word, word, word.toUpperCase(), word[0]!.toUpperCase() + word.slice(1), `${word}s`, `my${word}`])
  const texts = words.flatMap((word) =>
    joins.map(
      (join) => `${pick(random, leads)}${cased(word)}${join}${pick(random, values)}${pick(random, ['', ' ok'])}`,
    ),
  )
  const quick = new Way(scan, {}, { record: () => 'keep' })
  const ordinary = new Way(twin, {}, { record: () => 'keep' })
  for (let at = 0; at < texts.length; at += 1000) {
    const logRecords = texts.slice(at, at + 1000).map((text) => ({ body: { stringValue: text } }))
    const bytes = encodeRequest({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] })
    const [expected, actual] = [ordinary.run(bytes), quick.run(bytes)]
    if (!actual.equals(expected)) expect(actual.toString('latin1')).toBe(expected.toString('latin1'))
  }
  expect(Object.fromEntries(quick.counts)).toEqual(Object.fromEntries(ordinary.counts))
  expect(quick.counts.size).toBeGreaterThan(3)
})

test('hashes that outgrow their room, and a memory that is made anew after a huge request', () => {
  const quick = new Way(scan, {}, before())
  const ordinary = new Way(twin, {}, before())
  const request = (records: number, attributes: number): Buffer =>
    encodeRequest({
      resourceLogs: [
        {
          scopeLogs: [
            {
              logRecords: Array.from({ length: records }, (_, i) => ({
                attributes: Array.from({ length: attributes }, (_each, k) => ({
                  key: ['user.id', 'session.id', 'note'][k % 3]!,
                  value: { stringValue: `${i % 9}` },
                })),
              })),
            },
          ],
        },
      ],
    })
  const [small, wide, huge] = [request(40, 3), request(5_000, 3), request(4_500, 60)]
  for (const bytes of [small, small, small, small, wide, huge, small, small, small])
    expect(quick.run(bytes).equals(ordinary.run(bytes))).toBe(true)
  expect(Object.fromEntries(quick.counts)).toEqual(Object.fromEntries(ordinary.counts))
})

test('the program is what its source builds', () => {
  const folder = mkdtempSync(join(tmpdir(), 'douane-wasm-'))
  try {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
    const line = (scripts['build:wasm'] as string).split(' && ').find((each) => each.includes('fast.wasm'))!
    const [, ...args] = line.replace('processors/minimize/fast/fast.wasm', join(folder, 'fast.wasm')).split(' ')
    execFileSync(process.execPath, ['node_modules/assemblyscript/bin/asc.js', ...args])
    expect(readFileSync(join(folder, 'fast.wasm')).equals(readFileSync('processors/minimize/fast/fast.wasm'))).toBe(
      true,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
