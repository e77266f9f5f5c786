/**
 * The Vault provider against Vault's own Transit engine, built from its Go module (1.21.4, BUSL-1.1: fetched and built
 * here for this test, nothing of it is part of the program). Tokens and mounts are looked after by the few lines around
 * it (transit/main.go), so what test/keys/kms/vault.test.ts asks of a stand-in about those is not asked here.
 *
 * With VAULT_ADDR and VAULT_TOKEN set, a whole server of yours is asked instead, of Vault or OpenBao (`bao server -dev`,
 * `bao secrets enable transit`): an empty one, since keys are made in it.
 *
 * The first build fetches some hundred modules: several minutes. A toolchain that is missing makes the test fail.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type VaultOptions, vaultProvider } from '../../../src/keys/kms/vault.ts'
import { expectProvider } from '../../keys/kms/contract.ts'

const folder = join(tmpdir(), `douane-interop-${process.getuid?.() ?? ''}`)
const program = join(folder, 'transit-engine')
const { VAULT_ADDR: server, VAULT_TOKEN: token = 'hvs.test' } = process.env
let engine: ReturnType<typeof spawn> | undefined
let address = server ?? ''

/** Vault's engine from its module. */
async function startEngine(): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (!existsSync(program)) {
    const cwd = join(import.meta.dirname, 'transit')
    await promisify(execFile)('go', ['build', '-buildvcs=false', '-o', program, '.'], { cwd })
  }
  engine = spawn(program, [token], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await once(createInterface(engine.stdout!), 'line')
  address = `http://${line}`
}

beforeAll(async () => {
  if (server === undefined) await startEngine()
  await tell('keys/douane', { type: 'aes256-gcm96' })
})
afterAll(async () => {
  if (engine === undefined) return
  engine.stdin!.end()
  await once(engine, 'exit')
})

/** An administrator's call. */
async function tell(path: string, body: object): Promise<void> {
  const asked = request(`${address}/v1/transit/${path}`, { method: 'POST', headers: { 'x-vault-token': token } })
  asked.end(JSON.stringify(body))
  const [answer] = await once(asked, 'response')
  answer.resume()
  expect([200, 204]).toContain(answer.statusCode)
}

const options = (more: Partial<VaultOptions> = {}): VaultOptions => ({
  address,
  key: 'douane',
  mount: 'transit',
  token,
  timeoutMs: 5000,
  ...more,
})

describe("Vault's Transit engine", () => {
  test('wraps and unwraps, bound to its context', async () => {
    await expectProvider(vaultProvider('main', options()), async () => vaultProvider('main', options()))
  })

  test('opens what an older version of the key wrapped', async () => {
    const provider = vaultProvider('main', options())
    const before = await provider.wrap(Buffer.from('before'), 'c')
    await tell('keys/douane/rotate', {})
    const after = await provider.wrap(Buffer.from('after'), 'c')
    expect([before, after].map((one) => Buffer.from(one).toString().slice(0, 9))).toEqual(['vault:v1:', 'vault:v2:'])
    expect((await provider.unwrap(before, 'c')).toString()).toBe('before')
    expect((await provider.unwrap(after, 'c')).toString()).toBe('after')
  })

  test('refuses in the words that we tell apart', async () => {
    const failure = (more: Partial<VaultOptions>, wrapped: Uint8Array, context = 'c') =>
      vaultProvider('main', options(more))
        .unwrap(wrapped, context)
        .catch((error: { message: string; fix?: string }) => `${error.message}. ${error.fix ?? ''}`)
    const wrapped = await vaultProvider('main', options()).wrap(Buffer.from('x'), 'c')
    expect(await failure({}, wrapped, 'other')).toMatch(/wrapped by another key or for another use, or was changed/)
    expect(await failure({}, Buffer.from('nonsense'))).toMatch(
      /wrapped by another key or for another use, or was changed/,
    )
    expect(await failure({ key: 'gone' }, wrapped)).toMatch(
      /there is no key gone\. Run: vault write -f transit\/keys\/gone/,
    )
    expect(await failure({ token: 'hvs.other' }, wrapped)).toMatch(/its token may not use transit\/decrypt\/douane/)
    await tell('keys/rsa', { type: 'rsa-2048' })
    const unbound = vaultProvider('main', options({ key: 'rsa' })).wrap(Buffer.from('x'), 'c')
    await expect(unbound).rejects.toMatchObject({ fix: 'Use a key of type aes256-gcm96.' })
  })
})
