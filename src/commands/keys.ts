/** `douane keys …`: what the key holder does. What is printed goes to stdout, remarks to stderr. */
import { readFileSync } from 'node:fs'
import Table from 'cli-table3'
import type { Command } from 'commander'
import { readProviders } from '../../config/keys.ts'
import { ConfigRefused } from '../../config/problem.ts'
import { ConfigError, KeyError } from '../errors.ts'
import { chunkKeyRules } from '../gateway_keys.ts'
import { AccessLog, verifyAccessLog } from '../keys/audit.ts'
import { BlindIndex } from '../keys/blind_index.ts'
import { exportBundle, openBundle } from '../keys/bundle.ts'
import { ChunkKeys } from '../keys/chunk_keys.ts'
import { destroyExpired } from '../keys/expiry.ts'
import { makeFolder, replaceFile } from '../keys/files.ts'
import { rotateHashKeys } from '../keys/hash_keys.ts'
import {
  checkKeys,
  destroyKeys,
  initKeys,
  type ListedKey,
  listKeys,
  makeAhead,
  openKeyHolder,
  rewrapKeys,
  rotateKey,
} from '../keys/operations.ts'
import { periodNamed } from '../keys/period.ts'
import { tryProvider } from '../keys/wrapping.ts'
import { encodeValue } from '../otlp/value.ts'
import { parseDurationMs } from '../units.ts'
import { loadAccepted, positiveInteger, readInput, withConfig, withDataDir, withFormat, writeNamed } from './common.ts'
import { collectKeysFolder, keyOptions, keysDirOf, type Place, providersFileOf } from './key_place.ts'

interface Use {
  readonly tenant?: string
  readonly region?: string
  readonly retention?: string
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)
const remark = (line: string): void => void process.stderr.write(`${line}\n`)
const collect = (value: string, before: string[] = []): string[] => [...before, value]

function withUse(command: Command): Command {
  return command
    .option('--tenant <name>', 'whose records')
    .option('--region <name>', 'where they are kept')
    .option(
      '--retention <time>',
      'how long, as the policy writes it: 30d, 18mo, 7y; with a time_zone 1mo@Europe:Brussels',
    )
}

function wholeUse({ tenant, region, retention }: Use): Required<Use> | undefined {
  if (tenant === undefined && region === undefined && retention === undefined) return undefined
  if (tenant === undefined || region === undefined || retention === undefined) {
    throw new ConfigError(
      'a key is for a tenant, a region and a retention',
      [],
      'Give all of --tenant, --region and --retention.',
    )
  }
  return { tenant, region, retention }
}

export function keysCommand(program: Command): void {
  const keys = program.command('keys').description('the keys of the decrypt side')
  initCommand(keys)
  listCommand(keys)
  providersCommands(keys)
  rotateCommand(keys)
  destroyCommand(keys)
  bundleCommands(keys)
  checkCommand(keys)
  indexCommand(keys)
  auditCommands(keys)
}

function initCommand(keys: Command): void {
  const command = keys
    .command('init')
    .description('makes what a keys folder needs, and keys ahead of time for a tenant; what is there stays')
    .option(
      '--periods <count>',
      'how many periods ahead (days for retentions up to a month, else months)',
      positiveInteger(1000),
      3,
    )
    .option('--providers <file>', 'providers.yaml for the keys folder: who guards the private keys')
  withDataDir(withUse(command)).action(async (flags: Place & Use & { periods: number; providers?: string }) => {
    if (flags.providers !== undefined) takeProviders(flags, flags.providers)
    const options = await keyOptions(flags)
    const { holder, trust } = await initKeys(keysDirOf(flags), Date.now(), options)
    if (options.wrapWith === 'local' && options.passphrase === undefined) {
      remark('No DOUANE_KEYS_PASSPHRASE: if these keys are new, they are protected by file permissions only.')
    }
    const use = wholeUse(flags)
    const made = use ? await makeAhead(holder, use, flags.periods, Date.now()) : []
    print(JSON.stringify({ trust, made }))
  })
}

/** Puts the file into the keys folder, if it is right; what it names must lie where it says from there. */
function takeProviders(place: Place, file: string): void {
  const { problems } = readProviders(file, process.env)
  if (problems) throw new ConfigRefused(problems)
  makeFolder(keysDirOf(place))
  replaceFile(providersFileOf(place), readFileSync(file))
}

function providersCommands(keys: Command): void {
  const trying = keys
    .command('providers')
    .description('who guards the private keys, and whether each of them wraps and unwraps now')
  withDataDir(trying).action(async (flags: Place) => {
    const { providers, kms } = await openKeyHolder(keysDirOf(flags), await keyOptions(flags))
    const results = await Promise.all([...providers.values()].map(tryProvider))
    for (const result of results) print(JSON.stringify({ ...result, wraps_new_keys: result.provider === kms.name }))
    const failing = results.filter(({ ok }) => !ok).map(({ provider }) => provider)
    if (failing.length > 0) throw new KeyError(`not usable now: ${failing.join(', ')}`, 'Each line says what to do.')
  })
  const rewrapping = keys
    .command('rewrap')
    .description('hands private keys over to the provider that wraps new ones (wrap_with in providers.yaml)')
  withDataDir(rewrapping).action(async (flags: Place) => {
    const holder = await openKeyHolder(keysDirOf(flags), await keyOptions(flags))
    print(JSON.stringify({ provider: holder.kms.name, rewrapped: await rewrapKeys(holder) }))
  })
}

function indexCommand(keys: Command): void {
  const command = keys
    .command('index')
    .argument('<value>', 'the text that is looked for')
    .description('the blind index that a value has in sealed fields of a month, to search a store with')
    .requiredOption('--tenant <name>', 'whose records')
    .requiredOption('--field <path>', 'the sealed field, such as log.body or log.attributes["order"]')
    .option('--month <yyyy-mm>', 'of the records; left out: this month')
  type Asked = Place & { tenant: string; field: string; month?: string }
  withDataDir(command).action((value: string, flags: Asked) => {
    const atMs = flags.month === undefined ? Date.now() : periodNamed(flags.month).startMs
    const text = encodeValue({ kind: 'string', value })
    print(new BlindIndex(keysDirOf(flags)).find(text, flags.tenant, flags.field, atMs))
  })
}

function listCommand(keys: Command): void {
  const command = keys.command('list').description('the recipient keys: for whom, which period, in which state')
  withFormat(withDataDir(command), ['table', 'json']).action(async (flags: Place & { format: string }) => {
    const listed = listKeys(await openKeyHolder(keysDirOf(flags), await keyOptions(flags)), Date.now())
    if (flags.format === 'json') for (const key of listed) print(JSON.stringify(key))
    else print(keysTable(listed))
  })
}

function keysTable(listed: readonly ListedKey[]): string {
  const table = new Table({
    head: ['tenant', 'region', 'retention', 'period', 'state', 'key'],
    style: { head: [], border: [] },
  })
  for (const { tenant, region, retention, period, state, id } of listed) {
    table.push([tenant || '(unknown)', region, retention, period, state, id])
  }
  return table.toString()
}

function rotateCommand(keys: Command): void {
  const command = keys
    .command('rotate')
    .description('a new key for a tenant, region and retention in the current period; or of hashes, or of queue files')
    .option('--hash', 'the hash keys: values hashed from now on do not join with those from before')
    .option('--queue', "the key of queue files; where a provider guards it, with the gateway's --config")
  type Rotated = { readonly hash?: boolean; readonly queue?: boolean; readonly config?: readonly string[] }
  withConfig(withDataDir(withUse(command))).action(async (flags: Place & Use & Rotated) => {
    if (flags.queue) {
      print(JSON.stringify({ id: await rotateQueueKey(keysDirOf(flags), flags.config) }))
      remark('A running gateway uses it within two minutes; files that are there keep theirs.')
      return
    }
    if (flags.hash) {
      rotateHashKeys(keysDirOf(flags), Date.now())
      remark('The new root is in use when the gateway is started again.')
      return
    }
    const use = wholeUse(flags)
    if (!use) throw new ConfigError('which key?', [], 'Give --tenant, --region and --retention, or --hash, or --queue.')
    const holder = await openKeyHolder(keysDirOf(flags), await keyOptions(flags))
    print(JSON.stringify({ id: await rotateKey(holder, use, Date.now()) }))
    remark('Gateways use it within the hour; those with a bundle need a new one: douane keys export-bundle')
  })
}

async function rotateQueueKey(dir: string, config: readonly string[] | undefined): Promise<string> {
  const keys = config === undefined ? { providers: [] } : loadAccepted(config).keys
  const warn = (event: string, fields: object = {}): void => remark(`${event} ${JSON.stringify(fields)}`)
  const log = { debug: () => {}, info: () => {}, warn, error: warn }
  const rules = await chunkKeyRules({ dir, env: process.env }, keys)
  return (await ChunkKeys.open({ dir, nowMs: Date.now, log, leads: false }, rules)).rotate()
}

interface DestroyFlags extends Place {
  readonly id?: readonly string[]
  readonly tenant?: string
  readonly expired?: boolean
  readonly exceptTenant?: readonly string[]
  readonly reason: string
  readonly who?: string
  readonly yes?: boolean
}

const expiring = (flags: DestroyFlags) => ({
  dir: keysDirOf(flags),
  nowMs: Date.now(),
  confirmed: true,
  isHeld: (tenant: string) => flags.exceptTenant?.includes(tenant) ?? false,
})

/** What all that was given says: `--expired --tenant` are that tenant's expired keys. */
const isChosen = ({ id, tenant, state }: ListedKey, flags: DestroyFlags): boolean =>
  (flags.id?.includes(id) ?? true) &&
  (flags.tenant === undefined || tenant === flags.tenant) &&
  (!flags.expired || state === 'expired') &&
  !flags.exceptTenant?.includes(tenant)

function destroyCommand(keys: Command): void {
  const command = keys
    .command('destroy')
    .description('destroys private keys for good: what was sealed to them is unreadable in every store and backup')
    .option('--id <key>', 'this key; may be repeated', collect)
    .option('--tenant <name>', 'every key of this tenant')
    .option('--expired', 'every key whose retention is over')
    .option('--except-tenant <name>', 'not of this tenant, for a legal hold; may be repeated', collect)
    .requiredOption('--reason <text>', 'why; written to the access log')
    .option('--who <name>', 'who, where the system user is not the person')
    .option('--yes', 'do it; without, what would be destroyed is listed')
  withDataDir(command).action(async (flags: DestroyFlags) => {
    if (flags.expired && flags.yes && flags.id === undefined && flags.tenant === undefined) {
      const { destroyed, held } = await destroyExpired({ ...flags, ...expiring(flags) })
      for (const receipt of destroyed) print(JSON.stringify(receipt))
      if (held.length > 0) remark(`${held.length} keys stay: their tenants are excepted.`)
      return
    }
    if (flags.id === undefined && flags.tenant === undefined && !flags.expired) {
      throw new ConfigError(
        'which keys?',
        [],
        'Give --id, --tenant or --expired; with more than one, keys that are all of it go.',
      )
    }
    const holder = await openKeyHolder(keysDirOf(flags), await keyOptions(flags))
    const alive = listKeys(holder, Date.now()).filter(({ state }) => state !== 'destroyed')
    const chosen = alive.filter((key) => isChosen(key, flags))
    const unknown = flags.id?.find((id) => !chosen.some((key) => key.id === id))
    if (unknown !== undefined) throw new ConfigError(`there is no key ${unknown}`, [], 'See: douane keys list')
    if (!flags.yes) {
      for (const key of chosen) print(JSON.stringify(key))
      remark(`${chosen.length} keys would be destroyed. Add --yes to do it. It cannot be undone.`)
      return
    }
    const why = { reason: flags.reason, ...(flags.who !== undefined && { who: flags.who }) }
    for (const receipt of await destroyKeys(holder, chosen, why, Date.now())) print(JSON.stringify(receipt))
  })
}

function bundleCommands(keys: Command): void {
  const exporting = keys
    .command('export-bundle')
    .description('the public keys, signed, for gateways that hold no private ones')
    .option('--out <file>', 'where to; left out: stdout')
    .option('--expires <time>', 'how long gateways may use it', '35d')
  withDataDir(exporting).action(async (flags: Place & { out?: string; expires: string }) => {
    const { folder, signer, dir } = await openKeyHolder(keysDirOf(flags), await keyOptions(flags))
    const nowMs = Date.now()
    const bundle = exportBundle(dir, folder, signer, { nowMs, expiresMs: nowMs + parseDurationMs(flags.expires) })
    const text = JSON.stringify(bundle)
    if (flags.out === undefined) print(text)
    else writeNamed(flags.out, `${text}\n`)
    remark(`version ${bundle.version}, ${bundle.keys.length} keys`)
  })
  keys
    .command('verify-bundle <file>')
    .description('whether a bundle is whole, signed by a signer, and not expired')
    .requiredOption('--trust <signer>', 'the signer that `keys init` printed: ed25519:…')
    .action(async (file: string, flags: { trust: string }) => {
      const {
        version,
        keys: entries,
        expiresMs,
      } = openBundle((await readInput(file)).toString(), flags.trust, Date.now(), file)
      print(JSON.stringify({ version, keys: entries.length, expires: new Date(expiresMs).toISOString() }))
    })
}

function checkCommand(keys: Command): void {
  const command = keys
    .command('check')
    .description('opens every epoch key in the key store, so that a lost key shows today and not when it is needed')
    .option('--gateway-keys <folder>', "a gateway's keys folder; may be repeated", collectKeysFolder)
  withDataDir(command).action(async (flags: Place & { gatewayKeys?: string[] }) => {
    const holder = await openKeyHolder(keysDirOf(flags), await keyOptions(flags))
    const check = await checkKeys(holder, flags.gatewayKeys)
    print(JSON.stringify(check))
    if (check.missing + check.damaged > 0) {
      throw new KeyError(
        `${check.missing + check.damaged} epoch keys do not open`,
        'Restore the keys folder from a backup.',
      )
    }
  })
}

function auditCommands(keys: Command): void {
  const audit = keys.command('audit').description('the access log')
  const verifying = audit
    .command('verify')
    .description('proves that no entry was changed, removed or moved')
    .option('--witness <file>', 'a checkpoint that was kept elsewhere')
  withDataDir(verifying).action(async (flags: Place & { witness?: string }) => {
    const witness = flags.witness === undefined ? undefined : (await readInput(flags.witness)).toString()
    const verdict = await verifyAccessLog(keysDirOf(flags), witness)
    print(JSON.stringify(verdict))
    if (!verdict.ok) throw new KeyError('the access log was tampered with', 'Compare it with a backup.')
  })
  const showing = (name: string, description: string, work: (log: AccessLog) => Promise<void>): void => {
    withDataDir(audit.command(name).description(description)).action(async (flags: Place) => {
      const log = await AccessLog.open(keysDirOf(flags))
      try {
        await work(log)
      } finally {
        await log.close()
      }
    })
  }
  showing('show', 'every entry, as JSON lines', async (log) => {
    for await (const entry of log.entries()) print(entry)
  })
  showing('checkpoint', 'a signed checkpoint, to be kept elsewhere', async (log) => {
    process.stdout.write(log.checkpoint())
  })
}
