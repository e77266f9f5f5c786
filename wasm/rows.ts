/**
 * One record of OTLP → one row of COPY's binary form, in AssemblyScript (exporters/postgres/rows.ts is who asks).
 *
 * `read` goes through a record, writes its attributes as JSON and notes where everything else is; the host then decides
 * which partition the record belongs to, and `write` writes the row. Keys of attributes are put in the order that JSONB
 * keeps them in, by length and then by bytes: PostgreSQL has nothing left to sort.
 *
 * It takes what gateways write: known fields with tags of one byte. Anything else ends with 0, and the host does that
 * record by itself, slower. What is no string, int or bool, and texts with U+0000 or U+E000 to U+EFFF, are written by
 * the host one by one.
 *
 * Why not TypeScript: each byte of a record is looked at and copied once or twice; here sixteen at a time. Memory is laid
 * out by exporters/postgres/row_memory.ts. Positions are offsets from the start of the batch. Loads may read, and stores
 * may write, up to 16 bytes past an end; there is always room.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

// Written by the host into row `out`: where they end, or 0.
/** A KeyValue as a member of a JSON object. */
@external('host', 'member')
declare function hostMember(from: i32, to: i32, out: usize): usize
/** The text of a string. */
@external('host', 'text')
declare function hostText(from: i32, to: i32, out: usize): usize
/** An AnyValue as JSON. */
@external('host', 'json')
declare function hostJson(from: i32, to: i32, out: usize): usize
/** An AnyValue as the text of a column. */
@external('host', 'column')
declare function hostColumn(from: i32, to: i32, out: usize): usize

// Set by the host: addresses, and when the batch was stored (microseconds of Unix time).
export let body: usize = 0
export let json: usize = 0
export let row: usize = 0
export let storedMicros: f64 = 0
export let resource: usize = 0
export let resourceBytes: i32 = 0
export let scope: usize = 0
export let scopeBytes: i32 = 0

// What `read` notes for the host, from address 0 on.
/** float64: the record's time in microseconds of Unix time; -1: it has none. */
const MICROS: usize = 0
/** int32: where the values of event_name, purpose, tenant, region, subject_ref begin and end; -1: not there. */
const EVENT_NAME: usize = 8
const PURPOSE: usize = 16
const TENANT: usize = 24
const REGION: usize = 32
const SUBJECT: usize = 40
// The same, for `write` only.
const SEVERITY_TEXT: usize = 48
const BODY: usize = 56
const TRACE: usize = 64
const SPAN: usize = 72
/** A row for each attribute: address of its key and of its end, of the member and of its end. */
const MEMBERS: usize = 1024
const MEMBER: usize = 16
const MEMBERS_MAX: i32 = 512
/** Digits of a number in the making. */
const DIGITS_END: usize = 160

/** 2000-01-01, where PostgreSQL's timestamps begin. */
const EPOCH_MICROS: i64 = 946684800000000
const COLUMNS: i32 = 24

let time: u64 = 0
let observed: u64 = 0
let severity: i32 = 0
let flags: i32 = 0
let dropped: i32 = 0
let members: i32 = 0
let jsonEnd: usize = 0
/** Where the last read stopped; 0: it could not be read. */
let at: usize = 0

/** A varint of at most ten bytes. */
function varint(p: usize, end: usize): u64 {
  let value: u64 = 0
  let shift: u64 = 0
  while (p < end && shift < 64) {
    const byte = <u64>load<u8>(p++)
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      at = p
      return value
    }
    shift += 7
  }
  at = 0
  return 0
}

/** A length and what it counts: where that ends, and `at` is where it begins. 0: it is not all there. */
function span(p: usize, end: usize): usize {
  if (p >= end) return 0
  let size = <u64>load<u8>(p)
  if (size < 0x80) at = p + 1
  else {
    size = varint(p, end)
    if (at == 0) return 0
  }
  return size <= <u64>(end - at) ? at + <usize>size : 0
}

@inline
function note(range: usize, from: usize, to: usize): void {
  store<i32>(range, <i32>(from - body))
  store<i32>(range, <i32>(to - body), 4)
}

/** A string in quotes. 0: it holds what only the host knows how to write. */
function quoted(from: usize, to: usize, out: usize): usize {
  store<u8>(out++, 0x22)
  while (from < to) {
    const bytes = v128.load(from)
    v128.store(out, bytes)
    let odd = i8x16.bitmask(
      v128.or(
        v128.or(i8x16.lt_u(bytes, i8x16.splat(0x20)), i8x16.eq(bytes, i8x16.splat(0x22))),
        v128.or(i8x16.eq(bytes, i8x16.splat(0x5c)), i8x16.eq(bytes, i8x16.splat(<i8>0xee))),
      ),
    )
    const left = to - from
    if (left < 16) odd &= (1 << (<i32>left)) - 1
    if (odd == 0) {
      const size = min<usize>(left, 16)
      from += size
      out += size
      continue
    }
    const clean = ctz(odd)
    from += clean
    out += clean
    const byte = load<u8>(from++)
    if (byte == 0 || byte == 0xee) return 0
    out = escaped(byte, out)
  }
  store<u8>(out, 0x22)
  return out + 1
}

/** As JSON.stringify writes it. */
function escaped(byte: u8, out: usize): usize {
  store<u8>(out, 0x5c)
  let letter: u8 = byte
  if (byte == 0x08) letter = 0x62
  else if (byte == 0x09) letter = 0x74
  else if (byte == 0x0a) letter = 0x6e
  else if (byte == 0x0c) letter = 0x66
  else if (byte == 0x0d) letter = 0x72
  else if (byte < 0x20) {
    store<u32>(out, 0x3030755c)
    store<u8>(out, 0x30, 4)
    store<u8>(out, 0x30 + (byte >> 4), 4)
    const low = byte & 15
    store<u8>(out, low < 10 ? 0x30 + low : 0x57 + low, 5)
    return out + 6
  }
  store<u8>(out, letter, 1)
  return out + 2
}

/** The digits of an int64. */
function digits(value: i64, out: usize): usize {
  let rest: u64 = <u64>value
  if (value < 0) {
    store<u8>(out++, 0x2d)
    rest = <u64>(-value)
  }
  let p = DIGITS_END
  do {
    p--
    store<u8>(p, 0x30 + <u8>(rest % 10))
    rest /= 10
  } while (rest != 0)
  const size = DIGITS_END - p
  memory.copy(out, p, size)
  return out + size
}

/** The value of a member, if it is a string, an int or a bool and nothing besides. 0: it is for the host. */
function plain(from: usize, to: usize, out: usize): usize {
  const tag = from < to ? load<u8>(from) : 0
  if (tag == 0x0a) return span(from + 1, to) == to ? quoted(at, to, out) : 0
  if (tag != 0x10 && tag != 0x18) return 0
  const value = varint(from + 1, to)
  if (at != to) return 0
  if (tag == 0x18) return digits(<i64>value, out)
  if (value == 0) {
    store<u32>(out, 0x736c6166)
    store<u8>(out, 0x65, 4)
    return out + 5
  }
  store<u32>(out, 0x65757274)
  return out + 4
}

/** Which range a key of the gateway's own has; 0: it is somebody else's, or has no column. */
function ownRange(key: usize, size: i32): usize {
  // "douane." as little-endian numbers: "doua", "ane.".
  if (size < 13 || load<u32>(key) != 0x61756f64 || load<u32>(key, 3) != 0x2e656e61) return 0
  const name = load<u32>(key, 7)
  if (size == 14 && name == 0x70727570 && load<u32>(key, 10) == 0x65736f70) return PURPOSE
  if (size == 13 && name == 0x616e6574 && load<u16>(key, 11) == 0x746e) return TENANT
  if (size == 13 && name == 0x69676572 && load<u16>(key, 11) == 0x6e6f) return REGION
  if (size == 18 && name == 0x6a627573 && load<u32>(key, 11) == 0x5f746365 && load<u32>(key, 14) == 0x6665725f) return SUBJECT
  return 0
}

/** An attribute. False: it is for the host to do the record. */
function attribute(from: usize, to: usize): bool {
  if (from == to || load<u8>(from) != 0x0a) return false
  const keyEnd = span(from + 1, to)
  if (keyEnd == 0 || keyEnd == to || load<u8>(keyEnd) != 0x12) return false
  const key = at
  if (span(keyEnd + 1, to) != to) return false
  const value = at
  const own = ownRange(key, <i32>(keyEnd - key))
  if (own != 0) {
    note(own, value, to)
    return true
  }
  if (members == MEMBERS_MAX) return false
  let out: usize = 0
  let keyAt: usize = jsonEnd + 1
  if (key < keyEnd && load<u8>(key) != 0x24) {
    out = quoted(key, keyEnd, jsonEnd)
    if (out != 0) {
      store<u8>(out, 0x3a)
      out = plain(value, to, out + 1)
    }
  }
  if (out == 0) out = hostMember(<i32>(from - body), <i32>(to - body), jsonEnd)
  if (out == 0) return false
  insert(key, keyEnd, jsonEnd, out)
  jsonEnd = out
  return true
}

/** Whether key a is after key b in JSONB's order. */
function isAfter(a: usize, aEnd: usize, b: usize, bEnd: usize): bool {
  const size = aEnd - a
  if (size != bEnd - b) return size > bEnd - b
  return memory.compare(a, b, size) > 0
}

/** Puts a member where it belongs, behind those with the same key: the last of them counts. */
function insert(key: usize, keyEnd: usize, from: usize, to: usize): void {
  let place = MEMBERS + <usize>members * MEMBER
  members++
  while (place > MEMBERS && isAfter(load<u32>(place - MEMBER), load<u32>(place - MEMBER, 4), key, keyEnd)) {
    v128.store(place, v128.load(place - MEMBER))
    place -= MEMBER
  }
  store<u32>(place, <u32>key)
  store<u32>(place, <u32>keyEnd, 4)
  store<u32>(place, <u32>from, 8)
  store<u32>(place, <u32>to, 12)
}

/** Reads the record body[from, to). 1: `write` may follow. 0: it is for the host. */
export function read(from: i32, to: i32): i32 {
  time = observed = 0
  severity = flags = dropped = members = 0
  jsonEnd = json
  v128.store(8, i32x4.splat(-1))
  v128.store(24, i32x4.splat(-1))
  v128.store(40, i32x4.splat(-1))
  v128.store(56, i32x4.splat(-1))
  store<i64>(72, -1)
  let p = body + from
  const end = body + to
  while (p < end) {
    const tag = load<u8>(p++)
    if (tag == 0x09 || tag == 0x59) {
      if (p + 8 > end) return 0
      if (tag == 0x09) time = load<u64>(p)
      else observed = load<u64>(p)
      p += 8
    } else if (tag == 0x45) {
      if (p + 4 > end) return 0
      flags = load<i32>(p)
      p += 4
    } else if (tag == 0x10 || tag == 0x38) {
      const value = <i32>varint(p, end)
      if (at == 0) return 0
      if (tag == 0x10) severity = value
      else dropped = value
      p = at
    } else {
      const stop = span(p, end)
      if (stop == 0) return 0
      p = at
      if (tag == 0x32) {
        if (!attribute(p, stop)) return 0
      } else if (tag == 0x2a) note(BODY, p, stop)
      else if (tag == 0x1a) noteText(SEVERITY_TEXT, p, stop)
      else if (tag == 0x4a) noteText(TRACE, p, stop)
      else if (tag == 0x52) noteText(SPAN, p, stop)
      else if (tag == 0x62) noteText(EVENT_NAME, p, stop)
      else return 0
      p = stop
    }
  }
  const known = time != 0 ? time : observed
  store<f64>(MICROS, known == 0 ? -1 : <f64>(known / 1000))
  return 1
}

/** What is empty is not there. */
@inline
function noteText(range: usize, from: usize, to: usize): void {
  if (from < to) note(range, from, to)
}

@inline
function column(out: usize, size: i32): usize {
  store<i32>(out, bswap<i32>(size))
  return out + 4
}

@inline
function wide(out: usize, value: i64): usize {
  store<i64>(column(out, 8), bswap<i64>(value))
  return out + 12
}

@inline
function int32(out: usize, value: i32): usize {
  store<i32>(column(out, 4), bswap<i32>(value))
  return out + 8
}

@inline
function int16(out: usize, value: i32): usize {
  store<u16>(column(out, 2), bswap<u16>(<u16>value))
  return out + 6
}

@inline
function nothing(out: usize): usize {
  return column(out, -1)
}

/** Bytes as they are. */
function bytes(range: usize, out: usize): usize {
  const from = load<i32>(range)
  if (from < 0) return nothing(out)
  const size = load<i32>(range, 4) - from
  memory.copy(column(out, size), body + from, size)
  return out + 4 + size
}

/** A text column. 0: the host cannot write it. */
function text(from: usize, to: usize, out: usize): usize {
  const start = out + 4
  let to16 = start
  for (let p = from; p < to; p += 16, to16 += 16) {
    const all = v128.load(p)
    v128.store(to16, all)
    let odd = i8x16.bitmask(v128.or(i8x16.eq(all, i8x16.splat(0)), i8x16.eq(all, i8x16.splat(<i8>0xee))))
    if (to - p < 16) odd &= (1 << (<i32>(to - p))) - 1
    if (odd == 0) continue
    const end = hostText(<i32>(from - body), <i32>(to - body), start)
    if (end != 0) column(out, <i32>(end - start))
    return end
  }
  column(out, <i32>(to - from))
  return start + (to - from)
}

function textOf(range: usize, out: usize): usize {
  const from = load<i32>(range)
  return from < 0 ? nothing(out) : text(body + from, body + load<i32>(range, 4), out)
}

/** body, body_json: one of them, or neither. */
function bodies(out: usize): usize {
  const from = load<i32>(BODY)
  const to = load<i32>(BODY, 4)
  if (from < 0 || from == to) return nothing(nothing(out))
  const p = body + from
  const end = body + to
  if (load<u8>(p) == 0x0a && span(p + 1, end) == end) {
    out = text(at, end, out)
    return out == 0 ? 0 : nothing(out)
  }
  out = nothing(out)
  store<u8>(out, 1, 4)
  const stop = hostJson(from, to, out + 5)
  if (stop != 0) column(out, <i32>(stop - out - 4))
  return stop
}

function subject(out: usize): usize {
  const from = load<i32>(SUBJECT)
  if (from < 0) return nothing(out)
  const to = load<i32>(SUBJECT, 4)
  const p = body + from
  const end = body + to
  if (from < to && load<u8>(p) == 0x0a && span(p + 1, end) == end) return text(at, end, out)
  const stop = hostColumn(from, to, out + 4)
  if (stop != 0) column(out, <i32>(stop - out - 4))
  return stop
}

/** The column `attributes`: members in JSONB's order. */
function object(out: usize): usize {
  let p = out + 4
  store<u16>(p, 0x7b01)
  p += 2
  for (let i: usize = 0; i < <usize>members; i++) {
    if (i > 0) store<u8>(p++, 0x2c)
    const from = load<u32>(MEMBERS + i * MEMBER, 8)
    const size = load<u32>(MEMBERS + i * MEMBER, 12) - from
    memory.copy(p, from, size)
    p += size
  }
  store<u8>(p++, 0x7d)
  column(out, <i32>(p - out - 4))
  return p
}

/** Writes the row of the record that was read, at `row`. `place`: the columns of its place. Its size; 0: the host may not. */
export function write(place: usize, placeBytes: i32): i32 {
  let out = row
  store<u16>(out, bswap<u16>(<u16>COLUMNS))
  out += 2
  const known = time != 0 ? time : observed
  const stored = <i64>storedMicros - EPOCH_MICROS
  out = wide(out, known == 0 ? stored : <i64>(known / 1000) - EPOCH_MICROS)
  out = wide(out, stored)
  out = observed == 0 ? nothing(out) : wide(out, <i64>(observed / 1000) - EPOCH_MICROS)
  out = int32(out, severity)
  out = flags == 0 ? nothing(out) : int32(out, flags)
  out = dropped == 0 ? nothing(out) : int32(out, dropped)
  out = int16(out, time == 0 ? -1 : <i32>(time % 1000))
  out = observed == 0 ? nothing(out) : int16(out, <i32>(observed % 1000))
  memory.copy(out, place, placeBytes)
  out = textOf(SEVERITY_TEXT, out + placeBytes)
  if (out != 0) out = textOf(EVENT_NAME, out)
  if (out != 0) out = bodies(out)
  if (out == 0) return 0
  out = bytes(SPAN, bytes(TRACE, out))
  out = subject(out)
  if (out == 0) return 0
  out = object(out)
  memory.copy(out, resource, resourceBytes)
  out += resourceBytes
  memory.copy(out, scope, scopeBytes)
  return <i32>(out + scopeBytes - row)
}
