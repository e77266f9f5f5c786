/** `keys index` gives what a running gateway puts beside a sealed field. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { BlindIndex } from '../../src/keys/blind_index.ts'
import { text } from '../keys/support.ts'
import { cleanUp, run, temporaryFolder } from './gateway.ts'

afterAll(cleanUp)

test('a value is found under the index of its tenant, field and month', async () => {
  const dir = temporaryFolder()
  mkdirSync(join(dir, 'keys'), { mode: 0o700 })
  const field = 'log.attributes["order"]'
  const sealed = new BlindIndex(join(dir, 'keys')).of(text('A-4711'), 'acme', field, Date.UTC(2026, 10, 21))
  const args = ['keys', 'index', '--tenant', 'acme', '--field', field, '--month', '2026-11', '--data-dir', dir]
  expect(await run([...args, 'A-4711'])).toMatchObject({ code: 0, stdout: `${sealed}\n` })
  const nothing = await run(['keys', 'index', '--tenant', 'a', '--field', 'log.body', '--data-dir', `${dir}/none`, 'x'])
  expect([nothing.code, nothing.stdout]).toEqual([3, ''])
  expect(nothing.stderr).toContain('nothing was indexed here')
})
