/** Kills a process with a queue again and again, and holds what it acknowledged against what was delivered. */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface CrashResult {
  readonly acknowledged: number
  readonly delivered: number
  readonly repeats: number
  readonly lost: number[]
  /** Ids that came with different records, records that came under different ids. */
  readonly contradictions: string[]
  readonly startMsMax: number
  readonly inTheClear: string[]
}

/** `kills` rounds of load, each ended by SIGKILL after up to `lifeMsMax` of work, then one that delivers the rest. */
export async function crashes(kills: number, lifeMsMax: number, random: () => number): Promise<CrashResult> {
  const dir = await mkdtemp(join(tmpdir(), 'douane-crash-'))
  const acknowledged = new Set<number>()
  const batches = new Map<string, string>()
  const idOf = new Map<number, string>()
  const contradictions: string[] = []
  let repeats = 0
  let startMsMax = 0
  let inTheClear: string[] = []
  const note = (line: string) => {
    const [what, id, numbers] = line.split(' ') as [string, string, string]
    if (what === 'A') acknowledged.add(Number(id))
    if (what !== 'D') return
    if (batches.has(id)) repeats++
    if ((batches.get(id) ?? numbers) !== numbers) contradictions.push(`batch ${id} changed`)
    batches.set(id, numbers)
    for (const n of numbers.split(',').map(Number)) {
      if ((idOf.get(n) ?? id) !== id) contradictions.push(`record ${n} came as ${idOf.get(n)} and as ${id}`)
      idOf.set(n, id)
    }
  }
  try {
    for (let kill = 0; kill <= kills; kill++) {
      const startMs = performance.now()
      const isLast = kill === kills
      if (isLast) inTheClear = await findText(dir, ['acme', 'xxxxxxxx'])
      const child = spawn(process.execPath, [
        join(import.meta.dirname, 'crash_child.ts'),
        dir,
        String(kill * 1_000_000),
        isLast ? 'drain' : 'load',
      ])
      let rest = ''
      let errors = ''
      child.stderr.on('data', (text) => {
        errors += text
      })
      child.stdout.on('data', (text) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop()!
        for (const line of lines) {
          note(line)
          if (!line.startsWith('R')) continue
          startMsMax = Math.max(startMsMax, performance.now() - startMs)
          if (!isLast) setTimeout(() => child.kill('SIGKILL'), random() * lifeMsMax)
        }
      })
      // Some die while they start.
      if (!isLast && kill % 5 === 4) setTimeout(() => child.kill('SIGKILL'), 60 + random() * 120)
      const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
        child.on('close', (...end) => resolve(end)),
      )
      if (isLast ? code !== 0 : signal !== 'SIGKILL')
        throw new Error(`the child ended with ${code ?? signal}: ${errors}`)
    }
    const lost = [...acknowledged].filter((n) => !idOf.has(n))
    return {
      acknowledged: acknowledged.size,
      delivered: idOf.size,
      repeats,
      lost,
      contradictions,
      startMsMax,
      inTheClear,
    }
  } finally {
    await rm(dir, { recursive: true })
  }
}

async function findText(dir: string, texts: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(join(entry.parentPath, entry.name))
    for (const text of texts) if (bytes.includes(text)) found.push(`${text} in ${entry.name}`)
  }
  return found
}
