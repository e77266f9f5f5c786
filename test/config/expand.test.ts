/* Texts with ${…} are what is tested here. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: see above
import { describe, expect, test } from 'vitest'
import { expandAll } from '../../config/expand.ts'
import { readYaml } from '../../config/read_yaml.ts'
import { plain, Source } from '../../config/tree.ts'
import { load, told } from './registries.ts'

const env = { NAME: 'collector', PORT: '4317', ON: 'true', EMPTY: '', DOLLAR: '$' + '{env:NAME}', LIST: '[a, b]' }

function expanded(value: string): unknown {
  const { tree } = readYaml(new Source('a.yaml', `v: ${JSON.stringify(value)}`))
  const problems = expandAll(tree, env)
  return problems.length > 0 ? problems.map(({ what }) => what) : (plain(tree) as { v: unknown }).v
}

describe('expansion', () => {
  test.each([
    ['${env:NAME}', 'collector'],
    ['${NAME}', 'collector'],
    ['a-${env:NAME}-${PORT}', 'a-collector-4317'],
    ['${env:PORT}', 4317],
    ['${env:ON}', true],
    ['${env:MISSING:-fallback}', 'fallback'],
    ['${env:EMPTY:-fallback}', 'fallback'],
    ['${env:MISSING:-12}', 12],
    ['${env:MISSING:-}', null],
    ['${env:EMPTY}', null],
    ['${env:MISSING:-http://127.0.0.1:1}', 'http://127.0.0.1:1'],
    ['${MISSING:-${env:ALSO:-${NAME}}}', 'collector'],
    ['$${env:NAME}', '${env:NAME}'],
    ['cost: 5$', 'cost: 5$'],
    ['^a$', '^a$'],
    ['${env:DOLLAR}', '${env:NAME}'],
    ['${env:LIST}', '[a, b]'],
    ['${env:PORT}0', '43170'],
  ])('%s', (text, expected) => {
    expect(expanded(text)).toEqual(expected)
  })

  test.each([
    ['${env:MISSING}', 'the environment variable MISSING is not set'],
    ['${MISSING}', 'the environment variable MISSING is not set'],
    ['${file:/etc/passwd}', 'not a variable'],
    ['${env:a b}', 'not a variable'],
    ['${env:NAME', '"${" without "}"'],
  ])('%s is refused', (text, expected) => {
    expect(expanded(text)).toEqual([expected])
  })

  test('defaults in defaults end somewhere', () => {
    const deep = '${X:-'.repeat(40) + '}'.repeat(40)
    expect(expanded(deep)).toEqual(['defaults nested deeper than 8'])
  })
})

const config = (salt: string) => `
receivers: { otlp: { protocols: { http: } } }
processors:
  minimize:
    salt: ${salt}
exporters: { debug: }
service: { pipelines: { logs: { receivers: [otlp], processors: [minimize], exporters: [debug] } } }
`
describe('an expanded value that looks like a number', () => {
  test('is text where the option wants text', () => {
    const loaded = load({ 'a.yaml': config('${env:SALT}') }, { SALT: '0012' })
    expect(loaded.config?.processors.get('minimize')?.options).toMatchObject({ salt: '0012' })
  })
  test('but a written number is not', () => {
    expect(told(load({ 'a.yaml': config('12') }))[0]).toContain('a.yaml:5:11 processors.minimize.salt: is a number')
  })
  test('a missing variable is told at its place', () => {
    expect(told(load({ 'a.yaml': config('${env:SALT}') }))).toEqual([
      'a.yaml:5:11 processors.minimize.salt: the environment variable SALT is not set; set it, or give a default: ${env:SALT:-default}',
    ])
  })
})
