import { describe, expect, it } from 'vitest'
import { parseCondition, parsePath } from '../../src/ottl/checker.ts'
import { compileCondition } from '../../src/ottl/condition_set.ts'
import { parseExpression } from '../../src/ottl/parser.ts'
import { ConditionError, type Node } from '../../src/ottl/syntax.ts'
import { makeRecord } from './records.ts'

function errorOf(source: string): ConditionError {
  try {
    parseCondition(source)
  } catch (error) {
    if (error instanceof ConditionError) return error
    throw error
  }
  throw new Error(`${source} was taken`)
}

describe('a wrong condition', () => {
  const wrong: [source: string, line: number, column: number, reason: RegExp, fix?: RegExp][] = [
    ['', 1, 1, /^expected a path, a literal, a function or \(, found the end$/],
    ['event_name =', 1, 12, /^expected and, or, an operator or the end, found =$/, /equality is written ==/],
    ['event_name = "a"', 1, 12, /found =$/, /==/],
    ['severity_number >= SEVERITY_NUMBER_EROR', 1, 20, /no enum/, /SEVERITY_NUMBER_ERROR\?/],
    ['severity_number >= ERROR', 1, 20, /no enum ERROR/, /SEVERITY_NUMBER_ERROR\?/],
    ['event_name == "a" and\n  evnt_name == "b"', 2, 3, /no field evnt_name/, /did you mean event_name\?/],
    ['resource.attribute["a"] == 1', 1, 1, /no field/, /resource.attributes/],
    ['log.attributes[0] == 1', 1, 15, /found by name/],
    ['event_name["a"] == 1', 1, 11, /no keys/],
    ['HasPrefx(event_name, "a")', 1, 1, /no function HasPrefx/, /HasPrefix\?/],
    ['HasPrefix(event_name)', 1, 1, /lacks prefix/, /HasPrefix\(target, prefix\)/],
    ['HasPrefix(event_name, "a", "b")', 1, 28, /too many arguments/],
    ['HasPrefix(event_name, pre="b")', 1, 23, /no argument is called pre/],
    ['HasPrefix(severity_number, "a")', 1, 11, /target must be text, found an int/],
    ['HasPrefix(trace_id, "a")', 1, 11, /must be text/, /trace_id\.string/],
    ['severity_number == "ERROR"', 1, 1, /never equals text/, /SEVERITY_NUMBER_ERROR/],
    ['event_name == nil', 1, 1, /never equals nil/, /it is ""/],
    ['event_name', 1, 1, /a path alone is no condition/],
    ['5', 1, 1, /expected a condition, found an int/],
    ['set(attributes["a"], 1)', 1, 1, /starts with a capital letter/],
    ['IsMatch(event_name, "(")', 1, 21, /RE2 syntax/],
    ['IsMatch(event_name, "(?=a)")', 1, 21, /RE2 syntax/],
    ['IsMatch(event_name, event_name)', 1, 21, /must be a literal/],
    ['IsMatch(event_name, "\\d")', 1, 22, /unknown escape \\d/, /twice/],
    ["event_name == 'a'", 1, 15, /unexpected character '/, /double quotes/],
    ['event_name == "a', 1, 15, /closing quote/],
    ['event_name == "a" && true', 1, 19, /unexpected character &/, /and/],
    ['not not true', 1, 5, /found not/],
    ['1 < 2 < 3', 1, 7, /found </],
    ['(event_name == "a"', 1, 19, /expected \)/],
    ['event_name == "a" or', 1, 21, /found the end/],
    ['event_name + 1 == 2', 1, 1, /cannot be calculated/, /Concat/],
    ['(event_name == "a") == true', 1, 1, /cannot be an operand/],
    ['attributes["a"] == 9223372036854775808', 1, 20, /64 bits/],
    ['attributes["a"] == 0x123', 1, 20, /even number/],
    ['attributes["a"] < {}', 1, 1, /no meaning for a map/],
    ['IsInCIDR(attributes["ip"], ["10.0.0.0/33"])', 1, 28, /networks are written/],
    ['trace_id == TraceID(0x01)', 1, 21, /16 bytes/],
    ['ConvertCase(event_name, "snake") == "a"', 1, 25, /only "lower" and "upper"/],
  ]
  it.each(wrong)('%j: line %i, column %i', (source, line, column, reason, fix) => {
    const error = errorOf(source)
    expect({ line: error.line, column: error.column }).toEqual({ line, column })
    expect(error.reason).toMatch(reason)
    expect(source.slice(0, error.offset).split('\n').at(-1)!.length + 1).toBe(column)
    if (fix) expect(error.fix).toMatch(fix)
  })

  it('is bounded in length and depth', () => {
    expect(errorOf(`${'('.repeat(100_000)}`).reason).toMatch(/longer than/)
    expect(errorOf(`${'('.repeat(1000)}true${')'.repeat(1000)}`).reason).toMatch(/nested deeper/)
    expect(errorOf(`IsMatch(event_name, "${'a'.repeat(5000)}")`).reason).toMatch(/longer than/)
    expect(errorOf('IsMatch(event_name, "((a{100}){10}){10}")').reason).toMatch(/pattern/)
  })
})

/** Writes a tree with all its parentheses. */
function show(node: Node): string {
  switch (node.is) {
    case 'or':
    case 'and':
      return `(${node.terms.map(show).join(` ${node.is} `)})`
    case 'not':
      return `(not ${show(node.operand)})`
    case 'negate':
      return `(- ${show(node.operand)})`
    case 'compare':
    case 'math':
      return `(${show(node.left)} ${node.op} ${show(node.right)})`
    case 'literal':
      return typeof node.value === 'string' ? JSON.stringify(node.value) : String(node.value)
    case 'path':
      return node.segments.map(({ name }) => name).join('.')
    default:
      return node.is
  }
}

describe('precedence', () => {
  it.each([
    ['true or false and true', '(true or (false and true))'],
    ['not flags == 1 and true', '((not (flags == 1)) and true)'],
    ['1 + 2 * 3 == 7', '((1 + (2 * 3)) == 7)'],
    ['10 - 2 - 3 == 5', '(((10 - 2) - 3) == 5)'],
    ['(1 + 2) * 3 == 9', '(((1 + 2) * 3) == 9)'],
    ['1-1 == -1', '((1 - 1) == -1)'],
    ['-flags < - 2', '((- flags) < -2)'],
    ['not (true or false)', '(not (true or false))'],
  ])('%s is %s', (source, expected) => {
    expect(show(parseExpression(source))).toBe(expected)
    expect(show(parseExpression(expected))).toBe(expected)
  })
})

describe('paths', () => {
  it.each([
    ['log.body', { of: 'log', field: 'body', keys: [] }],
    ['attributes["a"]["b"][0]', { of: 'log', field: 'attributes', keys: ['a', 'b', 0n] }],
    ['instrumentation_scope.name', { of: 'scope', field: 'name', keys: [] }],
    ['resource.attributes["tenant.id"]', { of: 'resource', field: 'attributes', keys: ['tenant.id'] }],
    ['trace_id.string', { of: 'log', field: 'trace_id.string', keys: [] }],
  ])('%s', (source, path) => expect(parsePath(source)).toMatchObject(path))

  it('names nothing but one path', () => {
    expect(() => parsePath('log.body == 1')).toThrow(/the end of the path/)
    expect(() => parsePath('resource')).toThrow(/is no field/)
  })
})

describe('evaluation', () => {
  const holds = (source: string, parts = {}): boolean => compileCondition(parseCondition(source))(makeRecord(parts))

  it('finds attributes whose keys are too long to be interned, and takes the first of equal keys', () => {
    const long = 'k'.repeat(300)
    expect(holds(`attributes["${long}"] == "x"`, { attributes: { a: 1n, [long]: 'x' } })).toBe(true)
    expect(holds(`attributes["${long}"] == nil`, { attributes: { a: 1n, [`${long}k`]: 'x' } })).toBe(true)
  })

  it('does not see attributes that were removed, and sees those that were added', () => {
    const record = makeRecord({ attributes: { a: 'x' } })
    const test = compileCondition(parseCondition('attributes["a"] == "x" or attributes["douane.b"] == 2'))
    expect(test(record)).toBe(true)
    record.slots.remove(record.attributes.find('a'))
    expect(test(record)).toBe(false)
    record.add('douane.b', { kind: 'int', value: 2n })
    expect(test(record)).toBe(true)
  })
})
