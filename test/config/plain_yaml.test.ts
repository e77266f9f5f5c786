/** The reader of plain YAML against the library: the same tree with the same positions, or no answer. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Line, PlainYaml } from '../../config/plain_yaml.ts'
import { readYaml } from '../../config/read_yaml.ts'
import { Source, type Tree } from '../../config/tree.ts'

function shape(node: Tree): unknown {
  const { offset } = node.spot
  if (node.kind === 'scalar') return [offset, node.value]
  if (node.kind === 'list') return [offset, node.items.map(shape)]
  return [offset, [...node.entries].map(([name, entry]) => [entry.key.offset, name, shape(entry.node)])]
}

function linesOf(text: string): Line[] {
  let start = 0
  return text.split('\n').map((line) => {
    const indent = line.search(/[^ ]/)
    const found = { start, end: start + line.length, indent: line[indent] === '#' ? -1 : indent }
    start += line.length + 1
    return found
  })
}

/** The value under `tenant:` by both; whether the plain reader took it. */
function compare(value: string): boolean {
  const text = `tenant:${value}`
  const source = new Source('policy.yaml', text)
  const lines = linesOf(text)
  const quick = new PlainYaml(source, lines).value('tenant:'.length, 0, lines.length)
  if (quick === undefined) return false
  const { tree, problems } = readYaml(source)
  expect(problems, text).toEqual([])
  expect(tree.kind === 'map' && shape(tree.entries.get('tenant')!.node), text).toEqual(shape(quick))
  return true
}

const word = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.constantFrom(
      'eu-de',
      'a',
      'p_1',
      'x.y',
      'local',
      '30d',
      '18mo',
      '7',
      '0',
      '12h',
      'a/b',
      '"q r"',
      "'s'",
      'two words',
    ),
  },
  fc.constantFrom(
    'true',
    'no',
    'Null',
    '~',
    '',
    '007',
    '0x1f',
    '1e5',
    '1.5',
    '-3',
    '+4',
    '.5',
    '-',
    '--',
    '-a',
    '.inf',
    '.',
    '1_0',
  ),
  fc.constantFrom(
    'a:b',
    'a: b',
    'a #b',
    'a#b',
    '"\\n"',
    "'it''s'",
    '&a',
    '*a',
    '!t',
    '|',
    '{}',
    '[]',
    'é',
    '1d 2',
    '999999999999999999',
  ),
  fc.string({ unit: fc.constantFrom(...'ab10.-_+/ :#,[]{}"\'?%@xeoNT~'), maxLength: 6 }),
)
const keyText = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('region', 'a', 'b-c', '"k l"', 'p0', 'x.y') },
  { weight: 1, arbitrary: fc.constantFrom('true', '~', '1', "'q'", '__proto__', 'a b', '', '"', '<<') },
)
const flow: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    word,
    fc.array(tie('node'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
    fc
      .array(fc.tuple(keyText, tie('node')), { maxLength: 3 })
      .map((entries) => `{ ${entries.map(([key, node]) => `${key}: ${node}`).join(', ')} }`),
  ),
})).node
const tail = fc.constantFrom('', '', '', '', '', '', '', '', '', '', '', '', '  ', ' # why', ',', ' }', '\n      more')
const blockAt = (indent: string): fc.Arbitrary<string> =>
  fc
    .array(
      fc.tuple(
        keyText,
        indent.length < 6 ? fc.oneof(flow, fc.constant('\0')) : flow,
        fc.constantFrom('', '', '\n', '\n  # note'),
        tail,
      ),
      { minLength: 1, maxLength: 3 },
    )
    .chain((entries) =>
      (indent.length < 6 ? blockAt(`${indent}  `) : fc.constant('')).map((inner) =>
        entries
          .map(([key, node, gap, end]) => `\n${indent}${key}:${node === '\0' ? inner : ` ${node}`}${end}${gap}`)
          .join(''),
      ),
    )

it('equals the library, or leaves the text to it', () => {
  let taken = 0
  fc.assert(
    fc.property(
      fc.oneof(
        flow.map((node) => ` ${node}`),
        blockAt('  '),
      ),
      (value) => {
        if (compare(value)) taken++
      },
    ),
    { numRuns: 2000, seed: 20261121 },
  )
  expect(taken).toBeGreaterThan(400)
})

it.each([
  ' { residency: split, region: r1, central_purposes: [p0, p2], purposes: { p1: { retention: 30d } } }',
  '\n  residency: local\n\n  # why\n  regions: [eu-de, "eu nl"]\n  purposes:\n    p0: { content: drop }\n    p1:\n      retention: 6d',
  ' { usage_limits: { llm.request: 1000 } }  ',
])('takes what tenants look like: %j', (value) => {
  expect(compare(value)).toBe(true)
})

it.each([
  ' { a: 1, a: 2 }',
  '\n  a: x\n  a: y',
  ' { a: true }',
  ' { a: x # y }',
  '\n  - a',
  '\n  a: b: c',
  '\n  a: b\n    c',
  ' { a: 010 }',
  ' { __proto__: x }',
  `${' { a:'.repeat(20)} b${' }'.repeat(20)}`,
])('leaves the rest to it: %j', (value) => {
  expect(compare(value)).toBe(false)
})
