/**
 * Backups in a real S3 server: moto, from PyPI, which holds each request's signature against the one that Amazon's own
 * library (botocore) computes. It is put into a folder in the system's temporary directory, and stays there for the next
 * run. Without Python these tests fail, and say that object storage was NOT tested.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { backupOptions } from '../../../config/backup_options.ts'
import { verifyBackup } from '../../../src/backup/open.ts'
import { openPlace } from '../../../src/backup/place.ts'
import { pruneBackups } from '../../../src/backup/prune.ts'
import { restoreBackup } from '../../../src/backup/restore.ts'
import { parseRetention } from '../../../src/units.ts'
import { Backups, dayMs, fill, makeKeys } from '../../backup/fixture.ts'
import { nowMs, readAll, startServer, type TestServer } from '../../exporters/postgres/fixture.ts'

const exec = promisify(execFile)
const cache = join(tmpdir(), `douane-interop-${process.getuid?.() ?? ''}`)

let s3: ChildProcess
let told: { endpoint: string; id: string; secret: string }
let server: TestServer
beforeAll(async () => {
  const python = join(cache, 'moto', 'bin', 'python')
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  if (!existsSync(join(dirname(python), 'moto_server'))) {
    await exec('python3', ['-m', 'venv', join(cache, 'moto')]).catch(() => {
      throw new Error('python3 is not installed on this machine: object storage was NOT tested')
    })
    await exec(python, ['-m', 'pip', 'install', '--quiet', 'moto[s3,server]==5.*'])
  }
  s3 = spawn(python, [join(import.meta.dirname, 'python/s3_server.py')], { stdio: ['pipe', 'pipe', 'ignore'] })
  for await (const line of createInterface({ input: s3.stdout! })) {
    told = JSON.parse(line)
    break
  }
  server = await startServer()
})
afterAll(async () => {
  s3?.stdin?.end()
  await server?.close()
})

const place = (more: Record<string, unknown> = {}) => {
  const { endpoint, id, secret } = told
  const keys = { access_key_id: id, secret_access_key: secret, signing_region: 'eu-central-1' }
  const s3 = { endpoint, bucket: 'backups', ...keys, ...more }
  return openPlace(backupOptions.parse({ region: 'eu-de', s3 }), (path) => path)
}

it('keeps objects of all sizes under odd names, lists them in pages, and forgets them', async () => {
  const bucket = place({ prefix: 'odd' })
  const large = Buffer.alloc(40 * 1024 * 1024, 'x')
  await bucket.put('a/large', large)
  expect((await bucket.get('a/large'))!.equals(large)).toBe(true)
  const names = Array.from({ length: 1100 }, (_, i) => `b/${String(i).padStart(4, '0')}+~(é)=&'`)
  for (const name of names) await bucket.put(name, Buffer.from(name))
  expect(await bucket.list('b/')).toEqual(names)
  expect((await bucket.get(names[7]!))!.toString()).toBe(names[7])
  for (const name of [...names, 'a/large']) await bucket.remove(name)
  expect(await bucket.list('')).toEqual([])
  expect(await bucket.get('a/large')).toBeUndefined()
  await bucket.close()
})

it.each([
  ['another secret', { secret_access_key: 'wrong' }, /403 SignatureDoesNotMatch/],
  ['an unknown key', { access_key_id: 'AKIDUNKNOWN' }, /403 InvalidAccessKeyId/],
  ['a bucket that is not there', { bucket: 'nothing-here' }, /404 NoSuchBucket/],
])('refuses %s', async (_what, more, message) => {
  const bucket = place(more)
  await expect(bucket.put('x', Buffer.from('x'))).rejects.toThrow(message)
  await expect(bucket.list('')).rejects.toThrow(message)
  await bucket.close()
})

it('holds a backup that is verified, restored, and deleted in time', async () => {
  const keys = await makeKeys(dirname(server.folder))
  const texts = Array.from({ length: 500 }, (_, i) => `record ${i}`)
  await fill(
    server,
    'source',
    texts.map((text, i) => ({ purpose: 'security', atMs: nowMs - i * 60_000, text })),
  )
  const bucket = place({ prefix: '' })
  const kept = new Backups(server, 'source', keys, '', bucket)
  const manifest = await kept.run({ keep: parseRetention('3d') })
  expect((await verifyBackup(kept.reader(await kept.shelf.find(undefined)))).rows).toBeGreaterThanOrEqual(500)
  await server.embedded.makeDatabase('restored')
  const client = new pg.Client(server.embedded.connection('restored'))
  await client.connect()
  await restoreBackup(client, 'douane', kept.reader(manifest))
  await client.end()
  expect(await readAll(server, 'restored')).toEqual(await readAll(server, 'source'))
  const purposeRetention = () => parseRetention('18mo')
  expect(await pruneBackups(kept.shelf, { nowMs: nowMs + 4 * dayMs, purposeRetention })).toMatchObject({ backups: 1 })
  expect((await bucket.list('')).filter((name) => !name.endsWith('pruned.json'))).toEqual([])
  await bucket.close()
})
