/**
 * Checks a residency report (its lines are described in docs/ledger.md) without the ledger: each leaf is in the tree that
 * the checkpoint signs, stands in order, is of this tenant and this time, and none was added, left out or moved since
 * the report was signed. What it proves and what not is said in docs/ledger.md.
 */
import { createHash, type KeyObject, verify } from 'node:crypto'
import { type ReadCheckpoint, readCheckpoint, readKey } from './note.ts'
import { hashLeaf, rootFrom } from './tree.ts'

export interface Verdict {
  readonly ok: boolean
  readonly leaves: number
  readonly problems: readonly string[]
  /** Who signed, as the report says, or as it was asked for. */
  readonly key: string
  readonly tenant?: string
  readonly checkpoint?: { readonly origin: string; readonly size: number }
}

interface Header {
  readonly format: string
  readonly tenant: string
  readonly salt: string
  readonly since: string
  readonly until: string
  readonly key: string
  readonly checkpoint: string
}

const problemsMax = 100

/** `trusted`: the key that must have signed. Without it the report's own word is taken, and the caller says so. */
export function verifyReport(lines: readonly string[], trusted?: string): Verdict {
  const check = new ReportCheck(trusted)
  check.all(lines)
  return check.verdict()
}

class ReportCheck {
  readonly #trusted: string | undefined
  readonly #problems: string[] = []
  #header: Header | undefined
  #key = ''
  #checkpoint: ReadCheckpoint | undefined
  #leaves = 0
  #lastIndex = -1

  constructor(trusted: string | undefined) {
    this.#trusted = trusted
  }

  verdict(): Verdict {
    return {
      ok: this.#problems.length === 0,
      leaves: this.#leaves,
      problems: this.#problems.slice(0, problemsMax),
      key: this.#key,
      ...(this.#header && { tenant: this.#header.tenant }),
      ...(this.#checkpoint && { checkpoint: { origin: this.#checkpoint.origin, size: this.#checkpoint.size } }),
    }
  }

  all(lines: readonly string[]): void {
    if (lines.length < 2) {
      this.#problems.push('this is no report: it has fewer than two lines')
      return
    }
    this.#readHeader(lines[0]!)
    if (this.#header === undefined) return
    const digest = createHash('sha256').update(`${lines[0]}\n`)
    for (const [i, line] of lines.slice(1, -1).entries()) {
      digest.update(`${line}\n`)
      const problem = this.#leafProblem(line)
      if (problem !== undefined) this.#problems.push(`line ${i + 2}: ${problem}`)
      this.#leaves++
    }
    this.#end(lines.at(-1)!, digest.digest('hex'))
  }

  #readHeader(line: string): void {
    const header = parsed<Header>(line)
    if (header?.format !== 'douane.residency-report.1') {
      this.#problems.push('line 1: this is no residency report of a format that is known here')
      return
    }
    const texts = [header.tenant, header.salt, header.since, header.until, header.key, header.checkpoint]
    if (texts.some((text) => typeof text !== 'string')) {
      this.#problems.push('line 1: something is missing')
      return
    }
    this.#header = header
    this.#key = this.#trusted ?? header.key
    if (this.#trusted !== undefined && header.key !== this.#trusted)
      this.#problems.push(`line 1: the report names another key than ${this.#trusted}`)
    this.#checkpoint = readCheckpoint(header.checkpoint, this.#key)
    if (this.#checkpoint === undefined)
      this.#problems.push('line 1: the checkpoint was changed, or another key signed it')
  }

  #leafProblem(line: string): string | undefined {
    const entry = parsed<{ index: number; leaf: string; proof: string[] }>(line)
    const leaf = typeof entry?.leaf === 'string' ? parsed<{ at: string; held: unknown }>(entry.leaf) : undefined
    if (!entry || !leaf || !Array.isArray(entry.proof)) return 'cannot be read'
    const { index } = entry
    const isLater = index > this.#lastIndex
    this.#lastIndex = Math.max(this.#lastIndex, index)
    if (!isLater) return `leaf ${index} is out of order, or there twice`
    const checkpoint = this.#checkpoint
    if (checkpoint !== undefined) {
      const path = entry.proof.map((hash) => Buffer.from(String(hash), 'base64'))
      const root = rootFrom(hashLeaf(Buffer.from(entry.leaf)), index, checkpoint.size, path)
      if (!root?.equals(checkpoint.root)) return `leaf ${index} is not in the signed tree`
    }
    const { tenant, salt, since, until } = this.#header!
    if (!(leaf.at >= since && leaf.at < until)) return `leaf ${index} is of another time`
    const name = createHash('sha256').update(Buffer.from(salt, 'hex')).update(tenant).digest('hex').slice(0, 32)
    const isHeld = Array.isArray(leaf.held) && leaf.held.some((held) => Array.isArray(held) && held[0] === name)
    return isHeld ? undefined : `leaf ${index} is not of this tenant`
  }

  #end(line: string, digest: string): void {
    const end = parsed<{ leaves: number; digest: string; signature: string }>(line)
    const key: KeyObject | undefined = readKey(this.#key)
    if (!end || typeof end.signature !== 'string' || !key) {
      this.#problems.push('the last line is no signature')
      return
    }
    if (end.leaves !== this.#leaves)
      this.#problems.push(`the report was signed with ${end.leaves} leaves, here are ${this.#leaves}`)
    if (end.digest !== digest) this.#problems.push('the lines are not those that were signed')
    const text = Buffer.from(`douane.residency-report.1\n${digest}\n`)
    if (!verify(null, text, key, Buffer.from(end.signature, 'base64')))
      this.#problems.push('the signature does not fit the lines')
  }
}

function parsed<T>(line: string): T | undefined {
  try {
    const value = JSON.parse(line)
    return value !== null && typeof value === 'object' ? value : undefined
  } catch {
    return undefined
  }
}
