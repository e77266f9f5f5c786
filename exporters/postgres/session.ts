/**
 * A connection to a store that is there already: for commands that read it, look after it, or ask it.
 */
import pg from 'pg'
import { ConfigError, DouaneError } from '../../src/errors.ts'
import { connect, openAccess, storeError } from './access.ts'
import type { StoreOptions } from './options.ts'
import { isOwner, logAdmin, readingRole } from './roles.ts'
import { checkVersion } from './schema.ts'

/** A store of the configuration. `folder` is `<data-dir>/postgres`. */
export interface StorePlace {
  readonly options: StoreOptions
  readonly folder: string
}

export interface Session {
  readonly client: pg.Client
  close(): Promise<void>
}

/**
 * As the owner or, with `reader`, as one who only reads: `log_admin`, or the name of a reader (roles.ts). A user who is
 * not the owner reads with his own rights. Throws `DependencyError`, also for a schema of another version.
 */
export async function openSession(store: StorePlace, reader?: string): Promise<Session> {
  const access = await openAccess(store.options, store.folder, true)
  let client: pg.Client | undefined
  const close = async () => {
    await client?.end().catch(() => {})
    await access.close()
  }
  try {
    client = await connect(access)
    await checkVersion(client, store.options.schema)
    if (reader !== undefined) await readAs(client, store.options.schema, reader)
    return { client, close }
  } catch (error) {
    await close()
    throw sessionError(error)
  }
}

async function readAs(client: pg.Client, schema: string, reader: string): Promise<void> {
  const owns = await isOwner(client, schema)
  if (!owns && reader === logAdmin) return
  const role = await readingRole(client, schema, reader)
  if (role !== undefined) {
    await client.query(`SET ROLE ${pg.escapeIdentifier(role)}`)
    return
  }
  // Where the owner may make no roles, he reads himself.
  if (reader !== logAdmin)
    throw new ConfigError(`the store has no reader ${reader}`, [], 'See `douane store roles list`.')
}

/** What PostgreSQL or the network said becomes one of our errors; a defect stays what it is. */
export const sessionError = (error: unknown): unknown =>
  error instanceof DouaneError || !('code' in (error as object)) ? error : storeError(error)

/** Runs `work` on a store, as the owner or as `reader` (see `openSession`), and closes what was opened. */
export async function withStore<Result>(
  store: StorePlace,
  work: (client: pg.Client, schema: string) => Promise<Result>,
  reader?: string,
): Promise<Result> {
  const session = await openSession(store, reader)
  try {
    return await work(session.client, store.options.schema)
  } catch (error) {
    throw sessionError(error)
  } finally {
    await session.close()
  }
}
