/** Derivation and AEAD on libsodium's memory, beside official vectors and node:crypto. */
import { createHmac, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { KeyError } from '../../src/errors.ts'
import { hkdf } from '../../src/keys/derive.ts'
import { SodiumHeap, sodiumReady } from '../../src/keys/sodium_heap.ts'
import { lookupOf, tenantKeys } from '../../src/keys/subject_rows.ts'
import { limits } from '../../src/limits.ts'

await sodiumReady
const heap = new SodiumHeap()
const hex = (text: string): Buffer => Buffer.from(text, 'hex')

test("RFC 5869's first and third example, their first 32 bytes", () => {
  const ikm = Buffer.alloc(22, 0x0b)
  const first = heap.hkdf(ikm, hex('000102030405060708090a0b0c'), hex('f0f1f2f3f4f5f6f7f8f9'))
  expect(first.toString('hex')).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf')
  const third = heap.hkdf(ikm, Buffer.alloc(0), Buffer.alloc(0))
  expect(third.toString('hex')).toBe('8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d')
})

test('keys, salts and contexts of any length, as node:crypto has them', () => {
  for (let length = 0; length < 300; length += 7) {
    const [ikm, salt, info] = [randomBytes(length + 1), randomBytes(length), randomBytes(300 - length)]
    expect(heap.hkdf(ikm, salt, info)).toEqual(hkdf(ikm, salt, info))
    const key = randomBytes(32)
    expect(heap.expand(key, info)).toEqual(createHmac('sha256', key).update(info).update(Buffer.of(1)).digest())
  }
})

test('a person is found by the same bytes in a gateway and on the decrypt side', () => {
  const keys = tenantKeys(randomBytes(32), 'acme')
  for (const id of [
    '',
    'anna',
    'Zoë 🙂',
    '\ud800',
    'x'.repeat(limits.subjectIdCharsMax),
    '界'.repeat(limits.subjectIdCharsMax),
  ]) {
    expect(heap.expandText(keys.lookup, id).subarray(0, 16)).toEqual(lookupOf(keys, id))
  }
})

test("Wycheproof's vectors of ChaCha20-Poly1305, both ways", () => {
  const { chacha20Poly1305 } = JSON.parse(
    readFileSync(new URL('fixtures/wycheproof.json', import.meta.url), 'utf8'),
  ) as { chacha20Poly1305: Record<'tcId' | 'result' | 'key' | 'iv' | 'aad' | 'msg' | 'ct' | 'tag', string>[] }
  const vectors = chacha20Poly1305.filter(({ iv }) => iv.length === 24)
  for (const { tcId, result, ...vector } of vectors) {
    const [key, iv, aad, msg] = [hex(vector.key), hex(vector.iv), hex(vector.aad), hex(vector.msg)]
    const opened = heap.open(key, iv, aad, hex(vector.ct + vector.tag))
    expect(opened, `case ${tcId}`).toEqual(result === 'valid' ? msg : undefined)
    if (result === 'valid')
      expect(heap.seal(key, iv, aad, msg).toString('hex'), `case ${tcId}`).toBe(vector.ct + vector.tag)
  }
  expect(vectors.length).toBeGreaterThan(60)
})

test('what is too long for it is refused', () => {
  const long = Buffer.alloc(limits.sodiumHeapBytesMax)
  expect(() => heap.hkdf(long, long, long)).toThrow(KeyError)
  expect(() => heap.expandText(randomBytes(32), 'x'.repeat(limits.sodiumHeapBytesMax))).toThrow(KeyError)
})
