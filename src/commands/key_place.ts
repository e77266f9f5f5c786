/** The keys folder of a data directory as the decrypt side's verbs open it: who guards its keys is in providers.yaml. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { InvalidArgumentError } from 'commander'
import { readProviders } from '../../config/keys.ts'
import { ConfigRefused } from '../../config/problem.ts'
import { openProvider } from '../keys/kms/providers.ts'
import type { KmsProvider } from '../keys/kms.ts'
import type { HolderOptions } from '../keys/operations.ts'

export interface Place {
  readonly dataDir: string
}

export const keysDirOf = ({ dataDir }: Place): string => resolve(join(dataDir, 'keys'))
export const providersFileOf = (place: Place): string => join(keysDirOf(place), 'providers.yaml')

/** What opens the keys of a folder: of the data directory's, unless another one is given. Rejects with `ConfigRefused` for what is wrong in providers.yaml, and with `KeyError`. */
export async function keyOptions(
  place: Place,
  dir: string = keysDirOf(place),
): Promise<HolderOptions & { readonly providers: readonly KmsProvider[]; readonly wrapWith: string }> {
  const { read, problems } = readProviders(join(dir, 'providers.yaml'), process.env)
  if (problems) throw new ConfigRefused(problems)
  return {
    passphrase: process.env['DOUANE_KEYS_PASSPHRASE'],
    wrapWith: read.wrapWith,
    providers: await Promise.all(read.providers.map((section) => openProvider(section, process.env))),
  }
}

/** What a keys folder of a gateway, or a copy of what is needed of it, has one of. */
const inside = ['worker', 'epochs', 'subjects', 'subjects.json', 'recipients']

/** An option's keys folder of a gateway; it may be repeated. What is none would open nothing, and find nobody. */
export function collectKeysFolder(value: string, before: string[] = []): string[] {
  if (inside.some((name) => existsSync(join(value, name)))) return [...before, value]
  const below = join(value, 'keys')
  throw new InvalidArgumentError(
    inside.some((name) => existsSync(join(below, name)))
      ? `The keys are in ${below}.`
      : 'It takes the keys folder of a gateway: DATA_DIRECTORY/keys.',
  )
}
