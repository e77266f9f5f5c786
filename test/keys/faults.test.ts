/** Disks that are full or failing, and key files that are damaged: nothing is sealed with a key that could be lost. */
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { AccessLog } from '../../src/keys/audit.ts'
import { openHashKeys } from '../../src/keys/hash_keys.ts'
import { initKeys, listKeys, openKeyHolder, rotateKey } from '../../src/keys/operations.ts'
import { limits } from '../../src/limits.ts'
import { acme, decryptRows, freshFolder, noonMs, testSealer, text } from './support.ts'

/** What the disk answers to each operation from now on; the code of an error, or undefined. */
const disk = vi.hoisted(() => ({ answer: (_operation: string): string | undefined => undefined }))
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>()
  const failing =
    <Args extends unknown[], Result>(name: string, work: (...args: Args) => Result) =>
    (...args: Args): Result => {
      const code = disk.answer(name)
      if (code !== undefined) throw Object.assign(new Error(`${name}: made to fail`), { code })
      return work(...args)
    }
  return {
    ...real,
    writeSync: failing('write', real.writeSync),
    fsyncSync: failing('sync', real.fsyncSync),
    fdatasyncSync: failing('sync', real.fdatasyncSync),
    renameSync: failing('rename', real.renameSync),
    linkSync: failing('link', real.linkSync),
  }
})
beforeEach(() => {
  disk.answer = () => undefined
})

const use = { tenant: 'acme', region: 'eu-de', retention: '1mo' }
const fails = (operation: string, code: string) => (asked: string) => (asked === operation ? code : undefined)

describe('a disk that is full or fails', () => {
  test.each([
    ['write', 'ENOSPC', 'Free some space on that disk.'],
    ['sync', 'EIO', undefined],
    ['write', 'EROFS', undefined],
  ])('%s %s: nothing is sealed, the error says why, and it goes on when the disk works again', async (operation, code, fix) => {
    const dir = freshFolder()
    const { sealer, clock, log } = await testSealer(dir)
    const before = sealer.seal(text('before'), acme, 'log.body')
    const late = { ...acme, purpose: 'billing' }
    disk.answer = fails(operation, code)
    for (const context of [late, { ...acme, tenant: 'globex' }]) {
      expect(() => sealer.seal(text('meanwhile'), context, 'log.body')).toThrow(
        expect.objectContaining({ code: 'key', message: expect.stringContaining(`(${code})`), fix }),
      )
    }
    expect(log.lines.filter((line) => line.startsWith('keys.unavailable'))).toHaveLength(2)
    // The epoch that is under way is on disk already: it goes on.
    const during = sealer.seal(text('during'), acme, 'log.body')
    disk.answer = () => undefined
    clock.ms += limits.keyRetryMs
    const after = sealer.seal(text('after'), late, 'log.body')
    const rows = [{ body: before }, { body: during }, { body: after, purpose: 'billing' }]
    expect((await decryptRows(dir, rows)).rows.map(({ body }) => body)).toEqual(['before', 'during', 'after'])
  })

  test('at any single operation of a first start leaves a folder that the next start can use', async () => {
    for (let at = 0; ; at++) {
      const dir = freshFolder()
      let n = 0
      disk.answer = () => (n++ === at ? 'ENOSPC' : undefined)
      const failed = await testSealer(dir)
        .then(({ sealer }) => sealer.seal(text('x'), acme, 'log.body'))
        .catch((error: unknown) => error)
      if (typeof failed === 'string') break
      expect(failed).toMatchObject({ code: 'key', message: expect.stringContaining('ENOSPC') })
      disk.answer = () => undefined
      const { sealer } = await testSealer(dir)
      const row = { body: sealer.seal(text('later'), acme, 'log.body') }
      expect((await decryptRows(dir, [row])).rows[0]).toEqual({ body: 'later' })
    }
  })

  test('a rotation that finds no space leaves the key before in use', async () => {
    const dir = freshFolder()
    const { holder } = await initKeys(dir, noonMs)
    const id = await rotateKey(holder, use, noonMs)
    disk.answer = fails('link', 'ENOSPC')
    await expect(rotateKey(holder, use, noonMs)).rejects.toMatchObject({ fix: 'Free some space on that disk.' })
    disk.answer = () => undefined
    expect(listKeys(holder, noonMs).map((key) => key.id)).toEqual([id])
    expect(readdirSync(join(dir, 'recipients/2026-11-21'))).toEqual([`${id}.json`])
  })
})

describe('a damaged key file', () => {
  /** Damages one file of a folder in use; gives what opening it says. */
  async function damaged(name: string, content: string | Buffer, open: (dir: string) => unknown): Promise<Error> {
    const dir = freshFolder()
    const { sealer } = await testSealer(dir)
    sealer.seal(text('x'), acme, 'log.body')
    openHashKeys({ dir, nowMs: () => noonMs })
    const log = await AccessLog.open(dir)
    await log.append([{ action: 'find', atMs: noonMs, who: 'w', reason: 'r', what: [] }])
    await log.close()
    const path = name.endsWith('/')
      ? join(dir, name, readdirSync(join(dir, name), { recursive: true }).at(-1) as string)
      : join(dir, name)
    writeFileSync(path, content)
    const error = await Promise.resolve()
      .then(() => open(dir))
      .then(
        () => undefined,
        (thrown: Error) => thrown,
      )
    expect(error, name).toMatchObject({ code: 'key' })
    expect(readFileSync(path), 'it is left as it is').toEqual(Buffer.from(content))
    return error!
  }
  const again = async (dir: string) => (await testSealer(dir)).sealer.seal(text('y'), acme, 'log.body')
  const reading = (dir: string) => openKeyHolder(dir)

  test.each([
    ['local-kms.json', again, /local-kms\.json is damaged.*Restore it from a backup/],
    ['authority.pem', again, /authority\.pem holds no Ed25519 private key.*Restore it from a backup/],
    ['authority.pem', reading, /authority\.pem holds no Ed25519 private key.*Restore it from a backup/],
    ['recipients/', again, /\.json is damaged.*Restore it from a backup/],
    ['hash.json', (dir: string) => openHashKeys({ dir, nowMs: () => noonMs }), /hash\.json is damaged.*Restore/],
    ['worker', again, /worker is damaged.*Remove it: a new name is made/],
    ['audit.pem', (dir: string) => AccessLog.open(dir), /audit\.pem holds no Ed25519 private key.*Restore/],
  ])('%s is named, with what to do, and is not replaced by a new key', async (name, open, said) => {
    for (const content of ['', '{', Buffer.from([0, 255, 1, 2])]) {
      const { message, fix } = (await damaged(name, content, open)) as Error & { fix?: string }
      expect(`${message}. ${fix}`).toMatch(said)
    }
  })

  test('one that others may read is refused with the command that mends it', async () => {
    const dir = freshFolder()
    await testSealer(dir)
    chmodSync(join(dir, 'local-kms.json'), 0o644)
    await expect(testSealer(dir)).rejects.toMatchObject({
      message: expect.stringMatching(/local-kms\.json can be read by others \(mode 644\)/),
      fix: `Run: chmod 600 ${join(dir, 'local-kms.json')}`,
    })
  })
})
