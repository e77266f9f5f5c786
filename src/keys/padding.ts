/**
 * Hides the length of a sealed value: its AnyValue message is filled up with field 15, which every protobuf reader skips.
 *
 *     7A   the number of zeros as a varint of three bytes   zeros
 */

const paddingHeadBytes = 4

/** How many bytes a plaintext is filled up with: 0, or four and more. */
export function paddingOf(length: number, padTo: readonly number[]): number {
  const last = padTo.at(-1)!
  const fits = (size: number): boolean => size === length || size >= length + paddingHeadBytes
  const target = padTo.find(fits) ?? Math.ceil((length + paddingHeadBytes) / last) * last
  return target - length
}

/** Writes the padding field over the `bytes` bytes from `at` on. */
export function writePadding(out: Uint8Array, at: number, bytes: number): void {
  const zeros = bytes - paddingHeadBytes
  out[at] = paddingTag
  out[at + 1] = (zeros & 127) | 128
  out[at + 2] = ((zeros >> 7) & 127) | 128
  out[at + 3] = zeros >> 14
  out.fill(0, at + paddingHeadBytes, at + bytes)
}
const paddingTag = 0x7a

/** The AnyValue message without its padding. */
export function withoutPadding(plaintext: Buffer): Buffer {
  const at = valueEnd(plaintext)
  return at < plaintext.length && plaintext[at] === paddingTag ? plaintext.subarray(0, at) : plaintext
}

/** Where the one field of an AnyValue message ends; its length where it is no such message. */
function valueEnd(message: Buffer): number {
  if (message.length === 0 || message[0] === paddingTag) return 0
  let at = 1
  let value = 0
  for (let shift = 0; at < message.length; shift += 7) {
    const byte = message[at++]!
    value += (byte & 127) * 2 ** shift
    if (byte < 128) break
  }
  const wireType = message[0]! & 7
  if (wireType === 0) return at
  return wireType === 1 ? 9 : wireType === 2 ? at + value : message.length
}
