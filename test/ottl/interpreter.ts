/**
 * The slow, plain twin of the compiler, for tests: it walks the tree as written over a decoded record. Written from the
 * Collector's rules and not from the compiler; only what lies under both (the parser) is shared.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Node } from '../../src/ottl/syntax.ts'

/** A record as plain values: bigint int, number double, null nil. */
export interface PlainRecord {
  readonly event_name: string
  readonly severity_text: string
  readonly severity_number: bigint
  readonly body: Plain
  readonly attributes: Record<string, Plain>
  readonly resource: Record<string, Plain>
}
export type Plain = null | string | bigint | number | boolean | Plain[] | { [key: string]: Plain }

export class Failure extends Error {}

export function interpret(node: Node, record: PlainRecord): boolean {
  switch (node.is) {
    case 'or':
      for (const term of node.terms) if (interpret(term, record)) return true
      return false
    case 'and':
      for (const term of node.terms) if (!interpret(term, record)) return false
      return true
    case 'not':
      return !interpret(node.operand, record)
    case 'compare':
      return compare(read(node.left, record), node.op, read(node.right, record))
    default: {
      const value = read(node, record)
      if (typeof value !== 'boolean') throw new Failure('no bool')
      return value
    }
  }
}

function read(node: Node, record: PlainRecord): Plain {
  switch (node.is) {
    case 'literal':
      return node.value as Plain
    case 'enum':
      return { SEVERITY_NUMBER_INFO: 9n, SEVERITY_NUMBER_ERROR: 17n }[node.name]!
    case 'path':
      return readPath(node, record)
    case 'call': {
      const args = node.args.map(({ value }) => read(value, record))
      return call(node.name, args[0]!, args[1])
    }
    case 'math': {
      const left = read(node.left, record)
      const right = read(node.right, record)
      if (typeof left === 'bigint' && typeof right === 'bigint') return BigInt.asIntN(64, left + right)
      if (!isNumber(left) || !isNumber(right)) throw new Failure('no numbers')
      return Number(left) + Number(right)
    }
    default:
      throw new Error(`not in the twin: ${node.is}`)
  }
}

function readPath(node: Extract<Node, { is: 'path' }>, record: PlainRecord): Plain {
  const names = node.segments.map(({ name }) => name)
  if (names[0] === 'log') names.shift()
  const { keys } = node.segments.at(-1)!
  const base = names[0] === 'resource' ? record.resource : record[names[0] as keyof PlainRecord]
  let value: Plain = base as Plain
  let isFirst = true
  for (const { key } of keys) {
    if (Array.isArray(value)) {
      if (typeof key !== 'bigint' || key >= BigInt(value.length)) throw new Failure('index')
      value = value[Number(key)]!
    } else if (value !== null && typeof value === 'object') {
      if (typeof key !== 'string') throw new Failure('key')
      if (!Object.hasOwn(value, key)) return null
      value = value[key]!
    } else if (!(isFirst && value === null && names[0] !== 'body')) throw new Failure('no keys')
    isFirst = false
  }
  return value
}

const isTree = (value: Plain): boolean => value !== null && typeof value === 'object'
const isNumber = (value: Plain): value is bigint | number => typeof value === 'bigint' || typeof value === 'number'

function call(name: string, value: Plain, other: Plain | undefined): Plain {
  switch (name) {
    case 'HasPrefix':
    case 'HasSuffix':
      if (typeof value !== 'string') throw new Failure('no text')
      return name === 'HasPrefix' ? value.startsWith(other as string) : value.endsWith(other as string)
    case 'IsMatch':
      return value !== null && patternOf(other as string).test(textOf(value))
    case 'IsString':
      return typeof value === 'string'
    case 'IsInt':
      return typeof value === 'bigint'
    case 'IsDouble':
      return typeof value === 'number'
    case 'IsBool':
      return typeof value === 'boolean'
    case 'IsList':
      return Array.isArray(value)
    case 'IsMap':
      return value !== null && typeof value === 'object' && !Array.isArray(value)
    default:
      throw new Error(`not in the twin: ${name}`)
  }
}

function compare(left: Plain, op: string, right: Plain): boolean {
  if (left === null && right === null) return op === '==' || op === '<=' || op === '>='
  const comparable =
    (isNumber(left) && isNumber(right)) ||
    (typeof left === 'string' && typeof right === 'string') ||
    (typeof left === 'boolean' && typeof right === 'boolean')
  if (isTree(left) && isTree(right))
    return isDeepStrictEqual(left, right) === (op === '==') && (op === '==' || op === '!=')
  if (!comparable) return op === '!='
  const isMixed = typeof left !== typeof right
  const a = isMixed ? Number(left) : left
  const b = isMixed ? Number(right) : right
  const isText = typeof a === 'string'
  const order = isText ? Buffer.compare(Buffer.from(a), Buffer.from(b as string)) : 0
  switch (op) {
    case '==':
      return a === b
    case '!=':
      return a !== b
    case '<':
      return isText ? order < 0 : a! < b!
    case '<=':
      return isText ? order <= 0 : a! <= b!
    case '>':
      return isText ? order > 0 : a! > b!
    default:
      return isText ? order >= 0 : a! >= b!
  }
}

/** As a pattern sees it: what JSON has no word for fails. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return JSON.stringify(value, (_, each) => {
    if (typeof each === 'number' && !Number.isFinite(each)) throw new Failure('no JSON')
    return typeof each === 'bigint' ? String(each) : each
  })
}

const patternOf = (pattern: string): RegExp =>
  pattern.startsWith('(?i)') ? new RegExp(pattern.slice(4), 'iu') : new RegExp(pattern, 'u')
