/**
 * The bounds of keys: sealing, people's secrets, providers, opening. They are part of `limits` (limits.ts), which is
 * where everything takes them from.
 */
const KiB = 1024
const MiB = 1024 * KiB

export const keyLimits = {
  // Sealing. An epoch key lives this long, for so many values; live epochs and the fields bound to each are kept.
  epochAgeMsMax: 60 * 60 * 1000,
  epochMessagesMax: 2 ** 31,
  epochsMax: 16_384,
  epochFieldsMax: 256,
  /** From here on AES in node:crypto is quicker than ChaCha20 in WebAssembly. */
  sealShortBytesMax: 8 * KiB,
  /** Short values of a message that wait to be sealed together; bytes of theirs, with what stands between them, and as text. */
  sealWaitingMax: 96,
  sealWaitingBytesMax: 128 * KiB,
  /** Enc_structures that are held ready where values are sealed. */
  sealContextsBytesMax: 64 * KiB,
  /** The Enc_structure of a short value: place and headers. A longer one goes through node:crypto. */
  sealContextBytesMax: 4 * KiB,
  /** One sealed value's plaintext: a whole request's body at most. */
  sealValueBytesMax: 64 * MiB,
  sealNoncesPooled: 4096,
  /** The buffer for long tokens that is kept between them. */
  sealLongBytesKept: 256 * KiB,
  /** A bucket that lengths are filled up to, in bytes. */
  sealPadBytesMax: MiB,
  /** Keys of blind indexes that are held ready: one a tenant, field and month. */
  blindKeysCachedMax: 4096,
  /** Wall clock against monotonic clock: more apart, and the process may be a restored copy: all epochs end. */
  clockJumpMsMax: 5000,
  /** After a key could not be had, the next try waits this long; until then sealing fails at once. */
  keyRetryMs: 1000,
  /** How often a gateway looks whether its key store still stands under its name, and whether somebody was erased. */
  keyStoreLookMs: 1000,
  // People whose content can be erased: rows a tenant may have and all together; secrets held ready, and how long.
  subjectsPerTenantMax: 2_000_000,
  subjectsMax: 4_000_000,
  subjectsCachedMax: 16_384,
  subjectCachedMsMax: 10 * 60 * 1000,
  /** Keys derived from one person's secret that are held ready: one for each live purpose, region and retention. */
  subjectKeysMax: 8,
  /** People over the quota have no secret of their own; their content is sealed to keys of so many days at most. */
  overQuotaDaysMax: 6,
  /** A person's id, in characters of text: longer ones are cut from use, not from the record. */
  subjectIdCharsMax: 1024,
  /** Tenants whose keys of rows are held ready; rows whose random bytes are drawn, and are written, in one go. */
  subjectTenantsMax: 1024,
  subjectRowsPooled: 256,
  subjectRowsPending: 4096,
  /** Inputs of a derivation in WebAssembly memory. */
  sodiumHeapBytesMax: 4 * KiB,

  /** Roots of hash keys that are kept for looking values up; tenants' keys that are kept derived. */
  hashRootsMax: 24,
  hashKeysCachedMax: 16_384,

  // Keys of files at rest. A gateway that starts waits so long for a provider that is away, and asks so often.
  kmsStartMs: 60_000,
  kmsStartRetryMs: 2000,
  /** How often a gateway looks for new ones; from when a new one is used: until then every worker has looked. */
  chunkKeyLookMs: 30_000,
  chunkKeyAdoptMs: 90_000,
  /** When an old one that no file needs is forgotten, and how often that is looked for. */
  chunkKeyKeptMs: 86_400_000,
  chunkKeyTidyMs: 3_600_000,
  /** A bundle that ends sooner than this is warned of. */
  bundleWarnMs: 7 * 86_400_000,
  // Key providers. What is wrapped is a key: a few dozen bytes. An answer is JSON or base64 around it.
  kmsBlobBytesMax: 4 * KiB,
  kmsWrappedBytesMax: 16 * KiB,
  kmsAnswerBytesMax: 64 * KiB,
  /** A busy server is asked again after this time, then after twice as long, within the provider's own bound. */
  kmsAttemptsMax: 3,
  kmsRetryMs: 150,
  // Expiry of keys: so much later, for records whose own time is ahead of the gateway's clock.
  keyExpirySlackMs: 13 * 3_600_000,
  /** A nightly run may come so much later than a day after the last one. */
  expiryLateMs: 12 * 3_600_000,
  // Opening. Epoch and recipient keys that are kept open; lines read and told to the access log in one go.
  openEpochsMax: 4096,
  openPersonalMax: 16_384,
  openRecipientsMax: 1024,
  decryptGroupLinesMax: 256,
  decryptGroupWaitMs: 20,
  decryptReasonCharsMax: 1000,
  /** Tokens named in one entry of the access log; more make another entry. */
  auditEntryTokensMax: 200,
  auditFieldCharsMax: 200,
  /** How long the sealed halves of destroyed keys are kept, so that `decrypt` can say "destroyed" and not "unknown". */
  destroyedEpochsKeptMs: 30 * 24 * 60 * 60 * 1000,
} as const
