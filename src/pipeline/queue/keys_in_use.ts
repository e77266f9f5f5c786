/**
 * Which keys files at rest need: the id in the head of each file of queues, dead letters and quarantine. So a key that
 * nothing needs any more can be forgotten.
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readSegmentHeader, segmentHeaderBytes } from './frame.ts'

/** Ids in hex. Files that are no such file are passed over; a file that cannot be read rejects: its key may be needed. */
export async function keysInUse(folders: readonly string[], idBytes: number): Promise<Set<string>> {
  const ids = new Set<string>()
  const bytes = Buffer.alloc(segmentHeaderBytes)
  for (const folder of folders) {
    for (const entry of await entriesOf(folder)) {
      if (!entry.isFile()) continue
      const header = await headOf(join(entry.parentPath, entry.name), bytes)
      if (header !== undefined) ids.add(header.subarray(0, idBytes).toString('hex'))
    }
  }
  return ids
}

const isGone = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

async function entriesOf(folder: string) {
  try {
    return await readdir(folder, { recursive: true, withFileTypes: true })
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

async function headOf(path: string, bytes: Buffer): Promise<Buffer | undefined> {
  try {
    const file = await open(path, 'r')
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0).finally(() => file.close())
    const header = readSegmentHeader(bytes.subarray(0, bytesRead))
    return typeof header === 'string' ? undefined : header.wrapped
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}
