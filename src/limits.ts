/**
 * Every bound of the gateway, in one place, with the relations between them asserted at the end.
 * Units are the last part of a name, then the bound: `bodyBytesMax`.
 */
import { keyLimits } from './limits_of_keys.ts'
import { storeLimits } from './limits_of_stores.ts'

const KiB = 1024
const MiB = 1024 * KiB

export const limits = {
  /** One request's body, also after decompression. OTLP 1.11 recommends 64 MiB for HTTP and gRPC alike. */
  bodyBytesMax: 64 * MiB,
  /** How deep AnyValue may nest; deeper is bad data. */
  valueDepthMax: 64,
  /** How deep JSON may nest, unknown members included. A level of AnyValue takes up to four of JSON's. */
  jsonDepthMax: 320,
  /** The JSON text of one request. Below what a string can hold. */
  jsonBytesMax: 256 * MiB,
  /** A larger text is read in steps of about this size. */
  jsonBytesPerStep: 1 * MiB,
  /** The writer of values keeps its buffer between calls up to this size. */
  valueScratchBytesMax: 4 * MiB,
  /** Attributes of one resource, scope or record. */
  attributesMax: 4096,
  /** Records of one request, and what of them can be inspected; more is bad data. */
  recordsMax: 500_000,
  slotsMax: 3_000_000,
  /** Nodes of one value: what a tree of it may cost in memory. */
  valueNodesMax: 200_000,
  /**
   * Bodies that no SDK writes are made regular in steps of so many small messages, or so many times as many bytes; up
   * to the least size at once. Fields of one message, unknown ones included, are counted in one go.
   */
  irregularMessagesPerStep: 400,
  irregularBytesPerMessage: 1 * KiB,
  irregularAtOnceBytesMax: 16 * KiB,
  irregularFieldsMax: 65_536,
  /** Records of such a body, and its resources, and its scopes; its attributes. No SDK puts a tenth of it into one request. */
  irregularRecordsMax: 50_000,
  irregularSlotsMax: 500_000,
  /** Bytes of all such bodies that are worked on or wait for it; beyond it senders are told to come back. */
  irregularBytesMax: 64 * MiB,
  /**
   * A request beyond either is worked on in pieces of about so much, between which others get their turn. Units are its
   * records, scopes and resources.
   */
  atOnceUnitsMax: 16_384,
  atOnceBytesMax: 2 * MiB,
  pieceUnitsMax: 8_192,
  pieceBytesMax: 1 * MiB,
  /** Requests that are complete at the same moment take turns: for so long at a time, and so many bytes of each sender. */
  intakeSliceMs: 5,
  intakeQuantumBytes: 256 * KiB,
  /** Requests that only some destinations took: how many are remembered, how many that are equal, and how long. */
  halfAcceptedMax: 10_000,
  halfAcceptedAlikeMax: 16,
  halfAcceptedMsMax: 10 * 60_000,
  /** Tenants with a rate limit of their own; all beyond share one. */
  limitedTenantsMax: 20_000,
  /** Memory that the scan keeps between requests; after a larger request it starts anew. */
  scanMemoryKeptBytes: 32 * MiB,
  /** Attribute keys that are interned: number, and the length of one. Others work too, at a slower pace. */
  internedKeysMax: 16_384,
  internedKeyBytesMax: 128,
  /** Compiled routes, one per tenant and set of purposes; over it they are compiled anew. */
  routesMax: 200_000,
  /** Tenants with an account of their own; all others share one. */
  accountTenantsMax: 20_000,
  /** `query --follow`: how often it looks, and how far back a look goes for batches that became visible late. */
  followIntervalMs: 500,
  followOverlapMs: 15_000,
  /** Receipts of deletions that are signed at once. */
  receiptsAtOnceMax: 1000,
  /** Rows that `query` lays out as one table. */
  queryTablePageRows: 500,
  /** How long a stop may drain; how often health is looked at, and since when undelivered records make it red. */
  drainMs: 15_000,
  healthIntervalMs: 1_000,
  healthStuckMs: 10_000,
  /** How often processors' state is written, and how often configuration files are looked at. */
  snapshotIntervalMs: 60_000,
  configWatchIntervalMs: 1_000,
  /** What a reload gives a destination that it replaces to end what is on its way. */
  replacedDestinationMs: 1_000,
  /** When to send again after a key could not be had. */
  keyRetryAfterMs: 10_000,
  /** Purposes are bits of one small integer. */
  purposesMax: 30,
  /** Combinations of purposes whose names are kept at hand. */
  purposeMasksMax: 4096,

  // OTTL conditions: their length and nesting, patterns of IsMatch, and texts that Double() reads.
  conditionLengthMax: 16 * KiB,
  conditionDepthMax: 64,
  conditionNumberLengthMax: 400,
  patternLengthMax: 4 * KiB,
  /** Instructions that a pattern may compile to: what one step over a character can cost. */
  patternProgramMax: 5000,
  /** The table of decisions of a set of conditions: states, and cells of four bytes. A full one starts anew. */
  decisionStatesMax: 4096,
  decisionCellsMax: 1 << 20,
  /** Texts that a pattern is searched for by, and bytes of one: patterns with more are matched as they are. */
  literalsMax: 64,
  literalBytesMax: 64,

  // tag_purpose: rules, events of a catalogue and its file, paths an event may list. Counters are one a rule or event.
  purposeRulesMax: 1000,
  catalogueEventsMax: 5000,
  catalogueBytesMax: 4 * MiB,
  catalogueFieldsMax: 100,

  // Configuration: files are small and come from a trusted hand; the bounds stop accidents and alias bombs.
  configBytesMax: 32 * MiB,
  configNodesMax: 500_000,
  configDepthMax: 40,
  configProblemsMax: 1000,
  configExpansionDepthMax: 8,
  /** Of a longer name only the start is compared for "did you mean". */
  suggestedNameLengthMax: 64,
  /** Larger files are first tried by the reader for long lists of like entries. */
  configFastReadBytesMin: 32 * KiB,
  /** Rules of tenants that are taken in at a time, of a policy that was read in another thread. */
  policyPieceRules: 500,

  // Workers: processes that share the ports.
  workersMax: 64,
  /** How often they tell each other what tenants sent, who failed to say who he is, and what clocks showed. */
  workerShareMs: 100,
  /** How often they report; and after so many that are missing in a row a worker counts as stuck and is killed. */
  workerReportMs: 500,
  workerMetricsMs: 5_000,
  workerReportsMissedMax: 60,
  /** How long a page waits for a worker; then it shows what that said last. */
  workerAnswerMs: 1_000,
  /** A worker that ended is started again after the least wait, doubled each time; from the start if it held so long. */
  workerRestartMsMin: 100,
  workerRestartMsMax: 30_000,
  workerStableMs: 60_000,
  /** What a worker may take, beyond its drain, to end; then it is killed. */
  workerStopGraceMs: 15_000,
  /** How long a start waits for workers of a gateway that was killed. */
  orphanWaitMsMax: 5_000,
  /** Sources and traces that a worker tells of at a time, and rows that it is told. */
  clockSightingsMax: 4_000,
  clockRowsToldMax: 4_000,

  // The gateway's own telemetry.
  /** Sets of label values of one metric; further ones are counted together as `other`. */
  metricLabelSetsMax: 5000,
  metricLabelLengthMax: 128,
  /** A text in the own log is cut here. */
  logFieldLengthMax: 1024,
  /** Lines of one event within a window; further ones are only counted. */
  logLinesPerEventMax: 20,
  logEventWindowMs: 10_000,
  logEventsMax: 1000,
  /** Own log records that wait for an OTLP endpoint. */
  ownLogRecordsMax: 2048,
  ownLogFlushMsMax: 3000,
  /** Open connections of the metrics or the health page. */
  pageConnectionsMax: 64,
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
  hashCacheEntriesMax: 32_768,
  /** Tenants' keys of hashes that are held ready, and the length of a hash as text. */
  hashKeysMax: 20_000,
  hashTextBytesMax: 128,
  /** A user's own pattern: its length, its states, and the pairs of states that are looked at to judge it. */
  customPatternLengthMax: 1000,
  customPatternStatesMax: 6000,
  customPatternPairsMax: 4_000_000,
  /** How far before a finding of such a pattern its context words may stand, in characters. */
  customContextLengthMax: 80,
  /** Finds times length of one value; beyond it the value is masked whole. */
  customStepsMax: 1024 * 1024,
  /** Base64 or percent-encoding inside a value: how deep it is opened. */
  encodedDepthMax: 3,
  /** Attribute keys that have a metric of their own; further ones are counted as `other`. */
  countedKeysMax: 500,
  /** Tenants whose metrics are held at hand. */
  talliedTenantsMax: 64,
  /** Changes that `annotations: debug` lists for one record. */
  listedChangesMax: 64,
  /** Words of a message that its template is made of; the rest is one `<*>`. */
  templateWordsMax: 64,
  /** `scan`: how deep JSON is followed, paths that are counted apart, and those that the summary shows. */
  scannedJsonDepthMax: 200,
  scannedPathsMax: 10_000,
  scannedPathsShownMax: 50,

  // Queues on disk, and delivery out of them.
  /** How long a small batch may be told to wait for more. */
  batchLingerMsMax: 60_000,
  /** A tenant with more than this in a queue's common lane goes on in one of so many lanes for the busy. */
  commonLaneBytesMax: 8 * MiB,
  busyLanes: 8,
  /** Tenants whose bytes in one destination's queue are counted apart. */
  queueOwnersMax: 20_000,
  /** Sets of destinations that get the same bytes; further ones are given copies. How soon one that failed is tried again. */
  sharedSetsMax: 64,
  sharedRetryMs: 30_000,
  /** A segment is closed when it has grown beyond this; a chunk larger than it has a segment to itself. */
  segmentBytes: 32 * MiB,
  /** Files of segments that are done which a queue keeps for its next ones. */
  spareSegmentsMax: 2,
  /** Frames in one segment: a position is one number, segment × this + frame. */
  segmentFramesMax: 2 ** 20,
  /** Parcels that wait for the same write are merged up to this. Below gRPC's usual 4 MiB bound on a message. */
  batchBytesMax: 1 * MiB,
  /** Smaller chunks of one owner are put together into batches, of chunks that lie no further apart than the span. */
  batchBytesMin: 256 * KiB,
  batchSpanBytesMax: 4 * MiB,
  /** One write to a queue encrypts about this much at a time. */
  commitBytesMax: 8 * MiB,
  /** Just written chunks of one queue that stay in memory for their delivery. */
  queueMemoryBytesMax: 16 * MiB,
  /** Buffers of `batchBytesMax` that each destination keeps for reuse. */
  pooledBuffersMax: 12,
  /** Batches of one destination that wait for another attempt, so that others can pass them. */
  parkedBatchesMax: 1000,
  consumersMax: 1000,
  /** Entries of an acknowledgement file before it is written anew. */
  ackEntriesMax: 8192,
  /** How often a place that the disk refuses to read is tried before the rest of its segment is given up. */
  readTriesMax: 5,
  /** Bytes that cannot be read any more are kept for a look up to this, per queue. */
  asideBytesMax: 256 * MiB,
  deadLettersMax: 10_000,
  /** Of a dead letter whose shape is shown. */
  outlinedRecordsMax: 20,
  deadLetterBytesMax: 1024 * MiB,
  /** Records without a way out are kept up to this, and this long. */
  quarantineBytesMax: 1024 * MiB,
  quarantineAgeMsMax: 30 * 24 * 3_600_000,
  quarantineExpiryMs: 3_600_000,
  quarantineFullRetryMs: 30_000,
  /** A destination that asks for a longer wait than this waits this long. */
  retryAfterMsMax: 3_600_000,
  /** Failures in a row that open a circuit breaker. */
  breakerFailures: 5,
  /** What a sender is told to wait at least, when it is refused. */
  refusedRetryMs: 1000,
  /** How long an exporter may take to let go of a batch after its timeout. */
  abortGraceMs: 1000,
  /** While stopping: failures in a row after which a destination counts as silent, and the longest wait between them. */
  drainFailures: 3,
  drainRetryMs: 1000,
  /** How long a failing disk is left alone before the next try. */
  diskRetryMs: 1000,

  // Exporters over the network: one answer, connections to one destination, how long an idle one is kept.
  exportAnswerBytesMax: 64 * KiB,
  exportConnectionsMax: 128,
  exportKeepAliveMs: 30_000,
  exportConnectMs: 10_000,
  /** gRPC: how soon after a failure the next connection is tried. */
  exportReconnectMsMin: 250,
  exportReconnectMsMax: 5_000,

  ...storeLimits,

  // Backups. A part is built in memory and stored in one piece; rows go into it in sections of this size of text.
  backupPartBytesMax: 32 * MiB,
  backupSectionBytesMax: 1 * MiB,
  /** Sections of this size and less are compressed at once; larger ones in a thread. */
  backupAtOnceBytesMax: 32 * KiB,
  /** The longest that a backup can be kept. */
  backupKeptMax: '400d',
  /** A part is deleted so long before the last of its rows is due, so that its first ones are at most a day late. */
  backupExpiresEarlyMs: 3_600_000,
  /** How often the gateway looks whether a backup or a deletion is due, and tries again after a failure. */
  backupCheckMs: 60_000,
  backupRepeatMs: 600_000,
  backupPruneMs: 30 * 60_000,
  /** A backup without a manifest that is older was interrupted for good, and is removed. */
  backupUnfinishedMsMax: 24 * 3_600_000,
  /** Deleting backups follows the clock at most so far beyond the last time. */
  backupClockStepMsMax: 26 * 3_600_000,
  /** Object storage: tries of one request, the first wait between them, how long an answer may take. */
  backupTriesMax: 4,
  backupRetryMs: 100,
  backupAnswerMsMax: 60_000,

  // People's requests: kinds of events named in a summary, size of one exported file, under which number notes are sealed.
  summaryEventsMax: 8,
  exportFileBytesMax: 32 * MiB,
  noteWorker: 1_000_000,
  erasedSweepMs: 3_600_000,

  // Receive. What one sender, or all of them, may take before they are told to wait or to go.
  /** Bytes of all bodies in memory at once; beyond it: 503 with Retry-After. */
  inflightBodyBytesMax: 192 * MiB,
  /** What one sender may have of it alone; with others, so much of what they leave. A part is always left. */
  senderBodyShare: 0.75,
  /** Body buffers kept for the next requests. */
  pooledBodyBytesMax: 32 * MiB,
  /** The smallest buffer, and the largest one given for a declared length whose bytes have not come yet. */
  bodyBufferBytesMin: 16 * KiB,
  bodyBufferFirstBytesMax: 1 * MiB,
  connectionsMax: 4096,
  headerBytesMax: 32 * KiB,
  headersMax: 256,
  /** Calls at once on one HTTP/2 connection; pings and settings in ten seconds. */
  streamsMax: 128,
  http2ControlFramesMax: 200,
  headersTimeoutMs: 10_000,
  /** A body that is slower than this after the grace, or silent for the grace, is given up. */
  bodyGraceMs: 10_000,
  bodyBytesPerSecondMin: 1 * KiB,
  requestTimeoutMs: 300_000,
  idleTimeoutMs: 30_000,
  http2IdleTimeoutMs: 300_000,
  /** After an early refusal: how much and how long is still read, so that the sender sees the answer. */
  lingerBytesMax: 256 * MiB,
  lingerMs: 5_000,
  /** How long a stop waits for requests that are being handled. */
  receiveStopMs: 10_000,
  /** Failed authentications of one address in a window, and how many addresses are remembered. */
  authFailuresMax: 20,
  authFailureWindowMs: 60_000,
  authFailureAddressesMax: 10_000,
  credentialBytesMax: 8 * KiB,
  credentialCacheEntriesMax: 10_000,
  ...keyLimits,

  // Clocks: sources that are followed, and tenants whose sources are told apart; beyond, the last ones share.
  clockSourcesMax: 100_000,
  clockTenantsMax: 20_000,
  /** Sources that turn fast, slow, late or healthy are told up to so many a minute. */
  clockTurnsToldMax: 60,
  /** Sources that the admin API lists. */
  clocksShownMax: 1000,

  // Merkle logs: one entry (its length is written in two bytes), waiting for another process.
  merkleEntryBytesMax: 65_535,
  merkleLockWaitMsMax: 10_000,
  /** What the tenants of one leaf may take; a batch of more gets several. From here on a body is hashed in a thread. */
  ledgerHeldBytesMax: 48 * KiB,
  ledgerHashApartBytesMin: 256 * KiB,
  /** Tenants whose leaves are numbered; others' bear no number. */
  ledgerTenantsMax: 200_000,
  /** Leaves after which it is written down how many each tenant has: what a start may have to count again. */
  ledgerTallyLeaves: 10_000,
} as const

function assert(holds: boolean, relation: string): void {
  if (!holds) throw new Error(`limits: ${relation} does not hold`)
}
assert(limits.backupPruneMs < limits.backupExpiresEarlyMs, 'a due part of a backup is deleted before it is late')
assert(limits.ledgerHeldBytesMax < limits.merkleEntryBytesMax, 'a leaf fits in an entry')
assert(limits.purposesMax < 31, 'purposesMax < 31 (a mask is a positive small integer)')
assert(limits.internedKeyBytesMax < limits.bodyBytesMax, 'internedKeyBytesMax < bodyBytesMax')
assert(limits.batchBytesMax < limits.segmentBytes, 'batchBytesMax < segmentBytes')
assert(limits.batchBytesMax <= limits.queueMemoryBytesMax, 'batchBytesMax <= queueMemoryBytesMax')
assert(limits.sealValueBytesMax <= limits.bodyBytesMax, 'sealValueBytesMax <= bodyBytesMax')
assert(limits.inflightBodyBytesMax >= 2 * limits.bodyBytesMax, 'a largest body can grow while another is held')
assert(limits.bodyBufferFirstBytesMax <= limits.bodyBytesMax, 'bodyBufferFirstBytesMax <= bodyBytesMax')
assert(limits.credentialBytesMax < limits.headerBytesMax, 'a credential fits in the headers')
assert(limits.pieceBytesMax <= limits.atOnceBytesMax, 'a piece is no larger than what is taken at once')
assert(limits.pieceUnitsMax <= limits.atOnceUnitsMax, 'a piece has no more than what is taken at once')
assert(limits.irregularBytesMax < limits.inflightBodyBytesMax, 'irregular bodies leave room for regular ones')
assert(limits.jsonDepthMax >= 4 * limits.valueDepthMax + 16, 'jsonDepthMax has room for values of valueDepthMax')
assert(limits.sealValueBytesMax <= limits.bodyBytesMax, 'sealValueBytesMax <= bodyBytesMax')
