/**
 * Examples of the COSE working group (github.com/cose-wg/Examples at 53c9d63, public domain; those of RFC 9052's
 * appendix C among them): what they have in common with our tokens is byte for byte the same, what we do not write is
 * not taken for ours.
 */
import { createSecretKey } from 'node:crypto'
import * as cborg from 'cborg'
import { describe, expect, test } from 'vitest'
import { A256GCM, CHACHA20_POLY1305 } from '../../src/keys/derive.ts'
import { encStructure, headOf } from '../../src/keys/token_format.ts'
import { openParsed, parseToken } from '../../src/keys/token_reader.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const key = createSecretKey('Dx4tPEtaaXiHlqW0w9Lh8B8uPUxbanmIl6a1xNPi8QA', 'base64url')
const none = Buffer.alloc(0)

const examples = [
  {
    name: 'AES-GCM-ENC-03',
    algorithm: A256GCM,
    structure: '8368456E63727970743043A1010340',
    message:
      'D08343A10103A1054C02D1F7E6F26C43D4868D87CE58249D64A5A59A3B04867DCCF6B8EF82F7D1A3B25EF84ECA2BC5D7593A96E943859A9CC24AD3',
  },
  {
    name: 'ChaCha20-Poly-enc-03',
    algorithm: CHACHA20_POLY1305,
    structure: '8368456E63727970743044A101181840',
    message:
      'D08344A1011818A1054C5C3A9950BD2852F66E6C8D4F5824CA119C45926DA993D29B5D0CAC9A84228C7668D492A1B9D7E32020EF21372E74DEF431B9',
  },
] as const

/** A message of COSE_Encrypt0 as a CBOR reader sees it. */
function read(message: string) {
  const [protectedHeader, unprotectedHeader, sealed] = cborg.decode(hex(message), {
    useMaps: true,
    tags: { 16: (decode) => decode() },
  }) as [Uint8Array, Map<number, Uint8Array>, Uint8Array]
  const iv = Buffer.from(unprotectedHeader.get(5)!)
  const [ciphertext, tag] = [Buffer.from(sealed.subarray(0, -16)), Buffer.from(sealed.subarray(-16))]
  return { protectedHeader: Buffer.from(protectedHeader), iv, ciphertext, tag }
}

describe.each(examples)('$name', ({ algorithm, structure, message }) => {
  const { protectedHeader, iv, ciphertext, tag } = read(message)
  const token = { algorithm, kid: Buffer.alloc(16), iv, ciphertext, tag } as ReturnType<typeof parseToken> & object

  test('has the Enc_structure that we authenticate', () => {
    expect(encStructure(algorithm, none)).toEqual(hex(structure))
  })

  test('begins as our tokens do: tag 16, three parts, the same protected header', () => {
    const head = headOf(algorithm, Buffer.alloc(16))
    const opening = 3 + protectedHeader.length
    expect(head.subarray(0, opening)).toEqual(hex(message).subarray(0, opening))
  })

  test('opens, and with another place or any flipped bit does not', () => {
    const open = (changed: object, aad: Uint8Array = none) =>
      openParsed({ ...token, ...changed }, { chacha: key, gcm: key }, aad)?.toString()
    expect(open({})).toBe('This is the content.')
    expect(open({}, Buffer.from('another place'))).toBeUndefined()
    for (const [name, part] of Object.entries({ iv, ciphertext, tag })) {
      for (let bit = 0; bit < part.length * 8; bit++) {
        const flipped = Buffer.from(part)
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        expect(open({ [name]: flipped })).toBeUndefined()
      }
    }
  })

  test('is no token of ours: it has no key id', () => {
    expect(parseToken(`cose:${hex(message).toString('base64url')}`)).toBeUndefined()
  })
})

test('algorithms that we do not use are refused: AES-CCM of appendix C.4.1, A128GCM', () => {
  const ccm = 'D08343A1010AA1054D89F52F65A1C580933B5261A78C581C5974E1B99A3A4CC09A659AA2E9E7FFF161D38CE71CB45CE460FFB569'
  const gcm128 =
    'D08343A10101A1054C02D1F7E6F26C43D4868D87CE582460973A94BB2898009EE52ECFD9AB1DD25867374B162E2C03568B41F57C3CC16F9166250B'
  for (const message of [ccm, gcm128]) {
    expect(read(message).protectedHeader).toHaveLength(3)
    expect(parseToken(`cose:${hex(message).toString('base64url')}`)).toBeUndefined()
  }
})
