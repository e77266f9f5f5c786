/** Tokens that are sealed together: each is the token of its value, and nothing around them changes. */
import { createSecretKey, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { A256GCM, CHACHA20_POLY1305, canonical, fieldKey, hkdf } from '../../src/keys/derive.ts'
import { SealMemory } from '../../src/keys/seal_memory.ts'
import { ShortTokens } from '../../src/keys/short_tokens.ts'
import { ALONE, TokenWriter } from '../../src/keys/token.ts'
import { BoundField, SealingKey } from '../../src/keys/token_format.ts'
import { openParsed, parseToken } from '../../src/keys/token_reader.ts'
import { limits } from '../../src/limits.ts'

const secrets = Array.from({ length: 300 }, () => randomBytes(32))
const keys = secrets.map(
  (secret, i) =>
    new SealingKey(
      randomBytes(16),
      'support',
      (info) => hkdf(secret, Buffer.alloc(0), info),
      i % 2 === 0 ? undefined : randomBytes(16),
    ),
)
const aads = Array.from({ length: 300 }, (_, i) => canonical('douane.field.1', 'acme', `field ${'x'.repeat(i)}`))
const fields = aads.map((aad) => new BoundField(aad))

interface Value {
  readonly text: Buffer
  readonly key: number
  readonly field: number
  readonly gap: number
  /** Where the value stands: in the request, in what processors wrote, or in a buffer of its own. */
  readonly from: 'request' | 'arena' | 'own' | 'alone'
}

function open(token: string, { key, field }: Value): Buffer | undefined {
  const of = (algorithm: typeof A256GCM | typeof CHACHA20_POLY1305) =>
    createSecretKey(fieldKey(algorithm, 'support', secrets[key]!))
  return openParsed(parseToken(token)!, { chacha: of(CHACHA20_POLY1305), gcm: of(A256GCM) }, aads[field]!)
}

/** Values as they lie in two buffers, the later ones first in one of them, or in buffers of their own. */
function placed(values: readonly Value[]): { bytes: Buffer; from: number }[] {
  const room = values.reduce((sum, { text }) => sum + text.length + 9, 0)
  const shared = { request: randomBytes(room), arena: randomBytes(room) }
  let low = 0
  let high = room
  return values.map(({ text, from }, i) => {
    if (from === 'alone') return { bytes: text, from: 0 }
    if (from === 'own') return { bytes: Buffer.concat([randomBytes(3), text, randomBytes(3)]), from: 3 }
    high -= text.length + (i % 9)
    low += i % 9
    const at = from === 'request' ? high : low
    text.copy(shared[from], at)
    low += text.length
    return { bytes: shared[from], from: at }
  })
}

/** Seals values into a buffer with something between them, as a splice does; returns what does not come back. */
function failures(
  writer: TokenWriter,
  values: readonly Value[],
  isBroken: (i: number) => boolean = () => false,
): string[] {
  const out = randomBytes(values.reduce((sum, { text, gap }) => sum + gap + text.length * 2 + 400, 1000))
  const before = Buffer.from(out)
  const places: [at: number, length: number][] = []
  const wrong: string[] = []
  let at = 100
  const among = placed(values)
  for (const [i, value] of values.entries()) {
    const { text, gap } = value
    const { bytes, from } = among[i]!
    const added = () => writer.add(keys[value.key]!, fields[value.field]!, bytes, from, from + text.length, at + gap)
    let length = added()
    if (length === 0) {
      writer.write(out)
      length = added()
    }
    if (length > 0) {
      writer.place(at + gap)
      places.push([at + gap, length])
      at += gap + length
    } else {
      places.push([0, 0])
      if (length !== ALONE || text.length < limits.sealShortBytesMax) wrong.push(`${i} was not taken in`)
    }
    if (isBroken(i)) {
      // Another one is sealed at once, meanwhile.
      const { bytes, from, to } = writer.seal(keys[value.key]!, fields[value.field]!, text, 0, text.length)
      if (!open(bytes.latin1Slice(from, to), value)?.equals(text)) wrong.push(`${i} at once`)
    }
  }
  writer.write(out)
  let end = 0
  for (const [i, [from, length]] of places.entries()) {
    if (length === 0) continue
    if (!open(out.latin1Slice(from, from + length), values[i]!)?.equals(values[i]!.text))
      wrong.push(`${i} does not open`)
    if (!out.subarray(end, from).equals(before.subarray(end, from))) wrong.push(`before ${i}`)
    end = from + length
  }
  if (!out.subarray(end).equals(before.subarray(end))) wrong.push('behind all')
  return wrong
}

const value = fc.record({
  text: fc
    .oneof({ weight: 9, arbitrary: fc.nat(200) }, fc.nat(limits.sealShortBytesMax + 100))
    .map((length) => randomBytes(length)),
  key: fc.nat(keys.length - 1),
  field: fc.nat(fields.length - 1),
  gap: fc.nat(60),
  from: fc.constantFrom('request' as const, 'request' as const, 'arena' as const, 'own' as const, 'alone' as const),
})

test('any values under any keys come back, and what stands between them is left as it was', () => {
  const writer = new TokenWriter()
  fc.assert(
    fc.property(fc.array(value, { maxLength: 60 }), fc.nat(7), (values, every) => {
      expect(failures(writer, values, (i) => every > 0 && i % every === 0)).toEqual([])
    }),
    { numRuns: 60, seed: 6 },
  )
})

test('more values, keys, places and bytes than wait together', () => {
  const writer = new TokenWriter()
  const many = (count: number, length: number) =>
    Array.from({ length: count }, (_, i) => {
      const from = i % 3 === 0 ? ('arena' as const) : ('request' as const)
      return { text: randomBytes(length), key: i % 300, field: i % 300, gap: i % 9, from }
    })
  expect(failures(writer, many(1000, 20))).toEqual([])
  expect(failures(writer, many(100, limits.sealShortBytesMax - 1))).toEqual([])
  expect(failures(writer, many(600, 190), (i) => i % 50 === 0)).toEqual([])
})

test('of plaintexts and keys nothing is left in the memory, sealed or given up', () => {
  const memory = new SealMemory()
  const tokens = new ShortTokens((out, at, count) => randomBytes(count * 12).copy(out, at), memory)
  const texts = Array.from({ length: 8 }, () => randomBytes(300))
  const request = Buffer.concat(texts)
  const out = Buffer.alloc(8192)
  for (const isGivenUp of [false, true]) {
    let at = 0
    for (const [i, text] of texts.entries()) {
      const plaintext = i % 2 === 0 ? { bytes: request, from: i * 300 } : { bytes: text, from: 0 }
      const to = plaintext.from + 300
      const length = tokens.add(keys[i]!, fields[i]!, { ...plaintext, to, padding: 0 }, at)
      expect(length).toBeGreaterThan(0)
      tokens.place(at)
      at += length
    }
    if (isGivenUp) tokens.drop()
    else tokens.write(out)
    for (const [i, text] of texts.entries()) {
      expect(memory.bytes.indexOf(text.subarray(0, 16))).toBe(-1)
      expect(memory.bytes.indexOf(keys[i]!.chacha)).toBe(-1)
    }
  }
})

test('no nonce is used twice', () => {
  const writer = new TokenWriter()
  const out = Buffer.alloc(1 << 20)
  const seen = new Set<string>()
  let at = 0
  for (let i = 0; i < 5000; i++) {
    let length = writer.add(keys[0]!, fields[0]!, Buffer.from('x'), 0, 1, at)
    if (length === 0) {
      writer.write(out)
      length = writer.add(keys[0]!, fields[0]!, Buffer.from('x'), 0, 1, at)
    }
    writer.place(at)
    at += length
  }
  writer.write(out)
  for (const token of out.latin1Slice(0, at).split('cose:').slice(1)) {
    seen.add(parseToken(`cose:${token}`)!.iv.toString('hex'))
  }
  expect(seen.size).toBe(5000)
})

test('what was given up is forgotten', () => {
  const writer = new TokenWriter()
  writer.add(keys[0]!, fields[0]!, Buffer.from('given up'), 0, 8, 0)
  writer.place(0)
  writer.drop()
  const out = Buffer.alloc(4000, '.')
  writer.write(out)
  expect(out.equals(Buffer.alloc(4000, '.'))).toBe(true)
  expect(failures(writer, [{ text: Buffer.from('next'), key: 1, field: 1, gap: 5, from: 'own' }])).toEqual([])
})
