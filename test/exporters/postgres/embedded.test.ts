/**
 * The embedded server through kills at bad moments, of real processes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findBinaries, runAs } from '../../../exporters/postgres/binaries.ts'
import { isAlive } from '../../../exporters/postgres/cluster.ts'
import { openEmbedded } from '../../../exporters/postgres/embedded.ts'
import { storeOptions } from '../../../exporters/postgres/options.ts'
import { PostgresStore } from '../../../exporters/postgres/store.ts'
import { batchOf, makeHost, never, optionsFor, readAll, record, requestOf, temporaryFolder } from './fixture.ts'

let root: string
let folder: string
const children: ChildProcess[] = []
beforeEach(async () => {
  root = await temporaryFolder()
  folder = join(root, 'postgres')
})
afterEach(cleanUp)

async function cleanUp(): Promise<void> {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  const pid = await serverPid()
  if (pid !== undefined) process.kill(pid, 'SIGQUIT')
  for (let i = 0; pid !== undefined && i < 200 && isAlive(pid); i++) await sleep(10)
  if (folder !== settled) await rm(root, { recursive: true, force: true, maxRetries: 10 })
}

/** A cluster that is there already, for the tests that are not about its making. */
let settled: string
async function useSettled(): Promise<void> {
  await rm(root, { recursive: true })
  folder = settled
}
beforeAll(async () => {
  settled = join(await temporaryFolder(), 'postgres')
  await (await openEmbedded(settled)).close()
})
afterAll(() => rm(dirname(settled), { recursive: true, force: true, maxRetries: 10 }))

async function serverPid(): Promise<number | undefined> {
  const lock = await readFile(join(folder, '18', 'data', 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number.parseInt(lock, 10)
  return pid > 0 && isAlive(pid) ? pid : undefined
}

/** Starts a process that holds the server, and waits until it says `word`. */
async function hold(word: 'opening' | 'ready'): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'hold_server.ts')
  const child = spawn(process.execPath, [script, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  for await (const line of createInterface({ input: child.stdout! })) if (line === word) return child
  throw new Error(`the process ended before it said ${word}`)
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

async function stop(child: ChildProcess): Promise<void> {
  child.stdin!.write('stop\n')
  await once(child, 'exit')
  expect(child.exitCode).toBe(0)
}

async function count(): Promise<number> {
  const embedded = await openEmbedded(folder)
  const client = new pg.Client(embedded.connection('postgres'))
  await client.connect()
  await client.query('CREATE TABLE IF NOT EXISTS counted (n int)')
  await client.query('INSERT INTO counted VALUES (1)')
  const { rows } = await client.query('SELECT count(*)::int AS n FROM counted')
  await client.end()
  await embedded.close()
  return rows[0].n
}

test('a first start that is killed at any moment is made good by the next one', async () => {
  for (const delayMs of [0, 150, 350, 600]) {
    const child = await hold('opening')
    await sleep(delayMs)
    await kill(child)
  }
  expect(await count()).toBe(1)
  expect(await readdir(folder)).toEqual(['18'])
  expect(await serverPid()).toBeUndefined()
})

test('everything belongs to one user only', async () => {
  await useSettled()
  const mode = async (...path: string[]) => (await stat(join(folder, ...path))).mode & 0o777
  expect(await mode()).toBe(0o700)
  expect(await mode('18')).toBe(0o700)
  expect(await mode('18', 'data')).toBe(0o700)
  expect(await mode('18', 'password')).toBe(0o600)
  expect(await mode('18', 'log')).toBe(0o600)
})

test('a server that its gateway left running is used by the next, and stopped with it', async () => {
  await useSettled()
  const first = await hold('ready')
  const pid = await serverPid()
  await kill(first)
  expect(await serverPid()).toBe(pid)
  const second = await hold('ready')
  expect(await serverPid()).toBe(pid)
  await stop(second)
  expect(await serverPid()).toBeUndefined()
})

test('two processes that start at the same time share one server; the last one out stops it', async () => {
  const [first, second] = await Promise.all([hold('ready'), hold('ready')])
  const pid = await serverPid()
  expect(await readdir(folder)).toEqual(['18'])
  await stop(first)
  expect(await serverPid()).toBe(pid)
  await stop(second)
  expect(await serverPid()).toBeUndefined()
})

test('a killed server comes back with all that was stored, while its user goes on', async () => {
  await useSettled()
  const store = new PostgresStore(optionsFor('kept'), makeHost(folder))
  await store.start()
  const stored: string[] = []
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 5; i++) {
      const batch = batchOf(requestOf([record('usage')]), `${round}.${i}`)
      while ((await store.send(batch, never)).is !== 'accepted') await sleep(20)
      stored.push(batch.id)
    }
    process.kill((await serverPid())!, round === 0 ? 'SIGKILL' : 'SIGQUIT')
  }
  const batch = batchOf(requestOf([record('usage')]))
  while ((await store.send(batch, never)).is !== 'accepted') await sleep(20)
  const found = await readAll({ folder } as Parameters<typeof readAll>[0], 'kept')
  await store.close()
  expect(found).toHaveLength(stored.length + 1)
})

test('a lock file of a process that is no PostgreSQL does not keep it from starting', async () => {
  await useSettled()
  const before = await count()
  const { uid, gid } = await stat(join(folder, '18', 'data'))
  const stranger = spawn('sleep', ['60'], process.getuid?.() === 0 ? { uid, gid } : {})
  children.push(stranger)
  const lines = [stranger.pid, '/nowhere', 1, 5432, '.', '', ' 1 1', 'ready   ', '']
  await writeFile(join(folder, '18', 'data', 'postmaster.pid'), lines.join('\n'))
  expect(await count()).toBe(before + 1)
})

test('a path that is too long for a socket works', async () => {
  folder = join(root, 'x'.repeat(120), 'postgres')
  await mkdir(folder, { recursive: true })
  expect(await count()).toBe(1)
})

describe('programs of another build', () => {
  /** A folder whose `postgres` says that it is this version. */
  async function programsThatSay(version: string): Promise<string> {
    const programs = join(root, 'bin')
    await mkdir(programs, { recursive: true })
    for (const name of ['postgres', 'initdb']) {
      await writeFile(join(programs, name), `#!/bin/sh\necho '${version}'\n`, { mode: 0o755 })
    }
    return programs
  }

  test('run the same files', async () => {
    await useSettled()
    const { postgres } = await findBinaries(await runAs(folder))
    const programs = dirname(postgres)
    const first = await openEmbedded(folder, programs)
    expect(first.connection('postgres').database).toBe('postgres')
    await expect(openEmbedded(folder)).rejects.toThrow('different `programs`')
    await first.close()
    await (await openEmbedded(folder)).close()
  })

  test('are refused where they are missing, do not run or have another version', async () => {
    await expect(openEmbedded(folder, join(root, 'nothing'))).rejects.toThrow('there are no programs')
    const older = await programsThatSay('postgres (PostgreSQL) 17.2 (Debian 17.2-1)')
    await expect(openEmbedded(folder, older)).rejects.toThrow('has PostgreSQL 17')
    await expect(openEmbedded(folder, await programsThatSay(''))).rejects.toThrow('does not run')
  })

  test('are for the embedded server, with an absolute path', () => {
    const problems = (options: unknown) => storeOptions.safeParse(options).error?.issues.map(({ message }) => message)
    expect(problems({ programs: '/usr/lib/postgresql/18/bin' })).toBeUndefined()
    expect(problems({ programs: 'bin' })).toEqual(['not an absolute path'])
    expect(problems({ url: 'postgres://a@b/c', programs: '/bin' })).toEqual([
      'is for the embedded server: with a `url`, somebody else runs it',
    ])
  })
})
