/** Converters over lists, maps, lengths, addresses, ids and JSON. Semantics: functions.ts. */
import { limits } from '../limits.ts'
import type { AnyValue } from '../otlp/value.ts'
import { contains, type Network, parseAddress, parseNetwork } from './address.ts'
import { type FunctionSpec, notA, param } from './function_spec.ts'
import { anyType, compareValues, type Dictionary, fromAnyValue, type List, Type, typeOf, type Value } from './values.ts'

const isList = (value: Value): value is List => typeOf(value) === Type.List
const isMap = (value: Value): value is Dictionary => typeOf(value) === Type.Map

const len: FunctionSpec = {
  params: [param('target', Type.String | Type.Bytes | Type.List | Type.Map)],
  result: Type.Int,
  summary: 'the length: of text in bytes, of a list or map in items; fails for other types, nil too',
  prepare: (_, fail) => (value) => {
    if (typeof value === 'string') return BigInt(Buffer.byteLength(value))
    if (value instanceof Uint8Array) return BigInt(value.length)
    if (isList(value)) return BigInt(value.values.length)
    if (isMap(value)) return BigInt(new Set(value.entries.map((entry) => entry.key)).size)
    return fail(notA('text, bytes, a list or a map', value))
  },
}

const indexIn = (list: List, item: Value): number =>
  list.values.findIndex((value) => compareValues(fromAnyValue(value), '==', item))

const index: FunctionSpec = {
  params: [param('target', Type.String | Type.List), param('value', anyType)],
  result: Type.Int,
  summary:
    'where the value stands first: in text counted in bytes, in a list in items; -1 where it does not; fails for other types, and when text is searched for what is not text',
  prepare: (_, fail) => (target, value) => {
    if (isList(target)) return BigInt(indexIn(target, value))
    if (typeof target !== 'string') return fail(notA('text or a list', target))
    if (typeof value !== 'string') return fail(notA('text', value))
    const at = target.indexOf(value)
    return at < 0 ? -1n : BigInt(Buffer.byteLength(target.slice(0, at)))
  },
}

const isInCidr: FunctionSpec = {
  params: [param('target', Type.String), param('networks', Type.List, { isListLiteral: true, isLiteral: true })],
  result: Type.Bool,
  summary:
    'whether an address (IPv4 or IPv6) lies in one of the networks, `["10.0.0.0/8"]`; text that is no address gives false; fails for what is not text',
  prepare: ([, texts], fail, refuse) => {
    const networks = (texts as readonly Value[]).map((item): Network => {
      const network = typeof item === 'string' ? parseNetwork(item) : undefined
      return network ?? refuse(1, 'networks are written "10.0.0.0/8" or "2001:db8::/32"')
    })
    return (value) => {
      if (typeof value !== 'string') return fail(notA('text', value))
      const address = parseAddress(value)
      return address !== undefined && networks.some((network) => contains(network, address))
    }
  },
}

/** JSON's values as the Collector has them: numbers are floats. */
function fromJson(json: unknown, depth: number): AnyValue {
  if (depth > limits.valueDepthMax) throw new RangeError('nested too deep')
  switch (typeof json) {
    case 'string':
      return { kind: 'string', value: json }
    case 'boolean':
      return { kind: 'bool', value: json }
    case 'number':
      return { kind: 'double', value: json }
    default:
  }
  if (json === null) return { kind: 'empty' }
  if (Array.isArray(json)) return { kind: 'array', values: json.map((item) => fromJson(item, depth + 1)) }
  const entries = Object.entries(json as object).map(([key, value]) => ({ key, value: fromJson(value, depth + 1) }))
  return { kind: 'kvlist', entries }
}

const parseJson: FunctionSpec = {
  params: [param('target', Type.String)],
  result: Type.List | Type.Map,
  summary:
    'the list or map that a JSON text holds; its numbers are floats; fails for what is not text or not a JSON list or object',
  prepare: (_, fail) => (value) => {
    if (typeof value !== 'string') return fail(notA('text', value))
    const tree = tryJson(value)
    return tree === undefined || (tree.kind !== 'array' && tree.kind !== 'kvlist')
      ? fail('text that is no JSON list or object')
      : tree
  },
}

function tryJson(text: string): AnyValue | undefined {
  try {
    return fromJson(JSON.parse(text), 1)
  } catch (error) {
    // JSON.parse throws SyntaxError, a depth over the bound RangeError: both mean "no JSON that we take".
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined
    throw error
  }
}

const id = (kind: 'trace_id' | 'span_id', bytes: number): FunctionSpec => ({
  params: [param('bytes', Type.Bytes | Type.String, { isLiteral: true })],
  result: kind === 'trace_id' ? Type.TraceId : Type.SpanId,
  summary: `the id of ${bytes} bytes (\`0x…\`) or ${2 * bytes} hex digits in quotes, to compare ${kind} with`,
  prepare: ([literal], _, refuse) => {
    const hex = typeof literal === 'string' ? literal.toLowerCase() : Buffer.from(literal as Uint8Array).toString('hex')
    if (!/^[0-9a-f]*$/.test(hex) || hex.length !== 2 * bytes) return refuse(0, `an id of ${bytes} bytes is needed`)
    return () => ({ kind, hex })
  },
})

export const collectionFunctions: Readonly<Record<string, FunctionSpec>> = {
  Len: len,
  Index: index,
  ContainsValue: {
    params: [param('target', Type.List), param('item', anyType)],
    result: Type.Bool,
    summary: 'whether a list holds an item that `==` the value; fails for what is not a list, nil too',
    prepare: (_, fail) => (target, item) =>
      isList(target) ? indexIn(target, item) >= 0 : fail(notA('a list', target)),
  },
  Keys: {
    params: [param('target', Type.Map)],
    result: Type.List,
    summary: 'the list of the keys of a map; fails for what is not a map',
    prepare: (_, fail) => (target) => {
      if (!isMap(target)) return fail(notA('a map', target))
      const keys = new Set(target.entries.map((entry) => entry.key))
      return { kind: 'array', values: [...keys].map((key) => ({ kind: 'string', value: key })) }
    },
  },
  IsInCIDR: isInCidr,
  ParseJSON: parseJson,
  TraceID: id('trace_id', 16),
  SpanID: id('span_id', 8),
}
