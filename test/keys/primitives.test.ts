import {
  constants,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  privateDecrypt,
  scryptSync,
  verify,
} from 'node:crypto'
import { readFileSync } from 'node:fs'
import sodium from 'libsodium-wrappers'
import { describe, expect, test } from 'vitest'
import { hkdf } from '../../src/keys/derive.ts'
import { privateKeyOf, publicKeyOf } from '../../src/keys/hpke.ts'

interface Vector {
  readonly tcId: number
  readonly result: 'valid' | 'invalid' | 'acceptable'
  readonly flags?: readonly string[]
  readonly [field: string]: unknown
}
const vectors = JSON.parse(readFileSync(new URL('fixtures/wycheproof.json', import.meta.url), 'utf8')) as Record<
  string,
  Vector[]
>
const bytes = (vector: Vector, field: string): Buffer => Buffer.from(vector[field] as string, 'hex')

function openWithNode(cipher: 'aes-256-gcm' | 'chacha20-poly1305', vector: Vector): string | undefined {
  // The two overloads differ in their option types only.
  const decipher = createDecipheriv(
    cipher as 'aes-256-gcm',
    createSecretKey(bytes(vector, 'key')),
    bytes(vector, 'iv'),
    {
      authTagLength: 16,
    },
  )
  const message = bytes(vector, 'ct')
  decipher.setAAD(bytes(vector, 'aad'), { plaintextLength: message.length })
  decipher.setAuthTag(bytes(vector, 'tag'))
  const plaintext = decipher.update(message)
  try {
    decipher.final()
    return plaintext.toString('hex')
  } catch {
    return undefined
  }
}

describe('Wycheproof vectors, for every primitive that seals, wraps or signs', () => {
  test.for([
    ['aesGcm', 'aes-256-gcm'],
    ['chacha20Poly1305', 'chacha20-poly1305'],
  ] as const)('%s with node:crypto', ([name, cipher]) => {
    for (const vector of vectors[name]!) {
      expect(openWithNode(cipher, vector), `case ${vector.tcId}`).toBe(
        vector.result === 'valid' ? vector['msg'] : undefined,
      )
    }
  })

  test('ChaCha20-Poly1305 with libsodium: the side that seals', async () => {
    await sodium.ready
    for (const vector of vectors['chacha20Poly1305']!.filter(({ result }) => result === 'valid')) {
      const sealed = sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        bytes(vector, 'msg'),
        bytes(vector, 'aad'),
        null,
        bytes(vector, 'iv'),
        bytes(vector, 'key'),
      )
      expect(Buffer.from(sealed).toString('hex'), `case ${vector.tcId}`).toBe(`${vector['ct']}${vector['tag']}`)
    }
  })

  test('X25519: low-order points, which give an all-zero secret, are refused', () => {
    let zeros = 0
    for (const vector of vectors['x25519']!) {
      const agree = () =>
        diffieHellman({
          privateKey: privateKeyOf(bytes(vector, 'private')),
          publicKey: publicKeyOf(bytes(vector, 'public')),
        })
      if (/^0+$/.test(vector['shared'] as string)) {
        zeros++
        expect(agree, `case ${vector.tcId}`).toThrow()
      } else expect(agree().toString('hex'), `case ${vector.tcId}`).toBe(vector['shared'])
    }
    expect(zeros).toBeGreaterThan(5)
  })

  test('HKDF-SHA-256', () => {
    for (const vector of vectors['hkdfSha256']!) {
      const derive = () =>
        hkdf(bytes(vector, 'ikm'), bytes(vector, 'salt'), bytes(vector, 'info'), vector['size'] as number)
      if (vector.result === 'valid') expect(derive().toString('hex'), `case ${vector.tcId}`).toBe(vector['okm'])
      else expect(derive, `case ${vector.tcId}`).toThrow()
    }
  })

  test.for(['sha1', 'sha256'])('RSA-OAEP with %s: what a token opens', (hash) => {
    const pkcs8 = bytes(vectors['rsaOaepKeys']!.find((key) => key['hash'] === hash)!, 'pkcs8')
    const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    let opened = 0
    for (const vector of vectors['rsaOaep']!.filter((one) => one['hash'] === hash)) {
      const padding = constants.RSA_PKCS1_OAEP_PADDING
      const open = () =>
        privateDecrypt({ key, padding, oaepHash: hash, oaepLabel: bytes(vector, 'label') }, bytes(vector, 'ct'))
      if (vector.result === 'invalid') expect(open, `case ${vector.tcId}`).toThrow()
      else expect(open().toString('hex'), `case ${vector.tcId}`).toBe(vector['msg'])
      if (vector.result !== 'invalid') opened++
    }
    expect(opened).toBeGreaterThan(10)
  })

  test('HMAC-SHA-256', () => {
    for (const vector of vectors['hmacSha256']!) {
      const tag = createHmac('sha256', bytes(vector, 'key')).update(bytes(vector, 'msg')).digest('hex')
      expect(tag === vector['tag'], `case ${vector.tcId}`).toBe(vector.result === 'valid')
    }
  })

  test('Ed25519', () => {
    for (const vector of vectors['ed25519']!) {
      const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: vector['x'] as string }, format: 'jwk' })
      const isValid = verify(null, bytes(vector, 'msg'), key, bytes(vector, 'sig'))
      expect(isValid, `case ${vector.tcId}`).toBe(vector.result === 'valid')
    }
  })
})

test("scrypt, which seals the local root: RFC 7914's vectors", () => {
  const derive = (password: string, salt: string, cost: number, blockSize: number, parallelization: number): string =>
    scryptSync(password, salt, 64, { cost, blockSize, parallelization, maxmem: 2 ** 27 }).toString('hex')
  expect(derive('', '', 16, 1, 1)).toBe(
    '77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906',
  )
  expect(derive('password', 'NaCl', 1024, 8, 16)).toBe(
    'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
  )
  expect(derive('pleaseletmein', 'SodiumChloride', 16_384, 8, 1)).toBe(
    '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
  )
})
