/** A host for exporters under test: files in a folder of their own, a clock that the test sets, a log that is kept. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Host } from '../../src/contract.ts'

export interface TestHost extends Host {
  readonly folder: string
  /** What was logged, as JSON lines. */
  readonly lines: string[]
  setNowMs(nowMs: number): void
  /** Removes the folder. */
  end(): void
}

export function testHost(id = 'exporter/test'): TestHost {
  const folder = mkdtempSync(join(tmpdir(), 'douane-exporter-'))
  const lines: string[] = []
  let now: number | undefined
  const tell = (level: string) => (event: string, fields?: object) => {
    lines.push(JSON.stringify({ level, event, ...fields }))
  }
  const counter = { add: () => {} }
  return {
    id,
    folder,
    lines,
    log: { debug: tell('debug'), info: tell('info'), warn: tell('warn'), error: tell('error') },
    purposes: { bit: () => 1, names: () => [] },
    hashKeys: { current: () => ({ id: '00000000', key: new Uint8Array(32) }) },
    resolve: (path) => resolve(folder, path),
    dataDir: () => {
      mkdirSync(join(folder, 'own'), { recursive: true, mode: 0o700 })
      return join(folder, 'own')
    },
    nowMs: () => now ?? Date.now(),
    setNowMs: (nowMs) => {
      now = nowMs
    },
    counter: ((_name: string, _help: string, labels?: readonly string[]) =>
      labels === undefined ? counter : { with: () => counter }) as Host['counter'],
    gauge: () => {},
    end: () => rmSync(folder, { recursive: true, force: true }),
  }
}
