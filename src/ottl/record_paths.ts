/**
 * Reads paths from a record's view: each path becomes one closure. Values are decoded only as far as they are asked
 * for; quick_tests.ts answers the frequent questions without decoding at all.
 */
import { Kind, spanIdBytes, traceIdBytes } from '../otlp/fields.ts'
import { type AnyValue, decodeValue, type KeyValue } from '../otlp/value.ts'
import { descend, type Fail, type Read } from './compiler.ts'
import type { Path } from './paths.ts'
import { goNumber, jsonOf, shortNumber, type Value } from './values.ts'
import type { View } from './view.ts'

/** Where a path's slot is in a view: -1 when the field is absent. Only for what has a slot. */
export type SlotOf = (view: View) => number

const roles: Record<string, SlotOf> = {
  'log.body': (view) => view.record.body,
  'log.event_name': (view) => view.record.eventName,
  'log.severity_text': (view) => view.record.severityText,
  'scope.name': (view) => view.record.scope.name,
  'scope.version': (view) => view.record.scope.version,
}

/** The slot of a text field, the body, or an attribute; `undefined` for other paths. Further keys are not looked at. */
export function slotOf(path: Path, view: View): SlotOf | undefined {
  const [name] = path.keys
  if (path.field !== 'attributes') return roles[`${path.of}.${path.field}`]
  if (typeof name !== 'string') return undefined
  const wanted = view[path.of]
  const index = wanted.index(name)
  return path.of === 'log' ? (seen) => seen.attribute(index) : () => wanted.found[index]!
}

/** What reads a path. */
export function readOf(path: Path, view: View, fail: Fail): Read<View> {
  const slot = slotOf(path, view)
  if (slot === undefined) return path.field === 'attributes' ? allAttributes(path) : scalars[path.field]!
  if (path.field === 'attributes') return attribute(slot, path.keys, fail)
  if (path.field !== 'body') return (seen) => textAt(seen, slot(seen))
  return path.keys.length === 0
    ? (seen) => valueAt(seen, slot(seen))
    : (seen) => descend(treeAt(seen, slot(seen)), path.keys, 0, fail)
}

const attribute = (slot: SlotOf, keys: readonly (string | bigint)[], fail: Fail): Read<View> =>
  keys.length === 1
    ? (view) => valueAt(view, slot(view))
    : (view) => {
        const at = slot(view)
        return at < 0 ? null : descend(treeAt(view, at), keys, 1, fail)
      }

const textAt = (view: View, slot: number): Value =>
  slot < 0 || view.slots.kind(slot) !== Kind.String ? '' : view.text(slot)

function treeAt(view: View, slot: number): AnyValue {
  return slot < 0 ? { kind: 'empty' } : view.slots.value(slot)
}

export function valueAt(view: View, slot: number): Value {
  if (slot < 0) return null
  const { slots } = view
  switch (slots.kind(slot)) {
    case Kind.String:
      return view.text(slot)
    case Kind.Bool:
      return slots.bool(slot)
    case Kind.Int:
      return slots.int(slot)
    case Kind.Double:
      return slots.double(slot)
    case Kind.Bytes:
      return new Uint8Array(slots.bytes(slot).subarray(slots.start(slot), slots.end(slot)))
    case Kind.Array:
    case Kind.KvList: {
      const [from, to] = slots.message(slot)
      const tree = decodeValue(slots.bytes(slot), from, to)
      return tree.kind === 'array' || tree.kind === 'kvlist' ? tree : null
    }
    default:
      return null
  }
}

/** All attributes as one map: the slow way, for conditions that compare or count them. */
function allAttributes(path: Path): Read<View> {
  return (view) => {
    const { record, slots } = view
    const entries: KeyValue[] = []
    const take = (first: number, end: number): void => {
      for (let slot = first; slot < end; slot++) {
        const isAttribute = slots.keyId(slot) >= 0 && slots.kind(slot) !== Kind.Removed
        if (isAttribute) entries.push({ key: slots.key(slot), value: slots.value(slot) })
      }
    }
    const range = path.of === 'log' ? record : record[path.of]
    take(range.first, range.end)
    if (path.of === 'log') take(record.firstAdded, record.endAdded)
    return { kind: 'kvlist', entries }
  }
}

const hexAt = (view: View, at: number, length: number): string =>
  at < 0 ? '0'.repeat(2 * length) : view.record.request.body.toString('hex', at, at + length)

/** The body as text, as pdata's AsString has it: nothing is empty, bytes are in base64. */
function bodyText(view: View): string {
  const tree = treeAt(view, view.record.body)
  switch (tree.kind) {
    case 'empty':
      return ''
    case 'bytes':
      return Buffer.from(tree.value).toString('base64')
    case 'array':
    case 'kvlist':
      return jsonOf(tree, shortNumber)
    case 'double':
      return Number.isFinite(tree.value) ? shortNumber(tree.value) : `json: unsupported value: ${goNumber(tree.value)}`
    default:
      return String(tree.value)
  }
}

const scalars: Record<string, Read<View>> = {
  'body.string': bodyText,
  severity_number: (view) => BigInt(view.record.severityNumber),
  // As the Collector: a time beyond 2262 is one before 1970.
  time: (view) => ({ kind: 'time', nanos: BigInt.asIntN(64, view.record.timeUnixNano) }),
  time_unix_nano: (view) => BigInt.asIntN(64, view.record.timeUnixNano),
  observed_time: (view) => ({ kind: 'time', nanos: BigInt.asIntN(64, view.record.observedTimeUnixNano) }),
  observed_time_unix_nano: (view) => BigInt.asIntN(64, view.record.observedTimeUnixNano),
  trace_id: (view) => ({ kind: 'trace_id', hex: hexAt(view, view.record.traceIdAt, traceIdBytes) }),
  'trace_id.string': (view) => hexAt(view, view.record.traceIdAt, traceIdBytes),
  span_id: (view) => ({ kind: 'span_id', hex: hexAt(view, view.record.spanIdAt, spanIdBytes) }),
  'span_id.string': (view) => hexAt(view, view.record.spanIdAt, spanIdBytes),
  flags: (view) => BigInt(view.record.flags),
  dropped_attributes_count: (view) => BigInt(view.record.droppedAttributesCount >>> 0),
}
