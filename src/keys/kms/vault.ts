/**
 * The Transit engine of HashiCorp Vault and of OpenBao: wraps with a key that never leaves the server.
 *
 *   POST /v1/<mount>/encrypt/<key>   { plaintext, associated_data }  →  "vault:v1:…", which is what is kept
 *   POST /v1/<mount>/decrypt/<key>   { ciphertext, associated_data }
 *
 * `associated_data` binds a blob to its context, so the key is of a kind that authenticates (aes256-gcm96, the
 * default, or chacha20-poly1305). Rotating the key in Vault needs nothing here: old versions go on to open.
 *
 * A busy or restarting server is asked again within the provider's time; answers are bounded, and never quoted.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher, request } from 'undici'
import { KeyError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { KmsProvider } from '../kms.ts'
import { codeOf, guarded } from './guarded.ts'

export interface VaultOptions {
  /** `https://host:8200`; http on loopback only. */
  readonly address: string
  readonly key: string
  readonly mount: string
  readonly namespace?: string | undefined
  readonly token?: string | undefined
  /** Read for each call, so that an agent may renew it. */
  readonly tokenFile?: string | undefined
  readonly caFile?: string | undefined
  readonly timeoutMs: number
}

type Verb = 'encrypt' | 'decrypt'

export function vaultProvider(name: string, options: VaultOptions): KmsProvider {
  let agent: Agent | undefined
  const call = async (verb: Verb, body: object, field: string, signal: AbortSignal): Promise<string> => {
    agent ??= new Agent({ connections: 2, connect: { ...(options.caFile && { ca: readCa(name, options.caFile) }) } })
    const { status, bytes } = await ask(name, options, verb, Buffer.from(JSON.stringify(body)), agent, signal)
    if (status !== 200) throw refused(name, options, verb, status, bytes)
    const value = valueIn(bytes, field)
    if (value === undefined) throw new KeyError(`the key provider ${name} does not answer like Vault`, fixAddress)
    return value
  }
  return guarded(name, options.timeoutMs, {
    async wrap(blob, context, signal) {
      const sealed = { plaintext: Buffer.from(blob).toString('base64'), associated_data: base64(context) }
      return Buffer.from(await call('encrypt', sealed, 'ciphertext', signal), 'utf8')
    },
    async unwrap(wrapped, context, signal) {
      const sealed = { ciphertext: Buffer.from(wrapped).toString('utf8'), associated_data: base64(context) }
      return Buffer.from(await call('decrypt', sealed, 'plaintext', signal), 'base64')
    },
  })
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')
const fixAddress = "Check the provider's address and mount."

interface Answer {
  readonly status: number
  readonly bytes: Buffer
}

/** Asks again where the server is busy, restarting or unreachable; what it says for good is given back. */
async function ask(
  name: string,
  options: VaultOptions,
  verb: Verb,
  body: Buffer,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<Answer> {
  const { address, mount, key } = options
  const url = `${address.replace(/\/+$/, '')}/v1/${mount}/${verb}/${encodeURIComponent(key)}`
  const headers = headersOf(name, options)
  try {
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt === limits.kmsAttemptsMax
      try {
        const answer = await once(url, headers, body, dispatcher, signal)
        if (isLast || !passing.has(answer.status)) return answer
      } catch (error) {
        if (isLast || signal.aborted) throw unreachable(name, error)
      }
      await sleep(limits.kmsRetryMs * attempt, undefined, { signal })
    }
  } finally {
    body.fill(0)
  }
}

/** 412: a standby that is not up to date; 429: too many requests; the others: a server between two states. */
const passing: ReadonlySet<number> = new Set([412, 429, 500, 502, 504])

async function once(
  path: string,
  headers: Record<string, string>,
  body: Buffer,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await request(path, { method: 'POST', headers, body, dispatcher, signal })
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limits.kmsAnswerBytesMax) throw Object.assign(new Error(), { code: 'ANSWER_TOO_LARGE' })
    chunks.push(chunk)
  }
  return { status: answer.statusCode, bytes: Buffer.concat(chunks) }
}

function headersOf(name: string, { token, tokenFile, namespace }: VaultOptions): Record<string, string> {
  const given = token ?? (tokenFile === undefined ? undefined : readToken(name, tokenFile))
  if (!given) {
    throw new KeyError(`the key provider ${name} has no token`, 'Set VAULT_TOKEN, or name a file with token_file.')
  }
  return {
    'content-type': 'application/json',
    'x-vault-token': given,
    'x-vault-request': 'true',
    ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
  }
}

function readToken(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new KeyError(
      `the token of the key provider ${name} cannot be read from ${path} (${codeOf(error)})`,
      'Check the file and the right to read it.',
    )
  }
}

function readCa(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new KeyError(`the CA of the key provider ${name} cannot be read from ${path} (${codeOf(error)})`)
  }
}

function unreachable(name: string, error: unknown): KeyError {
  if (error instanceof KeyError) return error
  const code = codeOf(error)
  const isCertificate = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/.test(code)
  return new KeyError(
    `the key provider ${name} cannot be reached (${code})`,
    isCertificate ? "Name the CA of the server's certificate with ca_file." : fixAddress,
  )
}

/** What a refusal means, by status and by the one sentence of Vault that matters; its text is not told. */
function refused(name: string, options: VaultOptions, verb: Verb, status: number, bytes: Buffer): KeyError {
  const { mount, key } = options
  const said = bytes.toString('utf8')
  const place = `${mount}/${verb}/${key}`
  const by = `the key provider ${name} refuses (${status})`
  if (status === 403) {
    return new KeyError(
      `${by}: its token may not use ${place}`,
      `Renew the token, or give its policy: path "${place}" { capabilities = ["update"] }`,
    )
  }
  if (status === 404) {
    return new KeyError(
      `${by}: there is no Transit engine at ${mount}`,
      `Run: vault secrets enable -path=${mount} transit`,
    )
  }
  if (status === 503) return new KeyError(`${by}: the server is sealed or starting`, 'Run: vault operator unseal')
  if (/key not found/i.test(said)) {
    return new KeyError(`${by}: there is no key ${key}`, `Run: vault write -f ${mount}/keys/${key} type=aes256-gcm96`)
  }
  if (/associated/i.test(said)) {
    return new KeyError(`${by}: the key ${key} cannot authenticate`, 'Use a key of type aes256-gcm96.')
  }
  if (/message authentication failed|invalid ciphertext|cipher/i.test(said)) {
    return new KeyError(`${by}: what is to be opened was wrapped by another key or for another use, or was changed`)
  }
  return new KeyError(by, fixAddress)
}

function valueIn(bytes: Buffer, field: string): string | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8')).data?.[field]
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  } finally {
    bytes.fill(0)
  }
}
