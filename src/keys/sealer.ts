/**
 * The gateway's side of field encryption: seals content, cannot open what it sealed an hour ago. Opens the key store and
 * the sealer over it (epoch_sealer.ts).
 */
import { randomBytes, randomFillSync } from 'node:crypto'
import { join } from 'node:path'
import type { Log, Sealer, Subjects } from '../contract.ts'
import { KeyError } from '../errors.ts'
import { BlindIndex } from './blind_index.ts'
import { EpochSealer } from './epoch_sealer.ts'
import { EpochWriter } from './epochs.ts'
import { checkPlaced, createFile, makeFolder, placed, readPrivate } from './files.ts'
import { openLocalKms } from './kms.ts'
import { LocalRecipients, RecipientFolder, type RecipientSource } from './recipients.ts'
import { openSigner } from './signature.ts'
import { sodiumReady } from './sodium_heap.ts'
import { SubjectKeys, type SubjectOptions } from './subjects.ts'

export interface SealerOptions {
  /** The keys folder: `<data directory>/keys`. */
  readonly dir: string
  readonly nowMs: () => number
  readonly log: Log
  /** Fills a buffer with random bytes; the system's generator unless a test gives another. */
  readonly random?: (buffer: Buffer) => void
  readonly monotonicMs?: () => number
  /** Seals the local keys when they are made; not needed later. Usually DOUANE_KEYS_PASSPHRASE. */
  readonly passphrase?: string | undefined
  readonly scryptCost?: number
  /** Where recipient keys come from; left out: made locally as they are needed. */
  readonly recipients?: RecipientSource
  /** Which worker of several seals: each has epochs and a file of its own. */
  readonly worker?: number | undefined
  /** AES-256-GCM for short values too, where only approved algorithms are allowed. */
  readonly gcmOnly?: boolean
  /** How many people may have a secret. */
  readonly subjects?: Pick<SubjectOptions, 'perTenantMax' | 'max'>
}

/** A stable name of this gateway's files in the key store; those of a worker have its number behind it. */
function workerName(dir: string): string {
  const path = join(dir, 'worker')
  createFile(path, randomBytes(4).toString('hex'))
  const name = readPrivate(path) ?? ''
  if (!/^[0-9a-f]{8}$/.test(name)) throw new KeyError(`${path} is damaged`, 'Remove it: a new name is made.')
  return name
}

/** Local keys, made when there are none. */
export async function localRecipients(
  options: Pick<SealerOptions, 'dir' | 'passphrase' | 'scryptCost' | 'log'>,
): Promise<RecipientSource> {
  const { dir, passphrase, scryptCost, log } = options
  const existed = (await openLocalKms(dir)) !== undefined
  const kms = (await openLocalKms(dir, { passphrase, scryptCost, make: true }))!
  if (!existed) log.info('keys.made', { provider: 'local', passphrase: kms.hasPassphrase })
  if (!kms.hasPassphrase) {
    log.warn('keys.no_passphrase', {
      fix: 'Set DOUANE_KEYS_PASSPHRASE before the first start, or use keys of a decrypt side.',
    })
  }
  return new LocalRecipients(new RecipientFolder(dir, openSigner(dir, 'authority.pem', true)!), kms)
}

/** A sealer, and the people that it seals for. */
export interface OpenSealer extends Sealer, Subjects {
  close(): void
}

/** Opens the gateway's sealer. Makes local keys at the first start. Rejects with `KeyError`. */
export async function openSealer(options: SealerOptions): Promise<OpenSealer> {
  await sodiumReady
  const { dir, nowMs, log, random = randomFillSync } = options
  makeFolder(dir)
  const gateway = workerName(dir)
  const worker = options.worker === undefined ? gateway : `${gateway}-${options.worker}`
  const recipients = options.recipients ?? (await localRecipients(options))
  const epochs = new EpochWriter(dir, worker)
  const store = [placed(dir), placed(join(dir, 'worker'))]
  const subjects = new SubjectKeys({ dir, worker, nowMs, random, log, ...options.subjects })
  const indexes = new BlindIndex(dir)
  const sealer = new EpochSealer({
    nowMs,
    monotonicMs: options.monotonicMs ?? (() => performance.now()),
    random,
    recipients,
    keep: (record) => epochs.append(record),
    checkStore: () => store.forEach(checkPlaced),
    subjects,
    worker,
    log,
    gcmOnly: options.gcmOnly ?? false,
  })
  return {
    seal(value, context, field, binding) {
      const { bytes, from, to } = sealer.seal(value, 0, value.length, context, field, binding)
      return bytes.latin1Slice(from, to)
    },
    sealText: (bytes, from, to, context, field, binding) => sealer.seal(bytes, from, to, context, field, binding),
    tokens: {
      add: (bytes, from, to, end, context, field, binding) => sealer.add(bytes, from, to, end, context, field, binding),
      place: (at) => sealer.place(at),
      write: (out) => sealer.write(out),
      drop: () => sealer.drop(),
    },
    sealedKey: () => sealer.sealedKey(),
    ready: (context) => sealer.ready(context),
    index: (value, tenant, field) => indexes.of(value, tenant, field, nowMs()),
    of: (tenant, id) => subjects.of(tenant, id),
    close() {
      sealer.close()
      subjects.close()
      epochs.close()
    },
  }
}
