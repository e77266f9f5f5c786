/**
 * The bounds of PostgreSQL stores. They are part of `limits` (limits.ts), which is where everything takes them from.
 */
const KiB = 1024
const MiB = 1024 * KiB

export const storeLimits = {
  // PostgreSQL: how long to wait for a server, and what one exporter may hold.
  /** The embedded server's start, recovery after a crash included. */
  embeddedStartMsMax: 120_000,
  /** So long it may show no sign of life while it is started again and again. */
  embeddedDownMsMax: 15_000,
  /** Then it is stopped at once, and recovers at its next start. */
  embeddedStopMsMax: 10_000,
  embeddedConnectsMax: 20,
  storeConnectMsMax: 10_000,
  storeConnectionsMax: 16,
  /** A batch's rows go to the server in pieces of this size. */
  copyPieceBytesMax: 1 * MiB,
  /** An encoder keeps its buffer between batches up to this size. */
  copyBufferBytesMax: 8 * MiB,
  /** Records and batches up to this size are made into rows by the program in WebAssembly, larger ones without it. */
  quickRecordBytesMax: 64 * KiB,
  quickBatchBytesMax: 8 * MiB,
  /** Batches that wait for a connection of a store at the same time are stored in one transaction, up to this. */
  storeTogetherMax: 16,
  storeTogetherBytesMax: 8 * MiB,
  /** So long a store knows a batch that comes again. */
  batchIdsKeptMs: 90 * 86_400_000,
  /** How long the admin API's answer about a tenant's usage is given again, and how many such are kept. */
  usageAnswerMs: 2000,
  usageAnswersMax: 1000,
  /** Records in one line of `query --format otlp`. */
  otlpLineRecordsMax: 500,
  /** Combinations of purpose, tenant and region that a store's writer remembers. */
  storePlacesMax: 10_000,
  /** Events that one batch counts apart; the others are counted together. How much of an event's name is kept. */
  usageEventsMax: 500,
  usageEventCharsMax: 200,
  /** Days and midnights of time zones that are remembered. */
  calendarDaysMax: 20_000,
  /** How long a store that closes waits for a retention run to end by itself. */
  retentionStopMsMax: 2000,
  /** `query` fetches so many rows at first, and then as many as make up about this many UTF-16 units. */
  queryRowsFirst: 16,
  queryRowsMax: 2000,
  queryPortionUnits: 2 * MiB,
} as const
