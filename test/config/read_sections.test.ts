/** The reader for long lists against the ordinary one: the same tree with the same positions, or no answer. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readSections } from '../../config/read_sections.ts'
import { readYaml } from '../../config/read_yaml.ts'
import { Source, type Tree } from '../../config/tree.ts'

/** A tree as comparable data: every value with its offset. */
function shape(node: Tree): unknown {
  const { offset } = node.spot
  if (node.kind === 'scalar') return [offset, node.value]
  if (node.kind === 'list') return [offset, node.items.map(shape)]
  return [offset, [...node.entries].map(([name, entry]) => [entry.key.offset, name, shape(entry.node)])]
}

/** Whether the fast reader took it. */
function compare(text: string): boolean {
  const source = new Source('policy.yaml', text)
  const fast = readSections(source)
  if (!fast) return false
  const { tree, problems } = readYaml(source)
  expect(problems).toEqual([])
  expect(shape(fast)).toEqual(shape(tree))
  return true
}

const word = fc.constantFrom('acme', 'globex', 'a-b', 'x.y', 't_1', '42', 'no', 'true', '"a b"', 'eu-de')
const scalar = fc.oneof(
  word,
  fc.constantFrom('7y', '"x: y"', "'it''s'", '12', 'null', '~', '[]', '{}', '"#"', 'a#b', ''),
)
const flow = fc
  .array(fc.tuple(word, fc.oneof(scalar, fc.constantFrom('[a, b]', '{ c: d }', '[ "x" ]'))), { maxLength: 3 })
  .map((entries) => `{ ${entries.map(([key, value]) => `${key}: ${value || 'v'}`).join(', ')} }`)
const comment = fc.constantFrom('', '', '', ' # why', '   ', '  # a: { b }')
const block = fc
  .array(fc.tuple(word, fc.oneof(scalar, flow), comment), { minLength: 1, maxLength: 3 })
  .map((entries) => entries.map(([key, value, tail]) => `\n    ${key}: ${value}${tail}`).join(''))
const entry = fc.tuple(
  word,
  fc.oneof(
    flow.map((text) => ` ${text}`),
    block,
    fc.constant(''),
    scalar.map((text) => ` ${text}`),
  ),
  comment,
)
const odd = fc.constantFrom(
  '',
  '',
  '',
  '\n',
  '  # comment: { x }\n',
  '# comment\n',
  '   - a\n',
  '\n\n',
  '  x: &a { b: c }\n',
  ' y: 1\n',
  '}\n',
  '  z: { a: 1,\n    b: 2 }\n',
)
const section = fc.tuple(word, fc.array(fc.tuple(entry, odd), { maxLength: 5 })).map(([name, entries]) => {
  return `${name}:\n${entries.map(([[key, value, tail], extra]) => `  ${key}:${value}${tail}\n${extra}`).join('')}`
})
const file = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: section },
    odd,
    entry.map(([k, v]) => `${k}:${v}\n`),
  ),
  { maxLength: 4 },
)

describe('the reader for long lists', () => {
  test('equals the ordinary reader, or leaves the file to it', () => {
    let taken = 0
    fc.assert(
      fc.property(file, (parts) => {
        if (compare(parts.join(''))) taken++
      }),
      { numRuns: 4000, seed: 20260131 },
    )
    expect(taken).toBeGreaterThan(300)
  })

  test.each([
    'tenants:\n  a: { r: x }\n  b: { r: x } # same\n\n  # c\n  c:\n    r: x\n    p: [a, b]\ndefault: { r: q }\n',
    'tenants:\n  "a b": { r: x }\n  10: { r: "x # y" }\ndefault:\n  r: q\n  s: t\n',
    'tenants: # all\n    a: { r: x }\n    b: { r: x,\n      s: y }\nd: {}',
  ])('takes what a policy looks like: %j', (text) => {
    expect(compare(text)).toBe(true)
  })

  test.each([
    'tenants:\n  a: &x { r: x }\n  b: *x\n',
    'tenants:\n  a: { r: x }\n  a: { r: y }\n',
    'tenants:\n  a: |\n    b: c\n',
    'tenants:\n  a: { r: x }\n b: { r: y }\n',
    'tenants:\n  a: { r: x\n  b: { r: y }\n',
    'tenants:\n\ta: { r: x }\n',
    'tenants:\n  a: b: c\n',
    '---\ntenants:\n  a: { r: x }\n',
    'tenants:\n  a: { r: x } y\n',
    'tenants:\n- a: { r: x }\n',
    '  z: { a: 1 }\nacme:\n  acme: {}\n',
  ])('leaves the rest to the ordinary one: %j', (text) => {
    expect(readSections(new Source('policy.yaml', text))).toBeUndefined()
  })
})
