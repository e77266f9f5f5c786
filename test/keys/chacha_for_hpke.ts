/** ChaCha20-Poly1305 for `@hpke/core`, which brings AES-GCM only. The rest of HPKE is the library's own. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { AeadEncryptionContext, AeadInterface } from '@hpke/core'

const tagBytes = 16

export class Chacha20Poly1305 implements AeadInterface {
  readonly id = 0x0003
  readonly keySize = 32
  readonly nonceSize = 12
  readonly tagSize = tagBytes

  createEncryptionContext(key: ArrayBuffer): AeadEncryptionContext {
    return {
      async seal(iv: ArrayBuffer, data: ArrayBuffer, aad: ArrayBuffer): Promise<ArrayBuffer> {
        const options = { authTagLength: tagBytes }
        const cipher = createCipheriv('chacha20-poly1305', new Uint8Array(key), new Uint8Array(iv), options)
        cipher.setAAD(new Uint8Array(aad), { plaintextLength: data.byteLength })
        const sealed = Buffer.concat([cipher.update(new Uint8Array(data)), cipher.final(), cipher.getAuthTag()])
        return new Uint8Array(sealed).buffer
      },
      async open(iv: ArrayBuffer, data: ArrayBuffer, aad: ArrayBuffer): Promise<ArrayBuffer> {
        const sealed = Buffer.from(data)
        const options = { authTagLength: tagBytes }
        const decipher = createDecipheriv('chacha20-poly1305', new Uint8Array(key), new Uint8Array(iv), options)
        decipher.setAAD(new Uint8Array(aad), { plaintextLength: sealed.length - tagBytes })
        decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
        const plaintext = decipher.update(sealed.subarray(0, sealed.length - tagBytes))
        return new Uint8Array(Buffer.concat([plaintext, decipher.final()])).buffer
      },
    }
  }
}
