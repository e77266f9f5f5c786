/** The key file of queues: made once, private, and never replaced by guesswork. */
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openChunkCipher } from '../../src/keys/chunk_cipher.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'douane-keys-'))
})
afterEach(() => rm(dir, { recursive: true }))

const file = () => join(dir, 'keys', 'chunks.key')

test('is made at the first start, for its owner only, and found again', async () => {
  const first = await openChunkCipher(join(dir, 'keys'))
  expect((await stat(file())).mode & 0o777).toBe(0o600)
  expect((await stat(join(dir, 'keys'))).mode & 0o777).toBe(0o700)
  const { key, wrapped } = first.fresh()
  const again = await openChunkCipher(join(dir, 'keys'))
  expect(again.find(wrapped).equals(key)).toBe(true)
})

test('each file gets a key of its own', async () => {
  const cipher = await openChunkCipher(join(dir, 'keys'))
  const [a, b] = [cipher.fresh(), cipher.fresh()]
  expect(a.key.equals(b.key)).toBe(false)
  expect(Buffer.from(a.wrapped).includes(a.key.export())).toBe(false)
})

test('what was written with another key is refused with what to do', async () => {
  const { wrapped } = (await openChunkCipher(join(dir, 'other'))).fresh()
  const cipher = await openChunkCipher(join(dir, 'keys'))
  expect(() => cipher.find(wrapped)).toThrow(
    expect.objectContaining({ code: 'key', fix: expect.stringContaining('Restore') }),
  )
})

test('a damaged key file is refused at any byte, and left as it is', async () => {
  await openChunkCipher(join(dir, 'keys'))
  const good = await readFile(file())
  for (let i = 0; i < good.length; i++) {
    const bad = Buffer.from(good)
    bad[i]! ^= 1
    await writeFile(file(), bad)
    await expect(openChunkCipher(join(dir, 'keys'))).rejects.toMatchObject({ code: 'key' })
  }
  for (const length of [0, 10, good.length - 1]) {
    await writeFile(file(), good.subarray(0, length))
    await expect(openChunkCipher(join(dir, 'keys'))).rejects.toMatchObject({ code: 'key' })
    expect((await readFile(file())).length).toBe(length)
  }
})

test('a key file that others may read becomes private again', async () => {
  await openChunkCipher(join(dir, 'keys'))
  await chmod(file(), 0o644)
  await openChunkCipher(join(dir, 'keys'))
  expect((await stat(file())).mode & 0o777).toBe(0o600)
})

test('a start that was interrupted before the key had its name makes another one', async () => {
  await openChunkCipher(join(dir, 'keys'))
  const good = await readFile(file())
  await rm(file())
  await writeFile(`${file()}.new`, good.subarray(0, 20))
  await openChunkCipher(join(dir, 'keys'))
  expect((await readFile(file())).length).toBe(good.length)
})
