/**
 * The key providers that a configuration names, ready to use. Nothing is connected before it is needed.
 */
import { readFileSync } from 'node:fs'
import { KeyError } from '../../errors.ts'
import type { KmsProvider } from '../kms.ts'
import { type CommandOptions, commandProvider } from './command.ts'
import { codeOf } from './guarded.ts'
import { type Pkcs11Options, pkcs11Provider } from './pkcs11.ts'
import type { VaultOptions } from './vault.ts'

interface Pin {
  readonly pin?: string | undefined
  readonly pinFile?: string | undefined
}

/** As config/keys.ts reads them. `id` is `type[/name]`. */
export type ProviderSection = { readonly id: string } & (
  | { readonly type: 'vault'; readonly options: VaultOptions }
  | { readonly type: 'pkcs11'; readonly options: Omit<Pkcs11Options, 'pin'> & Pin }
  | { readonly type: 'command'; readonly options: CommandOptions }
)

export async function openProvider(
  section: ProviderSection,
  env: Readonly<Record<string, string | undefined>>,
): Promise<KmsProvider> {
  switch (section.type) {
    case 'vault': {
      // Loaded only where it is used: the HTTP client is the largest part of a short command's start.
      const { vaultProvider } = await import('./vault.ts')
      const { tokenFile, token = tokenFile === undefined ? env['VAULT_TOKEN'] : undefined } = section.options
      return vaultProvider(section.id, { ...section.options, token })
    }
    case 'pkcs11': {
      const { pin, pinFile, ...options } = section.options
      return pkcs11Provider(section.id, { ...options, pin: pin ?? readPin(section.id, pinFile) })
    }
    case 'command':
      return commandProvider(section.id, section.options)
  }
}

function readPin(id: string, path: string | undefined): string {
  if (path === undefined) throw new KeyError(`the key provider ${id} has no PIN`, 'Give it with pin_file or pin.')
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new KeyError(
      `the PIN of the key provider ${id} cannot be read from ${path} (${codeOf(error)})`,
      'Check the file and the right to read it.',
    )
  }
}
