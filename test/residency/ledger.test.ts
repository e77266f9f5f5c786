/**
 * What went where, as the ledger says it: complete, without payload or other tenants' names, and checked by a verifier
 * that shares no code with the writer. Every way of changing, removing or reordering must be told.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import type { Leaf } from '../../src/ledger/leaf.ts'
import { Ledger } from '../../src/ledger/ledger.ts'
import { verifyLedger } from '../../src/verify/ledger.ts'
import { verifyReport } from '../../src/verify/report.ts'
import { seeded } from '../oracle/random.ts'
import { batch, filled, place } from './ledger_rig.ts'
import { cleanUp, config, policy, startGateway, startStore, until } from './rig.ts'

afterEach(cleanUp)

describe('a report', () => {
  test.each([
    1, 2, 3, 7, 8, 9, 33, 100,
  ])('of a ledger of %i leaves is accepted, and has all that is due', async (count) => {
    const { ledger, key, report } = await filled(count)
    for (const tenant of ['acme', 'globex', 'nobody']) {
      const { lines } = await report(tenant)
      const verdict = verifyReport(lines, key)
      expect(verdict).toMatchObject({ ok: true, problems: [], tenant })
      const random = seeded(count)
      let due = 0
      for (let i = 0; i < count; i++) {
        const tenants = ['acme', 'globex', 'initech'].filter(() => random() < 0.6)
        random()
        if (tenants.includes(tenant)) due++
      }
      expect(verdict.leaves).toBe(due)
    }
    await ledger.close()
  })

  test('takes only what is in its time', async () => {
    const { ledger, key, report } = await filled(40)
    const { lines, sums } = await report('acme', 1_800_000_010_000, 1_800_000_020_000)
    const times = lines.slice(1, -1).map((line) => JSON.parse(JSON.parse(line).leaf).at)
    expect(times.length).toBeGreaterThan(4)
    // The last one before and the first one after frame them: so that it is seen that none is left out.
    expect(times[0] < '2027-01-15T08:00:10.000Z').toBe(true)
    expect(times.at(-1) >= '2027-01-15T08:00:20.000Z').toBe(true)
    const within = times.slice(1, -1)
    expect(within.every((at) => at >= '2027-01-15T08:00:10.000Z' && at < '2027-01-15T08:00:20.000Z')).toBe(true)
    expect(sums).toMatchObject([{ batches: within.length, records: within.length }])
    expect(verifyReport(lines, key)).toMatchObject({ ok: true, complete: true, leaves: within.length })
    await ledger.close()
  })

  test('names no other tenant, and no payload', async () => {
    const { ledger, report } = await filled(30)
    const text = (await report()).lines.join('\n')
    expect(text).toContain('acme')
    for (const secret of ['globex', 'initech', 'body of']) expect(text).not.toContain(secret)
    await ledger.close()
  })

  test('any change is told: of a leaf, a proof, the order, the head, the end', async () => {
    const { ledger, key, report } = await filled(50)
    const { lines } = await report()
    const told = (changed: readonly string[]) => verifyReport(changed, key).problems.join('; ')
    const at = 4
    const edit = (line: string, change: (entry: Record<string, unknown>) => void): string => {
      const entry = JSON.parse(line)
      change(entry)
      return JSON.stringify(entry)
    }
    const leafEdit = (from: string, to: string) =>
      lines.with(
        at,
        edit(lines[at]!, (entry) => {
          expect(entry['leaf']).toContain(from)
          entry['leaf'] = String(entry['leaf']).replace(from, to)
        }),
      )
    expect(told(leafEdit('eu-de', 'eu-nl'))).toContain('is not in the signed tree')
    expect(told(leafEdit('"records":', '"records":1'))).toContain('is not in the signed tree')
    expect(told(lines.toSpliced(at, 1))).toContain('not those that were signed')
    expect(told(lines.toSpliced(at, 0, lines[at]!))).toContain('out of order')
    expect(told(lines.with(at, lines[at + 1]!).with(at + 1, lines[at]!))).toContain('out of order')
    const edited = (n: number, change: (entry: Record<string, unknown>) => void) =>
      told(lines.with(n, edit(lines.at(n)!, change)))
    expect(edited(at, (entry) => (entry['index'] = 49))).toContain('not in the signed tree')
    expect(edited(at, (entry) => (entry['proof'] as string[]).pop())).toContain('not in the')
    expect(edited(0, (entry) => (entry['tenant'] = 'globex'))).toContain('not of this tenant')
    const later = '2028-01-01T00:00:00.000Z'
    expect(edited(0, (entry) => (entry['until'] = later))).toContain('not those that were signed')
    const smaller = (entry: Record<string, unknown>) =>
      (entry['checkpoint'] = String(entry['checkpoint']).replace('\n50\n', '\n49\n'))
    expect(edited(0, smaller)).toContain('the checkpoint was changed')
    expect(edited(-1, (entry) => (entry['leaves'] = 3))).toContain('signed with 3 leaves')
    expect(told(lines.slice(0, -1))).not.toBe('')
    expect(told([])).not.toBe('')

    const other = await filled(50)
    expect(verifyReport(lines, other.key).problems.join()).toContain('another key')
    await other.ledger.close()
    await ledger.close()
  })

  test('each bit of a report counts', async () => {
    const { ledger, key, report } = await filled(5)
    const { lines } = await report()
    const text = lines.join('\n')
    const random = seeded(7)
    for (let i = 0; i < 300; i++) {
      const bytes = Buffer.from(text)
      const place = Math.floor(random() * bytes.length)
      bytes[place]! ^= 1 << Math.floor(random() * 7)
      expect(verifyReport(bytes.toString('utf8').split('\n'), key).ok, `byte ${place}`).toBe(false)
    }
    await ledger.close()
  })
})

describe('the ledger on disk', () => {
  const change = (folder: string, edit: (leaves: Buffer[]) => Buffer[]): void => {
    const file = join(folder, 'log/entries/000000')
    const bytes = readFileSync(file)
    const leaves: Buffer[] = []
    for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16BE(at)) {
      leaves.push(bytes.subarray(at + 2, at + 2 + bytes.readUInt16BE(at)))
    }
    const framed = edit(leaves).flatMap((leaf) => [Buffer.of(leaf.length >> 8, leaf.length & 255), leaf])
    writeFileSync(file, Buffer.concat(framed))
  }

  test('is accepted as it is, and told when a leaf is changed, removed or moved', async () => {
    const edits: Record<string, (leaves: Buffer[]) => Buffer[]> = {
      changed: (leaves) => leaves.with(3, Buffer.from(leaves[3]!.toString().replace('eu-de', 'eu-nl'))),
      removed: (leaves) => leaves.toSpliced(3, 1),
      'removed at the end': (leaves) => leaves.slice(0, -1),
      moved: (leaves) => leaves.with(3, leaves[4]!).with(4, leaves[3]!),
      added: (leaves) => leaves.toSpliced(3, 0, leaves[3]!),
    }
    for (const [name, edit] of Object.entries(edits)) {
      const { folder, ledger, key } = await filled(20)
      await ledger.close()
      expect(await verifyLedger(folder, key), name).toMatchObject({ ok: true, leaves: 20, unsigned: 0 })
      change(folder, edit)
      const { ok, problems } = await verifyLedger(folder, key)
      expect(ok, name).toBe(false)
      expect(problems.join(), name).toMatch(/not those that were signed|were signed,/)
    }
  })

  test('cut back to an older state together with its checkpoints, only a checkpoint kept elsewhere tells', async () => {
    const { folder, ledger, key } = await filled(20)
    const kept = await ledger.checkpoint()
    await ledger.close()
    change(folder, (leaves) => leaves.slice(0, 2))
    writeFileSync(join(folder, 'log/checkpoints'), '')
    expect((await verifyLedger(folder, key)).ok).toBe(true)
    expect((await verifyLedger(folder, key, kept)).problems).toEqual(['20 leaves were signed, 2 are there'])
    expect((await verifyLedger(folder, key, kept.replace('20', '02'))).ok).toBe(false)
  })

  test('a batch of very many tenants takes several leaves, none too long', async () => {
    const { folder, ledger, report } = await filled(1)
    const tenants = Array.from({ length: 3000 }, (_, i) => `tenant-${i}`)
    await ledger.add(batch('wide', tenants), place, 1_800_000_000_000)
    const leaves: Leaf[] = []
    for await (const entry of ledger.entries()) leaves.push(JSON.parse(entry))
    const wide = leaves.filter(({ batch: id }) => id === 'wide')
    expect(wide.length).toBeGreaterThan(1)
    expect(wide.map(({ part }) => part)).toEqual(wide.map((_, i) => [i + 1, wide.length]))
    expect(wide.flatMap(({ held }) => held)).toHaveLength(3000)
    expect((await report('tenant-2999')).sums).toMatchObject([{ batches: 1, records: 1, region: 'eu-de' }])
    await ledger.close()
    expect(existsSync(folder)).toBe(true)
  })
})

test('the verifier shares no code with the writer', () => {
  const folder = join(import.meta.dirname, '../../src/verify')
  for (const name of readdirSync(folder)) {
    const imports = [...readFileSync(join(folder, name), 'utf8').matchAll(/from '([^']+)'/g)].map(([, from]) => from!)
    expect(imports.filter((from) => !/^(node:|\.\/|\.\.\/errors\.ts$)/.test(from))).toEqual([])
  }
})

describe('a running gateway', () => {
  const tenants = `
  acme: { residency: local, region: eu-de }
  initech: { residency: split, region: eu-de, central_purposes: [billing] }`
  const main = join(import.meta.dirname, '../../src/main.ts')
  const douane = async (...args: string[]) =>
    promisify(execFile)(process.execPath, [main, ...args]).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    )

  test('writes down every batch that a destination took, with the hash of its bytes', async () => {
    const [home, central] = [await startStore(), await startStore()]
    home.status = 503
    const files = { 'config.yaml': config(home.url, central.url), 'residency.yaml': policy(tenants) }
    const one = await startGateway(files)
    for (let i = 0; i < 5; i++) await one.send('acme', ['auth.login', 'export.docx'])
    await one.send('initech', ['auth.login', 'export.docx'])
    await until(() => central.records().length === 1)
    home.status = 200
    await until(() => home.records().length === 12)
    await until(() => one.gateway.status().total.in_flight === 0)
    await one.stop()

    const ledger = await Ledger.open(join(one.dataDir, 'ledger'))
    const leaves: Leaf[] = []
    for await (const entry of ledger.entries()) leaves.push(JSON.parse(entry))
    await ledger.close()
    for (const [store, region] of [
      [home, 'eu-de'],
      [central, 'eu-nl'],
    ] as const) {
      const there = leaves.filter((leaf) => leaf.region === region)
      expect(there.map(({ batch: id, sha256, bytes }) => ({ id, sha256, bytes })).toSorted(byId)).toEqual(
        store.requests
          .map(({ batch: id, bytes }) => ({
            id,
            sha256: createHash('sha256').update(bytes).digest('hex'),
            bytes: bytes.length,
          }))
          .toSorted(byId),
      )
    }

    const file = join(one.folder, 'report.jsonl')
    const data = ['--data-dir', one.dataDir]
    const table = await douane(
      'residency',
      'report',
      '--tenant',
      'initech',
      '--out',
      file,
      '--format',
      'table',
      ...data,
    )
    expect(table.stdout).toMatch(/eu-nl\s*│ otlp_http\/central\s*│ billing\s*│ drop/)
    expect(table.stdout).toMatch(/eu-de\s*│ otlp_http\/home\s*│ security\s*│ encrypt/)
    const key = /ed25519:\S+/.exec(table.stderr)![0]
    expect((await douane('residency', 'verify', file, '--trust', key)).code).toBe(0)
    expect((await douane('residency', 'verify', ...data)).code).toBe(0)
    writeFileSync(file, readFileSync(file, 'utf8').replace('eu-nl', 'eu-de'))
    const broken = await douane('residency', 'verify', file, '--trust', key)
    expect(broken.code).toBe(1)
    expect(JSON.parse(broken.stdout).ok).toBe(false)
    expect((await douane('residency', 'report', '--tenant', 'x', '--data-dir', one.folder)).code).toBe(3)
  })

  test('keeps no ledger where it is switched off, and starts one on reload', async () => {
    const [home, central] = [await startStore(), await startStore()]
    const off = config(home.url, central.url, '  ledger: { enabled: false }')
    const one = await startGateway({ 'config.yaml': off, 'residency.yaml': policy(tenants) })
    await one.send('acme', ['auth.login'])
    await until(() => home.records().length === 1)
    expect(existsSync(join(one.dataDir, 'ledger'))).toBe(false)
    one.write('config.yaml', config(home.url, central.url))
    await one.gateway.reload()
    await one.send('acme', ['auth.login'])
    await until(() => one.gateway.status().total.stored === 2)
    await one.stop()
    const ledger = await Ledger.open(join(one.dataDir, 'ledger'))
    expect(ledger.size).toBe(1)
    await ledger.close()
  })
})

const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1)
