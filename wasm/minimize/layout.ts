/**
 * Where everything lies in the guest's part of a request's memory (src/otlp/scan.ts), which begins at the same place in
 * every memory: addresses are constants. The host fills the tables once; processors/minimize/fast/memory.ts says with what.
 */

// biome-ignore-all lint: AssemblyScript, not TypeScript.

export const guest: i32 = 65536

/** Byte → class bits of ascii.ts. */
export const classes: i32 = guest
/** One bit a place of the anchor table (anchors.ts). */
export const anchorBits: i32 = classes + 256
/** The same of the words that need nothing behind them. */
export const loudBits: i32 = anchorBits + 2048
/** One bit a hash of the first three bytes of a token. */
export const tokenBits: i32 = loudBits + 2048
/** Open addressing: three bytes + 1 (u32), first literal (u16), literals (u16). */
export const tokenKeys: i32 = tokenBits + 4096
export const tokenKeysMask: i32 = 4095
/** Literals: up to eight bytes (u64), their mask (u64), the shortest token (i32). */
export const literals: i32 = tokenKeys + 4096 * 8
export const literalsMax: i32 = 4096
export const literalRow: i32 = 24
/** The constants of SHA-256. */
export const roundConstants: i32 = literals + literalsMax * literalRow
/** States after the inner and the outer pad of the key at hand; `hmac:<key id>:`. */
export const innerState: i32 = roundConstants + 256
export const outerState: i32 = innerState + 32
export const hashPrefix: i32 = outerState + 32
export const hashPrefixMax: i32 = 64
export const state: i32 = hashPrefix + 64
export const schedule: i32 = state + 32
export const block: i32 = schedule + 256
export const digest: i32 = block + 64
/** Key id → class of its verdict; role → the same, by the negated role. */
export const keyClasses: i32 = digest + 64
export const keyClassesMax: i32 = 16400
export const roleClasses: i32 = keyClasses + keyClassesMax
/** Labels of masks: length (1), text. */
export const labels: i32 = roleClasses + 16
export const labelRow: i32 = 64
export const labelsMax: i32 = 192
/** What there is to do: slot, what, and three offsets. */
export const work: i32 = labels + labelsMax * labelRow
export const workMax: i32 = 4352
export const workRow: i32 = 20
/** Four hashes at once: states and words of four lanes side by side, their blocks, their digests, and the jobs. */
export const wideState: i32 = (work + workMax * workRow + 63) & ~63
export const wideSchedule: i32 = wideState + 128
export const wideBlocks: i32 = wideSchedule + 1024
export const wideDigests: i32 = wideBlocks + 256
export const jobs: i32 = wideDigests + 128
export const jobRow: i32 = 16
/** Rows of the cache of hashes: key's number (4), length (1), value (59), digest (32). */
export const cache: i32 = jobs + 64
export const cacheRow: i32 = 96
