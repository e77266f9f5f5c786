/** `douane api-keys …`: keys of senders, in the file of the authenticator `api_keys`. A key is shown once. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { ConfigError } from '../errors.ts'
import { replaceFile } from '../keys/files.ts'
import {
  type ApiKeysConfig,
  listApiKeys,
  makeApiKey,
  withApiKey,
  withoutApiKey,
} from '../receive/authenticate/api_keys.ts'
import { loadAccepted, withConfig } from './common.ts'

interface Flags {
  readonly config?: string[]
  readonly file?: string
}

const collect = (value: string, before: string[] = []): string[] => [...before, value]
const print = (line: string): void => void process.stdout.write(`${line}\n`)
const remark = (line: string): void => void process.stderr.write(`${line}\n`)

export function apiKeysCommand(program: Command): void {
  const keys = program.command('api-keys').description('keys of senders, by the authenticator api_keys')
  const adding = keys
    .command('add <name>')
    .description('a new key for a sender; it is printed on stdout, once, and only its hash is kept')
    .option('--tenant <name>', 'a tenant that the sender may speak for; may be repeated', collect)
    .option('--expires <time>', 'the day after which it counts no more: 2027-06-30 or 2027-06-30T12:00:00Z')
  withFile(adding).action((name: string, flags: Flags & { tenant?: string[]; expires?: string }) => {
    const file = fileOf(flags)
    const { key, entry } = makeApiKey(name, flags.tenant, expiry(flags.expires))
    replaceFile(file, withApiKey(readKeyFile(file) ?? '', entry))
    print(key)
    const whose = flags.tenant === undefined ? 'no tenant of its own' : flags.tenant.join(', ')
    remark(`${entry.id}: ${name}, ${whose}, in ${file}. The key above is not shown again; running gateways know it.`)
  })
  withFile(keys.command('list').description('ids, names, tenants, expiry; one JSON object a line')).action(
    (flags: Flags) => {
      const file = fileOf(flags)
      for (const { hash: _, ...entry } of listApiKeys(readKeyFile(file) ?? '', file)) print(JSON.stringify(entry))
    },
  )
  withFile(keys.command('remove <id>').description('a key counts no more')).action((id: string, flags: Flags) => {
    const file = fileOf(flags)
    replaceFile(file, withoutApiKey(readKeyFile(file) ?? '', id))
  })
}

const withFile = (command: Command): Command =>
  withConfig(command).option('--file <file>', 'the file of hashed keys; left out: the one that the configuration names')

function fileOf({ file, config }: Flags): string {
  if (file !== undefined) return resolve(file)
  const found = [...loadAccepted(config).extensions.values()].filter(({ name }) => name === 'api_keys')
  const [only] = found
  if (only !== undefined && found.length === 1) return only.resolve((only.options as ApiKeysConfig).file)
  throw new ConfigError(
    found.length === 0 ? 'the configuration uses no authenticator api_keys' : 'the configuration has several api_keys',
    [],
    'Name the file of keys with --file.',
  )
}

function readKeyFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new ConfigError(`cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`)
  }
}

function expiry(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text)
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text)
  const at = new Date(isDay ? `${text}T23:59:59Z` : text)
  if (!(isDay || isTime) || Number.isNaN(at.getTime()))
    throw new ConfigError(`--expires: "${text}" is no day and no time`)
  if (at.getTime() <= Date.now()) throw new ConfigError('--expires: this time is over already')
  return at
}
