/**
 * The scan, in AssemblyScript: one pass over the wire bytes that fills a request's tables (src/otlp/request.ts).
 *
 * It takes the regular form only, the one that every SDK writes: known fields with their wire types, nothing singular
 * twice, one-byte tags, valid UTF-8, ids of the right length, bounded depth. Anything else ends it with IRREGULAR:
 * then canonical.ts, which is slow and thorough, either writes the request anew in the regular form or says what is
 * wrong. test/oracle/scan.ts is the readable twin; a test holds the two equal on random, wild and damaged bytes.
 *
 * Why not TypeScript: the scan touches every byte of every request. Here a string is checked and a key compared
 * sixteen bytes at a time, without bounds checks on each access: four times the speed of the twin.
 *
 * Memory is laid out by src/otlp/scan.ts, which sets the globals below before each scan. Table entries are offsets from
 * the start of the body. Loads may read up to 16 bytes past the body; there is always room behind it.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

import { isReserved, keyId, keyRow } from './scan/keys'
import { utf8 } from './scan/utf8'
import { regularValue } from './scan/values'
import { at, field, low32, varint } from './scan/wire'

export { decide } from './decide'
export { forgetKeys, keyStoreBytes } from './scan/keys'
export { prepend } from './splice'

const IRREGULAR: i32 = 0
const OK: i32 = 1
const FULL: i32 = 2

// Set by the host.
export let body: i32 = 0
export let slots: i32 = 0
export let slotsEnd: i32 = 0
export let records: i32 = 0
export let recordsEnd: i32 = 0
export let scopes: i32 = 0
export let scopesEnd: i32 = 0
export let resources: i32 = 0
export let resourcesEnd: i32 = 0
export let keyStore: i32 = 0
export let depthMax: i32 = 64
export let attributesMax: i32 = 4096
export let keyBytesMax: i32 = 128

// Read by the host.
export let slotCount: i32 = 0
export let recordCount: i32 = 0
export let scopeCount: i32 = 0
export let resourceCount: i32 = 0
export let hasReserved: i32 = 0

const SLOT: i32 = 44
const RECORD: i32 = 100
const SCOPE: i32 = 60
const RESOURCE: i32 = 48

/** Whether the scan ended because a table has no room. */
let full: bool = false

export function scan(length: i32): i32 {
  slotCount = 0
  recordCount = 0
  scopeCount = 0
  resourceCount = 0
  hasReserved = 0
  full = false
  const end = body + length
  let next = body
  while (next < end) {
    if (load<u8>(next) != 0x0a) return IRREGULAR
    const to = field(next + 1, end)
    if (to == 0 || !scanResourceLogs(next, at, to)) return full ? FULL : IRREGULAR
    next = to
  }
  return OK
}

/** The columns that resources and scopes share: nothing is known but where the field is, and what comes first in it. */
@inline function openRow(row: i32, fieldFrom: i32, end: i32, firstChild: i32): void {
  store<i32>(row, fieldFrom - body)
  store<i32>(row, end - body, 4)
  store<i32>(row, -1, 8)
  store<i32>(row, -1, 12)
  store<i32>(row, slotCount, 16)
  store<i32>(row, slotCount, 20)
  store<i32>(row, firstChild, 24)
  store<i32>(row, -1, 32)
  store<i32>(row, 0, 40)
  store<i32>(row, 0, 44)
}

/** The schema URL of a resource or scope, once. */
function schemaUrl(row: i32, fieldFrom: i32, from: i32, to: i32): bool {
  if (load<i32>(row, 32) != -1 || !utf8(from, to)) return false
  store<i32>(row, fieldFrom - body, 32)
  store<i32>(row, to - body, 36)
  return true
}

function scanResourceLogs(fieldFrom: i32, from: i32, end: i32): bool {
  const row = resources + resourceCount * RESOURCE
  if (row + RESOURCE > resourcesEnd) {
    full = true
    return false
  }
  const index = resourceCount++
  openRow(row, fieldFrom, end, scopeCount)
  let next = from
  while (next < end) {
    const tag = <i32>load<u8>(next)
    const to = field(next + 1, end)
    if (to == 0) return false
    const content = at
    if (tag == 0x12) {
      if (!scanScopeLogs(index, next, content, to)) return false
    } else if (tag == 0x0a) {
      if (load<i32>(row, 8) != -1 || !scanResource(row, content, to)) return false
    } else if (tag != 0x1a || !schemaUrl(row, next, content, to)) return false
    next = to
  }
  store<i32>(row, scopeCount, 28)
  return true
}

function scanResource(row: i32, from: i32, end: i32): bool {
  store<i32>(row, from - body, 8)
  store<i32>(row, end - body, 12)
  const first = slotCount
  store<i32>(row, first, 16)
  let dropped = false
  let next = from
  while (next < end) {
    const tag = <i32>load<u8>(next)
    if (tag == 0x0a) {
      const to = field(next + 1, end)
      if (to == 0 || !scanAttribute(tag, next, at, to, -1)) return without(slotCount - first)
      next = to
    } else if (tag == 0x10 && !dropped) {
      dropped = true
      if (!varint(next + 1, end)) return false
      next = at
    } else return false
  }
  store<i32>(row, slotCount, 20)
  return slotCount - first <= attributesMax
}

function scanScopeLogs(resource: i32, fieldFrom: i32, from: i32, end: i32): bool {
  const row = scopes + scopeCount * SCOPE
  if (row + SCOPE > scopesEnd) {
    full = true
    return false
  }
  const index = scopeCount++
  openRow(row, fieldFrom, end, recordCount)
  store<i32>(row, resource, 48)
  store<i32>(row, -1, 52)
  store<i32>(row, -1, 56)
  let next = from
  while (next < end) {
    const tag = <i32>load<u8>(next)
    const to = field(next + 1, end)
    if (to == 0) return false
    const content = at
    if (tag == 0x12) {
      if (!scanRecord(index, next, content, to)) return false
    } else if (tag == 0x0a) {
      if (load<i32>(row, 8) != -1 || !scanScope(row, content, to)) return false
    } else if (tag != 0x1a || !schemaUrl(row, next, content, to)) return false
    next = to
  }
  store<i32>(row, recordCount, 28)
  return true
}

function scanScope(row: i32, from: i32, end: i32): bool {
  store<i32>(row, from - body, 8)
  store<i32>(row, end - body, 12)
  const first = slotCount
  store<i32>(row, first, 16)
  let dropped = false
  let next = from
  while (next < end) {
    const tag = <i32>load<u8>(next)
    if (tag == 0x20) {
      if (dropped || !varint(next + 1, end)) return false
      dropped = true
      next = at
      continue
    }
    const to = field(next + 1, end)
    if (to == 0) return false
    const content = at
    if (tag == 0x1a) {
      if (!scanAttribute(tag, next, content, to, -1)) return without(slotCount - first)
    } else if (tag == 0x0a || tag == 0x12) {
      const column = tag == 0x0a ? 52 : 56
      if (load<i32>(row + column) != -1 || !utf8(content, to)) return false
      store<i32>(row + column, slotCount)
      if (!textSlot(tag == 0x0a ? -4 : -5, tag, next, content, to)) return false
    } else return false
    next = to
  }
  store<i32>(row, slotCount, 20)
  return slotCount - first <= attributesMax
}

/** Where there are too many attributes already, a larger table does not help: the message is irregular. */
function without(attributes: i32): bool {
  if (attributes > attributesMax) full = false
  return false
}

/** The row of a new slot; 0 when the table is full. */
@inline function newSlot(): i32 {
  const row = slots + slotCount * SLOT
  if (row + SLOT > slotsEnd) {
    full = true
    return 0
  }
  slotCount++
  return row
}

/** A slot for a string field that is no attribute. */
function textSlot(role: i32, tag: i32, fieldFrom: i32, from: i32, to: i32): bool {
  const row = newSlot()
  if (row == 0) return false
  store<i32>(row, fieldFrom - body)
  store<i32>(row, to - body, 4)
  store<i32>(row, role, 16)
  store<i32>(row, 1, 20)
  store<i32>(row, from - body, 24)
  store<i32>(row, to - body, 28)
  store<i32>(row, -1, 32)
  store<i32>(row, 0, 36)
  store<i32>(row, tag, 40)
  return true
}

function scanRecord(scope: i32, fieldFrom: i32, from: i32, end: i32): bool {
  const row = records + recordCount * RECORD
  if (row + RECORD > recordsEnd) {
    full = true
    return false
  }
  recordCount++
  // Twenty-five columns: what is not told below is 0, or -1 for what may be absent.
  store<i32>(row, fieldFrom - body)
  store<i32>(row, from - body, 4)
  store<i32>(row, end - body, 8)
  store<i32>(row, slotCount, 12)
  store<i32>(row, scope, 20)
  store<i64>(row, 0, 24)
  store<i64>(row, -1, 32)
  store<i64>(row, 0xffffffff, 40)
  store<i64>(row, 0xffffffff, 48)
  store<i32>(row, 0, 56)
  store<i64>(row, 0xffffffff, 60)
  store<i32>(row, 0, 68)
  store<i64>(row, -1, 72)
  store<i64>(row, 0xffffffff, 80)
  store<i64>(row, 0, 88)
  store<i32>(row, 0, 96)
  let seen: i32 = 0
  let position: i32 = 0
  let next = from
  while (next < end) {
    const tag = <i32>load<u8>(next)
    if (tag == 0x32) {
      const to = field(next + 1, end)
      if (to == 0 || !scanAttribute(tag, next, at, to, position++)) return without(position)
      next = to
      continue
    }
    const bit = 1 << (tag >> 3)
    if ((seen & bit) != 0) return false
    seen |= bit
    next = scanRecordField(row, tag, next, end)
    if (next == 0) return false
  }
  store<i32>(row, slotCount, 16)
  return position <= attributesMax
}

/** Scans a record's singular field whose tag is at `from`: returns where it ends, 0 if it is not regular. */
function scanRecordField(row: i32, tag: i32, from: i32, end: i32): i32 {
  const value = from + 1
  switch (tag) {
    case 0x09:
      if (value + 8 > end) return 0
      store<i32>(row, value - body, 48)
      store<i64>(row, load<i64>(value), 52)
      return value + 8
    case 0x59:
      if (value + 8 > end) return 0
      store<i32>(row, value - body, 60)
      store<i64>(row, load<i64>(value), 64)
      return value + 8
    case 0x10:
      if (!varint(value, end)) return 0
      store<i32>(row, low32(value), 44)
      return at
    case 0x38:
      if (!varint(value, end)) return 0
      store<i32>(row, low32(value), 92)
      return at
    case 0x45:
      if (value + 4 > end) return 0
      store<i32>(row, value - body, 80)
      return value + 4
  }
  const to = field(value, end)
  if (to == 0) return 0
  const content = at
  const length = to - content
  switch (tag) {
    case 0x4a:
      if (length == 16 && v128.any_true(v128.load(content))) store<i32>(row, content - body, 72)
      else if (length != 0) return 0
      return to
    case 0x52:
      if (length == 8 && load<i64>(content) != 0) store<i32>(row, content - body, 76)
      else if (length != 0) return 0
      return to
    case 0x2a: {
      store<i32>(row, slotCount, 32)
      const slot = newSlot()
      if (slot == 0) return 0
      store<i32>(slot, from - body)
      store<i32>(slot, to - body, 4)
      store<i32>(slot, -1, 16)
      store<i32>(slot, -1, 32)
      store<i32>(slot, 0, 36)
      store<i32>(slot, tag, 40)
      return scanValue(slot, content, to) ? to : 0
    }
    case 0x62:
      if (!utf8(content, to)) return 0
      store<i32>(row, slotCount, 36)
      return textSlot(-2, tag, from, content, to) ? to : 0
    case 0x1a:
      if (!utf8(content, to)) return 0
      store<i32>(row, slotCount, 40)
      return textSlot(-3, tag, from, content, to) ? to : 0
  }
  return 0
}

/** A KeyValue in [from, end). `position` is its place in the record; -1 for resources and scopes. */
function scanAttribute(tag: i32, fieldFrom: i32, from: i32, end: i32, position: i32): bool {
  let keyFrom = from
  let keyTo = from
  let next = from
  if (next < end && load<u8>(next) == 0x0a) {
    keyTo = field(next + 1, end)
    if (keyTo == 0) return false
    keyFrom = at
    next = keyTo
  }
  const id = keyId(keyFrom, keyTo, position)
  if (id < 0) return false
  if (id == 0 ? isReserved(keyFrom, keyTo) : load<i32>(keyRow(id), 8) != 0) hasReserved = 1
  const row = newSlot()
  if (row == 0) return false
  store<i32>(row, fieldFrom - body)
  store<i32>(row, end - body, 4)
  store<i32>(row, keyFrom - body, 8)
  store<i32>(row, keyTo - body, 12)
  store<i32>(row, id, 16)
  store<i32>(row, -1, 32)
  store<i32>(row, 0, 36)
  store<i32>(row, tag, 40)
  if (next == end) {
    store<i32>(row, 0, 20)
    store<i32>(row, end - body, 24)
    store<i32>(row, end - body, 28)
    return true
  }
  // Anything after the value, a key that comes late included, is not regular.
  if (load<u8>(next) != 0x12 || field(next + 1, end) != end) return false
  return scanValue(row, at, end)
}

/** The AnyValue in [from, end) of the slot at `row`. */
@inline function scanValue(row: i32, from: i32, end: i32): bool {
  store<i32>(row, end - body, 28)
  if (from == end) {
    store<i32>(row, 0, 20)
    store<i32>(row, end - body, 24)
    return true
  }
  const tag = <i32>load<u8>(from)
  store<i32>(row, tag >> 3, 20)
  const inner = regularValue(tag, from + 1, end, 0)
  store<i32>(row, inner - body, 24)
  return inner != 0
}
