/**
 * Checks a whole ledger on disk: every checkpoint against the leaves as they are there now, and against a checkpoint that
 * was kept elsewhere. Reads the files by their documented layout and shares no code with what writes them.
 *
 *   log/entries/000000 …   length (2 bytes, big-endian), then the leaf; 65,536 leaves a file
 *   log/checkpoints        one note a line, as a JSON string
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DependencyError } from '../errors.ts'
import { type ReadCheckpoint, readCheckpoint } from './note.ts'
import { GrowingTree } from './tree.ts'

export interface LedgerVerdict {
  readonly ok: boolean
  readonly leaves: number
  readonly checkpoints: number
  /** Leaves after the newest checkpoint: a crash leaves some; the next checkpoint covers them. */
  readonly unsigned: number
  readonly problems: readonly string[]
}

const leavesPerFile = 65_536

/** `key`: who must have signed. `witness`: a note that was kept elsewhere. */
export async function verifyLedger(folder: string, key: string, witness?: string): Promise<LedgerVerdict> {
  const problems: string[] = []
  const checkpoints = await readCheckpoints(join(folder, 'log/checkpoints'), key, problems)
  const due = [...checkpoints]
  if (witness !== undefined) {
    const kept = readCheckpoint(witness, key)
    if (kept === undefined) problems.push('the witness is no checkpoint of this ledger')
    else due.push(kept)
  }
  due.sort((a, b) => a.size - b.size)
  const tree = new GrowingTree()
  const compare = (): void => {
    for (; due[0]?.size === tree.size; due.shift()) {
      if (!tree.root().equals(due[0].root))
        problems.push(`the first ${tree.size} leaves are not those that were signed`)
    }
  }
  compare()
  for await (const leaf of readLeaves(join(folder, 'log/entries'), problems)) {
    tree.add(leaf)
    compare()
  }
  for (const { size } of due) problems.push(`${size} leaves were signed, ${tree.size} are there`)
  const signed = checkpoints.at(-1)?.size ?? 0
  return {
    ok: problems.length === 0,
    leaves: tree.size,
    checkpoints: checkpoints.length,
    unsigned: Math.max(0, tree.size - signed),
    problems,
  }
}

async function readCheckpoints(path: string, key: string, problems: string[]): Promise<ReadCheckpoint[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw new DependencyError(`cannot read ${path} (${error.code})`)
  })
  const found: ReadCheckpoint[] = []
  for (const [i, line] of text.split('\n').slice(0, -1).entries()) {
    const checkpoint = readCheckpoint(unquoted(line), key)
    if (checkpoint === undefined) problems.push(`checkpoint ${i + 1} was changed, or another key signed it`)
    else if (checkpoint.size < (found.at(-1)?.size ?? 0)) problems.push(`checkpoint ${i + 1} is out of order`)
    else found.push(checkpoint)
  }
  return found
}

function unquoted(line: string): string {
  try {
    return String(JSON.parse(line))
  } catch {
    return ''
  }
}

async function* readLeaves(folder: string, problems: string[]): AsyncGenerator<Buffer> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw new DependencyError(`cannot read ${folder} (${error.code})`, 'Name the data directory with --data-dir.')
  })
  for (const [n, name] of names.toSorted().entries()) {
    if (name !== String(n).padStart(6, '0')) {
      problems.push(`the file of leaves ${String(n).padStart(6, '0')} is missing`)
      return
    }
    const bytes = await readFile(join(folder, name))
    let leaves = 0
    for (let at = 0; at < bytes.length; leaves++) {
      const end = at + 2 + (at + 2 <= bytes.length ? bytes.readUInt16BE(at) : 0)
      // A cut leaf at the very end was never acknowledged: a crash leaves it, the next start removes it.
      if (end > bytes.length || at + 2 > bytes.length) break
      yield bytes.subarray(at + 2, end)
      at = end
    }
    if (n < names.length - 1 && leaves !== leavesPerFile)
      problems.push(`the file of leaves ${name} has ${leaves} leaves`)
  }
}
