/**
 * A STAND-IN for the Transit engine of Vault and OpenBao: the two calls that we make, with the statuses, bodies and
 * sentences of the real one (Vault 1.21), keys with versions included. test/slow/interop/vault.test.ts puts the same
 * questions to Vault's own engine.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { certificate } from '../../receive/certificates.ts'

export const standInToken = 'hvs.stand-in-token'

export interface StandIn {
  readonly address: string
  /** The CA of its certificate, PEM. */
  readonly ca: string
  /** What the next requests get instead of an answer: a status, silence, or a cut connection. */
  readonly faults: (number | 'silence' | 'cut' | 'none')[]
  readonly requests: { url: string; namespace: string | undefined }[]
  /** A new version of the key; old ones go on to open. */
  rotate(): void
  stop(): Promise<void>
}

class Transit {
  readonly #keys = new Map<string, Buffer[]>([['douane', [randomBytes(32)]]])

  rotate(): void {
    this.#keys.get('douane')!.push(randomBytes(32))
  }

  answer(verb: string, key: string, body: Record<string, string>): { status: number; body: object } {
    const versions = this.#keys.get(key)
    if (!versions) return errors(400, 'encryption key not found')
    const aad = Buffer.from(body['associated_data'] ?? '', 'base64')
    return verb === 'encrypt' ? this.#encrypt(versions, body, aad) : this.#decrypt(versions, body, aad)
  }

  #encrypt(versions: Buffer[], body: Record<string, string>, aad: Buffer) {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', versions.at(-1)!, iv)
    cipher.setAAD(aad)
    const plaintext = Buffer.from(body['plaintext']!, 'base64')
    const sealed = Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
    const ciphertext = `vault:v${versions.length}:${sealed.toString('base64')}`
    return { status: 200, body: { data: { ciphertext, key_version: versions.length } } }
  }

  #decrypt(versions: Buffer[], body: Record<string, string>, aad: Buffer) {
    const match = /^vault:v(\d+):(.+)$/.exec(body['ciphertext'] ?? '')
    const key = versions[Number(match?.[1]) - 1]
    if (!match || !key) return errors(400, 'invalid ciphertext: no prefix')
    const sealed = Buffer.from(match[2]!, 'base64')
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 })
      decipher.setAAD(aad)
      decipher.setAuthTag(sealed.subarray(-16))
      const plaintext = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
      return { status: 200, body: { data: { plaintext: plaintext.toString('base64') } } }
    } catch {
      return errors(400, 'invalid ciphertext: unable to decrypt: cipher: message authentication failed')
    }
  }
}

const errors = (status: number, ...sentences: string[]) => ({ status, body: { errors: sentences } })

export async function startStandIn(): Promise<StandIn> {
  const authority = certificate('CN=stand-in CA')
  const { key, cert } = certificate('CN=vault', ['IP:127.0.0.1'], authority.as)
  const transit = new Transit()
  const faults: StandIn['faults'] = []
  const requests: StandIn['requests'] = []
  const server = createServer({ key, cert }, (request, response) => {
    void handle(request, response, { transit, faults, requests })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  onTestFinished(stop)
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { address, ca: authority.cert, faults, requests, rotate: () => transit.rotate(), stop }
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { transit, faults, requests }: Pick<StandIn, 'faults' | 'requests'> & { transit: Transit },
): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const namespace = request.headers['x-vault-namespace'] as string | undefined
  requests.push({ url: request.url!, namespace })
  const fault = faults.shift()
  if (fault === 'silence') return
  if (fault === 'cut') return void request.socket.destroy()
  const [, mount, verb, key] = /^\/v1\/([^/]+)\/(encrypt|decrypt)\/([^/]+)$/.exec(request.url!) ?? []
  const answer = (): { status: number; body: object } => {
    if (typeof fault === 'number') return errors(fault, fault === 503 ? 'Vault is sealed' : 'internal error')
    if (request.headers['x-vault-token'] !== standInToken) return errors(403, 'permission denied')
    if (mount !== 'transit')
      return errors(404, `no handler for route "${mount}/${verb}/${key}". route entry not found.`)
    return transit.answer(verb!, key!, JSON.parse(Buffer.concat(chunks).toString()))
  }
  const { status, body } = answer()
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
