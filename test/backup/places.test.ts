import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { backupOptions } from '../../config/backup_options.ts'
import { type BackupPlace, openPlace } from '../../src/backup/place.ts'
import { DependencyError } from '../../src/errors.ts'
import { type StandIn, standInKeys, startStandIn } from './s3_stand_in.ts'

let folder: string
let s3: StandIn
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'douane-places-'))
  s3 = await startStandIn('backups')
})
afterAll(async () => {
  await s3.close()
  await rm(folder, { recursive: true, force: true })
})

const inFolder = () => openPlace(backupOptions.parse({ region: 'eu-de', path: 'b' }), (path) => join(folder, path))
const inBucket = (more: Record<string, unknown> = {}) => {
  const options = { endpoint: s3.endpoint, bucket: 'backups', prefix: 'eu/de', ...standInKeys, ...more }
  return openPlace(backupOptions.parse({ region: 'eu-de', s3: options }), (path) => path)
}

const places: [string, () => BackupPlace][] = [
  ['a folder', inFolder],
  ['object storage (a stand-in)', inBucket],
]

describe.each(places)('%s', (_name, open) => {
  test('gives back what was put there, lists it, and forgets it', async () => {
    const place = open()
    const names = Array.from({ length: 8 }, (_, i) => `postgres.a/id/000${i}`)
    for (const name of names) await place.put(name, Buffer.from(name))
    await place.put('postgres.b/id/0001', Buffer.alloc(0))
    expect(await place.list('postgres.a/')).toEqual(names)
    expect(await place.list('')).toHaveLength(9)
    expect(await place.get(names[3]!)).toEqual(Buffer.from(names[3]!))
    expect(await place.get('postgres.b/id/0001')).toEqual(Buffer.alloc(0))
    await place.put(names[3]!, Buffer.from('another'))
    expect(await place.get(names[3]!)).toEqual(Buffer.from('another'))
    for (const name of names) await place.remove(name)
    await place.remove('never/there')
    expect(await place.get(names[3]!)).toBeUndefined()
    expect(await place.list('')).toEqual(['postgres.b/id/0001'])
    await place.close()
  })
})

describe('a folder', () => {
  test('is closed to others, and what is half written is no object', async () => {
    const place = inFolder()
    await place.put('x/y', Buffer.from('secret'))
    expect((await stat(join(folder, 'b/x/y'))).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'b/x'))).mode & 0o777).toBe(0o700)
    await writeFile(join(folder, 'b/x/z.1.new'), 'half')
    expect(await place.list('x')).toEqual(['x/y'])
    await rm(join(folder, 'b/x/z.1.new'))
    await place.remove('x/y')
    expect(await readdir(join(folder, 'b'))).not.toContain('x')
  })
  test('that cannot be used says so', async () => {
    await writeFile(join(folder, 'file'), '')
    const place = openPlace(backupOptions.parse({ region: 'eu-de', path: 'file' }), (path) => join(folder, path))
    await expect(place.put('a/b', Buffer.alloc(1))).rejects.toThrow(/cannot write .* \((ENOTDIR|EEXIST)\)/)
  })
})

describe('object storage (a stand-in)', () => {
  test('that is busy for a moment is asked again', async () => {
    const place = inBucket()
    s3.fail(503, 2)
    await place.put('busy', Buffer.from('x'))
    expect(s3.objects.get('eu/de/busy')).toEqual(Buffer.from('x'))
    await place.close()
  })
  test.each([
    ['another secret', { secret_access_key: 'wrong' }, /403 SignatureDoesNotMatch/],
    ['a bucket that is not there', { bucket: 'other' }, /404 NoSuchBucket/],
  ])('%s is refused, at once', async (_what, more, told) => {
    const place = inBucket(more)
    for (const call of [place.get('x'), place.put('x', Buffer.alloc(1)), place.list('')]) {
      await expect(call).rejects.toThrow(DependencyError)
      await expect(call).rejects.toThrow(told)
    }
    await place.close()
  })
  test('that nobody answers for is told without the key', async () => {
    const place = inBucket({ endpoint: 'http://127.0.0.1:9' })
    const error = await place.get('x').catch((error: Error) => error.message)
    expect(error).toMatch(/refuses GET \(/)
    expect(error).not.toContain('AKID')
    await place.close()
  })
})
