/**
 * A connection to a store that is there already: for commands that read it, look after it, or ask it.
 */
import pg from 'pg'
import { connect, openAccess, storeError } from './access.ts'
import type { StoreOptions } from './options.ts'
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

/** Throws `DependencyError`, also for a schema of another version. */
export async function openSession(store: StorePlace): Promise<Session> {
  const access = await openAccess(store.options, store.folder, true)
  let client: pg.Client | undefined
  const close = async () => {
    await client?.end().catch(() => {})
    await access.close()
  }
  try {
    client = await connect(access)
    await checkVersion(client, store.options.schema)
    return { client, close }
  } catch (error) {
    await close()
    throw sessionError(error)
  }
}

/** What PostgreSQL or the network said becomes one of our errors; a defect stays what it is. */
export const sessionError = (error: unknown): unknown =>
  error instanceof pg.DatabaseError || 'code' in (error as object) ? storeError(error) : error

/** Runs `work` on a store, and closes what was opened. */
export async function withStore<Result>(
  store: StorePlace,
  work: (client: pg.Client, schema: string) => Promise<Result>,
): Promise<Result> {
  const session = await openSession(store)
  try {
    return await work(session.client, store.options.schema)
  } catch (error) {
    throw sessionError(error)
  } finally {
    await session.close()
  }
}
