/** Whether it is seen that a report leaves something out: the numbers that each tenant's leaves bear, and their going on. */
import { createHash, sign } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { SignedLog } from '../../src/keys/signed_log.ts'
import { type Leaf, leavesOf, markOf, pseudonymOf } from '../../src/ledger/leaf.ts'
import { Ledger } from '../../src/ledger/ledger.ts'
import { writeReport } from '../../src/ledger/report.ts'
import { verifyReport } from '../../src/verify/report.ts'
import { batch, filled, place } from './ledger_rig.ts'
import { cleanUp, temporaryFolder } from './rig.ts'

afterEach(cleanUp)

describe('a maker of reports who leaves something out, and signs what is left', () => {
  /** Whoever owns the gateway's key can sign any lines. */
  function signed(ledger: Ledger, lines: readonly string[], format = 'douane.residency-report.2'): string[] {
    const leaves = lines.filter((line) => line.includes('"leaf"')).length
    const digest = createHash('sha256')
    for (const line of lines) digest.update(`${line}\n`)
    const hex = digest.digest('hex')
    const signature = sign(null, Buffer.from(`${format}\n${hex}\n`), ledger.identity.privateKey).toString('base64')
    return [...lines, JSON.stringify({ leaves, digest: hex, signature })]
  }
  const [sinceMs, untilMs] = [1_800_000_010_000, 1_800_000_030_000]

  test.each([
    ['of all times', 0, 2_000_000_000_000],
    ['of a time in the middle', sinceMs, untilMs],
    ['until now', sinceMs, 2_000_000_000_000],
    ['from the beginning', 0, untilMs],
  ])('is found out, whichever leaves and however many they are: %s', async (_, since, until) => {
    const { ledger, key, report } = await filled(40)
    const { lines } = await report('acme', since, until)
    const own = lines.slice(0, -1)
    expect(verifyReport(signed(ledger, own), key)).toMatchObject({ ok: true, complete: true })
    for (let from = 1; from < own.length; from++) {
      for (let count = 1; from + count <= own.length; count++) {
        const verdict = verifyReport(signed(ledger, own.toSpliced(from, count)), key)
        expect(verdict.ok, `without lines ${from} to ${from + count - 1} of ${own.length}`).toBe(false)
        expect(verdict.complete).toBe(false)
        expect(verdict.problems.join()).toMatch(/missing/)
      }
    }
    await ledger.close()
  })

  test('is found out where numbers are told otherwise, left out, or a format that has none is used', async () => {
    const { ledger, key, report } = await filled(30)
    const { lines } = await report()
    const own = lines.slice(0, -1)
    const told = (changed: readonly string[], format?: string) =>
      verifyReport(signed(ledger, changed, format), key).problems.join('; ')
    const gap = own.toSpliced(4, 1)
    const renumbered = gap.map((line, i) => (i < 4 ? line : line.replace(/"n":(\d+)/, (_, n) => `"n":${n - 1}`)))
    expect(told(renumbered)).toContain('is not the one that the report calls')
    expect(told(gap.map((line) => line.replace(/,"n":\d+/, '')))).toContain('that the report does not tell')
    expect(told(own.with(-1, '{"numbered":3}'))).toContain('the numbers of leaves do not rise')
    expect(told(own.with(-1, '{"numbered":99}'))).toContain('are missing')
    const first = own.slice(0, -1).map((line) => line.replace('report.2', 'report.1'))
    expect(told(first, 'douane.residency-report.1')).toContain('that the report does not tell')
    await ledger.close()
  })

  test('says that a tenant has nothing only with a statement that he signs', async () => {
    const { ledger, key, report } = await filled(5)
    const { lines } = await report('nobody')
    expect(lines.at(-2)).toBe('{"numbered":0}')
    expect(verifyReport(lines, key)).toMatchObject({ ok: true, complete: true, leaves: 0 })
    expect(verifyReport(signed(ledger, lines.slice(0, -2)), key).ok).toBe(false)
    await ledger.close()
  })
})

describe('numbers of leaves', () => {
  const numbers = (lines: readonly string[]): number[] =>
    lines.slice(1, -2).map((line) => (JSON.parse(line) as { n: number }).n)
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1)
  const reportOf = async (ledger: Ledger): Promise<string[]> => {
    const lines: string[] = []
    await writeReport(ledger, { tenant: 'acme', sinceMs: 0, untilMs: 2_000_000_000_000 }, (line) => lines.push(line))
    return lines
  }

  test('go on after the end, after a crash, and where the saved counts are old, damaged or of another ledger', async () => {
    const folder = join(temporaryFolder(), 'ledger')
    const other = await filled(9)
    await other.ledger.close()
    const saved = (): string => join(folder, 'tally')
    const spoil: (() => void)[] = [
      () => {},
      () => rmSync(saved()),
      () => writeFileSync(saved(), readFileSync(saved(), 'utf8').slice(0, 40)),
      () => writeFileSync(saved(), readFileSync(join(other.folder, 'tally'))),
    ]
    let count = 0
    let first: string | undefined
    for (const prepare of [...spoil, () => writeFileSync(saved(), first!)]) {
      if (existsSync(saved())) prepare()
      const ledger = await Ledger.open(folder)
      await Promise.all(
        [1, 2, 3].map(() => ledger.add(batch(`b${++count}`, ['acme', 'globex']), place, 1_800_000_000_000)),
      )
      expect(numbers(await reportOf(ledger))).toEqual(upTo(count))
      await ledger.close()
      first ??= readFileSync(saved(), 'utf8')
    }
    // Killed: a ledger that was never closed, and another process that goes on.
    const killed = await Ledger.open(folder)
    await killed.add(batch(`b${++count}`, ['acme']), place, 1_800_000_000_000)
    const next = await Ledger.open(folder)
    await next.add(batch(`b${++count}`, ['acme']), place, 1_700_000_000_000)
    const lines = await reportOf(next)
    expect(numbers(lines)).toEqual(upTo(count))
    expect(verifyReport(lines)).toMatchObject({ ok: true, complete: true })
    await next.close()
    await killed.close()
  })

  test('are given once where a write failed, whether its leaves are there or not', async () => {
    for (const wereWritten of [false, true]) {
      const folder = join(temporaryFolder(), 'ledger')
      const ledger = await Ledger.open(folder)
      await ledger.add(batch('b1', ['acme']), place, 1_800_000_000_000)
      const append = SignedLog.prototype.appendUnsigned
      const failing = vi.spyOn(SignedLog.prototype, 'appendUnsigned').mockImplementation(async function (
        this: SignedLog,
        leaves,
      ) {
        if (wereWritten) await append.call(this, leaves)
        throw new Error('the disk is gone')
      })
      await expect(ledger.add(batch('b2', ['acme']), place, 1_800_000_000_000)).rejects.toThrow('the disk is gone')
      failing.mockRestore()
      await ledger.add(batch('b2', ['acme']), place, 1_800_000_000_000)
      const lines = await reportOf(ledger)
      expect(numbers(lines)).toEqual(upTo(wereWritten ? 3 : 2))
      expect(verifyReport(lines)).toMatchObject({ ok: true, complete: true })
      await ledger.close()
    }
  })

  test('tell others nothing: a mark says which leaf it is only to who knows the salt', async () => {
    const { ledger, report } = await filled(20)
    const { lines } = await report('acme')
    const header = JSON.parse(lines[0]!) as { salt: string }
    const marks = lines
      .slice(1, -2)
      .flatMap((line) => (JSON.parse(JSON.parse(line).leaf) as Leaf).held.map((one) => one[4]!))
    const own = upTo(40).map((n) => markOf(header.salt, n))
    const others = marks.filter((mark) => !own.includes(mark))
    expect(others.length).toBeGreaterThan(3)
    expect(new Set(marks).size).toBe(marks.length)
    await ledger.close()
  })

  test('of a ledger from before there were any: accepted, and said that nothing shows it to be complete', async () => {
    const folder = join(temporaryFolder(), 'ledger')
    const salts = await Ledger.open(folder)
    await salts.close()
    const salt = salts.salt('acme')
    const alias = { salt, pseudonym: pseudonymOf(salt, 'acme') }
    const append = async (id: string): Promise<void> => {
      const log = await SignedLog.open({ folder, name: 'log', origin: 'ledger' })
      const old = { ...batch(id, ['acme']), bytes: 3, sha256: 'ab' }
      await log.appendUnsigned(
        leavesOf(
          old,
          place,
          1_800_000_000_000,
          () => alias,
          () => undefined,
        ),
      )
      await log.close()
    }
    await append('old')
    const ledger = await Ledger.open(folder)
    await ledger.add(batch('new', ['acme']), place, 1_800_000_001_000)
    const verdict = verifyReport(await reportOf(ledger))
    expect(verdict).toMatchObject({ ok: true, complete: false, leaves: 2 })
    expect(verdict.notShown).toContain('1 leaves bear no number')
    await append('an old version again')
    const later = await Ledger.open(folder)
    expect(verifyReport(await reportOf(later)).problems.join()).toContain('bears no number, but should')
    await later.close()
    await ledger.close()
  })
})
