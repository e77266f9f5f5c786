/** The PostgreSQL stores of a configuration, as commands name them. */
import { join } from 'node:path'
import type { GatewayConfig } from '../../config/gateway_config.ts'
import type { StoreOptions } from '../../exporters/postgres/options.ts'
import type { StorePlace } from '../../exporters/postgres/session.ts'
import { ConfigError } from '../errors.ts'

export interface NamedStore extends StorePlace {
  readonly id: string
}

/** All, or the one that is named. Throws `ConfigError` where it is not there, or there is none at all. */
export function storesOf(config: GatewayConfig, dataDir: string, id?: string): readonly NamedStore[] {
  const sections = [...config.exporters.values()].filter(({ component }) => component.name === 'postgres')
  const known = sections.map((section) => section.id).join(', ')
  const found = id === undefined ? sections : sections.filter((section) => section.id === id)
  if (found.length === 0) {
    const what = id === undefined ? 'no PostgreSQL store is configured' : `no PostgreSQL store ${id} is configured`
    throw new ConfigError(what, [], known === '' ? undefined : `Name one with --store: ${known}.`)
  }
  const folder = join(dataDir, 'postgres')
  return found.map((section) => ({ id: section.id, options: section.options as StoreOptions, folder }))
}

/** The one that is named, or the only one. */
export function storeOf(config: GatewayConfig, dataDir: string, id: string | undefined): NamedStore {
  const stores = storesOf(config, dataDir, id)
  if (stores.length === 1) return stores[0]!
  const known = stores.map((store) => store.id).join(', ')
  throw new ConfigError('several PostgreSQL stores are configured', [], `Name one with --store: ${known}.`)
}
