/** The command provider: any program that turns bytes into bytes, as the clouds' command lines do. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
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

test('a command that hangs is ended in time, with what it started itself', async () => {
  const started = join(freshFolder(), 'pid')
  const hangs = ['sh', '-c', `sleep 300 & echo $! > ${started}; wait`]
  const provider = commandProvider('aws', { wrap: hangs, unwrap: hangs, timeoutMs: 500 })
  await expect(provider.wrap(Buffer.from('x'), 'c')).rejects.toMatchObject({
    message: 'the key provider aws did not answer within 500 ms',
    fix: expect.stringContaining('keys providers'),
  })
  expect(existsSync(started)).toBe(true)
  const pid = Number(readFileSync(started, 'utf8'))
  const isAlive = () => /^State:\s+[^ZX]/m.test(statusOf(pid))
  for (let i = 0; i < 100 && isAlive(); i++) await sleep(20)
  expect(isAlive()).toBe(false)
})

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}

/** Stands in for an asymmetric key of a cloud: the same padding, with a private key in a file. */
function opensslRsa(): CommandOptions {
  const folder = freshFolder()
  const [key, publicKey] = [join(folder, 'private.pem'), join(folder, 'public.pem')]
  execFileSync('openssl', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', key], {
    stdio: 'ignore',
  })
  execFileSync('openssl', ['pkey', '-in', key, '-pubout', '-out', publicKey])
  const oaep = ['-pkeyopt', 'rsa_padding_mode:oaep', '-pkeyopt', 'rsa_oaep_md:sha256']
  return {
    wrap: ['openssl', 'pkeyutl', '-encrypt', '-pubin', '-inkey', publicKey, ...oaep],
    unwrap: ['openssl', 'pkeyutl', '-decrypt', '-inkey', key, ...oaep],
    timeoutMs: 30_000,
  }
}

test('an asymmetric key (RSA-OAEP by openssl, in the place of a cloud) wraps keys, bound to their use', async (context) => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
  } catch {
    console.warn('NOT TESTED: no openssl here')
    return context.skip('no openssl')
  }
  const options = opensslRsa()
  const provider = commandProvider('azure', options)
  const key = randomBytes(32)
  const wrapped = await provider.wrap(key, 'key-1')
  expect(wrapped).toHaveLength(256)
  expect(await commandProvider('azure', options).unwrap(wrapped, 'key-1')).toEqual(key)
  await expect(provider.unwrap(wrapped, 'key-2')).rejects.toThrow('not for this use')
  const changed = Buffer.from(wrapped)
  changed[200]! ^= 1
  await expect(provider.unwrap(changed, 'key-1')).rejects.toThrow(/ended with 1/)
  // The largest that RSA of 2,048 bits takes with SHA-256, with the hash of the context; a key is 32 bytes.
  await expect(provider.wrap(randomBytes(190 - 32), 'c')).resolves.toHaveLength(256)
  await expect(provider.wrap(randomBytes(190 - 31), 'c')).rejects.toThrow(/ended with 1/)
})
