/**
 * Whose content a record holds: a handle that the gateway's keys gave out for this request. What stands behind it is
 * the keys' own affair (src/keys/subjects.ts); here only what a processor and the splice must know.
 */

/**
 * `live`: has a secret. `erased`: his content may not be kept. `over_quota`: his tenant has too many people for a
 * secret each. `failed`: keys cannot be had now; sealing throws, and the sender tries again.
 */
export type SubjectState = 'live' | 'erased' | 'over_quota' | 'failed'

export interface Subject {
  readonly state: SubjectState
  /** What stores and tokens call the person: 22 characters of base64url, random. Empty unless `live`. */
  readonly ref: string
}

/** The attribute that holds `ref` in copies with content: `subject find` searches by it. */
export const subjectRefAttribute = 'douane.subject_ref'

/** A token's text, as ASCII in bytes[from, to): valid until the next value is sealed. */
export interface SealedText {
  readonly bytes: Buffer
  readonly from: number
  readonly to: number
}

/**
 * Values that are sealed together: they are taken in one by one, what stands around their tokens is written to a buffer
 * meanwhile, and then their tokens.
 */
export interface TokenBatch<Context> {
  /**
   * Takes in the AnyValue message in bytes[from, to). Gives the length of its token's text, which has to begin before
   * `end` of the buffer; 0: there is no room, `write` first; below: it is to be sealed on its own. Until `write` a
   * context stays as it is. Throws `KeyError`.
   */
  add(
    bytes: Buffer,
    from: number,
    to: number,
    end: number,
    context: Context,
    field: string,
    binding?: SealBinding,
  ): number
  /** Where in the buffer the token of the value goes that was added last. From `write` to `write` such places rise. */
  place(at: number): void
  /** Seals all that were added, into the buffer. */
  write(buffer: Buffer): void
  /** Forgets what was added. */
  drop(): void
}

/** What a sealed value is bound to besides its place, and how its length is hidden. */
export interface SealBinding {
  /** Whose content it is. */
  readonly subject?: Subject | undefined
  /** `log.record.uid`, where the token shall open in this record only. */
  readonly recordUid?: string | undefined
  /** Lengths that plaintexts are filled up to; longer ones to a multiple of the last. */
  readonly padTo?: readonly number[] | undefined
}
