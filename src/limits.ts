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

  // Configuration: files are small and come from a trusted hand; the bounds stop accidents and alias bombs.
  configBytesMax: 32 * MiB,
  configNodesMax: 2_000_000,
  configDepthMax: 40,
  configProblemsMax: 1000,
  configExpansionDepthMax: 8,
  // Minimize. A value beyond these is replaced whole, and counted.
  /** Bytes of one string that the detectors look at. */
  scannedBytesMax: 1 * MiB,
  /** Findings in one value. */
  findingsMax: 4096,
  /** How far a verifier looks for the other end of a finding, and for the words before it. */
  tokenBytesMax: 4096,
  contextBytesMax: 80,
  /** JSON inside a string: how deep strings within strings are opened. */
  embeddedJsonDepthMax: 4,
  /** Hashed values kept, so that equal values are hashed once. */
  hashCacheEntriesMax: 8192,

  // Queues on disk, and delivery out of them.
  /** A segment is closed when it has grown beyond this; a chunk larger than it has a segment to itself. */
  segmentBytes: 32 * MiB,
  /** Frames in one segment: a position is one number, segment × this + frame. */
  segmentFramesMax: 2 ** 20,
  /** Parcels that wait for the same write are merged up to this. Below gRPC's usual 4 MiB bound on a message. */
  batchBytesMax: 1 * MiB,
  /** Just written chunks of one queue that stay in memory for their delivery. */
  queueMemoryBytesMax: 16 * MiB,
  /** Buffers of `batchBytesMax` that are kept for reuse, over all queues. */
  pooledBuffersMax: 24,
  /** Batches of one destination that wait for another attempt, so that others can pass them. */
  parkedBatchesMax: 1000,
  consumersMax: 1000,
  /** Entries of an acknowledgement file before it is written anew. */
  ackEntriesMax: 8192,
  /** Bytes that cannot be read any more are kept for a look up to this, per queue. */
  asideBytesMax: 256 * MiB,
  deadLettersMax: 10_000,
  deadLetterBytesMax: 1024 * MiB,
  /** A destination that asks for a longer wait than this waits this long. */
  retryAfterMsMax: 3_600_000,
  /** Failures in a row that open a circuit breaker. */
  breakerFailures: 5,
  /** How long a failing disk is left alone before the next try. */
  diskRetryMs: 1000,
} as const

function assert(holds: boolean, relation: string): void {
  if (!holds) throw new Error(`limits: ${relation} does not hold`)
}
assert(limits.purposesMax < 31, 'purposesMax < 31 (a mask is a positive small integer)')
assert(limits.internedKeyBytesMax < limits.bodyBytesMax, 'internedKeyBytesMax < bodyBytesMax')
assert(limits.batchBytesMax < limits.segmentBytes, 'batchBytesMax < segmentBytes')
assert(limits.batchBytesMax <= limits.queueMemoryBytesMax, 'batchBytesMax <= queueMemoryBytesMax')
