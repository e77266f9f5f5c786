/** The program that seals is the one that its source makes. The compiler takes seconds: so not with every change. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

test('wasm/seal.ts makes src/keys/seal.wasm', () => {
  const root = join(import.meta.dirname, '../..')
  const folder = mkdtempSync(join(tmpdir(), 'douane-wasm-'))
  try {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const build = scripts['build:wasm']!.split('&&').find((command) => command.includes('wasm/seal.ts'))!
    const [, ...args] = build.trim().split(/\s+/)
    const built = join(folder, 'seal.wasm')
    const given = args.map((arg) => (arg === 'src/keys/seal.wasm' ? built : arg))
    execFileSync(join(root, 'node_modules/.bin/asc'), given, { cwd: root })
    expect(readFileSync(built)).toEqual(readFileSync(join(root, 'src/keys/seal.wasm')))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
