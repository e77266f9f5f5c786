/**
 * `service.keys`: where a gateway's keys come from and who guards them; and `providers.yaml`, which says the same to
 * the decrypt side. File names in them are relative to the file in which they stand.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { duration } from '../src/units.ts'
import type { Environment } from './expand.ts'
import { expandAll } from './expand.ts'
import { listed, type Problem, problemAt } from './problem.ts'
import { readYaml } from './read_yaml.ts'
import { checkTree } from './sentences.ts'
import { resolveFile, Source, type Tree } from './tree.ts'

const file = (what: string) => z.string().min(1).describe(what)
const timeout = (usual: number) =>
  duration()
    .refine((ms) => ms >= 1 && ms <= 60_000, 'must be between 1ms and 1m')
    .default(usual)
    .describe('How long one answer may take.')

const refuse = (context: z.RefinementCtx, path: string[], message: string): void =>
  context.addIssue({ code: 'custom', path, message })
const listedProviders = (known: object = {}): string => `there are: ${listed(['local', ...Object.keys(known)])}`

const isLoopback = (url: URL): boolean => ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)

function isSafeAddress(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return url.username === '' && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url)))
}

const vault = z
  .strictObject({
    type: z.literal('vault'),
    address: z
      .string()
      .refine(isSafeAddress, 'is not a URL like https://vault.internal:8200 (http: on loopback only)')
      .describe('The server of Vault or OpenBao.'),
    key: z
      .string()
      .regex(/^[\w.-]+$/, 'is no name of a key: letters, digits, _ . -')
      .describe('The key of the Transit engine.'),
    mount: z
      .string()
      .regex(/^[\w.-]+(?:\/[\w.-]+)*$/, 'is no path of a mount, such as transit')
      .default('transit')
      .describe('Where the Transit engine is mounted.'),
    namespace: z.string().min(1).optional().describe('The namespace, where there are several.'),
    token: z.string().min(1).optional().describe('The token. Default: VAULT_TOKEN.').meta({ secret: true }),
    token_file: file('A file with the token, read for each call: an agent may renew it.').optional(),
    ca_file: file("PEM: the CA of the server's certificate. Left out: the system's CAs.").optional(),
    timeout: timeout(5000),
  })
  .describe('The Transit engine of HashiCorp Vault or OpenBao.')

const pkcs11 = z
  .strictObject({
    type: z.literal('pkcs11'),
    module: file("The token's PKCS#11 module, a shared library."),
    token_label: z.string().min(1).max(32).describe("The token's label."),
    key: z
      .string()
      .regex(/^(?:[0-9a-fA-F]{2}){1,64}$/, 'is no id of a key: pairs of hex digits, such as "01" (in quotes)')
      .describe('The id (CKA_ID, in hex) of an RSA key pair of 2048 bits or more.'),
    pin: z.string().min(1).optional().describe('The PIN.').meta({ secret: true }),
    pin_file: file('A file with the PIN.').optional(),
    oaep_hash: z.enum(['sha256', 'sha1']).default('sha256').describe('sha1 where the token knows no other (SoftHSM).'),
    tool: z.string().min(1).default('pkcs11-tool').describe("OpenSC's program that speaks to the token."),
    timeout: timeout(10_000),
  })
  .describe('A hardware security module, or SoftHSM.')

const command = z
  .strictObject({
    type: z.literal('command'),
    wrap: z.array(z.string().min(1)).min(1).describe('Program and arguments: bytes on stdin, wrapped bytes on stdout.'),
    unwrap: z.array(z.string().min(1)).min(1).describe('The other way round.'),
    timeout: timeout(10_000),
  })
  .describe("A cloud's key service, by its command line.")

/** Of the union itself; what is wrong inside a provider is told by its own form. */
const wrongType = ({ code }: { readonly code: string }): string | undefined =>
  code === 'invalid_union' ? 'is no type of provider; allowed: vault, pkcs11, command' : undefined

const providers = z
  .record(z.string(), z.discriminatedUnion('type', [vault, pkcs11, command], { error: wrongType }))
  .superRefine((named, context) => {
    for (const name of Object.keys(named)) {
      if (name === 'local') refuse(context, [name], 'is the name of the built-in provider: choose another')
      else if (!/^[a-z][a-z0-9_-]{0,63}$/.test(name)) refuse(context, [name], 'is no name: a-z, 0-9, _ and -')
    }
  })
  .describe('Services that guard keys, by a name that stays: it is kept beside what they wrapped.')

const bundle = z
  .strictObject({
    path: file('The file that `douane keys export-bundle` wrote.'),
    trust: z
      .string()
      .regex(/^ed25519:[A-Za-z0-9_-]{43}$/, 'is no signer: ed25519: and 43 characters, as `douane keys init` printed')
      .describe('Who must have signed it.'),
  })
  .describe('Public keys to seal to; the private ones are elsewhere. Left out: keys are made here.')

const dayMs = 86_400_000
const queueKey = z
  .strictObject({
    provider: z.string().optional().describe('Who wraps the keys of queue files. Left out: files of mode 0600.'),
    rotate_every: duration()
      .refine((ms) => ms >= dayMs, 'must be at least 1d')
      .optional()
      .describe('How old a key may become before files that are begun get another. Left out: no limit.'),
  })
  .describe('The keys of what waits on disk: queues, dead letters, quarantine.')

export const keysSchema = z
  .strictObject({
    bundle: bundle.optional(),
    providers: providers.optional(),
    queue_key: queueKey.optional(),
    destroy_expired: z
      .boolean()
      .default(true)
      .describe('Keys that are made here are destroyed, nightly, when the retention of what they sealed is over.'),
  })
  .superRefine(({ queue_key: queue, providers: known }, context) => {
    const name = queue?.provider
    if (name === undefined || name === 'local' || known?.[name] !== undefined) return
    refuse(context, ['queue_key', 'provider'], `names no provider; ${listedProviders(known)}`)
  })
  .describe('Where keys come from, and who guards them.')
type KeysOptions = z.output<typeof keysSchema>
type ProviderOptions = NonNullable<KeysOptions['providers']>[string]

/** Providers as `src/keys/kms/providers.ts` opens them, with absolute paths. */
export type ProviderConfig = ReturnType<typeof providerOf>
export interface KeysConfig {
  readonly bundle?: { readonly path: string; readonly trust: string }
  readonly providers: readonly ProviderConfig[]
  /** `local`, or one of the providers. */
  readonly queueProvider?: string
  readonly queueRotateMs?: number
  readonly destroyExpired: boolean
}

/** The section with absolute paths; `node` is where it stands. */
export function keysOf(options: Partial<KeysOptions>, node: Tree): KeysConfig {
  const { bundle: given, queue_key: queue } = options
  return {
    ...(given && { bundle: { path: resolveFile(node, given.path), trust: given.trust } }),
    providers: providersOf(options.providers ?? {}, node),
    ...(queue?.provider !== undefined && { queueProvider: queue.provider }),
    ...(queue?.rotate_every !== undefined && { queueRotateMs: queue.rotate_every }),
    destroyExpired: options.destroy_expired ?? true,
  }
}

const providersOf = (named: Record<string, ProviderOptions>, node: Tree) =>
  Object.entries(named).map(([id, options]) => providerOf(id, options, (path) => resolveFile(node, path)))

function providerOf(id: string, options: ProviderOptions, resolve: (path: string) => string) {
  const at = (path: string | undefined) => (path === undefined ? undefined : resolve(path))
  switch (options.type) {
    case 'vault': {
      const { type, token_file, ca_file, timeout: timeoutMs, ...rest } = options
      return { id, type, options: { ...rest, tokenFile: at(token_file), caFile: at(ca_file), timeoutMs } }
    }
    case 'pkcs11': {
      const { type, token_label: token, pin_file, oaep_hash, timeout: timeoutMs, ...rest } = options
      return { id, type, options: { ...rest, token, oaepHash: oaep_hash, pinFile: at(pin_file), timeoutMs } }
    }
    case 'command': {
      const { type, timeout: timeoutMs, ...rest } = options
      return { id, type, options: { ...rest, timeoutMs } }
    }
  }
}

const providersFile = z
  .strictObject({
    wrap_with: z.string().default('local').describe('Who wraps private keys that are made from now on.'),
    providers: providers.optional(),
  })
  .superRefine(({ wrap_with: name, providers: known }, context) => {
    if (name === 'local' || known?.[name] !== undefined) return
    refuse(context, ['wrap_with'], `names no provider; ${listedProviders(known)}`)
  })

export interface ProvidersFile {
  readonly wrapWith: string
  readonly providers: readonly ProviderConfig[]
}

/** Reads `providers.yaml`; without the file all is `local`. */
export function readProviders(
  path: string,
  env: Environment,
): { read: ProvidersFile; problems?: never } | { problems: readonly Problem[]; read?: never } {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    if (code === 'ENOENT') return { read: { wrapWith: 'local', providers: [] } }
    const spot = { source: new Source(path, ''), offset: 0 }
    return { problems: [problemAt(spot, [], { what: `cannot be read (${code})`, fix: 'check its rights' })] }
  }
  const { tree, problems } = readYaml(new Source(path, text))
  problems.push(...expandAll(tree, env))
  if (problems.length > 0) return { problems }
  const checked = checkTree(providersFile, tree, { path: [], key: tree.spot })
  if (checked.problems) return { problems: checked.problems }
  return {
    read: { wrapWith: checked.output.wrap_with, providers: providersOf(checked.output.providers ?? {}, tree) },
  }
}
