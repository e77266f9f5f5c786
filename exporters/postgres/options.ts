/**
 * The options of a store, as they are in the configuration.
 */
import { z } from 'zod'
import { limits } from '../../src/limits.ts'

const name = (what: string) =>
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/, { error: `not the name of a ${what}: letters, digits, _ and -` })

const fields = z.strictObject({
  url: z
    .string()
    .regex(/^(?:embedded$|postgres(?:ql)?:\/\/)/, { error: 'neither `embedded` nor a postgres:// URL' })
    .default('embedded')
    .describe('`embedded` for the PostgreSQL in the data directory, or postgres://user:password@host:port/database.'),
  owner_url: z
    .string()
    .regex(/^postgres(?:ql)?:\/\//, { error: 'not a postgres:// URL' })
    .optional()
    .describe('Who migrates and deletes what is due, so that the user of `url` may do nothing but insert.'),
  database: name('database')
    .refine((database) => !/^(?:postgres|template[01])$/.test(database), { error: 'a database of PostgreSQL itself' })
    .optional()
    .describe("The database. Embedded: made if it is not there, `douane` unless given. By URL: overrides the URL's."),
  programs: z
    .string()
    .startsWith('/', { error: 'not an absolute path' })
    .optional()
    .describe('Embedded: the folder of another build of PostgreSQL 18, such as /usr/lib/postgresql/18/bin.'),
  schema: name('schema').default('douane').describe('The schema that holds the tables; made if it is not there.'),
  max_connections: z
    .int()
    .min(1)
    .max(limits.storeConnectionsMax)
    .default(2)
    .describe('How many batches are sent at the same time, each on a connection of its own.'),
})

export const storeOptions = fields
  .refine(({ url, owner_url }) => url !== 'embedded' || owner_url === undefined, {
    path: ['owner_url'],
    error: 'is for a `url`: who owns the embedded server is settled, and its gateway may only insert',
  })
  .refine(({ url, programs }) => url === 'embedded' || programs === undefined, {
    path: ['programs'],
    error: 'is for the embedded server: with a `url`, somebody else runs it',
  })
export type StoreOptions = z.output<typeof storeOptions>
