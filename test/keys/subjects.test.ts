import { randomFillSync } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { KeyError } from '../../src/errors.ts'
import { eraseSubject, findSubject, type Person, readmitSubject } from '../../src/keys/erasure.ts'
import { initKeys } from '../../src/keys/operations.ts'
import { isSignedBy } from '../../src/keys/signature.ts'
import { sodiumReady } from '../../src/keys/sodium_heap.ts'
import { rowBytes, rowsPath } from '../../src/keys/subject_rows.ts'
import { SubjectSecrets } from '../../src/keys/subject_secrets.ts'
import { KnownSubject, SubjectKeys, type SubjectOptions } from '../../src/keys/subjects.ts'
import { limits } from '../../src/limits.ts'
import { freshFolder, keptLog, noonMs } from './support.ts'

beforeAll(() => sodiumReady)

const anna: Person = { tenant: 'acme', id: 'anna@example.org' }

function opened(dir: string, options: Partial<SubjectOptions> = {}) {
  const clock = { ms: noonMs }
  const log = keptLog()
  const base = { dir, worker: 'w', nowMs: () => clock.ms, random: (buffer: Buffer) => void randomFillSync(buffer), log }
  const subjects = new SubjectKeys({ ...base, ...options })
  let isOpen = true
  const close = () => {
    if (isOpen) subjects.close()
    isOpen = false
  }
  onTestFinished(close)
  const secret = ({ tenant, id }: Person): string => {
    const subject = subjects.of(tenant, id)
    if (!(subject instanceof KnownSubject)) throw new Error('keys could not be had')
    return subjects.secretOf(subject).toString('hex')
  }
  return { subjects, clock, log, secret, close, state: ({ tenant, id }: Person) => subjects.of(tenant, id).state }
}

async function erasing(dir: string, change = eraseSubject, person = anna) {
  const { holder } = await initKeys(dir, noonMs)
  const { signer } = holder
  return await change(person, { dir, signer, keysFolders: [dir], reason: 'ticket 4711', nowMs: noonMs })
}

describe('a person has one secret, for good', () => {
  test('within a run, over restarts, after the cache forgot it; never the same as anybody else', () => {
    const dir = freshFolder()
    const first = opened(dir)
    const people: Person[] = [
      anna,
      { tenant: 'globex', id: anna.id },
      { tenant: 'acme', id: '' },
      { tenant: '', id: 'acme' },
    ]
    const secrets = people.map(first.secret)
    expect(new Set(secrets).size).toBe(people.length)
    expect(people.map(first.secret)).toEqual(secrets)
    first.clock.ms += limits.subjectCachedMsMax
    expect(people.map(first.secret)).toEqual(secrets)
    first.close()
    const second = opened(dir)
    expect(people.map(second.secret)).toEqual(secrets)
    expect(second.subjects.of(anna.tenant, anna.id).ref).toMatch(/^[\w-]{22}$/)
  })

  test('the cache holds no more than its bound; handles of one request stay good beyond it', () => {
    const { subjects } = opened(freshFolder())
    const handles = Array.from({ length: limits.subjectsCachedMax + 500 }, (_, i) => subjects.of('acme', `p${i}`))
    expect(subjects.cached).toBe(limits.subjectsCachedMax)
    const early = handles[3] as KnownSubject
    expect(early.secret.length).toBe(0)
    const secret = subjects.secretOf(early).toString('hex')
    expect(secret).not.toBe('0'.repeat(64))
    expect(subjects.secretOf(subjects.of('acme', 'p3') as KnownSubject).toString('hex')).toBe(secret)
  })

  test('rows are on disk before a secret is given out, and hold neither ids nor secrets', () => {
    const dir = freshFolder()
    const { subjects, secret } = opened(dir)
    subjects.of(anna.tenant, anna.id)
    expect(readFileSync(rowsPath(dir, 'w')).length).toBe(0)
    const known = secret(anna)
    const rows = readFileSync(rowsPath(dir, 'w'))
    expect(rows.length).toBe(rowBytes)
    expect(rows.toString('latin1')).not.toContain('anna')
    expect(rows.toString('hex')).not.toContain(known)
  })

  test('over the quota of a tenant, people have none; other tenants do', () => {
    const dir = freshFolder()
    const first = opened(dir, { perTenantMax: 2 })
    expect(['a', 'b', 'c', 'a'].map((id) => first.state({ tenant: 'acme', id }))).toEqual([
      'live',
      'live',
      'over_quota',
      'live',
    ])
    expect(first.state({ tenant: 'globex', id: 'c' })).toBe('live')
    first.subjects.flush()
    first.close()
    expect(opened(dir, { perTenantMax: 2 }).state({ tenant: 'acme', id: 'd' })).toBe('over_quota')
  })
})

describe('an erased person', () => {
  test('is gone at once on the decrypt side, within a second in a running gateway, and stays so', async () => {
    const dir = freshFolder()
    const gateway = opened(dir)
    const secret = gateway.secret(anna)
    const other = { tenant: 'acme', id: 'bert' }
    const otherSecret = gateway.secret(other)
    const { ref } = gateway.subjects.of(anna.tenant, anna.id)
    const refBytes = Buffer.from(ref, 'base64url')
    expect((await SubjectSecrets.open([dir])).find('acme', refBytes)).toEqual(Buffer.from(secret, 'hex'))
    expect(findSubject([dir], anna)).toMatchObject([{ ref, state: 'live', madeMs: noonMs }])
    const receipts = await erasing(dir)
    expect(receipts).toMatchObject([
      { format: 'douane-subject-erased/1', tenant: 'acme', refs: [ref], reason: 'ticket 4711' },
    ])
    const { holder } = await initKeys(dir, noonMs)
    expect(isSignedBy(receipts[0]!, holder.signer.publicKey)).toBe(true)
    expect((await SubjectSecrets.open([dir])).find('acme', refBytes)).toBe('destroyed')
    expect(findSubject([dir], anna)).toMatchObject([{ ref, state: 'erased' }])
    const handle = gateway.subjects.of(anna.tenant, anna.id) as KnownSubject
    gateway.clock.ms += limits.keyStoreLookMs
    expect(gateway.state(anna)).toBe('erased')
    expect(handle.secret.length).toBe(0)
    expect(() => gateway.subjects.secretOf(handle)).toThrow(KeyError)
    expect(gateway.secret(other)).toBe(otherSecret)
    gateway.close()
    expect(opened(dir).state(anna)).toBe('erased')
  })

  test('is not revived by a row that was made meanwhile, nor by a restored backup', async () => {
    const dir = freshFolder()
    const gateway = opened(dir)
    await erasing(dir)
    const late = gateway.secret(anna)
    expect(late).toHaveLength(64)
    gateway.clock.ms += limits.keyStoreLookMs
    expect(gateway.state(anna)).toBe('erased')
    const before = readFileSync(rowsPath(dir, 'w'))
    expect(before.length).toBe(rowBytes)
    expect(findSubject([dir], anna)).toMatchObject([{ state: 'erased' }])
    gateway.close()
    const backup = freshFolder()
    const second = opened(backup)
    second.secret(anna)
    second.close()
    const rows = readFileSync(rowsPath(backup, 'w'))
    await erasing(backup)
    writeFileSync(rowsPath(backup, 'w'), rows)
    const restored = opened(backup)
    expect(restored.state(anna)).toBe('erased')
    expect(readFileSync(rowsPath(backup, 'w')).subarray(64, 124)).toEqual(Buffer.alloc(60))
  })

  test('who was never met is not sealed for later', async () => {
    const dir = freshFolder()
    expect(await erasing(dir)).toMatchObject([{ refs: [] }])
    expect(opened(dir).state(anna)).toBe('erased')
  })

  test('can be readmitted: a new secret, while the old one stays destroyed, also when its row comes back', async () => {
    const dir = freshFolder()
    const first = opened(dir)
    const old = first.secret(anna)
    const oldRef = Buffer.from(first.subjects.of(anna.tenant, anna.id).ref, 'base64url')
    first.close()
    const rows = readFileSync(rowsPath(dir, 'w'))
    await erasing(dir)
    await erasing(dir, readmitSubject)
    writeFileSync(rowsPath(dir, 'w'), rows)
    const second = opened(dir)
    expect(second.secret(anna)).not.toBe(old)
    expect((await SubjectSecrets.open([dir])).find('acme', oldRef)).toBe('destroyed')
  })
})

describe('failures end in no key', () => {
  test('a row that was changed, or given to another tenant', async () => {
    const dir = freshFolder()
    const first = opened(dir)
    first.secret(anna)
    const ref = Buffer.from(first.subjects.of(anna.tenant, anna.id).ref, 'base64url')
    first.close()
    const secrets = await SubjectSecrets.open([dir])
    expect(() => secrets.find('globex', ref)).toThrow(KeyError)
    const path = rowsPath(dir, 'w')
    const rows = readFileSync(path)
    for (let byte = 0; byte < rowBytes; byte += 7) {
      const changed = Buffer.from(rows)
      changed[byte]! ^= 1
      writeFileSync(path, changed)
      expect((await SubjectSecrets.open([dir])).find('acme', ref)).toBe('unknown')
    }
  })

  test('a cut row is removed at the next start; those before it stay', () => {
    const dir = freshFolder()
    const first = opened(dir)
    const secret = first.secret(anna)
    first.secret({ tenant: 'acme', id: 'bert' })
    first.close()
    const path = rowsPath(dir, 'w')
    writeFileSync(path, readFileSync(path).subarray(0, rowBytes + 40))
    const second = opened(dir)
    expect(second.secret(anna)).toBe(secret)
    second.secret({ tenant: 'acme', id: 'carl' })
    expect(readFileSync(path).length).toBe(2 * rowBytes)
  })

  test('a file that was removed or replaced under the gateway: nobody has a key until it is back', () => {
    const dir = freshFolder()
    const { subjects, clock, secret, state } = opened(dir)
    secret(anna)
    const handle = subjects.of('acme', 'bert') as KnownSubject
    renameSync(join(dir, 'subjects'), join(dir, 'away'))
    expect(() => subjects.secretOf(handle)).toThrow(/removed or replaced/)
    clock.ms += limits.keyStoreLookMs
    expect(state(anna)).toBe('failed')
    rmSync(join(dir, 'subjects'), { recursive: true, force: true })
    renameSync(join(dir, 'away'), join(dir, 'subjects'))
    clock.ms += limits.keyStoreLookMs
    expect(state(anna)).toBe('live')
    expect(subjects.secretOf(handle)).toHaveLength(32)
  })

  test('the root of the keys is gone while rows are there: told, not made anew', () => {
    const dir = freshFolder()
    opened(dir).close()
    rmSync(join(dir, 'subjects.json'))
    expect(() => opened(dir)).toThrow(/subjects.json is missing/)
    expect(readdirSync(dir)).not.toContain('subjects.json')
  })
})
