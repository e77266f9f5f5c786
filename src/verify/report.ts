/**
 * Checks a residency report (its lines are described in docs/ledger.md) without the ledger: each leaf is in the tree that
 * the checkpoint signs, stands in order, is of this tenant and this time, and none was added, left out or moved since
 * the report was signed; and by the numbers that leaves bear, that none of the tenant's was left out before. What it
 * proves and what not is said in docs/ledger.md.
 */
import { createHash, type KeyObject, verify } from 'node:crypto'
import { type ReadCheckpoint, readCheckpoint, readKey } from './note.ts'
import { hashLeaf, rootFrom } from './tree.ts'

export interface Verdict {
  readonly ok: boolean
  /** Of the report's time. */
  readonly leaves: number
  readonly problems: readonly string[]
  /** Whether it was shown that no leaf of this tenant and time was left out; and if not, why. */
  readonly complete: boolean
  readonly notShown?: string
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
const formats = ['douane.residency-report.1', 'douane.residency-report.2']

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
  #lines = 0
  #lastIndex = -1
  #lastAt = ''
  /** The number of the last numbered leaf; 0: none yet. */
  #lastN = 0
  /** A leaf after the report's time came, or the tenant's count: nothing may follow. */
  #isClosed = false
  #isBegun = false
  #unnumbered = 0

  constructor(trusted: string | undefined) {
    this.#trusted = trusted
  }

  verdict(): Verdict {
    return {
      ok: this.#problems.length === 0,
      leaves: this.#leaves,
      problems: this.#problems.slice(0, problemsMax),
      ...this.#completeness(),
      key: this.#key,
      ...(this.#header && { tenant: this.#header.tenant }),
      ...(this.#checkpoint && { checkpoint: { origin: this.#checkpoint.origin, size: this.#checkpoint.size } }),
    }
  }

  #completeness(): { complete: boolean; notShown?: string } {
    if (this.#problems.length > 0) return { complete: false, notShown: 'the report is not accepted' }
    if (!this.#isNumbered)
      return { complete: false, notShown: 'reports of the first format do not say whether leaves were left out' }
    if (this.#unnumbered === 0) return { complete: true }
    const notShown = `${this.#unnumbered} leaves bear no number: whether others like them were left out is not shown`
    return { complete: false, notShown }
  }

  get #isNumbered(): boolean {
    return this.#header?.format === formats[1]
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
      const problem = this.#lineProblem(line)
      if (problem !== undefined) this.#problems.push(`line ${i + 2}: ${problem}`)
    }
    if (this.#isNumbered && !this.#isClosed)
      this.#problems.push('leaves at the end are missing: neither a later leaf nor how many there are is told')
    this.#end(lines.at(-1)!, digest.digest('hex'))
  }

  #readHeader(line: string): void {
    const header = parsed<Header>(line)
    if (header === undefined || !formats.includes(header.format)) {
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

  #lineProblem(line: string): string | undefined {
    const count = this.#isNumbered ? parsed<{ numbered?: unknown }>(line)?.numbered : undefined
    if (count === undefined) {
      this.#lines++
      return this.#leafProblem(line)
    }
    if (this.#isClosed) return 'something follows behind the end'
    this.#isClosed = true
    return count === this.#lastN ? undefined : missing(this.#lastN + 1, Number(count))
  }

  #leafProblem(line: string): string | undefined {
    const entry = parsed<{ index: number; leaf: string; proof: string[]; n?: number }>(line)
    const leaf = typeof entry?.leaf === 'string' ? parsed<{ at: string; held: unknown }>(entry.leaf) : undefined
    if (!entry || !leaf || typeof leaf.at !== 'string' || !Array.isArray(entry.proof)) return 'cannot be read'
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
    const name = shortHash(salt, tenant)
    const held = Array.isArray(leaf.held) ? leaf.held.filter((one) => Array.isArray(one) && one[0] === name) : []
    if (held.length === 0) return `leaf ${index} is not of this tenant`
    const isInTime = leaf.at >= since && leaf.at < until
    if (isInTime) this.#leaves++
    const marks = new Set(held.map((one) => one[4]))
    if (marks.size !== 1) return `leaf ${index} bears two numbers`
    return this.#orderProblem(index, entry.n, [...marks][0], leaf.at, isInTime)
  }

  /** Whether this is the leaf that follows the one before among the tenant's own. */
  #orderProblem(index: number, n: unknown, mark: unknown, at: string, isInTime: boolean): string | undefined {
    if (this.#isClosed) return `leaf ${index} follows behind the end`
    if (mark === undefined) {
      this.#unnumbered++
      if (n !== undefined || this.#isBegun) return `leaf ${index} bears no number, but should`
      return isInTime ? undefined : `leaf ${index} is of another time`
    }
    if (!this.#isNumbered || n === undefined) return `leaf ${index} bears a number that the report does not tell`
    if (!Number.isSafeInteger(n) || mark !== shortHash(this.#header!.salt, `\n${n}`))
      return `leaf ${index} is not the one that the report calls the tenant's ${n}.`
    const [number, last, lastAt] = [n as number, this.#lastN, this.#lastAt]
    const isFirst = !this.#isBegun
    this.#isBegun = true
    this.#lastN = number
    this.#lastAt = at
    if (at < lastAt) return `leaf ${index} is older than the tenant's leaf before it`
    if (at >= this.#header!.until) this.#isClosed = true
    if (isFirst && at < this.#header!.since) return undefined
    if (number !== last + 1) return missing(last + 1, number - 1)
    return at < this.#header!.since ? `leaf ${index} is of another time` : undefined
  }

  #end(line: string, digest: string): void {
    const end = parsed<{ leaves: number; digest: string; signature: string }>(line)
    const key: KeyObject | undefined = readKey(this.#key)
    if (!end || typeof end.signature !== 'string' || !key) {
      this.#problems.push('the last line is no signature')
      return
    }
    if (end.leaves !== this.#lines)
      this.#problems.push(`the report was signed with ${end.leaves} leaves, here are ${this.#lines}`)
    if (end.digest !== digest) this.#problems.push('the lines are not those that were signed')
    const text = Buffer.from(`${this.#header!.format}\n${digest}\n`)
    if (!verify(null, text, key, Buffer.from(end.signature, 'base64')))
      this.#problems.push('the signature does not fit the lines')
  }
}

/** Pseudonyms, and the marks that number leaves. */
const shortHash = (salt: string, text: string): string =>
  createHash('sha256').update(Buffer.from(salt, 'hex')).update(text).digest('hex').slice(0, 32)

const missing = (from: number, to: number): string =>
  from <= to
    ? `of this tenant's leaves number ${from}${from === to ? ' is' : ` to ${to} are`} missing`
    : 'the numbers of leaves do not rise by one'

function parsed<T>(line: string): T | undefined {
  try {
    const value = JSON.parse(line)
    return value !== null && typeof value === 'object' ? value : undefined
  } catch {
    return undefined
  }
}
