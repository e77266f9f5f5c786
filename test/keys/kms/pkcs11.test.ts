/** The PKCS#11 provider against SoftHSM 2, by OpenSC's pkcs11-tool: both from the system's packages. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Pkcs11Options, pkcs11Provider } from '../../../src/keys/kms/pkcs11.ts'
import { freshFolder } from '../support.ts'
import { expectProvider } from './contract.ts'

const module = ['/usr/lib/softhsm', '/usr/lib64/pkcs11', '/usr/local/lib/softhsm', '/opt/homebrew/lib/softhsm']
  .map((folder) => join(folder, 'libsofthsm2.so'))
  .find(existsSync)
const isInstalled = module !== undefined && ['pkcs11-tool', 'softhsm2-util'].every(runs)

function runs(program: string): boolean {
  try {
    execFileSync(program, ['--help'], { stdio: 'ignore' })
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

const pin = '739153'

/** A token of its own with one key pair. */
function token(): Pkcs11Options {
  const folder = freshFolder()
  mkdirSync(join(folder, 'tokens'))
  writeFileSync(
    join(folder, 'softhsm2.conf'),
    `directories.tokendir = ${join(folder, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  )
  const before = process.env['SOFTHSM2_CONF']
  process.env['SOFTHSM2_CONF'] = join(folder, 'softhsm2.conf')
  onTestFinished(() => {
    if (before === undefined) delete process.env['SOFTHSM2_CONF']
    else process.env['SOFTHSM2_CONF'] = before
  })
  const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: 'ignore' })
  run('softhsm2-util', '--init-token', '--free', '--label', 'douane', '--so-pin', '86420', '--pin', pin)
  const login = ['--module', module!, '--token-label', 'douane', '--login', '--pin', pin]
  run('pkcs11-tool', ...login, '--keypairgen', '--key-type', 'rsa:2048', '--id', '01', '--usage-decrypt')
  return {
    module: module!,
    token: 'douane',
    key: '01',
    pin,
    oaepHash: 'sha1',
    tool: 'pkcs11-tool',
    timeoutMs: 30_000,
  }
}

if (!isInstalled) {
  test('SoftHSM 2 OR pkcs11-tool IS NOT INSTALLED: THE PKCS#11 PROVIDER WAS NOT TESTED', () => {
    process.stderr.write('\n*** PKCS#11 WAS NOT TESTED. Install it: apt-get install softhsm2 opensc ***\n\n')
    expect(module === undefined || !runs('pkcs11-tool') || !runs('softhsm2-util')).toBe(true)
  })
} else {
  describe('SoftHSM 2', () => {
    test('wraps and unwraps, bound to its context', async () => {
      const options = token()
      await expectProvider(pkcs11Provider('hsm', options), async () => pkcs11Provider('hsm', options))
    })

    test('each failure names its cause and what to do', async () => {
      const options = token()
      const wrapped = await pkcs11Provider('hsm', options).wrap(Buffer.from('x'), 'c')
      const failure = async (more: Partial<Pkcs11Options>) => {
        const error = await pkcs11Provider('hsm', { ...options, ...more })
          .unwrap(wrapped, 'c')
          .catch((thrown: unknown) => thrown)
        expect(error).toMatchObject({ code: 'key' })
        const { message, fix = '' } = error as { message: string; fix?: string }
        expect(message + fix).not.toContain(pin)
        return `${message}. ${fix}`
      }
      expect(await failure({ pin: '000000' })).toMatch(/refuses the PIN \(CKR_PIN_INCORRECT\)/)
      expect(await failure({ token: 'other' })).toMatch(/no token other\. See: pkcs11-tool --module .* -L/)
      expect(await failure({ key: '02' })).toMatch(/no key pair 02\. Run: pkcs11-tool .*--keypairgen/)
      expect(await failure({ module: '/no/such/module.so' })).toMatch(/no\/such\/module\.so .*cannot be loaded/)
      expect(await failure({ tool: 'no-such-tool' })).toMatch(/no-such-tool cannot be started \(ENOENT\)/)
      const sha256 = await pkcs11Provider('hsm', { ...options, oaepHash: 'sha256' }).wrap(Buffer.from('x'), 'c')
      await expect(pkcs11Provider('hsm', options).unwrap(sha256, 'c')).rejects.toMatchObject({
        fix: 'Set oaep_hash: sha1.',
      })
    })
  })
}

test('a helper that hangs is ended in time', async () => {
  const folder = freshFolder()
  const tool = join(folder, 'hangs')
  writeFileSync(tool, '#!/bin/sh\nexec sleep 30\n', { mode: 0o700 })
  const options = { module: 'm', token: 't', key: 'k', pin, oaepHash: 'sha256', tool, timeoutMs: 200 } as const
  await expect(pkcs11Provider('hsm', options).wrap(Buffer.from('x'), 'c')).rejects.toThrow(
    'did not answer within 200 ms',
  )
})
