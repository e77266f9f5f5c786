/**
 * The scan: one pass over the wire bytes that fills a request's tables.
 *
 * It takes the regular form only, the one that every SDK writes: known fields with their wire types, nothing
 * singular twice, one-byte tags, valid UTF-8, ids of the right length, bounded depth. Anything else makes it return
 * false: then canonical.ts, which is slow and thorough, either writes the request anew in the regular form or says
 * what is wrong. So there is one place that decides what odd bytes mean, and every other part of the gateway sees
 * regular bytes only.
 *
 * Cost: the hot path of everything. Nothing is allocated; one compare per key against the key that stood at the same
 * place in the record before.
 */
import { limits } from '../../../src/limits.ts'
import { Kind, spanIdBytes, Tag, traceIdBytes } from '../../../src/otlp/fields.ts'
import { isReservedKey, type KeyTable, Role } from '../../../src/otlp/keys.ts'
import { type LogsRequest, RecordCol, ResourceCol, ScopeCol } from '../../../src/otlp/request.ts'
import { Col, type Slots } from '../../../src/otlp/slots.ts'
import { at, body, length, open, small, utf8, varint32 } from './reader.ts'
import { scanValue } from './value.ts'

// The state of the scan that is under way: module variables, since the scan is synchronous and never nests.
let request: LogsRequest
let slots: Slots
let keys: KeyTable
/** Ids of the keys of the record before, by position: mostly the next record has the same. */
const expected = new Int32Array(256)

/** Fills the tables of `target` from `bytes`. False: the bytes are not regular; the tables are then worth nothing. */
export function scan(target: LogsRequest, bytes: Buffer): boolean {
  target.reset(bytes)
  open(bytes)
  request = target
  slots = target.slots
  keys = target.keys
  const end = bytes.length
  let next = 0
  while (next < end) {
    if (body[next] !== Tag.request.resourceLogs) return false
    const to = length(next + 1, end)
    if (to === -1 || !scanResourceLogs(next, at, to)) return false
    next = to
  }
  return true
}

function scanResourceLogs(fieldFrom: number, from: number, end: number): boolean {
  const { resources, scopes } = request
  const index = resources.count
  const row = resources.push()
  const table = resources.at
  table[row + ResourceCol.FieldFrom] = fieldFrom
  table[row + ResourceCol.FieldTo] = end
  table[row + ResourceCol.From] = -1
  table[row + ResourceCol.To] = -1
  table[row + ResourceCol.FirstSlot] = slots.count
  table[row + ResourceCol.EndSlot] = slots.count
  table[row + ResourceCol.FirstScope] = scopes.count
  table[row + ResourceCol.SchemaUrlFrom] = -1
  table[row + ResourceCol.FirstEdit] = 0
  table[row + ResourceCol.EndEdit] = 0
  let next = from
  while (next < end) {
    const tag = body[next]!
    const to = length(next + 1, end)
    if (to === -1) return false
    const content = at
    if (tag === Tag.resourceLogs.scopeLogs) {
      if (!scanScopeLogs(index, next, content, to)) return false
    } else if (tag === Tag.resourceLogs.resource) {
      if (request.resources.at[row + ResourceCol.From] !== -1 || !scanResource(row, content, to)) return false
    } else if (tag === Tag.resourceLogs.schemaUrl) {
      if (request.resources.at[row + ResourceCol.SchemaUrlFrom] !== -1 || !utf8(content, to)) return false
      request.resources.at[row + ResourceCol.SchemaUrlFrom] = next
      request.resources.at[row + ResourceCol.SchemaUrlTo] = to
    } else return false
    next = to
  }
  request.resources.at[row + ResourceCol.EndScope] = scopes.count
  return true
}

function scanResource(row: number, from: number, end: number): boolean {
  const table = request.resources.at
  table[row + ResourceCol.From] = from
  table[row + ResourceCol.To] = end
  table[row + ResourceCol.FirstSlot] = slots.count
  let dropped = false
  let next = from
  while (next < end) {
    const tag = body[next]!
    if (tag === Tag.resource.attributes) {
      const to = length(next + 1, end)
      if (to === -1 || !scanAttribute(tag, next, at, to, -1)) return false
      next = to
    } else if (tag === Tag.resource.droppedAttributesCount && !dropped) {
      dropped = true
      if (!varint32(next + 1, end)) return false
      next = at
    } else return false
  }
  table[row + ResourceCol.EndSlot] = slots.count
  return slots.count - table[row + ResourceCol.FirstSlot]! <= limits.attributesMax
}

function scanScopeLogs(resource: number, fieldFrom: number, from: number, end: number): boolean {
  const { scopes, records } = request
  const index = scopes.count
  const row = scopes.push()
  const table = scopes.at
  table[row + ScopeCol.FieldFrom] = fieldFrom
  table[row + ScopeCol.FieldTo] = end
  table[row + ScopeCol.From] = -1
  table[row + ScopeCol.To] = -1
  table[row + ScopeCol.FirstSlot] = slots.count
  table[row + ScopeCol.EndSlot] = slots.count
  table[row + ScopeCol.FirstRecord] = records.count
  table[row + ScopeCol.SchemaUrlFrom] = -1
  table[row + ScopeCol.FirstEdit] = 0
  table[row + ScopeCol.EndEdit] = 0
  table[row + ScopeCol.Resource] = resource
  table[row + ScopeCol.NameSlot] = -1
  table[row + ScopeCol.VersionSlot] = -1
  let next = from
  while (next < end) {
    const tag = body[next]!
    const to = length(next + 1, end)
    if (to === -1) return false
    const content = at
    if (tag === Tag.scopeLogs.logRecords) {
      if (!scanRecord(index, next, content, to)) return false
    } else if (tag === Tag.scopeLogs.scope) {
      if (request.scopes.at[row + ScopeCol.From] !== -1 || !scanScope(row, content, to)) return false
    } else if (tag === Tag.scopeLogs.schemaUrl) {
      if (request.scopes.at[row + ScopeCol.SchemaUrlFrom] !== -1 || !utf8(content, to)) return false
      request.scopes.at[row + ScopeCol.SchemaUrlFrom] = next
      request.scopes.at[row + ScopeCol.SchemaUrlTo] = to
    } else return false
    next = to
  }
  request.scopes.at[row + ScopeCol.EndRecord] = records.count
  return true
}

function scanScope(row: number, from: number, end: number): boolean {
  const table = request.scopes.at
  table[row + ScopeCol.From] = from
  table[row + ScopeCol.To] = end
  table[row + ScopeCol.FirstSlot] = slots.count
  let dropped = false
  let next = from
  while (next < end) {
    const tag = body[next]!
    if (tag === Tag.scope.droppedAttributesCount) {
      if (dropped || !varint32(next + 1, end)) return false
      dropped = true
      next = at
      continue
    }
    const to = length(next + 1, end)
    if (to === -1) return false
    if (tag === Tag.scope.attributes) {
      if (!scanAttribute(tag, next, at, to, -1)) return false
    } else if (tag === Tag.scope.name || tag === Tag.scope.version) {
      const column = tag === Tag.scope.name ? ScopeCol.NameSlot : ScopeCol.VersionSlot
      if (table[row + column] !== -1 || !utf8(at, to)) return false
      table[row + column] = text(tag === Tag.scope.name ? Role.ScopeName : Role.ScopeVersion, tag, next, at, to)
    } else return false
    next = to
  }
  table[row + ScopeCol.EndSlot] = slots.count
  return slots.count - table[row + ScopeCol.FirstSlot]! <= limits.attributesMax
}

/** A slot for a string field that is no attribute. */
function text(role: number, tag: number, fieldFrom: number, from: number, to: number): number {
  const slot = slots.count
  const row = slots.push()
  const { rows } = slots
  rows[row + Col.FieldFrom] = fieldFrom
  rows[row + Col.FieldTo] = to
  rows[row + Col.KeyId] = role
  rows[row + Col.Kind] = Kind.String
  rows[row + Col.ValueFrom] = from
  rows[row + Col.ValueTo] = to
  rows[row + Col.Edit] = -1
  rows[row + Col.Marks] = 0
  rows[row + Col.Tag] = tag
  return slot
}

function scanRecord(scope: number, fieldFrom: number, from: number, end: number): boolean {
  const { records } = request
  const row = records.push()
  const table = records.at
  table[row + RecordCol.FieldFrom] = fieldFrom
  table[row + RecordCol.From] = from
  table[row + RecordCol.To] = end
  table[row + RecordCol.FirstSlot] = slots.count
  table[row + RecordCol.Scope] = scope
  table[row + RecordCol.FirstEdit] = 0
  table[row + RecordCol.EndEdit] = 0
  table[row + RecordCol.BodySlot] = -1
  table[row + RecordCol.EventNameSlot] = -1
  table[row + RecordCol.SeverityTextSlot] = -1
  table[row + RecordCol.SeverityNumber] = 0
  table[row + RecordCol.TimeAt] = -1
  table[row + RecordCol.TimeLo] = 0
  table[row + RecordCol.TimeHi] = 0
  table[row + RecordCol.ObservedAt] = -1
  table[row + RecordCol.ObservedLo] = 0
  table[row + RecordCol.ObservedHi] = 0
  table[row + RecordCol.TraceIdAt] = -1
  table[row + RecordCol.SpanIdAt] = -1
  table[row + RecordCol.FlagsAt] = -1
  table[row + RecordCol.Purposes] = 0
  table[row + RecordCol.Verdict] = 0
  table[row + RecordCol.Dropped] = 0
  table[row + RecordCol.Marks] = 0
  let seen = 0
  let position = 0
  let next = from
  while (next < end) {
    const tag = body[next]!
    if (tag === Tag.record.attributes) {
      const to = length(next + 1, end)
      if (to === -1 || !scanAttribute(tag, next, at, to, position++)) return false
      next = to
    } else {
      const bit = 1 << (tag >>> 3)
      if ((seen & bit) !== 0) return false
      seen |= bit
      next = scanRecordField(row, tag, next, end)
      if (next === -1) return false
    }
  }
  table[row + RecordCol.EndSlot] = slots.count
  return position <= limits.attributesMax
}

/** Scans a record's singular field whose tag is at `from`: returns where it ends, -1 if it is not regular. */
function scanRecordField(row: number, tag: number, from: number, end: number): number {
  const table = request.records.at
  const value = from + 1
  switch (tag) {
    case Tag.record.time:
      return value + 8 <= end ? fixed64(table, row + RecordCol.TimeAt, value) : -1
    case Tag.record.observedTime:
      return value + 8 <= end ? fixed64(table, row + RecordCol.ObservedAt, value) : -1
    case Tag.record.severityNumber:
      if (!varint32(value, end)) return -1
      table[row + RecordCol.SeverityNumber] = small
      return at
    case Tag.record.droppedAttributesCount:
      if (!varint32(value, end)) return -1
      table[row + RecordCol.Dropped] = small
      return at
    case Tag.record.flags:
      table[row + RecordCol.FlagsAt] = value
      return value + 4 <= end ? value + 4 : -1
    default:
      return scanRecordBytes(table, row, tag, from, end)
  }
}

function fixed64(table: Int32Array, column: number, from: number): number {
  table[column] = from
  table[column + 1] = body[from]! | (body[from + 1]! << 8) | (body[from + 2]! << 16) | (body[from + 3]! << 24)
  table[column + 2] = body[from + 4]! | (body[from + 5]! << 8) | (body[from + 6]! << 16) | (body[from + 7]! << 24)
  return from + 8
}

function scanRecordBytes(table: Int32Array, row: number, tag: number, from: number, end: number): number {
  const to = length(from + 1, end)
  if (to === -1) return -1
  const content = at
  switch (tag) {
    case Tag.record.traceId:
      if (to - content === traceIdBytes && !allZero(content, to)) table[row + RecordCol.TraceIdAt] = content
      else if (to !== content) return -1
      return to
    case Tag.record.spanId:
      if (to - content === spanIdBytes && !allZero(content, to)) table[row + RecordCol.SpanIdAt] = content
      else if (to !== content) return -1
      return to
    case Tag.record.body: {
      table[row + RecordCol.BodySlot] = slots.count
      const slot = slots.push()
      slots.rows[slot + Col.FieldFrom] = from
      slots.rows[slot + Col.FieldTo] = to
      slots.rows[slot + Col.KeyId] = Role.Body
      slots.rows[slot + Col.Edit] = -1
      slots.rows[slot + Col.Marks] = 0
      slots.rows[slot + Col.Tag] = tag
      return scanValue(slots, slot, content, to) ? to : -1
    }
    case Tag.record.eventName:
      if (!utf8(content, to)) return -1
      table[row + RecordCol.EventNameSlot] = text(Role.EventName, tag, from, content, to)
      return to
    case Tag.record.severityText:
      if (!utf8(content, to)) return -1
      table[row + RecordCol.SeverityTextSlot] = text(Role.SeverityText, tag, from, content, to)
      return to
    default:
      return -1
  }
}

function allZero(from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (body[i] !== 0) return false
  return true
}

/** A KeyValue in body[from, end). `position` is its place in the record; -1 for resources and scopes. */
function scanAttribute(tag: number, fieldFrom: number, from: number, end: number, position: number): boolean {
  let keyFrom = from
  let keyTo = from
  let next = from
  if (next < end && body[next] === Tag.keyValue.key) {
    keyTo = length(next + 1, end)
    if (keyTo === -1) return false
    keyFrom = at
    next = keyTo
  }
  const id = keyId(keyFrom, keyTo, position)
  if (id === -1) return false
  if (keys.isReserved(id) || (id === 0 && isReservedKey(body, keyFrom, keyTo))) request.hasReservedKeys = true
  const row = slots.push()
  const { rows } = slots
  rows[row + Col.FieldFrom] = fieldFrom
  rows[row + Col.FieldTo] = end
  rows[row + Col.KeyFrom] = keyFrom
  rows[row + Col.KeyTo] = keyTo
  rows[row + Col.KeyId] = id
  rows[row + Col.Edit] = -1
  rows[row + Col.Marks] = 0
  rows[row + Col.Tag] = tag
  if (next === end) {
    rows[row + Col.Kind] = Kind.Empty
    rows[row + Col.ValueFrom] = end
    rows[row + Col.ValueTo] = end
    return true
  }
  // Anything after the value, a key that comes late included, is not regular.
  return body[next] === Tag.keyValue.value && length(next + 1, end) === end && scanValue(slots, row, at, end)
}

function keyId(from: number, to: number, position: number): number {
  if (position >= 0 && position < expected.length) {
    const guess = expected[position]!
    if (guess > 0 && guess < keys.count && keys.equals(guess, body, from, to)) return guess
    const id = keys.idOf(body, from, to)
    expected[position] = id
    return id
  }
  return keys.idOf(body, from, to)
}
