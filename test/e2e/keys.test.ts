/** A decrypt side and two gateways, as processes: the gateways seal to its bundle, it reads what both sealed. */
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decrypted, decryptSide, gatewayOf, type Side, tell, written } from './decrypt_side.ts'
import { cleanUp } from './gateway.ts'
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
