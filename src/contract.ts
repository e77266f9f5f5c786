/**
 * What a processor, an exporter and their host are: all that a component must know.
 *
 * A processor is pure over its views: no I/O, no timers, no clock of its own. It runs synchronously, request by
 * request, in this order: `begin`, then for each resource `resource`, for each of its scopes `scope`, for each of
 * their records `record`. Views and slot numbers are reused: they are valid only during the call that hands them out.
 *
 * An exporter only sends. Queueing, retry, backoff and timeouts belong to the pipeline.
 */
import type { z } from 'zod'
import type { LogRecord } from './otlp/record.ts'
import type { LogsRequest, Resource, Scope } from './otlp/request.ts'
import type { SealBinding, SealedText, Subject, TokenBatch } from './otlp/subject.ts'

export type { SealBinding, SealedText, Subject, TokenBatch } from './otlp/subject.ts'

/** A processor: its name in config, the shape of its options, how to build it. */
export interface ProcessorComponent<Config extends z.ZodType = z.ZodType> {
  readonly kind: 'processor'
  /** snake_case; equals the file name, the config key and the metric prefix. */
  readonly name: string
  /** Strict: unknown options are refused. Every option carries `.describe()`. */
  readonly config: Config
  /** It knows something that the workers of a gateway have in common: `Processor.shared`. */
  readonly merges?: boolean
  /** Throws `ConfigError` for what the schema cannot see. */
  readonly create: (config: z.output<Config>, host: Host) => Processor
}

/** An exporter: its name in config, its aliases, the shape of its options, how to build it. */
export interface ExporterComponent<Config extends z.ZodType = z.ZodType> {
  readonly kind: 'exporter'
  readonly name: string
  /** Names that users of the Collector may write instead. */
  readonly aliases?: readonly string[]
  /** `apart`: the store keeps purposes apart and gets one copy of a record a purpose. `merged`: one copy in all. */
  readonly purposes: 'apart' | 'merged'
  /** True where nothing leaves this machine's memory (`debug`, `nop`): such an exporter needs no region. */
  readonly local?: boolean
  readonly config: Config
  readonly create: (config: z.output<Config>, host: Host) => Exporter
}

/** What a record's visit ends with. Anything but `keep` takes the record out of the request, and is counted. */
export type Verdict = 'keep' | 'drop' | 'reject' | 'quarantine'

/** A throw rejects what was being visited (a resource with all its records); it is never exported. */
export interface Processor {
  /** Once a request, before any hook below. May read the whole request (times, the body), may not edit. */
  begin?(request: LogsRequest): void
  resource?(resource: Resource): void
  scope?(scope: Scope): void
  record?(record: LogRecord): Verdict
  /** Once a request, after the last hook. Read only. */
  end?(request: LogsRequest): void
  /** State to keep over a restart: written on stop and each minute, handed back before the first request. */
  snapshot?(): Uint8Array
  restore?(snapshot: Uint8Array): void
  /** What the admin API shows of its state, as JSON. Never payload. */
  inspect?(): unknown
  /** What it does with a field (an OTTL path) of a tenant's records with these purposes, and which rule says so. */
  explainPath?(path: string, tenant: string, purposes: readonly string[]): readonly string[]
  /** What workers of one gateway know together. */
  readonly shared?: Shared
  /** What becomes of a record whose content cannot be sealed. Left out: `wait`, the sender is told to send again. */
  readonly onKeyFailure?: OnKeyFailure
}

/** `drop`: the field is left out. The others are about the record. */
export type OnKeyFailure = 'wait' | 'reject' | 'quarantine' | 'drop'

/**
 * State of several workers: one more processor, which sees no records, keeps it. Workers tell it what they saw; it tells
 * them what follows, and what it says counts. Bytes, in a form of the processor's own.
 */
export interface Shared {
  /** A worker: what it saw since the last call; undefined: nothing. */
  seen(): Uint8Array | undefined
  /** The keeper: what a worker saw. */
  learn(seen: Uint8Array): void
  /** The keeper: what changed since the last call, or all that it knows; in pieces. */
  changes(all: boolean): Uint8Array[]
  /** A worker: what the keeper says. */
  follow(changes: Uint8Array): void
}

/** What leaves for one destination. The bytes are an ExportLogsServiceRequest, never changed after this. */
export interface Batch {
  /** Stable over every attempt, also after a crash; one id always carries the same records. */
  readonly id: string
  readonly body: Uint8Array
  readonly records: number
}

export interface Exporter {
  /** Called once before the first send; a store may connect, migrate, create. Rejects with what is wrong. */
  start?(): Promise<void>
  /** Never rejects for what the destination says: that is an `Outcome`. */
  send(batch: Batch, signal: AbortSignal): Promise<Outcome>
  close(): Promise<void>
}

export type Outcome =
  | { is: 'accepted' }
  /** Accepted but for `records` of them, which must not be sent again. */
  | { is: 'partial'; records: number; reason: string }
  /** Final: dead-letter, never resend. */
  | { is: 'rejected'; reason: string }
  /** The destination wants smaller batches (413, RESOURCE_EXHAUSTED without RetryInfo): split, or dead-letter. */
  | { is: 'too_large'; reason: string }
  /** Resend the same bytes. */
  | { is: 'unavailable'; retryAfterMs?: number; reason: string }

/** Everything the outside world lends a component. Tests lend their own, so that they are deterministic. */
export interface Host {
  /** The component's id in config: `type[/name]`. */
  readonly id: string
  readonly log: Log
  readonly purposes: Purposes
  readonly hashKeys: HashKeys
  /** Missing where nothing is sealed. */
  readonly subjects?: Subjects
  /** The absolute path of a file named in config; relative ones are relative to the config file. */
  resolve(path: string): string
  /** The text of a file named in config, relative as above. Only in `create`. Throws `ConfigError` with what is wrong. */
  readText?(path: string): string
  /** The absolute path of this component's own folder under the data directory; made on first use, 0700. */
  dataDir(): string
  nowMs(): number
  /** Which worker this is, from 1; missing: there is only one, or this is no worker. */
  readonly worker?: number
  /** How long the policy keeps a tenant's records of a purpose, as written (`18mo`). Undefined: no end is promised. */
  retention?(purpose: string, tenant: string): string | undefined
  /** How long it keeps daily counts of a purpose's records; undefined: as long as the records. */
  countsRetention?(purpose: string): string | undefined
  /** The version of the policy in force, as receipts name it; empty where there is none. */
  policyVersion?(): string
  /** Signs receipts of what a store deleted and keeps them. Resolves when they are on disk. */
  keepReceipts?(receipts: readonly Receipt[]): Promise<void>
  /** A store has run its retention for today, and these tenants are on legal hold in it (null: all). */
  retentionRan?(holds: readonly { readonly tenant: string | null }[]): void
  /** A metric's name without prefix, its help text, its labels' names. `name` is snake_case. */
  counter(name: string, help: string): Counter
  counter<Label extends string>(name: string, help: string, labels: readonly Label[]): LabelledCounter
  /** Sampled when metrics are read. */
  gauge(name: string, help: string, read: () => number): void
}

/** What a store deleted, when and by which policy. Names, times and counts: no record's content. */
export interface Receipt {
  readonly store: string
  /** Unique in its store: a receipt that was kept twice shows it. */
  readonly deletion: string
  readonly deleted: string
  /** The time that retention was counted to. */
  readonly as_of: string
  readonly purpose: string
  readonly retention: string
  /** Null: all tenants of the partition. */
  readonly tenant: string | null
  readonly partition: string
  readonly records: number
  readonly oldest: string | null
  readonly newest: string | null
  readonly policy_version: string
}

export interface Counter {
  add(n: number): void
}
export interface LabelledCounter {
  /** The counter of one set of label values. Keep it: the look-up is not for the hot path. */
  with(...values: string[]): Counter
}

/** The gateway's own log. Codes, offsets, lengths, counts: never payload. */
export interface Log {
  debug(event: string, fields?: Record<string, string | number | boolean>): void
  info(event: string, fields?: Record<string, string | number | boolean>): void
  warn(event: string, fields?: Record<string, string | number | boolean>): void
  error(event: string, fields?: Record<string, string | number | boolean>): void
}

/** Purposes are bits of a 31-bit mask, so that a record's purposes are one integer. */
export interface Purposes {
  /** The bit of a purpose; a new name gets the next free one. Throws `ConfigError` beyond `purposesMax`. */
  bit(name: string): number
  /** The names in a mask, sorted. */
  names(mask: number): readonly string[]
}

/** Keys of keyed hashes. 32 bytes each; equal values join within a tenant and never across tenants. */
export interface HashKeys {
  /** The current key of a tenant: its public id (8 lower-case hex digits) and its bytes. */
  current(tenant: string): { readonly id: string; readonly key: Uint8Array }
}

/** Seals content. Synchronous: keys that need I/O are made durable before it returns. */
export interface Sealer {
  /** Seals an encoded AnyValue message. Gives a string that starts with `cose:`. Throws `KeyError`: then nothing leaves. */
  seal(value: Uint8Array, context: SealContext, field: string, binding?: SealBinding): string
  /** The same for the AnyValue message in bytes[from, to), without a string: for the hot path. */
  sealText?(
    bytes: Buffer,
    from: number,
    to: number,
    context: SealContext,
    field: string,
    binding?: SealBinding,
  ): SealedText
  /** The same for many values, together. Missing: each is sealed when it comes. */
  readonly tokens?: TokenBatch<SealContext>
  /** The record of the key store that opens the last token, as JSON; its key is sealed. */
  sealedKey?(): string
  /** Makes sure that a key for this context can be had. Throws `KeyError` where it cannot. Missing: it always can. */
  ready?(context: SealContext): void
  /** Stands for a value in searches: equal values of a tenant's field in one month have one text, and nobody else's. */
  index?(value: Uint8Array, tenant: string, field: string): string
}
/** People whose content can be erased. Handles are good for the request that they were got in. */
export interface Subjects {
  of(tenant: string, id: string): Subject
}
/** An attribute's field, as `seal` wants it: its OTTL path. Others: `log.body`, `log.event_name`, `scope.name` … */
export const attributeField = (level: 'resource' | 'scope' | 'log', key: string): string =>
  `${level}.attributes[${JSON.stringify(key)}]`
export interface SealContext {
  readonly tenant: string
  readonly region: string
  readonly purpose: string
  /** The purpose's retention as written in the policy (`18mo`): keys of different classes expire apart. */
  readonly retention: string
}

export const processor = <C extends z.ZodType>(
  component: Omit<ProcessorComponent<C>, 'kind'>,
): ProcessorComponent<C> => ({
  kind: 'processor',
  ...component,
})
export const exporter = <C extends z.ZodType>(component: Omit<ExporterComponent<C>, 'kind'>): ExporterComponent<C> => ({
  kind: 'exporter',
  ...component,
})
