/**
 * What processors remember over a restart and a reload (learnt clocks, for one): a file each under `state/`, written
 * on stop and each minute, atomically. A file that is missing or damaged is a fresh start, never an error.
 */
import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Log } from './contract.ts'
import type { NamedProcessor } from './pipeline/chain.ts'

/** A pipeline's processors, as far as their state goes. */
export interface Stateful {
  readonly id: string
  readonly processors: readonly Pick<NamedProcessor, 'id' | 'processor'>[]
}

const MAGIC = Buffer.from('DOUANES1')

export class ProcessorState {
  readonly #folder: string | undefined
  readonly #log: Log

  /** Without a folder nothing is kept over a restart. */
  constructor(folder: string | undefined, log: Log) {
    this.#folder = folder
    this.#log = log
  }

  /** Gives processors back what an earlier run, or the generation before, remembered. */
  restore(inputs: readonly Stateful[], before: readonly Stateful[]): void {
    for (const [name, { processor }] of named(inputs)) {
      if (processor.restore === undefined) continue
      const former = [...named(before)].find(([other]) => other === name)?.[1].processor.snapshot?.()
      const snapshot = former ?? this.#read(name)
      if (snapshot === undefined) continue
      try {
        processor.restore(snapshot)
      } catch (error) {
        this.#log.warn('state_not_restored', {
          processor: name,
          error: error instanceof Error ? error.name : 'unknown',
        })
      }
    }
  }

  async save(inputs: readonly Stateful[]): Promise<void> {
    if (this.#folder === undefined) return
    for (const [name, { processor }] of named(inputs)) {
      const snapshot = processor.snapshot?.()
      if (snapshot === undefined) continue
      try {
        await this.#write(name, snapshot)
      } catch (error) {
        this.#log.warn('state_not_saved', { processor: name, code: (error as NodeJS.ErrnoException).code ?? 'unknown' })
      }
    }
  }

  #path(name: string): string {
    return join(this.#folder!, `${encodeURIComponent(name)}.state`)
  }

  #read(name: string): Uint8Array | undefined {
    if (this.#folder === undefined) return undefined
    try {
      const bytes = readFileSync(this.#path(name))
      const snapshot = bytes.subarray(MAGIC.length + 4)
      const isWhole =
        bytes.subarray(0, MAGIC.length).equals(MAGIC) && bytes.readUInt32LE(MAGIC.length) === crc32(snapshot)
      if (isWhole) return snapshot
      this.#log.warn('state_damaged', { processor: name })
    } catch {
      // The first start.
    }
    return undefined
  }

  async #write(name: string, snapshot: Uint8Array): Promise<void> {
    const head = Buffer.alloc(MAGIC.length + 4)
    MAGIC.copy(head)
    head.writeUInt32LE(crc32(snapshot), MAGIC.length)
    const path = this.#path(name)
    await writeFile(`${path}.new`, Buffer.concat([head, snapshot]), { mode: 0o600, flush: true })
    await rename(`${path}.new`, path)
  }
}

/** Processors by pipeline and id: one id may stand in several pipelines, each with a state of its own. */
export function* named(inputs: readonly Stateful[]): Iterable<[name: string, of: Pick<NamedProcessor, 'processor'>]> {
  for (const input of inputs) for (const one of input.processors) yield [`${input.id} ${one.id}`, one]
}
