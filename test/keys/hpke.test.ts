import { CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  generateKeyPair,
  hpkeOpen,
  hpkeSeal,
  privateKeyOf,
  publicKeyOf,
  rawPrivate,
  rawPublic,
} from '../../src/keys/hpke.ts'
import { Chacha20Poly1305 } from './chacha_for_hpke.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')

/** RFC 9180, A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode, sequence number 0. */
const rfc = {
  info: hex('4f6465206f6e2061204772656369616e2055726e'),
  skEm: hex('f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600'),
  pkEm: hex('1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a'),
  skRm: hex('8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb'),
  pkRm: hex('4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a'),
  pt: hex('4265617574792069732074727574682c20747275746820626561757479'),
  aad: hex('436f756e742d30'),
  ct: hex('1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db 21993c62ce81883d2dd1b51a28'),
}

describe('HPKE base mode', () => {
  test('gives what RFC 9180, appendix A.2.1 gives', () => {
    const ephemeral = { privateKey: privateKeyOf(rfc.skEm), publicKey: publicKeyOf(rfc.pkEm) }
    const sealed = hpkeSeal(publicKeyOf(rfc.pkRm), rfc.info, rfc.aad, rfc.pt, ephemeral)
    expect(sealed.toString('hex')).toBe(Buffer.concat([rfc.pkEm, rfc.ct]).toString('hex'))
    expect(hpkeOpen(privateKeyOf(rfc.skRm), rfc.info, rfc.aad, sealed)).toEqual(rfc.pt)
  })

  test('agrees with @hpke/core in both directions', async () => {
    const suite = new CipherSuite({
      kem: new DhkemX25519HkdfSha256(),
      kdf: new HkdfSha256(),
      aead: new Chacha20Poly1305(),
    })
    const pair = generateKeyPair()
    const raw = { publicKey: rawPublic(pair.publicKey), privateKey: rawPrivate(pair.privateKey) }
    const theirPublic = await suite.kem.importKey('raw', new Uint8Array(raw.publicKey).buffer, true)
    const theirPrivate = await suite.kem.importKey('raw', new Uint8Array(raw.privateKey).buffer, false)
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array(),
        fc.uint8Array(),
        fc.uint8Array({ maxLength: 200 }),
        async (info, aad, plaintext) => {
          const ours = hpkeSeal(pair.publicKey, info, aad, plaintext)
          const enc = new Uint8Array(ours.subarray(0, 32)).buffer
          const recipient = await suite.createRecipientContext({
            recipientKey: theirPrivate,
            enc,
            info: new Uint8Array(info).buffer,
          })
          const opened = await recipient.open(new Uint8Array(ours.subarray(32)).buffer, new Uint8Array(aad).buffer)
          expect(Buffer.from(opened)).toEqual(Buffer.from(plaintext))
          const sender = await suite.createSenderContext({
            recipientPublicKey: theirPublic,
            info: new Uint8Array(info).buffer,
          })
          const theirs = await sender.seal(new Uint8Array(plaintext).buffer, new Uint8Array(aad).buffer)
          const message = Buffer.concat([Buffer.from(sender.enc), Buffer.from(theirs)])
          expect(hpkeOpen(pair.privateKey, info, aad, message)).toEqual(Buffer.from(plaintext))
        },
      ),
      { seed: 9180, numRuns: 25 },
    )
  })

  test('refuses another key, info, aad, a cut and every flipped bit', () => {
    const pair = generateKeyPair()
    const [info, aad] = [Buffer.from('info'), Buffer.from('aad')]
    const sealed = hpkeSeal(pair.publicKey, info, aad, Buffer.alloc(32, 7))
    expect(() => hpkeOpen(generateKeyPair().privateKey, info, aad, sealed)).toThrow(/does not open/)
    expect(() => hpkeOpen(pair.privateKey, aad, aad, sealed)).toThrow(/does not open/)
    expect(() => hpkeOpen(pair.privateKey, info, info, sealed)).toThrow(/does not open/)
    for (let length = 0; length < sealed.length; length++) {
      expect(() => hpkeOpen(pair.privateKey, info, aad, sealed.subarray(0, length))).toThrow()
    }
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      // X25519 ignores the highest bit of a public key, but HPKE binds all of it.
      const changed = Buffer.from(sealed)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => hpkeOpen(pair.privateKey, info, aad, changed)).toThrow(/does not open/)
    }
  })
})
