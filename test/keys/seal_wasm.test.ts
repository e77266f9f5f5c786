/** The program that seals short values, beside official vectors and node:crypto. */
import { createCipheriv, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { SealMemory } from '../../src/keys/seal_memory.ts'

const memory = new SealMemory()

function encrypt(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): string {
  const { bytes, program } = memory
  const nonceAt = memory.jobs
  bytes.set(key, memory.keys)
  bytes.set(nonce, nonceAt)
  // A context is filled up with zeros to whole blocks.
  bytes.set(Buffer.concat([aad, Buffer.alloc(-aad.length & 15)]), memory.ads)
  // Nothing that lies around may matter.
  bytes.fill(0xa5, memory.raw, memory.raw + plaintext.length + 64)
  bytes.set(plaintext, memory.raw)
  program.encrypt(memory.keys, nonceAt, memory.ads, aad.length, memory.raw, plaintext.length)
  return bytes.toString('hex', memory.raw, memory.raw + plaintext.length + 16)
}

function withNode(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): string {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
  cipher.setAAD(aad, { plaintextLength: plaintext.length })
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]).toString('hex')
}

test("RFC 8439's example", () => {
  const text = Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  )
  const key = Buffer.from(Array.from({ length: 32 }, (_, i) => 0x80 + i))
  const nonce = Buffer.from('070000004041424344454647', 'hex')
  const sealed = encrypt(key, nonce, Buffer.from('50515253c0c1c2c3c4c5c6c7', 'hex'), text)
  expect(sealed.slice(0, 32)).toBe('d31a8d34648e60db7b86afbc53ef7ec2')
  expect(sealed.slice(-32)).toBe('1ae10b594f09e26a7e902ecbd0600691')
})

test("Wycheproof's valid vectors, which aim at carries in Poly1305", () => {
  const vectors = JSON.parse(readFileSync(new URL('fixtures/wycheproof.json', import.meta.url), 'utf8')) as {
    chacha20Poly1305: Record<'tcId' | 'result' | 'key' | 'iv' | 'aad' | 'msg' | 'ct' | 'tag', string>[]
  }
  const valid = vectors.chacha20Poly1305.filter(({ result, iv }) => result === 'valid' && iv.length === 24)
  for (const vector of valid) {
    const [key, iv, aad, msg] = (['key', 'iv', 'aad', 'msg'] as const).map((name) => Buffer.from(vector[name], 'hex'))
    expect(encrypt(key!, iv!, aad!, msg!), `case ${vector.tcId}`).toBe(vector.ct + vector.tag)
  }
  expect(valid.length).toBeGreaterThan(50)
})

test('at every length of value and context, as node:crypto has it', () => {
  const lengths = Array.from({ length: 5001 }, (_, length) => length)
  for (const length of [...lengths, 8175, 8176, 8191, 8192, 10_000, 65_535]) {
    const [key, nonce, aad, text] = [
      randomBytes(32),
      randomBytes(12),
      randomBytes((length * 7) % 150),
      randomBytes(length),
    ]
    expect(encrypt(key, nonce, aad, text), `${length} bytes`).toBe(withNode(key, nonce, aad, text))
  }
  // Sums that reach the prime, and carries that run through all words.
  for (const fill of [0x00, 0xff]) {
    const [key, nonce, aad, text] = [32, 12, 100, 1500].map((length) => Buffer.alloc(length, fill))
    expect(encrypt(key!, nonce!, aad!, text!)).toBe(withNode(key!, nonce!, aad!, text!))
  }
})

test('the key stream is not left behind', () => {
  const text = Buffer.alloc(64)
  const sealed = Buffer.from(encrypt(randomBytes(32), randomBytes(12), Buffer.alloc(0), text), 'hex').subarray(0, 64)
  // The plaintext is zeros: its ciphertext is the key stream itself.
  memory.bytes.fill(0, memory.raw, memory.raw + 128)
  for (let at = 0; at < 64; at += 16) expect(memory.bytes.indexOf(sealed.subarray(at, at + 16))).toBe(-1)
})
