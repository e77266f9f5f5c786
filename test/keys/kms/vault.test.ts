/** The Vault provider against a labelled stand-in of the Transit engine, over TLS; faults of the server and the way. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type VaultOptions, vaultProvider } from '../../../src/keys/kms/vault.ts'
import { freshFolder } from '../support.ts'
import { expectProvider } from './contract.ts'
import { type StandIn, standInToken, startStandIn } from './vault_stand_in.ts'

function optionsFor(server: StandIn, more: Partial<VaultOptions> = {}): VaultOptions {
  const folder = freshFolder()
  writeFileSync(join(folder, 'ca.pem'), server.ca)
  writeFileSync(join(folder, 'token'), `${standInToken}\n`)
  return {
    address: server.address,
    key: 'douane',
    mount: 'transit',
    tokenFile: join(folder, 'token'),
    caFile: join(folder, 'ca.pem'),
    timeoutMs: 20_000,
    ...more,
  }
}

describe('Vault and OpenBao (stand-in)', () => {
  test('wraps and unwraps, bound to its context', async () => {
    const options = optionsFor(await startStandIn())
    await expectProvider(vaultProvider('main', options), async () => vaultProvider('main', options))
  })

  test('opens what an older version of the key wrapped', async () => {
    const server = await startStandIn()
    const provider = vaultProvider('main', optionsFor(server))
    const before = await provider.wrap(Buffer.from('before'), 'c')
    server.rotate()
    const after = await provider.wrap(Buffer.from('after'), 'c')
    expect(Buffer.from(after).toString()).toMatch(/^vault:v2:/)
    expect((await provider.unwrap(before, 'c')).toString()).toBe('before')
    expect((await provider.unwrap(after, 'c')).toString()).toBe('after')
  })

  test('asks in its namespace, with a token that may be renewed in its file', async () => {
    const server = await startStandIn()
    const options = optionsFor(server, { namespace: 'team-a' })
    const provider = vaultProvider('main', options)
    writeFileSync(options.tokenFile!, 'expired')
    await expect(provider.wrap(Buffer.from('x'), 'c')).rejects.toMatchObject({
      message: 'the key provider main refuses (403): its token may not use transit/encrypt/douane',
      fix: expect.stringContaining('path "transit/encrypt/douane" { capabilities = ["update"] }'),
    })
    writeFileSync(options.tokenFile!, standInToken)
    await provider.wrap(Buffer.from('x'), 'c')
    expect(server.requests.at(-1)).toEqual({ url: '/v1/transit/encrypt/douane', namespace: 'team-a' })
  })

  test('a server that is busy, restarting or cut off is asked again', async () => {
    const server = await startStandIn()
    const provider = vaultProvider('main', optionsFor(server))
    const wrapped = await provider.wrap(Buffer.from('x'), 'c')
    server.faults.push(500, 'cut')
    expect((await provider.unwrap(wrapped, 'c')).toString()).toBe('x')
    server.faults.push(429, 412, 502)
    await expect(provider.unwrap(wrapped, 'c')).rejects.toThrow('refuses (502)')
  })

  test('each failure names its cause and what to do, and nothing of what was sent', async () => {
    const server = await startStandIn()
    const secret = Buffer.from('the secret half of a key')
    const failure = async (more: Partial<VaultOptions>, fault?: StandIn['faults'][number]) => {
      if (fault !== undefined) server.faults.push(fault)
      const error = await vaultProvider('main', optionsFor(server, more))
        .wrap(secret, 'c')
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'key' })
      const { message, fix = '' } = error as { message: string; fix?: string }
      for (const text of [message, fix]) expect(text).not.toMatch(/secret half|hvs\./)
      return `${message}. ${fix}`
    }
    const silent = await startStandIn()
    silent.faults.push('silence')
    const waiting = vaultProvider('main', optionsFor(silent, { timeoutMs: 300 })).wrap(secret, 'c')
    await expect(waiting).rejects.toMatchObject({
      message: 'the key provider main did not answer within 300 ms',
      fix: 'Try it: douane keys providers',
    })
    expect(await failure({}, 503)).toMatch(/sealed or starting\. Run: vault operator unseal/)
    expect(await failure({ mount: 'other' })).toMatch(
      /no Transit engine at other\. Run: vault secrets enable -path=other/,
    )
    expect(await failure({ key: 'gone' })).toMatch(/no key gone\. Run: vault write -f transit\/keys\/gone type=/)
    expect(await failure({ caFile: undefined })).toMatch(/cannot be reached \(.*(CERT|SIGNATURE).*\)\. Name the CA/)
    expect(await failure({ tokenFile: '/no/such/token' })).toMatch(/cannot be read from \/no\/such\/token \(ENOENT\)/)
    expect(await failure({ tokenFile: undefined })).toMatch(/has no token\. Set VAULT_TOKEN/)
    await server.stop()
    expect(await failure({})).toMatch(/cannot be reached \(ECONNREFUSED\)\. Check/)
  })
})
