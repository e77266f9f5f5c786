/**
 * Three stores in three regions, with rows about three people of one tenant: sealed as a gateway seals them, kept in the
 * clear, and without content. Every row about a person holds a canary of his.
 */
import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import type { Log } from '../../src/contract.ts'
import { openHashKeys } from '../../src/keys/hash_keys.ts'
import { initKeys } from '../../src/keys/operations.ts'
import { type OpenSealer, openSealer } from '../../src/keys/sealer.ts'
import { encodeValue } from '../../src/otlp/value.ts'
import { fill, promises, type Row } from '../backup/fixture.ts'
import { files } from '../e2e/gateway.ts'
import { startServer, type TestServer } from '../exporters/postgres/fixture.ts'

export const regions = ['eu-de', 'eu-nl', 'us-ny']
export const stores = ['de', 'nl', 'ny']
export const people = ['jane@example.com', 'john@example.com', 'mary@example.com'] as const
export const tenant = 'acme'
const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

const config = `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
processors: { encrypt: { fields: [log.body], subject: 'log.attributes["enduser.id"]' } }
connectors: { residency: { policy: residency.yaml } }
exporters:
  postgres/de: { region: eu-de, url: embedded, database: de }
  postgres/nl: { region: eu-nl, url: embedded, database: nl }
  postgres/ny: { region: us-ny, url: embedded, database: ny }
extensions:
  backup/de: { region: eu-de, path: backups/de, schedule: none }
  backup/nl: { region: eu-nl, path: backups/nl, schedule: none }
  backup/ny: { region: us-ny, path: backups/ny, schedule: none }
service:
  extensions: [backup/de, backup/nl, backup/ny]
  pipelines:
    logs/in: { receivers: [otlp], processors: [encrypt], exporters: [residency] }
    logs/de: { receivers: [residency], exporters: [postgres/de] }
    logs/nl: { receivers: [residency], exporters: [postgres/nl] }
    logs/ny: { receivers: [residency], exporters: [postgres/ny] }
`
const policy = `
regions:
  eu-de: { jurisdiction: [DE, EU], pipeline: logs/de }
  eu-nl: { jurisdiction: [NL, EU], pipeline: logs/nl }
  us-ny: { jurisdiction: [US], pipeline: logs/ny }
purposes:
  support: { description: find out why something does not work, retention: ${promises['support']}, content: encrypt }
  security: { description: detect attacks and abuse, retention: ${promises['security']}, content: keep }
  usage: { description: see which features are used, retention: ${promises['usage']}, content: drop }
tenants: { acme: { residency: local, regions: [eu-de, eu-nl, us-ny] } }
`

export interface World {
  readonly server: TestServer
  /** The data directory. */
  readonly root: string
  readonly keysDir: string
  readonly shared: readonly string[]
  readonly sealer: OpenSealer
  close(): Promise<void>
}

/** The clock is the machine's: commands use it. */
export async function makeWorld(): Promise<World> {
  const server = await startServer()
  const root = join(server.folder, '..')
  const keysDir = join(root, 'keys')
  await initKeys(keysDir, Date.now(), { scryptCost: 2 ** 10 })
  const sealer = await openSealer({ dir: keysDir, nowMs: () => Date.now(), log: silent })
  const file = files(root, { 'gateway.yaml': config, 'residency.yaml': policy })
  const shared = ['--config', file, '--data-dir', root]
  const close = async () => {
    sealer.close()
    await server.close()
  }
  return { server, root, keysDir, shared, sealer, close }
}

export const canaryOf = (id: string, n: number): string => `canary-${id.split('@')[0]}-${n}`

/** Rows about all people in one region: for each of `count`, one sealed, one in the clear. */
export function rowsAbout({ sealer }: World, region: string, count: number, nowMs = Date.now()): Row[] {
  return people.flatMap((id) => {
    const subject = sealer.of(tenant, id)
    return Array.from({ length: count }, (_, n): Row[] => {
      const text = canaryOf(id, n)
      const context = { tenant, region, purpose: 'support', retention: promises['support']! }
      const sealed = sealer.seal(encodeValue({ kind: 'string', value: text }), context, 'log.body', { subject })
      const row = { atMs: nowMs - 60_000 * (n + 1), tenant, region, ref: subject.ref, event: 'document.opened' }
      return [
        { ...row, purpose: 'support', text: sealed },
        { ...row, purpose: 'security', text, event: 'auth.login' },
      ]
    }).flat()
  })
}

/** Somebody of whom there are only copies without content: he is named, as he came and hashed. */
export const unreferenced = 'anna@example.com'
function rowsNaming({ keysDir }: World, region: string): Row[] {
  const { id, key } = openHashKeys({ dir: keysDir, nowMs: () => Date.now() }).current(tenant)
  const hash = `hmac:${id}:${createHmac('sha256', key).update(unreferenced).digest('hex')}`
  const row = { purpose: 'usage', atMs: Date.now() - 60_000, tenant, region, event: 'document.opened' }
  return [unreferenced, hash, 'somebody else'].map((user) => ({ ...row, user, text: 'usage' }))
}

export async function fillAll(world: World, count: number): Promise<void> {
  for (const [i, store] of stores.entries()) {
    const rows = [...rowsAbout(world, regions[i]!, count), ...rowsNaming(world, regions[i]!)]
    await fill(world.server, store, rows, Date.now())
  }
}
