/** The example of README.md is run: every line that it shows is told by `douane explain`, in that order. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadAccepted } from '../../src/commands/common.ts'
import { explanationText } from '../../src/commands/explain.ts'
import { explain } from '../../src/explain.ts'

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
const [, sample, shown] =
  /a test runs this -->\n```json\n([\s\S]*?)```\n```\n\$ [^\n]*\n([\s\S]*?)```/.exec(readme) ?? []

test('README.md shows what explain says', async () => {
  const nowMs = Date.parse('2026-11-21T02:03:07Z')
  const told = explanationText(await explain(loadAccepted(undefined), Buffer.from(sample!), nowMs, undefined))
  const lines = told.replaceAll(/\u001b\[\d+m/g, '').split('\n')
  let at = 0
  for (const line of shown!.split('\n').filter((text) => text !== '')) {
    const start = line.split('…')[0]!
    const found = lines.findIndex((text, n) => n >= at && (line.includes('…') ? text.startsWith(start) : text === line))
    expect(found, `${line} is told, after what stands before it`).toBeGreaterThanOrEqual(at)
    at = found + 1
  }
  expect(at).toBeGreaterThan(10)
})
test('README.md says with right that the body does not leave', async () => {
  const { destinations } = await explain(loadAccepted(undefined), Buffer.from(sample!), Date.now(), undefined)
  expect(destinations.map(({ destination }) => destination)).toEqual(['postgres/eu_de', 'postgres/central'])
  for (const { gets } of destinations) expect(JSON.stringify(gets)).not.toMatch(/jane|"body"|192\.168/)
})
