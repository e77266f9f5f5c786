/** Kills a process with three queues again and again, and holds what it acknowledged against what was delivered. */
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

/**
 * `kills` rounds of load, each ended by SIGKILL a moment after up to `acknowledgedMax` records were acknowledged in it (some
 * while they start), then one that delivers the rest.
 */
export async function crashes(kills: number, acknowledgedMax: number, random: () => number): Promise<CrashResult> {
  const dir = await mkdtemp(join(tmpdir(), 'douane-crash-'))
  const seen = new Seen()
  let startMsMax = 0
  let inTheClear: string[] = []
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
      let left = isLast ? Number.POSITIVE_INFINITY : Math.ceil(random() * acknowledgedMax)
      const restMs = random() * 20
      child.stderr.on('data', (text) => {
        errors += text
      })
      child.stdout.on('data', (text) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop()!
        for (const line of lines) {
          seen.note(line)
          if (line.startsWith('R')) startMsMax = Math.max(startMsMax, performance.now() - startMs)
          if (line.startsWith('A') && --left === 0) setTimeout(() => child.kill('SIGKILL'), restMs)
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
    return { ...seen.result(), startMsMax, inTheClear }
  } finally {
    await rm(dir, { recursive: true })
  }
}

/** What the processes said became true. */
class Seen {
  readonly #acknowledged = new Set<number>()
  /** By destination and batch id, its records; by destination and record, its batch id. */
  readonly #batches = new Map<string, string>()
  readonly #idOf = new Map<string, string>()
  readonly #contradictions: string[] = []
  #repeats = 0

  note(line: string): void {
    const words = line.split(' ')
    if (words[0] === 'A') this.#acknowledged.add(Number(words[1]))
    if (words[0] === 'X') this.#contradictions.push(`destination ${words[1]} took something for lost`)
    if (words[0] !== 'D') return
    const [, name, id, numbers] = words as [string, string, string, string]
    const batch = `${name} ${id}`
    const before = this.#batches.get(batch)
    if (before !== undefined) this.#repeats++
    if ((before ?? numbers) !== numbers) this.#contradictions.push(`batch ${batch} changed`)
    this.#batches.set(batch, numbers)
    for (const n of numbers.split(',')) {
      const record = `${name} ${n}`
      const known = this.#idOf.get(record) ?? id
      if (known !== id) this.#contradictions.push(`record ${record} came as ${known} and as ${id}`)
      this.#idOf.set(record, id)
    }
  }

  result(): Omit<CrashResult, 'startMsMax' | 'inTheClear'> {
    const isMissing = (n: number) => ['a', 'b', 'c'].some((name) => !this.#idOf.has(`${name} ${n}`))
    return {
      acknowledged: this.#acknowledged.size,
      delivered: this.#idOf.size,
      repeats: this.#repeats,
      lost: [...this.#acknowledged].filter(isMissing),
      contradictions: this.#contradictions,
    }
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
