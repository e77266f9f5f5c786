import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { attributeField, type SealContext } from '../../src/contract.ts'
import { KeyError } from '../../src/errors.ts'
import type { EpochRecord } from '../../src/keys/epochs.ts'
import { parseToken } from '../../src/keys/token_reader.ts'
import { limits } from '../../src/limits.ts'
import type { AnyValue } from '../../src/otlp/value.ts'
import { acme, decryptRows, freshFolder, noonMs, testSealer, text } from './support.ts'

const kidOf = (token: string): string => parseToken(token)!.kid.toString('base64url')

function epochRecords(dir: string): EpochRecord[] {
  return readdirSync(join(dir, 'epochs')).flatMap((name) =>
    readFileSync(join(dir, 'epochs', name), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line)),
  )
}

describe('what is sealed comes back, on the decrypt side only', () => {
  test('every kind of value comes back as the same kind', async () => {
    const dir = freshFolder()
    const { seal } = await testSealer(dir)
    const kinds: [AnyValue, unknown][] = [
      [{ kind: 'string', value: 'Zoë wrote: "hi"\u0000' }, 'Zoë wrote: "hi"\u0000'],
      [{ kind: 'string', value: '' }, ''],
      [{ kind: 'bool', value: false }, false],
      [{ kind: 'int', value: -5n }, -5],
      [{ kind: 'double', value: 2.5 }, 2.5],
      [{ kind: 'double', value: Number.NaN }, 'NaN'],
      [{ kind: 'bytes', value: new Uint8Array([0, 255]) }, 'AP8='],
      [{ kind: 'empty' }, null],
      [
        {
          kind: 'array',
          values: [
            { kind: 'int', value: 1n },
            { kind: 'string', value: 'b' },
          ],
        },
        [1, 'b'],
      ],
      [{ kind: 'kvlist', entries: [{ key: 'k', value: { kind: 'bool', value: true } }] }, { k: true }],
    ]
    for (const [value, expected] of kinds) {
      const { rows, counts } = await decryptRows(dir, [{ tenant: 'acme', body: seal(value) }])
      expect(rows[0]!['body']).toEqual(expected)
      expect(counts.opened).toBe(1)
    }
  })

  test('an int keeps all its digits, and so does every number beside it', async () => {
    const dir = freshFolder()
    const { seal } = await testSealer(dir)
    const token = seal({ kind: 'int', value: 2n ** 63n - 1n })
    const { lines } = await decryptRows(dir, [{ body: token }])
    expect(lines).toEqual(['{"body":9223372036854775807}'])
  })

  test('random values of random lengths', async () => {
    const dir = freshFolder()
    const { seal } = await testSealer(dir)
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 5000 }), fc.string({ maxLength: 40 }), async (value, key) => {
        const token = seal({ kind: 'string', value }, attributeField('log', key))
        const { rows } = await decryptRows(dir, [{ attributes: { [key]: token } }])
        expect(Object.entries(rows[0]!['attributes'] as object)).toEqual([[key, value.toWellFormed()]])
      }),
      { seed: 3, numRuns: 30 },
    )
  })

  test('a value that looks like a token is plaintext like any other', async () => {
    const dir = freshFolder()
    const { seal } = await testSealer(dir)
    const inner = seal({ kind: 'string', value: 'secret' })
    const { rows } = await decryptRows(dir, [{ body: seal({ kind: 'string', value: inner }) }])
    expect(rows[0]!['body']).toBe(inner)
  })
})

describe('swapping: a token opens in its own place only', () => {
  const base = { tenant: 'acme', region: 'eu-de', purpose: 'support' }
  test.for([
    ['tenant', { tenant: 'globex' }],
    ['region', { region: 'eu-nl' }],
    ['purpose', { purpose: 'billing' }],
  ] as const)('not in a row of another %s', async ([_name, change]) => {
    const dir = freshFolder()
    const { seal } = await testSealer(dir)
    const token = seal({ kind: 'string', value: 'secret' })
    const moved = await decryptRows(dir, [{ ...base, ...change, body: token }])
    expect(moved.rows[0]!['body']).toBe(token)
    expect(moved.counts).toMatchObject({ opened: 0, refused: 1 })
    expect((await decryptRows(dir, [{ ...base, body: token }])).rows[0]!['body']).toBe('secret')
  })

  test('not in another field, another level, nor deeper inside its own', async () => {
    const dir = freshFolder()
    const { seal } = await testSealer(dir)
    const token = seal({ kind: 'string', value: 'secret' }, attributeField('log', 'comment'))
    const wrong = [
      { body: token },
      { attributes: { other: token } },
      { resource: { comment: token } },
      { resource: { attributes: { comment: token } } },
      { scope: { attributes: { comment: token } } },
      { attributes: { nested: { comment: token } } },
    ]
    const { counts } = await decryptRows(dir, wrong)
    expect(counts).toMatchObject({ opened: 0, refused: wrong.length })
    expect((await decryptRows(dir, [{ attributes: { comment: token } }])).counts.opened).toBe(1)
  })

  test('a record that another tenant relabels in the key store opens no more', async () => {
    const dir = freshFolder()
    const { seal, sealer } = await testSealer(dir)
    const token = seal({ kind: 'string', value: 'secret' })
    sealer.close()
    const file = join(dir, 'epochs', readdirSync(join(dir, 'epochs'))[0]!)
    writeFileSync(file, readFileSync(file, 'utf8').replace('"acme"', '"globex"'))
    const { rows, counts } = await decryptRows(dir, [{ tenant: 'globex', body: token }])
    expect(rows[0]!['body']).toBe(token)
    expect(counts).toMatchObject({ opened: 0, damaged: 1 })
  })
})

describe('epochs', () => {
  test('the sealed key is on disk before the first token is handed out', async () => {
    const dir = freshFolder()
    const { seal } = await testSealer(dir)
    expect(() => readdirSync(join(dir, 'epochs'))).toThrow()
    const token = seal({ kind: 'string', value: 'x' })
    expect(epochRecords(dir).map(({ kid }) => kid)).toEqual([kidOf(token)])
  })

  test('one per tenant, region, purpose and retention; a caller may reuse its context object', async () => {
    const { sealer } = await testSealer(freshFolder())
    const reused = { ...acme } as { -readonly [Key in keyof SealContext]: SealContext[Key] }
    const kids = [kidOf(sealer.seal(text('x'), reused, 'log.body'))]
    for (const change of [{ tenant: 'b' }, { region: 'c' }, { purpose: 'd' }, { retention: '7y' }, { tenant: '' }]) {
      kids.push(kidOf(sealer.seal(text('x'), Object.assign(reused, change), 'log.body')))
    }
    expect(new Set(kids).size).toBe(kids.length)
    expect(kidOf(sealer.seal(text('x'), acme, 'log.body'))).toBe(kids[0])
  })

  test("end after an hour, at the end of the recipient's period, and when the clock goes back", async () => {
    const { seal, clock } = await testSealer(freshFolder())
    const first = kidOf(seal({ kind: 'empty' }))
    clock.ms = noonMs + limits.epochAgeMsMax - 1
    expect(kidOf(seal({ kind: 'empty' }))).toBe(first)
    clock.ms = noonMs + limits.epochAgeMsMax
    const second = kidOf(seal({ kind: 'empty' }))
    expect(second).not.toBe(first)
    clock.ms = noonMs
    expect(kidOf(seal({ kind: 'empty' }))).not.toBe(second)
  })

  test('a key of a day ends at midnight, a key of a month does not', async () => {
    const dir = freshFolder()
    const { sealer, clock } = await testSealer(dir)
    clock.ms = Date.UTC(2026, 10, 21, 23, 59, 59)
    const yearly = { ...acme, retention: '18mo' }
    const before = [acme, yearly].map((context) => kidOf(sealer.seal(text('x'), context, 'log.body')))
    clock.ms = Date.UTC(2026, 10, 22)
    const after = [acme, yearly].map((context) => kidOf(sealer.seal(text('x'), context, 'log.body')))
    expect(after[0]).not.toBe(before[0])
    expect(after[1]).toBe(before[1])
    expect(readdirSync(join(dir, 'recipients')).toSorted()).toEqual(['2026-11', '2026-11-21', '2026-11-22'])
  })

  test('a clock that jumps away from the monotonic one ends all epochs: the process may be a copy', async () => {
    const monotonic = { ms: 0 }
    const { seal, clock, log } = await testSealer(freshFolder(), { monotonicMs: () => monotonic.ms })
    const first = kidOf(seal({ kind: 'empty' }))
    clock.ms += 1000
    monotonic.ms += 1000
    expect(kidOf(seal({ kind: 'empty' }))).toBe(first)
    clock.ms += limits.clockJumpMsMax + 1
    expect(kidOf(seal({ kind: 'empty' }))).not.toBe(first)
    expect(log.lines.join('\n')).toContain('keys.clock_jump')
  })
})

describe('failure never yields a token that nobody can open, nor plaintext', () => {
  test('a key store that cannot be written: KeyError, at once for a second, then it is tried again', async () => {
    const dir = freshFolder()
    const { seal, clock } = await testSealer(dir)
    writeFileSync(join(dir, 'epochs'), 'a file where a folder should be')
    expect(() => seal({ kind: 'string', value: 'canary' })).toThrow(KeyError)
    rmSync(join(dir, 'epochs'))
    expect(() => seal({ kind: 'string', value: 'canary' })).toThrow(KeyError)
    clock.ms += limits.keyRetryMs + 1
    const token = seal({ kind: 'string', value: 'canary' })
    expect((await decryptRows(dir, [{ body: token }])).rows[0]!['body']).toBe('canary')
  })

  test('a recipient key that was changed, made readable by others, or destroyed', async () => {
    const dir = freshFolder()
    const { seal, clock } = await testSealer(dir)
    seal({ kind: 'empty' })
    const folder = join(dir, 'recipients/2026-11-21')
    const file = join(folder, readdirSync(folder)[0]!)
    const original = readFileSync(file, 'utf8')
    const next = () => {
      clock.ms += limits.epochAgeMsMax
      return seal({ kind: 'string', value: 'canary' })
    }
    const document = JSON.parse(original)
    const swapped = { ...document, public: Buffer.alloc(32, 9).toString('base64url') }
    writeFileSync(file, JSON.stringify(swapped))
    expect(next).toThrow(/was changed/)
    chmodSync(file, 0o644)
    expect(next).toThrow(/can be read by others/)
    chmodSync(file, 0o600)
    writeFileSync(file, original.slice(0, 50))
    expect(next).toThrow(/damaged/)
    writeFileSync(file, original)
    expect(kidOf(next())).toHaveLength(22)
  })

  test('errors and logs name the cause and the fix, never the value', async () => {
    const dir = freshFolder()
    const { seal, log } = await testSealer(dir)
    mkdirSync(join(dir, 'epochs'))
    chmodSync(join(dir, 'epochs'), 0o700)
    writeFileSync(join(dir, 'recipients'), 'x')
    let message = ''
    try {
      seal({ kind: 'string', value: 'canary-4711' })
    } catch (error) {
      message = `${(error as Error).message} ${(error as Error).stack}`
    }
    expect(message).toMatch(/recipients/)
    expect(message + log.lines.join()).not.toContain('canary-4711')
  })

  test('a closed sealer seals nothing', async () => {
    const { sealer } = await testSealer(freshFolder())
    sealer.close()
    expect(() => sealer.seal(text('x'), acme, 'log.body')).toThrow(/closed/)
  })
})

describe('a crash loses no key', () => {
  test('whatever the key store was cut to, every token that was handed out and whose line is whole opens', async () => {
    const dir = freshFolder()
    const { sealer, clock } = await testSealer(dir)
    const tokens: string[] = []
    for (let hour = 0; hour < 3; hour++) {
      tokens.push(sealer.seal(text(`hour ${hour}`), acme, 'log.body'))
      clock.ms += limits.epochAgeMsMax
    }
    sealer.close()
    const file = join(dir, 'epochs', readdirSync(join(dir, 'epochs'))[0]!)
    const whole = readFileSync(file)
    const lineEnds = [...whole.keys()].filter((at) => whole[at] === 10)
    for (const cut of [0, 1, lineEnds[0]! - 1, lineEnds[0]!, lineEnds[1]! + 1, lineEnds[1]! + 40, whole.length]) {
      writeFileSync(file, whole.subarray(0, cut))
      const restarted = await testSealer(dir)
      const fresh = restarted.seal({ kind: 'string', value: 'after' })
      restarted.sealer.close()
      const { rows } = await decryptRows(
        dir,
        [...tokens, fresh].map((body) => ({ body })),
      )
      const expected = tokens.map((token, hour) => (lineEnds[hour]! < cut ? `hour ${hour}` : token))
      expect(rows.map(({ body }) => body)).toEqual([...expected, 'after'])
    }
  })
})

test('files are 0600 in folders 0700, and hold nothing in the clear', async () => {
  const dir = freshFolder()
  const { seal } = await testSealer(dir, { passphrase: 'correct horse' })
  seal({ kind: 'string', value: 'canary-4711' })
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    expect(statSync(path).mode & 0o777, path).toBe(entry.isDirectory() ? 0o700 : 0o600)
    if (entry.isFile()) expect(readFileSync(path, 'latin1'), path).not.toContain('canary-4711')
  }
})

describe('the passphrase', () => {
  test('is needed to read, not to seal', async () => {
    const dir = freshFolder()
    const first = await testSealer(dir, { passphrase: 'correct horse' })
    const early = first.seal({ kind: 'string', value: 'early' })
    const later = await testSealer(dir)
    later.clock.ms = Date.UTC(2026, 10, 25)
    const late = later.seal({ kind: 'string', value: 'late' })
    const rows = [{ body: early }, { body: late }]
    await expect(decryptRows(dir, rows)).rejects.toThrow(/passphrase/)
    await expect(decryptRows(dir, rows, { passphrase: 'wrong' })).rejects.toThrow(/does not open/)
    const opened = await decryptRows(dir, rows, { passphrase: 'correct horse' })
    expect(opened.rows).toEqual([{ body: 'early' }, { body: 'late' }])
  })

  test('a first start without one is told', async () => {
    const { log } = await testSealer(freshFolder())
    expect(log.lines.join('\n')).toContain('keys.no_passphrase')
  })
})

test('1,000 planted canaries: none is found in any file after sealing and reading', async () => {
  const dir = freshFolder()
  const { seal } = await testSealer(dir)
  const canaries = Array.from({ length: 1000 }, (_, i) => `canary-${i}-f00d`)
  const tokens = canaries.map((value) => seal({ kind: 'string', value }))
  const { rows } = await decryptRows(
    dir,
    tokens.map((body) => ({ body })),
  )
  expect(rows.map(({ body }) => body)).toEqual(canaries)
  const searched = [...tokens]
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) searched.push(readFileSync(join(entry.parentPath, entry.name), 'latin1'))
  }
  expect(searched.filter((content) => /canary-\d+-f00d/.test(content))).toEqual([])
})
