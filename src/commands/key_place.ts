/** The keys folder of a data directory as the decrypt side's verbs open it: who guards its keys is in providers.yaml. */
import { join, resolve } from 'node:path'
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
