/** Programs in WebAssembly are those that their sources make. The compiler takes seconds: so not with every change. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

test.each([
  ['wasm/context.ts', 'processors/minimize/detect/context.wasm'],
  ['wasm/seal.ts', 'src/keys/seal.wasm'],
  ['wasm/rows.ts', 'exporters/postgres/rows.wasm'],
])('%s makes %s', (source, program) => {
  const root = join(import.meta.dirname, '../..')
  const folder = mkdtempSync(join(tmpdir(), 'douane-wasm-'))
  try {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const build = scripts['build:wasm']!.split('&&').find((command) => command.includes(source))!
    const [, ...args] = build.trim().split(/\s+/)
    const built = join(folder, 'built.wasm')
    const given = args.map((arg) => (arg === program ? built : arg))
    execFileSync(join(root, 'node_modules/.bin/asc'), given, { cwd: root })
    expect(readFileSync(built)).toEqual(readFileSync(join(root, program)))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
