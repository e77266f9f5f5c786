import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AccessLog, verifyAccessLog } from '../../src/keys/audit.ts'
import { decryptStream } from '../../src/keys/decrypt.ts'
import { acme, decryptRows, freshFolder, noonMs, testSealer, text } from './support.ts'

async function threeReads(): Promise<{ dir: string; token: string }> {
  const dir = freshFolder()
  const { sealer } = await testSealer(dir)
  const token = sealer.seal(text('canary-4711'), acme, 'log.body')
  for (const reason of ['first', 'second', 'third'])
    await decryptRows(dir, [{ body: token }], { reason, nowMs: () => noonMs })
  return { dir, token }
}
async function entriesOf(dir: string): Promise<Record<string, unknown>[]> {
  const log = await AccessLog.open(dir)
  const entries: Record<string, unknown>[] = []
  for await (const entry of log.entries()) entries.push(JSON.parse(entry))
  await log.close()
  return entries
}

describe('every opened row is written down first', () => {
  test('who, when, why, which key and field; never the value', async () => {
    const { dir } = await threeReads()
    const entries = await entriesOf(dir)
    expect(entries.map(({ reason }) => reason)).toEqual(['first', 'second', 'third'])
    expect(entries[0]).toMatchObject({
      v: 1,
      at: '2026-11-21T12:00:00.000Z',
      action: 'decrypt',
      what: [{ line: 1, tenant: 'acme', purpose: 'support', field: 'log.body' }],
    })
    expect(entries[0]!['who']).toMatch(/.+@.+/)
    expect(JSON.stringify(entries)).not.toContain('canary-4711')
    expect(await verifyAccessLog(dir)).toMatchObject({ ok: true, entries: 3, checkpoints: 3, unsigned: 0 })
  })

  test('a log that cannot be written opens nothing', async () => {
    const dir = freshFolder()
    const { sealer } = await testSealer(dir)
    const token = sealer.seal(text('canary'), acme, 'log.body')
    mkdirSync(join(dir, 'audit', 'checkpoints'), { recursive: true })
    const given: string[] = []
    const read = async () => {
      const lines = (async function* () {
        yield JSON.stringify({ body: token })
      })()
      for await (const line of decryptStream(lines, { dir, reason: 'x' })) given.push(line)
    }
    await expect(read()).rejects.toThrow()
    expect(given).toEqual([])
  })

  test('lines are not given out before their entry is on disk', async () => {
    const dir = freshFolder()
    const { sealer } = await testSealer(dir)
    const lines = (async function* () {
      for (let i = 0; i < 600; i++) yield JSON.stringify({ n: i, body: sealer.seal(text(`v${i}`), acme, 'log.body') })
    })()
    let released = 0
    for await (const line of decryptStream(lines, { dir, reason: 'x' })) {
      released++
      if (released % 200 !== 1) continue
      expect(JSON.parse(line).body).toBe(`v${released - 1}`)
      expect((await verifyAccessLog(dir)).entries).toBeGreaterThanOrEqual(released)
    }
    expect(released).toBe(600)
  })

  test('no reason, no reading', async () => {
    const { dir, token } = await threeReads()
    for (const reason of ['', '   ', 'x'.repeat(2000)]) {
      await expect(decryptRows(dir, [{ body: token }], { reason })).rejects.toThrow(/reason/)
    }
  })

  test('rows without tokens leave no entry', async () => {
    const { dir } = await threeReads()
    await decryptRows(dir, [{ body: 'plain' }, { body: 'cose:nonsense' }])
    expect((await verifyAccessLog(dir)).entries).toBe(3)
  })
})

/** The entries as they lie on disk: a length of two bytes, then the bytes. */
function tamper(dir: string, change: (entries: Buffer[]) => Buffer[]): void {
  const file = join(dir, 'audit/entries/000000')
  const bytes = readFileSync(file)
  const entries: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16BE(at))
    entries.push(bytes.subarray(at, at + 2 + bytes.readUInt16BE(at)))
  writeFileSync(file, Buffer.concat(change(entries)))
}

describe('tampering is found', () => {
  const changed = (entry: Buffer): Buffer => Buffer.from(entry.toString('latin1').replace('second', 'sec0nd'), 'latin1')
  test.for<[string, (entries: Buffer[]) => Buffer[]]>([
    ['a changed entry', ([a, b, c]) => [a!, changed(b!), c!]],
    ['a removed entry', ([a, _, c]) => [a!, c!]],
    ['a removed last entry', ([a, b]) => [a!, b!]],
    ['entries in another order', ([a, b, c]) => [b!, a!, c!]],
    ['an entry put in between', ([a, b, c]) => [a!, a!, b!, c!]],
    ['an empty log', () => []],
  ])('%s', async ([_name, change]) => {
    const { dir } = await threeReads()
    tamper(dir, change)
    const verdict = await verifyAccessLog(dir)
    expect(verdict.ok).toBe(false)
    expect(verdict.problems.join()).toMatch(/not those that were signed|there are/)
  })

  test('also when the tamperer makes the hashes anew', async () => {
    const { dir } = await threeReads()
    tamper(dir, ([a, b, c]) => [a!, changed(b!), c!])
    writeFileSync(join(dir, 'audit/hashes'), '')
    expect((await verifyAccessLog(dir)).ok).toBe(false)
  })

  test('a changed, removed or foreign checkpoint', async () => {
    const { dir } = await threeReads()
    const file = join(dir, 'audit/checkpoints')
    const lines = readFileSync(file, 'utf8')
    writeFileSync(file, lines.replace('\\n2\\n', '\\n3\\n'))
    expect((await verifyAccessLog(dir)).problems).toEqual([
      "checkpoint 2 is damaged or was not signed by this log's key",
    ])
    writeFileSync(file, `${lines.split('\n').toReversed().slice(1).join('\n')}\n`)
    expect((await verifyAccessLog(dir)).problems.join()).toMatch(/out of order/)
  })

  test('a log cut at both ends is found with a checkpoint that was kept elsewhere', async () => {
    const { dir } = await threeReads()
    const log = await AccessLog.open(dir)
    const witness = log.checkpoint()
    await log.close()
    expect(await verifyAccessLog(dir, witness)).toMatchObject({ ok: true })
    tamper(dir, ([a, b]) => [a!, b!])
    const file = join(dir, 'audit/checkpoints')
    writeFileSync(file, `${readFileSync(file, 'utf8').split('\n').slice(0, 2).join('\n')}\n`)
    expect(await verifyAccessLog(dir)).toMatchObject({ ok: true, entries: 2 })
    expect(await verifyAccessLog(dir, witness)).toMatchObject({ ok: false })
    expect(await verifyAccessLog(dir, 'nonsense')).toMatchObject({ ok: false })
  })

  test('a missing signing key is not quietly replaced', async () => {
    const { dir } = await threeReads()
    rmSync(join(dir, 'audit.pem'))
    await expect(AccessLog.open(dir)).rejects.toThrow(/is missing/)
  })
})
