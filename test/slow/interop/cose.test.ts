/**
 * Off-the-shelf COSE libraries of another language open our tokens, given the field key: `cwt` all of them, `pycose` those
 * with A256GCM, which is all that it knows. They come from PyPI into a folder in the system's temporary directory, and
 * stay there for the next run. Without Python this fails, and says so.
 */
import { execFile, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { A256GCM, CHACHA20_POLY1305, fieldKey, hkdf, placeAad } from '../../../src/keys/derive.ts'
import { TokenWriter } from '../../../src/keys/token.ts'
import { BoundField, SealingKey } from '../../../src/keys/token_format.ts'
import { limits } from '../../../src/limits.ts'

const cache = join(tmpdir(), `douane-interop-${process.getuid?.() ?? ''}`)
const python = join(cache, 'cose/bin/python')
const exec = promisify(execFile)

beforeAll(async () => {
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  if (!existsSync(python)) {
    await exec('python3', ['-m', 'venv', join(cache, 'cose')]).catch(() => {
      throw new Error('python3 is not installed on this machine: other COSE libraries were NOT tested')
    })
  }
  await exec(python, ['-m', 'pip', 'install', '--quiet', 'cwt==3.3.0', 'pycose==1.1.0'])
})

const aad = placeAad({ tenant: 'acme', region: 'eu-de', purpose: 'support', field: 'log.body' })
const epochKey = randomBytes(32)
const secret = randomBytes(32)
const nothing = Buffer.alloc(0)
const field = new BoundField(aad)
const nobodys = new SealingKey(randomBytes(16), 'support', (info) => hkdf(epochKey, nothing, info))
const personal = new SealingKey(randomBytes(16), 'support', (info) => hkdf(secret, epochKey, info), randomBytes(16))

const short = limits.sealShortBytesMax
const lengths = [0, 1, 15, 16, 24, 100, 191, 192, 193, 255, 447, 448, 449, 1000, 4096, short - 1, short, 70_000]
const plaintexts = lengths.map((length) => randomBytes(length))

/** Each plaintext sealed on its own, and all of them together. */
function tokensOf(key: SealingKey): string[] {
  const writer = new TokenWriter()
  const alone = plaintexts.map((plaintext) => {
    const { bytes, from, to } = writer.seal(key, field, plaintext, 0, plaintext.length)
    return bytes.latin1Slice(from, to)
  })
  const out = Buffer.alloc(128 * 1024)
  const request = Buffer.concat(plaintexts)
  let from = 0
  let at = 0
  const places = plaintexts
    .filter(({ length }) => length < short)
    .map(({ length }) => {
      const taken = writer.add(key, field, request, from, from + length, at)
      expect(taken).toBeGreaterThan(0)
      writer.place(at)
      from += length
      at += taken
      return [at - taken, at] as const
    })
  writer.write(out)
  return [...alone, ...places.map(([begin, end]) => out.latin1Slice(begin, end))]
}

test.for([
  ['content of nobody', nobodys, undefined],
  ["a person's content", personal, secret],
] as const)('%s', ([, key, ikm]) => {
  const tokens = tokensOf(key)
  const expected = [...plaintexts, ...plaintexts.filter(({ length }) => length < short)]
  expect(tokens).toHaveLength(expected.length)
  const asked = tokens.map((token, i) => {
    const algorithm = expected[i]!.length < short ? CHACHA20_POLY1305 : A256GCM
    const raw = fieldKey(algorithm, 'support', epochKey, ikm)
    return JSON.stringify({ token: token.slice(5), key: raw.toString('hex'), aad: aad.toString('hex') })
  })
  const script = join(import.meta.dirname, 'python/open_tokens.py')
  const answers = execFileSync(python, [script], { input: asked.join('\n') })
    .toString()
    .trim()
    .split('\n')
  for (const [i, line] of answers.entries()) {
    const opened = expected[i]!.toString('hex')
    const isLong = expected[i]!.length >= short
    expect(JSON.parse(line), `token ${i}`).toEqual(
      isLong ? { algorithm: 'A256GCM', cwt: opened, pycose: opened } : { algorithm: 'ChaCha20/Poly1305', cwt: opened },
    )
  }
  expect(answers).toHaveLength(expected.length)
})
