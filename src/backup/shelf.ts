/**
 * The backups of one store in a place.
 *
 *   postgres.eu_de/20261121T010000Z-3f9a1c/0001 …   parts
 *   postgres.eu_de/20261121T010000Z-3f9a1c/manifest.json
 *   postgres.eu_de/pruned.json                      up to when deleting has come
 */
import { type KeyObject, randomBytes } from 'node:crypto'
import { ConfigError, KeyError } from '../errors.ts'
import { type Manifest, manifestName, readManifest } from './manifest.ts'
import type { BackupPlace } from './place.ts'

const idPattern = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]{6}$/

export const newBackupId = (nowMs: number): string =>
  `${new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '')}-${randomBytes(3).toString('hex')}`

/** When a backup was begun, by its id; undefined for what is no id. */
export function begunMs(id: string): number | undefined {
  const match = idPattern.exec(id)
  if (!match) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number)
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

export class Shelf {
  readonly store: string
  readonly #place: BackupPlace
  readonly #signers: readonly KeyObject[]

  /** `signers`: whose manifests are believed. */
  constructor(place: BackupPlace, store: string, signers: readonly KeyObject[]) {
    this.#place = place
    this.store = store
    this.#signers = signers
  }

  get #folder(): string {
    return this.store.replaceAll('/', '.')
  }

  put(id: string, name: string, bytes: Uint8Array): Promise<void> {
    return this.#place.put(`${this.#folder}/${id}/${name}`, bytes)
  }

  get(id: string, name: string): Promise<Buffer | undefined> {
    return this.#place.get(`${this.#folder}/${id}/${name}`)
  }

  remove(id: string, name: string): Promise<void> {
    return this.#place.remove(`${this.#folder}/${id}/${name}`)
  }

  /** The objects of each backup, unfinished ones included, oldest first. */
  async objects(): Promise<Map<string, Set<string>>> {
    const found = new Map<string, Set<string>>()
    for (const name of await this.#place.list(`${this.#folder}/`)) {
      const [id = '', object = ''] = name.slice(this.#folder.length + 1).split('/')
      if (begunMs(id) === undefined) continue
      const objects = found.get(id)
      if (objects) objects.add(object)
      else found.set(id, new Set([object]))
    }
    return found
  }

  /** Undefined: it was interrupted, or is not there. Throws `KeyError` for one that was changed. */
  async manifest(id: string): Promise<Manifest | undefined> {
    const bytes = await this.get(id, manifestName)
    return bytes && readManifest(bytes, id, this.#signers)
  }

  /** The newest that is whole; one that was changed or that another gateway made does not count. */
  async newest(): Promise<Manifest | undefined> {
    for (const [id, objects] of [...(await this.objects())].toReversed()) {
      const manifest = objects.has(manifestName) ? await this.manifest(id).catch(ifKeyError) : undefined
      if (manifest) return manifest
    }
    return undefined
  }

  /** Undefined: there is none of this name, or it was interrupted. Throws `KeyError` for one that was changed. */
  async named(id: string): Promise<Manifest | undefined> {
    return begunMs(id) === undefined ? undefined : this.manifest(id)
  }

  /** The one that is named, or the newest whole one. Throws `ConfigError` where there is none. */
  async find(id: string | undefined): Promise<Manifest> {
    const found = id === undefined ? await this.newest() : await this.named(id)
    if (found) return found
    const what = id === undefined ? `there is no whole backup of ${this.store}` : `there is no whole backup ${id}`
    throw new ConfigError(`${what} in ${this.#place.name}`, [], 'See `douane backup list`.')
  }

  async pruned(): Promise<{ as_of: string; held_back: boolean } | undefined> {
    const bytes = await this.#place.get(`${this.#folder}/pruned.json`)
    return bytes && JSON.parse(bytes.toString('utf8'))
  }

  notePruned(asOfMs: number, heldBack: boolean): Promise<void> {
    const note = { as_of: new Date(asOfMs).toISOString(), held_back: heldBack }
    return this.#place.put(`${this.#folder}/pruned.json`, Buffer.from(JSON.stringify(note)))
  }
}

/** For `catch`: a manifest that cannot be believed is none; any other fault stays one. */
export function ifKeyError(error: unknown): undefined {
  if (!(error instanceof KeyError)) throw error
}
