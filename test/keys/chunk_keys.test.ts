/** Keys of files at rest over time: wrapped by a provider or not, rotated, found again, forgotten; providers that go away. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { KeyError } from '../../src/errors.ts'
import { openChunkCipher } from '../../src/keys/chunk_cipher.ts'
import { type ChunkKeyRules, ChunkKeys, type ChunkKeysOptions } from '../../src/keys/chunk_keys.ts'
import { type KmsProvider, openLocalKms } from '../../src/keys/kms.ts'
import { limits } from '../../src/limits.ts'
import { segmentHeader, segmentIdBytes } from '../../src/pipeline/queue/frame.ts'
import { keysInUse } from '../../src/pipeline/queue/keys_in_use.ts'
import { MemoryDisk, parcel, request, setup } from '../pipeline/queue/support.ts'
import { freshFolder, keptLog, noonMs } from './support.ts'

const dayMs = 86_400_000

/** The local provider under another name, which fails while `away`. */
async function provider(dir: string, name = 'main') {
  const local = (await openLocalKms(dir, { make: true }))!
  const state = { away: false, calls: 0 }
  const call = <Answer>(work: () => Promise<Answer>): Promise<Answer> => {
    state.calls++
    if (state.away) throw new KeyError(`the key provider ${name} cannot be reached (ECONNREFUSED)`, 'Check it.')
    return work()
  }
  const kms: KmsProvider = {
    name,
    wrap: async (blob, context) => call(() => local.wrap(blob, context)),
    unwrap: async (wrapped, context) => call(() => local.unwrap(wrapped, context)),
  }
  return { kms, state }
}

async function place(more: Partial<ChunkKeysOptions> = {}) {
  const dir = join(freshFolder(), 'keys')
  mkdirSync(dir)
  const clock = { ms: noonMs }
  const log = keptLog()
  const options = { dir, nowMs: () => clock.ms, log, leads: true, ...more }
  const guard = await provider(freshFolder())
  const rules = (from: Partial<ChunkKeyRules> = {}): ChunkKeyRules => ({
    providers: new Map([['main', guard.kms]]),
    ...from,
  })
  const open = (from: Partial<ChunkKeyRules> = {}, leads = true) => ChunkKeys.open({ ...options, leads }, rules(from))
  const documents = () =>
    existsSync(join(dir, 'chunk-keys'))
      ? readdirSync(join(dir, 'chunk-keys')).map((name) =>
          JSON.parse(readFileSync(join(dir, 'chunk-keys', name), 'utf8')),
        )
      : []
  return { dir, clock, log, guard, rules, open, documents }
}
const idOf = (wrapped: Uint8Array): string => Buffer.from(wrapped.subarray(0, 8)).toString('hex')

describe('the key in use', () => {
  test('by default is the key file, and nothing else is made', async () => {
    const { dir, open, documents } = await place()
    const keys = await open()
    const { key, wrapped } = keys.fresh()
    expect((await openChunkCipher(dir)).find(wrapped).equals(key)).toBe(true)
    await keys.look()
    expect(documents()).toEqual([])
  })

  test('is wrapped from the first start on where a provider is named, and the folder alone opens nothing', async () => {
    const { dir, open, documents } = await place()
    const { key, wrapped } = (await open({ provider: 'main' })).fresh()
    expect(existsSync(join(dir, 'chunks.key'))).toBe(false)
    expect(documents()).toMatchObject([{ id: idOf(wrapped), provider: 'main' }])
    expect((await open({ provider: 'main' })).find(wrapped).equals(key)).toBe(true)
    await expect(open({ providers: new Map() })).rejects.toMatchObject({
      message: 'a key of the queues is guarded by the provider main, which is not configured',
      fix: expect.stringContaining('service.keys.providers'),
    })
  })

  test('that lay in the clear is wrapped, still opens what it sealed, and new files get another one', async () => {
    const { dir, clock, open, documents } = await place()
    const plain = await open({ rotateMs: dayMs })
    const first = plain.fresh()
    await plain.rotate()
    const keys = await open({ provider: 'main' })
    expect(existsSync(join(dir, 'chunks.key'))).toBe(false)
    expect(documents().map((one) => one.provider)).toEqual(['main', 'main', 'main'])
    expect(documents().filter((one) => one.check !== undefined)).toEqual([])
    expect(keys.find(first.wrapped).equals(first.key)).toBe(true)
    clock.ms += limits.chunkKeyAdoptMs
    const second = keys.fresh()
    expect(idOf(second.wrapped)).not.toBe(idOf(first.wrapped))
    expect((await open({ provider: 'main' })).find(second.wrapped).equals(second.key)).toBe(true)
  })

  test('is replaced when it is old, and known to every worker before it is used', async () => {
    const { clock, open } = await place()
    const leader = await open({ provider: 'main', rotateMs: 30 * dayMs })
    const follower = await open({ provider: 'main', rotateMs: 30 * dayMs }, false)
    const before = leader.fresh()
    clock.ms += 30 * dayMs
    await Promise.all([follower.look(), leader.look()])
    expect(idOf(leader.fresh().wrapped)).toBe(idOf(before.wrapped))
    clock.ms += limits.chunkKeyLookMs
    await follower.look()
    clock.ms += limits.chunkKeyAdoptMs
    const after = leader.fresh()
    expect(idOf(after.wrapped)).not.toBe(idOf(before.wrapped))
    expect(idOf(follower.fresh().wrapped)).toBe(idOf(after.wrapped))
    expect(follower.find(after.wrapped).equals(after.key)).toBe(true)
    expect(follower.find(before.wrapped).equals(before.key)).toBe(true)
    expect(limits.chunkKeyAdoptMs).toBeGreaterThan(2 * limits.chunkKeyLookMs)
  })

  test('moves to another provider when the rules say so', async () => {
    const { clock, open, guard, documents } = await place()
    const other = await provider(freshFolder(), 'other')
    const providers = new Map([guard.kms, other.kms].map((kms) => [kms.name, kms]))
    const keys = await open({ provider: 'main', providers })
    const before = keys.fresh()
    keys.use({ provider: 'other', providers })
    await keys.look()
    clock.ms += limits.chunkKeyAdoptMs
    const id = idOf(keys.fresh().wrapped)
    expect(documents().find((one) => one.id === id)).toMatchObject({ provider: 'other' })
    expect(keys.find(before.wrapped).equals(before.key)).toBe(true)
  })

  test('goes when nothing needs it any more, and not before', async () => {
    const needed = new Set<string>()
    const { clock, open, documents } = await place({ inUse: async () => needed })
    const keys = await open({ provider: 'main', rotateMs: dayMs })
    const first = keys.fresh()
    needed.add(idOf(first.wrapped))
    for (let day = 0; day < 3; day++) {
      clock.ms += dayMs
      await keys.look()
    }
    expect(documents().map(({ id }) => id)).toContain(idOf(first.wrapped))
    expect(keys.find(first.wrapped).equals(first.key)).toBe(true)
    needed.clear()
    clock.ms += dayMs + limits.chunkKeyAdoptMs
    await keys.look()
    clock.ms += dayMs + limits.chunkKeyAdoptMs
    await keys.look()
    expect(documents().map(({ id }) => id)).not.toContain(idOf(first.wrapped))
    expect(documents().length).toBeLessThanOrEqual(3)
    expect(() => keys.find(first.wrapped)).toThrow(/another key/)
  })
})

test('what was queued before rotations and a move to a provider is delivered after them', async () => {
  const { clock, open } = await place()
  const disk = new MemoryDisk()
  const ids = new Set<string>()
  const stages = [{}, { rotateMs: dayMs }, { provider: 'main' }, { provider: 'main', rotateMs: dayMs }]
  for (const [n, rules] of stages.entries()) {
    const keys = await open(rules)
    clock.ms += 2 * dayMs
    await keys.look()
    clock.ms += limits.chunkKeyAdoptMs
    ids.add(idOf(keys.fresh().wrapped))
    const { destination, exporter } = setup({ cipher: keys, disk })
    exporter.answer = () => ({ is: 'unavailable', reason: 'away' })
    await destination.start()
    await destination.offer(parcel(request(`words ${n}`)))
    await destination.stop(0)
  }
  expect(ids.size).toBeGreaterThanOrEqual(3)
  const later = setup({ cipher: await open({ provider: 'main' }), disk })
  const { destination, exporter, tally } = later
  await destination.start()
  await later.clock.advance(1000)
  expect(tally.of.stored).toBe(4)
  await destination.stop(0)
  const sent = exporter.sent.map(({ body }) => body.toString('latin1')).join()
  for (const n of stages.keys()) expect(sent).toContain(`words ${n}`)
  expect(tally.of.corruptBytes).toBe(0)
})

test('the keys in use are those in the heads of files, wherever they lie; other files do not matter', async () => {
  const folder = freshFolder()
  const keys = await (await place()).open()
  mkdirSync(join(folder, 'file/dead'), { recursive: true })
  const { wrapped } = keys.fresh()
  writeFileSync(join(folder, 'file/dead/letter'), segmentHeader(Buffer.alloc(segmentIdBytes), wrapped))
  writeFileSync(join(folder, 'acks'), 'something else')
  writeFileSync(join(folder, 'empty'), '')
  expect(await keysInUse([folder, join(folder, 'not there')], 8)).toEqual(new Set([idOf(wrapped)]))
})

describe('a provider that is away', () => {
  test('is waited for at the start; the key is had when it is back', async () => {
    const { open, guard, log } = await place({ patience: { ms: 10_000, retryMs: 5 } })
    const { wrapped, key } = (await open({ provider: 'main' })).fresh()
    guard.state.away = true
    const opening = open({ provider: 'main' })
    const waits = () => log.lines.filter((line) => line.startsWith('keys.waiting'))
    await vi.waitFor(() => expect(waits().length).toBeGreaterThan(2))
    expect(waits()[0]).toContain('the key provider main cannot be reached')
    guard.state.away = false
    expect((await opening).find(wrapped).equals(key)).toBe(true)
  })

  test('too long ends the start with its cause and fix; no key in the clear is made instead', async () => {
    const { dir, open, guard, documents } = await place({ patience: { ms: 20, retryMs: 5 } })
    guard.state.away = true
    await expect(open({ provider: 'main' })).rejects.toMatchObject({
      message: 'the key provider main cannot be reached (ECONNREFUSED)',
      fix: 'Check it.',
    })
    expect(existsSync(join(dir, 'chunks.key'))).toBe(false)
    expect(documents()).toEqual([])
  })

  test('while the gateway runs does not matter: the key in use goes on, a rotation that is due waits', async () => {
    const { clock, open, guard, log } = await place()
    const keys = await open({ provider: 'main', rotateMs: dayMs })
    const before = idOf(keys.fresh().wrapped)
    guard.state.away = true
    clock.ms += 2 * dayMs
    await keys.look()
    expect(log.lines.at(-1)).toMatch(/^keys\.queue_key .*cannot be reached/)
    expect(idOf(keys.fresh().wrapped)).toBe(before)
    guard.state.away = false
    await keys.look()
    clock.ms += limits.chunkKeyAdoptMs
    expect(idOf(keys.fresh().wrapped)).not.toBe(before)
  })

  test('in the middle of the move from the clear loses nothing', async () => {
    const { dir, open, guard, rules } = await place()
    const { key, wrapped } = (await open()).fresh()
    for (let calls = 0; calls < 4; calls++) {
      const limited: KmsProvider = {
        name: 'main',
        wrap: async (blob, context) => {
          if (guard.state.calls >= calls) throw new KeyError('away')
          return guard.kms.wrap(blob, context)
        },
        unwrap: async (blob, context) => {
          if (guard.state.calls >= calls) throw new KeyError('away')
          return guard.kms.unwrap(blob, context)
        },
      }
      guard.state.calls = 0
      const keys = await open()
      keys.use({ ...rules(), provider: 'main', providers: new Map([['main', limited]]) })
      await keys.look()
      expect(keys.find(wrapped).equals(key)).toBe(true)
    }
    expect((await open({ provider: 'main' })).find(wrapped).equals(key)).toBe(true)
    expect(existsSync(join(dir, 'chunks.key'))).toBe(false)
  })
})

test('a damaged key, or a folder that cannot be written, is told with what to do', async () => {
  const { dir, open, documents } = await place()
  const keys = await open({ rotateMs: dayMs })
  await keys.rotate()
  const [{ id, ...rest }] = documents()
  const path = join(dir, 'chunk-keys', `${id}.json`)
  const other = Buffer.alloc(32).toString('base64url')
  for (const bad of ['', '{', JSON.stringify({ id, ...rest, key: other }), JSON.stringify({ id, ...rest, key: 'x' })]) {
    writeFileSync(path, bad)
    await expect(open()).rejects.toMatchObject({ code: 'key', fix: expect.stringContaining('Restore it') })
  }
  const blocked = await place()
  writeFileSync(join(blocked.dir, 'chunk-keys'), 'not a folder')
  await expect(blocked.open({ provider: 'main', providers: new Map() })).rejects.toThrow()
})
