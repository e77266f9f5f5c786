/** What the verbs of `douane subject` share: who is meant, who asks, and how a request is taken up. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { ConfigError } from '../errors.ts'
import type { Asked } from '../subjects/request.ts'
import { loadAccepted, readInput, withConfig, withDataDir } from './common.ts'
import { collectKeysFolder } from './key_place.ts'

export interface SubjectFlags {
  readonly config?: string[]
  readonly dataDir: string
  readonly tenant: string
  readonly id: string
  readonly region?: string[]
  readonly gatewayKeys?: string[]
  readonly attribute?: string[]
  readonly reason: string
  readonly who?: string
}

const collect = (value: string, before: string[] = []): string[] => [...before, value]

/** For verbs about one person. */
export const withPerson = (command: Command): Command =>
  withDataDir(withConfig(command))
    .requiredOption('--tenant <tenant>', "whose records: the person's tenant")
    .requiredOption('--id <id>', 'the person, as records name him; - reads it from standard input')
    .addOption(new Option('--region <region>', 'only stores in this region; repeat it').argParser(collect))
    .option(
      '--gateway-keys <folder>',
      'a keys folder of another gateway that met the person; repeat it',
      collectKeysFolder,
    )
    .option(
      '--attribute <path>',
      'another attribute that names people, such as log.attributes["user.name"]; repeat it',
      collect,
    )
    .requiredOption('--reason <text>', 'why, such as the number of the case; for the access audit')
    .option('--who <name>', 'who asks, where the system user is not the person')

/** Throws `ConfigRefused`, `ConfigError`. */
export async function askedOf(flags: SubjectFlags): Promise<Asked> {
  const { dataDir, tenant, gatewayKeys = [], attribute: attributes = [], region: regions, reason, who } = flags
  const id = flags.id === '-' ? (await readInput('-')).toString('utf8').replace(/\r?\n$/, '') : flags.id
  if (id === '') throw new ConfigError('--id is empty', [], 'Name the person as the records do.')
  const config = loadAccepted(flags.config)
  return { config, dataDir, person: { tenant, id }, gatewayKeys, attributes, regions, reason, who, nowMs: Date.now() }
}

export const passphrase = (): string | undefined => process.env['DOUANE_KEYS_PASSPHRASE']
export const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
