/** Whether bytes are UTF-8, sixteen at a time as long as they are ASCII. Loads go up to 16 bytes past the end. */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

/** Whether [from, to) is valid UTF-8: sixteen bytes at a time as long as all are ASCII. */
@inline export function utf8(from: i32, to: i32): bool {
  const length = to - from
  if (length <= 16) {
    const high = i8x16.bitmask(v128.load(from)) & ((1 << length) - 1)
    return high == 0 || validUtf8(from, to)
  }
  return longUtf8(from, to)
}
function longUtf8(from: i32, to: i32): bool {
  let i = from
  let all = v128.splat<u8>(0)
  for (; i + 16 <= to; i += 16) all = v128.or(all, v128.load(i))
  // The last sixteen bytes overlap with what was seen.
  all = v128.or(all, v128.load(to - 16))
  return i8x16.bitmask(all) == 0 || validUtf8(from, to)
}
/** RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
function validUtf8(from: i32, to: i32): bool {
  let i = from
  while (i < to) {
    const lead = <i32>load<u8>(i++)
    if (lead < 0x80) continue
    let more: i32 = 0
    let min: i32 = 0x80
    let max: i32 = 0xbf
    if (lead >= 0xc2 && lead <= 0xdf) more = 1
    else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2
      if (lead == 0xe0) min = 0xa0
      if (lead == 0xed) max = 0x9f
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3
      if (lead == 0xf0) min = 0x90
      if (lead == 0xf4) max = 0x8f
    } else return false
    if (i + more > to) return false
    const second = <i32>load<u8>(i)
    if (second < min || second > max) return false
    for (let k = 1; k < more; k++) if ((<i32>load<u8>(i + k) & 0xc0) != 0x80) return false
    i += more
  }
  return true
}
