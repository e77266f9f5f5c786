/**
 * How a store is reached: the embedded server of the data directory, or any server by URL.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { DependencyError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { hasCluster } from './cluster.ts'
import { openEmbedded } from './embedded.ts'
import type { StoreOptions } from './options.ts'
import { derivedPassword } from './roles.ts'

/** What the embedded server's database is called where the options name none. */
const embeddedDatabase = 'douane'

export interface Access {
  /** How the owner of the tables connects, or who comes closest to it. */
  readonly config: pg.ClientConfig
  /** How the gateway connects, where that is a user of its own. `role` is its role, on the embedded server. */
  readonly writer?: (role: string) => pg.ClientConfig
  /** The embedded server, which may be on its way down or up for a moment; a server by URL is up or not. */
  readonly isEmbedded: boolean
  /** Resolves once a connection may be tried: the embedded server is up. */
  ready(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a store. `folder` is `<data-dir>/postgres`. With `mustExist`, nothing is made: for those who only read.
 * Throws `DependencyError`.
 */
export async function openAccess(options: StoreOptions, folder: string, mustExist = false): Promise<Access> {
  if (options.url !== 'embedded') {
    const config = configOf(options.owner_url ?? options.url, options)
    const writer = options.owner_url === undefined ? {} : { writer: () => configOf(options.url, options) }
    return { config, ...writer, isEmbedded: false, ready: async () => {}, close: async () => {} }
  }
  if (mustExist && !hasCluster(folder)) {
    throw new DependencyError(
      `there is no embedded PostgreSQL in ${folder}`,
      'Name the data directory of the gateway with `--data-dir`. It is made when the gateway runs for the first time.',
    )
  }
  const embedded = await openEmbedded(folder, options.programs)
  const database = options.database ?? embeddedDatabase
  try {
    if (!mustExist) await embedded.makeDatabase(database)
  } catch (error) {
    await embedded.close()
    throw error
  }
  const config = { ...embedded.connection(database), application_name: 'douane' }
  const writer = (role: string) => ({ ...config, user: role, password: derivedPassword(String(config.password), role) })
  return { config, writer, isEmbedded: true, ready: () => embedded.ready(), close: () => embedded.close() }
}

const configOf = (url: string, { database }: StoreOptions): pg.ClientConfig => ({
  connectionString: url,
  ...(database !== undefined && { database }),
  application_name: 'douane',
  connectionTimeoutMillis: limits.storeConnectMsMax,
  keepAlive: true,
})

/** A connection. One that breaks later tells its next query. */
export async function connect(access: Access): Promise<pg.Client> {
  for (let attempt = 1; ; attempt++) {
    await access.ready()
    const client = new pg.Client(access.config)
    client.on('error', () => {})
    try {
      await client.connect()
      return client
    } catch (error) {
      await client.end().catch(() => {})
      if (!access.isEmbedded || attempt === limits.embeddedConnectsMax) throw error
      await sleep(50)
    }
  }
}

/** What PostgreSQL or the network said, as one of our errors. Without values: the code, and what to do. */
export function storeError(error: unknown): DependencyError {
  if (error instanceof DependencyError) return error
  const code = errorCode(error)
  return new DependencyError(
    `PostgreSQL cannot be used: ${explain(code)} (${code})`,
    "Check the exporter's `url`, and that the server is up and lets this user in.",
  )
}

/** SQLSTATE, an errno name, or `cut` for a connection that ended without a word. */
export const errorCode = (error: unknown): string => {
  const code = (error as { code?: unknown }).code
  if (typeof code === 'string') return code
  return error instanceof AggregateError && error.errors.length > 0 ? errorCode(error.errors[0]) : 'cut'
}

const explanations: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'no such host',
  ENOENT: 'there is no such socket',
  ETIMEDOUT: 'it does not answer',
  cut: 'the connection ended',
  '28P01': 'the password is wrong',
  '28000': 'the user may not connect',
  '3D000': 'there is no such database',
  '42501': 'the user has not the rights',
  '53100': 'its disk is full',
  '53300': 'it has too many connections',
  '57P03': 'it is starting up or shutting down',
  '25006': 'it is read only',
}
export const explain = (code: string): string => explanations[code] ?? 'it failed'
