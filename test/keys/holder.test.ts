/** The decrypt side and its gateways: keys made ahead, signed bundles, rotation, destruction, checks. */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { verifyAccessLog } from '../../src/keys/audit.ts'
import { BundleRecipients, exportBundle, openBundle } from '../../src/keys/bundle.ts'
import { openHashKeys, rotateHashKeys } from '../../src/keys/hash_keys.ts'
import {
  checkKeys,
  destroyKeys,
  initKeys,
  type KeyHolder,
  listKeys,
  makeAhead,
  rotateKey,
} from '../../src/keys/operations.ts'
import { isSignedBy } from '../../src/keys/signature.ts'
import { parseToken } from '../../src/keys/token_reader.ts'
import { limits } from '../../src/limits.ts'
import { acme, decryptRows, freshFolder, noonMs, testSealer, text } from './support.ts'

const dayMs = 86_400_000
const use = { tenant: 'acme', region: 'eu-de', retention: '1mo' }

async function holderAndBundle(
  periods = 3,
): Promise<{ holder: KeyHolder; trust: string; path: string; export: (expiresMs?: number) => void }> {
  const dir = freshFolder()
  const { holder, trust } = await initKeys(dir, noonMs)
  await makeAhead(holder, use, periods, noonMs)
  const path = join(dir, 'bundle.json')
  const write = (expiresMs = noonMs + 30 * dayMs) => {
    writeFileSync(path, JSON.stringify(exportBundle(dir, holder.folder, holder.signer, { nowMs: noonMs, expiresMs })))
  }
  write()
  return { holder, trust, path, export: write }
}
const gateway = (path: string, trust: string) => gatewayAt(freshFolder(), path, trust)
async function gatewayAt(dir: string, path: string, trust: string) {
  const recipients = new BundleRecipients({ path, trust, dir })
  const opened = { dir, recipients, ...(await testSealer(dir, { recipients })) }
  recipients.check(noonMs)
  return opened
}

describe('gateways with a bundle', () => {
  test('two gateways and one decrypt side agree, and no gateway holds a private key', async () => {
    const { holder, trust, path } = await holderAndBundle()
    const [one, two] = [await gateway(path, trust), await gateway(path, trust)]
    const rows = [one, two].map(({ sealer }, n) => ({
      tenant: 'acme',
      body: sealer.seal(text(`from ${n}`), acme, 'log.body'),
    }))
    const opened = await decryptRows(holder.dir, rows, { gateways: [one.dir, two.dir] })
    expect(opened.rows.map(({ body }) => body)).toEqual(['from 0', 'from 1'])
    const files = readdirSync(one.dir, { recursive: true, encoding: 'utf8' })
    expect(files.filter((name) => /recipients|authority|kms/.test(name))).toEqual([])
    expect((await decryptRows(holder.dir, rows)).counts).toMatchObject({ opened: 0, unknown: 2 })
    expect(await checkKeys(holder, [one.dir, two.dir])).toEqual({ opened: 2, destroyed: 0, missing: 0, damaged: 0 })
  })

  test('a missing, unsigned, foreign, changed, expired or older bundle seals nothing, and says what to do', async () => {
    const { trust, path, export: exportAgain } = await holderAndBundle()
    const stranger = await holderAndBundle()
    const whole = readFileSync(path, 'utf8')
    const bundle = JSON.parse(whole)
    const seal = async (content: string | undefined, pin = trust, nowMs = noonMs): Promise<string> => {
      const file = join(freshFolder(), 'bundle.json')
      if (content !== undefined) writeFileSync(file, content)
      const dir = freshFolder()
      const recipients = new BundleRecipients({ path: file, trust: pin, dir })
      const { sealer, clock } = await testSealer(dir, { recipients })
      clock.ms = nowMs
      return sealer.seal(text('x'), acme, 'log.body')
    }
    expect(await seal(whole)).toMatch(/^cose:/)
    await expect(seal(undefined)).rejects.toThrow(/cannot read/)
    await expect(seal(JSON.stringify({ ...bundle, signature: undefined }))).rejects.toThrow(/not signed by the pinned/)
    await expect(seal(readFileSync(stranger.path, 'utf8'))).rejects.toThrow(/not signed by the pinned/)
    await expect(seal(whole, 'ed25519:short')).rejects.toThrow(/43 characters/)
    const swapped = { ...bundle, keys: JSON.parse(readFileSync(stranger.path, 'utf8')).keys }
    await expect(seal(JSON.stringify(swapped))).rejects.toThrow(/not signed by the pinned/)
    await expect(seal(whole.slice(0, 100))).rejects.toThrow(/damaged/)
    await expect(seal(whole, trust, noonMs + 31 * dayMs)).rejects.toThrow(/expired/)
    exportAgain()
    const newer = await gateway(path, trust)
    newer.sealer.seal(text('x'), acme, 'log.body')
    writeFileSync(path, whole)
    expect(() => newer.recipients.check(newer.clock.ms)).toThrow(/older than 2/)
    await expect(gatewayAt(newer.dir, path, trust)).rejects.toThrow(/older than 2/)
  })

  test('a bad bundle in the place of a good one leaves that in force, until it expires', async () => {
    const { trust, path, export: exportAgain } = await holderAndBundle()
    exportAgain(noonMs + 2 * limits.epochAgeMsMax + 1000)
    const { sealer, clock, recipients } = await gateway(path, trust)
    sealer.seal(text('x'), acme, 'log.body')
    for (const bad of ['', '{}', readFileSync(path, 'utf8').replace('acme', 'evil')]) {
      writeFileSync(path, bad)
      expect(() => recipients.check(clock.ms)).toThrow(/damaged|not signed/)
    }
    clock.ms += limits.epochAgeMsMax
    expect(sealer.seal(text('x'), acme, 'log.body')).toMatch(/^cose:/)
    clock.ms += limits.epochAgeMsMax + 1000
    expect(() => sealer.seal(text('x'), acme, 'log.body')).toThrow(/not signed/)
  })

  test('a key that was rotated out ends its epoch within a second, without a refusal', async () => {
    const { holder, trust, path, export: exportAgain } = await holderAndBundle()
    const { dir, sealer, clock, recipients } = await gateway(path, trust)
    const recipientOf = (token: string) => {
      const records = readFileSync(join(dir, 'epochs', readdirSync(join(dir, 'epochs'))[0]!), 'utf8')
        .trim()
        .split('\n')
      const kid = parseToken(token)!.kid.toString('base64url')
      return records.map((line) => JSON.parse(line)).find((one) => one.kid === kid).recipient as string
    }
    const first = recipientOf(sealer.seal(text('x'), acme, 'log.body'))
    const id = await rotateKey(holder, use, noonMs)
    exportAgain()
    recipients.check(clock.ms)
    clock.ms += limits.keyStoreLookMs
    const second = recipientOf(sealer.seal(text('x'), acme, 'log.body'))
    expect([first.slice(-2), second]).toEqual(['-1', id])
  })

  test('a tenant, or a period, without a key is refused; a new bundle is taken in without a restart', async () => {
    const { holder, trust, path, export: exportAgain } = await holderAndBundle()
    const { sealer, clock } = await gateway(path, trust)
    expect(() => sealer.seal(text('x'), { ...acme, tenant: 'globex' }, 'log.body')).toThrow(/no key for this tenant/)
    await makeAhead(holder, { ...use, tenant: 'globex' }, 1, noonMs)
    exportAgain()
    clock.ms += limits.keyRetryMs
    expect(sealer.seal(text('x'), { ...acme, tenant: 'globex' }, 'log.body')).toMatch(/^cose:/)
    clock.ms += dayMs
    expect(() => sealer.seal(text('x'), { ...acme, tenant: 'globex' }, 'log.body')).toThrow(/2026-11-22/)
    expect(sealer.seal(text('x'), acme, 'log.body')).toMatch(/^cose:/)
  })

  test('an epoch ends with its bundle', async () => {
    const { trust, path, export: exportAgain } = await holderAndBundle()
    exportAgain(noonMs + 1000)
    const { sealer, clock } = await gateway(path, trust)
    sealer.seal(text('x'), acme, 'log.body')
    clock.ms += 1000
    expect(() => sealer.seal(text('x'), acme, 'log.body')).toThrow(/expired/)
  })

  test('a bundle says who signed it', async () => {
    const { trust, path } = await holderAndBundle()
    expect(openBundle(readFileSync(path, 'utf8'), trust, noonMs)).toMatchObject({ version: 1, keys: { length: 3 } })
  })
})

describe('rotation', () => {
  test('a rotated key is used from the next epoch on; what was sealed before still opens', async () => {
    const dir = freshFolder()
    const { holder } = await initKeys(dir, noonMs)
    const { sealer, clock } = await testSealer(dir)
    const before = sealer.seal(text('before'), acme, 'log.body')
    const id = await rotateKey(holder, use, noonMs)
    expect(id).toMatch(/-2$/)
    clock.ms += limits.epochAgeMsMax
    const after = sealer.seal(text('after'), acme, 'log.body')
    const { rows } = await decryptRows(dir, [{ body: before }, { body: after }])
    expect(rows.map(({ body }) => body)).toEqual(['before', 'after'])
    // The older one opens what it sealed.
    expect(listKeys(holder, noonMs).map(({ state }) => state)).toEqual(['replaced', 'in use'])
  })

  test('hash keys: another id after a rotation, the old one is kept for looking up', () => {
    const dir = freshFolder()
    const keys = () => openHashKeys({ dir, nowMs: () => noonMs })
    const before = keys().current('acme')
    expect(before.id).toMatch(/^[0-9a-f]{8}$/)
    expect(before.key).toHaveLength(32)
    expect(keys().current('acme')).toEqual(before)
    expect(keys().current('globex').key).not.toEqual(before.key)
    expect(keys().current('globex').id).not.toBe(before.id)
    rotateHashKeys(dir, noonMs)
    expect(keys().current('acme').id).not.toBe(before.id)
    expect(
      keys()
        .all('acme')
        .map(({ id }) => id),
    ).toEqual([keys().current('acme').id, before.id])
  })
})

describe('destruction', () => {
  test('makes a period unreadable, leaves a signed receipt and an entry in the access log, spares the others', async () => {
    const dir = freshFolder()
    const { holder } = await initKeys(dir, noonMs)
    const { sealer, clock } = await testSealer(dir)
    const monday = sealer.seal(text('day one'), acme, 'log.body')
    clock.ms += dayMs
    const tuesday = sealer.seal(text('day two'), acme, 'log.body')
    const [first] = listKeys(holder, clock.ms)
    const [receipt] = await destroyKeys(holder, [first!], { reason: 'retention is over' }, clock.ms)
    expect(receipt).toMatchObject({ id: first!.id, tenant: 'acme', period: '2026-11-21', reason: 'retention is over' })
    expect(isSignedBy(receipt!, holder.signer.publicKey)).toBe(true)
    expect(isSignedBy({ ...receipt!, tenant: 'globex' } as typeof receipt & object, holder.signer.publicKey)).toBe(
      false,
    )
    const { rows, counts } = await decryptRows(dir, [{ body: monday }, { body: tuesday }])
    expect(rows.map(({ body }) => body)).toEqual([monday, 'day two'])
    expect(counts).toMatchObject({ destroyed: 1, opened: 1 })
    expect(await verifyAccessLog(dir)).toMatchObject({ ok: true, entries: 2 })
    expect(listKeys(holder, clock.ms).map(({ state }) => state)).toEqual(['destroyed', 'in use'])
  })

  test('the private half is gone from the folder, and putting the file back does not revive it', async () => {
    const dir = freshFolder()
    const { holder } = await initKeys(dir, noonMs)
    const { sealer, clock } = await testSealer(dir)
    const token = sealer.seal(text('x'), acme, 'log.body')
    const folder = join(dir, 'recipients/2026-11-21')
    const name = readdirSync(folder)[0]!
    const backup = readFileSync(join(folder, name))
    await destroyKeys(holder, listKeys(holder, noonMs), { reason: 'gone' }, noonMs)
    expect(readdirSync(folder)).toEqual([name.replace('.json', '.destroyed.json')])
    writeFileSync(join(folder, name), backup, { mode: 0o600 })
    expect((await decryptRows(dir, [{ body: token }])).counts.destroyed).toBe(1)
    clock.ms += limits.epochAgeMsMax
    expect(() => sealer.seal(text('late'), acme, 'log.body')).toThrow(/was destroyed/)
    await rotateKey(holder, use, noonMs)
    clock.ms += limits.keyRetryMs
    expect(sealer.seal(text('after'), acme, 'log.body')).toMatch(/^cose:/)
  })

  test('needs a reason', async () => {
    const { holder } = await initKeys(freshFolder(), noonMs)
    await expect(destroyKeys(holder, [], { reason: ' ' }, noonMs)).rejects.toThrow(/reason/)
  })

  test('files of the key store go a month after all their keys were destroyed', async () => {
    const dir = freshFolder()
    const { holder } = await initKeys(dir, noonMs)
    const { sealer, clock } = await testSealer(dir)
    sealer.seal(text('x'), acme, 'log.body')
    clock.ms += dayMs
    sealer.seal(text('x'), acme, 'log.body')
    const days = () => readdirSync(join(dir, 'epochs')).map((name) => name.slice(0, 10))
    await destroyKeys(holder, listKeys(holder, clock.ms).slice(0, 1), { reason: 'all' }, clock.ms)
    await destroyKeys(holder, [], { reason: 'nightly' }, clock.ms + 29 * dayMs)
    expect(days()).toEqual(['2026-11-21', '2026-11-22'])
    await destroyKeys(holder, [], { reason: 'nightly' }, clock.ms + 31 * dayMs)
    expect(days()).toEqual(['2026-11-22'])
  })
})

describe('checks and periods', () => {
  test('a damaged or lost key shows in the check', async () => {
    const dir = freshFolder()
    const { holder } = await initKeys(dir, noonMs)
    const { sealer } = await testSealer(dir)
    sealer.seal(text('x'), acme, 'log.body')
    sealer.close()
    const file = join(dir, 'epochs', readdirSync(join(dir, 'epochs'))[0]!)
    const record = JSON.parse(readFileSync(file, 'utf8'))
    appendFileSync(file, `${JSON.stringify({ ...record, purpose: 'billing' })}\nnonsense\n`)
    appendFileSync(file, `${JSON.stringify({ ...record, recipient: `${'0'.repeat(32)}-1` })}\n`)
    expect(await checkKeys(holder)).toEqual({ opened: 1, destroyed: 0, missing: 1, damaged: 2 })
  })

  test('a stray file in the folder of keys is not taken for one', async () => {
    const dir = freshFolder()
    const { holder } = await initKeys(dir, noonMs)
    mkdirSync(join(dir, 'recipients/2026-11-21'), { recursive: true })
    writeFileSync(join(dir, 'recipients/2026-11-21/note.txt'), 'x')
    expect(listKeys(holder, noonMs)).toEqual([])
  })
})
