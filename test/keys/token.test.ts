import { execFileSync } from 'node:child_process'
import { createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import * as cborg from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { A256GCM, CHACHA20_POLY1305, canonical, fieldKey, hkdf, placeAad } from '../../src/keys/derive.ts'
import { TokenWriter } from '../../src/keys/token.ts'
import { BoundField, encStructure, SealingKey } from '../../src/keys/token_format.ts'
import { openParsed, parseToken } from '../../src/keys/token_reader.ts'
import { limits } from '../../src/limits.ts'

const place = { tenant: 'acme', region: 'eu-de', purpose: 'support', field: 'log.body' }
const aad = placeAad(place)
const epochKey = Buffer.alloc(32, 9)
const kid = Buffer.alloc(16, 3)
const keysOf = (purpose: string, secret?: Uint8Array) => ({
  chacha: fieldKey(CHACHA20_POLY1305, purpose, epochKey, secret),
  gcm: fieldKey(A256GCM, purpose, epochKey, secret),
})
const keys = keysOf(place.purpose)
const openKeys = { chacha: createSecretKey(keys.chacha), gcm: createSecretKey(keys.gcm) }
const sealingKey = () => new SealingKey(kid, place.purpose, (info) => hkdf(epochKey, Buffer.alloc(0), info))

const writer = new TokenWriter()
/** A person's: his secret is in the key, his reference in the kid. */
const secret = Buffer.alloc(32, 0x5e)
const ref = Buffer.alloc(16, 0x4e)
const personalKeys = keysOf(place.purpose, secret)
const personalKey = () => new SealingKey(kid, place.purpose, (info) => hkdf(secret, epochKey, info), ref)
const openPersonal = { chacha: createSecretKey(personalKeys.chacha), gcm: createSecretKey(personalKeys.gcm) }

const sealWith = (by: TokenWriter, plaintext: Uint8Array, key = sealingKey()): string => {
  const { bytes, from, to } = by.seal(key, new BoundField(aad), plaintext, 0, plaintext.length)
  return bytes.latin1Slice(from, to)
}
const seal = (plaintext: Uint8Array): string => sealWith(writer, plaintext)

/** Nothing of src/: a CBOR library and node:crypto, as somebody else would do it. */
function openElsewhere(token: string, key: Uint8Array, externalAad: Uint8Array): Buffer {
  const bytes = Buffer.from(token.replace(/^cose:/, ''), 'base64url')
  const [header, unprotected, sealed] = cborg.decode(bytes, { useMaps: true, tags: { 16: (decode) => decode() } }) as [
    Uint8Array,
    Map<number, Uint8Array>,
    Uint8Array,
  ]
  const algorithm = (cborg.decode(header, { useMaps: true }) as Map<number, number>).get(1)
  const cipher = algorithm === 3 ? 'aes-256-gcm' : 'chacha20-poly1305'
  const decipher = createDecipheriv(cipher as 'aes-256-gcm', key, unprotected.get(5)!, { authTagLength: 16 })
  const message = sealed.subarray(0, sealed.length - 16)
  decipher.setAAD(cborg.encode(['Encrypt0', header, externalAad]), { plaintextLength: message.length })
  decipher.setAuthTag(sealed.subarray(sealed.length - 16))
  return Buffer.concat([decipher.update(message), decipher.final()])
}

describe('a token is a COSE_Encrypt0 message', () => {
  test("the Enc_structure is the one of the COSE working group's example AES-GCM-ENC-03", () => {
    expect(encStructure(A256GCM, Buffer.alloc(0)).toString('hex')).toBe('8368456e63727970743043a1010340')
  })

  test('the example AES-GCM-ENC-03 itself opens', () => {
    const key = createSecretKey('Dx4tPEtaaXiHlqW0w9Lh8B8uPUxbanmIl6a1xNPi8QA', 'base64url')
    const sealed = Buffer.from('9d64a5a59a3b04867dccf6b8ef82f7d1a3b25ef84eca2bc5d7593a96e943859a9cc24ad3', 'hex')
    const token = {
      algorithm: A256GCM,
      kid,
      iv: Buffer.from('02d1f7e6f26c43d4868d87ce', 'hex'),
      ciphertext: sealed.subarray(0, -16),
      tag: sealed.subarray(-16),
    } as const
    expect(openParsed(token, { chacha: key, gcm: key }, Buffer.alloc(0))?.toString()).toBe('This is the content.')
  })

  test.for([
    0, 1, 7, 8, 24, 100, 239, 240, 1000, 1536, 4096, 8191, 8192, 8193, 65_519, 65_520, 70_000,
  ])('a plaintext of %i bytes opens with any CBOR reader and any AEAD', (length) => {
    const plaintext = randomBytes(length)
    const token = seal(plaintext)
    const parsed = parseToken(token)!
    expect(parsed.algorithm).toBe(length < limits.sealShortBytesMax ? CHACHA20_POLY1305 : A256GCM)
    const raw = parsed.algorithm === A256GCM ? keys.gcm : keys.chacha
    expect(openElsewhere(token, raw, aad)).toEqual(plaintext)
    expect(openParsed(parsed, openKeys, aad)).toEqual(plaintext)
  })

  test.for([0, 24, 8191, 8192])("a person's token of %i bytes names him, and needs his secret", (length) => {
    const plaintext = randomBytes(length)
    const token = sealWith(writer, plaintext, personalKey())
    const parsed = parseToken(token)!
    expect(parsed.kid).toEqual(kid)
    expect(parsed.subjectRef).toEqual(ref)
    const raw = parsed.algorithm === A256GCM ? personalKeys.gcm : personalKeys.chacha
    expect(openElsewhere(token, raw, aad)).toEqual(plaintext)
    expect(openParsed(parsed, openPersonal, aad)).toEqual(plaintext)
    expect(openParsed(parsed, openKeys, aad)).toBeUndefined()
  })

  test('24 bytes of plaintext make 119 characters at most', () => {
    expect(seal(randomBytes(24)).length).toBeLessThanOrEqual(119)
  })

  test('A256GCM alone, where only approved algorithms are allowed', () => {
    const strict = new TokenWriter({ gcmOnly: true })
    const token = sealWith(strict, Buffer.from('short'))
    expect(parseToken(token)?.algorithm).toBe(A256GCM)
    expect(openElsewhere(token, keys.gcm, aad).toString()).toBe('short')
  })

  test("Python's cwt opens it, given the field key", (context) => {
    try {
      execFileSync('python3', ['-c', 'import cwt'], { stdio: 'ignore' })
    } catch {
      console.warn('NOT TESTED: no Python with the package cwt here (pip install cwt)')
      return context.skip('no Python with the package cwt')
    }
    const long = 'long'.repeat(limits.sealShortBytesMax / 4)
    const values = [
      ['short', keys.chacha, sealingKey()],
      [long.slice(1), keys.chacha, sealingKey()],
      [long, keys.gcm, sealingKey()],
      ['short', personalKeys.chacha, personalKey()],
      [long, personalKeys.gcm, personalKey()],
    ] as const
    const asked = values.map(([plaintext, key, by]) => {
      const token = sealWith(writer, Buffer.from(plaintext), by).slice('cose:'.length)
      return JSON.stringify({ token, key: key.toString('hex'), aad: aad.toString('hex') })
    })
    const script = join(import.meta.dirname, '../slow/interop/python/open_tokens.py')
    const answers = execFileSync('python3', [script], { input: asked.join('\n') })
      .toString()
      .trim()
      .split('\n')
    const opened = answers.map((line) => Buffer.from(JSON.parse(line).cwt, 'hex').toString())
    expect(opened).toEqual(values.map(([plaintext]) => plaintext))
  })
})

describe('nothing but the token that was written opens', () => {
  test.for([
    [24, sealingKey(), openKeys],
    [3000, sealingKey(), openKeys],
    [24, personalKey(), openPersonal],
  ] as const)('every flipped bit of a token of %i bytes is refused, base64 padding bits too', ([
    length,
    key,
    openKeys,
  ]) => {
    const token = sealWith(writer, randomBytes(length), key)
    const bytes = Buffer.from(token.slice(5), 'base64url')
    const step = length > 1000 ? 13 : 1
    for (let bit = 0; bit < bytes.length * 8; bit += step) {
      const changed = Buffer.from(bytes)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      const parsed = parseToken(`cose:${changed.toString('base64url')}`)
      // Whose token it is decides which keys are tried: another epoch's, another person's are others.
      const isOurs = parsed?.kid.equals(kid) && (parsed.subjectRef?.equals(ref) ?? true)
      expect(isOurs && openParsed(parsed!, openKeys, aad), `bit ${bit}`).toBeFalsy()
    }
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const others = [...alphabet].filter((letter) => letter !== token.at(-1))
    for (const letter of others) {
      const parsed = parseToken(token.slice(0, -1) + letter)
      expect(parsed && openParsed(parsed, openKeys, aad), `last letter ${letter}`).toBeFalsy()
    }
  })

  test('a downgrade to the other algorithm is refused, with the same bytes and with the same key', () => {
    const token = seal(randomBytes(100))
    const bytes = Buffer.from(token.slice(5), 'base64url')
    const asGcm = Buffer.concat([bytes.subarray(0, 2), Buffer.from('43a10103', 'hex'), bytes.subarray(7)])
    const parsed = parseToken(`cose:${asGcm.toString('base64url')}`)!
    expect(parsed.algorithm).toBe(A256GCM)
    expect(openParsed(parsed, openKeys, aad)).toBeUndefined()
    expect(openParsed(parsed, { ...openKeys, gcm: openKeys.chacha }, aad)).toBeUndefined()
  })

  test('cuts, additions, longer lengths, other headers and noise are no tokens', () => {
    const token = seal(randomBytes(50))
    const bytes = Buffer.from(token.slice(5), 'base64url')
    for (let length = 0; length < bytes.length; length++) {
      const parsed = parseToken(`cose:${bytes.subarray(0, length).toString('base64url')}`)
      expect(parsed, `cut at ${length}`).toBeUndefined()
    }
    expect(parseToken(`${token}A`)).toBeUndefined()
    expect(parseToken(`${token}=`)).toBeUndefined()
    expect(parseToken(` ${token}`)).toBeUndefined()
    const longer = Buffer.concat([bytes.subarray(0, 40), Buffer.from([0x59, 0]), bytes.subarray(41)])
    expect(parseToken(`cose:${longer.toString('base64url')}`)).toBeUndefined()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(parseToken(`cose:${Buffer.from(noise).toString('base64url')}`)).toBeUndefined()
      }),
      { seed: 9052, numRuns: 500 },
    )
  })
})

describe('nonces and places', () => {
  test('no nonce comes twice in 20,000 values', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 20_000; i++) seen.add(parseToken(seal(Buffer.from('x')))!.iv.toString('hex'))
    expect(seen.size).toBe(20_000)
  })

  test('places that differ have different AADs, whatever their texts are', () => {
    const part = fc.string({ maxLength: 4, unit: fc.constantFrom('a', 'b', '|', '\0', '"') })
    const anyPlace = fc.record(
      { tenant: part, region: part, purpose: part, field: part },
      { requiredKeys: ['tenant', 'region', 'purpose', 'field'] },
    )
    fc.assert(
      fc.property(anyPlace, anyPlace, (a, b) => {
        expect(placeAad(a).equals(placeAad(b))).toBe(JSON.stringify(a) === JSON.stringify(b))
      }),
      { seed: 1, numRuns: 2000 },
    )
    expect(canonical('ab', 'c')).not.toEqual(canonical('a', 'bc'))
    expect(placeAad(place)).not.toEqual(placeAad({ ...place, recordUid: '' }))
  })

  test('the two algorithms, and two purposes, never share a key', () => {
    const [other, personal] = [keysOf('security'), keysOf(place.purpose, Buffer.alloc(32, 1))]
    const all = [keys, other, personal].flatMap(({ chacha, gcm }) => [chacha.toString('hex'), gcm.toString('hex')])
    expect(new Set(all).size).toBe(6)
  })
})
