/**
 * Where backups lie: named objects in a folder or in S3-compatible storage. An object appears whole or not at all.
 */

import type { S3Options } from '../../config/backup_options.ts'
import { FolderPlace } from './folder_place.ts'
import { S3Place } from './s3_place.ts'

/** Names are `a/b/c` of letters, digits and `._-`. All reject with `DependencyError`. */
export interface BackupPlace {
  /** For people: the folder, or the bucket's address. */
  readonly name: string
  /** Durable when it resolves. */
  put(name: string, bytes: Uint8Array): Promise<void>
  /** Undefined: there is no such object. */
  get(name: string): Promise<Buffer | undefined>
  /** Names of all objects that begin so, in order. */
  list(prefix: string): Promise<string[]>
  /** One that is not there is no error. */
  remove(name: string): Promise<void>
  close(): Promise<void>
}

/** Either of both, as the configuration has it. */
export type PlaceOptions = { readonly path?: string | undefined; readonly s3?: S3Options | undefined }

export const openPlace = (options: PlaceOptions, resolve: (path: string) => string): BackupPlace =>
  options.s3 ? new S3Place(options.s3) : new FolderPlace(resolve(options.path!))
