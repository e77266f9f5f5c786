/**
 * A server of somebody else's, over TCP and with passwords: Debian's PostgreSQL where it is installed, otherwise the
 * programs of the embedded one. The owner is no superuser, and the gateway has a login of its own.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Binaries, findBinaries, runAs } from '../../exporters/postgres/binaries.ts'
import { type StoreOptions, storeOptions } from '../../exporters/postgres/options.ts'
import { queryStore } from '../../exporters/postgres/query.ts'
import { runRetention } from '../../exporters/postgres/retention.ts'
import { roleName } from '../../exporters/postgres/roles.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import { PostgresStore } from '../../exporters/postgres/store.ts'
import { batchOf, makeHost, never, nowMs, record, requestOf } from '../exporters/postgres/fixture.ts'

const debian = '/usr/lib/postgresql'
const root = mkdtempSync(join(tmpdir(), 'douane-url-'))
let port = 0
let stop = async () => {}

async function binaries(): Promise<Binaries> {
  const newest = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a))[0] : undefined
  if (newest === undefined) return findBinaries(await runAs(root))
  console.log(`Debian's PostgreSQL ${newest}`)
  const bin = join(debian, newest, 'bin')
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: free } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return free
}

const urlOf = (user: string, database: string) => `postgres://${user}:secret@127.0.0.1:${port}/${database}`

async function admin(text: string): Promise<void> {
  const client = new pg.Client(urlOf('boss', 'postgres'))
  await client.connect()
  await client.query(text).finally(() => client.end())
}

beforeAll(async () => {
  const { initdb, postgres } = await binaries()
  const user = await runAs(root)
  chmodSync(root, 0o777)
  writeFileSync(join(root, 'password'), 'secret', { mode: 0o644 })
  const data = join(root, 'data')
  const options = [`--pgdata=${data}`, '--username=boss', `--pwfile=${join(root, 'password')}`, '--auth=scram-sha-256']
  execFileSync(initdb, [...options, '--encoding=UTF8', '--locale=C'], { cwd: root, stdio: 'ignore', ...user })
  port = await freePort()
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${root}`, 'fsync=off']
  const server = spawn(postgres, ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
    cwd: root,
    stdio: 'ignore',
    ...user,
  })
  stop = async () => {
    const ended = once(server, 'exit')
    server.kill('SIGINT')
    await ended
  }
  for (let i = 0; i < 200; i++) {
    const isUp = await admin('SELECT 1')
      .then(() => true)
      .catch(() => false)
    if (isUp) break
    await sleep(50)
  }
  await admin(`CREATE ROLE keeper LOGIN CREATEROLE PASSWORD 'secret'`)
  await admin(`CREATE ROLE gateway LOGIN PASSWORD 'secret'`)
  await admin('CREATE DATABASE logs OWNER keeper')
})
afterAll(async () => {
  await stop()
  rmSync(root, { recursive: true, force: true })
})

test('the store works there: roles, writing, reading, retention', async () => {
  const options: StoreOptions = storeOptions.parse({
    url: urlOf('gateway', 'logs'),
    owner_url: urlOf('keeper', 'logs'),
  })
  const host = { ...makeHost(root), retention: () => '6d' }
  await expect(new PostgresStore(options, host).start()).rejects.toThrow("PostgreSQL's user gateway may not insert")
  const client = new pg.Client(urlOf('keeper', 'logs'))
  await client.connect()
  await client.query(`GRANT ${roleName('logs', 'douane', 'gateway')} TO gateway`)
  await client.end()
  const store = new PostgresStore(options, host)
  await store.start()
  const batch = batchOf(requestOf(Array.from({ length: 3000 }, (_, i) => record('usage', { eventName: `e${i % 3}` }))))
  for (let attempt = 0; attempt < 2; attempt++) expect(await store.send(batch, never)).toEqual({ is: 'accepted' })
  await store.close()
  const place = { options, folder: root }
  let found = 0
  for await (const { event_name } of queryStore(place, { tenant: 'acme' })) found += Number(event_name !== null)
  expect(found).toBe(3000)
  const asGateway = { options: storeOptions.parse({ url: urlOf('gateway', 'logs') }), folder: root }
  await expect(queryStore(asGateway, {}).next()).rejects.toThrow('42501')
  const report = await withStore(place, (owner, schema) =>
    runRetention(owner, schema, { asOfMs: nowMs + 8 * 86_400_000, retentionOf: () => '6d', confirmed: true }),
  )
  expect(report.deletions).toMatchObject([{ records: 3000, whole: true }])
})
