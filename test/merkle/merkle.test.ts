import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openCheckpoint, signCheckpoint } from '../../src/merkle/checkpoint.ts'
import { MerkleLog } from '../../src/merkle/log.ts'
import { verifyConsistency, verifyInclusion } from '../../src/merkle/proof.ts'

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'douane-merkle-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
async function openLog(folder = freshFolder()): Promise<MerkleLog> {
  const log = await MerkleLog.open(folder)
  onTestFinished(() => log.close())
  return log
}
const leaves = (count: number, from = 0): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(`leaf ${from + i}`))
const sha256 = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest()
const leafHash = (leaf: Uint8Array): Buffer => sha256(Buffer.from([0]), leaf)

/** RFC 6962, 2.1, word for word: the slow twin. */
function slowRoot(entries: readonly Uint8Array[]): Buffer {
  if (entries.length === 0) return sha256()
  if (entries.length === 1) return leafHash(entries[0]!)
  let k = 1
  while (k * 2 < entries.length) k *= 2
  return sha256(Buffer.from([1]), slowRoot(entries.slice(0, k)), slowRoot(entries.slice(k)))
}

describe('the tree', () => {
  test('has the roots of the published test vectors of RFC 6962 implementations', async () => {
    const inputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
    const log = await openLog()
    await log.append(inputs.map((input) => Buffer.from(input, 'hex')))
    expect(log.root(0).toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(log.root(1).toString('hex')).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')
    expect(log.root(2).toString('hex')).toBe('fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125')
    expect(log.root(7).toString('hex')).toBe('ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c')
    expect(log.root(8).toString('hex')).toBe('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328')
  })

  test('equals its slow twin at every size, however entries were grouped', async () => {
    const all = leaves(70)
    const log = await openLog()
    for (let at = 0, group = 1; at < all.length; at += group, group = (group % 5) + 1)
      await log.append(all.slice(at, at + group))
    for (let size = 0; size <= all.length; size++) expect(log.root(size)).toEqual(slowRoot(all.slice(0, size)))
  })

  test('every leaf of every size has a proof, which proves nothing else', async () => {
    const all = leaves(33)
    const log = await openLog()
    await log.append(all)
    for (let size = 1; size <= all.length; size++) {
      for (let index = 0; index < size; index++) {
        const proof = log.inclusionProof(index, size)
        expect(verifyInclusion(leafHash(all[index]!), index, size, proof, log.root(size))).toBe(true)
        expect(verifyInclusion(leafHash(Buffer.from('other')), index, size, proof, log.root(size))).toBe(false)
        expect(verifyInclusion(leafHash(all[index]!), index, size, [...proof, leafHash(all[0]!)], log.root(size))).toBe(
          false,
        )
        if (size > 1)
          expect(verifyInclusion(leafHash(all[index]!), (index + 1) % size, size, proof, log.root(size))).toBe(false)
      }
    }
  })

  test('every older size has a consistency proof, which fails for another beginning', async () => {
    const all = leaves(33)
    const log = await openLog()
    await log.append(all)
    const other = slowRoot(leaves(5, 100))
    for (let newer = 1; newer <= all.length; newer++) {
      for (let older = 1; older <= newer; older++) {
        const proof = log.consistencyProof(older, newer)
        expect(verifyConsistency(older, log.root(older), newer, log.root(newer), proof)).toBe(true)
        expect(verifyConsistency(older, other, newer, log.root(newer), proof)).toBe(false)
        expect(verifyConsistency(older, log.root(older), newer, other, proof)).toBe(false)
      }
    }
  })
})

describe('the log on disk', () => {
  test('survives a crash at any byte of the last append: what was acknowledged stays, the rest is whole or gone', async () => {
    const folder = freshFolder()
    const first = await MerkleLog.open(folder)
    await first.append(leaves(5))
    const acknowledged = statSync(join(folder, 'entries/000000')).size
    await first.append(leaves(3, 5))
    await first.close()
    const entries = readFileSync(join(folder, 'entries/000000'))
    const hashes = readFileSync(join(folder, 'hashes'))
    for (let length = acknowledged; length <= entries.length; length++) {
      for (const hashBytes of [hashes.length, 0, 5 * 32 + 7]) {
        writeFileSync(join(folder, 'entries/000000'), entries.subarray(0, length))
        writeFileSync(join(folder, 'hashes'), hashes.subarray(0, hashBytes))
        const log = await MerkleLog.open(folder)
        expect(log.size).toBeGreaterThanOrEqual(5)
        expect(log.root()).toEqual(slowRoot(leaves(log.size)))
        await log.append([Buffer.from('after')])
        expect(log.root()).toEqual(slowRoot([...leaves(log.size - 1), Buffer.from('after')]))
        await log.close()
      }
    }
  })

  test('two writers on one folder take turns and lose nothing', async () => {
    const folder = freshFolder()
    const [a, b] = [await openLog(folder), await openLog(folder)]
    await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).append([Buffer.from(`entry ${i}`)])))
    await a.append([])
    const found: string[] = []
    for await (const entry of a.entries()) found.push(entry.toString())
    expect(found.toSorted()).toEqual(Array.from({ length: 20 }, (_, i) => `entry ${i}`).toSorted())
    expect(a.root()).toEqual(slowRoot(found.map((entry) => Buffer.from(entry))))
  })

  test('takes over the lock of a process that is gone', async () => {
    const folder = freshFolder()
    const log = await openLog(folder)
    writeFileSync(join(folder, 'lock'), '999999999')
    await log.append([Buffer.from('x')])
    expect(log.size).toBe(1)
  })

  test('seals under the same lock, with the root that the entries gave', async () => {
    const log = await openLog()
    const sealed: [number, string][] = []
    for (let i = 0; i < 3; i++)
      await log.append(leaves(2, i * 2), (size, root) => void sealed.push([size, root.toString('hex')]))
    expect(sealed).toEqual([2, 4, 6].map((size) => [size, slowRoot(leaves(size)).toString('hex')]))
  })

  test('refuses an entry that is too long; a cut one is gone', async () => {
    const folder = freshFolder()
    const log = await openLog(folder)
    await expect(log.append([Buffer.alloc(65_536)])).rejects.toThrow(/too long/)
    await log.append([Buffer.alloc(65_535), Buffer.alloc(0)])
    expect(log.size).toBe(2)
    truncateSync(join(folder, 'entries/000000'), 1)
    const cut = await openLog(folder)
    expect(cut.size).toBe(0)
  })
})

describe('checkpoints', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const checkpoint = { origin: 'douane/test', size: 42, root: Buffer.alloc(32, 5) }

  test('are signed notes that open with their key, origin and bytes only', () => {
    const note = signCheckpoint(checkpoint, privateKey)
    expect(note).toMatch(/^douane\/test\n42\n[A-Za-z0-9+/]{43}=\n\n— douane\/test [A-Za-z0-9+/]+={0,2}\n$/)
    expect(openCheckpoint(note, 'douane/test', publicKey)).toEqual(checkpoint)
    expect(openCheckpoint(note, 'douane/other', publicKey)).toBeUndefined()
    expect(openCheckpoint(note, 'douane/test', generateKeyPairSync('ed25519').publicKey)).toBeUndefined()
    expect(openCheckpoint(note.replace('42', '43'), 'douane/test', publicKey)).toBeUndefined()
  })

  test('any changed character of the signed part is refused', () => {
    const note = signCheckpoint(checkpoint, privateKey)
    const signed = note.indexOf('\n\n') + 1
    fc.assert(
      fc.property(fc.integer({ min: 0, max: signed - 1 }), fc.constantFrom('0', 'A', '\n', ' '), (at, letter) => {
        fc.pre(note[at] !== letter)
        expect(
          openCheckpoint(note.slice(0, at) + letter + note.slice(at + 1), 'douane/test', publicKey),
        ).toBeUndefined()
      }),
      { seed: 6962, numRuns: 300 },
    )
  })

  test("other signers' lines may stand beside ours", () => {
    const other = signCheckpoint(checkpoint, generateKeyPairSync('ed25519').privateKey).split('\n\n')[1]!
    expect(openCheckpoint(signCheckpoint(checkpoint, privateKey) + other, 'douane/test', publicKey)).toEqual(checkpoint)
  })
})
