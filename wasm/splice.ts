/**
 * The copying of src/otlp/prepend.ts: pieces of this memory, one before the other, from a message's end to its beginning.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

/**
 * Carries out `count` steps of two words each at `steps`, so that what they write ends at `end`: an address and a length
 * is a piece to copy; a negative number is a tag, less 256, and the length that follows it.
 */
export function prepend(steps: i32, count: i32, end: i32): void {
  let head = end
  for (let i = 0; i < count; i++) {
    const from = load<i32>(steps + (i << 3))
    const length = load<i32>(steps + (i << 3), 4)
    if (from < 0) {
      head = writeHeader(head, from + 256, length)
    } else {
      head -= length
      copy(head, from, length)
    }
  }
}

function writeHeader(head: i32, tag: i32, length: i32): i32 {
  let size = 2
  for (let rest = <u32>length >>> 7; rest > 0; rest >>>= 7) size++
  const start = head - size
  store<u8>(start, tag)
  let at = start + 1
  let rest = <u32>length
  while (rest >= 0x80) {
    store<u8>(at++, (rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  store<u8>(at, rest)
  return start
}

/** Exactly `length` bytes: what follows them is written already. */
@inline function copy(to: i32, from: i32, length: i32): void {
  if (length >= 16) {
    if (length > 256) {
      memory.copy(to, from, length)
      return
    }
    for (let i = 0; i + 16 <= length; i += 16) v128.store(to + i, v128.load(from + i))
    v128.store(to + length - 16, v128.load(from + length - 16))
  } else if (length >= 8) {
    const last = load<u64>(from + length - 8)
    store<u64>(to, load<u64>(from))
    store<u64>(to + length - 8, last)
  } else if (length >= 4) {
    const last = load<u32>(from + length - 4)
    store<u32>(to, load<u32>(from))
    store<u32>(to + length - 4, last)
  } else for (let i = 0; i < length; i++) store<u8>(to + i, load<u8>(from + i))
}
