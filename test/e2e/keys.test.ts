/** A decrypt side and two gateways, as processes: the gateways seal to its bundle, it reads what both sealed. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decrypted, decryptSide, environment, gatewayOf, type Side, tell, use, written } from './decrypt_side.ts'
import { cleanUp, temporaryFolder } from './gateway.ts'
import { jsonHere, runHere } from './here.ts'

let side: Side
beforeAll(async () => {
  side = await decryptSide()
})
afterAll(cleanUp)

describe('a decrypt side and two gateways', () => {
  it('agree: the gateways hold no private key, the decrypt side reads both, and each reading is on record', async () => {
    const both = await Promise.all([gatewayOf(side), gatewayOf(side)])
    const answers = await Promise.all(both.map(({ running }, n) => tell(running, `words of gateway ${n}`)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    const texts = await Promise.all(both.map(({ out }) => written(out)))
    for (const text of texts) {
      expect(text).toContain('cose:')
      expect(text).not.toContain('words of')
    }
    await Promise.all(both.map(({ running }) => running.stop()))
    const names = both.flatMap(({ keys }) => readdirSync(keys))
    expect(names.filter((name) => /^(recipients|authority|local-kms)/.test(name))).toEqual([])

    const opened = await decrypted(
      side,
      texts.join(''),
      both.map(({ keys }) => keys),
    )
    expect(opened.stdout).toContain('words of gateway 0')
    expect(opened.stdout).toContain('words of gateway 1')
    const entries = await jsonHere(['keys', 'audit', 'show', '--data-dir', side.dir])
    expect(entries).toMatchObject([
      { action: 'decrypt', reason: 'ticket 4711', what: [{ tenant: 'acme', field: 'log.body' }] },
      { action: 'decrypt', reason: 'ticket 4711', what: [{ tenant: 'acme', field: 'log.body' }] },
    ])
    expect(JSON.stringify(entries)).not.toContain('words of')
    expect(await jsonHere(['keys', 'audit', 'verify', '--data-dir', side.dir])).toMatchObject([
      { ok: true, entries: 2 },
    ])

    const withoutReason = await runHere(['decrypt', '--data-dir', side.dir])
    expect([withoutReason.code, withoutReason.stdout]).toEqual([2, ''])
    const wrong = { DOUANE_KEYS_PASSPHRASE: 'wrong' }
    const closed = await decrypted(side, texts[0]!, [both[0]!.keys], wrong)
    expect([closed.code, closed.stdout]).toEqual([3, ''])
    expect(closed.stderr).toMatch(/passphrase does not open.*DOUANE_KEYS_PASSPHRASE/s)
  })
})

describe('what a key holder gets wrong is told with what to do', () => {
  const keys = (...args: string[]) => runHere(['keys', ...args], environment)

  it('a folder that is no keys folder of a gateway, or one above it', async () => {
    const away = join(temporaryFolder(), 'away')
    const missing = await decrypted(side, '{}\n', [away])
    expect([missing.code, missing.stdout]).toEqual([2, ''])
    expect(missing.stderr).toContain('It takes the keys folder of a gateway: DATA_DIRECTORY/keys.')
    const above = await decrypted(side, '{}\n', [side.dir])
    expect(above.code).toBe(2)
    expect(above.stderr).toContain(`The keys are in ${join(side.dir, 'keys')}.`)
  })

  it('keys of a gateway that seals to a bundle are not made there', async () => {
    const { running, folder } = await gatewayOf(side)
    await running.stop()
    const { code, stderr } = await keys('list', '--data-dir', join(folder, 'state'))
    expect(code).toBe(3)
    expect(stderr).toContain('this gateway seals to a bundle')
    expect(stderr).toContain('Run it on the decrypt side')
  })

  it('what is destroyed has to be said, and is all of what was said', async () => {
    const dir = temporaryFolder()
    const place = ['--data-dir', dir]
    await keys('init', ...use, '--periods', '2', ...place)
    const nothing = await keys('destroy', '--reason', 'r', '--yes', ...place)
    expect(nothing.code).toBe(1)
    expect(nothing.stderr).toContain('which keys?')
    // Of acme nothing is expired: what is expired of acme is nothing.
    const both = await keys('destroy', '--expired', '--tenant', 'acme', '--reason', 'r', '--yes', ...place)
    expect([both.code, both.stdout]).toEqual([0, ''])
    const excepted = await keys(
      'destroy',
      '--tenant',
      'acme',
      '--except-tenant',
      'acme',
      '--reason',
      'r',
      '--yes',
      ...place,
    )
    expect([excepted.code, excepted.stdout]).toEqual([0, ''])
    const listed = await jsonHere(['keys', 'list', ...place])
    expect(listed.map(({ state }) => state)).toEqual(['in use', 'ahead'])
    const { stdout } = await keys('destroy', '--tenant', 'acme', '--reason', 'r', '--yes', ...place)
    expect(stdout.trim().split('\n')).toHaveLength(2)
  })
})
