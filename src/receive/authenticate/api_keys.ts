/**
 * API keys: a file of hashes, one tenant or several to a key, names, expiry; read again when it changes.
 *
 *   keys:
 *     - id: 3f9c2a71d4e8b605            # public; the first part of the key
 *       name: acme production           # the principal in our own logs
 *       tenants: [acme]                 # may be left out: then the key names no tenant
 *       hash: sha256:9f86d081884c7d65…  # of the whole key
 *       expires: 2027-06-30T00:00:00Z   # may be left out
 *
 * A key is `dk_<id>_<secret>`: 8 random bytes in hex, 32 random bytes in base64url. It is looked up by its id, and its
 * SHA-256 compared in constant time. A plain hash suffices: 256 random bits cannot be guessed, so there is nothing
 * that a slow hash would slow down. An unknown id costs the same comparison as a known one.
 *
 * Rotation: make a second key for the tenant, change the sender, remove the first. A file that cannot be read or is
 * wrong changes nothing: the keys before stay in force, and the operator is told.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import YAML from 'yaml'
import { z } from 'zod'
import { ConfigError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { duration } from '../../units.ts'
import { watchFiles } from '../watch.ts'
import { type Authenticator, bearerToken, type Verdict } from './authenticator.ts'

export const apiKeysSchema = z
  .strictObject({
    file: z.string().min(1).describe('The file of hashed keys, YAML. Read again when it changes.'),
    reload_interval: duration().default(2000).describe('How often the file is looked at for changes.'),
  })
  .describe('API keys, sent as "authorization: Bearer KEY" or "x-api-key: KEY".')
export type ApiKeysConfig = z.output<typeof apiKeysSchema>

const keyEntry = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{16}$/, 'must be 16 lower-case hex digits'),
  name: z.string().min(1).max(200),
  tenants: z.array(z.string().min(1)).min(1).optional(),
  hash: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 lower-case hex digits'),
  expires: z.iso.datetime({ offset: true }).optional(),
})
const keyFile = z.strictObject({ keys: z.array(keyEntry) })
export type KeyEntry = z.output<typeof keyEntry>

interface Key {
  readonly hash: Buffer
  readonly expiresMs: number
  readonly verdict: Verdict
}

const keyText = /^dk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/
const noHash = Buffer.alloc(32)

const hashOf = (key: string): Buffer => createHash('sha256').update(key).digest()

/** A new key, shown once, and the entry for the file, which does not give the key away. */
export function makeApiKey(
  name: string,
  tenants?: readonly string[],
  expires?: Date,
): { key: string; entry: KeyEntry } {
  const id = randomBytes(8).toString('hex')
  const key = `dk_${id}_${randomBytes(32).toString('base64url')}`
  const entry: KeyEntry = {
    id,
    name,
    ...(tenants !== undefined && { tenants: [...tenants] }),
    hash: `sha256:${hashOf(key).toString('hex')}`,
    ...(expires !== undefined && { expires: expires.toISOString() }),
  }
  return { key, entry }
}

/** Adds an entry to a key file's text (empty: a new file); comments and order stay. */
export function withApiKey(text: string, entry: KeyEntry): string {
  const document = YAML.parseDocument(text.trim() === '' ? 'keys: []' : text)
  const keys = document.get('keys')
  if (!YAML.isSeq(keys)) throw new ConfigError('the key file has no list "keys"', ['keys'])
  keys.flow = false
  keys.add(document.createNode(entry))
  return document.toString()
}

/** Takes an entry out of a key file's text. Throws `ConfigError` where there is none of this id. */
export function withoutApiKey(text: string, id: string): string {
  const document = YAML.parseDocument(text)
  const keys = document.get('keys')
  const at = YAML.isSeq(keys) ? keys.items.findIndex((item) => YAML.isMap(item) && item.get('id') === id) : -1
  if (!YAML.isSeq(keys) || at === -1) throw new ConfigError(`there is no key ${id}`, ['keys'])
  keys.delete(at)
  return document.toString()
}

/** The entries of a key file's text. Throws `ConfigError` for what is wrong in it. */
export function listApiKeys(text: string, file: string): KeyEntry[] {
  if (text.trim() === '') return []
  const parsed = keyFile.safeParse(parseYaml(text, file))
  if (parsed.success) return parsed.data.keys
  const { path, message } = parsed.error.issues[0]!
  throw new ConfigError(`${file}: ${path.join('.')}: ${message}`, ['file'])
}

export interface AuthenticatorHost {
  /** The absolute path of a file named in the configuration. */
  resolve(path: string): string
  nowMs(): number
  /** Keys were read again; with an error the old ones stay in force. */
  reloaded(error: string | undefined): void
}

/** Rejects with `ConfigError` where the file is missing or wrong. */
export async function openApiKeys(config: ApiKeysConfig, host: AuthenticatorHost): Promise<Authenticator> {
  const file = host.resolve(config.file)
  let keys = await readKeys(file)
  const watch = await watchFiles([file], config.reload_interval, async () => {
    try {
      keys = await readKeys(file)
      host.reloaded(undefined)
    } catch (error) {
      host.reloaded((error as Error).message)
    }
  })
  return {
    scheme: 'Bearer',
    authenticate({ authorization, apiKey }) {
      const text = apiKey ?? bearerToken(authorization)
      if (text === undefined) return { is: 'unknown', failure: authorization === undefined ? 'missing' : 'malformed' }
      const match = text.length > limits.credentialBytesMax ? null : keyText.exec(text)
      if (match === null) return { is: 'unknown', failure: 'malformed' }
      const key = keys.get(match[1]!)
      const same = timingSafeEqual(hashOf(text), key?.hash ?? noHash)
      if (key === undefined || !same) return { is: 'unknown', failure: 'unknown' }
      return key.expiresMs > host.nowMs() ? key.verdict : { is: 'unknown', failure: 'expired' }
    },
    close: watch.close,
  }
}

async function readKeys(file: string): Promise<Map<string, Key>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw new ConfigError(
      `cannot read ${file} (${code})`,
      ['file'],
      'Make a key with: douane api-keys add NAME --tenant T',
    )
  }
  const keys = new Map<string, Key>()
  for (const { id, name, tenants, hash, expires } of listApiKeys(text, file)) {
    if (keys.has(id)) throw new ConfigError(`${file}: the id ${id} is there twice`, ['file'])
    keys.set(id, {
      hash: Buffer.from(hash.slice('sha256:'.length), 'hex'),
      expiresMs: expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(expires),
      verdict: { is: 'known', identity: { principal: name, ...(tenants !== undefined && { tenants }) } },
    })
  }
  return keys
}

/** YAML's own messages quote the text, and this file is a secret's neighbour: only the place is told. */
function parseYaml(text: string, file: string): unknown {
  try {
    return YAML.parse(text)
  } catch (error) {
    const place = error instanceof YAML.YAMLParseError ? error.linePos?.[0] : undefined
    throw new ConfigError(`${file}:${place?.line ?? 1}:${place?.col ?? 1}: not valid YAML`, ['file'])
  }
}
