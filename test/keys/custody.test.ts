/** Private keys in the custody of a provider: made, listed, opened, handed over; and what happens while it is away. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { readProviders } from '../../config/keys.ts'
import { formatProblem } from '../../config/problem.ts'
import { verifyAccessLog } from '../../src/keys/audit.ts'
import { BundleRecipients, exportBundle } from '../../src/keys/bundle.ts'
import { vaultProvider } from '../../src/keys/kms/vault.ts'
import type { KmsProvider } from '../../src/keys/kms.ts'
import {
  checkKeys,
  type HolderOptions,
  initKeys,
  listKeys,
  makeAhead,
  openKeyHolder,
  rewrapKeys,
} from '../../src/keys/operations.ts'
import { tryProvider } from '../../src/keys/wrapping.ts'
import { type StandIn, standInToken, startStandIn } from './kms/vault_stand_in.ts'
import { acme, decryptRows, freshFolder, noonMs, testSealer, text } from './support.ts'

const use = { tenant: 'acme', region: 'eu-de', retention: '1mo' }

/** `timeoutMs` is short where a test waits for it to be over; a busy machine needs long ones. */
function vaultAt(server: StandIn, timeoutMs = 10_000): KmsProvider {
  const folder = freshFolder()
  writeFileSync(join(folder, 'ca.pem'), server.ca)
  const caFile = join(folder, 'ca.pem')
  const { address } = server
  return vaultProvider('main', { address, key: 'douane', mount: 'transit', token: standInToken, caFile, timeoutMs })
}

/** A gateway with a bundle of this decrypt side, and one row that it sealed. */
async function sealedElsewhere(dir: string, options: HolderOptions) {
  const { holder, trust } = await initKeys(dir, noonMs, options)
  await makeAhead(holder, use, 2, noonMs)
  const path = join(freshFolder(), 'bundle.json')
  const bundle = exportBundle(dir, holder.folder, holder.signer, { nowMs: noonMs, expiresMs: noonMs + 86_400_000 })
  writeFileSync(path, JSON.stringify(bundle))
  const gateway = freshFolder()
  const { sealer } = await testSealer(gateway, { recipients: new BundleRecipients({ path, trust, dir: gateway }) })
  const row = { tenant: 'acme', body: sealer.seal(text('behind the vault'), acme, 'log.body') }
  return { holder, row, gateways: [gateway] }
}

describe('a decrypt side whose keys a service guards', () => {
  test('opens with it, and the folder alone opens nothing', async () => {
    const dir = freshFolder()
    const options = { providers: [vaultAt(await startStandIn())], wrapWith: 'main' }
    const { holder, row, gateways } = await sealedElsewhere(dir, options)
    expect((await decryptRows(dir, [row], { ...options, gateways })).rows[0]).toMatchObject({
      body: 'behind the vault',
    })
    expect(await checkKeys(holder, gateways)).toMatchObject({ opened: 1, missing: 0, damaged: 0 })
    expect(readdirSync(dir)).not.toContain('local-kms.json')
    await expect(decryptRows(dir, [row], { gateways })).rejects.toMatchObject({
      message: 'a key is guarded by the provider main, which is not configured',
      fix: expect.stringContaining('providers.yaml'),
    })
    const other = vaultAt(await startStandIn())
    await expect(decryptRows(dir, [row], { providers: [other], gateways })).rejects.toThrow(/another key/)
  })

  test('keys of the local provider are handed over to it, and a crash in between loses none', async () => {
    const dir = freshFolder()
    const server = await startStandIn()
    const { row, gateways } = await sealedElsewhere(dir, { scryptCost: 1024, passphrase: 'p' })
    const both = { providers: [vaultAt(server)], wrapWith: 'main', passphrase: 'p' }
    const holder = await openKeyHolder(dir, both)
    const [first, second] = listKeys(holder, noonMs).map(({ id }) => id)
    // The first key is handed over, then the service goes away.
    server.faults.push('none', 'none', 503)
    await expect(rewrapKeys(holder)).rejects.toThrow('sealed or starting')
    expect((await decryptRows(dir, [row], { ...both, gateways })).counts.opened).toBe(1)
    const rest = await rewrapKeys(holder)
    expect(rest).toHaveLength(1)
    expect([first, second]).toContain(rest[0])
    expect(await rewrapKeys(holder)).toEqual([])
    expect((await decryptRows(dir, [row], { providers: both.providers, gateways })).counts.opened).toBe(1)
  })

  test('while it is away nothing is made, opened or written down; afterwards all goes on', async () => {
    const dir = freshFolder()
    const server = await startStandIn()
    const provider = vaultAt(server)
    const options = { providers: [provider], wrapWith: 'main' }
    const { holder, row, gateways } = await sealedElsewhere(dir, options)
    const before = await verifyAccessLog(dir)
    const silent = await startStandIn()
    silent.faults.push('silence', 'silence')
    const waiting = { providers: [vaultAt(silent, 300)], gateways }
    await expect(decryptRows(dir, [row], waiting)).rejects.toThrow('did not answer within 300 ms')
    server.faults.push(503, 'cut', 'cut', 'cut')
    await expect(decryptRows(dir, [row], { ...options, gateways })).rejects.toThrow('sealed or starting')
    await expect(makeAhead(holder, { ...use, tenant: 'globex' }, 1, noonMs)).rejects.toThrow('cannot be reached')
    expect(listKeys(holder, noonMs).filter(({ tenant }) => tenant === 'globex')).toEqual([])
    expect(await verifyAccessLog(dir)).toEqual(before)
    expect((await decryptRows(dir, [row], { ...options, gateways })).counts.opened).toBe(1)
    expect(await verifyAccessLog(dir)).toMatchObject({ ok: true, entries: before.entries + 1 })
  })

  test('a provider that gives back something else is not used for a key', async () => {
    const dir = freshFolder()
    const forgetful: KmsProvider = {
      name: 'forgetful',
      wrap: async () => Buffer.from('x'),
      unwrap: async () => Buffer.alloc(32),
    }
    const { holder } = await initKeys(dir, noonMs, { providers: [forgetful], wrapWith: 'forgetful' })
    await expect(makeAhead(holder, use, 1, noonMs)).rejects.toThrow('does not give back what it wrapped')
    expect(listKeys(holder, noonMs)).toEqual([])
    expect(await tryProvider(forgetful)).toMatchObject({ ok: false, cause: expect.stringContaining('give back') })
  })

  test('a canary there and back says whether a provider works', async () => {
    const server = await startStandIn()
    expect(await tryProvider(vaultAt(server))).toMatchObject({ provider: 'main', ok: true, ms: expect.any(Number) })
    server.faults.push(503)
    expect(await tryProvider(vaultAt(server))).toMatchObject({ ok: false, fix: 'Run: vault operator unseal' })
  })
})

describe('providers.yaml', () => {
  const read = (yaml: string, env = {}) => {
    const folder = freshFolder()
    mkdirSync(join(folder, 'keys'))
    const path = join(folder, 'keys/providers.yaml')
    writeFileSync(path, yaml)
    const { read: providers, problems = [] } = readProviders(path, env)
    return { providers, problems: problems.map((problem) => formatProblem(problem).replace(folder, '')), folder }
  }

  test('is what docs/keys.md shows', () => {
    const page = readFileSync(new URL('../../docs/keys.md', import.meta.url), 'utf8')
    const blocks = [...page.matchAll(/```yaml\n# providers\.yaml\n([\s\S]*?)```/g)].map(([, yaml]) => yaml!)
    expect(blocks.length).toBeGreaterThan(0)
    const types = blocks.flatMap((yaml) => {
      const { providers, problems } = read(yaml, { VAULT_TOKEN: 't' })
      expect(problems).toEqual([])
      return providers!.providers.map(({ type }) => type)
    })
    expect(new Set(types)).toEqual(new Set(['vault', 'pkcs11', 'command']))
  })

  test('names files relative to itself, and takes secrets from the environment', () => {
    const { providers, folder } = read(
      'wrap_with: main\nproviders:\n  main: { type: vault, address: "https://v:8200", key: k, token: "$T", ca_file: ca.pem, timeout: 2s }'.replace(
        '$T',
        '$' + '{env:T}',
      ),
      { T: 'hvs.1' },
    )
    expect(providers).toMatchObject({
      wrapWith: 'main',
      providers: [
        {
          id: 'main',
          type: 'vault',
          options: { token: 'hvs.1', caFile: join(folder, 'keys/ca.pem'), timeoutMs: 2000 },
        },
      ],
    })
  })

  test('is refused with its line for what is wrong in it', () => {
    const bad = (yaml: string) => read(yaml).problems.join('\n')
    const vault = (more: string) => `providers: { main: { type: vault, key: k, address: "https://v:8200", ${more} } }`
    expect(bad('wrap_with: gone')).toMatch(/providers\.yaml:1:12 wrap_with: names no provider; there are: local/)
    expect(bad(vault('adress: x'))).toMatch(/unknown option/)
    expect(bad(vault('timeout: 5m'))).toMatch(/between 1ms and 1m/)
    expect(bad('providers: { local: { type: command, wrap: [a], unwrap: [b] } }')).toMatch(/built-in provider/)
    expect(bad('providers: { a: { type: vault, key: k, address: "http://vault.internal:8200" } }')).toMatch(/https/)
    expect(bad('providers: { a: { type: aws } }')).toMatch(/vault.*pkcs11.*command/)
    expect(bad('{')).toMatch(/not YAML/)
    expect(readProviders('/no/such/providers.yaml', {}).read).toEqual({ wrapWith: 'local', providers: [] })
  })
})

test('the program of docs/keys.md reads as decrypt does', async () => {
  const page = readFileSync(new URL('../../docs/keys.md', import.meta.url), 'utf8')
  const [, program] = /```ts\n([\s\S]*?)```/.exec(page)!
  const folder = freshFolder()
  const { sealer } = await testSealer(folder)
  const row = { tenant: 'acme', body: sealer.seal(text('read by a program'), acme, 'log.body') }
  const source = fileURLToPath(new URL('../../src', import.meta.url))
  const file = join(folder, 'program.ts')
  writeFileSync(file, program!.replace('douane/src', source).replace('/var/lib/douane/keys', folder))
  const read = execFileSync(process.execPath, [file], { input: `${JSON.stringify(row)}\n`, encoding: 'utf8' })
  expect(JSON.parse(read)).toEqual({ tenant: 'acme', body: 'read by a program' })
  expect(await verifyAccessLog(folder)).toMatchObject({ ok: true, entries: 1 })
})
