/**
 * Lengths and varints of the wire, as they are read (protobuf, "Encoding"): `at` is where the last read stopped. Loads may
 * go past `end`; what they find there is not used.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

/** Where the last read stopped. */
export let at: i32 = 0

/** Reads a length of up to four bytes at `from`: returns where the field ends, 0 if that is past `end`. */
@inline export function field(from: i32, end: i32): i32 {
  if (from >= end) return 0
  const byte = <i32>load<u8>(from)
  if (byte < 0x80) {
    at = from + 1
    const to = from + 1 + byte
    return to <= end ? to : 0
  }
  return longField(from, end, byte)
}
function longField(from: i32, end: i32, first: i32): i32 {
  let value = first & 0x7f
  for (let i = 1; i < 4; i++) {
    if (from + i >= end) return 0
    const byte = <i32>load<u8>(from + i)
    value |= (byte & 0x7f) << (7 * i)
    if (byte < 0x80) {
      at = from + i + 1
      const to = at + value
      return to <= end ? to : 0
    }
  }
  return 0
}

/** Skips a varint of up to ten bytes: false if it is cut, longer, or more than 64 bits. */
@inline export function varint(from: i32, end: i32): bool {
  for (let i = from; i < end && i < from + 10; i++) {
    const byte = <i32>load<u8>(i)
    if (byte < 0x80) {
      at = i + 1
      return i < from + 9 || byte <= 1
    }
  }
  return false
}

/** The low 32 bits of a varint that `varint` has just skipped. */
@inline export function low32(from: i32): i32 {
  let value: i32 = 0
  for (let i = from, shift = 0; i < at && shift < 32; i++, shift += 7) value |= (<i32>load<u8>(i) & 0x7f) << shift
  return value
}
