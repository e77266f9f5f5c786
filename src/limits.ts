/**
 * Every bound of the gateway, in one place, with the relations between them asserted at the end.
 * Units are the last part of a name, then the bound: `bodyBytesMax`.
 */
const KiB = 1024
const MiB = 1024 * KiB

export const limits = {
  /** One request's body, also after decompression. OTLP 1.11 recommends 64 MiB for HTTP and gRPC alike. */
  bodyBytesMax: 64 * MiB,
  /** How deep AnyValue may nest; deeper is bad data. */
  valueDepthMax: 64,
  /** The writer of values keeps its buffer between calls up to this size. */
  valueScratchBytesMax: 4 * MiB,
  /** Attributes of one resource, scope or record. */
  attributesMax: 4096,
  /** Attribute keys that are interned: number, and the length of one. Others work too, at a slower pace. */
  internedKeysMax: 16_384,
  internedKeyBytesMax: 128,
  /** Purposes are bits of one small integer. */
  purposesMax: 30,
} as const

function assert(holds: boolean, relation: string): void {
  if (!holds) throw new Error(`limits: ${relation} does not hold`)
}
assert(limits.purposesMax < 31, 'purposesMax < 31 (a mask is a positive small integer)')
assert(limits.internedKeyBytesMax < limits.bodyBytesMax, 'internedKeyBytesMax < bodyBytesMax')
