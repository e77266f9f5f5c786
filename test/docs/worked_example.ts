/**
 * Examples of a page that a test runs: the block behind `<!-- a test runs this -->`, commands after `$ `, and under each
 * the lines that it shows, with `…` for what differs from run to run.
 */
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { pagePath } from './pages.ts'

export interface Example {
  /** Without `douane`. */
  readonly words: readonly string[]
  readonly lines: readonly string[]
}

export function examplesOf(page: string): Example[] {
  const text = readFileSync(pagePath(page), 'utf8')
  const [, block = ''] = /<!-- a test runs this -->\n+```console\n([\s\S]*?)```/.exec(text) ?? []
  const examples = block.split(/^\$ /m).slice(1)
  expect(examples.length, `examples on ${page}`).toBeGreaterThan(0)
  return examples.map((example) => {
    const [command = '', ...lines] = example.trimEnd().split('\n')
    const words = (command.match(/"[^"]*"|'[^']*'|\S+/g) ?? []).map((word) => word.replace(/^(["'])(.*)\1$/, '$2'))
    return { words: words.slice(1), lines }
  })
}

/** Every shown line is told, in that order. */
export function followsExample({ words, lines }: Example, output: string): void {
  const told = output.split('\n')
  let at = 0
  for (const line of lines) {
    const pattern = new RegExp(
      line
        .split('…')
        .map((part) => part.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&'))
        .join('.*'),
    )
    const found = told.findIndex((text, n) => n >= at && pattern.test(text))
    expect(found, `douane ${words.join(' ')} tells:\n${line}\nIt told:\n${output}`).toBeGreaterThanOrEqual(at)
    at = found + 1
  }
}
