import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { functions } from '../../src/ottl/functions.ts'
import { fields } from '../../src/ottl/paths.ts'

const page = readFileSync(new URL('../../docs/ottl.md', import.meta.url), 'utf8')

describe('docs/ottl.md', () => {
  it('lists every function as it is, and no other', () => {
    const section = page.slice(page.indexOf('## Functions'), page.indexOf('## Patterns'))
    const listed = section.split('\n').filter((line) => line.startsWith('| `'))
    const known = Object.entries(functions).map(([name, { params, summary }]) => {
      const names = params.map((parameter) => (parameter.isOptional ? `[${parameter.name}]` : parameter.name))
      return `| \`${name}(${names.join(', ')})\` | ${summary} |`
    })
    expect(listed).toEqual(known)
  })

  it('lists every path', () => {
    const section = page.slice(page.indexOf('## Paths'), page.indexOf('## Literals'))
    for (const [of, table] of Object.entries(fields)) {
      for (const field of Object.keys(table)) expect(section).toContain(`\`${of}.${field}`)
    }
  })
})
