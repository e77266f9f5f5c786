/** The command provider: any program that turns bytes into bytes, as the clouds' command lines do. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type CommandOptions, commandProvider } from '../../../src/keys/kms/command.ts'
import { freshFolder } from '../support.ts'
import { expectProvider } from './contract.ts'

/** As `aws kms encrypt` would: AES-GCM with the context as associated data. */
const cloud = `
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { readFileSync, writeSync } from 'node:fs'
const input = readFileSync(0)
const key = Buffer.alloc(32, 7)
const aad = Buffer.from(process.argv[3] === 'careless' ? '' : process.env.DOUANE_KMS_CONTEXT)
if (process.env.DOUANE_KEYS_PASSPHRASE !== undefined) process.exit(9)
if (process.argv[2] === 'wrap') {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  cipher.setAAD(aad)
  writeSync(1, Buffer.concat([iv, cipher.update(input), cipher.final(), cipher.getAuthTag()]))
} else {
  const decipher = createDecipheriv('aes-256-gcm', key, input.subarray(0, 12))
  decipher.setAAD(aad)
  decipher.setAuthTag(input.subarray(-16))
  writeSync(1, Buffer.concat([decipher.update(input.subarray(12, -16)), decipher.final()]))
}
`

function options(...flags: string[]): CommandOptions {
  const script = join(freshFolder(), 'cloud.mjs')
  // Its complaints about what it cannot open belong to the test, not to the screen.
  writeFileSync(script, `process.on('uncaughtException', () => process.exit(1))\n${cloud}`)
  const run = (verb: string) => [process.execPath, script, verb, ...flags]
  return { wrap: run('wrap'), unwrap: run('unwrap'), timeoutMs: 30_000 }
}

test('wraps and unwraps, bound to its context, and never sees the passphrase', async () => {
  process.env['DOUANE_KEYS_PASSPHRASE'] = 'not for helpers'
  try {
    const given = options()
    await expectProvider(commandProvider('aws', given), async () => commandProvider('aws', given))
  } finally {
    delete process.env['DOUANE_KEYS_PASSPHRASE']
  }
})

test('a command that ignores the context does not open a blob for another use', async () => {
  const provider = commandProvider('careless', options('careless'))
  const wrapped = await provider.wrap(Buffer.from('x'), 'one')
  expect((await provider.unwrap(wrapped, 'one')).toString()).toBe('x')
  await expect(provider.unwrap(wrapped, 'two')).rejects.toThrow('not for this use')
})

test('failures are told by program and exit code', async () => {
  const wrap = (...command: string[]) =>
    commandProvider('aws', { wrap: command, unwrap: command, timeoutMs: 30_000 }).wrap(Buffer.from('x'), 'c')
  await expect(wrap('false')).rejects.toThrow('the command of the key provider aws ended with 1')
  await expect(wrap('true')).rejects.toThrow('answers with 0 bytes')
  await expect(wrap('no-such-program')).rejects.toThrow('no-such-program cannot be started (ENOENT)')
})
