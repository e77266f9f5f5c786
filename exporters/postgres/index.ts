/**
 * postgres: stores records in PostgreSQL, one table a purpose, each batch exactly once. docs/postgres.md
 */
import { exporter } from '../../src/contract.ts'
import { storeOptions } from './options.ts'
import { PostgresStore } from './store.ts'

export const postgres = exporter({
  name: 'postgres',
  purposes: 'apart',
  config: storeOptions,
  create: (options, host) => new PostgresStore(options, host),
})
